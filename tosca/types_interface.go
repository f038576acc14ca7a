package tosca

import (
	"slices"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
)

// interfaceType reads an interface type. Up to 1.2 its operations stand
// directly among its keynames.
//
// Source: TOSCA 1.3 section 3.7.5, TOSCA 2.0 section 11.1.
func (r *typeResolver) interfaceType(d *document, n *yamlx.Node, x *InterfaceType) {
	var inputs []*PropertyDefinition
	var ops, notes []*OperationDefinition
	if p := x.Parent; p != nil {
		inputs, ops, notes = p.Inputs, p.Operations, p.Notifications
	}
	x.Inputs = r.properties(d, n.Get("inputs"), inputs, inputTypeConstruct)
	own := d.operationFields(n, "interface type")
	x.Operations = r.operations(d, own, ops, nil, "operation", inputTypeConstruct)
	told := d.entries(n.Get("notifications"), "notifications")
	x.Notifications = r.operations(d, told, notes, nil, "notification", inputTypeConstruct)
	d.declaresOnly(own, "operation")
	d.declaresOnly(told, "notification")
}

// declaresOnly reports implementations and mappings in an interface type of
// TOSCA 2.0, which knows no node or relationship yet.
func (d *document) declaresOnly(fields []yamlx.Field, what string) {
	if !d.v.v2() {
		return
	}
	const section = "TOSCA 2.0 section 11.4"
	for _, f := range fields {
		if f.Value.Kind == yamlx.Scalar && !f.Value.IsNull() || f.Value.Kind == yamlx.Mapping && d.isImplementation(f.Value) {
			d.misplaced(f.Value, "the %s %q of an interface type cannot have an implementation", what, f.Key.Text).Section = section
			continue
		}
		if i := fieldOf(f.Value, "implementation"); i != nil {
			d.misplaced(i.Key, "the %s %q of an interface type cannot have an implementation", what, f.Key.Text).Section = section
		}
		outputs := f.Value.Get("outputs")
		if outputs.IsNull() || outputs.Kind != yamlx.Mapping {
			continue
		}
		for _, o := range outputs.Fields {
			if o.Value.Kind == yamlx.Sequence || fieldOf(o.Value, "mapping") != nil {
				d.misplaced(o.Key, "the output %q of an interface type cannot be mapped to an attribute", o.Key.Text).Section = section
			}
		}
	}
}

// operationFields returns the operations of an interface: those under
// "operations", or where there is no such keyname all that is none.
func (d *document) operationFields(n *yamlx.Node, construct string) []yamlx.Field {
	if n.IsNull() || n.Kind != yamlx.Mapping {
		return nil
	}
	if d.v.v2() {
		return d.namedEntries(n.Get("operations"), "operations")
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
	if ops == nil && !d.v.v2() {
		return
	}
	if !d.v.v2() {
		d.entries(ops, "operations")
	}
	for _, f := range n.Fields {
		d.keyname(f.Key, construct)
	}
}

// interfaces reads the interface definitions of a type and refines the
// inherited ones.
//
// Source: TOSCA 1.3 section 3.6.20.
func (r *typeResolver) interfaces(d *document, n *yamlx.Node, inherited []*InterfaceDefinition, artifacts []*Artifact) []*InterfaceDefinition {
	fields := d.namedEntries(n, "interfaces")
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
		if v := f.Value.Get("description"); v != nil {
			def.Description = prose(v)
		}
		if v := f.Value.Get("metadata"); v != nil {
			def.Metadata = d.metadata(v)
		}
		ops, notes := d.operationFields(f.Value, "interface"), d.entries(f.Value.Get("notifications"), "notifications")
		if def.Type != nil {
			d.knownOperations(ops, def)
			d.knownNotifications(notes, def)
		}
		def.Operations = r.operations(d, ops, def.Operations, artifacts, "operation", inputConstruct)
		d.dropInputs(ops, def)
		def.Notifications = r.operations(d, notes, def.Notifications, artifacts, "notification", inputConstruct)
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
			d.badRefinement(f.Value.Get("type"), "the interface %q must keep the type %s or one derived from it", def.Name, def.Type.Name)
			return def
		}
		if declared == nil || declared == def.Type {
			return def
		}
		// A refined type brings further operations.
		def.Type = declared
		def.Inputs = missingFrom(def.Inputs, declared.Inputs, func(p *PropertyDefinition) string { return p.Name })
		def.Operations = missingFrom(def.Operations, declared.Operations, func(o *OperationDefinition) string { return o.Name })
		def.Notifications = missingFrom(def.Notifications, declared.Notifications, func(o *OperationDefinition) string { return o.Name })
		return def
	}
	if declared == nil {
		if f.Value.Get("type").IsNull() {
			dia := d.warnf(codeUntypedInterface, f.Key, "the interface %q has no type", def.Name)
			dia.Detail = "Its operations are taken as they are given."
			if d.v.v2() {
				dia.Severity, dia.Detail, dia.Section = Error, "", "TOSCA 2.0 section 11.2"
			}
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
	if d.v.v2() {
		dia.Severity, dia.Detail, dia.Section = Error, "Operations are defined in interface types.", "TOSCA 2.0 section 11.2"
	}
}

// knownNotifications reports notifications that the type of an interface does
// not define.
func (d *document) knownNotifications(fields []yamlx.Field, def *InterfaceDefinition) {
	if !d.v.v2() {
		return
	}
	var names []string
	for _, o := range def.Notifications {
		names = append(names, o.Name)
	}
	for _, f := range fields {
		if !slices.Contains(names, f.Key.Text) {
			dia := d.errorf(codeUnknownOperation, f.Key, "the interface type %s has no notification %q", def.Type.Name, f.Key.Text)
			dia.Section, dia.Suggestion = "TOSCA 2.0 section 11.2", nearest(f.Key.Text, names)
		}
	}
}

// operations reads operation definitions. A definition refines the inherited
// one: what it leaves out, such as the implementation, stays.
//
// Source: TOSCA 1.3 section 3.6.17.
func (r *typeResolver) operations(d *document, fields []yamlx.Field, inherited []*OperationDefinition, artifacts []*Artifact, construct, inputs string) []*OperationDefinition {
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
			if v := f.Value.Get("metadata"); v != nil {
				op.Metadata = d.metadata(v)
			}
			op.Inputs = r.properties(d, f.Value.Get("inputs"), op.Inputs, inputs)
			if v := f.Value.Get("outputs"); v != nil {
				r.outputs(d, op, v)
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

// dropInputs takes away what operations would inherit that a type of 1.x defines
// anew, with inputs and an implementation: they take the inputs given here, and
// those of the interface type. 1.x leaves that open; xOpera replaces operations as
// a whole, and the playbooks of published types ask which inputs they are given.
func (d *document) dropInputs(fields []yamlx.Field, def *InterfaceDefinition) {
	if d.v.v2() {
		return
	}
	for _, f := range fields {
		own := f.Value.Get("inputs")
		if own.IsNull() || f.Value.Get("implementation").IsNull() {
			continue
		}
		kept := make(map[string]bool, len(own.Fields))
		for _, in := range own.Fields {
			kept[in.Key.Text] = true
		}
		named := func(o *OperationDefinition) bool { return o.Name == f.Key.Text }
		if def.Type != nil {
			if declared := first(def.Type.Operations, named); declared != nil {
				for _, in := range declared.Inputs {
					kept[in.Name] = true
				}
			}
		}
		op := first(def.Operations, named)
		op.Inputs = slices.DeleteFunc(slices.Clone(op.Inputs), func(p *PropertyDefinition) bool { return !kept[p.Name] })
	}
}

// outputs reads the outputs of an operation or notification. In TOSCA 2.0 they
// are parameter definitions, which may map them to attributes.
//
// Source: TOSCA 1.3 section 3.6.15, TOSCA 2.0 sections 9.8 and 11.4.
func (r *typeResolver) outputs(d *document, op *OperationDefinition, n *yamlx.Node) {
	if !d.v.v2() {
		op.Outputs = d.outputs(n)
		return
	}
	defs := newOrdered(op.OutputDefinitions, func(p *PropertyDefinition) string { return p.Name })
	maps := newOrdered(op.Outputs, func(o *OutputMapping) string { return o.Name })
	for _, f := range d.namedEntries(n, "outputs") {
		v := f.Value
		if v.Kind == yamlx.Mapping {
			old, _ := defs.get(f.Key.Text)
			defs.set(f.Key.Text, d.outputDefinition(f, old))
			v = v.Get("mapping")
		}
		if v == nil || v.IsNull() {
			continue
		}
		if _, mapped := maps.get(f.Key.Text); mapped {
			d.badRefinement(f.Key, "the output %q is mapped by the type that it is inherited from and cannot be mapped again", f.Key.Text)
			continue
		}
		if o := d.output(f, v); o != nil {
			maps.set(o.Name, o)
		}
	}
	op.OutputDefinitions, op.Outputs = defs.list, maps.list
}

func (d *document) outputDefinition(f yamlx.Field, old *PropertyDefinition) *PropertyDefinition {
	p := &PropertyDefinition{Name: f.Key.Text, Required: true}
	var inherited *Schema
	if old != nil {
		*p = *old
		inherited = old.Schema
	}
	p.Range = d.rng(f.Key)
	d.fields(f.Value, "parameter definition")
	if !f.Value.Get("type").IsNull() || inherited != nil {
		p.Schema = d.refinedSchema(f.Value, f.Key, inherited, p.Name)
	}
	d.propertyRest(p, old, f.Value)
	if v := fieldOf(f.Value, "value"); v != nil {
		d.misplaced(v.Key, "the output %q takes its value from the operation", p.Name).Section = "TOSCA 2.0 section 9.8"
	}
	return p
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
		if o := d.output(f, v); o != nil {
			out = append(out, o)
		}
	}
	return out
}

// output reads the mapping of one output, such as [SELF, ip].
func (d *document) output(f yamlx.Field, v *yamlx.Node) *OutputMapping {
	path := texts(d.strings(v, "an attribute mapping"))
	if len(path) < 2 {
		d.errorf(codeBadOutput, f.Key, "the output %q must be mapped to an attribute, such as [SELF, %s]", f.Key.Text, f.Key.Text)
		return nil
	}
	if e := path[0]; e != "SELF" && e != "SOURCE" && e != "TARGET" {
		dia := d.errorf(codeBadOutput, v.Items[0], "an output is mapped to SELF, SOURCE or TARGET, not %q", e)
		if up := strings.ToUpper(e); up == "SELF" || up == "SOURCE" || up == "TARGET" {
			dia.Suggestion = up
		}
		return nil
	}
	m := &OutputMapping{Name: f.Key.Text, Entity: path[0], Path: path[1:], Range: d.rng(f.Key)}
	if d.v.v2() && !m.follow() {
		d.errorf(codeBadOutput, f.Key, "the mapping of the output %q leads to no attribute", f.Key.Text).Section = "TOSCA 2.0 section 9.10"
		return nil
	}
	return m
}

// follow takes the steps of a TOSCA path that stand before the attribute: to an
// end of a relationship, and to a capability. It is false where none follows.
//
// Source: TOSCA 2.0 sections 9.10 and 10.3.
func (m *OutputMapping) follow() bool {
	if m.Entity == "SELF" && len(m.Path) > 1 && (m.Path[0] == "SOURCE" || m.Path[0] == "TARGET") {
		m.Entity, m.Path = m.Path[0], m.Path[1:]
	}
	if m.Path[0] != "CAPABILITY" {
		return true
	}
	if len(m.Path) < 3 {
		return false
	}
	m.Capability, m.Path = m.Path[1], m.Path[2:]
	return true
}
