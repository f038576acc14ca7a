package tosca

// What templates and types have by name.

func assignmentNames(list []*Assignment) []string {
	names := make([]string, len(list))
	for i, a := range list {
		names[i] = a.Name
	}
	return names
}

func attributeNamed(list []*AttributeDefinition, name string) *AttributeDefinition {
	return first(list, func(def *AttributeDefinition) bool { return def.Name == name })
}

func attributeNames(list []*AttributeDefinition) []string {
	names := make([]string, len(list))
	for i, def := range list {
		names[i] = def.Name
	}
	return names
}

func (n *NodeTemplate) hasProperty(name string) bool {
	return n.Property(name) != nil || n.Type.Property(name) != nil
}

func (n *NodeTemplate) hasAttribute(name string) bool {
	return n.Attribute(name) != nil || n.Type.Attribute(name) != nil
}

func (t *RelationshipTemplate) hasProperty(name string) bool {
	return t.Property(name) != nil || t.Type.Property(name) != nil
}

func (t *RelationshipTemplate) hasAttribute(name string) bool {
	return t.Attribute(name) != nil || t.Type.Attribute(name) != nil
}

func (t *ServiceTemplate) inputNames() []string {
	names := make([]string, len(t.Inputs))
	for i, p := range t.Inputs {
		names[i] = p.Name
	}
	return names
}
