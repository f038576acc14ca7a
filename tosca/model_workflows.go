package tosca

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
