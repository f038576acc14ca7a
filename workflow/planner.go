package workflow

import (
	"slices"

	"github.com/seed-a4fd30b5/orchestrator/tosca"
)

// planner is a plan in the making. Planners are lists of passes over it.
type planner struct {
	plan    *Plan
	opts    Options
	current Current
	// old tells that the steps added now belong to the template being replaced.
	old bool
	// done is the step after which a node is as planned (started or initial),
	// for the nodes that have steps in this plan.
	done map[string]int
	// prefix begins the IDs of steps, guard and scope are theirs where they have
	// none: the activity of a workflow or trigger being compiled.
	prefix string
	guard  string
	scope  []string
	// barrier is what steps wait for that wait for nothing else.
	barrier []int
	// created are the nodes whose instances were looked after.
	created map[*tosca.NodeTemplate]bool
	// err is the first error of a pass that has no result to give it with.
	err error
}

// pass is one part of planning.
type pass func(*planner) error

// makePlan runs the passes one after the other over an empty plan, and checks
// what came out.
func makePlan(kind string, current Current, opts Options, passes ...pass) (*Plan, error) {
	p := &planner{plan: &Plan{Kind: kind, Steps: []*Step{}}, opts: opts, current: current,
		done: map[string]int{}, created: map[*tosca.NodeTemplate]bool{}}
	for _, run := range passes {
		if err := run(p); err != nil {
			return nil, err
		}
		if p.err != nil {
			return nil, p.err
		}
	}
	if err := p.plan.Validate(); err != nil {
		return nil, err
	}
	return p.plan, nil
}

// add appends a step that waits for the given steps and returns its index.
func (p *planner) add(s Step, after []int) int {
	s.Old = p.old
	s.ID = p.prefix + s.ID
	s.Guard = p.guard
	if s.Kind == Call || s.Kind == Check || s.Kind == Filter || s.Kind == Store {
		s.Scope = p.scope
	}
	if len(after) == 0 {
		after = p.barrier
	}
	s.After = ascending(after)
	p.plan.Steps = append(p.plan.Steps, &s)
	return len(p.plan.Steps) - 1
}

// ascending returns the indexes sorted, each once, in a slice of its own.
func ascending(indexes []int) []int {
	switch len(indexes) {
	case 0:
		return nil
	case 1:
		return []int{indexes[0]}
	}
	out := slices.Clone(indexes)
	slices.Sort(out)
	return slices.Compact(out)
}

// callNode adds the call of an operation of a node's life cycle.
func (p *planner) callNode(id, iface, operation, enter, exit string, after []int) int {
	return p.add(Step{
		ID: id + "." + iface + "." + operation, Kind: Call, Instance: id, Subject: id,
		Interface: iface, Operation: operation, Enter: enter, Exit: exit,
	}, after)
}

// callStandard adds the call of an operation of a node's life cycle: a step, or
// the workflow to which the service that substitutes the node maps it.
func (p *planner) callStandard(n *tosca.NodeTemplate, id, iface, operation, enter, exit string, after []int) int {
	w := mappedWorkflow(n, iface, operation)
	if w == nil {
		return p.callNode(id, iface, operation, enter, exit, after)
	}
	after = p.runMapped(n, w, iface, operation, "", []int{p.set(id, enter, after)})
	if exit == "" {
		return p.add(Step{ID: id + "." + iface + "." + operation, Kind: Join}, after)
	}
	return p.set(id, exit, after)
}

// set adds a step that only sets the state of a node.
func (p *planner) set(id, state string, after []int) int {
	return p.add(Step{ID: id + "." + state, Kind: Set, Instance: id, Exit: state, Subject: id}, after)
}

// relationship is an outgoing relationship of a node with what planning needs.
type relationship struct {
	*tosca.Requirement
	id             string
	source, target string
	iface          *tosca.Interface
}

// relationships returns the relationships of a node in order of declaration.
func relationships(n *tosca.NodeTemplate) []relationship {
	if len(n.Requirements) == 0 {
		return nil
	}
	out := make([]relationship, 0, len(n.Requirements))
	for _, r := range n.Requirements {
		if r.Target == nil {
			continue
		}
		source, target := NodeID(n.Name, n.Index), NodeID(r.Target.Name, r.Target.Index)
		out = append(out, relationship{
			Requirement: r, source: source, target: target, iface: configureInterface(r),
			id: RelationshipID(source, target, r.Name, r.Index),
		})
	}
	return out
}

// callRelationship adds the call of an operation of the Configure interface on
// the given side, if it is implemented, and tells its index.
func (p *planner) callRelationship(r relationship, operation, subject string, after []int) (int, bool) {
	if !implemented(r.iface, operation) || slices.Contains(r.Requirement.Relationship.LeftOut, operation) {
		return 0, false
	}
	return p.add(Step{
		ID: r.id + "." + r.iface.Name + "." + operation, Kind: Call, Instance: r.id, Subject: subject,
		Interface: r.iface.Name, Operation: operation,
	}, after), true
}

// callBothSides adds, for each relationship in turn, a call of one operation on
// the source and a call of another on the target. Calls on the source follow one
// another; a call on the target waits for its relationship's call on the source
// only, so that different targets work at once. What comes next waits for the
// steps returned, which are after itself where nothing was added.
func (p *planner) callBothSides(rels []relationship, onSource, onTarget string, after []int) []int {
	last, ends := after, []int(nil)
	sources := false
	for _, r := range rels {
		before := last
		if i, ok := p.callRelationship(r, onSource, r.source, last); ok {
			last, sources = []int{i}, true
			before = last
		}
		if i, ok := p.callRelationship(r, onTarget, r.target, before); ok {
			ends = append(ends, i)
		}
	}
	if ends == nil || sources {
		ends = append(ends, last...)
	}
	return ends
}
