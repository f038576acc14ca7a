package tosca

import (
	"math/big"
	"time"
)

// NodeTemplate is a node of the service.
//
// Source: TOSCA 1.3 section 3.8.3, TOSCA 2.0 section 7.2.
type NodeTemplate struct {
	// Name is the template's name. A node of a service that substitutes another
	// node has the ID of that node and a dot before it ("web_0.db").
	Name string
	// Index numbers the representations of one template from 0, Count is how
	// many there are: what the keyname "count" of 2.0 evaluates to, else 1.
	// Each representation is a NodeTemplate of its own, with its own
	// requirements.
	Index, Count int
	Type         *NodeType
	Description  string
	Metadata     map[string]any
	Directives   []string
	// Properties has an assignment for each property that has a value: the
	// template's own, else the type's default. So has Attributes.
	Properties   []*Assignment
	Attributes   []*Assignment
	Capabilities []*Capability
	// Requirements are resolved, in order of assignment; unassigned optional
	// ones are absent.
	Requirements []*Requirement
	// Incoming are the requirements of other nodes that target this one.
	Incoming   []*Requirement
	Interfaces []*Interface
	// Artifacts are the template's and the type's.
	Artifacts  []*Artifact
	NodeFilter *NodeFilter
	// Substitution is the service that was made to stand for this node
	// (directive "substitute"); nil for a node that stands for itself. Its nodes
	// are in ServiceTemplate.Nodes of this service too, before this one.
	Substitution *ServiceTemplate
	Range        Range

	service *ServiceTemplate
}

// Assignment is a named value of a property, an attribute or an input.
//
// Source: TOSCA 1.3 sections 3.6.11 and 3.6.13, TOSCA 2.0 sections 9.5 and 9.7.
type Assignment struct {
	Name string
	// Schema is what the value must be; nil for an undeclared or untyped one.
	Schema *Schema
	Value  *Value
	// Default tells that the value is the definition's default.
	Default bool
	// Sensitive tells that the value must never be shown: the definition's
	// metadata has "sensitive: true", or its type is a secret of a credential.
	Sensitive bool
	Range     Range
}

// Capability is a capability of a node template.
//
// Source: TOSCA 1.3 section 3.8.1.
type Capability struct {
	Name       string
	Type       *CapabilityType
	Definition *CapabilityDefinition
	Node       *NodeTemplate
	Properties []*Assignment
	Attributes []*Assignment
	// Occurrences is how many requirements the capability may fulfil: what the
	// template says (1.3), else its definition. More than that are a warning.
	Occurrences Occurrences
	// Directives say whose requirements may lead to the capability: "internal"
	// for those of this service, "external". Empty where the template does not
	// say, which allows both (TOSCA 2.0 section 8.3).
	Directives []string
	Range      Range

	// allocated sums what requirements take from the properties, by name.
	allocated map[string]*big.Rat
}

// Requirement is a requirement of a node template that found its target.
//
// Source: TOSCA 1.3 section 3.8.2, TOSCA 2.0 section 8.4.
type Requirement struct {
	Name string
	// Index counts the relationships that the assignments of the same name in
	// one node want, from 0. Those of optional ones that found no target are
	// missing in the count.
	Index      int
	Definition *RequirementDefinition
	Source     *NodeTemplate
	Target     *NodeTemplate
	// Capability is the target's capability that fulfils the requirement. It
	// is nil only where errors were reported.
	Capability *Capability
	// Relationship is this requirement's own: a named template used by several
	// requirements is copied for each.
	Relationship *RelationshipTemplate
	// Allocations are what the requirement takes from the properties of
	// Capability, evaluated (TOSCA 2.0 section 8.5.5).
	Allocations []*Assignment
	Range       Range

	// order is the place of the assignment in the template.
	order int
}

// DanglingRequirement is a requirement for which there is no target.
//
// Source: TOSCA 2.0 section 8.5.
type DanglingRequirement struct {
	Name string
	// Index is as in Requirement.
	Index  int
	Source *NodeTemplate
	Range  Range
}

// RelationshipTemplate is a relationship, as declared or as used by one requirement.
//
// Source: TOSCA 1.3 section 3.8.4.
type RelationshipTemplate struct {
	// Name is the template's name; empty for a relationship declared inline or
	// by type only.
	Name        string
	Type        *RelationshipType
	Description string
	Metadata    map[string]any
	Properties  []*Assignment
	Attributes  []*Assignment
	Interfaces  []*Interface
	// Requirement is the one that uses it; nil in ServiceTemplate.Relationships.
	Requirement *Requirement
	// LeftOut are the operations of its Configure interface that life cycles
	// leave out in 1.x, because inputs that its type gives them cannot be
	// evaluated: of add_target, add_source, target_changed, remove_target and
	// remove_source, which xOpera never calls. Each has a warning.
	LeftOut []string
	Range   Range

	service *ServiceTemplate
}

// Interface is an interface of a node or relationship template with all
// operations that its type and template define.
//
// Source: TOSCA 1.3 section 3.6.20, TOSCA 2.0 section 11.3.
type Interface struct {
	// Name is the symbolic name, such as "Standard".
	Name          string
	Type          *InterfaceType
	Operations    []*Operation
	Notifications []*Operation
}

// Operation is what can be called on a node or relationship.
//
// Source: TOSCA 1.3 sections 3.6.17 and 3.6.19, TOSCA 2.0 sections 11.5 and 11.7.
type Operation struct {
	Name string
	// Interface is the symbolic name of the interface it belongs to.
	Interface   string
	Description string
	// Implementation is nil where nothing implements the operation.
	Implementation *Implementation
	// Inputs are the effective ones, later winning: interface definition,
	// operation definition, interface assignment, operation assignment.
	Inputs  []*Assignment
	Outputs []*OutputMapping
	Range   Range
	// required are the definitions of required inputs without a default,
	// declared those of all inputs, later winning; nil where nothing declares the
	// operation.
	required, declared []*PropertyDefinition
	known              bool
	// returns are the definitions of the outputs, of which TOSCA 2.0 has types.
	returns []*PropertyDefinition
}

// Implementation is what implements an operation.
//
// Source: TOSCA 1.3 section 3.6.16.
type Implementation struct {
	Primary      *Artifact
	Dependencies []*Artifact
	// Timeout is zero where there is none (the keyname counts seconds).
	Timeout time.Duration
	// OperationHost is SELF, HOST, SOURCE, TARGET or ORCHESTRATOR, or the name
	// of a node template; empty where not given.
	OperationHost string
	Range         Range
}

// OutputMapping says which attribute takes an output of an operation.
//
// Source: TOSCA 1.3 section 3.6.15 (attribute mapping), TOSCA 2.0 section 9.10.
type OutputMapping struct {
	Name string
	// Entity is SELF, SOURCE or TARGET.
	Entity string
	// Capability is the capability that TOSCA 2.0 leads to with CAPABILITY; empty
	// for none.
	Capability string
	// Path is what follows: the attribute, or in 1.x a capability (or
	// requirement) and its attribute, then nested keys.
	Path  []string
	Range Range
}

// Artifact is a file that a node or an operation uses.
//
// Source: TOSCA 1.3 section 3.6.7.
type Artifact struct {
	// Name is empty for one given in place.
	Name string
	// Type is nil where it could not be told from the file's extension.
	Type *ArtifactType
	// File is the value of the keyname "file" as written.
	File string
	// Path is File inside the loaded file system (slash-separated, as fs.FS
	// wants it), resolved against the file that declares it; empty for a URL
	// or a file of a repository.
	Path              string
	Repository        *Repository
	Description       string
	DeployPath        string
	Version           string
	Checksum          string
	ChecksumAlgorithm string
	Properties        []*Assignment
	Metadata          map[string]any
	Range             Range
}

// Repository is an external repository.
//
// Source: TOSCA 1.3 section 3.6.6.
type Repository struct {
	Name        string
	Description string
	URL         string
	Credential  *Value
	Range       Range
}

// NodeFilter selects nodes.
//
// Source: TOSCA 1.3 section 3.6.5, TOSCA 2.0 section 8.6.
type NodeFilter struct {
	// Expr is the boolean expression of TOSCA 2.0, in which SELF is the
	// relationship that a requirement would make, or the node that would be
	// selected; nil for filters of 1.x, which have the rest.
	Expr         *Value
	Properties   []*PropertyFilter
	Capabilities []*CapabilityFilter
	Range        Range
}

// PropertyFilter is the constraints that one property must satisfy.
//
// Source: TOSCA 1.3 section 3.6.4.
type PropertyFilter struct {
	Name        string
	Constraints []*Constraint
	Range       Range
}

// CapabilityFilter is the constraints on the properties of a capability, given
// by its name or type.
//
// Source: TOSCA 1.3 section 3.6.5.
type CapabilityFilter struct {
	Name       string
	Properties []*PropertyFilter
	Range      Range
}
