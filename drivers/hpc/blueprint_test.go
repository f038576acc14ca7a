package hpc_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/csar"
	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/executor"
)

// TestBlueprint deploys the example of this driver, as the picture beside it says,
// and takes it away again.
func TestBlueprint(t *testing.T) {
	t.Parallel()
	b := newBench(t, service(here, `
        command: "true"`), nil, hpc.Config{})
	archive, err := csar.Open("../../examples/blueprints/hpc", nil)
	require.NoError(t, err)
	defer archive.Close()
	b.archive, b.inputs = archive, map[string]any{"work_directory": b.inputs["work"], "environment": map[string]any{"SLURM_CONF": b.inputs["conf"]}}
	plan, err := b.engine.PlanDeploy(t.Context(), executor.Request{Deployment: "d1", Archive: b.archive, Inputs: b.inputs})
	require.NoError(t, err)
	var picture strings.Builder
	require.NoError(t, plan.WriteMermaid(&picture))
	readme, err := os.ReadFile("../../examples/blueprints/hpc/README.md")
	require.NoError(t, err)
	require.Contains(t, string(readme), "```mermaid\n"+picture.String()+"```\n")
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
