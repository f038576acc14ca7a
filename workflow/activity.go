package workflow

import (
	"slices"
	"strconv"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
)

// placed is an activity with its place in the template.
type placed struct {
	*tosca.Activity
	at string
}

// activities adds activities one after the other for each of the targets.
// tails are the steps behind which each target begins, and afterwards those with
// which it ends. after are those behind which everything begins, for activities
// without a target; those with which they end are returned.
func (c *compiler) activities(where, prefix, host, filter string, activities []placed, targets []target, tails [][]int, after []int) ([]int, error) {
	guards := make([]string, len(targets))
	if filter != "" {
		for i, on := range targets {
			guards[i] = prefix + "filter." + on.id
			tails[i] = []int{c.add(Step{ID: guards[i], Kind: Filter, Instance: on.id, When: filter}, tails[i])}
		}
	}
	for n, a := range activities {
		id := prefix + strconv.Itoa(n) + "."
		if a.Kind == tosca.Inline {
			if filter != "" && len(targets) > 1 {
				return nil, c.fail(errs.Unimplemented, where, "it runs another workflow under a filter on several nodes; filter the steps of that workflow")
			}
			ends, err := c.inline(where, id, guards, a, c.joined(id+"begin", slices.Concat(append(tails, after)...)))
			if err != nil {
				return nil, err
			}
			ends = c.joined(id+"end", ends)
			after = ends
			for i := range tails {
				tails[i] = ends
			}
			continue
		}
		for i, on := range targets {
			tail, err := c.guarded(guards[i], id, func() ([]int, error) { return c.activity(where, host, a, on, tails[i]) })
			if err != nil {
				return nil, err
			}
			tails[i] = tail
		}
	}
	return after, nil
}

// guarded adds steps that begin their IDs with a prefix and have a guard.
func (c *compiler) guarded(guard, prefix string, add func() ([]int, error)) ([]int, error) {
	outerGuard, outerPrefix := c.guard, c.prefix
	defer func() { c.guard, c.prefix = outerGuard, outerPrefix }()
	if guard != "" {
		c.guard = guard
	}
	c.prefix = prefix
	return add()
}

// inline adds the steps of another workflow.
func (c *compiler) inline(where, prefix string, guards []string, a placed, after []int) ([]int, error) {
	w := c.t.Workflow(a.Name) // of the service that the activity is in
	if w == nil {
		return nil, c.fail(errs.InvalidArgument, where, "it runs the workflow %q, which does not exist", a.Name)
	}
	if i := slices.Index(c.active, w); i >= 0 {
		var path []string
		for _, active := range append(slices.Clone(c.active[i:]), w) {
			path = append(path, active.Name)
		}
		return nil, c.fail(errs.InvalidArgument, where, "workflows run each other in a circle: %s", strings.Join(path, " -> "))
	}
	outer, lenient := c.scope, c.lenient
	defer func() { c.scope, c.lenient = outer, lenient }()
	c.scope, c.lenient = append(slices.Clone(outer), a.at), false
	guard := ""
	if len(guards) == 1 {
		guard = guards[0]
	}
	return c.guarded(guard, "", func() ([]int, error) { return c.workflow(w, prefix, after) })
}

// activity adds the steps of one activity on one target.
func (c *compiler) activity(where, host string, a placed, on target, after []int) ([]int, error) {
	switch a.Kind {
	case tosca.SetState:
		return []int{c.set(on.id, a.Name, after)}, nil
	case tosca.CallOperation:
		return c.callOperation(where, host, a, on, after)
	case tosca.Delegate:
		return c.delegate(where, a, on, after)
	}
	return nil, c.fail(errs.InvalidArgument, where, "it has an activity of the unknown kind %q", a.Kind)
}

// callOperation adds a call of an operation that is named "interface.operation".
func (c *compiler) callOperation(where, host string, a placed, on target, after []int) ([]int, error) {
	if a.Operation != nil {
		return []int{c.add(Step{
			ID: on.id + "." + where + "." + a.Name, Kind: Call, Instance: on.id, Subject: on.id,
			Interface: where, Operation: a.Name, Activity: a.at, Host: host,
		}, after)}, nil
	}
	interfaces, subject := on.node.Interfaces, on.id
	i, op := findOperation(on.node, a.Name)
	if on.rel != nil {
		interfaces, subject = on.rel.Relationship.Interfaces, on.rel.source
		i, op = findOperation(on.rel.Relationship, a.Name)
	}
	if op == nil && c.lenient {
		return after, nil
	}
	if op == nil {
		return nil, c.fail(errs.InvalidArgument, where, "%s has no operation %q (%s)", on.id, a.Name, known("operations", operationNames(interfaces)))
	}
	if on.rel == nil {
		if w := mappedWorkflow(on.node, i.Name, op.Name); w != nil {
			return c.runMapped(on.node, w, i.Name, op.Name, a.at, after), nil
		}
	}
	if on.rel != nil && onTarget(op.Name) {
		subject = on.rel.target
	}
	if op.Implementation == nil && (on.rel != nil || c.opts.Claims == nil || !c.opts.Claims(on.node, i.Name, op.Name)) {
		return after, nil
	}
	return []int{c.add(Step{
		ID: on.id + "." + i.Name + "." + op.Name, Kind: Call, Instance: on.id, Subject: subject,
		Interface: i.Name, Operation: op.Name, Activity: a.at, Host: host,
	}, after)}, nil
}

// onTarget tells whether an operation of a relationship works on its target.
func onTarget(operation string) bool {
	switch operation {
	case "pre_configure_target", "post_configure_target", "add_source", "remove_source":
		return true
	}
	return false
}

// findOperation finds an operation by "interface.operation", where the
// interface is given by its symbolic name or by its type.
func findOperation(of interface{ Interface(string) *tosca.Interface }, name string) (*tosca.Interface, *tosca.Operation) {
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 {
		return nil, nil
	}
	i := of.Interface(name[:dot])
	return i, i.Operation(name[dot+1:])
}

// operationNames lists operations as call_operation names them.
func operationNames(interfaces []*tosca.Interface) []string {
	var names []string
	for _, i := range interfaces {
		for _, op := range i.Operations {
			names = append(names, i.Name+"."+op.Name)
		}
	}
	return names
}

// delegate adds the life cycle of the target.
func (c *compiler) delegate(where string, a placed, on target, after []int) ([]int, error) {
	if on.rel != nil {
		return nil, c.fail(errs.InvalidArgument, where, "%q cannot be delegated to a relationship; name only the node", a.Name)
	}
	rels := relationships(on.node)
	switch a.Name {
	case "deploy", "install":
		after, err := c.deployParts(on.node, after)
		return []int{c.deployNode(on.node, on.id, rels, after)}, err
	case "undeploy", "uninstall":
		return c.undeployParts(on.node, []int{c.undeployNode(on.node, on.id, rels, Started, after)})
	}
	return nil, c.fail(errs.InvalidArgument, where, "%q cannot be delegated; deploy, install, undeploy and uninstall can", a.Name)
}
