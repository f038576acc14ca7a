package tosca

import (
	"slices"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
)

// misplaced reports a keyname that has no meaning where it stands.
func (d *document) misplaced(n *yamlx.Node, format string, args ...any) *Diagnostic {
	return d.errorf(codeMisplacedKeyname, n, format, args...)
}

// schema reads what an entry or key must be: a map, or the name of a type.
//
// Source: TOSCA 1.3 section 3.6.9, TOSCA 2.0 section 9.3.
func (d *document) schema(n *yamlx.Node) *Schema { return d.refinedEntry(n, nil, "") }

// refinedEntry is schema for one that refines old.
func (d *document) refinedEntry(n *yamlx.Node, old *Schema, name string) *Schema {
	if n.IsNull() {
		return old
	}
	if n.Kind != yamlx.Scalar {
		d.fields(n, "schema")
		return d.refinedSchema(n, n, old, name)
	}
	t := typeNamed[DataType](d, dataKind, n)
	if t == nil {
		return nil
	}
	s := &Schema{Type: t, strict: d.v.v2()}
	if old != nil {
		d.narrowerType(n, s, old, name)
		s.Constraints, s.Key, s.Entry = old.Constraints, old.Key, old.Entry
	}
	d.record(s, nil, n, n)
	return s
}

// schemaOf reads the keynames of a schema where they stand among others. It is
// nil where the type is missing or unknown; at says where that is reported.
func (d *document) schemaOf(n, at *yamlx.Node) *Schema { return d.refinedSchema(n, at, nil, "") }

// refinedSchema is schemaOf for a schema that refines old, which may be nil:
// its type derives from the old one or is left out, its constraints come in
// addition, and the schemas of its keys and entries refine the old ones.
//
// Source: TOSCA 2.0 sections 9.3 and 9.4.
func (d *document) refinedSchema(n, at *yamlx.Node, old *Schema, name string) *Schema {
	s := &Schema{Description: prose(n.Get("description")), Metadata: d.metadata(n.Get("metadata")), strict: d.v.v2()}
	tn := n.Get("type")
	switch {
	case !tn.IsNull():
		if s.Type = typeNamed[DataType](d, dataKind, tn); s.Type == nil {
			return nil
		}
	case old != nil && old.Type != nil:
		s.Type = old.Type
	default:
		if at != nil {
			d.errorf(codeMissingKeyname, at, "a schema needs the keyname type")
		}
		return nil
	}
	if old == nil {
		old = &Schema{}
	} else {
		d.narrowerType(tn, s, old, name)
	}
	own := d.parser().constraints(either(n, "constraints", "validation"))
	s.Constraints = append(old.Constraints[:len(old.Constraints):len(old.Constraints)], own...)
	s.Key = d.refinedEntry(n.Get("key_schema"), old.Key, name)
	s.Entry = d.refinedEntry(n.Get("entry_schema"), old.Entry, name)
	if tn == nil {
		tn = at
	}
	d.record(s, own, n, tn)
	return s
}

// narrowerType reports a type that does not derive from the one it refines.
func (d *document) narrowerType(n *yamlx.Node, s, old *Schema, name string) {
	if old.Type == nil || s.Type == old.Type {
		return
	}
	d.afterData(func() {
		if !s.Type.isA(old.Type) {
			d.badRefinement(n, "%q must keep the type %s or one derived from it, not %s", name, old.Type.Name, s.Type.Name)
		}
	})
}

// badRefinement reports what a derived type may not do with what it inherits.
func (d *document) badRefinement(n *yamlx.Node, format string, args ...any) *Diagnostic {
	dia := d.errorf(codeBadRefinement, n, format, args...)
	if d.v.v2() {
		dia.Section = "TOSCA 2.0 section 5.1.3"
	}
	return dia
}

// afterData does what needs all data types to be complete: at once where they are.
func (d *document) afterData(f func()) {
	if d.dataComplete {
		f()
		return
	}
	d.later = append(d.later, f)
}

// record keeps a schema to be checked when all data types are complete. n
// holds its keynames, at is its type.
func (d *document) record(s *Schema, own []*Constraint, n, at *yamlx.Node) {
	if d.builtin {
		return // the tests of the profiles hold them sound
	}
	d.afterData(func() {
		checkConstraintTypes(own, s.Type, d.s)
		checkClauses(own, s, d.s)
		d.checkSchema(s, n, at)
	})
}

// checkSchema checks what a schema may have, by its type.
//
// Source: TOSCA 1.3 section 3.6.9, TOSCA 2.0 sections 9.1.2.2 and 9.3.
func (d *document) checkSchema(s *Schema, n, at *yamlx.Node) {
	if s.Type == nil {
		return
	}
	p := s.Type.primitive()
	if p == scalarType && s.Type.Scalar == nil && s.strict {
		dia := d.errorf(codeAbstractType, at, "the type scalar is abstract and cannot be used directly")
		dia.Detail, dia.Section = "Define a data type that derives from scalar and has units.", sectionScalar
		return
	}
	d.checkCollection(p, s.Type.Name, s.key(), s.entry(), n, at)
}

// checkCollection checks key_schema and entry_schema of a schema or data type.
func (d *document) checkCollection(p primitive, name string, key, entry *Schema, n, at *yamlx.Node) {
	section := d.v.at("3.6.9")
	if d.v.v2() {
		section = "TOSCA 2.0 section 9.3"
	}
	strict := func(dia *Diagnostic) {
		dia.Section = section
		if !d.v.v2() {
			dia.Severity = Warning
		}
	}
	if f := fieldOf(n, "entry_schema"); f != nil && p != listType && p != mapType && p != anyType {
		strict(d.misplaced(f.Key, "entry_schema belongs to lists and maps; %s is none", name))
	}
	if f := fieldOf(n, "key_schema"); f != nil {
		if p != mapType && p != anyType {
			strict(d.misplaced(f.Key, "key_schema belongs to maps; %s is none", name))
		} else if key != nil && key.primitive() != stringType {
			strict(d.errorf(codeBadKeySchema, f.Value, "the keys of a map are of type string or derived from it, not %s", key.Type.Name))
		}
	}
	if entry == nil && d.v.v2() && (p == listType || p == mapType) && !d.hasBroken(n, "entry_schema") {
		strict(d.errorf(codeMissingKeyname, at, "%s needs the keyname entry_schema", article(name)))
	}
}

// hasBroken tells whether a keyname is given: what is wrong with it was reported.
func (d *document) hasBroken(n *yamlx.Node, key string) bool { return !n.Get(key).IsNull() }

// properties reads property definitions and refines the inherited ones.
//
// Source: TOSCA 1.3 section 3.6.10.
func (r *typeResolver) properties(d *document, n *yamlx.Node, inherited []*PropertyDefinition, construct string) []*PropertyDefinition {
	fields := d.namedEntries(n, "properties")
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
//
// Source: TOSCA 1.3 section 3.6.10, TOSCA 2.0 sections 9.4 and 9.8.
func (d *document) property(f yamlx.Field, old *PropertyDefinition, construct string) *PropertyDefinition {
	n := f.Value
	p := &PropertyDefinition{Name: f.Key.Text, Required: true, Range: d.rng(f.Key)}
	if old != nil {
		*p = *old
		p.Range = d.rng(f.Key)
		p.inherited = p.Default
		if old.Fixed != nil && d.v.v2() {
			d.badRefinement(f.Key, "the value of %q is fixed by the type that it is inherited from and cannot be refined", p.Name).Related =
				[]RelatedRange{{old.Range, "it is fixed here"}}
		}
	}
	input := construct != propertyConstruct
	switch {
	case input && (n.Kind != yamlx.Mapping || !d.looksLikeDefinition(n)):
		d.shortInput(p, old, f, construct)
		return p
	case !input && d.isShortForm(n, old):
		// The short form of 2.0 fixes the value in a refinement.
		p.Default = d.value(n)
		p.Fixed = p.Default
		return p
	case n.Kind == yamlx.Scalar && !n.IsNull() && !d.v.v2():
		p.Schema = d.schema(n) // what published 1.x blueprints mean by it
		return p
	case n.Kind != yamlx.Mapping:
		dia := d.wrongShape(n, article(construct), "a map")
		if d.v.v2() {
			dia.Detail, dia.Section = "A value in its place is allowed only where an inherited property is refined.", "TOSCA 2.0 section 9.4"
		}
		return p
	}
	d.fields(n, propertyConstruct)
	if !n.Get("type").IsNull() || !input && old == nil || old != nil && old.Schema != nil {
		d.propertySchema(p, old, n, f.Key)
	} else if old == nil && !d.v.v2() {
		d.untypedInput(f)
	}
	d.propertyRest(p, old, n)
	return p
}

// The constructs whose definitions are read by property.
const (
	propertyConstruct = "property definition"
	inputConstruct    = "definition of an input"
	// inputTypeConstruct is an input of an interface type, which declares and
	// gives no value.
	inputTypeConstruct = "definition of an input of an interface type"
)

// isShortForm tells whether n is the value of a property that is refined,
// without the keyname value around it.
func (d *document) isShortForm(n *yamlx.Node, old *PropertyDefinition) bool {
	if !d.v.v2() || old == nil || n.IsNull() {
		return false
	}
	return n.Kind != yamlx.Mapping || !d.looksLikeDefinition(n) &&
		(len(n.Fields) == 1 && strings.HasPrefix(n.Fields[0].Key.Text, "$") || old.Schema.primitive() == mapType || old.Schema.primitive() == complexType)
}

// shortInput reads a value in place of the definition of an input.
func (d *document) shortInput(p, old *PropertyDefinition, f yamlx.Field, construct string) {
	if d.v.v2() && old == nil && construct == inputTypeConstruct {
		d.wrongShape(f.Value, article(construct), "a map").Section = "TOSCA 2.0 sections 9.8 and 11.1"
		return
	}
	p.Default = d.value(f.Value)
	// The standard's own examples give calls their place; other values were more
	// likely meant to be definitions.
	if !d.v.v2() && p.Schema == nil && p.Default.Call() == nil {
		d.untypedInput(f)
	}
}

// propertySchema reads the keynames of the schema in a property definition.
func (d *document) propertySchema(p, old *PropertyDefinition, n, key *yamlx.Node) {
	var inherited *Schema
	if old != nil {
		inherited = old.Schema
	}
	p.Schema = d.refinedSchema(n, key, inherited, p.Name)
}

// looksLikeDefinition tells the definition of an input from a value given in
// its place, such as "port: { get_property: [SELF, port] }".
func (d *document) looksLikeDefinition(n *yamlx.Node) bool {
	for _, f := range n.Fields {
		if _, ok := keynames[propertyConstruct][f.Key.Text]; !ok {
			return false
		}
	}
	return len(d.called[n]) == 0 // definitions have no calls as keys
}

func (d *document) untypedInput(f yamlx.Field) {
	d.warnf(codeUntypedInput, f.Key, "the input %q has no type and takes any value", f.Key.Text)
}

func (d *document) propertyRest(p, old *PropertyDefinition, n *yamlx.Node) {
	if v := n.Get("description"); v != nil {
		p.Description = prose(v)
	}
	if v := n.Get("required"); v != nil {
		p.Required = d.boolean(v, "required", true)
		if old != nil && old.Required && !p.Required {
			switch {
			case d.v.v2():
				d.badRefinement(v, "%q is required by the type that it is inherited from, and cannot become optional", p.Name)
			case old.Default == nil:
				d.warnf(codeLooseRefinement, v, "%q is required by the type that it is inherited from, and optional here", p.Name)
			}
		}
	}
	if v := fieldOf(n, "default"); v != nil {
		p.Default = d.value(v.Value)
		if d.v.v2() && !p.Required && !d.builtin {
			d.warnf(codeOptionalDefault, v.Key, "%q is not required, so its default has no meaning", p.Name).Section = "TOSCA 2.0 section 9.4"
		}
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
		p.Status = d.status(v)
	}
	if v := n.Get("external-schema"); v != nil {
		p.ExternalSchema = d.text(v, "external-schema")
	}
	if v := n.Get("metadata"); v != nil {
		p.Metadata = d.metadata(v)
	}
}

// statuses are what the keyname status can say.
//
// Source: TOSCA 1.3 section 3.6.10.3.
var statuses = []string{"supported", "unsupported", "experimental", "deprecated"}

func (d *document) status(n *yamlx.Node) string {
	text := d.text(n, "status")
	if text != "" && !slices.Contains(statuses, text) {
		dia := d.warnf(codeUnknownStatus, n, "there is no status %q", text)
		dia.Suggestion = nearest(text, statuses)
		dia.Detail = "A status is one of " + strings.Join(statuses, ", ") + "."
	}
	return text
}

// attributes reads attribute definitions and refines the inherited ones.
//
// Source: TOSCA 1.3 section 3.6.12, TOSCA 2.0 section 9.6.
func (r *typeResolver) attributes(d *document, n *yamlx.Node, inherited []*AttributeDefinition) []*AttributeDefinition {
	fields := d.namedEntries(n, "attributes")
	if len(fields) == 0 {
		return inherited
	}
	all := newOrdered(inherited, func(a *AttributeDefinition) string { return a.Name })
	for _, f := range fields {
		old, _ := all.get(f.Key.Text)
		a := d.attribute(f, old)
		r.attributeDefinitions = append(r.attributeDefinitions, located[*AttributeDefinition]{d, a})
		all.set(a.Name, a)
	}
	return all.list
}

func (d *document) attribute(f yamlx.Field, old *AttributeDefinition) *AttributeDefinition {
	a := &AttributeDefinition{Name: f.Key.Text, Range: d.rng(f.Key)}
	var inherited *Schema
	at := f.Key
	if old != nil {
		*a = *old
		a.Range, inherited = d.rng(f.Key), old.Schema
		if old.Schema != nil {
			at = nil
		}
	}
	n := f.Value
	switch {
	case n.IsNull() && old != nil:
		return a
	case n.Kind == yamlx.Scalar && !n.IsNull() && !d.v.v2():
		a.Schema = d.refinedEntry(n, inherited, a.Name)
		return a
	case n.Kind != yamlx.Mapping:
		d.wrongShape(n, "an attribute definition", "a map")
		return a
	}
	d.fields(n, "attribute definition")
	if s := d.refinedSchema(n, at, inherited, a.Name); s != nil {
		a.Schema = s
	}
	if v := n.Get("default"); v != nil {
		a.Default = d.value(v)
	}
	if v := n.Get("description"); v != nil {
		a.Description = prose(v)
	}
	if v := n.Get("status"); v != nil {
		a.Status = d.status(v)
	}
	if v := n.Get("metadata"); v != nil {
		a.Metadata = d.metadata(v)
	}
	return a
}
