package tosca

// What passes between a substituted node and the service that substitutes it
// is evaluated when it is asked for: the inputs of the service are properties
// of the node, and attributes of the node are outputs of the service.
//
// Source: TOSCA 1.3 sections 3.8.8 to 3.8.10, TOSCA 2.0 sections 15.2 and 15.3.

// Substitutes returns the node that the service was made to stand for; nil for
// a service that was loaded by itself.
func (t *ServiceTemplate) Substitutes() *NodeTemplate { return t.substituted }

func (t *ServiceTemplate) v2() bool {
	v := versionNamed(t.Version)
	return v != nil && v.v2()
}

// InputValue evaluates an input of a service that substitutes a node: the
// property that is mapped to it, else its default. ok is false where it has no
// value, and for a service that substitutes none.
func (t *ServiceTemplate) InputValue(name string, env Env) (value any, ok bool, err error) {
	p := t.Input(name)
	if t.substituted == nil || p == nil {
		return nil, false, nil
	}
	e := evaluation{self: Entity{Service: t}, env: env}
	if value, err = e.substitutingInput(t, p, nil); err != nil {
		return nil, false, err
	}
	return value, value != nil, nil
}

// substitutingInput evaluates an input of a service that substitutes a node.
func (e *evaluation) substitutingInput(t *ServiceTemplate, p *Parameter, rest []any) (any, error) {
	if p.Value == nil {
		data, err := e.argument(t, p)
		if err != nil {
			return nil, err
		}
		if data != nil {
			return e.givenInput(p.Name, data, rest)
		}
	}
	switch {
	case p.Value != nil:
		return e.within(p.Value, p.Schema, rest, Entity{Service: t}, nil)
	case p.Default != nil:
		return e.within(p.Default, p.Schema, rest, Entity{Service: t}, nil)
	case p.Required:
		return nil, noValueYet("the input %s", show(p.Name))
	}
	return nil, nil
}

// argument evaluates what the substituted node gives to an input; nil for
// nothing. In 1.x a property of the same name is given without a mapping.
func (e *evaluation) argument(t *ServiceTemplate, p *Parameter) (any, error) {
	n := t.substituted
	at := Entity{Service: n.service, Node: n}
	for _, m := range t.Substitution.Properties {
		if m.Input != p.Name {
			continue
		}
		switch {
		case m.Capability != "":
			if c := n.Capability(m.Capability); c != nil {
				return e.property(place{entity: at, capability: c, name: m.Name})
			}
		case m.Requirement != "":
			return e.relationshipArgument(n, m.MappedName)
		default:
			return e.property(place{entity: at, name: m.Name})
		}
	}
	if !t.v2() && n.Property(p.Name) != nil {
		return e.property(place{entity: at, name: p.Name})
	}
	return nil, nil
}

// relationshipArgument evaluates a property of one or all relationships of a
// requirement of the substituted node.
func (e *evaluation) relationshipArgument(n *NodeTemplate, m MappedName) (any, error) {
	list := []any{}
	for _, r := range n.Requirements {
		if r.Name != m.Requirement || m.Index != AllRelationships && m.Index != r.Index {
			continue
		}
		data, err := e.property(place{entity: Entity{Service: n.service, Relationship: r.Relationship}, name: m.Name})
		if err != nil || m.Index != AllRelationships {
			return data, err
		}
		list = append(list, data)
	}
	if m.Index != AllRelationships {
		return nil, nil
	}
	return list, nil
}

// MappedAttribute evaluates an attribute that the service which substitutes a
// node gives to the node, to a capability of it, or to one of its
// relationships. ok is false for any other attribute.
func (of Entity) MappedAttribute(capability, name string, env Env) (value any, ok bool, err error) {
	p := place{entity: of, name: name}
	if capability != "" && of.Node != nil {
		if p.capability = of.Node.Capability(capability); p.capability == nil {
			return nil, false, nil
		}
	}
	e := evaluation{self: of, env: env}
	return e.mappedAttribute(p)
}

// mappedAttribute is MappedAttribute with the keys of a path.
func (e *evaluation) mappedAttribute(p place) (data any, ok bool, err error) {
	n, requirement := p.entity.Node, (*Requirement)(nil)
	if p.entity.Relationship != nil {
		if requirement = p.entity.Relationship.Requirement; requirement == nil {
			return nil, false, nil
		}
		n = requirement.Source
	}
	if n == nil || n.Substitution == nil || p.policy != nil {
		return nil, false, nil
	}
	t := n.Substitution
	for _, m := range t.Substitution.Attributes {
		if !m.means(p, requirement) {
			continue
		}
		if data, err = e.attributeBehind(t, m, requirement); err == nil && data != nil {
			data, err = dig(data, p.rest)
		}
		return data, data != nil, err
	}
	if requirement != nil || t.v2() {
		return nil, false, nil
	}
	if p.capability != nil {
		return e.mappedCapability(t, p)
	}
	if out := t.Output(p.name); out != nil && out.Value != nil {
		data, err = e.within(out.Value, out.Schema, p.rest, Entity{Service: t}, nil)
		return data, data != nil, err
	}
	return nil, false, nil
}

// means tells whether a mapping is for a place.
func (m *AttributeMapping) means(p place, requirement *Requirement) bool {
	if m.Name != p.name {
		return false
	}
	if requirement != nil {
		return m.Requirement == requirement.Name && (m.Index == AllRelationships || m.Index == requirement.Index)
	}
	if p.capability != nil {
		return m.Capability == p.capability.Name
	}
	return m.Capability == "" && m.Requirement == ""
}

// attributeBehind evaluates what an attribute is mapped to.
func (e *evaluation) attributeBehind(t *ServiceTemplate, m *AttributeMapping, requirement *Requirement) (any, error) {
	if m.Output == "" {
		path := make([]any, len(m.Path))
		for i, name := range m.Path {
			path[i] = name
		}
		p, pathErr := resolver{self: Entity{Service: t}, attribute: true}.resolve(path)
		if pathErr != nil {
			return nil, pathErr
		}
		return e.attribute(p)
	}
	out := t.Output(m.Output)
	if out == nil || out.Value == nil {
		return nil, nil
	}
	data, err := e.reference(out.Value, Entity{Service: t}, nil)
	if err != nil || requirement == nil || m.Index != AllRelationships {
		return data, err
	}
	list, ok := data.([]any)
	if !ok || requirement.Index >= len(list) {
		return nil, nil
	}
	return list[requirement.Index], nil
}

// mappedCapability follows the mapping of a capability to an attribute or
// property of the one that stands for it. 2.0 does not: there only mappings of
// attributes pass values.
//
// Source: TOSCA 1.3 section 3.8.10, TOSCA 2.0 section 15.1.
func (e *evaluation) mappedCapability(t *ServiceTemplate, p place) (data any, ok bool, err error) {
	for _, m := range t.Substitution.Capabilities {
		if m.Name != p.capability.Name {
			continue
		}
		self := Entity{Service: t}
		for _, a := range append(m.Attributes[:len(m.Attributes):len(m.Attributes)], m.Properties...) {
			if a.Name == p.name && a.Value != nil && !a.Default {
				data, err = e.within(a.Value, a.Schema, p.rest, self, nil)
				return data, data != nil, err
			}
		}
		if n := t.Node(m.Node); n != nil {
			if c := n.Capability(m.Capability); c != nil {
				inner := p
				inner.entity, inner.capability = Entity{Service: n.service, Node: n}, c
				data, err = e.attribute(inner)
				return data, data != nil, err
			}
		}
	}
	return nil, false, nil
}

// mappedProperty evaluates a property that a substituted node does not assign
// itself, where the service that substitutes it does: 1.2 and 1.3 know
// properties that a mapping gives in place, and those of mapped capabilities.
func (e *evaluation) mappedProperty(p place) (data any, ok bool, err error) {
	n := p.entity.Node
	if n == nil || n.Substitution == nil || p.policy != nil || n.Substitution.v2() {
		return nil, false, nil
	}
	t := n.Substitution
	if p.capability == nil {
		for _, m := range t.Substitution.Properties {
			if m.Name == p.name && m.Value != nil {
				data, err = e.within(m.Value, nil, p.rest, Entity{Service: t}, nil)
				return data, data != nil, err
			}
		}
		return nil, false, nil
	}
	for _, m := range t.Substitution.Capabilities {
		if m.Name != p.capability.Name {
			continue
		}
		if a := assignment(m.Properties, p.name); a != nil && a.Value != nil && !a.Default {
			data, err = e.within(a.Value, a.Schema, p.rest, Entity{Service: t}, nil)
			return data, data != nil, err
		}
		if node := t.Node(m.Node); node != nil {
			if c := node.Capability(m.Capability); c != nil {
				data, err = e.property(place{entity: Entity{Service: node.service, Node: node}, capability: c, name: p.name, rest: p.rest})
				return data, data != nil, err
			}
		}
	}
	return nil, false, nil
}
