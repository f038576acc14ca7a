package workflow

import (
	"slices"

	"github.com/seed-a4fd30b5/orchestrator/tosca"
)

// Deploy plans what brings every node of the template to "started", beginning
// with what is there. Nodes that are started are left alone; any other one
// (stuck while it was created, failed, undeployed) begins again with create.
//
// When all targets of its requirements are started, a node goes through
//
//	create
//	pre_configure_source, pre_configure_target   of each relationship
//	configure
//	post_configure_source, post_configure_target of each relationship
//	start
//	add_target, add_source                       of each relationship
//
// with the relationships in which it is the source, in order of declaration.
// *_source operations and add_target work on the source, *_target operations
// and add_source on the target: so an operation on the target sees a source
// that exists. A node is "started" behind the last of these, so that a plan
// made after a crash misses none. Where a target is started again under a
// source that is started already, target_changed is called on the source. What
// is in RelationshipTemplate.LeftOut takes no step.
//
// Only what has an implementation, or is claimed (see Options), takes a step. A
// node that a service substitutes has no operations of its own: it is started
// when all nodes of that service are (TOSCA 2.0 section 15). Where that service
// maps create, configure or start to a workflow, its workflows bring it up in
// place of the life cycles of its nodes, which count as started behind the last
// (TOSCA 2.0 section 15.6); a step of them may delegate to "deploy".
//
// The error has code InvalidArgument where requirements have no target
// (tosca.ServiceTemplate.Dangling) or form a cycle, or two instances would have the same ID.
//
// Source: TOSCA 1.3 sections 5.8.4.3, 5.8.5.3 to 5.8.5.5 and 7.2. The
// specification calls the operations of the target's side within the target's
// own life cycle, once per node; here they belong to the relationship and are
// called once for each, since a target that is started knows no source yet.
func Deploy(t *tosca.ServiceTemplate, current Current, opts Options) (*Plan, error) {
	if err := fulfilled(t); err != nil {
		return nil, err
	}
	nodes, err := order(t)
	if err != nil {
		return nil, err
	}
	return makePlan("deploy", current, opts, deployNodes(nodes))
}

// deployNodes adds the steps of all nodes that are not started. nodes are in
// order of dependency.
func deployNodes(nodes []*tosca.NodeTemplate) pass {
	return func(p *planner) error {
		p.reserve(nodes)
		for _, n := range nodes {
			id, rels := NodeID(n.Name, n.Index), relationships(n)
			p.create(n, id, rels)
			switch {
			case coveredBy(n, bringsUp) != nil: // the workflows of the node that it is a part of
			case p.up(n, id):
				p.notifySource(rels)
			default:
				p.done[id] = p.deployNode(n, id, rels, append(p.targetsDone(rels), p.partsDone(n)...))
			}
		}
		return nil
	}
}

// reserve makes room for what most plans have at least: growing bit by bit is
// what costs most in large ones.
func (p *planner) reserve(nodes []*tosca.NodeTemplate) {
	instances := len(nodes)
	for _, n := range nodes {
		instances += len(n.Requirements)
	}
	p.plan.Steps = slices.Grow(p.plan.Steps, len(nodes))
	if missing := instances - len(p.current); missing > 0 {
		p.plan.Create = make([]Instance, 0, missing)
	}
}

// create lists the instances of the node and its relationships that do not exist.
func (p *planner) create(n *tosca.NodeTemplate, id string, rels []relationship) {
	p.created[n] = true
	if _, ok := p.current[id]; !ok {
		p.plan.Create = append(p.plan.Create, Instance{ID: id, Node: n.Name, Index: n.Index})
	}
	for _, r := range rels {
		if _, ok := p.current[r.id]; !ok {
			p.plan.Create = append(p.plan.Create, Instance{
				ID: r.id, Node: n.Name, Index: n.Index, Requirement: r.Name, RequirementIndex: r.Index, Target: r.target,
			})
		}
	}
}

// targetsDone are the steps after which the targets are started, as far as they
// are not already.
func (p *planner) targetsDone(rels []relationship) []int {
	var after []int
	for _, r := range rels {
		if i, ok := p.done[r.target]; ok {
			after = append(after, i)
		}
	}
	return after
}

// partsDone are the steps after which the nodes of the service that substitutes
// a node are started, as far as they are not already.
func (p *planner) partsDone(n *tosca.NodeTemplate) []int {
	var after []int
	for _, part := range parts(n) {
		if i, ok := p.done[NodeID(part.Name, part.Index)]; ok {
			after = append(after, i)
		}
	}
	return after
}

// deployNode adds the steps that bring one node from nothing to started, and
// returns the last.
func (p *planner) deployNode(n *tosca.NodeTemplate, id string, rels []relationship, after []int) int {
	calls, first := standardCalls(n, p.opts, bringsUp...), len(p.plan.Steps)
	if calls.has("create") {
		after = []int{p.callStandard(n, id, calls.iface, "create", Creating, Created, after)}
	}
	after = p.callBothSides(rels, "pre_configure_source", "pre_configure_target", after)
	if calls.has("configure") {
		after = []int{p.callStandard(n, id, calls.iface, "configure", Configuring, Configured, after)}
	}
	after = p.callBothSides(rels, "post_configure_source", "post_configure_target", after)
	start := -1
	if calls.has("start") {
		start = p.callStandard(n, id, calls.iface, "start", Starting, "", after)
		after = []int{start}
	}
	if len(calls.operations) > 0 && n.Substitution != nil {
		after = p.partsStarted(n, first, after)
	}
	after = p.callBothSides(rels, "add_target", "add_source", after)
	if last := len(p.plan.Steps) - 1; start >= 0 && last == start && p.plan.Steps[start].Kind == Call {
		p.plan.Steps[start].Exit = Started
		if start == first {
			p.chain(n, rels, start)
		}
		return start
	}
	return p.set(id, Started, after)
}

// chain lets the start of a node, which is all there is to do for it, begin
// beside the starts of those targets that it is chained to.
func (p *planner) chain(n *tosca.NodeTemplate, rels []relationship, start int) {
	if p.opts.Chained == nil {
		return
	}
	chained := map[int]bool{}
	for _, r := range rels {
		i, ok := p.done[r.target]
		if !ok {
			continue
		}
		s := p.plan.Steps[i]
		only, seen := chained[i]
		chained[i] = (only || !seen) && s.Kind == Call && s.Instance == r.target && s.Exit == Started && p.opts.Chained(n, r.Requirement)
	}
	for _, i := range p.plan.Steps[start].After {
		if chained[i] {
			p.plan.Steps[start].Begun = append(p.plan.Steps[start].Begun, i)
		}
	}
}

// notifySource tells a started source of targets that are started anew.
func (p *planner) notifySource(rels []relationship) {
	for _, r := range rels {
		if i, ok := p.done[r.target]; ok {
			p.callRelationship(r, "target_changed", r.source, []int{i})
		}
	}
}
