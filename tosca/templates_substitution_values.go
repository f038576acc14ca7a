package tosca

// linkSubstitution checks the mappings against all that the service has: its
// inputs, outputs and workflows.
func (b *builder) linkSubstitution() {
	s := b.mapping
	if s == nil {
		return
	}
	for _, p := range s.m.Properties {
		b.checkPropertyMapping(s, p)
	}
	for _, a := range s.m.Attributes {
		b.checkAttributeMapping(s, a)
	}
	for _, i := range s.m.Interfaces {
		if b.flows[i.Workflow] == nil {
			s.doc.s.errorf(codeUnknownWorkflow, i.Range, "the operation %q is mapped to %q, and there is no workflow of that name", i.Operation, i.Workflow).
				Section = s.section("15.6", "3.8.12")
		}
	}
	b.countMappings(s)
	b.unmappedInputs(s)
}

// unmappedInputs reports inputs that get no value when the service substitutes
// a node. In 1.x a property of the same name serves.
//
// Source: TOSCA 1.0 section 2.10, TOSCA 2.0 section 15.2.
func (b *builder) unmappedInputs(s *substitutionDraft) {
	mapped := map[string]bool{}
	for _, p := range s.m.Properties {
		mapped[p.Input] = true
	}
	for _, in := range b.t.Inputs {
		if !in.Required || in.Default != nil || in.Value != nil || mapped[in.Name] || !s.known {
			continue
		}
		if !s.doc.v.v2() && s.m.NodeType.Property(in.Name) != nil {
			continue
		}
		dia := s.lenient(s.doc.s.errorf(codeUnmappedInput, in.Range, "the required input %q is mapped to no property of %s", in.Name, s.m.NodeType.Name))
		dia.Detail = "It has no value where the service substitutes a node. Map a property, or give the input a default."
		dia.Section = s.section("15.2", "3.8.8")
	}
}

func (b *builder) checkPropertyMapping(s *substitutionDraft, p *PropertyMapping) {
	section := s.section("15.2", "3.8.8")
	var from *Schema
	if s.known {
		def, names := s.m.NodeType.mappedProperty(p.MappedName)
		if def == nil {
			dia := s.lenient(s.doc.s.errorf(codeBadMapping, p.Range, "nodes of type %s have no property %q", s.m.NodeType.Name, p.MappedName))
			dia.Suggestion, dia.Section = nearest(p.Name, names), section
			return
		}
		from = def.Schema
	}
	if p.Input == "" {
		b.checkMappedPath(s, p.Path, p.Range, false, section)
		return
	}
	in := b.input(p.Input)
	if in == nil {
		dia := s.doc.s.errorf(codeBadMapping, p.Range, "the property %q is mapped to %q, which is no input", p.Name, p.Input)
		dia.Suggestion, dia.Section = nearest(p.Input, b.t.inputNames()), section
		return
	}
	if p.Index == AllRelationships {
		if in.Schema != nil && in.Schema.Type != nil && in.Schema.Type.primitive() != listType {
			s.lenient(s.doc.s.errorf(codeBadMapping, p.Range, "the values of all relationships are a list; the input %q is a %s", in.Name, in.Schema.Type.Name)).Section = section
		}
		return
	}
	s.compatible(p.Range, "the property \""+p.Name+"\"", from, "the input \""+in.Name+"\"", in.Schema, section)
}

// mappedProperty finds the definition that a mapping's name means.
func (t *NodeType) mappedProperty(n MappedName) (*PropertyDefinition, []string) {
	defs := t.Properties
	switch {
	case n.Capability != "":
		c := t.Capability(n.Capability)
		if c == nil {
			return nil, nil
		}
		defs = c.Properties
	case n.Requirement != "":
		r := t.Requirement(n.Requirement)
		if r == nil || r.Relationship == nil {
			return nil, nil
		}
		defs = r.Relationship.Properties
	}
	return propertyOf(defs, n.Name), propertyNames(defs)
}

// compatible reports values of one schema that go where those of another are
// expected.
func (s *substitutionDraft) compatible(at Range, what string, from *Schema, where string, to *Schema, section string) {
	if from == nil || to == nil || from.Type == nil || to.Type == nil || from.Type.isA(to.Type) {
		return
	}
	if from.Type.Name == to.Type.Name || from.Type.primitive() == integerType && to.Type.primitive() == floatType {
		return
	}
	dia := s.lenient(s.doc.s.errorf(codeBadMapping, at, "%s is a %s, and %s a %s", what, from.Type.Name, where, to.Type.Name))
	dia.Section = section
}

func (b *builder) checkAttributeMapping(s *substitutionDraft, a *AttributeMapping) {
	section := s.section("15.3", "3.8.9")
	var to *Schema
	if s.known {
		schema, ok, names := s.m.NodeType.mappedAttribute(a.MappedName)
		if !ok {
			dia := s.lenient(s.doc.s.errorf(codeBadMapping, a.Range, "nodes of type %s have no attribute %q", s.m.NodeType.Name, a.MappedName))
			dia.Suggestion, dia.Section = nearest(a.Name, names), section
			return
		}
		to = schema
	}
	if a.Output == "" {
		b.checkMappedPath(s, a.Path, a.Range, true, section)
		return
	}
	out := b.parameterIndex(&b.t.Outputs)[a.Output]
	if out == nil {
		dia := s.doc.s.errorf(codeBadMapping, a.Range, "the attribute %q is mapped to %q, which is no output", a.Name, a.Output)
		var names []string
		for _, o := range b.t.Outputs {
			names = append(names, o.Name)
		}
		dia.Suggestion, dia.Section = nearest(a.Output, names), section
		return
	}
	if a.Index != AllRelationships {
		s.compatible(a.Range, "the output \""+out.Name+"\"", out.Schema, "the attribute \""+a.Name+"\"", to, section)
	}
}

// mappedAttribute finds the schema of the attribute, or of the property that
// is reflected as one, that a mapping's name means.
func (t *NodeType) mappedAttribute(n MappedName) (schema *Schema, ok bool, names []string) {
	attributes, properties := t.Attributes, t.Properties
	switch {
	case n.Capability != "":
		c := t.Capability(n.Capability)
		if c == nil {
			return nil, false, nil
		}
		attributes, properties = c.Attributes, c.Properties
	case n.Requirement != "":
		r := t.Requirement(n.Requirement)
		if r == nil || r.Relationship == nil {
			return nil, false, nil
		}
		attributes, properties = r.Relationship.Attributes, r.Relationship.Properties
	}
	if def := attributeNamed(attributes, n.Name); def != nil {
		return def.Schema, true, nil
	}
	if def := propertyOf(properties, n.Name); def != nil {
		return def.Schema, true, nil
	}
	return nil, false, append(attributeNames(attributes), propertyNames(properties)...)
}

// checkMappedPath checks the path of 1.x that leads to a property or attribute
// of a node in the service. What it says of parts that are missing is a
// warning, as everything of the kind in 1.x.
func (b *builder) checkMappedPath(s *substitutionDraft, path []string, at Range, attribute bool, section string) {
	if len(path) < 2 || b.drafts[path[0]] != nil && b.drafts[path[0]].broken {
		return
	}
	args := make([]any, len(path))
	for i, name := range path {
		args[i] = name
	}
	if _, err := (resolver{self: Entity{Service: b.t}, attribute: attribute}).resolve(args); err != nil && !err.follows {
		dia := s.lenient(s.doc.s.errorf(codeBadMapping, at, "the mapping leads nowhere: %s", err.message))
		dia.Suggestion, dia.Section = err.suggestion, section
	}
}
