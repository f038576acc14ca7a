package workflow

import (
	"slices"
	"strconv"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
)

// What a service that substitutes a node does in the plan of the service around
// it: its workflows carry out operations of the node, where it maps them, and
// its policies and workflows see its own nodes only.
//
// Source: TOSCA 1.3 section 3.8.12, TOSCA 2.0 section 15.6.

// The operations that bring a node up, and those that take it away, in order.
var (
	bringsUp  = []string{"create", "configure", "start"}
	takesAway = []string{"stop", "delete"}
)

// mappedWorkflow is the workflow to which the service that substitutes a node
// maps an operation; nil for none.
func mappedWorkflow(n *tosca.NodeTemplate, iface, operation string) *tosca.Workflow {
	if n.Substitution == nil || n.Substitution.Substitution == nil {
		return nil
	}
	for _, m := range n.Substitution.Substitution.Interfaces {
		if m.Operation != operation {
			continue
		}
		if i := n.Interface(m.Interface); m.Interface == iface || i != nil && i.Name == iface {
			return n.Substitution.Workflow(m.Workflow)
		}
	}
	return nil
}

// mapsAny tells whether one of the operations of a node's Standard interface is
// mapped to a workflow.
func mapsAny(n *tosca.NodeTemplate, operations []string) bool {
	if n.Substitution == nil || n.Substitution.Substitution == nil || n.Substitution.Substitution.Interfaces == nil {
		return false
	}
	iface := standardName(n)
	return slices.ContainsFunc(operations, func(op string) bool { return mappedWorkflow(n, iface, op) != nil })
}

// coveredBy is the outermost node that n is a part of and of which one of the
// operations is mapped: its workflows see to n. It is nil where there is none.
func coveredBy(n *tosca.NodeTemplate, operations []string) *tosca.NodeTemplate {
	var by *tosca.NodeTemplate
	for t := n.Service(); t != nil; {
		outer := t.Substitutes()
		if outer == nil {
			break
		}
		if mapsAny(outer, operations) {
			by = outer
		}
		t = outer.Service()
	}
	return by
}

// up tells whether a node is started, with the parts that its workflows see to.
func (p *planner) up(n *tosca.NodeTemplate, id string) bool {
	if p.current[id] != Started {
		return false
	}
	return !mapsAny(n, bringsUp) ||
		!slices.ContainsFunc(parts(n), func(part *tosca.NodeTemplate) bool { return p.current[NodeID(part.Name, part.Index)] != Started })
}

// goes tells whether a node is taken away by this plan.
func (p *planner) goes(n *tosca.NodeTemplate, selected map[string]bool) bool {
	id := NodeID(n.Name, n.Index)
	return !p.current.gone(id) && (selected == nil || selected[id])
}

// partsStarted sets the parts of a node, which its workflows brought up in the
// steps from first on, to started where the last of those steps does not.
func (p *planner) partsStarted(n *tosca.NodeTemplate, first int, after []int) []int {
	last := map[string]*Step{}
	for _, s := range p.plan.Steps[first:] {
		if s.Exit != "" {
			last[s.Instance] = s
		}
	}
	ends := slices.Clone(after)
	for _, part := range parts(n) {
		id := NodeID(part.Name, part.Index)
		if s := last[id]; s == nil || s.Exit != Started || s.Guard != "" {
			ends = append(ends, p.set(id, Started, after))
		}
	}
	return ends
}

// runMapped adds the steps of the workflow to which an operation of a node is
// mapped, and returns those with which it ends. activity is the place of the
// activity that calls the operation; empty where the life cycle does.
func (p *planner) runMapped(n *tosca.NodeTemplate, w *tosca.Workflow, iface, operation, activity string, after []int) []int {
	prefix, scope := p.prefix, p.scope
	defer func() { p.prefix, p.scope = prefix, scope }()
	index := strconv.Itoa(n.Index)
	at := place("nodes", n.Name, index, "interfaces", iface, "operations", operation)
	if activity != "" {
		at += place("calls", activity)
	}
	p.prefix, p.scope = "", append(slices.Clone(scope), at)
	prefixed := prefix + NodeID(n.Name, n.Index) + "." + iface + "." + operation + "."
	begin := p.add(Step{ID: prefixed + "begin", Kind: Join}, after)
	ends, err := newCompiler(p, "plan", n.Substitution).workflow(w, prefixed, []int{begin})
	if err != nil && p.err == nil {
		p.err = errs.Wrap(err, "plan "+iface+"."+operation+" of", NodeID(n.Name, n.Index))
	}
	if len(ends) == 0 {
		return []int{begin}
	}
	return ends
}

// partsInOrder are the nodes of the service that substitutes a node, targets of
// requirements first.
func partsInOrder(n *tosca.NodeTemplate) ([]*tosca.NodeTemplate, error) {
	if n.Substitution == nil {
		return nil, nil
	}
	nodes, err := order(n.Substitution)
	own := parts(n)
	return slices.DeleteFunc(nodes, func(node *tosca.NodeTemplate) bool { return !slices.Contains(own, node) }), err
}

// deployParts brings up the nodes of the service that substitutes a node, unless
// its workflows do.
func (c *compiler) deployParts(n *tosca.NodeTemplate, after []int) ([]int, error) {
	nodes, err := partsInOrder(n)
	done, ends := map[string]int{}, slices.Clone(after)
	for _, part := range nodes {
		c.ensure(part)
		if coveredBy(part, bringsUp) != nil {
			continue
		}
		id, rels := NodeID(part.Name, part.Index), relationships(part)
		from := slices.Clone(after)
		for _, r := range rels {
			if i, ok := done[r.target]; ok {
				from = append(from, i)
			}
		}
		for _, inner := range parts(part) {
			if i, ok := done[NodeID(inner.Name, inner.Index)]; ok {
				from = append(from, i)
			}
		}
		done[id] = c.deployNode(part, id, rels, from)
		ends = append(ends, done[id])
	}
	return ends, err
}

// undeployParts takes away the nodes of the service that substitutes a node.
func (c *compiler) undeployParts(n *tosca.NodeTemplate, after []int) ([]int, error) {
	nodes, err := partsInOrder(n)
	dependents := map[string][]int{}
	ends := slices.Clone(after)
	for _, part := range slices.Backward(nodes) {
		id, rels := NodeID(part.Name, part.Index), relationships(part)
		c.ensure(part)
		from := append(slices.Clone(after), dependents[id]...)
		var end int
		if coveredBy(part, takesAway) != nil {
			end = c.set(id, Initial, from)
		} else {
			end = c.undeployNode(part, id, rels, Started, from)
		}
		for _, r := range rels {
			dependents[r.target] = append(dependents[r.target], end)
		}
		for _, inner := range parts(part) {
			of := NodeID(inner.Name, inner.Index)
			dependents[of] = append(dependents[of], end)
		}
		ends = append(ends, end)
	}
	return ends, err
}

// newParts are the nodes of the old template whose workflows must see to parts
// that only the new template has.
func newParts(old, new *tosca.ServiceTemplate) []*tosca.NodeTemplate {
	var nodes []*tosca.NodeTemplate
	for _, n := range new.Nodes {
		outer := coveredBy(n, bringsUp)
		if outer == nil || old.Representation(n.Name, n.Index) != nil {
			continue
		}
		if was := old.Representation(outer.Name, outer.Index); was != nil && !slices.Contains(nodes, was) {
			nodes = append(nodes, was)
		}
	}
	return nodes
}

// in is the compiler for what belongs to another service of the same plan.
func (c *compiler) in(t *tosca.ServiceTemplate) *compiler {
	if t == nil || t == c.t {
		return c
	}
	return newCompiler(c.planner, c.op, t)
}

// local is the name of a node in its service: "db" of "web_0.db".
func (c *compiler) local(n *tosca.NodeTemplate) string {
	if c.outer == nil {
		return n.Name
	}
	return strings.TrimPrefix(n.Name, NodeID(c.outer.Name, c.outer.Index)+".")
}

// place is a place in the compiler's service.
func (c *compiler) place(parts ...string) string {
	if c.outer == nil {
		return place(parts...)
	}
	return place("nodes", c.outer.Name, strconv.Itoa(c.outer.Index)) + place(parts...)
}

// inService finds the service that a place is in, and what is left of the place.
func inService(t *tosca.ServiceTemplate, p placeParts) (*tosca.ServiceTemplate, placeParts) {
	if len(p) < 3 || p[0] != "nodes" {
		return t, p
	}
	n := nodeAt(t, p)
	if n == nil || n.Substitution == nil {
		return t, nil
	}
	return n.Substitution, p[3:]
}

func nodeAt(t *tosca.ServiceTemplate, p placeParts) *tosca.NodeTemplate {
	index, err := strconv.Atoi(p[2])
	if err != nil {
		return nil
	}
	return t.Representation(p[1], index)
}

// ServiceAt returns the service that a place named by a step belongs to: that of
// the policy or workflow, which may be a service that substitutes a node of t.
// For a place of FindOperationCall it is the service that carries the operation
// out.
func ServiceAt(t *tosca.ServiceTemplate, at string) *tosca.ServiceTemplate {
	p := splitPlace(at)
	if p[0] == "policies" && len(p) > 1 {
		if policy := t.Policy(p[1]); policy != nil && policy.Service() != nil {
			return policy.Service()
		}
	}
	inner, _ := inService(t, p)
	return inner
}

// OperationCall is the call of an operation that a workflow carries out.
type OperationCall struct {
	Node *tosca.NodeTemplate
	// Operation is nil where only the mapping has one of that name.
	Operation *tosca.Operation
	// Workflow is what carries it out.
	Workflow *tosca.Workflow
	// Activity is the place of the activity that calls the operation, whose
	// inputs win over the operation's; empty where the life cycle calls it.
	Activity string
}

// FindOperationCall returns the call at a place of Step.Scope: its inputs are
// the inputs of the workflow that carries the operation out. ok is false for the
// place of an inline activity. The error has code NotFound where the template
// has no such operation.
func FindOperationCall(t *tosca.ServiceTemplate, at string) (call OperationCall, ok bool, err error) {
	p := splitPlace(at)
	short, long := p.is("nodes", "", "", "interfaces", "", "operations", ""), p.is("nodes", "", "", "interfaces", "", "operations", "", "calls", "")
	if !short && !long {
		return OperationCall{}, false, nil
	}
	if call.Node = nodeAt(t, p); call.Node != nil {
		call.Operation, call.Workflow = call.Node.Operation(p[4], p[6]), mappedWorkflow(call.Node, p[4], p[6])
	}
	if call.Workflow == nil {
		return OperationCall{}, true, notInTemplate("operation", at)
	}
	if long {
		call.Activity = p[8]
	}
	return call, true, nil
}
