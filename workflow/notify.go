package workflow

import (
	"slices"
	"strconv"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
)

// Notify plans what the policies of the template do about an event: the
// actions of every trigger of that name, or for that event.
//
// A trigger acts on the targets of its policy (nodes, and the members of
// groups), on every node where the policy names none. Its target_filter leaves
// of them the nodes of that name or type, and those that have the requirement
// and capability. Its activities follow one another for each node as in a
// workflow; call_operation is left out on nodes that do not have the operation
// as long as one does. A condition becomes a Filter for each node, examined
// when the actions begin. The inputs of an activity win over those of the
// operation for that call only (Step.Activity).
//
// The policies of a service that substitutes a node act on the nodes of that
// service, and run its workflows.
//
// The caller says that the event has happened: schedule, period, evaluations
// and method of a trigger are for whoever watches for it.
//
// Errors: NotFound where no trigger has the name or event; FailedPrecondition
// where a node to act on does not exist yet; InvalidArgument and Unimplemented as
// of Workflow.
//
// Source: TOSCA 1.3 sections 3.6.21 (event filter), 3.6.22 and 3.8.6.
func Notify(t *tosca.ServiceTemplate, event string, current Current, opts Options) (*Plan, error) {
	var found []policyTrigger
	var names []string
	for _, p := range t.Policies {
		for _, tr := range p.Triggers {
			names = append(names, tr.Name)
			if tr.Name == event || tr.Event == event {
				found = append(found, policyTrigger{p, tr})
			}
		}
	}
	if found == nil {
		return nil, &errs.Error{Code: errs.NotFound, Op: "notify", Subject: event,
			Err: errs.New(errs.NotFound, "", "", "no policy has a trigger of that name or for that event"), Hint: known("triggers", names)}
	}
	return makePlan("notify", current, opts, func(p *planner) error {
		c := newCompiler(p, "notify", t)
		// tails are the last steps so far on each node: triggers act in order.
		tails := map[string][]int{}
		for _, pt := range found {
			if err := c.trigger(pt, tails); err != nil {
				return err
			}
		}
		return nil
	})
}

// policyTrigger is a trigger with the policy it belongs to.
type policyTrigger struct {
	policy  *tosca.Policy
	trigger *tosca.Trigger
}

// trigger adds the activities of one trigger.
func (c *compiler) trigger(pt policyTrigger, tails map[string][]int) error {
	c = c.in(pt.policy.Service())
	where := pt.policy.Name + "." + pt.trigger.Name
	nodes := c.filterTargets(pt)
	targets := make([]target, len(nodes))
	begin := make([][]int, len(nodes))
	for i, n := range nodes {
		id := NodeID(n.Name, n.Index)
		if c.current.gone(id) {
			return &errs.Error{Code: errs.FailedPrecondition, Op: "notify", Subject: where,
				Err: errs.New(errs.FailedPrecondition, "", "", "%s does not exist", id), Hint: "deploy the service first"}
		}
		c.ensure(n)
		targets[i] = target{id: id, node: n}
		begin[i] = tails[id]
	}
	filter := ""
	if pt.trigger.Condition != nil {
		filter = place("policies", pt.policy.Name, "triggers", pt.trigger.Name, "condition")
	}
	activities := make([]placed, len(pt.trigger.Action))
	for i, a := range pt.trigger.Action {
		activities[i] = placed{a, place("policies", pt.policy.Name, "triggers", pt.trigger.Name, "action", strconv.Itoa(i))}
	}
	if err := c.someHave(where, activities, targets); err != nil {
		return err
	}
	c.lenient = true
	defer func() { c.lenient = false }()
	if _, err := c.activities(where, where+".", "", filter, activities, targets, begin, nil); err != nil {
		return err
	}
	for i, on := range targets {
		tails[on.id] = begin[i]
	}
	return nil
}

// someHave makes sure that each operation called exists on one target at least.
func (c *compiler) someHave(where string, activities []placed, targets []target) error {
	for _, a := range activities {
		has := func(t target) bool { _, op := findOperation(t.node, a.Name); return op != nil }
		if a.Kind == tosca.CallOperation && a.Operation == nil && len(targets) > 0 && !slices.ContainsFunc(targets, has) {
			return c.fail(errs.InvalidArgument, where, "none of its targets has the operation %q", a.Name)
		}
	}
	return nil
}

// filterTargets are the nodes that a trigger acts on, each once.
func (c *compiler) filterTargets(pt policyTrigger) []*tosca.NodeTemplate {
	candidates := slices.Clone(pt.policy.Targets)
	for _, g := range pt.policy.TargetGroups {
		candidates = append(candidates, g.Members...)
	}
	if len(pt.policy.Targets) == 0 && len(pt.policy.TargetGroups) == 0 {
		candidates = c.t.Nodes
	}
	var nodes []*tosca.NodeTemplate
	seen := make(map[*tosca.NodeTemplate]bool, len(candidates))
	for _, n := range candidates {
		if !seen[n] && c.passes(n, pt.trigger) {
			nodes = append(nodes, n)
		}
		seen[n] = true
	}
	return nodes
}

// passes tells whether a node passes the target_filter of a trigger.
func (c *compiler) passes(n *tosca.NodeTemplate, tr *tosca.Trigger) bool {
	return (tr.TargetNode == "" || c.local(n) == tr.TargetNode || c.isA(n, tr.TargetNode)) &&
		(tr.TargetRequirement == "" || slices.ContainsFunc(n.Requirements, func(r *tosca.Requirement) bool { return r.Name == tr.TargetRequirement })) &&
		(tr.TargetCapability == "" || slices.ContainsFunc(n.Capabilities, func(c *tosca.Capability) bool { return c.Name == tr.TargetCapability }))
}

// isA tells whether a node is of the type of that name, as the template's file
// may write it, or of a derived one.
func (c *compiler) isA(n *tosca.NodeTemplate, name string) bool {
	if c.t.Types != nil {
		if t := c.t.Types.Node[name]; t != nil {
			name = t.Name
		}
	}
	return n.Type.IsA(name)
}
