package workflow_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/seed-a4fd30b5/orchestrator/tosca"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var (
	standard  = []string{"create", "configure", "start", "stop", "delete"}
	configure = []string{"pre_configure_source", "pre_configure_target", "post_configure_source", "post_configure_target",
		"add_target", "add_source", "remove_target", "remove_source", "target_changed"}
)

// some draws a subset of operations.
func some(t *rapid.T, operations []string, label string) []string {
	return slices.DeleteFunc(slices.Clone(operations), func(string) bool { return !rapid.Bool().Draw(t, label) })
}

// template draws a service of up to ten nodes, declared in any order, whose
// requirements form no cycle.
func template(t *rapid.T) *tosca.ServiceTemplate {
	var nodes []*tosca.NodeTemplate
	for i := range rapid.IntRange(0, 10).Draw(t, "nodes") {
		n := node(fmt.Sprintf("n%d", i), some(t, standard, "operation")...)
		if i > 0 {
			for range rapid.IntRange(0, 3).Draw(t, "requirements") {
				target := nodes[rapid.IntRange(0, i-1).Draw(t, "target")]
				name := rapid.SampledFrom([]string{"host", "uses"}).Draw(t, "requirement")
				requires(n, name, target, some(t, configure, "relationship operation")...)
			}
		}
		nodes = append(nodes, n)
	}
	return service(rapid.Permutation(nodes).Draw(t, "declared")...)
}

// states draws a state for some of the instances of a template.
func states(t *rapid.T, s *tosca.ServiceTemplate) workflow.Current {
	current := workflow.Current{}
	for id, state := range allStarted(s) {
		if state == workflow.Started {
			state = rapid.SampledFrom([]string{"", "initial", "creating", "created", "configuring", "configured", "starting", "started",
				"stopping", "deleting", "error"}).Draw(t, "state of "+id)
		}
		if state != "" {
			current[id] = state
		}
	}
	return current
}

// behind tells for each step which steps must have ended before it begins.
func behind(p *workflow.Plan) []map[int]bool {
	all := make([]map[int]bool, len(p.Steps))
	for i, s := range p.Steps {
		all[i] = map[int]bool{}
		for _, j := range s.After {
			all[i][j] = true
			maps.Copy(all[i], all[j])
		}
	}
	return all
}

// reaches finds the step that sets a state on exit.
func reaches(p *workflow.Plan, instance, state string) int {
	return slices.IndexFunc(p.Steps, func(s *workflow.Step) bool { return s.Instance == instance && s.Exit == state })
}

// stepsOf are the indexes of the steps of a node and its outgoing relationships.
func stepsOf(p *workflow.Plan, n *tosca.NodeTemplate) []int {
	ids := map[string]bool{workflow.NodeID(n.Name, n.Index): true}
	for _, r := range n.Requirements {
		ids[workflow.RelationshipID(workflow.NodeID(n.Name, n.Index), workflow.NodeID(r.Target.Name, r.Target.Index), r.Name, r.Index)] = true
	}
	var of []int
	for i, s := range p.Steps {
		if ids[s.Instance] {
			of = append(of, i)
		}
	}
	return of
}

// calls lists the operations that a plan calls on a node and its relationships.
func calls(p *workflow.Plan, n *tosca.NodeTemplate) []string {
	var names []string
	for _, i := range stepsOf(p, n) {
		if s := p.Steps[i]; s.Kind == workflow.Call {
			names = append(names, s.Instance+"."+s.Operation)
		}
	}
	return names
}

// implementedCalls lists the operations among names that a node and its
// relationships implement.
func implementedCalls(n *tosca.NodeTemplate, names ...string) []string {
	var out []string
	list := func(id string, interfaces []*tosca.Interface) {
		for _, op := range interfaces[0].Operations {
			if slices.Contains(names, op.Name) {
				out = append(out, id+"."+op.Name)
			}
		}
	}
	id := workflow.NodeID(n.Name, n.Index)
	list(id, n.Interfaces)
	for _, r := range n.Requirements {
		list(workflow.RelationshipID(id, workflow.NodeID(r.Target.Name, r.Target.Index), r.Name, r.Index), r.Relationship.Interfaces)
	}
	return out
}

func TestDeployOfAnyTemplate(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := template(t)
		plan, err := workflow.Deploy(s, nil, workflow.Options{})
		require.NoError(t, err)
		before := behind(plan)
		for _, n := range s.Nodes {
			own := stepsOf(plan, n)
			started := reaches(plan, workflow.NodeID(n.Name, n.Index), workflow.Started)
			require.GreaterOrEqual(t, started, 0)
			for _, r := range n.Requirements {
				target := reaches(plan, workflow.NodeID(r.Target.Name, r.Target.Index), workflow.Started)
				for _, i := range own {
					require.True(t, before[i][target], "%s does not wait for %s", plan.Steps[i].ID, plan.Steps[target].ID)
				}
			}
			for _, i := range own {
				require.True(t, i == started || before[started][i], "%s is not behind %s", plan.Steps[started].ID, plan.Steps[i].ID)
			}
			require.ElementsMatch(t, implementedCalls(n, "create", "configure", "start", "pre_configure_source", "pre_configure_target",
				"post_configure_source", "post_configure_target", "add_target", "add_source"), calls(plan, n))
		}
		require.Len(t, plan.Create, len(allStarted(s)))
	})
}

func TestUndeployMirrorsDeploy(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := template(t)
		current := allStarted(s)
		plan, err := workflow.Undeploy(s, current, workflow.Options{})
		require.NoError(t, err)
		before := behind(plan)
		for _, n := range s.Nodes {
			own := stepsOf(plan, n)
			gone := reaches(plan, workflow.NodeID(n.Name, n.Index), workflow.Initial)
			require.GreaterOrEqual(t, gone, 0)
			for _, r := range n.Requirements {
				for _, i := range stepsOf(plan, r.Target) {
					require.True(t, before[i][gone], "%s does not wait for %s", plan.Steps[i].ID, plan.Steps[gone].ID)
				}
			}
			for _, i := range own {
				require.True(t, i == gone || before[gone][i])
			}
			require.ElementsMatch(t, implementedCalls(n, "stop", "delete", "remove_target", "remove_source"), calls(plan, n))
		}
		require.Equal(t, slices.Sorted(maps.Keys(current)), plan.Remove, "every instance is removed, in order")
	})
}

// TestDeployAfterAnyPrefix takes a plan through up to some step, records the states as an
// engine would, and plans again.
func TestDeployAfterAnyPrefix(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := template(t)
		whole, err := workflow.Deploy(s, nil, workflow.Options{})
		require.NoError(t, err)
		current := workflow.Current{}
		for _, i := range whole.Create {
			current[i.ID] = workflow.Initial
		}
		done := rapid.IntRange(0, len(whole.Steps)).Draw(t, "done")
		for _, step := range whole.Steps[:done] {
			for _, state := range []string{step.Enter, step.Exit} {
				if state != "" {
					current[step.Instance] = state
				}
			}
		}
		rest, err := workflow.Deploy(s, current, workflow.Options{})
		require.NoError(t, err)
		var want []string
		for _, n := range s.Nodes {
			if current[workflow.NodeID(n.Name, n.Index)] != workflow.Started {
				want = append(want, calls(whole, n)...)
			}
		}
		var got []string
		for _, step := range rest.Steps {
			if step.Kind == workflow.Call {
				got = append(got, step.Instance+"."+step.Operation)
			}
		}
		require.ElementsMatch(t, want, got)
		require.Empty(t, rest.Create)
	})
}

func TestPlansFromAnyStates(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := template(t)
		current := states(t, s)
		deploy, err := workflow.Deploy(s, current, workflow.Options{})
		require.NoError(t, err)
		undeploy, err := workflow.Undeploy(s, current, workflow.Options{})
		require.NoError(t, err)
		for _, n := range s.Nodes {
			id := workflow.NodeID(n.Name, n.Index)
			state := current[id]
			require.Equal(t, state != workflow.Started, reaches(deploy, id, workflow.Started) >= 0)
			require.Equal(t, state != "" && state != workflow.Initial, reaches(undeploy, id, workflow.Initial) >= 0)
			stops := slices.Contains(calls(undeploy, n), id+".stop")
			require.Equal(t, stops, len(implementedCalls(n, "stop")) > 0 && slices.Contains([]string{"starting", "started", "stopping", "error"}, state))
		}
		for _, plan := range []*workflow.Plan{deploy, undeploy} {
			require.NoError(t, plan.Validate())
			data, err := json.Marshal(plan)
			require.NoError(t, err)
			parsed, err := workflow.Parse(data)
			require.NoError(t, err)
			require.Equal(t, plan, parsed)
		}
		again, err := workflow.Deploy(s, current, workflow.Options{})
		require.NoError(t, err)
		require.Equal(t, deploy, again)
	})
}

// TestUpdateOfAnyTemplates changes, deletes and adds some nodes of a template.
func TestUpdateOfAnyTemplates(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		old := template(t)
		current := states(t, old)
		changed := map[string]bool{}
		new := copyOf(old)
		for _, n := range new.Nodes {
			if rapid.Bool().Draw(t, "change "+n.Name) {
				changed[n.Name] = true
				setProperty(n, "p", 1)
			}
		}
		if len(new.Nodes) > 0 && rapid.Bool().Draw(t, "add") {
			fresh := node("fresh", "create", "start")
			requires(fresh, "host", new.Nodes[0], "add_source")
			new.Nodes = append(new.Nodes, fresh)
		}
		diff, err := workflow.Compare(old, new, workflow.DiffOptions{Current: current})
		require.NoError(t, err)
		plan, err := workflow.Update(old, new, diff, current, workflow.Options{})
		require.NoError(t, err)

		redone := closure(old, changed)
		before := behind(plan)
		for _, n := range new.Nodes {
			id := workflow.NodeID(n.Name, n.Index)
			state := current[id]
			gone := reaches(plan, id, workflow.Initial)
			require.Equal(t, redone[n.Name] && state != "" && state != workflow.Initial, gone >= 0, id)
			up := reaches(plan, id, workflow.Started)
			require.Equal(t, redone[n.Name] || state != workflow.Started, up >= 0, id)
			if gone >= 0 {
				require.True(t, before[up][gone])
				require.True(t, plan.Steps[gone].Old)
			}
			if up >= 0 {
				require.False(t, plan.Steps[up].Old)
			}
		}
		require.Empty(t, plan.Remove)
	})
}

// closure adds all that depends on the named nodes.
func closure(s *tosca.ServiceTemplate, names map[string]bool) map[string]bool {
	all := maps.Clone(names)
	for range s.Nodes {
		for _, n := range s.Nodes {
			for _, r := range n.Requirements {
				if all[r.Target.Name] {
					all[n.Name] = true
				}
			}
		}
	}
	return all
}

// copyOf is a template of the same nodes and requirements.
func copyOf(s *tosca.ServiceTemplate) *tosca.ServiceTemplate {
	nodes := map[string]*tosca.NodeTemplate{}
	out := service()
	for _, n := range s.Nodes {
		nodes[n.Name] = &tosca.NodeTemplate{Name: n.Name, Type: n.Type, Interfaces: n.Interfaces}
		out.Nodes = append(out.Nodes, nodes[n.Name])
	}
	for _, n := range s.Nodes {
		for _, r := range n.Requirements {
			requires(nodes[n.Name], r.Name, nodes[r.Target.Name]).Relationship = r.Relationship
		}
	}
	return out
}
