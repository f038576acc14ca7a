package tosca

import "strconv"

// outputMappings checks that the attributes exist that outputs are mapped to.
// Paths are read as those of get_attribute: the name of a requirement leads to
// its target, and that of a capability to its attributes.
//
// Source: TOSCA 1.3 section 3.6.15, TOSCA 2.0 section 9.10.
func (c *checker) outputMappings(self Entity, list []*OutputMapping) {
	for _, m := range list {
		node, rel := self.Node, self.Relationship
		if rel != nil && m.Entity != "SELF" {
			node = relationshipEnd(rel, m.Entity)
			rel = nil
		}
		switch {
		case rel != nil:
			if t := rel.Type; t != nil && t.Attribute(m.Path[0]) == nil && t.Property(m.Path[0]) == nil && rel.Attribute(m.Path[0]) == nil {
				c.noAttribute(m, m.Path[0], "the relationship", attributeNames(t.Attributes))
			}
		case node != nil:
			c.nodeOutput(m, node, m.Path)
		}
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

func (c *checker) nodeOutput(m *OutputMapping, n *NodeTemplate, path []string) {
	if n.Type == nil {
		return
	}
	if len(path) > 1 {
		if r := n.Requirement(path[0]); r != nil {
			if r.Target != nil {
				c.nodeOutput(m, r.Target, path[1:])
			}
			return
		}
		if k := n.Capability(path[0]); k != nil {
			if t := k.Type; t != nil && t.Attribute(path[1]) == nil && t.Property(path[1]) == nil && k.Attribute(path[1]) == nil {
				c.noAttribute(m, path[1], "the capability "+strconv.Quote(k.Name), attributeNames(t.Attributes))
			}
			return
		}
	}
	if n.Type.Attribute(path[0]) == nil && n.Type.Property(path[0]) == nil && n.Attribute(path[0]) == nil {
		c.noAttribute(m, path[0], strconv.Quote(n.Name), attributeNames(n.Type.Attributes))
	}
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
		c.nodeOutput(m, nodes[0], m.Path)
	}
	return true
}
