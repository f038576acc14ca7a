package workflow

import (
	"io/fs"
	"slices"
	"strconv"

	"github.com/seed-a4fd30b5/orchestrator/tosca"
)

// DiffOptions are what Compare may want to know beyond the templates. The
// zero DiffOptions compare what templates without inputs say.
type DiffOptions struct {
	// OldFiles and NewFiles are the archives of the templates. Files of
	// operations and nodes are compared by content where both are given, else
	// by path.
	OldFiles, NewFiles fs.FS
	// OldInputs and NewInputs are the inputs of the templates, defaults applied
	// (tosca.ServiceTemplate.ResolveInputs).
	OldInputs, NewInputs map[string]any
	// Eval evaluates a value of of.Service, the old or the new template. nil
	// means to evaluate what follows from templates and inputs alone; an
	// attribute that only the deployment knows is then the same where it is
	// that of the same node. Values that cannot be evaluated are compared as
	// written.
	Eval func(of tosca.Entity, v *tosca.Value) (any, error)
	// Current are the states of the instances of the old template. Where it is
	// not nil, nodes that are not started are among the changed ones, with
	// their state, as are the nodes that depend on changed ones.
	Current Current
}

// Compare tells what differs between two versions of a service template, down
// to the values of properties and the bytes of files. The shape is xOpera's:
// the Diff has at most one change, "nodes", which is a Diff of the node
// templates with these changes for each:
//
//	types         [old, new]
//	substitution  [old, new]: the files of the services that substitute it
//	properties    Diff of values: [old, new]
//	requirements  Diff by name: target [old, new],
//	              relationship: types, properties, interfaces
//	capabilities  Diff by name: properties
//	interfaces    Diff by name: operations, a Diff by name of implemented
//	              operations: primary ("file PATH"), dependencies and artifacts
//	              (Diffs of "file PATH"), inputs, outputs, operation_host,
//	              timeout (in seconds)
//	dependencies  the names of changed nodes that the node depends on directly
//	state         [state, "started"]
//
// A second and further requirement of the same name is called NAME.1 and so
// on, a second and further representation of a node template NAME[1] and so on. Values that must not be shown (tosca.Assignment.Sensitive) are "***".
// Attributes are not compared: what the deployment learned is not a change.
//
// The error is that of a file that cannot be read.
//
// Unlike xOpera, dependencies go on from node to node: a node that depends on a
// node with dependencies has them too, since both are redone by Update; and
// they name the other node, not the node itself.
func Compare(old, new *tosca.ServiceTemplate, opts DiffOptions) (*Diff, error) {
	c := &comparer{old: old, new: new, opts: opts, files: map[[2]string]bool{}}
	if c.opts.Eval == nil {
		c.opts.Eval = c.eval
	}
	nodes := compareNamed(old.Nodes, new.Nodes, nodeName, c.node)
	if c.err != nil {
		return nil, c.err
	}
	if opts.Current != nil {
		addStates(nodes, old, new, opts.Current)
		addDependencies(nodes, new)
	}
	d := &Diff{}
	d.put("nodes", nodes)
	return d, nil
}

// comparer compares two templates.
type comparer struct {
	old, new *tosca.ServiceTemplate
	opts     DiffOptions
	// files remembers which pairs of files are the same.
	files map[[2]string]bool
	// err is the first error that occurred.
	err error
}

// nodeName is what a Diff calls a node: the name of its template, and behind it
// the index of a second and further representation in brackets.
func nodeName(n *tosca.NodeTemplate) string {
	if n.Index == 0 {
		return n.Name
	}
	return n.Name + "[" + strconv.Itoa(n.Index) + "]"
}

// requirementName tells requirements of the same name apart.
func requirementName(r *tosca.Requirement) string {
	if r.Index == 0 {
		return r.Name
	}
	return r.Name + "." + strconv.Itoa(r.Index)
}

// pair is a changed value.
func pair(old, new any) any { return [2]any{old, new} }

// node compares two node templates of the same name.
func (c *comparer) node(old, new *tosca.NodeTemplate) any {
	from := scope{c, tosca.Entity{Service: c.old, Node: old}, tosca.Entity{Service: c.new, Node: new}}
	d := &Diff{}
	if a, b := nodeTypeName(old), nodeTypeName(new); a != b {
		d.put("types", pair(a, b))
	}
	if a, b := substitutionName(old), substitutionName(new); a != b {
		d.put("substitution", pair(a, b))
	}
	d.put("properties", from.assignments(old.Properties, new.Properties))
	d.put("requirements", compareNamed(old.Requirements, new.Requirements, requirementName, c.requirement))
	d.put("capabilities", compareNamed(old.Capabilities, new.Capabilities,
		func(c *tosca.Capability) string { return c.Name },
		func(o, n *tosca.Capability) any {
			d := &Diff{}
			d.put("properties", from.assignments(o.Properties, n.Properties))
			return d
		}))
	d.put("interfaces", from.interfaces(old.Interfaces, new.Interfaces, old.Artifacts, new.Artifacts))
	return d
}

// substitutionName is the file of the service that substitutes a node.
func substitutionName(n *tosca.NodeTemplate) string {
	if n.Substitution == nil {
		return ""
	}
	return n.Substitution.File
}

func nodeTypeName(n *tosca.NodeTemplate) string {
	if n.Type == nil {
		return ""
	}
	return n.Type.Name
}

// requirement compares two requirements of the same name and index.
func (c *comparer) requirement(old, new *tosca.Requirement) any {
	d := &Diff{}
	if a, b := targetName(old), targetName(new); a != b {
		d.put("target", pair(a, b))
	}
	d.put("relationship", c.relationship(old.Relationship, new.Relationship))
	return d
}

func targetName(r *tosca.Requirement) string {
	if r.Target == nil {
		return ""
	}
	return nodeName(r.Target)
}

// relationship compares the relationships of two requirements, each of which
// may be nil.
func (c *comparer) relationship(old, new *tosca.RelationshipTemplate) *Diff {
	if old == nil {
		old = &tosca.RelationshipTemplate{}
	}
	if new == nil {
		new = &tosca.RelationshipTemplate{}
	}
	from := scope{c, tosca.Entity{Service: c.old, Relationship: old}, tosca.Entity{Service: c.new, Relationship: new}}
	d := &Diff{}
	if a, b := relationshipTypeName(old), relationshipTypeName(new); a != b {
		d.put("types", pair(a, b))
	}
	d.put("properties", from.assignments(old.Properties, new.Properties))
	d.put("interfaces", from.interfaces(old.Interfaces, new.Interfaces, nil, nil))
	return d
}

func relationshipTypeName(r *tosca.RelationshipTemplate) string {
	if r.Type == nil {
		return ""
	}
	return r.Type.Name
}

// addStates adds the states of existing nodes that are not started.
func addStates(nodes *Diff, old, new *tosca.ServiceTemplate, current Current) {
	inNew := make(map[string]bool, len(new.Nodes))
	for _, n := range new.Nodes {
		inNew[nodeName(n)] = true
	}
	states := map[string]any{}
	for _, n := range old.Nodes {
		if state := current[NodeID(n.Name, n.Index)]; inNew[nodeName(n)] && state != Started {
			if state == "" {
				state = Initial
			}
			states[nodeName(n)] = pair(state, Started)
		}
	}
	nodes.combine("state", states, old)
}

// addDependencies adds, for each node of the new template that depends on a
// changed one, the direct targets that are changed or have dependencies.
func addDependencies(nodes *Diff, new *tosca.ServiceTemplate) {
	redone, changes := map[string]bool{}, nodes.changes()
	for _, n := range new.Nodes {
		if change, ok := changes[nodeName(n)].(*Diff); ok {
			redone[nodeName(n)] = redo(change, n)
		}
	}
	ordered, err := order(new)
	if err != nil {
		return // a cycle is the planner's to tell
	}
	added := make(map[string]bool, len(nodes.Added))
	for _, name := range nodes.Added {
		added[name] = true
	}
	dependencies := map[string]any{}
	for _, n := range ordered {
		var on []string
		for _, r := range n.Requirements {
			if r.Target != nil && redone[nodeName(r.Target)] && !slices.Contains(on, nodeName(r.Target)) {
				on = append(on, nodeName(r.Target))
			}
		}
		for _, part := range parts(n) {
			if redone[nodeName(part)] && !slices.Contains(on, nodeName(part)) {
				on = append(on, nodeName(part))
			}
		}
		if on != nil && !added[nodeName(n)] {
			redone[nodeName(n)] = true
			dependencies[nodeName(n)] = on
		}
	}
	nodes.combine("dependencies", dependencies, new)
}

// combine adds a change to those of each node in values; nodes that had none come
// behind the others, in the order of the template.
func (d *Diff) combine(change string, values map[string]any, t *tosca.ServiceTemplate) {
	known := d.changes()
	for _, n := range t.Nodes {
		name := nodeName(n)
		value, ok := values[name]
		if !ok {
			continue
		}
		changes, ok := known[name].(*Diff)
		if !ok {
			changes = &Diff{}
			d.Changed = append(d.Changed, Change{name, changes})
		}
		changes.put(change, value)
	}
}
