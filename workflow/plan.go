package workflow

// Plan is what to do, as data: a graph of steps. It can be printed, drawn,
// compared, serialised (it is plain JSON) and run, and knows nothing of how.
// The same inputs give the same plan, byte for byte.
//
// Who takes a plan through first records the instances of Create in state
// "initial", then runs the steps, and forgets the instances of Remove when
// every step has succeeded.
type Plan struct {
	// Kind is deploy, undeploy, update, notify or the name of a workflow.
	Kind string `json:"kind"`
	// Steps are in an order in which they could run one after the other: each
	// comes behind those it waits for.
	Steps []*Step `json:"steps"`
	// Create are the node and relationship instances that do not exist yet and
	// that the plan makes, nodes in the order of their steps, each followed by
	// its relationships.
	Create []Instance `json:"create,omitempty"`
	// Remove are the IDs of instances whose records are of no more use when
	// all steps have succeeded.
	Remove []string `json:"remove,omitempty"`
}

// Instance is an instance of a node or relationship template that a plan makes.
type Instance struct {
	ID string `json:"id"`
	// Node and Index are the node template and number of a node instance, or
	// those of the source of a relationship instance.
	Node  string `json:"node"`
	Index int    `json:"index,omitempty"`
	// Requirement and RequirementIndex name the requirement of a relationship
	// instance (Requirement is empty for a node instance); Target is the
	// target's instance ID.
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
	// Check fails unless the condition When holds: a precondition.
	Check StepKind = "check"
	// Store gives the inputs of a workflow to the attributes that they are mapped
	// to: those of the workflow at Step.Workflow.
	Store StepKind = "store"
	// Filter finds out whether the condition When holds. It succeeds either
	// way; the steps whose Guard names it do nothing where it does not hold.
	Filter StepKind = "filter"
)

// Step is one thing to do.
//
// A step begins once, as soon as
//   - every step of After has succeeded, or is in Begun and goes on in the
//     outside world (at once where After and OnFailure are both empty), or
//   - one of the steps of OnFailure has failed.
//
// It is skipped when neither can happen any more.
type Step struct {
	// ID is unique in the plan and stable: "web_0.Standard.create",
	// "web_0.started", "web_0--db_0--database.0.Configure.pre_configure_source".
	ID   string   `json:"id"`
	Kind StepKind `json:"kind"`
	// Instance is the node or relationship instance the step is about; may be
	// empty for a Join.
	Instance string `json:"instance,omitempty"`
	// Interface and Operation are what a Call calls, by the symbolic names of
	// the instance's template.
	Interface string `json:"interface,omitempty"`
	Operation string `json:"operation,omitempty"`
	// Workflow is the place of a workflow: of a Store, or of a Call that runs the
	// artifact which implements the workflow, on no instance.
	Workflow string `json:"workflow,omitempty"`
	// Activity is the place in the template of the activity (of a workflow step
	// or a policy's trigger) that asks for the call: see FindActivity. The
	// activity's inputs win over the operation's own, for this call only. Empty
	// for calls of a node's life cycle.
	Activity string `json:"activity,omitempty"`
	// Scope are the places of the inline activities through which a nested
	// workflow was reached, outermost first. Their inputs are the inputs of
	// the nested workflow.
	Scope []string `json:"scope,omitempty"`
	// When is the place in the template of the condition of a Check or Filter,
	// about Instance: see FindCondition. A precondition of TOSCA 2.0 is a Check
	// without an instance: it is about the service.
	When string `json:"when,omitempty"`
	// Guard is the ID of a Filter before this step. Where its condition did
	// not hold, this step does nothing and counts as succeeded; a Filter that
	// does nothing does not hold for the steps that it guards. Empty for none.
	Guard string `json:"guard,omitempty"`
	// Host wins over the operation_host of the implementation: SELF, HOST,
	// SOURCE, TARGET, ORCHESTRATOR or the name of a node template.
	Host string `json:"host,omitempty"`
	// Enter and Exit are states of Instance set when the step begins and when it
	// has succeeded; empty for no change. A node instance that reaches
	// "initial" loses the attributes and outputs that it and its outgoing
	// relationships were given at run time.
	Enter string `json:"enter,omitempty"`
	Exit  string `json:"exit,omitempty"`
	// Subject is the node instance that the step works on. No two Calls with
	// the same Subject run at once.
	Subject string `json:"subject,omitempty"`
	// After are the indexes in Plan.Steps of the steps that must have
	// succeeded, in ascending order and all below the step's own.
	After []int `json:"after,omitempty"`
	// Begun are those of After for which it is enough to have begun: what they
	// call goes on in the outside world, which puts both in order by itself (jobs
	// of a cluster that depend on each other). Should one of them fail, so does
	// this step.
	Begun []int `json:"begun,omitempty"`
	// OnFailure are the indexes of the steps whose failure begins this one, in
	// ascending order and all below the step's own. The run has failed all the
	// same.
	OnFailure []int `json:"on_failure,omitempty"`
	// Optional tells that a failure of the step is reported, but counts as
	// success: stopping what may never have started.
	Optional bool `json:"optional,omitempty"`
	// Old tells that the step's instance, operation and inputs are those of the
	// template that is being replaced (update), not of the new one.
	Old bool `json:"old,omitempty"`
}
