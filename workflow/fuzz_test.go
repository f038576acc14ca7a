package workflow_test

import (
	"encoding/json"
	"io"
	"testing"

	"github.com/seed-a4fd30b5/orchestrator/workflow"
	"github.com/stretchr/testify/require"
)

// FuzzParse reads any bytes as a plan. What is a valid plan can be counted,
// drawn and written, and read again.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"kind":"deploy","steps":[]}`,
		`{"kind":"deploy","steps":[{"id":"a_0.Standard.create","kind":"call","instance":"a_0","interface":"Standard","operation":"create","enter":"creating","exit":"created","subject":"a_0"},{"id":"a_0.started","kind":"set","instance":"a_0","exit":"started","after":[0]}],"create":[{"id":"a_0","node":"a"}]}`,
		`{"kind":"w","steps":[{"id":"f","kind":"filter","instance":"a","when":"/workflows/w/steps/s/filter"},{"id":"j","kind":"join","guard":"f","after":[0]},{"id":"h","kind":"join","on_failure":[0,1]}],"remove":["a_0"]}`,
		`{"steps":[{"id":"a","kind":"join","after":[0]}]}`,
		`{"steps":[null]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		plan, err := workflow.Parse(data)
		if err != nil {
			return
		}
		steps := 0
		for _, level := range plan.Levels() {
			steps += len(level)
		}
		require.Equal(t, len(plan.Steps), steps)
		require.LessOrEqual(t, plan.Stats().Critical, plan.Stats().Calls)
		require.NoError(t, plan.WriteTable(io.Discard))
		require.NoError(t, plan.WriteDOT(io.Discard))
		require.NoError(t, plan.WriteMermaid(io.Discard))
		again, err := json.Marshal(plan)
		require.NoError(t, err)
		_, err = workflow.Parse(again)
		require.NoError(t, err)
	})
}
