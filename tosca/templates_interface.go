package tosca

import (
	"slices"

	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
)

// interfaces makes the interfaces of a template: those of its type with what
// the template assigns. Templates that assign nothing share those of the type.
// typeArtifacts and artifacts are what names in implementations can mean.
//
// Source: TOSCA 1.3 section 3.6.20.
func (b *builder) interfaces(d *document, n *yamlx.Node, defs []*InterfaceDefinition, typeArtifacts, artifacts []*Artifact, quiet bool) []*Interface {
	fields := d.entries(n, "interfaces")
	ownArtifacts := len(artifacts) > 0 && (len(typeArtifacts) == 0 || &artifacts[0] != &typeArtifacts[0])
	if len(fields) == 0 && !ownArtifacts {
		return b.plainInterfaces(defs)
	}
	all := newOrdered(b.plainInterfaces(defs), func(i *Interface) string { return i.Name })
	defsByName := map[string]*InterfaceDefinition{}
	for _, def := range defs {
		defsByName[def.Name] = def
	}
	if ownArtifacts {
		for i, iface := range all.list {
			all.list[i] = withArtifacts(iface, artifacts)
		}
	}
	for _, f := range fields {
		if f.Value.Kind != yamlx.Mapping {
			if !f.Value.IsNull() {
				d.wrongShape(f.Value, "an interface", "a map")
			}
			continue
		}
		d.interfaceKeys(f.Value, "interface assignment")
		iface, def := b.assignedInterface(d, f, all, defsByName, quiet)
		b.assignInterface(d, f, iface, def, artifacts)
		all.set(iface.Name, iface)
	}
	return all.list
}

// plainInterfaces are the interfaces of definitions without assignments.
func (b *builder) plainInterfaces(defs []*InterfaceDefinition) []*Interface {
	if len(defs) == 0 {
		return nil
	}
	if list, ok := b.plain[&defs[0]]; ok {
		return list
	}
	list := make([]*Interface, 0, len(defs))
	for _, def := range defs {
		list = append(list, b.plainInterface(def))
	}
	list = list[:len(list):len(list)]
	b.plain[&defs[0]] = list
	return list
}

func (b *builder) plainInterface(def *InterfaceDefinition) *Interface {
	iface := &Interface{Name: def.Name, Type: def.Type}
	for _, op := range def.Operations {
		iface.Operations = append(iface.Operations, b.plainOperation(def, op))
	}
	for _, op := range def.Notifications {
		iface.Notifications = append(iface.Notifications, b.plainOperation(def, op))
	}
	return iface
}

func (b *builder) plainOperation(def *InterfaceDefinition, op *OperationDefinition) *Operation {
	o := &Operation{Name: op.Name, Interface: def.Name, Description: op.Description, Implementation: op.Implementation, Outputs: op.Outputs, Range: op.Range}
	all := newOrdered(b.defaultProperties(def.Inputs), func(a *Assignment) string { return a.Name })
	for _, a := range b.defaultProperties(op.Inputs) {
		all.set(a.Name, a)
	}
	o.Inputs = all.list
	b.s.spend(len(o.Inputs), op.Range)
	o.known, o.declared, o.returns = true, slices.Concat(def.Inputs, op.Inputs), op.OutputDefinitions
	for _, defs := range [][]*PropertyDefinition{def.Inputs, op.Inputs} {
		for _, p := range defs {
			if p.Required && p.Default == nil && p.Schema != nil {
				o.required = append(o.required, p)
			}
		}
	}
	return o
}

// withArtifacts returns the interface with implementations that name an
// artifact of the template changed to it.
func withArtifacts(iface *Interface, artifacts []*Artifact) *Interface {
	var changed *Interface
	for i, op := range iface.Operations {
		impl := op.Implementation.withArtifacts(artifacts)
		if impl == op.Implementation {
			continue
		}
		if changed == nil {
			c := *iface
			c.Operations = append([]*Operation(nil), iface.Operations...)
			changed = &c
		}
		o := *op
		o.Implementation = impl
		changed.Operations[i] = &o
	}
	if changed != nil {
		return changed
	}
	return iface
}

func (impl *Implementation) withArtifacts(artifacts []*Artifact) *Implementation {
	if impl == nil {
		return nil
	}
	changed := *impl
	changed.Primary = ownArtifact(impl.Primary, artifacts)
	same := changed.Primary == impl.Primary
	changed.Dependencies = nil
	for _, dep := range impl.Dependencies {
		own := ownArtifact(dep, artifacts)
		same = same && own == dep
		changed.Dependencies = append(changed.Dependencies, own)
	}
	if same {
		return impl
	}
	return &changed
}

// ownArtifact returns the artifact of the template that an implementation of
// its type names: the one of the same name, or one whose name was taken for a
// file because the type does not have it.
func ownArtifact(a *Artifact, artifacts []*Artifact) *Artifact {
	if a == nil {
		return nil
	}
	for _, own := range artifacts {
		if a.Name == own.Name && a.Name != "" || a.Name == "" && a.File == own.Name {
			return own
		}
	}
	return a
}

// assignedInterface finds the interface that a template assigns to, by its
// name or that of its type, and copies it.
func (b *builder) assignedInterface(d *document, f yamlx.Field, all *ordered[*Interface], defs map[string]*InterfaceDefinition, quiet bool) (*Interface, *InterfaceDefinition) {
	name := f.Key.Text
	old, ok := all.get(name)
	if !ok {
		if t := d.lookup(interfaceKind, name); t != nil {
			old = first(all.list, func(i *Interface) bool { return i.Type != nil && sameType(&i.Type.TypeHeader, t.header) })
		}
	}
	if old != nil {
		c := *old
		c.Operations = append([]*Operation(nil), old.Operations...)
		c.Notifications = append([]*Operation(nil), old.Notifications...)
		return &c, defs[old.Name]
	}
	t := typeNamed[InterfaceType](d, interfaceKind, f.Value.Get("type"))
	if t == nil {
		if decl := d.lookup(interfaceKind, name); decl != nil {
			t = decl.typ.(*InterfaceType)
		}
	}
	def := &InterfaceDefinition{Name: name, Type: t, Range: d.rng(f.Key)}
	if t == nil {
		if !quiet && f.Value.Get("type").IsNull() {
			d.warnf(codeUntypedInterface, f.Key, "the interface %q has no type", name).Detail = "Its operations are taken as they are given."
		}
	} else {
		def.Inputs, def.Operations, def.Notifications = t.Inputs, t.Operations, t.Notifications
	}
	return b.plainInterface(def), def
}

// assignInterface lays the assignments of a template over an interface.
func (b *builder) assignInterface(d *document, f yamlx.Field, iface *Interface, def *InterfaceDefinition, artifacts []*Artifact) {
	inputs := d.entries(f.Value.Get("inputs"), "inputs")
	ops := d.operationFields(f.Value, "interface")
	b.assignOperations(d, ops, inputs, &iface.Operations, iface, def, artifacts, "operation")
	notes := d.entries(f.Value.Get("notifications"), "notifications")
	if def != nil && def.Type != nil {
		d.knownNotifications(notes, def)
	}
	b.assignOperations(d, notes, nil, &iface.Notifications, iface, def, artifacts, "notification")
}

func (b *builder) assignOperations(d *document, fields, common []yamlx.Field, list *[]*Operation, iface *Interface, def *InterfaceDefinition, artifacts []*Artifact, construct string) {
	all := newOrdered(*list, func(o *Operation) string { return o.Name })
	given := map[string]bool{}
	for _, f := range fields {
		given[f.Key.Text] = true
		op := &Operation{Name: f.Key.Text, Interface: iface.Name}
		old, ok := all.get(op.Name)
		if ok {
			*op = *old
		} else if def != nil && def.Type != nil && construct == "operation" {
			d.undeclaredOperation(f.Key, def)
		}
		op.Range = d.rng(f.Key)
		all.set(op.Name, op)
		var inputs []yamlx.Field
		impl := f.Value
		if impl.Kind == yamlx.Mapping && !d.isImplementation(impl) {
			d.fields(f.Value, construct)
			if v := f.Value.Get("description"); v != nil {
				op.Description = prose(v)
			}
			inputs = d.entries(f.Value.Get("inputs"), "inputs")
			if v := f.Value.Get("outputs"); v != nil {
				op.Outputs = d.assignedOutputs(op.Outputs, v)
			}
			impl = f.Value.Get("implementation")
		}
		if i := d.implementation(impl, artifacts); i != nil {
			op.Implementation = i
		}
		b.assignInputs(d, op, def, common, inputs, construct)
	}
	if len(common) > 0 {
		for i, op := range all.list {
			if !given[op.Name] {
				c := *op
				b.assignInputs(d, &c, def, common, nil, construct)
				all.list[i] = &c
			}
		}
	}
	*list = all.list
}

// assignedOutputs lays the mappings that a template assigns over those of the
// operation's definition. In TOSCA 2.0 a mapping of the definition stays.
//
// Source: TOSCA 2.0 sections 11.5 and 11.7.
func (d *document) assignedOutputs(defined []*OutputMapping, n *yamlx.Node) []*OutputMapping {
	all := newOrdered(defined, func(o *OutputMapping) string { return o.Name })
	for _, o := range d.outputs(n) {
		if old, ok := all.get(o.Name); ok && d.v.v2() {
			dia := d.s.errorf(codeBadRefinement, o.Range, "the output %q is mapped by its definition and cannot be mapped again", o.Name)
			dia.Section, dia.Related = "TOSCA 2.0 section 11.5", []RelatedRange{{old.Range, "it is mapped here"}}
			continue
		}
		all.set(o.Name, o)
	}
	return all.list
}

// assignInputs lays inputs of the interface, then of the operation, over those
// that the definitions bring.
func (b *builder) assignInputs(d *document, op *Operation, def *InterfaceDefinition, common, own []yamlx.Field, construct string) {
	if len(common)+len(own) == 0 {
		return
	}
	declared := map[string]*PropertyDefinition{}
	if def != nil {
		for _, p := range def.Inputs {
			declared[p.Name] = p
		}
		o := def.Operation(op.Name)
		if construct == "notification" {
			o = first(def.Notifications, func(o *OperationDefinition) bool { return o.Name == op.Name })
		}
		if o != nil {
			for _, p := range o.Inputs {
				declared[p.Name] = p
			}
		}
	}
	// The standard's examples of 1.x give inputs to the operations of its
	// interfaces, which declare none.
	free := !d.v.v2() && len(declared) == 0
	all := newOrdered(op.Inputs, func(a *Assignment) string { return a.Name })
	for i, f := range append(common[:len(common):len(common)], own...) {
		a := d.inputAssignment(f, declared[f.Key.Text])
		if declared[a.Name] == nil && i >= len(common) && !free {
			dia := d.warnf(codeUnknownInput, f.Key, "the %s %q declares no input %q; it is passed all the same", construct, op.Name, a.Name)
			dia.Suggestion = nearest(a.Name, sortedKeys(declared))
		}
		all.set(a.Name, a)
	}
	op.Inputs = all.list
}

// fixedInput reports a value for an input whose definition fixes it.
//
// Source: TOSCA 2.0 sections 9.9 and 11.5.
func (s *sink) fixedInput(a *Assignment, def *PropertyDefinition) {
	d := s.errorf(codeFixedProperty, a.Range, "the value of the input %q is fixed by its definition", a.Name)
	d.Section, d.Related = "TOSCA 2.0 section 11.5", []RelatedRange{{def.Range, "it is fixed here"}}
}

// inputAssignment reads the value of an input. Published blueprints also write
// a definition with a default or value there.
func (d *document) inputAssignment(f yamlx.Field, def *PropertyDefinition) *Assignment {
	a := &Assignment{Name: f.Key.Text, Range: d.rng(f.Key)}
	n := f.Value
	if n.Kind == yamlx.Mapping && n.Get("type") != nil && (n.Get("default") != nil || n.Get("value") != nil) && d.looksLikeDefinition(n) {
		p := d.property(f, def, inputConstruct)
		a.Value, a.Schema, a.Sensitive = p.Default, p.Schema, sensitive(p.Metadata, p.Schema)
		return a
	}
	a.Value = d.value(n)
	if def != nil {
		if def.Fixed != nil {
			d.s.fixedInput(a, def)
		}
		a.Schema, a.Sensitive = def.Schema, sensitive(def.Metadata, def.Schema)
		if data, ok := a.Value.Static(); a.Schema != nil && (!ok || data != nil) {
			a.Schema.check(a.Value, d.s, "the input \""+a.Name+"\"")
		}
	}
	return a
}
