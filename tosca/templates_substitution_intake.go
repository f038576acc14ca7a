package tosca

import "github.com/seed-a4fd30b5/orchestrator/internal/yamlx"

// readIntakes finds the properties of nodes in a service that take a property
// of the node which the service substitutes: 1.2 and 1.3 may map a property to
// a list of a node template, a capability of it (optional) and the property. The
// value of the substituted node wins over that in the template.
//
// Source: TOSCA 1.2 and 1.3 section 3.8.8.
func (b *builder) readIntakes() {
	outer := b.t.substituted
	if outer == nil || len(b.topologies) == 0 || b.topologies[0].doc.name != b.t.File || b.topologies[0].doc.v.v2() {
		return
	}
	d := b.topologies[0].doc
	mappings := b.topologies[0].item.Get("substitution_mappings").Get("properties")
	fields := d.entriesQuiet(mappings)
	for _, item := range mappings.ItemsOf() {
		fields = append(fields, d.entriesQuiet(item)...)
	}
	b.intakes = map[[2]string][]*Assignment{}
	for _, f := range fields {
		from, path := outer.Property(f.Key.Text), mappingOf(f.Value)
		if from == nil || from.Value == nil || path.Kind != yamlx.Sequence || len(path.Items) < 2 || len(path.Items) > 3 {
			continue
		}
		key, name := [2]string{path.Items[0].Text}, path.Items[len(path.Items)-1].Text
		if len(path.Items) == 3 {
			key[1] = path.Items[1].Text
		}
		if v := substitutedValue(from, d.rng(f.Key)); v != nil {
			b.intakes[key] = append(b.intakes[key], &Assignment{Name: name, Value: v, Sensitive: from.Sensitive, Range: d.rng(f.Key)})
		}
	}
}

// substitutedValue is the value of a property of the substituted node as seen in
// the service: as it is, or where it is not static a call that evaluates it
// there. It is nil where the property is null.
func substitutedValue(a *Assignment, at Range) *Value {
	if data, static := a.Value.Static(); static {
		if data == nil {
			return nil
		}
		return a.Value
	}
	call := &Call{Function: substitutedProperty.name, Args: []*Value{Constant(a.Name)}, Range: at, function: substitutedProperty}
	return &Value{content: call, extent: a.Value.extent}
}

// substitutedProperty is the call that substitutedValue makes. No file can name it.
var substitutedProperty = &function{name: "substituted_property", asks: true, placed: true, from: 10, to: 13, min: 1, max: 1,
	usage: "substituted_property: name", section: "3.8.8", eval: func(e *evaluation, _ *Call, args []any) (any, error) {
		t := e.resolver(false).service()
		if t == nil || t.substituted == nil {
			return nil, misplaced("substituted_property", "a service that substitutes a node")
		}
		n := t.substituted
		name, _ := text(args[0])
		return e.property(place{entity: Entity{Service: n.service, Node: n}, name: name})
	}}
