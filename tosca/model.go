package tosca

import (
	"io/fs"
	"math/big"
	"time"
)

// ServiceTemplate is a loaded, resolved and checked TOSCA service template:
// every type is derived, every requirement has its target and every value is
// data or a parsed call. It is immutable after Load and safe to share between
// goroutines and deployments.
//
// The model speaks TOSCA 2.0's concepts whatever version the file was written
// in: what 1.x calls a topology template is folded into the ServiceTemplate.
//
// Source: TOSCA 2.0 section 6 (service template), TOSCA Simple Profile 1.3
// sections 3.9 and 3.10.
type ServiceTemplate struct {
	// Version is the value of tosca_definitions_version, such as
	// "tosca_simple_yaml_1_3" or "tosca_2_0".
	Version string
	// File is the path of the entry file inside the file system it was loaded from.
	File string
	// Files are all files read, the entry file first, then imports in the order
	// in which they were read. Built-in profiles are not among them. Those that
	// begin with ImportsFolder may be in External only.
	Files []string
	// External are the files that were read from elsewhere than the file system
	// that was loaded from (Options.Profiles, Options.Fetch), each under its
	// path in ImportsFolder; nil where there are none. An archive to which they
	// are added loads without either option.
	External fs.FS
	// Profile is the profile name of TOSCA 2.0 or the namespace of 1.2 and 1.3.
	Profile string
	// Name, Author and TemplateVersion come from the metadata keys
	// template_name, template_author and template_version.
	Name, Author, TemplateVersion string
	Description                   string
	Metadata                      map[string]any

	// Types holds every type visible in the entry file, by kind.
	Types *Types

	Repositories []*Repository
	// Functions are the custom functions that the files define, in order.
	Functions []*Function
	Inputs    []*Parameter
	Outputs   []*Parameter
	// Nodes are the representations of the node templates in order of
	// declaration, then of Index; the nodes of a service that substitutes one of
	// them come right before that one. A template with the directive "select"
	// for which another was chosen is not among them; Node returns the chosen
	// one for its name.
	Nodes []*NodeTemplate
	// ShapeInputs are the names of the inputs, sorted, whose values decide
	// which nodes there are and which requirement leads where (count, node
	// filters, substitution): with other values for them the template must be
	// loaded anew. See Options.Inputs.
	ShapeInputs []string
	// Relationships are the templates under relationship_templates in order of
	// declaration. What a requirement uses is Requirement.Relationship.
	Relationships []*RelationshipTemplate
	// Dangling are the requirements that must be fulfilled and that no node of
	// the service fulfils. TOSCA 2.0 lets a valid template have them; it cannot
	// be deployed so.
	Dangling     []*DanglingRequirement
	Groups       []*Group
	Policies     []*Policy
	Workflows    []*Workflow
	Substitution *SubstitutionMapping

	// options are those of Load that LoadedAs asks for. unsubstituted tells that
	// there is a node which no service substitutes, for want of Definitions maybe.
	options       Options
	unsubstituted bool
	// nodes has the first representation of each template, representations all
	// of those with several, absent the templates with none.
	nodes           map[string]*NodeTemplate
	representations map[string][]*NodeTemplate
	absent          map[string]*NodeTemplate

	substituted *NodeTemplate
}

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

// Group is a set of nodes.
//
// Source: TOSCA 1.3 section 3.8.5.
type Group struct {
	Name        string
	Type        *GroupType
	Description string
	Metadata    map[string]any
	Properties  []*Assignment
	Attributes  []*Assignment
	// Members are the nodes named, and the members of the groups named (2.0).
	Members    []*NodeTemplate
	Interfaces []*Interface
	Range      Range
}

// Policy is a policy with its targets.
//
// Source: TOSCA 1.3 section 3.8.6.
type Policy struct {
	Name        string
	Type        *PolicyType
	Description string
	Metadata    map[string]any
	Properties  []*Assignment
	// Targets are the nodes aimed at: named ones and the members of named
	// groups. A policy that names none aims at all nodes and groups of the
	// types that its type lists as targets.
	Targets      []*NodeTemplate
	TargetGroups []*Group
	// Triggers are the template's and the type's, by name.
	Triggers []*Trigger
	Range    Range

	service *ServiceTemplate
}

// Trigger is what a policy does when an event comes.
//
// Source: TOSCA 1.3 section 3.6.22, TOSCA 2.0 section 16.5.
type Trigger struct {
	Name        string
	Description string
	Event       string
	// Schedule is the value of the keyname in 1.x; nil where not given.
	Schedule *Value
	// TargetNode, TargetRequirement and TargetCapability are 1.x's target_filter.
	TargetNode, TargetRequirement, TargetCapability string
	Condition                                       *Condition
	// Period, Evaluations and Method belong to the condition of 1.x.
	Period      string
	Evaluations int
	Method      string
	Action      []*Activity
	// Operations are those that the action of 1.0 to 1.2 defines in place,
	// which belong to no interface. Those with an implementation are in Action
	// too, each as a call.
	Operations []*Operation
	Range      Range
}

// Workflow is an imperative workflow.
//
// Source: TOSCA 1.3 section 3.8.7 and 7, TOSCA 2.0 section 15.
type Workflow struct {
	Name           string
	Description    string
	Metadata       map[string]any
	Inputs         []*Parameter
	Preconditions  []*Precondition
	Steps          []*WorkflowStep
	Implementation *Implementation
	Outputs        []*OutputMapping
	// Stored are the inputs whose values are stored into attributes of nodes, by
	// their mappings.
	Stored []*OutputMapping
	Range  Range
}

// Precondition must hold before a workflow runs.
//
// Source: TOSCA 1.3 section 3.6.26, TOSCA 2.0 section 13.2.1.
type Precondition struct {
	Target             string
	TargetRelationship string
	Condition          *Condition
	Range              Range
}

// WorkflowStep is a step of an imperative workflow.
//
// Source: TOSCA 1.3 section 3.6.27, TOSCA 2.0 section 13.2.2.
type WorkflowStep struct {
	Name               string
	Target             string
	TargetRelationship string
	OperationHost      string
	Filter             *Condition
	Activities         []*Activity
	OnSuccess          []string
	OnFailure          []string
	Range              Range
}

// ActivityKind is what an Activity does.
//
// Source: TOSCA 1.3 section 3.6.23, TOSCA 2.0 section 13.2.3.
type ActivityKind string

// The activities of TOSCA 1.3 section 3.6.23.
const (
	Delegate      ActivityKind = "delegate"
	SetState      ActivityKind = "set_state"
	CallOperation ActivityKind = "call_operation"
	Inline        ActivityKind = "inline"
)

// Activity is one thing to do in a workflow step or a trigger.
//
// Source: TOSCA 1.3 section 3.6.23, TOSCA 2.0 section 13.2.3.
type Activity struct {
	Kind ActivityKind
	// Name is the workflow (delegate, inline), the state (set_state) or the
	// operation as "interface.operation" (call_operation).
	Name   string
	Inputs []*Assignment
	// Operation is one that a trigger of 1.1 or 1.2 gives in place: it is called
	// on each target, and Name is its own. It is nil for any other activity.
	Operation *Operation
	Range     Range
}

// Condition is a boolean: a combination (Op with Operands) or an assertion that
// Attribute of a node satisfies Constraints, as 1.x has them, or a boolean
// expression (Expr), as TOSCA 2.0 has it.
//
// Source: TOSCA 1.3 section 3.6.25, TOSCA 2.0 sections 10.2.2, 13.2 and 16.5.
type Condition struct {
	// Op is "and", "or", "not", "assert" or "expression"; "assert" has Attribute
	// and Constraints, "expression" has Expr.
	Op string
	// Expr evaluates to a boolean; nil for conditions of 1.x. See Holds.
	Expr        *Value
	Operands    []*Condition
	Attribute   string
	Constraints []*Constraint
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
