package tosca

// What templates and types have by name. Lists are short, so they are searched.

func assignmentNamed(list []*Assignment, name string) *Assignment {
	for _, a := range list {
		if a.Name == name {
			return a
		}
	}
	return nil
}

func assignmentNames(list []*Assignment) []string {
	names := make([]string, len(list))
	for i, a := range list {
		names[i] = a.Name
	}
	return names
}

func attributeNamed(list []*AttributeDefinition, name string) *AttributeDefinition {
	for _, def := range list {
		if def.Name == name {
			return def
		}
	}
	return nil
}

func attributeNames(list []*AttributeDefinition) []string {
	names := make([]string, len(list))
	for i, def := range list {
		names[i] = def.Name
	}
	return names
}

func (n *NodeTemplate) capability(name string) *Capability {
	for _, c := range n.Capabilities {
		if c.Name == name {
			return c
		}
	}
	return nil
}

func (n *NodeTemplate) hasProperty(name string) bool {
	return assignmentNamed(n.Properties, name) != nil || n.Type != nil && propertyNamed(n.Type.Properties, name) != nil
}

func (n *NodeTemplate) hasAttribute(name string) bool {
	return assignmentNamed(n.Attributes, name) != nil || n.Type != nil && attributeNamed(n.Type.Attributes, name) != nil
}

func (n *NodeTemplate) declaresRequirement(name string) bool {
	if n.Type == nil {
		return false
	}
	for _, def := range n.Type.Requirements {
		if def.Name == name {
			return true
		}
	}
	return false
}

func (n *NodeTemplate) artifact(name string) *Artifact {
	for _, a := range n.Artifacts {
		if a.Name == name {
			return a
		}
	}
	return nil
}

func (rel *RelationshipTemplate) hasProperty(name string) bool {
	return assignmentNamed(rel.Properties, name) != nil || rel.Type != nil && propertyNamed(rel.Type.Properties, name) != nil
}

func (rel *RelationshipTemplate) hasAttribute(name string) bool {
	return assignmentNamed(rel.Attributes, name) != nil || rel.Type != nil && attributeNamed(rel.Type.Attributes, name) != nil
}

// input returns the input of that name, or nil.
func (t *ServiceTemplate) input(name string) *Parameter {
	for _, p := range t.Inputs {
		if p.Name == name {
			return p
		}
	}
	return nil
}

func (t *ServiceTemplate) inputNames() []string {
	names := make([]string, len(t.Inputs))
	for i, p := range t.Inputs {
		names[i] = p.Name
	}
	return names
}
