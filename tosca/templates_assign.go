package tosca

import (
	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
)

// subject says whose properties or attributes are assigned.
type subject struct {
	what string // `the node "x"`
	at   *yamlx.Node
	// lenient makes warnings of what is undeclared or missing.
	lenient bool
	// quiet reports nothing undeclared or missing: the type is broken.
	quiet bool
	// policy makes warnings of values that do not satisfy their definition.
	policy bool
	// node and capability name the owner where it is a node, or a capability of one.
	node, capability string
}

// properties assigns the properties of a template: what is given, then
// defaults, in the order of the definitions.
func (b *builder) properties(d *document, n *yamlx.Node, defs []*PropertyDefinition, sub subject) []*Assignment {
	fields, intakes := d.entries(n, "properties"), b.intakes[[2]string{sub.node, sub.capability}]
	if len(fields) == 0 && len(intakes) == 0 {
		b.missing(d, defs, nil, sub)
		return b.defaultProperties(defs)
	}
	index := b.propertyIndex(defs)
	given := make(map[string]*Assignment, len(fields))
	var extra []*Assignment
	for _, f := range fields {
		a := &Assignment{Name: f.Key.Text, Value: d.value(f.Value), Range: d.rng(f.Key)}
		def := index[a.Name]
		if def == nil {
			b.undeclared(d, f.Key, propertyNames(defs[:min(len(defs), maxCandidates)]), "property", sub)
			extra = append(extra, a)
			continue
		}
		a.Schema, a.Sensitive = def.Schema, sensitive(def.Metadata, def.Schema)
		given[a.Name] = a
		b.checkValue(d, a, def, sub)
	}
	for _, a := range intakes {
		if def := index[a.Name]; def != nil {
			a.Schema, a.Sensitive = def.Schema, a.Sensitive || sensitive(def.Metadata, def.Schema)
			given[a.Name] = a
		}
	}
	b.missing(d, defs, given, sub)
	list := make([]*Assignment, 0, len(defs)+len(extra))
	for _, def := range defs {
		if a := given[def.Name]; a != nil {
			list = append(list, a)
		} else if a := b.defaultOf(def); a != nil {
			list = append(list, a)
		}
	}
	return append(list, extra...)
}

func (b *builder) undeclared(d *document, key *yamlx.Node, names []string, what string, sub subject) {
	if sub.quiet {
		return
	}
	code := codeUnknownProperty
	if what == "attribute" {
		code = codeUnknownAttribute
	}
	dia := d.errorf(code, key, "%s has no %s %q", sub.what, what, key.Text)
	if sub.lenient {
		dia.Severity = Warning
	}
	dia.Suggestion = nearest(key.Text, names)
}

// missing reports required properties without a value.
func (b *builder) missing(d *document, defs []*PropertyDefinition, given map[string]*Assignment, sub subject) {
	if sub.quiet {
		return
	}
	for _, def := range defs {
		if !def.Required || def.Default != nil || given[def.Name] != nil {
			continue
		}
		dia := d.errorf(codeMissingProperty, sub.at, "%s needs a value for the property %q", sub.what, def.Name)
		if sub.lenient {
			dia.Severity = Warning
		}
		dia.Related = []RelatedRange{{def.Range, "it is required here"}}
	}
}

// checkValue checks a given value against its definition.
func (b *builder) checkValue(d *document, a *Assignment, def *PropertyDefinition, sub subject) {
	if def.Fixed != nil {
		d.s.errorf(codeFixedProperty, a.Range, "the value of the property %q is fixed by its definition", a.Name).Related = []RelatedRange{{def.Range, "it is fixed here"}}
	}
	if def.Schema == nil {
		return
	}
	if data, ok := a.Value.Static(); ok && data == nil && !def.Schema.strict {
		if t := def.Schema.Type; !t.IsA("null") && !t.IsA("nil") {
			d.s.warnf(codeNullValue, a.Range, "the property %q is set to null, though it must be %s", a.Name, article(t.Name)).Detail =
				"The null is kept and hides the default. Leave the line out to get the default."
		}
		return
	}
	what := "the property \"" + a.Name + "\""
	if !sub.policy {
		def.Schema.check(a.Value, d.s, what)
		return
	}
	faults := sink{}
	def.Schema.check(a.Value, &faults, what)
	for _, f := range faults.list {
		f.Severity, f.Code = Warning, codePolicyValue
		d.s.list = append(d.s.list, f)
	}
}

// defaultProperties returns the defaults of definitions, the same slice for
// the same definitions.
func (b *builder) defaultProperties(defs []*PropertyDefinition) []*Assignment {
	return sharedDefaults(b, defs, b.defaultOf)
}

// defaultOf returns the assignment of a definition's default, the same for
// all templates; nil where it has none.
func (b *builder) defaultOf(def *PropertyDefinition) *Assignment {
	return b.sharedDefault(def, Assignment{Name: def.Name, Schema: def.Schema, Value: def.Default, Range: def.Range}, def.Metadata)
}

// sharedDefaults collects the defaults of definitions once.
func sharedDefaults[D any](b *builder, defs []*D, defaultOf func(*D) *Assignment) []*Assignment {
	if len(defs) == 0 {
		return nil
	}
	if list, ok := b.assigned[&defs[0]]; ok {
		return list
	}
	var list []*Assignment
	for _, def := range defs {
		if a := defaultOf(def); a != nil {
			list = append(list, a)
		}
	}
	list = list[:len(list):len(list)]
	b.assigned[&defs[0]] = list
	return list
}

// sharedDefault keeps the assignment of a definition's default, and returns the
// one that is kept; nil where the definition has none.
func (b *builder) sharedDefault(def any, a Assignment, metadata map[string]any) *Assignment {
	if a.Value == nil {
		return nil
	}
	if kept, ok := b.index[def].(*Assignment); ok {
		return kept
	}
	a.Default, a.Sensitive = true, sensitive(metadata, a.Schema)
	b.index[def] = &a
	return &a
}

func (b *builder) propertyIndex(defs []*PropertyDefinition) map[string]*PropertyDefinition {
	if len(defs) == 0 {
		return nil
	}
	if m, ok := b.index[&defs[0]].(map[string]*PropertyDefinition); ok {
		return m
	}
	m := make(map[string]*PropertyDefinition, len(defs))
	for _, def := range defs {
		m[def.Name] = def
	}
	b.index[&defs[0]] = m
	return m
}

// attributes assigns attributes. Every property can be assigned as an
// attribute too, since properties are reflected as attributes.
func (b *builder) attributes(d *document, n *yamlx.Node, defs []*AttributeDefinition, props []*PropertyDefinition, sub subject) []*Assignment {
	fields := d.entries(n, "attributes")
	if len(fields) == 0 {
		return b.defaultAttributes(defs)
	}
	given := make(map[string]*Assignment, len(fields))
	for _, f := range fields {
		given[f.Key.Text] = &Assignment{Name: f.Key.Text, Value: d.value(f.Value), Range: d.rng(f.Key)}
	}
	var list []*Assignment
	for _, def := range defs {
		a := given[def.Name]
		delete(given, def.Name)
		if a == nil {
			if a = b.defaultAttribute(def); a == nil {
				continue
			}
		} else {
			a.Schema, a.Sensitive = def.Schema, sensitive(def.Metadata, def.Schema)
			if data, ok := a.Value.Static(); def.Schema != nil && (!ok || data != nil) {
				def.Schema.check(a.Value, d.s, "the attribute \""+a.Name+"\"")
			}
		}
		list = append(list, a)
	}
	for _, f := range fields {
		a := given[f.Key.Text]
		if a == nil {
			continue
		}
		if def := b.propertyIndex(props)[a.Name]; def != nil {
			a.Schema, a.Sensitive = def.Schema, sensitive(def.Metadata, def.Schema)
		} else {
			var names []string
			for _, def := range defs {
				names = append(names, def.Name)
			}
			b.undeclared(d, f.Key, names, "attribute", sub)
		}
		list = append(list, a)
	}
	return list
}

func (b *builder) defaultAttributes(defs []*AttributeDefinition) []*Assignment {
	return sharedDefaults(b, defs, b.defaultAttribute)
}

func (b *builder) defaultAttribute(def *AttributeDefinition) *Assignment {
	return b.sharedDefault(def, Assignment{Name: def.Name, Schema: def.Schema, Value: def.Default, Range: def.Range}, def.Metadata)
}
