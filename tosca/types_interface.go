package tosca

import (
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
)

// interfaceType reads an interface type. Up to 1.2 its operations stand
// directly among its keynames.
//
// Source: TOSCA 1.3 section 3.7.5.
func (r *typeResolver) interfaceType(d *document, n *yamlx.Node, x *InterfaceType) {
	var inputs []*PropertyDefinition
	var ops, notes []*OperationDefinition
	if p := x.Parent; p != nil {
		inputs, ops, notes = p.Inputs, p.Operations, p.Notifications
	}
	x.Inputs = r.properties(d, n.Get("inputs"), inputs, inputConstruct)
	x.Operations = r.operations(d, operationFields(n, "interface type"), ops, nil, "operation")
	x.Notifications = r.operations(d, d.entries(n.Get("notifications"), "notifications"), notes, nil, "notification")
}

// operationFields returns the operations of an interface: those under
// "operations", or where there is no such keyname all that is none.
func operationFields(n *yamlx.Node, construct string) []yamlx.Field {
	if n.IsNull() || n.Kind != yamlx.Mapping {
		return nil
	}
	if ops := n.Get("operations"); ops != nil {
		if ops.Kind != yamlx.Mapping {
			return nil
		}
		return ops.Fields
	}
	var list []yamlx.Field
	for _, f := range n.Fields {
		if _, ok := keynames[construct][f.Key.Text]; !ok {
			list = append(list, f)
		}
	}
	return list
}

// interfaceKeys reports unknown keynames of an interface that uses "operations".
func (d *document) interfaceKeys(n *yamlx.Node, construct string) {
	ops := n.Get("operations")
	if ops == nil {
		return
	}
	d.entries(ops, "operations")
	for _, f := range n.Fields {
		d.keyname(f.Key, construct)
	}
}

// interfaces reads the interface definitions of a type and refines the
// inherited ones.
//
// Source: TOSCA 1.3 section 3.6.20.
func (r *typeResolver) interfaces(d *document, n *yamlx.Node, inherited []*InterfaceDefinition, artifacts []*Artifact) []*InterfaceDefinition {
	fields := d.entries(n, "interfaces")
	if len(fields) == 0 {
		return inherited
	}
	all := newOrdered(inherited, func(i *InterfaceDefinition) string { return i.Name })
	for _, f := range fields {
		if f.Value.Kind != yamlx.Mapping && !f.Value.IsNull() {
			d.wrongShape(f.Value, "an interface", "a map")
			continue
		}
		d.interfaceKeys(f.Value, "interface")
		def := d.interfaceDefinition(f, all)
		def.Inputs = r.properties(d, f.Value.Get("inputs"), def.Inputs, inputConstruct)
		ops := operationFields(f.Value, "interface")
		if def.Type != nil {
			d.knownOperations(ops, def)
		}
		def.Operations = r.operations(d, ops, def.Operations, artifacts, "operation")
		def.Notifications = r.operations(d, d.entries(f.Value.Get("notifications"), "notifications"), def.Notifications, artifacts, "notification")
		all.set(def.Name, def)
	}
	return all.list
}

// interfaceDefinition begins a definition with what it refines: an inherited
// one of the same name or, where the name is that of an interface type, of
// that type; else the definitions of its type.
func (d *document) interfaceDefinition(f yamlx.Field, all *ordered[*InterfaceDefinition]) *InterfaceDefinition {
	def := &InterfaceDefinition{Name: f.Key.Text, Range: d.rng(f.Key)}
	declared := typeNamed[InterfaceType](d, interfaceKind, f.Value.Get("type"))
	old, ok := all.get(def.Name)
	if !ok {
		byName := d.lookup(interfaceKind, def.Name)
		if declared == nil && byName != nil {
			declared = byName.typ.(*InterfaceType)
		}
		if byName != nil {
			old = first(all.list, func(i *InterfaceDefinition) bool { return i.Type != nil && sameType(&i.Type.TypeHeader, byName.header) })
		}
	}
	if old != nil {
		rng := def.Range
		*def = *old
		def.Range = rng
		if declared != nil && def.Type != nil && !declared.isA(def.Type) {
			d.errorf(codeBadRefinement, f.Value.Get("type"), "the interface %q must keep the type %s or one derived from it", def.Name, def.Type.Name)
			return def
		}
		if declared == nil || declared == def.Type {
			return def
		}
		// A refined type brings further operations.
		def.Type = declared
		def.Inputs = missingFrom(def.Inputs, declared.Inputs, func(p *PropertyDefinition) string { return p.Name })
		def.Operations = missingFrom(def.Operations, declared.Operations, func(o *OperationDefinition) string { return o.Name })
		return def
	}
	if declared == nil {
		if f.Value.Get("type").IsNull() {
			d.warnf(codeUntypedInterface, f.Key, "the interface %q has no type", def.Name).Detail = "Its operations are taken as they are given."
		}
		return def
	}
	def.Type, def.Inputs, def.Operations, def.Notifications = declared, declared.Inputs, declared.Operations, declared.Notifications
	return def
}

// missingFrom adds to list what more has and list has not.
func missingFrom[T any](list, more []T, name func(T) string) []T {
	all := newOrdered(more, name)
	for _, item := range list {
		all.set(name(item), item)
	}
	return all.list
}

func (d *document) knownOperations(fields []yamlx.Field, def *InterfaceDefinition) {
	known := make(map[string]bool, len(def.Operations))
	for _, o := range def.Operations {
		known[o.Name] = true
	}
	for _, f := range fields {
		if !known[f.Key.Text] {
			d.undeclaredOperation(f.Key, def)
		}
	}
}

func (d *document) undeclaredOperation(key *yamlx.Node, def *InterfaceDefinition) {
	var names []string
	for _, o := range def.Operations[:min(len(def.Operations), maxCandidates)] {
		names = append(names, o.Name)
	}
	dia := d.warnf(codeUnknownOperation, key, "the interface type %s has no operation %q", def.Type.Name, key.Text)
	dia.Suggestion = nearest(key.Text, names)
	dia.Detail = "It is kept, and only runs when it is called by name."
}

// operations reads operation definitions. A definition refines the inherited
// one: what it leaves out, such as the implementation, stays.
//
// Source: TOSCA 1.3 section 3.6.17.
func (r *typeResolver) operations(d *document, fields []yamlx.Field, inherited []*OperationDefinition, artifacts []*Artifact, construct string) []*OperationDefinition {
	if len(fields) == 0 {
		return inherited
	}
	all := newOrdered(inherited, func(o *OperationDefinition) string { return o.Name })
	for _, f := range fields {
		op := &OperationDefinition{Name: f.Key.Text}
		if old, ok := all.get(op.Name); ok {
			*op = *old
		}
		op.Range = d.rng(f.Key)
		all.set(op.Name, op)
		impl := f.Value
		if impl.Kind == yamlx.Mapping && !d.isImplementation(impl) {
			d.fields(f.Value, construct)
			if v := f.Value.Get("description"); v != nil {
				op.Description = prose(v)
			}
			op.Inputs = r.properties(d, f.Value.Get("inputs"), op.Inputs, inputConstruct)
			if v := f.Value.Get("outputs"); v != nil {
				op.Outputs = d.outputs(v)
			}
			impl = f.Value.Get("implementation")
		}
		if i := d.implementation(impl, artifacts); i != nil {
			op.Implementation = i
			r.implementations = append(r.implementations, located[*Implementation]{d, i})
		}
	}
	return all.list
}

// isImplementation tells the short form of an operation that is an extended
// implementation from an operation.
func (d *document) isImplementation(n *yamlx.Node) bool { return n.Get("primary") != nil }

// outputs reads the mapping of outputs to attributes.
//
// Source: TOSCA 1.3 section 3.6.15.
func (d *document) outputs(n *yamlx.Node) []*OutputMapping {
	var out []*OutputMapping
	for _, f := range d.entries(n, "outputs") {
		v := f.Value
		if m := v.Get("mapping"); v.Kind == yamlx.Mapping && m != nil {
			v = m
		}
		path := texts(d.strings(v, "an attribute mapping"))
		if len(path) < 2 {
			d.errorf(codeBadOutput, f.Key, "the output %q must be mapped to an attribute, such as [SELF, %s]", f.Key.Text, f.Key.Text)
			continue
		}
		if e := path[0]; e != "SELF" && e != "SOURCE" && e != "TARGET" {
			dia := d.errorf(codeBadOutput, v.Items[0], "an output is mapped to SELF, SOURCE or TARGET, not %q", e)
			if up := strings.ToUpper(e); up == "SELF" || up == "SOURCE" || up == "TARGET" {
				dia.Suggestion = up
			}
			continue
		}
		out = append(out, &OutputMapping{Name: f.Key.Text, Entity: path[0], Path: path[1:], Range: d.rng(f.Key)})
	}
	return out
}
