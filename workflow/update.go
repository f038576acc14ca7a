package workflow

import (
	"maps"
	"slices"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
)

// Update plans what turns a deployment of the old template into one of the new
// template. diff is what Compare says of the two.
//
//   - Nodes only in the old template are undeployed, and their instances
//     removed.
//   - Nodes that differ, and all nodes that depend on them directly or through
//     others, are undeployed with the old template's operations (Step.Old) and
//     deployed with the new one's.
//   - Nodes only in the new template, and nodes that are not started, are
//     deployed.
//   - Everything else is left alone: its instances keep state and attributes.
//     That includes nodes whose only difference is in how they will be stopped
//     or deleted, in an interface that no life cycle calls, or in a timeout.
//
// What is undeployed goes away before anything is deployed, so that a new node
// can take the place (a port, a name, an address) of an old one.
//
// Plan.Remove has the instances of deleted nodes and relationships that the
// new template does not have. Instances of nodes that are redone stay, with the
// types of the new template from then on.
//
// The error has code InvalidArgument where diff is nil, or for the reasons of Deploy.
func Update(old, new *tosca.ServiceTemplate, diff *Diff, current Current, opts Options) (*Plan, error) {
	if diff == nil {
		return nil, &errs.Error{Code: errs.InvalidArgument, Op: "plan update", Subject: new.File,
			Err: errs.New(errs.InvalidArgument, "", "", "there is no diff"), Hint: "make one with Compare"}
	}
	oldNodes, err := order(old)
	if err != nil {
		return nil, err
	}
	if err := fulfilled(new); err != nil {
		return nil, err
	}
	newNodes, err := order(new)
	if err != nil {
		return nil, err
	}
	redone := redoneNodes(old, new, diff)
	return makePlan("update", current, opts,
		withOldTemplate(undeployNodes(oldNodes, redone)),
		waitForAll,
		removeInstances(oldNodes, instancesOf(newNodes)),
		forget(redone),
		deployNodes(newNodes),
	)
}

// withOldTemplate marks the steps of a pass as those of the old template.
func withOldTemplate(run pass) pass {
	return func(p *planner) error {
		p.old = true
		defer func() { p.old = false }()
		return run(p)
	}
}

// redoneNodes are the instance IDs of the nodes of the old template that go away, for
// good or to be deployed anew: what is deleted or differs, and what depends on it.
func redoneNodes(old, new *tosca.ServiceTemplate, diff *Diff) map[string]bool {
	inNew := make(map[string]bool, len(new.Nodes))
	for _, n := range new.Nodes {
		inNew[NodeID(n.Name, n.Index)] = true
	}
	nodes, _ := diff.Get("nodes").(*Diff)
	changes := nodes.changes()
	redone := map[string]bool{}
	var todo []*tosca.NodeTemplate
	add := func(n *tosca.NodeTemplate) {
		if id := NodeID(n.Name, n.Index); !redone[id] {
			redone[id] = true
			todo = append(todo, n)
		}
	}
	for _, n := range newParts(old, new) {
		add(n)
	}
	for _, n := range old.Nodes {
		change, _ := changes[nodeName(n)].(*Diff)
		if !inNew[NodeID(n.Name, n.Index)] || redo(change, n) {
			add(n)
		}
	}
	sources := sourcesByTarget(old)
	for len(todo) > 0 {
		n := todo[0]
		todo = todo[1:]
		for _, source := range sources[n] {
			add(source)
		}
		if mapsAny(n, bringsUp) || mapsAny(n, takesAway) {
			for _, part := range parts(n) {
				add(part) // workflows bring them up or take them away together
			}
		}
	}
	return redone
}

// sourcesByTarget finds, for each node, the nodes with a requirement for it, and
// those that a service substitutes which it is a part of.
func sourcesByTarget(t *tosca.ServiceTemplate) map[*tosca.NodeTemplate][]*tosca.NodeTemplate {
	sources := make(map[*tosca.NodeTemplate][]*tosca.NodeTemplate, len(t.Nodes))
	for _, n := range t.Nodes {
		for _, r := range n.Requirements {
			if r.Target != nil {
				sources[r.Target] = append(sources[r.Target], n)
			}
		}
		for _, part := range parts(n) {
			sources[part] = append(sources[part], n)
		}
	}
	return sources
}

// redo tells whether the changes of a node are such that it must be undeployed
// and deployed again.
func redo(change *Diff, n *tosca.NodeTemplate) bool {
	if change == nil {
		return false
	}
	for _, c := range change.Changed {
		switch c.Name {
		case "state", "dependencies":
			// A node that is not started is deployed anyhow; dependencies
			// follow from the other nodes.
		case "interfaces":
			if redoInterfaces(c.Value.(*Diff), standardName(n)) {
				return true
			}
		default:
			return true
		}
	}
	return false
}

// standardName is the symbolic name of a node's Standard interface.
func standardName(n *tosca.NodeTemplate) string {
	if i := standardInterface(n); i != nil {
		return i.Name
	}
	return "Standard"
}

// redoInterfaces tells whether an operation that brought the node up differs.
func redoInterfaces(interfaces *Diff, standard string) bool {
	bringsUp := func(operation string) bool {
		return operation == "create" || operation == "configure" || operation == "start"
	}
	if slices.Contains(interfaces.Added, standard) || slices.Contains(interfaces.Deleted, standard) {
		return true
	}
	change, _ := interfaces.change(standard).(*Diff)
	operations, _ := change.change("operations").(*Diff)
	if operations == nil {
		return false
	}
	if slices.ContainsFunc(operations.Added, bringsUp) || slices.ContainsFunc(operations.Deleted, bringsUp) {
		return true
	}
	return slices.ContainsFunc(operations.Changed, func(c Change) bool {
		d, ok := c.Value.(*Diff)
		onlyTimeout := ok && len(d.Changed) == 1 && d.Changed[0].Name == "timeout"
		return bringsUp(c.Name) && !onlyTimeout
	})
}

// waitForAll makes every step added from now on wait for all steps so far.
func waitForAll(p *planner) error {
	waitedFor := make([]bool, len(p.plan.Steps))
	for _, s := range p.plan.Steps {
		for _, i := range s.After {
			waitedFor[i] = true
		}
	}
	var last []int
	for i, is := range waitedFor {
		if !is {
			last = append(last, i)
		}
	}
	if last != nil {
		p.barrier = []int{p.add(Step{ID: "undeployed", Kind: Join}, last)}
	}
	return nil
}

// instancesOf are the IDs of the instances of nodes and their relationships.
func instancesOf(nodes []*tosca.NodeTemplate) map[string]bool {
	ids := make(map[string]bool, len(nodes))
	for _, n := range nodes {
		ids[NodeID(n.Name, n.Index)] = true
		for _, r := range relationships(n) {
			ids[r.id] = true
		}
	}
	return ids
}

// forget makes the passes that follow see the nodes of those IDs as gone,
// which they are by then.
func forget(ids map[string]bool) pass {
	return func(p *planner) error {
		p.current = maps.Clone(p.current)
		for id := range ids {
			if p.current[id] != "" {
				p.current[id] = Initial
			}
		}
		return nil
	}
}
