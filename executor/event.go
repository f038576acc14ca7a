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
	// StateChanged: Instance went into State.
	StateChanged EventKind = "state-changed"
	// OperationStarted is journaled before the side effect (the intent).
	OperationStarted EventKind = "operation-started"
	// OperationRunning records the handle of an operation that goes on.
	OperationRunning EventKind = "operation-running"
	// OperationEnded has the outcome. OperationRetry tells that there will be another attempt.
	OperationEnded EventKind = "operation-ended"
	OperationRetry EventKind = "operation-retry"
	// StepSkipped: the step was not reached because of Cause, the step that failed.
	StepSkipped EventKind = "step-skipped"
	// OperationLog is a piece of an operation's output. It is not journaled.
	OperationLog EventKind = "operation-log"
	// AttributeChanged: an attribute of Instance has a new value.
	AttributeChanged EventKind = "attribute-changed"
)

// Event is something that happened in a run. Events of one run come in order.
type Event struct {
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
	Attempt   int    `json:"attempt,omitempty"`
	// State is the new state (StateChanged) or the outcome (OperationEnded, RunEnded).
	State string `json:"state,omitempty"`
	// Attribute names what changed (AttributeChanged).
	Attribute string `json:"attribute,omitempty"`
	// Cause is the ID of the step that failed (StepSkipped).
	Cause string `json:"cause,omitempty"`
	// Err is why something failed.
	Err string `json:"error,omitempty"`
	// Log is a piece of output (OperationLog).
	Log string `json:"log,omitempty"`
	// Host is where the operation runs.
	Host string `json:"host,omitempty"`
}
