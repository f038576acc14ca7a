package slurm

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(killedIn); dir != "" {
		os.Exit(runKilled(dir))
	}
	os.Exit(Main(m))
}

func TestCluster(t *testing.T) {
	c := Shared(t)
	dir := t.TempDir()
	out, err := c.Command(t.Context(), "sbatch", "--parsable", "--wait", "-D", dir, "-o", "out", "--wrap", "echo on $SLURMD_NODENAME")
	require.NoError(t, err)
	id := strings.TrimSpace(out)
	printed, err := os.ReadFile(dir + "/out")
	require.NoError(t, err)
	require.Regexp(t, `^on n[1-3]\n$`, string(printed))
	require.NoError(t, c.await(t.Context(), "accounting", time.Minute, func() bool {
		out, err := c.Command(t.Context(), "sacct", "-nXP", "-j", id, "-o", "State,ExitCode")
		return err == nil && strings.TrimSpace(out) == "COMPLETED|0:0"
	}))
	token, err := c.Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(token, "."), "a JSON Web Token has three parts")
}

func TestControllerStopsAndStarts(t *testing.T) {
	c := Shared(t)
	c.StopController()
	_, err := c.Command(t.Context(), "squeue")
	require.Error(t, err)
	require.NoError(t, c.StartController(t.Context()))
	_, err = c.Command(t.Context(), "squeue")
	require.NoError(t, err)
}

// killedIn names the folder of the cluster that a child process starts.
const killedIn = "ORCHESTRATOR_TEST_SLURM_KILLED"

// smallest is a cluster that starts in two seconds.
var smallest = Options{Nodes: 1, NoAccounting: true, NoREST: true}

// runKilled starts a cluster with a job, and waits to be killed.
func runKilled(dir string) int {
	c, err := Start(context.Background(), dir, smallest)
	if err == nil {
		_, err = c.Command(context.Background(), "sbatch", "-D", dir, "-o", "/dev/null", "--wrap", "sleep 600")
	}
	if err == nil {
		err = c.await(context.Background(), "the job", time.Minute, func() bool {
			return slices.ContainsFunc(c.processesOn("n1"), func(pid int) bool { return command(pid) == "sleep" })
		})
	}
	fmt.Println(err)
	select {}
}

// The cluster of a process that is killed ends with it, jobs and all.
func TestKilled(t *testing.T) {
	t.Parallel()
	Require(t)
	exe, err := os.Executable()
	require.NoError(t, err)
	dir, err := os.MkdirTemp("", "slurm-lab-") // t.TempDir lets no other account in
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755))
	child := exec.Command(exe)
	child.Env = append(os.Environ(), killedIn+"="+dir)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	said, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "<nil>\n", said)
	before := processesIn(t, dir)
	for _, name := range []string{"munged", "slurmctld", "slurmd", "slurmstepd", "sleep"} {
		require.Contains(t, slices.Collect(maps.Values(before)), name)
	}
	require.NoError(t, child.Process.Kill())
	_ = child.Wait()
	require.Eventually(t, func() bool {
		for pid := range before {
			if command(pid) == before[pid] {
				return false
			}
		}
		_, err := os.Stat(dir)
		return os.IsNotExist(err)
	}, time.Minute, 50*time.Millisecond)
}

// processesIn returns the commands of the processes of the cluster in a folder:
// those that know its slurm.conf, and the slurmstepds of its jobs.
func processesIn(t *testing.T, dir string) map[int]string {
	t.Helper()
	found := map[int]string{}
	c := &Cluster{Conf: filepath.Join(dir, "etc", "slurm.conf")}
	for _, pid := range c.processesOn("n1") {
		found[pid] = command(pid)
	}
	all, err := filepath.Glob("/proc/[0-9]*/environ")
	require.NoError(t, err)
	for _, name := range all {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		require.NoError(t, err)
		if env, err := os.ReadFile(name); err == nil && hasVariable(env, "SLURM_CONF="+c.Conf) {
			found[pid] = command(pid)
		}
	}
	return found
}
