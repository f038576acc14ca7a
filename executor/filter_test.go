package executor_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
)

// nested is a workflow of three levels, each inlined under a filter of the one
// around it. What comes behind makes all filters hold, too late.
const nested = `
tosca_definitions_version: tosca_simple_yaml_1_3
interface_types:
  Work:
    derived_from: tosca.interfaces.Root
    operations: { deep: {}, middle: {}, last: {} }
node_types:
  Thing:
    derived_from: tosca.nodes.Root
    attributes: { a: { type: integer }, b: { type: integer }, c: { type: integer } }
    interfaces:
      Work: { type: Work, operations: { deep: do.sh, middle: do.sh, last: do.sh } }
      Standard: { operations: { create: do.sh } }
topology_template:
  node_templates:
    web: { type: Thing }
  workflows:
    outer:
      steps:
        one:
          target: web
          filter: [ a: [ { equal: 1 } ] ]
          activities: [ inline: middle ]
          on_success: [ two ]
        two:
          target: web
          activities: [ call_operation: Work.last ]
    middle:
      steps:
        one:
          target: web
          filter: [ b: [ { equal: 1 } ] ]
          activities: [ call_operation: Work.middle, inline: inner ]
    inner:
      steps:
        one:
          target: web
          filter: [ c: [ { equal: 1 } ] ]
          activities: [ call_operation: Work.deep ]
`

// A filter that is itself held back holds its steps back, at every depth, and
// wherever the process dies and another one goes on.
func TestNestedFilters(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b, c int
		seen    []string
	}{
		{1, 1, 1, []string{"web_0.create", "web_0.middle", "web_0.deep", "web_0.last"}},
		{1, 1, 0, []string{"web_0.create", "web_0.middle", "web_0.last"}},
		{1, 0, 1, []string{"web_0.create", "web_0.last"}},
		{0, 1, 1, []string{"web_0.create", "web_0.last"}},
		{0, 0, 1, []string{"web_0.create", "web_0.last"}},
	} {
		t.Run(fmt.Sprint(c.a, c.b, c.c), func(t *testing.T) {
			t.Parallel()
			outputs := returns(map[string]map[string]any{
				"web_0.create": {"a": c.a, "b": c.b, "c": c.c},
				"web_0.last":   {"a": 1, "b": 1, "c": 1},
			})
			for commits, crashed := 0, true; crashed; commits++ {
				synctest.Test(t, func(t *testing.T) {
					var seen []string
					seen, crashed = crashInWorkflow(t, nested, "outer", commits, outputs)
					require.Equal(t, c.seen, seen, "crash at commit %d", commits)
				})
			}
		})
	}
}

// crashInWorkflow deploys, runs a workflow with a crash at a commit, resumes,
// and returns what was done; false if there were not so many commits.
func crashInWorkflow(t *testing.T, yaml, name string, commits int, do func(context.Context, *executor.Operation) (map[string]any, error)) ([]string, bool) {
	driver := &remembering{done: map[string]map[string]any{}}
	driver.do = do
	store := newMemory(t)
	dying := &crashing{Store: store, left: commits, after: true}
	engine := func(s state.Store) *executor.Engine {
		return newEngine(t, executor.Config{Store: s, Drivers: []executor.Driver{executor.Sync(driver)}, LeaseTTL: time.Minute})
	}
	_, err := engine(store).Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, yaml)})
	require.NoError(t, err)
	_, err = engine(dying).RunWorkflow(t.Context(), "x", name, nil, executor.Options{})
	if !dying.dead {
		require.NoError(t, err)
		return driver.seen(), false
	}
	require.True(t, errors.Is(err, errDead), "%v", err)
	time.Sleep(2 * time.Minute) // the lease of the dead process ends
	_, err = engine(store).Resume(t.Context(), "x", executor.Options{})
	if executor.CodeOf(err) != executor.FailedPrecondition { // the run had ended
		require.NoError(t, err)
	}
	return driver.seen(), true
}
