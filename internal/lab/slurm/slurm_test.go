package slurm

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

func TestCluster(t *testing.T) {
	c := Shared(t)
	dir := t.TempDir()
	out, err := c.Command(t.Context(), "sbatch", "--parsable", "--wait", "-D", dir, "-o", "out", "--wrap", "echo on $SLURMD_NODENAME")
	require.NoError(t, err)
	id := strings.TrimSpace(out)
	printed, err := os.ReadFile(dir + "/out")
	require.NoError(t, err)
	require.Regexp(t, `^on n[1-3]\n$`, string(printed))
	require.NoError(t, c.await(t.Context(), "accounting", 10*time.Second, func() bool {
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

func TestNodeIsLost(t *testing.T) {
	if testing.Short() {
		t.Skip("the controller takes half a minute to notice")
	}
	c := Shared(t)
	require.NoError(t, c.awaitNodes(t.Context()))
	out, err := c.Command(t.Context(), "sbatch", "--parsable", "--no-requeue", "-w", "n2", "-D", t.TempDir(), "-o", "/dev/null", "--wrap", "sleep 600")
	require.NoError(t, err)
	id := strings.TrimSpace(out)
	require.NoError(t, c.await(t.Context(), "the job", 20*time.Second, func() bool { return len(c.processesOn("n2")) > 1 }))
	require.NoError(t, c.KillNode("n2"))
	require.NoError(t, c.await(t.Context(), "the end of the job", 10*time.Second, func() bool { return len(c.processesOn("n2")) == 0 }))
	require.NoError(t, c.await(t.Context(), "the loss", 90*time.Second, func() bool {
		out, err := c.Command(t.Context(), "sacct", "-nXP", "-j", id, "-o", "State")
		return err == nil && strings.TrimSpace(out) == "NODE_FAIL"
	}))
	require.NoError(t, c.StartNode(t.Context(), "n2"))
}
