package hpc_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/csar"
	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/executor"
)

// TestBlueprint deploys the example of this driver and takes it away again.
func TestBlueprint(t *testing.T) {
	b := newBench(t, service(here, `
        command: "true"`), nil, hpc.Config{})
	archive, err := csar.Open("../../examples/blueprints/hpc", nil)
	require.NoError(t, err)
	defer archive.Close()
	b.archive, b.inputs = archive, map[string]any{"work_directory": b.inputs["work"], "environment": map[string]any{"SLURM_CONF": b.inputs["conf"]}}
	require.NoError(t, b.deploy(t.Context()))
	out := b.outputs(t)
	require.Len(t, out["tasks"], 3)
	require.Len(t, out["results"], 1)
	table, err := os.ReadFile(out["results"].([]any)[0].(string))
	require.NoError(t, err)
	require.Equal(t, "width,height,area\n2,3,6\n4,5,20\n6,7,42\n", string(table))
	_, err = b.engine.Undeploy(t.Context(), "d1", executor.Options{})
	require.NoError(t, err)
	require.NoDirExists(t, filepath.Join(b.work, "jobs", "d1"))
}
