package workflow

import (
	"fmt"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
)

// fulfilled is an error where requirements have no target.
func fulfilled(t *tosca.ServiceTemplate) error {
	if len(t.Dangling) == 0 {
		return nil
	}
	var list []string
	for _, r := range t.Dangling {
		list = append(list, fmt.Sprintf("%s of %s (%s)", r.Name, nodeName(r.Source), r.Range))
	}
	return &errs.Error{Code: errs.InvalidArgument, Op: "plan", Subject: t.File,
		Err:  errs.New(errs.InvalidArgument, "", "", "no node fulfils the requirements %s", strings.Join(list, ", ")),
		Hint: "add nodes that do, or make the requirements optional"}
}

// order returns the node templates in order of declaration, except that the
// targets of a node's requirements come before the node, and so do the nodes of
// the service that substitutes it. A cycle is an error
// that names its nodes.
func order(t *tosca.ServiceTemplate) ([]*tosca.NodeTemplate, error) {
	o := ordering{place: make(map[*tosca.NodeTemplate]int, len(t.Nodes)), nodes: make([]*tosca.NodeTemplate, 0, len(t.Nodes))}
	for _, n := range t.Nodes {
		if cycle := o.visit(n); cycle != nil {
			return nil, &errs.Error{
				Code: errs.InvalidArgument, Op: "plan", Subject: t.File,
				Err:  errs.New(errs.InvalidArgument, "", "", "requirements form a cycle: %s", strings.Join(cycle, " -> ")),
				Hint: "remove one of these requirements",
			}
		}
	}
	return o.nodes, nil
}

// parts are the nodes of the service that substitutes a node: it is there when
// they all are. It has no operations of its own.
func parts(n *tosca.NodeTemplate) []*tosca.NodeTemplate {
	if n.Substitution == nil {
		return nil
	}
	return n.Substitution.Nodes
}

// ordering is an order in the making.
type ordering struct {
	nodes []*tosca.NodeTemplate
	// path are the nodes being visited, each requiring the next.
	path []*tosca.NodeTemplate
	// place is where in path a node stands, or ordered.
	place map[*tosca.NodeTemplate]int
}

const ordered = -1

// visit places a node behind its targets, or returns the names of a cycle.
func (o *ordering) visit(n *tosca.NodeTemplate) []string {
	if at, seen := o.place[n]; seen {
		if at == ordered {
			return nil
		}
		var names []string
		for _, on := range append(o.path[at:], n) {
			names = append(names, nodeName(on))
		}
		return names
	}
	o.place[n] = len(o.path)
	o.path = append(o.path, n)
	for _, r := range n.Requirements {
		if r.Target != nil {
			if cycle := o.visit(r.Target); cycle != nil {
				return cycle
			}
		}
	}
	for _, part := range parts(n) {
		if cycle := o.visit(part); cycle != nil {
			return cycle
		}
	}
	o.path = o.path[:len(o.path)-1]
	o.place[n] = ordered
	o.nodes = append(o.nodes, n)
	return nil
}
