package workflow

// Plan is what to do, as data: a graph of steps. It can be printed, drawn,
// compared, serialised (it is plain JSON) and run, and knows nothing of how.
// The same inputs give the same plan, byte for byte.
type Plan struct {
	// Kind is deploy, undeploy, update, notify or the name of a workflow.
	Kind string `json:"kind"`
	// Steps are in an order in which they could run one after the other: each
	// comes behind those it waits for.
	Steps []*Step `json:"steps"`
	// Instances are the instances that the plan makes (deploy, update) or
	// removes (undeploy, update), in order of ID.
	Create []Instance `json:"create,omitempty"`
	Remove []string   `json:"remove,omitempty"`
}

// Instance is an instance of a node or relationship template that a plan makes.
type Instance struct {
	ID string `json:"id"`
	// Node and Index are the node template and number of a node instance, or
	// those of the source of a relationship instance.
	Node  string `json:"node"`
	Index int    `json:"index,omitempty"`
	// Requirement and RequirementIndex name the requirement of a relationship;
	// Target is the target's instance ID.
	Requirement      string `json:"requirement,omitempty"`
	RequirementIndex int    `json:"requirement_index,omitempty"`
	Target           string `json:"target,omitempty"`
}

// StepKind is what a step does.
type StepKind string

// The kinds of steps.
const (
	// Call calls an operation, setting the states Enter before and Exit after it.
	Call StepKind = "call"
	// Set sets the state Exit and calls nothing.
	Set StepKind = "set"
	// Join does nothing but wait for others: an order.
	Join StepKind = "join"
)

// Step is one thing to do.
type Step struct {
	// ID is unique in the plan and stable: "web_0.Standard.create",
	// "web_0.started", "web_0--db_0--database.0.Configure.pre_configure_source".
	ID   string   `json:"id"`
	Kind StepKind `json:"kind"`
	// Instance is the node or relationship instance the step is about.
	Instance string `json:"instance,omitempty"`
	// Interface and Operation are what a Call calls.
	Interface string `json:"interface,omitempty"`
	Operation string `json:"operation,omitempty"`
	// Inputs are given by a workflow or trigger and win over the operation's own.
	// The names refer to the activity in the template: see Activity.
	Activity string `json:"activity,omitempty"`
	// Enter and Exit are states of Instance set when the step begins and when it
	// has succeeded; empty for no change.
	Enter string `json:"enter,omitempty"`
	Exit  string `json:"exit,omitempty"`
	// Subject is the node instance that the step works on. No two Calls with
	// the same Subject run at once.
	Subject string `json:"subject,omitempty"`
	// After are the indexes in Plan.Steps of the steps that must have
	// succeeded, in ascending order.
	After []int `json:"after,omitempty"`
	// Template tells that the step belongs to the template that is being
	// replaced (update), not to the new one.
	Old bool `json:"old,omitempty"`
}
