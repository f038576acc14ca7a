package local_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/csar"
	"github.com/seed-a4fd30b5/orchestrator/drivers/local"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/lab"
	"github.com/seed-a4fd30b5/orchestrator/state/memory"
)

// TestBlueprint deploys the example of this driver and takes it away again.
func TestBlueprint(t *testing.T) {
	t.Parallel()
	lab.Require(t, "bash")
	lab.Require(t, "python3")
	archive, err := csar.Open("../../examples/blueprints/local", nil)
	require.NoError(t, err)
	defer archive.Close()
	temporary := t.TempDir()
	engine, err := executor.New(executor.Config{Store: memory.New(memory.Config{}),
		Drivers: []executor.Driver{local.New(local.Config{WorkDir: t.TempDir(), Env: map[string]string{"TMPDIR": temporary}})}})
	require.NoError(t, err)
	defer engine.Close()
	_, err = engine.Deploy(t.Context(), executor.Request{Deployment: "report", Archive: archive})
	require.NoError(t, err)
	outputs, err := engine.Outputs(t.Context(), "report")
	require.NoError(t, err)
	require.Equal(t, int64(8), outputs[1].Value)
	require.Equal(t, "pears", outputs[2].Value)
	report, err := os.ReadFile(outputs[0].Value.(string))
	require.NoError(t, err)
	require.Equal(t, "     3 apples\n     5 pears\n     8 in all\n", string(report))
	_, err = engine.Undeploy(t.Context(), "report", executor.Options{})
	require.NoError(t, err)
	left, err := os.ReadDir(temporary)
	require.NoError(t, err)
	require.Empty(t, left)
}
