package workflow_test

import (
	"testing"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
	"github.com/stretchr/testify/require"
)

// assert makes the condition that an attribute satisfies one constraint.
func assert(attribute, op string, operand any) *tosca.Condition {
	return &tosca.Condition{Op: "assert", Attribute: attribute,
		Constraints: []*tosca.Constraint{{Op: op, Value: tosca.Constant(operand)}}}
}

func setState(state string) *tosca.Activity {
	return &tosca.Activity{Kind: tosca.SetState, Name: state}
}

func call(operation string) *tosca.Activity {
	return &tosca.Activity{Kind: tosca.CallOperation, Name: operation}
}

func inline(workflow string) *tosca.Activity {
	return &tosca.Activity{Kind: tosca.Inline, Name: workflow}
}

func delegate(workflow string) *tosca.Activity {
	return &tosca.Activity{Kind: tosca.Delegate, Name: workflow}
}

// step makes a step of a workflow.
func step(name, target string, activities ...*tosca.Activity) *tosca.WorkflowStep {
	return &tosca.WorkflowStep{Name: name, Target: target, Activities: activities}
}

// then names the steps that follow on success.
func then(s *tosca.WorkflowStep, next ...string) *tosca.WorkflowStep {
	s.OnSuccess = next
	return s
}

// otherwise names the steps that follow on failure.
func otherwise(s *tosca.WorkflowStep, next ...string) *tosca.WorkflowStep {
	s.OnFailure = next
	return s
}

// withWorkflows is webAndDatabase with a group of web and db, and workflows.
func withWorkflows(workflows ...*tosca.Workflow) *tosca.ServiceTemplate {
	t := webAndDatabase()
	t.Groups = []*tosca.Group{{Name: "both", Members: t.Nodes[1:]}, {Name: "none"}}
	t.Workflows = workflows
	return t
}

func TestWorkflow(t *testing.T) {
	t.Parallel()
	const rel = "web_0--db_0--database.0"
	filtered := step("f", "both", call("Standard.create"), setState("created"))
	filtered.Filter = assert("state", "equal", "initial")
	onRelationship := step("r", "web", call("Configure.add_source"), setState("linked"))
	onRelationship.TargetRelationship = "database"
	onRelationship.OperationHost = "ORCHESTRATOR"
	guardedInline := step("g", "web", inline("sub"))
	guardedInline.Filter = assert("state", "equal", "started")
	tests := []struct {
		name  string
		steps []*tosca.WorkflowStep
		more  []*tosca.Workflow
		pre   []*tosca.Precondition
		want  []string
	}{
		{
			name: "activities in a row, steps by on_success",
			steps: []*tosca.WorkflowStep{
				step("last", "db", call("tosca.interfaces.node.lifecycle.Standard.delete")),
				then(step("first", "web", setState("stopping"), call("Standard.stop"), setState("configured")), "last"),
			},
			want: []string{
				"w.first.0.web_0.stopping >stopping",
				"w.first.1.web_0.Standard.stop < w.first.0.web_0.stopping",
				"w.first.2.web_0.configured >configured < w.first.1.web_0.Standard.stop",
				"w.last.0.db_0.Standard.delete < w.first.2.web_0.configured",
			},
		},
		{
			name: "members of a group at once, then one step behind them",
			steps: []*tosca.WorkflowStep{
				then(step("all", "both", call("Standard.create")), "one"),
				step("one", "host", setState("done")),
			},
			want: []string{
				"w.all.0.web_0.Standard.create",
				"w.all.0.db_0.Standard.create",
				"w.all.end < w.all.0.web_0.Standard.create, w.all.0.db_0.Standard.create",
				"w.one.0.host_0.done >done < w.all.end",
			},
		},
		{
			name: "failures have handlers, which may serve success too",
			steps: []*tosca.WorkflowStep{
				otherwise(then(step("try", "web", call("Standard.create"), call("Standard.start")), "finally"), "repair"),
				step("repair", "db", call("Standard.delete")),
				step("finally", "host", setState("done")),
				otherwise(step("side", "db", call("Standard.create")), "finally"),
			},
			want: []string{
				"w.try.0.web_0.Standard.create",
				"w.try.1.web_0.Standard.start < w.try.0.web_0.Standard.create",
				"w.repair.begin ! w.try.0.web_0.Standard.create, w.try.1.web_0.Standard.start",
				"w.repair.0.db_0.Standard.delete < w.repair.begin",
				"w.side.0.db_0.Standard.create",
				"w.finally.begin < w.try.1.web_0.Standard.start ! w.side.0.db_0.Standard.create",
				"w.finally.0.host_0.done >done < w.finally.begin",
			},
		},
		{
			name: "what does nothing neither fails nor holds up",
			steps: []*tosca.WorkflowStep{
				otherwise(then(step("empty", "none", setState("x")), "next"), "handler"),
				step("next", "db", setState("x")),
				then(step("handler", "db", setState("y")), "after"),
				step("after", "db", setState("z")),
			},
			want: []string{"w.next.0.db_0.x >x"},
		},
		{
			name:  "relationships",
			steps: []*tosca.WorkflowStep{onRelationship},
			want: []string{
				"w.r.0." + rel + ".Configure.add_source @db_0",
				"w.r.1." + rel + ".linked >linked < w.r.0." + rel + ".Configure.add_source",
			},
		},
		{
			name:  "delegate",
			steps: []*tosca.WorkflowStep{then(step("down", "db", delegate("undeploy")), "up"), step("up", "db", delegate("install"))},
			want: []string{
				"w.down.0.db_0.Standard.delete deleting>initial",
				"w.up.0.db_0.Standard.create creating>created < w.down.0.db_0.Standard.delete",
				"w.up.0.db_0.started >started < w.up.0.db_0.Standard.create",
			},
		},
		{
			name:  "filter",
			steps: []*tosca.WorkflowStep{filtered},
			want: []string{
				"w.f.filter.web_0",
				"w.f.filter.db_0",
				"w.f.0.web_0.Standard.create if w.f.filter.web_0 < w.f.filter.web_0",
				"w.f.0.db_0.Standard.create if w.f.filter.db_0 < w.f.filter.db_0",
				"w.f.1.web_0.created >created if w.f.filter.web_0 < w.f.0.web_0.Standard.create",
				"w.f.1.db_0.created >created if w.f.filter.db_0 < w.f.0.db_0.Standard.create",
				"w.f.end < w.f.1.web_0.created, w.f.1.db_0.created",
			},
		},
		{
			name: "preconditions",
			pre:  []*tosca.Precondition{{Target: "both", Condition: assert("state", "equal", "started")}},
			steps: []*tosca.WorkflowStep{
				step("s", "web", setState("x")),
			},
			want: []string{
				"w.precondition.0.web_0",
				"w.precondition.0.db_0",
				"w.preconditions < w.precondition.0.web_0, w.precondition.0.db_0",
				"w.s.0.web_0.x >x < w.preconditions",
			},
		},
		{
			name:  "inline, under a filter",
			steps: []*tosca.WorkflowStep{then(guardedInline, "z"), step("z", "db", setState("z"))},
			more: []*tosca.Workflow{{Name: "sub", Steps: []*tosca.WorkflowStep{
				step("a", "web", call("Standard.stop")), step("b", "db", call("Standard.delete")),
			}}},
			want: []string{
				"w.g.filter.web_0",
				"w.g.0.a.0.web_0.Standard.stop if w.g.filter.web_0 < w.g.filter.web_0",
				"w.g.0.b.0.db_0.Standard.delete if w.g.filter.web_0 < w.g.filter.web_0",
				"w.g.0.end < w.g.0.a.0.web_0.Standard.stop, w.g.0.b.0.db_0.Standard.delete",
				"w.z.0.db_0.z >z < w.g.0.end",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			template := withWorkflows(append(tt.more, &tosca.Workflow{Name: "w", Steps: tt.steps, Preconditions: tt.pre})...)
			plan, err := workflow.Workflow(template, "w", allStarted(template), workflow.Options{})
			require.NoError(t, err)
			require.Equal(t, "w", plan.Kind)
			require.Equal(t, tt.want, lines(plan))
			require.Empty(t, plan.Create)
			requirePlaces(t, template, plan)
		})
	}
}

// requirePlaces requires that the places which steps name are in the template.
func requirePlaces(t *testing.T, template *tosca.ServiceTemplate, plan *workflow.Plan) {
	t.Helper()
	for _, s := range plan.Steps {
		for _, at := range append([]string{s.Activity}, s.Scope...) {
			if at == "" {
				continue
			}
			activity, err := workflow.FindActivity(template, at)
			require.NoError(t, err)
			if at == s.Activity {
				require.Equal(t, tosca.CallOperation, activity.Kind)
			} else {
				require.Equal(t, tosca.Inline, activity.Kind)
			}
		}
		if s.When != "" {
			_, err := workflow.FindCondition(template, s.When)
			require.NoError(t, err)
		}
	}
}

func TestWorkflowNamesPlacesAndHosts(t *testing.T) {
	t.Parallel()
	s := step("a/b", "web", inline("sub"))
	sub := step("s", "web", call("Standard.stop"))
	sub.OperationHost = "ORCHESTRATOR"
	template := withWorkflows(&tosca.Workflow{Name: "w~", Steps: []*tosca.WorkflowStep{s}},
		&tosca.Workflow{Name: "sub", Steps: []*tosca.WorkflowStep{sub}})
	plan, err := workflow.Workflow(template, "w~", nil, workflow.Options{})
	require.NoError(t, err)
	require.Equal(t, []string{"/workflows/w~0/steps/a~1b/activities/0"}, plan.Steps[0].Scope)
	require.Equal(t, "/workflows/sub/steps/s/activities/0", plan.Steps[0].Activity)
	require.Equal(t, "ORCHESTRATOR", plan.Steps[0].Host)
	requirePlaces(t, template, plan)

	var made []string
	for _, i := range plan.Create {
		made = append(made, i.ID)
	}
	require.Equal(t, []string{"web_0", "web_0--host_0--host.0", "web_0--db_0--database.0"}, made)
}

func TestWorkflowRefuses(t *testing.T) {
	t.Parallel()
	onNothing := step("s", "web", setState("x"))
	onNothing.TargetRelationship = "storage"
	delegated := step("s", "web", delegate("deploy"))
	delegated.TargetRelationship = "database"
	filtered := step("s", "both", inline("other"))
	filtered.Filter = assert("state", "equal", "x")
	other := &tosca.Workflow{Name: "other", Steps: []*tosca.WorkflowStep{step("back", "web", inline("w"))}}
	tests := []struct {
		name     string
		workflow *tosca.Workflow
		steps    []*tosca.WorkflowStep
		want     string
		code     errs.Code
	}{
		{name: "no such workflow", workflow: &tosca.Workflow{Name: "x"}, code: errs.NotFound,
			want: "plan workflow w: the service template has no such workflow (its workflows: other, x)"},
		{name: "no such step", steps: []*tosca.WorkflowStep{then(step("s", "web"), "t")}, code: errs.InvalidArgument,
			want: `plan workflow w.s: it goes on to the step "t", which does not exist`},
		{name: "circle of steps", steps: []*tosca.WorkflowStep{then(step("s", "web"), "t"), otherwise(step("t", "web"), "s")}, code: errs.InvalidArgument,
			want: "plan workflow w: its steps go in a circle; a step must not lead back to itself"},
		{name: "no such target", steps: []*tosca.WorkflowStep{step("s", "wbe")}, code: errs.InvalidArgument,
			want: `plan workflow w.s: its target "wbe" is neither a node template nor a group`},
		{name: "no such requirement", steps: []*tosca.WorkflowStep{onNothing}, code: errs.InvalidArgument,
			want: `plan workflow w.s: its target "web" has no requirement "storage"`},
		{name: "no such operation", steps: []*tosca.WorkflowStep{step("s", "db", call("Standard.reload"))}, code: errs.InvalidArgument,
			want: `plan workflow w.s: db_0 has no operation "Standard.reload" (its operations: Standard.create, Standard.delete)`},
		{name: "operation without interface", steps: []*tosca.WorkflowStep{step("s", "host", call("create"))}, code: errs.InvalidArgument,
			want: `plan workflow w.s: host_0 has no operation "create" (it has no operations)`},
		{name: "no such workflow to run", steps: []*tosca.WorkflowStep{step("s", "web", inline("nothing"))}, code: errs.InvalidArgument,
			want: `plan workflow w.s: it runs the workflow "nothing", which does not exist`},
		{name: "workflows in a circle", steps: []*tosca.WorkflowStep{step("s", "web", inline("other"))}, code: errs.InvalidArgument,
			want: "plan workflow other.back: workflows run each other in a circle: w -> other -> w"},
		{name: "unknown delegate", steps: []*tosca.WorkflowStep{step("s", "web", delegate("fly"))}, code: errs.InvalidArgument,
			want: `plan workflow w.s: "fly" cannot be delegated; deploy, install, undeploy and uninstall can`},
		{name: "delegate to a relationship", steps: []*tosca.WorkflowStep{delegated}, code: errs.InvalidArgument,
			want: `plan workflow w.s: "deploy" cannot be delegated to a relationship; name only the node`},
		{name: "inline under several filters", steps: []*tosca.WorkflowStep{filtered}, code: errs.Unimplemented,
			want: "plan workflow w.s: it runs another workflow under a filter on several nodes; filter the steps of that workflow"},
		{name: "unknown activity", steps: []*tosca.WorkflowStep{step("s", "web", &tosca.Activity{Kind: "dance"})}, code: errs.InvalidArgument,
			want: `plan workflow w.s: it has an activity of the unknown kind "dance"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := tt.workflow
			if w == nil {
				w = &tosca.Workflow{Name: "w", Steps: tt.steps}
			}
			_, err := workflow.Workflow(withWorkflows(other, w), "w", nil, workflow.Options{})
			require.EqualError(t, err, tt.want)
			require.Equal(t, tt.code, errs.CodeOf(err))
		})
	}
}

func TestWorkflowLeavesOutWhatNothingImplements(t *testing.T) {
	t.Parallel()
	s := step("s", "web", call("Standard.stop"), setState("x"))
	template := withWorkflows(&tosca.Workflow{Name: "w", Steps: []*tosca.WorkflowStep{s}})
	template.Nodes[1].Interfaces[0].Operations[3].Implementation = nil
	plan, err := workflow.Workflow(template, "w", nil, workflow.Options{})
	require.NoError(t, err)
	require.Equal(t, []string{"w.s.1.web_0.x >x"}, lines(plan))

	plan, err = workflow.Workflow(template, "w", nil, workflow.Options{
		Claims: func(n *tosca.NodeTemplate, iface, op string) bool { return n.Name == "web" && op == "stop" },
	})
	require.NoError(t, err)
	require.Equal(t, []string{"w.s.0.web_0.Standard.stop", "w.s.1.web_0.x >x < w.s.0.web_0.Standard.stop"}, lines(plan))
}

func TestFindRefusesForeignPlaces(t *testing.T) {
	t.Parallel()
	template := withWorkflows(&tosca.Workflow{Name: "w", Steps: []*tosca.WorkflowStep{step("s", "web", setState("x"))}})
	for _, at := range []string{
		"", "/", "/workflows/w/steps/s/activities/1", "/workflows/w/steps/s/activities/-1", "/workflows/w/steps/s/activities/x",
		"/workflows/w/steps/t/activities/0", "/workflows/v/steps/s/activities/0", "/policies/p/triggers/t/action/0",
		"/workflows/w/steps/s/filter", "/workflows/w/preconditions/0", "/policies/p/triggers/t/condition",
	} {
		_, err := workflow.FindActivity(template, at)
		require.Equal(t, errs.NotFound, errs.CodeOf(err), at)
		_, err = workflow.FindCondition(template, at)
		require.Equal(t, errs.NotFound, errs.CodeOf(err), at)
	}
}

// A workflow that an artifact implements is one step on no instance, behind its
// preconditions; a workflow that runs it has it in its place.
func TestImplementedWorkflow(t *testing.T) {
	t.Parallel()
	implemented := &tosca.Workflow{Name: "copy", Implementation: &tosca.Implementation{},
		Preconditions: []*tosca.Precondition{{Target: "both", Condition: assert("state", "equal", "started")}}}
	outer := &tosca.Workflow{Name: "w", Steps: []*tosca.WorkflowStep{step("s", "web", setState("saving"), inline("copy"), setState("started"))}}
	template := withWorkflows(implemented, outer)
	plan, err := workflow.Workflow(template, "w", nil, workflow.Options{})
	require.NoError(t, err)
	require.NoError(t, plan.Validate())
	require.Equal(t, []string{
		"w.s.0.web_0.saving >saving",
		"w.s.1.precondition.0.web_0 < w.s.0.web_0.saving",
		"w.s.1.precondition.0.db_0 < w.s.0.web_0.saving",
		"w.s.1.preconditions < w.s.1.precondition.0.web_0, w.s.1.precondition.0.db_0",
		"w.s.1.implementation < w.s.1.preconditions",
		"w.s.2.web_0.started >started < w.s.1.implementation",
	}, lines(plan))
	run := plan.Steps[4]
	require.Equal(t, workflow.Step{ID: run.ID, Kind: workflow.Call, Workflow: "/workflows/copy", Interface: "Workflow", Operation: "copy",
		Scope: []string{"/workflows/w/steps/s/activities/1"}, After: []int{3}}, *run)
	found, err := workflow.FindWorkflow(template, run.Workflow)
	require.NoError(t, err)
	require.Same(t, implemented, found)
	_, err = workflow.FindWorkflow(template, "/workflows/nothing")
	require.Equal(t, errs.NotFound, errs.CodeOf(err))
}

// Inputs that are mapped to attributes are stored before the first step.
func TestStoredInputs(t *testing.T) {
	grow := &tosca.Workflow{Name: "grow", Stored: []*tosca.OutputMapping{{Name: "size", Entity: "db", Path: []string{"size"}}},
		Preconditions: []*tosca.Precondition{{Target: "db", Condition: assert("state", "equal", "started")}},
		Steps:         []*tosca.WorkflowStep{step("s", "db", setState("grown"))}}
	outer := &tosca.Workflow{Name: "w", Steps: []*tosca.WorkflowStep{step("s", "web", inline("grow"))}}
	plan, err := workflow.Workflow(withWorkflows(grow, outer), "w", nil, workflow.Options{})
	require.NoError(t, err)
	require.NoError(t, plan.Validate())
	require.Equal(t, []string{
		"w.s.0.precondition.0.db_0",
		"w.s.0.inputs < w.s.0.precondition.0.db_0",
		"w.s.0.s.0.db_0.grown >grown < w.s.0.inputs",
	}, lines(plan))
	stored := plan.Steps[1]
	require.Equal(t, workflow.Step{ID: stored.ID, Kind: workflow.Store, Workflow: "/workflows/grow",
		Scope: []string{"/workflows/w/steps/s/activities/0"}, After: []int{0}}, *stored)
	stored.Workflow = ""
	require.ErrorContains(t, plan.Validate(), "lacks the workflow")
}
