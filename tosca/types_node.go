package tosca

import (
	"fmt"

	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
)

// nodeType reads a node type.
//
// Source: TOSCA 1.3 section 3.7.9.
func (r *typeResolver) nodeType(d *document, n *yamlx.Node, x *NodeType) {
	p := x.Parent
	if p == nil {
		p = &NodeType{}
	}
	x.Properties = r.properties(d, n.Get("properties"), p.Properties, propertyConstruct)
	x.Attributes = r.attributes(d, n.Get("attributes"), p.Attributes)
	x.Artifacts = d.artifactDefinitions(n.Get("artifacts"), p.Artifacts, func(a *Artifact) {
		r.artifacts = append(r.artifacts, located[*Artifact]{d, a})
	})
	x.Capabilities = r.capabilities(d, n.Get("capabilities"), p.Capabilities)
	x.Requirements = r.requirements(d, n.Get("requirements"), p.Requirements)
	x.Interfaces = r.interfaces(d, n.Get("interfaces"), p.Interfaces, x.Artifacts)
	if !d.builtin {
		d.nameClashes(n, x, p)
	}
}

// nameClashes warns where a type makes a requirement and a capability of one
// name, unless it inherits them. The paths of TOSCA 2.0 tell which one is meant.
func (d *document) nameClashes(n *yamlx.Node, x, parent *NodeType) {
	if d.v.v2() || len(x.Requirements) == 0 || n.Get("requirements") == nil && n.Get("capabilities") == nil {
		return
	}
	caps := make(map[string]*CapabilityDefinition, len(x.Capabilities))
	for _, c := range x.Capabilities {
		caps[c.Name] = c
	}
	for _, q := range x.Requirements {
		c := caps[q.Name]
		if c == nil || parent.Capability(q.Name) != nil && parent.Requirement(q.Name) != nil {
			continue
		}
		later := q.Range
		if c.Range.File == d.name && (q.Range.File != d.name || c.Range.Start.Line > q.Range.Start.Line) {
			later = c.Range
		}
		d.s.warnf(codeNameClash, later, "%q is a requirement and a capability of %s; [SELF, %s, ...] means the requirement", q.Name, x.Name, q.Name)
	}
}

// capabilities reads capability definitions. A definition of an inherited name
// refines it: it keeps the type or takes a derived one.
//
// Source: TOSCA 1.3 section 3.7.2, TOSCA 2.0 section 8.2.
func (r *typeResolver) capabilities(d *document, n *yamlx.Node, inherited []*CapabilityDefinition) []*CapabilityDefinition {
	fields := d.namedEntries(n, "capabilities")
	if len(fields) == 0 {
		return inherited
	}
	all := newOrdered(inherited, func(c *CapabilityDefinition) string { return c.Name })
	for _, f := range fields {
		old, _ := all.get(f.Key.Text)
		if c := r.capability(d, f, old); c != nil {
			all.set(c.Name, c)
		}
	}
	return all.list
}

func (r *typeResolver) capability(d *document, f yamlx.Field, old *CapabilityDefinition) *CapabilityDefinition {
	c := &CapabilityDefinition{Name: f.Key.Text, Occurrences: Occurrences{1, Unbounded}}
	if old != nil {
		*c = *old
	}
	c.Range = d.rng(f.Key)
	n, tn := f.Value, f.Value
	if n.Kind != yamlx.Scalar {
		d.fields(n, "capability definition")
		tn = n.Get("type")
	}
	t := typeNamed[CapabilityType](d, capabilityKind, tn)
	switch {
	case t == nil && old == nil:
		if tn.IsNull() {
			d.errorf(codeMissingKeyname, f.Key, "the capability %q has no type", c.Name)
		}
		return nil
	case t == nil:
	case old != nil && !t.isA(old.Type):
		d.badRefinement(tn, "the capability %q must keep the type %s or one derived from it, not %s", c.Name, old.Type.Name, t.Name).Related =
			[]RelatedRange{{old.Range, "inherited from here"}}
		return nil
	case old != nil && t == old.Type:
	default:
		c.Type, c.Properties, c.Attributes = t, t.Properties, t.Attributes
		c.ValidSourceNodeTypes, c.ValidRelationshipTypes = t.ValidSourceNodeTypes, t.ValidRelationshipTypes
	}
	if n.Kind == yamlx.Scalar {
		return c
	}
	d.onlyRefines(n.Get("properties"), codeUnknownProperty, "property", c.Type.Name, func(name string) bool { return propertyOf(c.Properties, name) != nil })
	d.onlyRefines(n.Get("attributes"), codeUnknownAttribute, "attribute", c.Type.Name, func(name string) bool { return attributeNamed(c.Attributes, name) != nil })
	c.Properties = r.properties(d, n.Get("properties"), c.Properties, propertyConstruct)
	c.Attributes = r.attributes(d, n.Get("attributes"), c.Attributes)
	if v := n.Get("description"); v != nil {
		c.Description = prose(v)
	}
	if v := either(n, "valid_source_types", "valid_source_node_types"); v != nil {
		c.ValidSourceNodeTypes = narrowed(r, d, nodeKind, v, d.v.validSourceTypes, c.Type.ValidSourceNodeTypes)
	}
	if v := n.Get("valid_relationship_types"); v != nil {
		c.ValidRelationshipTypes = narrowed(r, d, relationshipKind, v, "valid_relationship_types", c.Type.ValidRelationshipTypes)
	}
	if v := n.Get("metadata"); v != nil {
		c.Metadata = d.metadata(v)
	}
	if o := fieldOf(n, "occurrences"); o != nil {
		c.Occurrences = d.occurrences(o.Value, c.Occurrences)
		if d.v.v2() {
			dia := d.warnf(codeKeynameVersion, o.Key, "the keyname occurrences is deprecated for capabilities in TOSCA 2.0")
			dia.Detail, dia.Section = "Limit the capability by allocations in requirements.", "TOSCA 2.0 section 8.2"
		}
	}
	return c
}

// onlyRefines reports definitions of what a type does not have, where TOSCA
// 2.0 allows only refinements.
func (d *document) onlyRefines(n *yamlx.Node, code, what, typeName string, known func(string) bool) {
	if !d.v.v2() || n.IsNull() || n.Kind != yamlx.Mapping {
		return
	}
	for _, f := range n.Fields {
		if !known(f.Key.Text) {
			d.errorf(code, f.Key, "%s has no %s %q to refine", typeName, what, f.Key.Text).Detail = "A new one is defined in a type that derives from it."
		}
	}
}

// requirements reads requirement definitions. One of an inherited name
// replaces it; it keeps the relationship where it gives none. It does not keep
// the node type: published blueprints redefine "host" with another capability
// in order to be hosted on other things than a Compute.
//
// Source: TOSCA 1.3 section 3.7.3.
func (r *typeResolver) requirements(d *document, n *yamlx.Node, inherited []*RequirementDefinition) []*RequirementDefinition {
	items := d.items(n, "requirements")
	if len(items) == 0 {
		return inherited
	}
	all := newOrdered(inherited, func(q *RequirementDefinition) string { return q.Name })
	own := map[string]bool{}
	for _, item := range items {
		f, ok := d.single(item, "a requirement definition")
		if !ok {
			continue
		}
		if own[f.Key.Text] {
			d.errorf(codeDuplicateName, f.Key, "the requirement %q is defined twice in this type", f.Key.Text)
			continue
		}
		own[f.Key.Text] = true
		old, _ := all.get(f.Key.Text)
		if q := r.requirement(d, f, old); q != nil {
			all.set(q.Name, q)
		}
	}
	return all.list
}

func (r *typeResolver) requirement(d *document, f yamlx.Field, old *RequirementDefinition) *RequirementDefinition {
	q := &RequirementDefinition{Name: f.Key.Text, Range: d.rng(f.Key), Occurrences: d.v.requirementOccurrences}
	if old != nil {
		q.Relationship, q.RelationshipProperties, q.RelationshipAttributes, q.Interfaces =
			old.Relationship, old.RelationshipProperties, old.RelationshipAttributes, old.Interfaces
		q.Occurrences, q.bounded = old.Occurrences, old.bounded
		if d.v.v2() {
			q.Description, q.Metadata, q.inheritedFilters = old.Description, old.Metadata, old.filters()
		}
	}
	n := f.Value
	if n.Kind == yamlx.Scalar && !n.IsNull() {
		r.requiredCapability(d, q, n)
		if d.v.v2() {
			// The community's own examples write it so.
			d.warnf(codeShortRequirement, n, "the requirement %q gives only the capability; TOSCA 2.0 has no such short form", q.Name).Section = "TOSCA 2.0 section 8.4"
		}
		return q
	}
	if d.v.v2() && n.Kind != yamlx.Mapping {
		d.wrongShape(n, "a requirement definition", "a map").Section = "TOSCA 2.0 section 8.4"
		return nil
	}
	d.fields(n, "requirement definition")
	if v := n.Get("description"); v != nil {
		q.Description = prose(v)
	}
	if v := n.Get("metadata"); v != nil {
		q.Metadata = d.metadata(v)
	}
	q.Node = typeNamed[NodeType](d, nodeKind, n.Get("node"))
	if old != nil && d.v.v2() && n.Get("node").IsNull() {
		q.Node = old.Node
	}
	if c := n.Get("capability"); !c.IsNull() {
		r.requiredCapability(d, q, c)
	} else if old != nil {
		q.Capability, q.CapabilityName = old.Capability, old.CapabilityName
		if n.Get("node").IsNull() {
			q.Node = old.Node
		}
	} else if n.Get("node").IsNull() || d.v.v2() {
		d.errorf(codeMissingKeyname, f.Key, "the requirement %q must say which capability it needs", q.Name)
	}
	r.requiredRelationship(d, q, n.Get("relationship"))
	if d.v.v2() && q.Relationship == nil && n.Get("relationship").IsNull() {
		d.errorf(codeMissingKeyname, f.Key, "the requirement %q must say which relationship it makes", q.Name).Section = "TOSCA 2.0 section 8.4"
	}
	if o := either(n, "occurrences", "count_range"); !o.IsNull() {
		q.Occurrences, q.bounded = d.occurrences(o, q.Occurrences), true
		d.narrowerCount(o, q, old)
	}
	q.NodeFilter = d.nodeFilter(n.Get("node_filter"))
	if old != nil {
		r.refinedRequirement(d, f, q, old)
	}
	return q
}

// filters returns the node filters that the targets must pass.
func (q *RequirementDefinition) filters() []*NodeFilter {
	if q.NodeFilter == nil {
		return q.inheritedFilters
	}
	return append(q.inheritedFilters[:len(q.inheritedFilters):len(q.inheritedFilters)], q.NodeFilter)
}

// narrowerCount reports a count_range that is not within the inherited one.
// In 1.x, which does not say so, occurrences are free.
func (d *document) narrowerCount(n *yamlx.Node, q, old *RequirementDefinition) {
	if old == nil || !d.v.v2() {
		return
	}
	was, is := old.Occurrences, q.Occurrences
	if is.Min < was.Min || was.Max != Unbounded && (is.Max == Unbounded || is.Max > was.Max) {
		d.badRefinement(n, "the count_range of %q must lie within the inherited %s", q.Name, was)
	}
}

// String returns "[0, UNBOUNDED]".
func (o Occurrences) String() string {
	if o.Max == Unbounded {
		return fmt.Sprintf("[%d, %s]", o.Min, unboundedWord)
	}
	return fmt.Sprintf("[%d, %d]", o.Min, o.Max)
}

// refinedRequirement checks a requirement against the inherited one. In 1.x it
// replaces it, as published blueprints do.
//
// Source: TOSCA 2.0 section 8.4.1.
func (r *typeResolver) refinedRequirement(d *document, f yamlx.Field, q, old *RequirementDefinition) {
	if !d.v.v2() {
		if q.Capability != nil && old.Capability != nil && !q.Capability.isA(old.Capability) && !old.Capability.isA(q.Capability) {
			d.warnf(codeLooseRefinement, f.Key, "the requirement %q replaces the inherited one, which needs %s", q.Name, old.Capability.Name)
		}
		return
	}
	switch at := f.Value.Get("capability"); {
	case at.IsNull():
	case old.CapabilityName != "" && q.CapabilityName != old.CapabilityName:
		d.badRefinement(at, "the requirement %q must keep the capability %q by its name", q.Name, old.CapabilityName)
	case q.Capability != nil && old.Capability != nil && !q.Capability.isA(old.Capability):
		d.badRefinement(at, "the requirement %q must keep the capability type %s or one derived from it, not %s", q.Name, old.Capability.Name, q.Capability.Name)
	}
	if q.Node != nil && old.Node != nil && q.Node != old.Node {
		r.afterTypes(func() {
			if !q.Node.isA(old.Node) {
				d.badRefinement(f.Value.Get("node"), "the requirement %q must keep the node type %s or one derived from it, not %s", q.Name, old.Node.Name, q.Node.Name)
			}
		})
	}
}

// requiredCapability reads the type of the capability needed, or its symbolic
// name in the required node type.
func (r *typeResolver) requiredCapability(d *document, q *RequirementDefinition, n *yamlx.Node) {
	name := d.text(n, "capability")
	if t := d.named(capabilityKind, n); t != nil {
		q.Capability = t.typ.(*CapabilityType)
		return
	}
	if q.Node != nil {
		// The node type may not be complete yet, so its capabilities are not asked.
		q.CapabilityName = name
		return
	}
	d.unknownType(capabilityKind, n)
}

func (r *typeResolver) requiredRelationship(d *document, q *RequirementDefinition, n *yamlx.Node) {
	if n.IsNull() {
		return
	}
	tn := n
	if n.Kind == yamlx.Mapping {
		d.fields(n, "requirement relationship")
		tn = n.Get("type")
	}
	t := typeNamed[RelationshipType](d, relationshipKind, tn)
	if t == nil && tn.IsNull() {
		t = q.Relationship // a refinement may leave the type out
	}
	if t == nil {
		return
	}
	if was := q.Relationship; was != nil && !t.isA(was) {
		const text = "the relationship %s of %q does not derive from the inherited %s"
		if d.v.v2() {
			d.badRefinement(tn, text, t.Name, q.Name, was.Name)
		} else {
			d.warnf(codeLooseRefinement, tn, text, t.Name, q.Name, was.Name)
		}
	}
	if q.Relationship != t {
		q.Relationship, q.RelationshipProperties, q.RelationshipAttributes, q.Interfaces = t, t.Properties, t.Attributes, t.Interfaces
	}
	if n.Kind != yamlx.Mapping {
		return
	}
	d.onlyRefines(n.Get("properties"), codeUnknownProperty, "property", t.Name, func(name string) bool { return t.Property(name) != nil })
	d.onlyRefines(n.Get("attributes"), codeUnknownAttribute, "attribute", t.Name, func(name string) bool { return t.Attribute(name) != nil })
	if d.v.v2() {
		q.RelationshipProperties = r.properties(d, n.Get("properties"), q.RelationshipProperties, propertyConstruct)
		q.RelationshipAttributes = r.attributes(d, n.Get("attributes"), q.RelationshipAttributes)
	}
	q.Interfaces = r.interfaces(d, n.Get("interfaces"), q.Interfaces, nil)
}
