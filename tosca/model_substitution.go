package tosca

// SubstitutionMapping makes the service usable as a node of another.
//
// Source: TOSCA 1.3 sections 3.8.8 to 3.8.13, TOSCA 2.0 section 15.
type SubstitutionMapping struct {
	NodeType *NodeType
	// Filter must pass on a node that the service substitutes; nil passes on all.
	Filter       *NodeFilter
	Properties   []*PropertyMapping
	Attributes   []*AttributeMapping
	Capabilities []*CapabilityMapping
	// Requirements are in the order of the file: several for one requirement
	// map its assignments one after the other.
	Requirements []*RequirementMapping
	Interfaces   []*InterfaceMapping
	Range        Range
}

// MappedName names a property or attribute of the substituted node, of one of
// its capabilities, or of the relationships of one of its requirements.
//
// Source: TOSCA 2.0 sections 15.2 and 15.3.
type MappedName struct {
	Name string
	// Capability and Requirement are empty for the node's own.
	Capability, Requirement string
	// Index is that of Requirement's relationship, or AllRelationships.
	Index int
}

// AllRelationships is the MappedName.Index that stands for ALL: the values of
// all relationships of a requirement, as a list.
const AllRelationships = -1

// PropertyMapping gives a property of the substituted node to the service. One
// of Input, Path and Value is set.
//
// Source: TOSCA 1.3 section 3.8.8, TOSCA 2.0 section 15.2.
type PropertyMapping struct {
	MappedName
	// Input is the input that takes the property.
	Input string
	// Path leads to a property of the service that takes it: a node template, a
	// capability of it (optional) and the property. Only 1.2 and 1.3 have it.
	Path []string
	// Value is the property's value where the node has none. Only 1.2 and 1.3 have it.
	Value *Value
	Range Range
}

// AttributeMapping gives the substituted node an attribute. One of Output and
// Path is set.
//
// Source: TOSCA 1.3 section 3.8.9, TOSCA 2.0 section 15.3.
type AttributeMapping struct {
	MappedName
	// Output is the output of the service that is the attribute's value.
	Output string
	// Path leads to an attribute in the service: a node template, a capability
	// or requirement of it (optional) and the attribute. Only 1.3 has it.
	Path  []string
	Range Range
}

// CapabilityMapping lets a capability of a node in the service stand for one
// of the substituted node.
//
// Source: TOSCA 1.3 section 3.8.10, TOSCA 2.0 section 15.4.
type CapabilityMapping struct {
	Name string
	// Node and Capability are the names of the one in the service; empty where
	// only Properties and Attributes are given in place, as 1.3 has it.
	Node, Capability       string
	Properties, Attributes []*Assignment
	Range                  Range
}

// RequirementMapping passes targets of a requirement of the substituted node to
// requirements in the service.
//
// Source: TOSCA 1.3 section 3.8.11, TOSCA 2.0 section 15.5.
type RequirementMapping struct {
	Name string
	// Count is how many assignments of the requirement are mapped, Unbounded
	// for all that are left.
	Count   int
	Targets []RequirementTarget
	Range   Range
}

// RequirementTarget is what takes the target of a mapped requirement: a
// requirement of a node template, or, where Requirement is empty, a node
// template with the directive "select" itself.
//
// Source: TOSCA 1.3 section 3.8.11, TOSCA 2.0 section 15.5.
type RequirementTarget struct {
	Node, Requirement string
	Range             Range
}

// InterfaceMapping lets a workflow of the service carry out an operation of the
// substituted node.
//
// Source: TOSCA 1.3 section 3.8.12, TOSCA 2.0 section 15.6.
type InterfaceMapping struct {
	Interface, Operation, Workflow string
	Range                          Range
}
