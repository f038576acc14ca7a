package workflow_test

import (
	"testing"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
	"github.com/stretchr/testify/require"
)

// chain is three nodes, each on the one before: "a" below "b" below "c", and
// "lone" beside them.
func chain() *tosca.ServiceTemplate {
	a, b, c := node("a", "create", "delete"), node("b", "create"), node("c", "create", "stop")
	requires(b, "host", a)
	requires(c, "host", b)
	return service(a, b, c, node("lone", "create"))
}

func allStarted(t *tosca.ServiceTemplate) workflow.Current {
	current := workflow.Current{}
	for _, n := range t.Nodes {
		current[workflow.NodeID(n.Name, n.Index)] = workflow.Started
		for _, r := range n.Requirements {
			current[workflow.RelationshipID(workflow.NodeID(n.Name, n.Index), workflow.NodeID(r.Target.Name, r.Target.Index), r.Name, r.Index)] = workflow.Initial
		}
	}
	return current
}

func setProperty(n *tosca.NodeTemplate, name string, value any) {
	n.Properties = append(n.Properties, &tosca.Assignment{Name: name, Value: tosca.Constant(value)})
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		change  func(old, new *tosca.ServiceTemplate, current workflow.Current)
		want    []string
		create  []string
		removed []string
	}{
		{
			name:   "nothing differs",
			change: func(_, _ *tosca.ServiceTemplate, _ workflow.Current) {},
		},
		{
			name: "a node differs: it and what depends on it",
			change: func(old, new *tosca.ServiceTemplate, _ workflow.Current) {
				setProperty(old.Nodes[1], "port", 80)
				setProperty(new.Nodes[1], "port", 81)
			},
			want: []string{
				"c_0.Standard.stop stopping>configured old",
				"c_0.initial >initial old < c_0.Standard.stop",
				"b_0.initial >initial old < c_0.initial",
				"undeployed < b_0.initial",
				"b_0.Standard.create creating>created < undeployed",
				"b_0.started >started < b_0.Standard.create",
				"c_0.Standard.create creating>created < b_0.started",
				"c_0.started >started < c_0.Standard.create",
			},
		},
		{
			name: "a node is deleted, one added",
			change: func(_, new *tosca.ServiceTemplate, _ workflow.Current) {
				new.Nodes = append([]*tosca.NodeTemplate{node("fresh", "create")}, new.Nodes[0], new.Nodes[1], new.Nodes[3])
			},
			want: []string{
				"c_0.Standard.stop stopping>configured old",
				"c_0.initial >initial old < c_0.Standard.stop",
				"undeployed < c_0.initial",
				"fresh_0.Standard.create creating>created < undeployed",
				"fresh_0.started >started < fresh_0.Standard.create",
			},
			create:  []string{"fresh_0"},
			removed: []string{"c_0", "c_0--b_0--host.0"},
		},
		{
			name: "a relationship goes elsewhere",
			change: func(_, new *tosca.ServiceTemplate, _ workflow.Current) {
				c, lone := new.Nodes[2], new.Nodes[3]
				c.Requirements = nil
				requires(c, "host", lone)
			},
			want: []string{
				"c_0.Standard.stop stopping>configured old",
				"c_0.initial >initial old < c_0.Standard.stop",
				"undeployed < c_0.initial",
				"c_0.Standard.create creating>created < undeployed",
				"c_0.started >started < c_0.Standard.create",
			},
			create:  []string{"c_0--lone_0--host.0"},
			removed: []string{"c_0--b_0--host.0"},
		},
		{
			name: "what is not started is deployed, and only that",
			change: func(_, _ *tosca.ServiceTemplate, current workflow.Current) {
				current["lone_0"] = workflow.Creating
			},
			want: []string{
				"lone_0.Standard.create creating>created",
				"lone_0.started >started < lone_0.Standard.create",
			},
		},
		{
			name: "how a node will be deleted concerns it later",
			change: func(old, new *tosca.ServiceTemplate, _ workflow.Current) {
				new.Nodes[0].Interfaces[0].Operations[1].Implementation.Primary.File = "other.sh"
				new.Nodes[0].Interfaces = append(new.Nodes[0].Interfaces, implementing("Backup", "save"))
			},
		},
		{
			name: "so does its timeout",
			change: func(_, new *tosca.ServiceTemplate, _ workflow.Current) {
				new.Nodes[3].Interfaces[0].Operations[0].Implementation.Timeout = time.Minute
			},
		},
		{
			name: "an operation comes, another goes",
			change: func(_, new *tosca.ServiceTemplate, _ workflow.Current) {
				new.Nodes[3].Interfaces = []*tosca.Interface{implementing("Standard", "create", "start")}
				new.Nodes[2].Interfaces = nil
			},
			want: []string{
				"lone_0.initial >initial old",
				"c_0.Standard.stop stopping>configured old",
				"c_0.initial >initial old < c_0.Standard.stop",
				"undeployed < lone_0.initial, c_0.initial",
				"c_0.started >started < undeployed",
				"lone_0.Standard.create creating>created < undeployed",
				"lone_0.Standard.start starting>started < lone_0.Standard.create",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			old, new := chain(), chain()
			current := allStarted(old)
			tt.change(old, new, current)
			diff, err := workflow.Compare(old, new, workflow.DiffOptions{Current: current})
			require.NoError(t, err)
			plan, err := workflow.Update(old, new, diff, current, workflow.Options{})
			require.NoError(t, err)
			require.Equal(t, tt.want, lines(plan))
			var create []string
			for _, i := range plan.Create {
				create = append(create, i.ID)
			}
			require.Equal(t, tt.create, create)
			require.Equal(t, tt.removed, plan.Remove)
		})
	}
}

func TestUpdateWantsADiff(t *testing.T) {
	t.Parallel()
	_, err := workflow.Update(chain(), chain(), nil, nil, workflow.Options{})
	require.EqualError(t, err, "plan update service.yaml: there is no diff (make one with Compare)")
	require.Equal(t, errs.InvalidArgument, errs.CodeOf(err))
}
