package workflow

import (
	"slices"

	"github.com/seed-a4fd30b5/orchestrator/tosca"
)

// The interfaces whose operations make up the life cycle.
const (
	standardType  = "tosca.interfaces.node.lifecycle.Standard"
	configureType = "tosca.interfaces.relationship.Configure"
)

// implemented tells whether the interface has an implementation of the operation.
func implemented(i *tosca.Interface, operation string) bool {
	op := i.Operation(operation)
	return op != nil && op.Implementation != nil
}

// standardInterface is the interface of a node that its life cycle calls: the
// one of that type, whatever its name, else the one of that name; nil for none.
func standardInterface(n *tosca.NodeTemplate) *tosca.Interface {
	if i := n.Interface(standardType); i != nil {
		return i
	}
	return n.Interface("Standard")
}

// configureInterface is the same for the relationship of a requirement.
func configureInterface(r *tosca.Requirement) *tosca.Interface {
	if r.Relationship == nil {
		return nil
	}
	if i := r.Relationship.Interface(configureType); i != nil {
		return i
	}
	return r.Relationship.Interface("Configure")
}

// nodeCalls is which operations of a node's Standard interface are to be
// called, and under which name the interface is known.
type nodeCalls struct {
	iface      string
	operations []string
}

func (c nodeCalls) has(operation string) bool { return slices.Contains(c.operations, operation) }

// standardCalls finds the operations among names that are implemented or
// claimed, for a substituted node those that are mapped to a workflow.
func standardCalls(n *tosca.NodeTemplate, opts Options, names ...string) nodeCalls {
	i := standardInterface(n)
	c := nodeCalls{iface: "Standard"}
	if i != nil {
		c.iface = i.Name
	}
	if n.Substitution != nil {
		for _, name := range names {
			if mappedWorkflow(n, c.iface, name) != nil {
				c.operations = append(c.operations, name)
			}
		}
		return c
	}
	for _, name := range names {
		if implemented(i, name) || opts.Claims != nil && opts.Claims(n, c.iface, name) {
			c.operations = append(c.operations, name)
		}
	}
	return c
}
