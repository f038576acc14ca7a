package tosca

// Types are the types that a file can name, each map by the name under which
// the file can refer to it: the full name, and for normative types of the
// Simple Profile also the shorthand and the prefixed name
// ("tosca.nodes.Compute", "Compute", "tosca:Compute").
//
// Source: TOSCA 1.3 section 3.7, TOSCA 2.0 section 6.4.
type Types struct {
	Artifact     map[string]*ArtifactType
	Data         map[string]*DataType
	Capability   map[string]*CapabilityType
	Interface    map[string]*InterfaceType
	Relationship map[string]*RelationshipType
	Node         map[string]*NodeType
	Group        map[string]*GroupType
	Policy       map[string]*PolicyType
}

// TypeHeader is what types of every kind have.
//
// Source: TOSCA 1.3 section 3.7.1, TOSCA 2.0 section 6.4.1.
type TypeHeader struct {
	// Name is the full name, such as "tosca.nodes.Compute".
	Name        string
	Version     string
	Description string
	Metadata    map[string]any
	// Range is where the type is defined.
	Range Range
	// Normative tells that the type comes from a built-in profile.
	Normative bool
	// Profile is the name of the profile that declares the type (TOSCA 2.0,
	// 6.7.1); empty where none does.
	Profile string
	// aliases are the other names of a normative type.
	aliases []string
}

// NodeType is a node type with all that it inherits: the slices hold the
// effective definitions, inherited ones first.
//
// Source: TOSCA 1.3 section 3.7.9, TOSCA 2.0 section 7.1.
type NodeType struct {
	TypeHeader
	Parent       *NodeType
	Properties   []*PropertyDefinition
	Attributes   []*AttributeDefinition
	Capabilities []*CapabilityDefinition
	Requirements []*RequirementDefinition
	Interfaces   []*InterfaceDefinition
	Artifacts    []*Artifact
}

// RelationshipType is a relationship type with all that it inherits.
//
// Source: TOSCA 1.3 section 3.7.10, TOSCA 2.0 section 7.3.
type RelationshipType struct {
	TypeHeader
	Parent     *RelationshipType
	Properties []*PropertyDefinition
	Attributes []*AttributeDefinition
	Interfaces []*InterfaceDefinition
	// ValidCapabilityTypes is valid_target_types of 1.x.
	ValidCapabilityTypes []*CapabilityType
	ValidTargetNodeTypes []*NodeType
	ValidSourceNodeTypes []*NodeType
}

// CapabilityType is a capability type with all that it inherits.
//
// Source: TOSCA 1.3 section 3.7.7, TOSCA 2.0 section 8.1.
type CapabilityType struct {
	TypeHeader
	Parent                 *CapabilityType
	Properties             []*PropertyDefinition
	Attributes             []*AttributeDefinition
	ValidSourceNodeTypes   []*NodeType
	ValidRelationshipTypes []*RelationshipType
}

// InterfaceType is an interface type with all that it inherits.
//
// Source: TOSCA 1.3 section 3.7.5, TOSCA 2.0 section 10.1.
type InterfaceType struct {
	TypeHeader
	Parent        *InterfaceType
	Inputs        []*PropertyDefinition
	Operations    []*OperationDefinition
	Notifications []*OperationDefinition
}

// DataType is a data type with all that it inherits. Primitive types (string,
// integer, scalar-unit.size, list, ...) are data types without properties.
//
// Source: TOSCA 1.3 section 3.7.6, TOSCA 2.0 section 9.
type DataType struct {
	TypeHeader
	Parent      *DataType
	Properties  []*PropertyDefinition
	Constraints []*Constraint
	Key, Entry  *Schema
	// Scalar holds the units of a type that derives from "scalar" of TOSCA 2.0;
	// nil for others.
	Scalar *ScalarType
}

// ArtifactType is an artifact type with all that it inherits.
//
// Source: TOSCA 1.3 section 3.7.4, TOSCA 2.0 section 11.1.
type ArtifactType struct {
	TypeHeader
	Parent     *ArtifactType
	MimeType   string
	FileExt    []string
	Properties []*PropertyDefinition
}

// GroupType is a group type with all that it inherits.
//
// Source: TOSCA 1.3 section 3.7.11, TOSCA 2.0 section 12.1.
type GroupType struct {
	TypeHeader
	Parent     *GroupType
	Properties []*PropertyDefinition
	Attributes []*AttributeDefinition
	Members    []*NodeType
}

// PolicyType is a policy type with all that it inherits.
//
// Source: TOSCA 1.3 section 3.7.12, TOSCA 2.0 section 13.1.
type PolicyType struct {
	TypeHeader
	Parent       *PolicyType
	Properties   []*PropertyDefinition
	TargetNodes  []*NodeType
	TargetGroups []*GroupType
	Triggers     []*Trigger
}

// Schema says what a value must be.
//
// Source: TOSCA 1.3 section 3.6.9 (schema definition), TOSCA 2.0 section 9.
type Schema struct {
	Type        *DataType
	Description string
	Constraints []*Constraint
	// Key and Entry are the schemas of a map's keys and of a list's or map's entries.
	Key, Entry *Schema
	Metadata   map[string]any
	// strict tells that values are not converted: the schema is one of TOSCA 2.0.
	strict bool
}

// PropertyDefinition defines a property, or an input of an interface or an
// operation.
//
// Source: TOSCA 1.3 section 3.6.10, TOSCA 2.0 section 9.
type PropertyDefinition struct {
	Name        string
	Description string
	// Schema is nil only for an operation or interface input without a type,
	// which takes any value.
	Schema   *Schema
	Required bool
	// Default is nil where there is none. An explicit null is a Value.
	Default *Value
	// Fixed is the value that TOSCA 2.0's keyname "value" fixes; nil otherwise.
	Fixed *Value
	// Status is supported (or empty, which means the same), unsupported,
	// experimental or deprecated.
	Status string
	// ExternalSchema is the schema of a value in another language, such as JSON,
	// that the keyname external-schema of 1.3 gives. Values are not held to it.
	ExternalSchema string
	Metadata       map[string]any
	Range          Range
	// inherited is the default that a refined property was inherited with.
	inherited *Value
}

// AttributeDefinition defines an attribute. Every property is reflected as an
// attribute of the same name, which is not listed.
//
// Source: TOSCA 1.3 section 3.6.12.
type AttributeDefinition struct {
	Name        string
	Description string
	Schema      *Schema
	Default     *Value
	Status      string
	Metadata    map[string]any
	Range       Range
}

// Parameter is an input or output of a service template or a workflow.
//
// Source: TOSCA 1.3 section 3.6.14, TOSCA 2.0 section 9.
type Parameter struct {
	Name        string
	Description string
	// Schema is nil where no type was given.
	Schema   *Schema
	Required bool
	Default  *Value
	// Value is the value of an output, or the value fixed for an input; nil where none is given.
	Value *Value
	// Mapping is the list that leads to the attribute into which the value is to
	// be stored (TOSCA 2.0 section 9.10); nil where none is given.
	Mapping *Value
	Status  string
	// Sensitive tells that the value must never be shown: its metadata has
	// "sensitive: true", or its type holds a secret.
	Sensitive bool
	Metadata  map[string]any
	Range     Range
}

// CapabilityDefinition defines a capability of a node type.
//
// Source: TOSCA 1.3 section 3.7.2, TOSCA 2.0 section 8.2.
type CapabilityDefinition struct {
	Name        string
	Description string
	Type        *CapabilityType
	// Properties and Attributes are the effective ones: those of Type, refined.
	Properties             []*PropertyDefinition
	Attributes             []*AttributeDefinition
	ValidSourceNodeTypes   []*NodeType
	ValidRelationshipTypes []*RelationshipType
	Occurrences            Occurrences
	Metadata               map[string]any
	Range                  Range
}

// RequirementDefinition defines a requirement of a node type.
//
// Source: TOSCA 1.3 section 3.7.3, TOSCA 2.0 section 8.3.
type RequirementDefinition struct {
	Name        string
	Description string
	// Capability is the type that the target's capability must have; nil where
	// only CapabilityName was given.
	Capability *CapabilityType
	// CapabilityName is the symbolic name of a capability of Node; TOSCA 1.3
	// allows either.
	CapabilityName string
	// Node is the type that the target must have; nil for any.
	Node *NodeType
	// Relationship is the type of the relationship to make; nil where the
	// definition has none.
	Relationship *RelationshipType
	// RelationshipProperties, RelationshipAttributes and Interfaces are those of
	// Relationship, refined.
	RelationshipProperties []*PropertyDefinition
	RelationshipAttributes []*AttributeDefinition
	Interfaces             []*InterfaceDefinition
	NodeFilter             *NodeFilter
	Occurrences            Occurrences
	Metadata               map[string]any
	// inheritedFilters are the node filters of the definitions that this one
	// refines: they hold too.
	inheritedFilters []*NodeFilter
	// bounded tells that the bounds were written, not taken from the language.
	bounded bool
	Range   Range
}

// Unbounded is the upper bound that means none.
const Unbounded = -1

// Occurrences is how often something may occur. Max is Unbounded where there
// is no upper bound.
//
// Source: TOSCA 1.3 section 3.7.3, TOSCA 2.0 section 8.4.
type Occurrences struct{ Min, Max int }

// InterfaceDefinition is an interface of a node or relationship type.
//
// Source: TOSCA 1.3 section 3.6.20.
type InterfaceDefinition struct {
	Name          string
	Description   string
	Type          *InterfaceType
	Inputs        []*PropertyDefinition
	Operations    []*OperationDefinition
	Notifications []*OperationDefinition
	Metadata      map[string]any
	Range         Range
}

// OperationDefinition is an operation (or a notification) of an interface
// type or definition.
//
// Source: TOSCA 1.3 sections 3.6.17 and 3.6.19, TOSCA 2.0 sections 11.4 and 11.6.
type OperationDefinition struct {
	Name           string
	Description    string
	Implementation *Implementation
	Inputs         []*PropertyDefinition
	// Outputs say where outputs go; OutputDefinitions what they are, where
	// TOSCA 2.0 defines it.
	Outputs           []*OutputMapping
	OutputDefinitions []*PropertyDefinition
	Metadata          map[string]any
	Range             Range
}
