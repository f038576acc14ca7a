package ssh_test

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/csar"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/lab"
	"github.com/seed-a4fd30b5/orchestrator/state/memory"
)

// TestBlueprint deploys the example of this driver and takes it away again.
func TestBlueprint(t *testing.T) {
	t.Parallel()
	server := lab.SSHD(t, lab.SSHDOptions{})
	archive, err := csar.Open("../../examples/blueprints/ssh", nil)
	require.NoError(t, err)
	defer archive.Close()
	c := config(t, server)
	c.Transport.KeyFiles = []string{} // the key is the blueprint's
	c.Env = map[string]string{"TMPDIR": t.TempDir()}
	engine, err := executor.New(executor.Config{Store: memory.New(memory.Config{}), Drivers: []executor.Driver{open(t, c)}})
	require.NoError(t, err)
	defer engine.Close()
	_, err = engine.Deploy(t.Context(), executor.Request{Deployment: "heartbeat", Archive: archive, Inputs: map[string]any{
		"host": server.Address, "port": server.Port, "user": server.User, "key_file": server.KeyFile}})
	require.NoError(t, err)
	outputs, err := engine.Outputs(t.Context(), "heartbeat")
	require.NoError(t, err)
	folder, pid := outputs[0].Value.(string), int(outputs[1].Value.(int64))
	require.Equal(t, true, outputs[2].Value)
	require.Contains(t, outputs[3].Value, "python")
	require.NoError(t, syscall.Kill(pid, 0), "the service outlives the scripts")
	_, err = engine.Undeploy(t.Context(), "heartbeat", executor.Options{})
	require.NoError(t, err)
	require.NoDirExists(t, folder)
	requireEnded(t, pid)
}
