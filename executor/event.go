package executor

import (
	"time"
)

// EventKind is the kind of an Event, and of the journal entry that records it.
type EventKind string

// The kinds of events.
const (
	// RunStarted and RunEnded frame a run. RunEnded has Err where it failed.
	RunStarted EventKind = "run-started"
	RunEnded   EventKind = "run-ended"
	// CancelAsked: the run is being cancelled (Err says why). It is journaled
	// before anything is stopped, so that Resume ends the cancel after a crash.
	CancelAsked EventKind = "cancel-asked"
	// StateChanged: Instance went into State.
	StateChanged EventKind = "state-changed"
	// OperationStarted is journaled before the side effect (the intent).
	OperationStarted EventKind = "operation-started"
	// OperationRunning records the handle of an operation that goes on.
	OperationRunning EventKind = "operation-running"
	// OperationEnded has the outcome. OperationRetry tells that there will be another attempt.
	OperationEnded EventKind = "operation-ended"
	OperationRetry EventKind = "operation-retry"
	// StepSkipped: the step was not reached because of Cause: the step that
	// failed, or CauseCanceled.
	StepSkipped EventKind = "step-skipped"
	// OperationLog is a piece of an operation's output. It is not journaled, but
	// stored: see Engine.Logs.
	OperationLog EventKind = "operation-log"
	// OperationDetail is news of a running operation, such as why a job is
	// pending (Detail). It is not journaled.
	OperationDetail EventKind = "operation-detail"
	// AttributeChanged: an attribute of Instance has a new value.
	AttributeChanged EventKind = "attribute-changed"
	// ConditionExamined: a condition of a workflow or trigger held or not (State
	// "true" or "false").
	ConditionExamined EventKind = "condition-examined"
	// InputsStored: the inputs of a workflow were given to the attributes that
	// they are mapped to.
	InputsStored EventKind = "inputs-stored"
	// Warning: something is not as it should be, and the run goes on (Err).
	Warning EventKind = "warning"
)

// Event is something that happened in a run. Events of one run come in order,
// and those that are journaled come when the journal has them on disk. Secrets
// are replaced by "***" in every field.
type Event struct {
	// Seq is the number of the journal entry; 0 for an event that is not journaled.
	Seq uint64 `json:"seq,omitempty"`
	// LogSeq is the number of the stored piece of output, where Events reads one.
	LogSeq     uint64    `json:"log_seq,omitempty"`
	Kind       EventKind `json:"kind"`
	Time       time.Time `json:"time"`
	Deployment string    `json:"deployment"`
	Run        string    `json:"run"`
	RunKind    string    `json:"run_kind,omitempty"`
	Step       string    `json:"step,omitempty"`
	Instance   string    `json:"instance,omitempty"`
	Interface  string    `json:"interface,omitempty"`
	// Operation is the operation's name, such as "create".
	Operation string `json:"operation,omitempty"`
	// OperationID is the Operation.ID that drivers see.
	OperationID string `json:"operation_id,omitempty"`
	Attempt     int    `json:"attempt,omitempty"`
	// State is the new state (StateChanged) or the outcome (OperationEnded, RunEnded).
	State string `json:"state,omitempty"`
	// Attribute names what changed (AttributeChanged).
	Attribute string `json:"attribute,omitempty"`
	// Cause is the ID of the step that failed, or CauseCanceled (StepSkipped), or
	// the ID of the run that a rollback takes back (RunStarted).
	Cause string `json:"cause,omitempty"`
	// Err is why something failed.
	Err string `json:"error,omitempty"`
	// Detail is news of a running operation, or how long until the next attempt.
	Detail string `json:"detail,omitempty"`
	// Log is a piece of output (OperationLog): one or more whole lines, or the
	// rest of the last one when the operation ends.
	Log string `json:"log,omitempty"`
	// Host is where the operation runs.
	Host string `json:"host,omitempty"`
}
