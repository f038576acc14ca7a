package tosca

import "strconv"

// outputMappings checks that the attributes exist that outputs are mapped to.
// Paths are read as those of get_attribute: the name of a requirement leads to
// its target, and that of a capability to its attributes.
//
// Source: TOSCA 1.3 section 3.6.15, TOSCA 2.0 section 9.10.
func (c *checker) outputMappings(self Entity, op *Operation) {
	for _, m := range op.Outputs {
		node, rel := self.Node, self.Relationship
		var returned *Schema
		if def := lastNamed(op.returns, m.Name); def != nil {
			returned = def.Schema
		}
		if rel != nil && m.Entity != "SELF" {
			node = relationshipEnd(rel, m.Entity)
			rel = nil
		}
		switch {
		case rel != nil && m.Capability != "":
			c.noAttribute(m, "CAPABILITY", "the relationship", nil)
		case rel != nil:
			t := rel.Type
			if t != nil && t.Attribute(m.Path[0]) == nil && t.Property(m.Path[0]) == nil && rel.Attribute(m.Path[0]) == nil {
				c.noAttribute(m, m.Path[0], "the relationship", attributeNames(t.Attributes))
			} else if t != nil {
				c.takesOutput(m, returned, rel.Type.Attribute(m.Path[0]))
			}
		case node != nil:
			c.nodeOutput(m, returned, node, m.Path)
		}
	}
}

// takesOutput reports an output of a type that the attribute can never have.
//
// Source: TOSCA 2.0 section 9.8.
func (c *checker) takesOutput(m *OutputMapping, returned *Schema, attribute *AttributeDefinition) {
	if attribute == nil || returned == nil {
		return
	}
	keys := make([]any, len(m.Path)-1)
	for i, key := range m.Path[1:] {
		keys[i] = key
	}
	if message := assignable(returned, attribute.Schema.at(keys)); message != "" {
		c.s.errorf("wrong-type", m.Range, "the output %q does not fit the attribute %q: %s", m.Name, m.Path[0], message).Section = "TOSCA 2.0 section 9.8"
	}
}

// relationshipEnd is the node that SOURCE or TARGET means; nil where it is not known.
func relationshipEnd(r *RelationshipTemplate, end string) *NodeTemplate {
	switch {
	case r.Requirement == nil:
		return nil
	case end == "SOURCE":
		return r.Requirement.Source
	}
	return r.Requirement.Target
}

func (c *checker) nodeOutput(m *OutputMapping, returned *Schema, n *NodeTemplate, path []string) {
	if n.Type == nil {
		return
	}
	if m.Capability != "" {
		k := n.Capability(m.Capability)
		if k == nil {
			c.s.errorf(codeUnknownCapability, m.Range, "%q is mapped to the capability %q, which the node %q does not have", m.Name, m.Capability, n.Name).Section = "TOSCA 2.0 section 9.10"
			return
		}
		if c.capabilityOutput(m, k, path[0]) && k.Type != nil {
			c.takesOutput(m, returned, k.Type.Attribute(path[0]))
		}
		return
	}
	if len(path) > 1 {
		if r := n.Requirement(path[0]); r != nil {
			if r.Target != nil {
				c.nodeOutput(m, nil, r.Target, path[1:])
			}
			return
		}
		if k := n.Capability(path[0]); k != nil {
			c.capabilityOutput(m, k, path[1])
			return
		}
	}
	if n.Type.Attribute(path[0]) == nil && n.Type.Property(path[0]) == nil && n.Attribute(path[0]) == nil {
		c.noAttribute(m, path[0], strconv.Quote(n.Name), attributeNames(n.Type.Attributes))
		return
	}
	c.takesOutput(m, returned, n.Type.Attribute(path[0]))
}

// capabilityOutput checks that a capability has an attribute.
func (c *checker) capabilityOutput(m *OutputMapping, k *Capability, name string) bool {
	t := k.Type
	if t == nil || t.Attribute(name) != nil || t.Property(name) != nil || k.Attribute(name) != nil {
		return true
	}
	c.noAttribute(m, name, "the capability "+strconv.Quote(k.Name), attributeNames(t.Attributes))
	return false
}

func (c *checker) noAttribute(m *OutputMapping, name, whose string, names []string) {
	c.strictf(codeUnknownAttribute, m.Range, "%q is mapped to the attribute %q, which %s does not have", m.Name, name, whose).Suggestion =
		nearest(name, names)
}

// workflowMappings checks what the inputs and outputs of a workflow are mapped
// to, and that something returns the outputs.
//
// Source: TOSCA 1.3 section 3.8.7, TOSCA 2.0 sections 9.10 and 13.2.
func (c *checker) workflowMappings(w *Workflow) {
	for _, m := range w.Stored {
		c.workflowMapping(m, "input")
	}
	for _, m := range w.Outputs {
		if c.workflowMapping(m, "output") && w.Implementation == nil {
			c.s.warnf(codeUnsupported, m.Range, "nothing returns the output %q: the workflow %q has no implementation", m.Name, w.Name).Detail =
				"The operations that its steps call map their own outputs."
		}
	}
}

// workflowMapping checks one mapping; false where it names no node.
func (c *checker) workflowMapping(m *OutputMapping, what string) bool {
	nodes, known := c.named(m.Entity)
	if !known {
		names := make([]string, len(c.t.Nodes))
		for i, n := range c.t.Nodes {
			names[i] = n.Name
		}
		c.s.errorf(codeUnknownNode, m.Range, "the %s %q is mapped to an attribute of %q, which is no node template", what, m.Name, m.Entity).Suggestion =
			nearest(m.Entity, names)
		return false
	}
	if len(nodes) > 0 {
		c.nodeOutput(m, nil, nodes[0], m.Path)
	}
	return true
}
