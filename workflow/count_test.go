package workflow_test

import (
	"slices"
	"testing"
	"testing/fstest"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
	"github.com/stretchr/testify/require"
)

// counted has pairs of nodes, as many as its input n says.
const counted = `tosca_definitions_version: tosca_2_0
artifact_types: { Script: { file_ext: [ sh ] } }
capability_types: { Place: {} }
relationship_types: { SitsAt: {} }
interface_types: { Standard: { operations: { create: {}, delete: {}, polish: {} } } }
node_types:
  Desk: { capabilities: { place: Place } }
  Worker:
    properties: { number: { type: integer } }
    requirements: [ desk: { capability: Place, relationship: SitsAt } ]
    interfaces: { Standard: { type: Standard, operations: { create: c.sh, delete: d.sh, polish: p.sh } } }
service_template:
  inputs: { n: { type: integer } }
  node_templates:
    worker: { type: Worker, count: { $get_input: n }, properties: { number: $node_index }, requirements: [ desk: [ desk, $node_index ] ] }
    desk: { type: Desk, count: { $get_input: n } }
  workflows:
    polish: { steps: { all: { target: worker, activities: [ call_operation: Standard.polish, set_state: polished ] } } }
`

func loadCounted(t *testing.T, n int) *tosca.ServiceTemplate {
	t.Helper()
	st, ds := tosca.Load(fstest.MapFS{"service.yaml": &fstest.MapFile{Data: []byte(counted)}}, "service.yaml",
		&tosca.Options{Inputs: map[string]any{"n": n}, SkipArtifactFiles: true})
	require.Empty(t, ds)
	return st
}

func stepIDs(p *workflow.Plan) []string {
	ids := make([]string, len(p.Steps))
	for i, s := range p.Steps {
		ids[i] = s.ID
	}
	return ids
}

// startedAll are the states of a service in which everything is started.
func startedAll(t *testing.T, st *tosca.ServiceTemplate) workflow.Current {
	t.Helper()
	plan, err := workflow.Deploy(st, nil, workflow.Options{})
	require.NoError(t, err)
	current := workflow.Current{}
	for _, i := range plan.Create {
		current[i.ID] = workflow.Started
	}
	return current
}

func TestDeployRepresentations(t *testing.T) {
	t.Parallel()
	plan, err := workflow.Deploy(loadCounted(t, 2), nil, workflow.Options{})
	require.NoError(t, err)
	require.Equal(t, []string{
		"desk_0.started", "worker_0.Standard.create", "worker_0.started",
		"desk_1.started", "worker_1.Standard.create", "worker_1.started",
	}, stepIDs(plan))
	require.Contains(t, plan.Create, workflow.Instance{ID: "worker_1", Node: "worker", Index: 1})
	require.Contains(t, plan.Create, workflow.Instance{ID: "worker_1--desk_1--desk.0", Node: "worker", Index: 1, Requirement: "desk", Target: "desk_1"})
	require.Len(t, plan.Create, 6)
}

func TestWorkflowOnRepresentations(t *testing.T) {
	t.Parallel()
	st := loadCounted(t, 3)
	plan, err := workflow.Workflow(st, "polish", startedAll(t, st), workflow.Options{})
	require.NoError(t, err)
	for _, id := range []string{"worker_0", "worker_1", "worker_2"} {
		require.True(t, slices.ContainsFunc(plan.Steps, func(s *workflow.Step) bool { return s.Instance == id && s.Operation == "polish" }), id)
	}
	empty, err := workflow.Workflow(loadCounted(t, 0), "polish", nil, workflow.Options{})
	require.NoError(t, err)
	require.Empty(t, empty.Steps)
}

// TestUpdateCount wants a changed count to touch the last nodes only.
func TestUpdateCount(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, to              int
		added, deleted        []string
		steps, create, remove []string
	}{
		{2, 3, []string{"worker[2]", "desk[2]"}, nil,
			[]string{"desk_2.started", "worker_2.Standard.create", "worker_2.started"},
			[]string{"desk_2", "worker_2", "worker_2--desk_2--desk.0"}, nil},
		{3, 1, nil, []string{"worker[1]", "worker[2]", "desk[1]", "desk[2]"},
			[]string{"worker_2.Standard.delete", "desk_2.initial", "worker_1.Standard.delete", "desk_1.initial", "undeployed"},
			nil, []string{"desk_1", "desk_2", "worker_1", "worker_1--desk_1--desk.0", "worker_2", "worker_2--desk_2--desk.0"}},
		{1, 0, nil, []string{"worker", "desk"},
			[]string{"worker_0.Standard.delete", "desk_0.initial", "undeployed"},
			nil, []string{"desk_0", "worker_0", "worker_0--desk_0--desk.0"}},
		{2, 2, nil, nil, nil, nil, nil},
	} {
		old, changed := loadCounted(t, c.from), loadCounted(t, c.to)
		current := startedAll(t, old)
		diff, err := workflow.Compare(old, changed, workflow.DiffOptions{Current: current})
		require.NoError(t, err)
		if nodes, ok := diff.Get("nodes").(*workflow.Diff); ok {
			require.Equal(t, c.added, nodes.Added)
			require.Equal(t, c.deleted, nodes.Deleted)
			require.Empty(t, nodes.Changed)
		}
		plan, err := workflow.Update(old, changed, diff, current, workflow.Options{})
		require.NoError(t, err)
		require.Equal(t, c.steps, append([]string(nil), stepIDs(plan)...), "from %d to %d", c.from, c.to)
		var create []string
		for _, i := range plan.Create {
			create = append(create, i.ID)
		}
		require.Equal(t, c.create, create)
		require.Equal(t, c.remove, plan.Remove)
	}
}

func TestDeployDangling(t *testing.T) {
	t.Parallel()
	st := loadCounted(t, 1)
	dangling := *st
	dangling.Dangling = []*tosca.DanglingRequirement{{Name: "desk", Source: st.Node("worker"), Range: st.Node("worker").Range}}
	_, err := workflow.Deploy(&dangling, nil, workflow.Options{})
	require.Equal(t, errs.InvalidArgument, errs.CodeOf(err))
	require.ErrorContains(t, err, "no node fulfils the requirements desk of worker (service.yaml:15:5)")
	_, err = workflow.Undeploy(&dangling, startedAll(t, st), workflow.Options{})
	require.NoError(t, err, "what is there can always be taken away")
}
