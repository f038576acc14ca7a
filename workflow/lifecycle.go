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

// findInterface finds the interface of the given type (or one derived from it), else
// that of the given name; nil if there is none.
func findInterface(interfaces []*tosca.Interface, typ, name string) *tosca.Interface {
	var named *tosca.Interface
	for _, i := range interfaces {
		for t := i.Type; t != nil; t = t.Parent {
			if t.Name == typ {
				return i
			}
		}
		if named == nil && (i.Name == name || i.Name == typ) {
			named = i
		}
	}
	return named
}

// implemented tells whether the interface has an implementation of the operation.
func implemented(i *tosca.Interface, operation string) bool {
	if i == nil {
		return false
	}
	for _, op := range i.Operations {
		if op.Name == operation {
			return op.Implementation != nil
		}
	}
	return false
}

// nodeCalls is which operations of a node's Standard interface are to be
// called, and under which name the interface is known.
type nodeCalls struct {
	iface      string
	operations []string
}

func (c nodeCalls) has(operation string) bool { return slices.Contains(c.operations, operation) }

// standardCalls finds the operations among names that are implemented or claimed.
func standardCalls(n *tosca.NodeTemplate, opts Options, names ...string) nodeCalls {
	i := findInterface(n.Interfaces, standardType, "Standard")
	c := nodeCalls{iface: "Standard"}
	if i != nil {
		c.iface = i.Name
	}
	for _, name := range names {
		if implemented(i, name) || opts.Claims != nil && opts.Claims(n, c.iface, name) {
			c.operations = append(c.operations, name)
		}
	}
	return c
}

// configureInterface is the Configure interface of a requirement's
// relationship, or nil.
func configureInterface(r *tosca.Requirement) *tosca.Interface {
	if r.Relationship == nil {
		return nil
	}
	return findInterface(r.Relationship.Interfaces, configureType, "Configure")
}
