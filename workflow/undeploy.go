package workflow

import (
	"slices"

	"github.com/seed-a4fd30b5/orchestrator/tosca"
)

// Undeploy plans what takes away every node of the template that is there, and
// forgets its instances. It works from any mixture of states.
//
// When all nodes that depend on it are gone, a node goes through
//
//	remove_target, remove_source of each relationship
//	stop
//	delete
//
// with the relationships in which it is the source, last declared first;
// remove_target works on the source, remove_source on the target. A node that
// was never started is not stopped, and one that was never created is not
// deleted. One that failed may be running or not: it is stopped by an optional
// step, and deleted.
//
// A node ends in state "initial". Plan.Remove has every instance of the
// template, so that nothing is left when the plan has been taken through; the
// deployment's own status says that it was undeployed.
//
// Where the service that substitutes a node maps stop or delete to a workflow,
// its workflows take it away in place of the life cycles of its nodes.
//
// The errors are those of Deploy.
//
// Source: TOSCA 1.3 sections 5.8.4.3, 5.8.5.5.1 and 7.2; remove_source is
// named there, but missing from the type's definition.
func Undeploy(t *tosca.ServiceTemplate, current Current, opts Options) (*Plan, error) {
	nodes, err := order(t)
	if err != nil {
		return nil, err
	}
	return makePlan("undeploy", current, opts, undeployNodes(nodes, nil), removeInstances(nodes, nil))
}

// undeployNodes adds the steps of all nodes that are there and whose IDs are
// selected (nil selects all), dependents first. nodes are in order of dependency.
func undeployNodes(nodes []*tosca.NodeTemplate, selected map[string]bool) pass {
	return func(p *planner) error {
		dependents := map[string][]int{}
		for _, n := range slices.Backward(nodes) {
			id := NodeID(n.Name, n.Index)
			if p.current.gone(id) || selected != nil && !selected[id] {
				continue
			}
			rels := relationships(n)
			if outer := coveredBy(n, takesAway); outer != nil && p.goes(outer, selected) {
				p.done[id] = p.set(id, Initial, dependents[id])
			} else {
				p.done[id] = p.undeployNode(n, id, rels, p.current[id], dependents[id])
			}
			for _, r := range rels {
				dependents[r.target] = append(dependents[r.target], p.done[id])
			}
			for _, part := range parts(n) {
				of := NodeID(part.Name, part.Index)
				dependents[of] = append(dependents[of], p.done[id])
			}
		}
		return nil
	}
}

// undeployNode adds the steps that take one node away, which is in the given
// state, and returns the last.
func (p *planner) undeployNode(n *tosca.NodeTemplate, id string, rels []relationship, state string, after []int) int {
	calls := standardCalls(n, p.opts, takesAway...)
	if mayRun(state) {
		backward := slices.Clone(rels)
		slices.Reverse(backward)
		first := len(p.plan.Steps)
		after = p.callBothSides(backward, "remove_target", "remove_source", after)
		if calls.has("stop") {
			after = []int{p.callStandard(n, id, calls.iface, "stop", Stopping, Configured, after)}
		}
		for _, s := range p.plan.Steps[first:] {
			s.Optional = state == Errored
		}
	}
	if calls.has("delete") {
		return p.callStandard(n, id, calls.iface, "delete", Deleting, Initial, after)
	}
	return p.set(id, Initial, after)
}

// mayRun tells whether a node in the state may be running.
func mayRun(state string) bool {
	switch state {
	case Starting, Started, Stopping, Errored:
		return true
	}
	return false
}

// removeInstances lists for removal, in order of ID, the instances of the nodes
// and their relationships that exist and are not to be kept.
func removeInstances(nodes []*tosca.NodeTemplate, keep map[string]bool) pass {
	return func(p *planner) error {
		remove := func(id string) {
			if _, ok := p.current[id]; ok && !keep[id] {
				p.plan.Remove = append(p.plan.Remove, id)
			}
		}
		for _, n := range nodes {
			remove(NodeID(n.Name, n.Index))
			for _, r := range relationships(n) {
				remove(r.id)
			}
		}
		slices.Sort(p.plan.Remove)
		return nil
	}
}
