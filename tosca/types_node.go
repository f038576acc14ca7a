package tosca

import "github.com/seed-a4fd30b5/orchestrator/internal/yamlx"

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
// name, unless it inherits them.
func (d *document) nameClashes(n *yamlx.Node, x, parent *NodeType) {
	if len(x.Requirements) == 0 || n.Get("requirements") == nil && n.Get("capabilities") == nil {
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
// Source: TOSCA 1.3 section 3.7.2.
func (r *typeResolver) capabilities(d *document, n *yamlx.Node, inherited []*CapabilityDefinition) []*CapabilityDefinition {
	fields := d.entries(n, "capabilities")
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
		d.errorf(codeBadRefinement, tn, "the capability %q must keep the type %s or one derived from it, not %s", c.Name, old.Type.Name, t.Name).Related =
			[]RelatedRange{{old.Range, "inherited from here"}}
		return nil
	default:
		c.Type, c.Properties, c.Attributes, c.ValidSourceNodeTypes = t, t.Properties, t.Attributes, t.ValidSourceNodeTypes
	}
	if n.Kind == yamlx.Scalar {
		return c
	}
	c.Properties = r.properties(d, n.Get("properties"), c.Properties, propertyConstruct)
	c.Attributes = r.attributes(d, n.Get("attributes"), c.Attributes)
	if v := n.Get("description"); v != nil {
		c.Description = prose(v)
	}
	if v := either(n, "valid_source_types", "valid_source_node_types"); v != nil {
		c.ValidSourceNodeTypes = typesNamed[NodeType](d, nodeKind, v, "valid_source_types")
	}
	c.Occurrences = d.occurrences(n.Get("occurrences"), c.Occurrences)
	return c
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
		q.Relationship, q.Interfaces, q.Occurrences, q.bounded = old.Relationship, old.Interfaces, old.Occurrences, old.bounded
	}
	n := f.Value
	if n.Kind == yamlx.Scalar && !n.IsNull() {
		r.requiredCapability(d, q, n)
		return q
	}
	d.fields(n, "requirement definition")
	q.Description = prose(n.Get("description"))
	q.Node = typeNamed[NodeType](d, nodeKind, n.Get("node"))
	if c := n.Get("capability"); !c.IsNull() {
		r.requiredCapability(d, q, c)
	} else if old != nil {
		q.Capability, q.CapabilityName = old.Capability, old.CapabilityName
		if n.Get("node").IsNull() {
			q.Node = old.Node
		}
	} else if n.Get("node").IsNull() {
		d.errorf(codeMissingKeyname, f.Key, "the requirement %q must say which capability it needs", q.Name)
	}
	if old != nil && q.Capability != nil && old.Capability != nil && !q.Capability.isA(old.Capability) && !old.Capability.isA(q.Capability) {
		d.warnf(codeLooseRefinement, f.Key, "the requirement %q replaces the inherited one, which needs %s", q.Name, old.Capability.Name)
	}
	r.requiredRelationship(d, q, n.Get("relationship"))
	if o := either(n, "occurrences", "count_range"); !o.IsNull() {
		q.Occurrences, q.bounded = d.occurrences(o, q.Occurrences), true
	}
	q.NodeFilter = d.nodeFilter(n.Get("node_filter"))
	return q
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
	if t == nil {
		return
	}
	if q.Relationship != nil && !t.isA(q.Relationship) {
		d.warnf(codeLooseRefinement, tn, "the relationship %s of %q does not derive from the inherited %s", t.Name, q.Name, q.Relationship.Name)
	}
	q.Relationship, q.Interfaces = t, t.Interfaces
	if n.Kind == yamlx.Mapping {
		q.Interfaces = r.interfaces(d, n.Get("interfaces"), t.Interfaces, nil)
	}
}
