package tosca

import "github.com/seed-a4fd30b5/orchestrator/internal/yamlx"

// schema reads what an entry or key must be: a map, or the name of a type.
func (d *document) schema(n *yamlx.Node) *Schema {
	if n.IsNull() {
		return nil
	}
	if n.Kind == yamlx.Scalar {
		t := typeNamed[DataType](d, dataKind, n)
		if t == nil {
			return nil
		}
		return &Schema{Type: t}
	}
	d.fields(n, "schema")
	return d.schemaOf(n, n)
}

// schemaOf reads the keynames of a schema where they stand among others. It is
// nil where the type is missing or unknown; at says where that is reported.
func (d *document) schemaOf(n, at *yamlx.Node) *Schema {
	tn := n.Get("type")
	if tn.IsNull() {
		if at != nil {
			d.errorf(codeMissingKeyname, at, "a schema needs the keyname type")
		}
		return nil
	}
	t := typeNamed[DataType](d, dataKind, tn)
	if t == nil {
		return nil
	}
	s := &Schema{Type: t, Description: prose(n.Get("description"))}
	if c := either(n, "constraints", "validation"); c != nil {
		s.Constraints = parseConstraints(c, d.name, d.v, d.s)
	}
	s.Key, s.Entry = d.schema(n.Get("key_schema")), d.schema(n.Get("entry_schema"))
	return s
}

// properties reads property definitions and refines the inherited ones.
//
// Source: TOSCA 1.3 section 3.6.10.
func (r *typeResolver) properties(d *document, n *yamlx.Node, inherited []*PropertyDefinition, construct string) []*PropertyDefinition {
	fields := d.entries(n, "a list of definitions by name")
	if len(fields) == 0 {
		return inherited
	}
	all := newOrdered(inherited, func(p *PropertyDefinition) string { return p.Name })
	for _, f := range fields {
		old, _ := all.get(f.Key.Text)
		p := d.property(f, old, construct)
		r.definitions = append(r.definitions, located[*PropertyDefinition]{d, p})
		all.set(p.Name, p)
	}
	return all.list
}

// property reads a property definition, or that of an input of an interface
// or operation, which may lack a type.
func (d *document) property(f yamlx.Field, old *PropertyDefinition, construct string) *PropertyDefinition {
	n := f.Value
	p := &PropertyDefinition{Name: f.Key.Text, Required: true, Range: d.rng(f.Key)}
	if old != nil {
		*p = *old
		p.Range = d.rng(f.Key)
	}
	input := construct == inputConstruct
	if n.Kind == yamlx.Scalar && !n.IsNull() && !input {
		// The short form of 2.0 names the type only.
		if t := typeNamed[DataType](d, dataKind, n); t != nil {
			p.Schema = &Schema{Type: t}
		}
		return p
	}
	if n.Kind != yamlx.Mapping {
		if input {
			d.untypedInput(f)
			p.Default = d.value(n)
			return p
		}
		d.wrongShape(n, "a "+construct, "a map")
		return p
	}
	if input && !d.looksLikeDefinition(n) {
		d.untypedInput(f)
		p.Default = d.value(n)
		return p
	}
	d.fields(n, "property definition")
	if n.Get("type").IsNull() && input {
		if old == nil {
			d.untypedInput(f)
		}
	} else if n.Get("type").IsNull() && old != nil {
		// A refinement may leave the type out.
	} else {
		d.refineSchema(p, old, n, f.Key)
	}
	d.propertyRest(p, old, n)
	return p
}

const inputConstruct = "definition of an input"

// looksLikeDefinition tells the definition of an input from a value given in
// its place, such as "port: { get_property: [SELF, port] }".
func (d *document) looksLikeDefinition(n *yamlx.Node) bool {
	for _, f := range n.Fields {
		if _, ok := keynames["property definition"][f.Key.Text]; !ok {
			return false
		}
	}
	return true
}

func (d *document) untypedInput(f yamlx.Field) {
	d.warnf(codeUntypedInput, f.Key, "the input %q has no type and takes any value", f.Key.Text)
}

func (d *document) refineSchema(p, old *PropertyDefinition, n, key *yamlx.Node) {
	s := d.schemaOf(n, key)
	if s == nil {
		p.Schema = nil
		return
	}
	if old != nil && old.Schema != nil {
		if !s.Type.isA(old.Schema.Type) {
			d.errorf(codeBadRefinement, n.Get("type"), "%q must keep the type %s or one derived from it, not %s", key.Text, old.Schema.Type.Name, s.Type.Name).Related =
				[]RelatedRange{{old.Range, "inherited from here"}}
		}
		if len(old.Schema.Constraints) > 0 {
			s.Constraints = append(old.Schema.Constraints[:len(old.Schema.Constraints):len(old.Schema.Constraints)], s.Constraints...)
		}
		if s.Entry == nil {
			s.Entry = old.Schema.Entry
		}
		if s.Key == nil {
			s.Key = old.Schema.Key
		}
	}
	p.Schema = s
}

func (d *document) propertyRest(p, old *PropertyDefinition, n *yamlx.Node) {
	if v := n.Get("description"); v != nil {
		p.Description = prose(v)
	}
	if v := n.Get("required"); v != nil {
		p.Required = d.boolean(v, "required", true)
		if old != nil && old.Required && !p.Required && old.Default == nil {
			d.warnf(codeLooseRefinement, v, "%q is required by the type that it is inherited from, and optional here", p.Name)
		}
	}
	if v := n.Get("default"); v != nil {
		p.Default = d.value(v)
	}
	if v := n.Get("value"); v != nil {
		// In 1.x "value" on the definition of an input is what published
		// blueprints write for a default.
		p.Default = d.value(v)
		if d.v.v2() {
			p.Fixed = p.Default
		}
	}
	if v := n.Get("status"); v != nil {
		p.Status = d.text(v, "status")
	}
	if v := n.Get("metadata"); v != nil {
		p.Metadata = d.metadata(v)
	}
}

// attributes reads attribute definitions.
//
// Source: TOSCA 1.3 section 3.6.12.
func (d *document) attributes(n *yamlx.Node, inherited []*AttributeDefinition) []*AttributeDefinition {
	fields := d.entries(n, "attributes")
	if len(fields) == 0 {
		return inherited
	}
	all := newOrdered(inherited, func(a *AttributeDefinition) string { return a.Name })
	for _, f := range fields {
		a := &AttributeDefinition{Name: f.Key.Text, Range: d.rng(f.Key)}
		old, refined := all.get(a.Name)
		if refined {
			*a = *old
			a.Range = d.rng(f.Key)
		}
		all.set(a.Name, a)
		if f.Value.Kind == yamlx.Scalar && !f.Value.IsNull() {
			a.Schema = d.schema(f.Value)
			continue
		}
		if f.Value.IsNull() && refined {
			continue
		}
		d.fields(f.Value, "attribute definition")
		if s := d.schemaOf(f.Value, unless(refined, f.Key)); s != nil {
			if refined && old.Schema != nil && !s.Type.isA(old.Schema.Type) {
				d.errorf(codeBadRefinement, f.Value.Get("type"), "%q must keep the type %s or one derived from it, not %s", a.Name, old.Schema.Type.Name, s.Type.Name).Related =
					[]RelatedRange{{old.Range, "inherited from here"}}
			}
			a.Schema = s
		}
		if v := f.Value.Get("default"); v != nil {
			a.Default = d.value(v)
		}
		if v := f.Value.Get("description"); v != nil {
			a.Description = prose(v)
		}
		if v := f.Value.Get("status"); v != nil {
			a.Status = d.text(v, "status")
		}
		if v := f.Value.Get("metadata"); v != nil {
			a.Metadata = d.metadata(v)
		}
	}
	return all.list
}

func unless(cond bool, n *yamlx.Node) *yamlx.Node {
	if cond {
		return nil
	}
	return n
}
