package workflow_test

import (
	"testing"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
	"github.com/stretchr/testify/require"
)

// workers is two workers that can scale and a database that cannot, with
// policies: one for the group of workers and one for everything.
func workers() *tosca.ServiceTemplate {
	worker := &tosca.NodeType{TypeHeader: tosca.TypeHeader{Name: "my.Worker"}}
	special := &tosca.NodeType{TypeHeader: tosca.TypeHeader{Name: "my.Special"}, Parent: worker}
	one, two, db := node("one"), node("two"), node("db")
	one.Type, two.Type = worker, special
	for _, n := range []*tosca.NodeTemplate{one, two} {
		n.Interfaces = append(n.Interfaces, implementing("Scaling", "up", "down"))
	}
	two.Capabilities = []*tosca.Capability{{Name: "scalable"}}
	requires(two, "database", db)
	group := &tosca.Group{Name: "workers", Members: []*tosca.NodeTemplate{one, two}}
	busy := &tosca.Trigger{Name: "busy", Event: "cpu.high", Action: []*tosca.Activity{call("Scaling.up"), setState("scaled")}}
	quiet := &tosca.Trigger{Name: "quiet", Event: "cpu.low", Condition: assert("count", "greater_than", 1), TargetNode: "one",
		Action: []*tosca.Activity{call("Scaling.down")}}
	t := service(one, two, db)
	t.Groups = []*tosca.Group{group}
	t.Policies = []*tosca.Policy{
		{Name: "scale", Targets: []*tosca.NodeTemplate{one}, TargetGroups: []*tosca.Group{group}, Triggers: []*tosca.Trigger{busy, quiet}},
		{Name: "log", Triggers: []*tosca.Trigger{
			{Name: "note", Event: "cpu.high", Action: []*tosca.Activity{setState("noted")}},
		}},
	}
	return t
}

func TestNotify(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		event  string
		change func(*tosca.ServiceTemplate)
		want   []string
	}{
		{
			name: "by trigger: the same operation on two members", event: "busy",
			want: []string{
				"scale.busy.0.one_0.Scaling.up",
				"scale.busy.0.two_0.Scaling.up",
				"scale.busy.1.one_0.scaled >scaled < scale.busy.0.one_0.Scaling.up",
				"scale.busy.1.two_0.scaled >scaled < scale.busy.0.two_0.Scaling.up",
			},
		},
		{
			name: "by event: every policy, one after the other on a node", event: "cpu.high",
			want: []string{
				"scale.busy.0.one_0.Scaling.up",
				"scale.busy.0.two_0.Scaling.up",
				"scale.busy.1.one_0.scaled >scaled < scale.busy.0.one_0.Scaling.up",
				"scale.busy.1.two_0.scaled >scaled < scale.busy.0.two_0.Scaling.up",
				"log.note.0.one_0.noted >noted < scale.busy.1.one_0.scaled",
				"log.note.0.two_0.noted >noted < scale.busy.1.two_0.scaled",
				"log.note.0.db_0.noted >noted",
			},
		},
		{
			name: "a condition, narrowed to a node", event: "quiet",
			want: []string{
				"scale.quiet.filter.one_0",
				"scale.quiet.0.one_0.Scaling.down if scale.quiet.filter.one_0 < scale.quiet.filter.one_0",
			},
		},
		{
			name: "narrowed to a type", event: "busy",
			change: func(t *tosca.ServiceTemplate) { t.Policies[0].Triggers[0].TargetNode = "my.Special" },
			want: []string{
				"scale.busy.0.two_0.Scaling.up",
				"scale.busy.1.two_0.scaled >scaled < scale.busy.0.two_0.Scaling.up",
			},
		},
		{
			name: "narrowed to a type by its short name", event: "busy",
			change: func(t *tosca.ServiceTemplate) {
				t.Types = &tosca.Types{Node: map[string]*tosca.NodeType{"W": t.Nodes[0].Type}}
				t.Policies[0].Triggers[0].TargetNode = "W"
				t.Policies[0].Triggers[0].TargetRequirement = "database"
				t.Policies[0].Triggers[0].TargetCapability = "scalable"
			},
			want: []string{
				"scale.busy.0.two_0.Scaling.up",
				"scale.busy.1.two_0.scaled >scaled < scale.busy.0.two_0.Scaling.up",
			},
		},
		{
			name: "narrowed to nothing", event: "busy",
			change: func(t *tosca.ServiceTemplate) { t.Policies[0].Triggers[0].TargetNode = "db" },
		},
		{
			name: "an operation that only some have", event: "note",
			change: func(t *tosca.ServiceTemplate) {
				t.Policies[1].Triggers[0].Action = []*tosca.Activity{call("Scaling.up")}
			},
			want: []string{"log.note.0.one_0.Scaling.up", "log.note.0.two_0.Scaling.up"},
		},
		{
			name: "a workflow", event: "note",
			change: func(t *tosca.ServiceTemplate) {
				t.Workflows = []*tosca.Workflow{{Name: "both", Steps: []*tosca.WorkflowStep{step("s", "workers", call("Scaling.up"))}}}
				t.Policies[1].Triggers[0].Action = []*tosca.Activity{inline("both")}
			},
			want: []string{
				"log.note.0.s.0.one_0.Scaling.up",
				"log.note.0.s.0.two_0.Scaling.up",
				"log.note.0.s.end < log.note.0.s.0.one_0.Scaling.up, log.note.0.s.0.two_0.Scaling.up",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			template := workers()
			if tt.change != nil {
				tt.change(template)
			}
			plan, err := workflow.Notify(template, tt.event, allStarted(template), workflow.Options{})
			require.NoError(t, err)
			require.Equal(t, "notify", plan.Kind)
			require.Equal(t, tt.want, lines(plan))
			require.Empty(t, plan.Create)
			requirePlaces(t, template, plan)
		})
	}
}

func TestNotifyRefuses(t *testing.T) {
	t.Parallel()
	template := workers()
	_, err := workflow.Notify(template, "storm", nil, workflow.Options{})
	require.EqualError(t, err, "notify storm: no policy has a trigger of that name or for that event (its triggers: busy, quiet, note)")
	require.Equal(t, errs.NotFound, errs.CodeOf(err))

	_, err = workflow.Notify(template, "busy", workflow.Current{"one_0": "initial"}, workflow.Options{})
	require.EqualError(t, err, "notify scale.busy: one_0 does not exist (deploy the service first)")
	require.Equal(t, errs.FailedPrecondition, errs.CodeOf(err))

	template.Policies[0].Triggers[0].Action = []*tosca.Activity{call("Scaling.sideways")}
	_, err = workflow.Notify(template, "busy", allStarted(template), workflow.Options{})
	require.EqualError(t, err, `notify scale.busy: none of its targets has the operation "Scaling.sideways"`)
	require.Equal(t, errs.InvalidArgument, errs.CodeOf(err))
}
