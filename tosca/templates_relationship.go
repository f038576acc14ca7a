package tosca

import (
	"slices"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
)

// relationshipTemplate reads an entry of relationship_templates.
//
// Source: TOSCA 1.3 section 3.8.4.
func (b *builder) relationshipTemplate(d *document, f yamlx.Field) {
	if old := b.relations[f.Key.Text]; old != nil {
		d.duplicate(f.Key, "a relationship template", old.Range)
		return
	}
	body := f.Value
	if c := body.Get("copy"); !c.IsNull() {
		if source := b.relationshipBody(c.Text); source != nil && source.Get("copy").IsNull() {
			body = overlay(source, body, 1)
		} else {
			d.errorf(codeBadCopy, c, "there is no relationship template %q to copy", c.Text)
		}
	}
	d.fields(body, "relationship template")
	t := typeNamed[RelationshipType](d, relationshipKind, body.Get("type"))
	if t == nil {
		if body.Get("type").IsNull() {
			d.errorf(codeMissingKeyname, f.Key, "the relationship template %q has no type", f.Key.Text)
		}
		// An empty type keeps the name known, so that its uses are not reported.
		t = &RelationshipType{}
		b.types.brokenTypes[t] = true
	}
	r := &RelationshipTemplate{Name: f.Key.Text, Type: t, Description: prose(body.Get("description")),
		Metadata: d.metadata(body.Get("metadata")), Range: d.rng(f.Key), service: b.t}
	sub := subject{what: "the relationship \"" + r.Name + "\"", at: f.Key, quiet: b.types.brokenTypes[t]}
	b.fillRelationship(d, r, body, nil, t.Interfaces, sub)
	b.relations[r.Name] = r
	b.t.Relationships = append(b.t.Relationships, r)
}

func (b *builder) relationshipBody(name string) *yamlx.Node {
	for _, tt := range b.topologies {
		if n := tt.item.Get("relationship_templates").Get(name); n != nil {
			return n
		}
	}
	return nil
}

func (b *builder) fillRelationship(d *document, r *RelationshipTemplate, body *yamlx.Node, def *RequirementDefinition, defs []*InterfaceDefinition, sub subject) {
	props, attrs := def.relationshipData(r.Type)
	r.Properties = b.properties(d, body.Get("properties"), props, sub)
	r.Attributes = b.attributes(d, body.Get("attributes"), attrs, props, sub)
	r.Interfaces = b.interfaces(d, body.Get("interfaces"), defs, nil, nil, sub.quiet)
}

// relationship makes the relationship of a requirement: of a template or type
// that the assignment names, given in place, or of the definition's type.
func (b *builder) relationship(w *wanted, r *Requirement) *RelationshipTemplate {
	d, n := w.draft.doc, w.relationship
	switch {
	case n.IsNull():
		t := b.definedRelationship(w, r)
		if t == nil {
			return nil
		}
		return b.bareRelationship(w, r, t)
	case n.Kind == yamlx.Scalar:
		template := b.relations[n.Text]
		if template != nil && (!d.v.v2() || d.lookup(relationshipKind, n.Text) == nil) { // 2.0 looks for a type first
			own := *template
			own.Requirement, own.Range = r, r.Range
			return &own
		}
		decl := d.named(relationshipKind, n)
		if decl == nil {
			dia := d.errorf(codeUnknownRelationship, n, "there is neither a relationship template nor a relationship type %q", n.Text)
			dia.Suggestion = nearest(n.Text, sortedKeys(b.relations))
			if dia.Suggestion == "" {
				var names []string
				d.visible(relationshipKind, maxCandidates, func(name string, _ *typeDecl) { names = append(names, name) })
				dia.Suggestion = nearest(n.Text, names)
			}
			return nil
		}
		return b.bareRelationship(w, r, decl.typ.(*RelationshipType))
	}
	return b.inlineRelationship(w, r)
}

// inlineRelationship reads a relationship given in place.
func (b *builder) inlineRelationship(w *wanted, r *Requirement) *RelationshipTemplate {
	d, n := w.draft.doc, w.relationship
	if n.Kind != yamlx.Mapping {
		d.wrongShape(n, "a relationship", "a name or a map")
		return nil
	}
	d.fields(n, "requirement relationship")
	if tn := n.Get("type"); !tn.IsNull() && tn.Kind == yamlx.Scalar {
		if template := b.relations[tn.Text]; template != nil && d.lookup(relationshipKind, tn.Text) == nil {
			own := *template
			own.Requirement, own.Range = r, r.Range
			return &own
		}
	}
	t := typeNamed[RelationshipType](d, relationshipKind, n.Get("type"))
	if t == nil {
		if !n.Get("type").IsNull() {
			return nil
		}
		if t = b.definedRelationship(w, r); t == nil {
			return nil
		}
	}
	own := &RelationshipTemplate{Type: t, Requirement: r, Range: d.rng(n), service: b.t}
	sub := subject{what: "the relationship of the requirement \"" + w.name + "\"", at: n, quiet: b.types.brokenTypes[t]}
	if len(n.Fields) > 0 {
		sub.at = n.Fields[0].Key
	}
	b.fillRelationship(d, own, n, w.def, b.relationshipInterfaces(w, t), sub)
	return own
}

// relationshipData are the properties and attributes of a relationship type, or
// their refinements by the requirement definition.
func (q *RequirementDefinition) relationshipData(t *RelationshipType) ([]*PropertyDefinition, []*AttributeDefinition) {
	if q != nil && q.Relationship == t {
		return q.RelationshipProperties, q.RelationshipAttributes
	}
	return t.Properties, t.Attributes
}

// relationshipInterfaces are those of the type, or their refinement by the
// requirement definition.
func (b *builder) relationshipInterfaces(w *wanted, t *RelationshipType) []*InterfaceDefinition {
	if w.def != nil && w.def.Relationship == t {
		return w.def.Interfaces
	}
	return t.Interfaces
}

// bareRelationship makes a relationship of a type without assignments.
func (b *builder) bareRelationship(w *wanted, r *Requirement, t *RelationshipType) *RelationshipTemplate {
	props, attrs := w.def.relationshipData(t)
	proto := b.bare[t]
	if proto == nil {
		proto = &RelationshipTemplate{Type: t, service: b.t}
		b.bare[t] = proto
	}
	b.missing(w.draft.doc, props, nil, subject{what: "the relationship of the requirement \"" + w.name + "\"", at: w.key, quiet: b.types.brokenTypes[t]})
	own := *proto
	own.Properties, own.Attributes = b.defaultProperties(props), b.defaultAttributes(attrs)
	own.Requirement, own.Range = r, r.Range
	own.Interfaces = b.plainInterfaces(b.relationshipInterfaces(w, t))
	return &own
}

// definedRelationship is the type that the definition gives, or the normative
// one that fits the capability.
func (b *builder) definedRelationship(w *wanted, r *Requirement) *RelationshipType {
	if w.def != nil && w.def.Relationship != nil {
		return w.def.Relationship
	}
	d := w.draft.doc
	name := "DependsOn"
	if r.Capability != nil {
		switch c := r.Capability.Type; {
		case c.IsA("tosca.capabilities.Container"):
			name = "HostedOn"
		case c.IsA("tosca.capabilities.Endpoint"):
			name = "ConnectsTo"
		case c.IsA("tosca.capabilities.Attachment"):
			name = "AttachesTo"
		case c.IsA("tosca.capabilities.network.Linkable"):
			name = "network.LinksTo"
		case c.IsA("tosca.capabilities.network.Bindable"):
			name = "network.BindsTo"
		}
	}
	for _, candidate := range []string{"tosca.relationships." + name, name, strings.TrimPrefix(name, "network.")} {
		if decl := d.lookup(relationshipKind, candidate); decl != nil {
			return decl.typ.(*RelationshipType)
		}
	}
	// The type of a requirement that does not say is no type in particular.
	d.warnf(codeMissingKeyname, w.key, "the requirement %q does not say which relationship it makes", w.name).Detail =
		"Give the keyname relationship in the definition or the assignment."
	if b.anyRelationship == nil {
		b.anyRelationship = &RelationshipType{}
		b.types.brokenTypes[b.anyRelationship] = true
	}
	return b.anyRelationship
}

// checkRelationship warns where the relationship is not of the defined type,
// or is not meant for the capability: existing blueprints do both.
func (b *builder) checkRelationship(w *wanted, r *Requirement) {
	d, at, t := w.draft.doc, w.key, r.Relationship.Type
	if b.types.brokenTypes[t] || w.draft.broken {
		return
	}
	if !w.relationship.IsNull() {
		at = w.relationship
	}
	if w.def != nil && w.def.Relationship != nil && !t.isA(w.def.Relationship) {
		d.strictf(codeOtherRelationship, at, "the requirement %q is defined with the relationship %s, from which %s does not derive", w.name, w.def.Relationship.Name, t.Name).Related =
			[]RelatedRange{{w.def.Range, "the requirement is defined here"}}
	}
	b.checkEnds(w, r, at)
	if r.Capability == nil || len(t.ValidCapabilityTypes) == 0 {
		return
	}
	for _, c := range t.ValidCapabilityTypes {
		// Every node has the capability Node, which the base relationship
		// DependsOn asks for: it may lead to any of the node's capabilities.
		if r.Capability.Type.isA(c) || c.is("tosca.capabilities.Node") {
			return
		}
	}
	d.strictf(codeInvalidTarget, at, "the relationship %s does not list %s, the type of the capability %q of %q, among its valid target types",
		t.Name, r.Capability.Type.Name, r.Capability.Name, r.Target.Name)
}

// checkEnds checks the nodes that the relationship type lists as its ends, and
// the relationship types that the capability lists.
//
// Source: TOSCA 2.0 sections 7.3 and 8.1.
func (b *builder) checkEnds(w *wanted, r *Requirement, at *yamlx.Node) {
	d, t := w.draft.doc, r.Relationship.Type
	if valid := t.ValidSourceNodeTypes; len(valid) > 0 && !isAny(r.Source.Type, valid) {
		d.strictf(codeInvalidSource, at, "the relationship %s does not list %s among its valid source node types", t.Name, r.Source.Type.Name).Section = "TOSCA 2.0 section 7.3"
	}
	if valid := t.ValidTargetNodeTypes; len(valid) > 0 && !b.broken(r.Target) && !isAny(r.Target.Type, valid) {
		d.strictf(codeInvalidTarget, at, "the relationship %s does not list %s among its valid target node types", t.Name, r.Target.Type.Name).Section = "TOSCA 2.0 section 7.3"
	}
	if r.Capability == nil {
		return
	}
	if valid := r.Capability.validRelationships(); len(valid) > 0 && !slices.ContainsFunc(valid, t.isA) {
		d.strictf(codeInvalidTarget, at, "the capability %q of %q does not list %s among its valid relationship types", r.Capability.Name, r.Target.Name, t.Name).Section = "TOSCA 2.0 section 8.1"
	}
}

// validRelationships are the relationship types that may lead to a capability;
// empty for any.
func (c *Capability) validRelationships() []*RelationshipType {
	return c.Definition.ValidRelationshipTypes
}
