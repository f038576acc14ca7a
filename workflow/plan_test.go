package workflow_test

import (
	"encoding/json"
	"testing"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for name, plan := range rendered(t) {
		data, err := json.Marshal(plan)
		require.NoError(t, err)
		got, err := workflow.Parse(data)
		require.NoError(t, err, name)
		require.Equal(t, plan, got, name)
	}
	tests := []struct {
		name, plan, want string
	}{
		{"no JSON", `{`, "read plan: unexpected end of JSON input"},
		{"null step", `{"steps":[null]}`, "check plan: step 0 is null"},
		{"no ID", `{"steps":[{"kind":"join"}]}`, "check plan: step 0 has no ID"},
		{"same ID", `{"steps":[{"id":"a","kind":"join"},{"id":"a","kind":"join"}]}`, `check plan: two steps have the ID "a"; rename one of the nodes`},
		{"unknown kind", `{"steps":[{"id":"a","kind":"jump"}]}`, `check plan: step "a" has the unknown kind "jump"`},
		{"call of nothing", `{"steps":[{"id":"a","kind":"call","instance":"i","interface":"f"}]}`, `check plan: step "a" calls an operation, but lacks its instance, interface or name`},
		{"set nothing", `{"steps":[{"id":"a","kind":"set","instance":"i"}]}`, `check plan: step "a" sets a state, but lacks its instance or the state`},
		{"filter nothing", `{"steps":[{"id":"a","kind":"filter","instance":"i"}]}`, `check plan: step "a" examines a condition, but lacks its instance or the condition`},
		{"after itself", `{"steps":[{"id":"a","kind":"join","after":[0]}]}`, `check plan: step "a" (0) waits for step 0, which is not before it`},
		{"after a later one", `{"steps":[{"id":"a","kind":"join"},{"id":"b","kind":"join","on_failure":[2]}]}`, `check plan: step "b" (1) waits for step 2, which is not before it`},
		{"after nothing", `{"steps":[{"id":"a","kind":"join","after":[-1]}]}`, `check plan: step "a" (0) waits for step -1, which is not before it`},
		{"not ascending", `{"steps":[{"id":"a","kind":"join"},{"id":"b","kind":"join","after":[0,0]}]}`, `check plan: step "b" waits for steps that are not in ascending order`},
		{"guard is no filter", `{"steps":[{"id":"a","kind":"join"},{"id":"b","kind":"join","guard":"a"}]}`, `check plan: step "b" is guarded by "a", which is no filter before it`},
		{"same instance", `{"steps":[],"create":[{"id":"a"},{"id":"a"}]}`, `check plan: two instances have the ID "a"; rename one of the nodes`},
		{"instance without ID", `{"steps":[],"create":[{"node":"a"}]}`, `check plan: an instance has no ID`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := workflow.Parse([]byte(tt.plan))
			require.EqualError(t, err, tt.want)
			require.Equal(t, errs.InvalidArgument, errs.CodeOf(err))
		})
	}
}

func TestDeployRefusesNodesWithTheSameIDs(t *testing.T) {
	t.Parallel()
	_, err := workflow.Deploy(service(node("a"), node("a")), nil, workflow.Options{})
	require.ErrorContains(t, err, `two steps have the ID "a_0.started"`)
}

func TestStats(t *testing.T) {
	t.Parallel()
	plan := rendered(t)["deploy"]
	require.Equal(t, workflow.Stats{Steps: 13, Calls: 10, Sets: 3, Edges: 16, Critical: 10, Width: 1, Create: 6}, plan.Stats())
	require.Equal(t, [][]int{{0}, {1}, {2}, {3}, {4}, {5}, {6}, {7}, {8}, {9}, {10}, {11}, {12}}, plan.Levels())
	require.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, append(plan.CriticalPath(), 12))

	require.Equal(t, workflow.Stats{}, (&workflow.Plan{}).Stats())
	require.Empty(t, (&workflow.Plan{}).Levels())
	require.Empty(t, (&workflow.Plan{}).CriticalPath())

	// Two servers side by side, and a handler that does not count.
	side := withWorkflows(&tosca.Workflow{Name: "w", Steps: []*tosca.WorkflowStep{
		otherwise(step("all", "both", call("Standard.create")), "repair"),
		step("repair", "web", call("Standard.stop"), call("Standard.delete"), call("Standard.create")),
	}})
	plan, err := workflow.Workflow(side, "w", nil, workflow.Options{})
	require.NoError(t, err)
	stats := plan.Stats()
	require.Equal(t, 1, stats.Critical)
	require.Equal(t, 2, stats.Width)
	require.Equal(t, []int{0}, plan.CriticalPath())
}

func TestIDs(t *testing.T) {
	t.Parallel()
	require.Equal(t, "web_0", workflow.NodeID("web", 0))
	require.Equal(t, "web_0--db_1--database.2", workflow.RelationshipID("web_0", "db_1", "database", 2))

	// Two relationships between the same nodes have IDs and steps of their own.
	a, b := node("a"), node("b")
	requires(a, "uses", b, "add_target")
	requires(a, "uses", b, "add_target")
	plan, err := workflow.Deploy(service(a, b), nil, workflow.Options{})
	require.NoError(t, err)
	require.Equal(t, []string{
		"b_0.started >started",
		"a_0--b_0--uses.0.Configure.add_target @a_0 < b_0.started",
		"a_0--b_0--uses.1.Configure.add_target @a_0 < a_0--b_0--uses.0.Configure.add_target",
		"a_0.started >started < a_0--b_0--uses.1.Configure.add_target",
	}, lines(plan))
}
