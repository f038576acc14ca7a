package workflow_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed-a4fd30b5/orchestrator/tosca"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the expected files of testdata anew")

// rendered are the plans whose pictures are kept in testdata.
func rendered(t *testing.T) map[string]*workflow.Plan {
	t.Helper()
	template := webAndDatabase()
	deploy, err := workflow.Deploy(template, nil, workflow.Options{})
	require.NoError(t, err)
	current := allStarted(template)
	current["web_0"] = workflow.Errored
	undeploy, err := workflow.Undeploy(template, current, workflow.Options{})
	require.NoError(t, err)

	filtered := then(step("f", "both", call("Standard.create")), "end")
	filtered.Filter = assert("state", "equal", "initial")
	handled := withWorkflows(&tosca.Workflow{Name: `say "hi" <b> #1`, Steps: []*tosca.WorkflowStep{
		otherwise(filtered, "repair"), step("repair", "db", call("Standard.delete")), step("end", "host", setState("done")),
	}})
	imperative, err := workflow.Workflow(handled, `say "hi" <b> #1`, nil, workflow.Options{})
	require.NoError(t, err)

	old, new := chain(), chain()
	setProperty(new.Nodes[1], "port", 1)
	diff, err := workflow.Compare(old, new, workflow.DiffOptions{})
	require.NoError(t, err)
	changed, err := workflow.Update(old, new, diff, allStarted(old), workflow.Options{})
	require.NoError(t, err)

	empty, err := workflow.Deploy(service(), nil, workflow.Options{})
	require.NoError(t, err)
	return map[string]*workflow.Plan{
		"deploy": deploy, "undeploy": undeploy, "workflow": imperative, "update": changed, "empty": empty,
	}
}

func TestRender(t *testing.T) {
	t.Parallel()
	formats := map[string]func(*workflow.Plan, io.Writer) error{
		"txt": (*workflow.Plan).WriteTable,
		"dot": (*workflow.Plan).WriteDOT,
		"mmd": (*workflow.Plan).WriteMermaid,
		"json": func(p *workflow.Plan, w io.Writer) error {
			e := json.NewEncoder(w)
			e.SetIndent("", "  ")
			return e.Encode(p)
		},
	}
	for name, plan := range rendered(t) {
		for format, write := range formats {
			t.Run(name+"."+format, func(t *testing.T) {
				t.Parallel()
				var got bytes.Buffer
				require.NoError(t, write(plan, &got))
				file := filepath.Join("testdata", "render", name+"."+format)
				if *update {
					require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
					require.NoError(t, os.WriteFile(file, got.Bytes(), 0o644))
				}
				want, err := os.ReadFile(file)
				require.NoError(t, err, "run go test -update to make it")
				require.Equal(t, string(want), got.String())
			})
		}
	}
}

// failing is a writer that is full.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestRenderTellsOfWriteErrors(t *testing.T) {
	t.Parallel()
	plan := &workflow.Plan{Kind: "deploy"}
	require.EqualError(t, plan.WriteTable(failing{}), "no space left")
	require.EqualError(t, plan.WriteDOT(failing{}), "no space left")
	require.EqualError(t, plan.WriteMermaid(failing{}), "no space left")
}

func TestNumbersInTables(t *testing.T) {
	t.Parallel()
	plan := &workflow.Plan{Kind: "x"}
	for _, id := range []string{"a", "b", "c", "d", "e", "f"} {
		plan.Steps = append(plan.Steps, &workflow.Step{ID: id, Kind: workflow.Join})
	}
	plan.Steps[5].After = []int{0, 1, 3}
	plan.Steps = append(plan.Steps, &workflow.Step{ID: "g", Kind: workflow.Join, After: []int{0, 2, 3, 4, 5}, OnFailure: []int{1}})
	var b bytes.Buffer
	require.NoError(t, plan.WriteTable(&b))
	require.Contains(t, b.String(), "0, 1, 3\n")
	require.Contains(t, b.String(), "0, 2-5 or failure of 1\n")
}
