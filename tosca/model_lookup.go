package tosca

import "slices"

// is tells whether the type bears a name: its full name, or for a normative
// type its shorthand or qualified one.
func (h *TypeHeader) is(name string) bool {
	return h.Name == name || h.Normative && slices.Contains(h.aliases, name)
}

// sameType tells whether two headers belong to the same type. Normative types
// of two profiles are the same where their names are. A file that is read for
// two services declares the same type in both.
func sameType(a, b *TypeHeader) bool {
	return a == b || a.Normative && b.Normative && (a.is(b.Name) || b.is(a.Name)) ||
		a.Name == b.Name && a.Range == b.Range && a.Range.File != ""
}

// IsA tells whether the type, or one that it derives from, bears the name. A
// normative type is known by its full, shorthand and qualified name.
func (t *NodeType) IsA(name string) bool {
	for ; t != nil; t = t.Parent {
		if t.is(name) {
			return true
		}
	}
	return false
}

func (t *NodeType) isA(other *NodeType) bool {
	for ; t != nil; t = t.Parent {
		if sameType(&t.TypeHeader, &other.TypeHeader) {
			return true
		}
	}
	return false
}

// IsA tells whether the type, or one that it derives from, bears the name.
func (t *RelationshipType) IsA(name string) bool {
	for ; t != nil; t = t.Parent {
		if t.is(name) {
			return true
		}
	}
	return false
}

func (t *RelationshipType) isA(other *RelationshipType) bool {
	for ; t != nil; t = t.Parent {
		if sameType(&t.TypeHeader, &other.TypeHeader) {
			return true
		}
	}
	return false
}

// IsA tells whether the type, or one that it derives from, bears the name.
func (t *CapabilityType) IsA(name string) bool {
	for ; t != nil; t = t.Parent {
		if t.is(name) {
			return true
		}
	}
	return false
}

func (t *CapabilityType) isA(other *CapabilityType) bool {
	for ; t != nil; t = t.Parent {
		if sameType(&t.TypeHeader, &other.TypeHeader) {
			return true
		}
	}
	return false
}

// IsA tells whether the type, or one that it derives from, bears the name.
func (t *InterfaceType) IsA(name string) bool {
	for ; t != nil; t = t.Parent {
		if t.is(name) {
			return true
		}
	}
	return false
}

func (t *InterfaceType) isA(other *InterfaceType) bool {
	for ; t != nil; t = t.Parent {
		if sameType(&t.TypeHeader, &other.TypeHeader) {
			return true
		}
	}
	return false
}

// IsA tells whether the type, or one that it derives from, bears the name.
func (t *DataType) IsA(name string) bool {
	for ; t != nil; t = t.Parent {
		if t.is(name) {
			return true
		}
	}
	return false
}

func (t *DataType) isA(other *DataType) bool {
	for ; t != nil; t = t.Parent {
		if sameType(&t.TypeHeader, &other.TypeHeader) {
			return true
		}
	}
	return false
}

// IsA tells whether the type, or one that it derives from, bears the name.
func (t *ArtifactType) IsA(name string) bool {
	for ; t != nil; t = t.Parent {
		if t.is(name) {
			return true
		}
	}
	return false
}

// IsA tells whether the type, or one that it derives from, bears the name.
func (t *GroupType) IsA(name string) bool {
	for ; t != nil; t = t.Parent {
		if t.is(name) {
			return true
		}
	}
	return false
}

func (t *GroupType) isA(other *GroupType) bool {
	for ; t != nil; t = t.Parent {
		if sameType(&t.TypeHeader, &other.TypeHeader) {
			return true
		}
	}
	return false
}

// IsA tells whether the type, or one that it derives from, bears the name.
func (t *PolicyType) IsA(name string) bool {
	for ; t != nil; t = t.Parent {
		if t.is(name) {
			return true
		}
	}
	return false
}

func first[T any](list []*T, has func(*T) bool) *T {
	for _, item := range list {
		if has(item) {
			return item
		}
	}
	return nil
}

// Property returns the definition of that name, or nil.
func (t *NodeType) Property(name string) *PropertyDefinition { return propertyOf(t.Properties, name) }

// Property returns the definition of that name, or nil.
func (t *RelationshipType) Property(name string) *PropertyDefinition {
	return propertyOf(t.Properties, name)
}

// Property returns the definition of that name, or nil.
func (t *CapabilityType) Property(name string) *PropertyDefinition {
	return propertyOf(t.Properties, name)
}

// Property returns the definition of that name, or nil.
func (t *DataType) Property(name string) *PropertyDefinition { return propertyOf(t.Properties, name) }

// Property returns the definition of that name, or nil.
func (t *PolicyType) Property(name string) *PropertyDefinition { return propertyOf(t.Properties, name) }

// Property returns the definition of that name, or nil.
func (t *GroupType) Property(name string) *PropertyDefinition { return propertyOf(t.Properties, name) }

func propertyOf(list []*PropertyDefinition, name string) *PropertyDefinition {
	return first(list, func(p *PropertyDefinition) bool { return p.Name == name })
}

// Attribute returns the definition of that name, or nil.
func (t *NodeType) Attribute(name string) *AttributeDefinition {
	return first(t.Attributes, func(a *AttributeDefinition) bool { return a.Name == name })
}

// Attribute returns the definition of that name, or nil.
func (t *RelationshipType) Attribute(name string) *AttributeDefinition {
	return first(t.Attributes, func(a *AttributeDefinition) bool { return a.Name == name })
}

// Attribute returns the definition of that name, or nil.
func (t *CapabilityType) Attribute(name string) *AttributeDefinition {
	return first(t.Attributes, func(a *AttributeDefinition) bool { return a.Name == name })
}

// Capability returns the definition of that name, or nil.
func (t *NodeType) Capability(name string) *CapabilityDefinition {
	return first(t.Capabilities, func(c *CapabilityDefinition) bool { return c.Name == name })
}

// Requirement returns the definition of that name, or nil.
func (t *NodeType) Requirement(name string) *RequirementDefinition {
	return first(t.Requirements, func(r *RequirementDefinition) bool { return r.Name == name })
}

// Interface returns the definition with that symbolic name, or nil.
func (t *NodeType) Interface(name string) *InterfaceDefinition {
	return first(t.Interfaces, func(i *InterfaceDefinition) bool { return i.Name == name })
}

// Interface returns the definition with that symbolic name, or nil.
func (t *RelationshipType) Interface(name string) *InterfaceDefinition {
	return first(t.Interfaces, func(i *InterfaceDefinition) bool { return i.Name == name })
}

// Operation returns the operation of that name, or nil.
func (t *InterfaceType) Operation(name string) *OperationDefinition {
	return first(t.Operations, func(o *OperationDefinition) bool { return o.Name == name })
}

// Operation returns the operation of that name, or nil.
func (i *InterfaceDefinition) Operation(name string) *OperationDefinition {
	return first(i.Operations, func(o *OperationDefinition) bool { return o.Name == name })
}

// Service returns the service template that the node belongs to.
func (n *NodeTemplate) Service() *ServiceTemplate { return n.service }

// Property returns the assignment of that name, or nil where it has no value.
func (n *NodeTemplate) Property(name string) *Assignment { return assignment(n.Properties, name) }

// Attribute returns the assignment of that name, or nil where it has no value yet.
func (n *NodeTemplate) Attribute(name string) *Assignment { return assignment(n.Attributes, name) }

func assignment(list []*Assignment, name string) *Assignment {
	return first(list, func(a *Assignment) bool { return a.Name == name })
}

// Capability returns the capability of that name, or nil.
func (n *NodeTemplate) Capability(name string) *Capability {
	return first(n.Capabilities, func(c *Capability) bool { return c.Name == name })
}

// Property returns the assignment of that name, or nil where it has no value.
func (c *Capability) Property(name string) *Assignment { return assignment(c.Properties, name) }

// Attribute returns the assignment of that name, or nil where it has no value yet.
func (c *Capability) Attribute(name string) *Assignment { return assignment(c.Attributes, name) }

// Requirement returns the first requirement of that name, or nil.
func (n *NodeTemplate) Requirement(name string) *Requirement {
	return first(n.Requirements, func(r *Requirement) bool { return r.Name == name })
}

// Artifact returns the artifact of that name, or nil.
func (n *NodeTemplate) Artifact(name string) *Artifact {
	return first(n.Artifacts, func(a *Artifact) bool { return a.Name == name })
}

// Interface returns the interface with that symbolic name or of a type with
// that name, or nil.
func (n *NodeTemplate) Interface(name string) *Interface { return interfaceNamed(n.Interfaces, name) }

// Operation returns an operation by the names of its interface and itself, or nil.
func (n *NodeTemplate) Operation(iface, op string) *Operation {
	return n.Interface(iface).Operation(op)
}

// interfaceNamed prefers the symbolic name.
func interfaceNamed(list []*Interface, name string) *Interface {
	if i := first(list, func(i *Interface) bool { return i.Name == name }); i != nil {
		return i
	}
	return first(list, func(i *Interface) bool { return i.Type.IsA(name) })
}

// Operation returns the operation of that name, or nil. A nil Interface has none.
func (i *Interface) Operation(name string) *Operation {
	if i == nil {
		return nil
	}
	return first(i.Operations, func(o *Operation) bool { return o.Name == name })
}

// Input returns the input of that name, or nil.
func (o *Operation) Input(name string) *Assignment { return assignment(o.Inputs, name) }

// Host returns the node that this one is hosted on: the provider of its first
// requirement whose relationship is a tosca.relationships.HostedOn. It is nil
// where there is none.
func (n *NodeTemplate) Host() *NodeTemplate {
	for _, r := range n.Requirements {
		if r.Relationship.Type.IsA("tosca.relationships.HostedOn") {
			return r.Provider()
		}
	}
	return nil
}

// Provider returns the node that has what the requirement needs: its target, or
// where a service substitutes that, the node of the service to whose capability
// that of the target is mapped, to any depth.
//
// Source: TOSCA 2.0 section 15.4.
func (r *Requirement) Provider() *NodeTemplate {
	n, c := r.Target, r.Capability
	for n != nil && c != nil && n.Substitution != nil {
		inner := n.Substitution.mappedCapability(c.Name)
		if inner == nil {
			break
		}
		n, c = inner.Node, inner
	}
	return n
}

// mappedCapability is the capability in the service that stands for one of the
// substituted node; nil for none.
func (t *ServiceTemplate) mappedCapability(name string) *Capability {
	for _, m := range t.Substitution.Capabilities {
		if m.Name != name {
			continue
		}
		if n := t.Node(m.Node); n != nil {
			return n.Capability(m.Capability)
		}
	}
	return nil
}

// ComputeHost returns the first tosca.nodes.Compute that is reached by
// following Host, beginning with the node itself: a Compute is its own
// ComputeHost. It is nil where there is none.
func (n *NodeTemplate) ComputeHost() *NodeTemplate {
	seen := map[*NodeTemplate]bool{}
	for ; n != nil && !seen[n]; n = n.Host() {
		if n.Type.IsA("tosca.nodes.Compute") {
			return n
		}
		seen[n] = true
	}
	return nil
}

// Service returns the service template that the relationship belongs to.
func (t *RelationshipTemplate) Service() *ServiceTemplate { return t.service }

// Property returns the assignment of that name, or nil where it has no value.
func (t *RelationshipTemplate) Property(name string) *Assignment {
	return assignment(t.Properties, name)
}

// Attribute returns the assignment of that name, or nil where it has no value yet.
func (t *RelationshipTemplate) Attribute(name string) *Assignment {
	return assignment(t.Attributes, name)
}

// Interface returns the interface with that symbolic name or of a type with
// that name, or nil.
func (t *RelationshipTemplate) Interface(name string) *Interface {
	return interfaceNamed(t.Interfaces, name)
}

// Operation returns an operation by the names of its interface and itself, or nil.
func (t *RelationshipTemplate) Operation(iface, op string) *Operation {
	return t.Interface(iface).Operation(op)
}

// Service returns the service template that the policy belongs to.
func (p *Policy) Service() *ServiceTemplate { return p.service }

// Property returns the assignment of that name, or nil where it has no value.
func (p *Policy) Property(name string) *Assignment { return assignment(p.Properties, name) }

// Property returns the assignment of that name, or nil where it has no value.
func (g *Group) Property(name string) *Assignment { return assignment(g.Properties, name) }

// Node returns the first representation of the node template of that name, or
// nil where there is none. For a template with the directive "select" that is
// the node that was chosen.
func (t *ServiceTemplate) Node(name string) *NodeTemplate { return t.nodes[name] }

// Representations returns the nodes that the node template of that name stands
// for, in order of Index: one for a template without count, none for one with
// count 0 and for an unknown name. The slice is not to be changed.
//
// Source: TOSCA 2.0 section 14.1.
func (t *ServiceTemplate) Representations(name string) []*NodeTemplate {
	if list, ok := t.representations[name]; ok {
		return list
	}
	if n := t.nodes[name]; n != nil {
		return []*NodeTemplate{n}
	}
	return nil
}

// Representation returns the node with that index among the representations of
// a node template, or nil.
func (t *ServiceTemplate) Representation(name string, index int) *NodeTemplate {
	if index == 0 {
		return t.nodes[name]
	}
	if list := t.representations[name]; index > 0 && index < len(list) {
		return list[index]
	}
	return nil
}

// Absent returns the node templates with the count 0, by name: each as its
// first representation would be, without requirements. They are not among
// Nodes.
func (t *ServiceTemplate) Absent() []*NodeTemplate {
	var list []*NodeTemplate
	for _, name := range sortedKeys(t.absent) {
		list = append(list, t.absent[name])
	}
	return list
}

// Attribute returns the assignment of that name, or nil where it has no value yet.
func (g *Group) Attribute(name string) *Assignment { return assignment(g.Attributes, name) }

// Relationship returns the relationship template of that name, or nil.
func (t *ServiceTemplate) Relationship(name string) *RelationshipTemplate {
	return first(t.Relationships, func(r *RelationshipTemplate) bool { return r.Name == name })
}

// Policy returns the policy of that name, or nil.
func (t *ServiceTemplate) Policy(name string) *Policy {
	return first(t.Policies, func(p *Policy) bool { return p.Name == name })
}

// Group returns the group of that name, or nil.
func (t *ServiceTemplate) Group(name string) *Group {
	return first(t.Groups, func(g *Group) bool { return g.Name == name })
}

// Workflow returns the imperative workflow of that name, or nil.
func (t *ServiceTemplate) Workflow(name string) *Workflow {
	return first(t.Workflows, func(w *Workflow) bool { return w.Name == name })
}

// Input returns the input of that name, or nil.
func (t *ServiceTemplate) Input(name string) *Parameter {
	return first(t.Inputs, func(p *Parameter) bool { return p.Name == name })
}

// Output returns the output of that name, or nil.
func (t *ServiceTemplate) Output(name string) *Parameter {
	return first(t.Outputs, func(p *Parameter) bool { return p.Name == name })
}
