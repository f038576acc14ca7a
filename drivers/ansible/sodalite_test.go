//go:build unix

package ansible_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/csar"
	"github.com/seed-a4fd30b5/orchestrator/drivers/ansible"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/lab"
	"github.com/seed-a4fd30b5/orchestrator/internal/lab/slurm"
	"github.com/seed-a4fd30b5/orchestrator/state/memory"
)

// TestJobsByPlaybooks deploys a blueprint that drives a Slurm cluster from
// playbooks, as SODALITE's do, and undeploys it while a job runs.
func TestJobsByPlaybooks(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a Slurm cluster")
	}
	t.Parallel()
	cluster, outputs, undeploy := deployJobs(t, "testdata/sodalite/service.yaml")
	require.Equal(t, "sheep 1\nsheep 2\nsheep 3\n", outputs["words"])
	require.Equal(t, "COMPLETED", jobState(t, cluster, outputs["count"]))
	require.NotEqual(t, outputs["count"], outputs["endless"])
	require.Contains(t, []string{"PENDING", "CONFIGURING", "RUNNING"}, jobState(t, cluster, outputs["endless"]))

	undeploy()
	require.Eventually(t, func() bool { return jobState(t, cluster, outputs["endless"]) != "COMPLETING" }, time.Minute, 100*time.Millisecond)
	require.Equal(t, "CANCELLED", jobState(t, cluster, outputs["endless"]))
	require.Equal(t, "COMPLETED", jobState(t, cluster, outputs["count"]))
}

// deployJobs deploys a blueprint to a new cluster, which its playbooks reach by
// SSH, and returns the outputs and what undeploys it.
func deployJobs(t *testing.T, blueprint string) (*slurm.Cluster, map[string]any, func()) {
	cluster := startSlurm(t)
	server := lab.SSHD(t, lab.SSHDOptions{Env: cluster.Env()})

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
	outputs := map[string]any{}
	for _, o := range list {
		outputs[o.Name] = o.Value
	}
	return cluster, outputs, func() {
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

// jobState is what Slurm says of a job that it still knows.
func jobState(t *testing.T, cluster *slurm.Cluster, id any) string {
	t.Helper()
	require.IsType(t, "", id)
	out, err := cluster.Command(t.Context(), "scontrol", "show", "job", id.(string))
	require.NoError(t, err)
	m := regexp.MustCompile(`JobState=(\w+)`).FindStringSubmatch(out)
	require.NotNil(t, m, out)
	return m[1]
}
