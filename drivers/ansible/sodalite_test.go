//go:build unix

package ansible_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/csar"
	"github.com/seed-a4fd30b5/orchestrator/drivers/ansible"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/lab"
	"github.com/seed-a4fd30b5/orchestrator/internal/lab/pbs"
	"github.com/seed-a4fd30b5/orchestrator/internal/lab/slurm"
	"github.com/seed-a4fd30b5/orchestrator/state/memory"
)

// jobLab is a cluster on which a blueprint runs a short and an endless job.
type jobLab struct {
	// env is what the commands of its manager need.
	env map[string]string
	// state asks the manager for the state of a job. ended is that of the short
	// job, going those of the endless one, which cancelled follows on, behind closing.
	state                     func(t *testing.T, id string) string
	going                     []string
	ended, cancelled, closing string
}

// TestJobsByPlaybooks deploys blueprints that drive a cluster from playbooks,
// as SODALITE's do, and undeploys them while a job runs.
func TestJobsByPlaybooks(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a Slurm cluster")
	}
	t.Parallel()
	cases := []struct {
		name, blueprint string
		start           func(t *testing.T) *jobLab
	}{
		{"slurm by its commands", "testdata/sodalite/service.yaml", slurmLab},
		{"torque by the collection", "testdata/sodalite-collection/service.yaml", torqueLab},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cluster := c.start(t)
			outputs, undeploy := deployJobs(t, c.blueprint, cluster.env)
			require.Equal(t, "sheep 1\nsheep 2\nsheep 3\n", outputs["words"])
			count, endless := outputs["count"], outputs["endless"]
			require.NotEqual(t, count, endless)
			require.Equal(t, cluster.ended, cluster.state(t, count))
			require.Contains(t, cluster.going, cluster.state(t, endless))

			undeploy()
			require.Eventually(t, func() bool { return cluster.state(t, endless) != cluster.closing }, 2*time.Minute, 100*time.Millisecond)
			require.Equal(t, cluster.cancelled, cluster.state(t, endless))
			require.Equal(t, cluster.ended, cluster.state(t, count))
		})
	}
}

// deployJobs deploys a blueprint to a cluster, which its playbooks reach by SSH,
// and returns the outputs and what undeploys it.
func deployJobs(t *testing.T, blueprint string, env map[string]string) (map[string]string, func()) {
	server := lab.SSHD(t, lab.SSHDOptions{Env: env})
	// Hosts that playbooks add to the inventory have no port of their own, and the
	// account's home is not where the test's sshd says it is.
	driver := newDriver(t, ansible.Config{Env: map[string]string{
		"ANSIBLE_REMOTE_PORT":    strconv.Itoa(server.Port),
		"ANSIBLE_SSH_EXTRA_ARGS": "-o UserKnownHostsFile=" + server.KnownHosts,
		"ANSIBLE_ASYNC_DIR":      filepath.Join(t.TempDir(), "async"),
	}})
	engine, err := executor.New(executor.Config{
		Store:   memory.New(memory.Config{}),
		Workers: 4,
		Drivers: []executor.Driver{executor.Sync(driver)},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, engine.Close()) })
	archive, err := csar.Open(blueprint, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, archive.Close()) })

	_, err = engine.Deploy(t.Context(), executor.Request{Deployment: "jobs", Archive: archive, Inputs: map[string]any{
		"frontend-address": server.Address, "user": server.User, "key-location": server.KeyFile,
	}})
	require.NoError(t, err)
	list, err := engine.Outputs(t.Context(), "jobs")
	require.NoError(t, err)
	outputs := map[string]string{}
	for _, o := range list {
		require.IsType(t, "", o.Value, o.Name)
		outputs[o.Name] = o.Value.(string)
	}
	return outputs, func() {
		_, err := engine.Undeploy(t.Context(), "jobs", executor.Options{})
		require.NoError(t, err)
	}
}

// startSlurm starts a small cluster for a test.
func startSlurm(t *testing.T) *slurm.Cluster {
	t.Helper()
	slurm.Require(t)
	dir, err := os.MkdirTemp("", "slurm-lab-") // t.TempDir is closed to the accounts of the daemons
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))
	// Playbooks ask scontrol, which must remember ended jobs until they do.
	cluster, err := slurm.Start(t.Context(), dir, slurm.Options{Nodes: 1, MinJobAge: 300, NoAccounting: true, NoREST: true})
	require.NoError(t, err)
	t.Cleanup(cluster.Stop)
	return cluster
}

func slurmLab(t *testing.T) *jobLab {
	cluster := startSlurm(t)
	return &jobLab{
		env: cluster.Env(),
		state: func(t *testing.T, id string) string {
			out, err := cluster.Command(t.Context(), "scontrol", "show", "job", id)
			require.NoError(t, err)
			return found(t, `JobState=(\w+)`, out)
		},
		going: []string{"PENDING", "CONFIGURING", "RUNNING"}, ended: "COMPLETED", cancelled: "CANCELLED", closing: "COMPLETING",
	}
}

func torqueLab(t *testing.T) *jobLab {
	cluster := pbs.Start(t, pbs.Options{KeepCompleted: time.Hour})
	env := maps.Clone(cluster.Env())
	env["PATH"] = cluster.Bin + ":" + withoutSlurm(t)
	return &jobLab{
		env: env,
		state: func(t *testing.T, id string) string {
			cmd := exec.CommandContext(t.Context(), filepath.Join(cluster.Bin, "qstat"), "-f", id)
			for name, value := range cluster.Env() {
				cmd.Env = append(cmd.Env, name+"="+value)
			}
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, string(out))
			return found(t, `job_state = (\w)`, string(out))
		},
		going: []string{"Q", "R"}, ended: "C", cancelled: "C", closing: "E",
	}
}

// withoutSlurm makes a folder with the system's programs except those of Slurm,
// by which a host would be taken for one of Slurm.
func withoutSlurm(t *testing.T) string {
	dir := t.TempDir()
	programs, err := os.ReadDir("/usr/bin")
	require.NoError(t, err)
	for _, p := range programs {
		if p.Name() != "sbatch" {
			require.NoError(t, os.Symlink("/usr/bin/"+p.Name(), filepath.Join(dir, p.Name())))
		}
	}
	return dir
}

// found returns the first group of a pattern in a text that has it.
func found(t *testing.T, pattern, text string) string {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(text)
	require.NotNil(t, m, "%s in %s", pattern, strings.TrimSpace(text))
	return m[1]
}
