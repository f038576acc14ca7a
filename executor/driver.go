package executor

import (
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/tosca"
)

// Driver takes operations to the place where they happen. All methods are safe
// for concurrent use. Errors carry a Code; whether a failed operation is worth
// another try is the driver's word: see Retryable.
//
// A panic in a method fails the operation that it was called for, with code
// Internal, and nothing else: the engine goes on.
//
// A driver whose work ends with the call implements Runner instead and is made
// a Driver by Sync. drivertest holds the suite that every driver must pass.
type Driver interface {
	// Name is the driver's name, unique in an engine, such as "ssh".
	Name() string
	// Accepts tells whether the driver is the one for op. It looks at op only
	// and reaches nowhere. The engine asks its drivers in order and takes the first.
	Accepts(op *Operation) bool
	// Start begins op and returns at once with a Status that has a durable
	// Handle (State Running), or with the outcome. Start with an ID and Attempt
	// that it has seen before must not do the work twice where the outside world
	// allows to tell; a higher Attempt means that the earlier one ended without
	// success and the work is to be done again. When ctx ends before Start
	// returned, the work is stopped.
	//
	// An error means that nothing was begun. A begun operation that failed is a
	// Status with State Failed and Err. Both are tried again only where the
	// error is Retryable.
	Start(ctx context.Context, op *Operation) (Status, error)
	// Poll asks after many operations in one go and returns a Status for each
	// handle that it knows something of, in any order. A handle left out is
	// still running as far as anybody knows. An error means that the outside
	// world did not answer; the engine asks again later and fails no operation for it.
	Poll(ctx context.Context, handles []Handle) ([]Status, error)
	// Recover finds what a process that crashed had started but not recorded,
	// by op.ID and op.Attempt. State NotStarted: it never began and Start is safe. State
	// Running: Status.Handle is the handle to Poll. State Lost: it may have begun
	// and its outcome cannot be known. op is complete, as for Start.
	Recover(ctx context.Context, op *Operation) (Status, error)
	// Cancel stops a running operation in the outside world and returns when it
	// has been asked to stop; Poll tells the end (State Canceled). Cancel of an ended or
	// unknown operation is no error. After an error the engine asks again, until
	// Config.CancelGrace is over.
	Cancel(ctx context.Context, h Handle) error
}

// Resumer is a Driver that needs more than a Handle to go on: what a handle must
// not hold because it is stored in clear, such as secrets of the blueprint.
type Resumer interface {
	// Resume tells the operation of a handle that an earlier process has stored,
	// before Poll or Cancel is called with it. It returns soon and asks nobody.
	Resume(op *Operation, h Handle)
}

// Forgetter is a Driver (or a Runner) that keeps something, so that Recover can
// tell how an operation ended, and wants to know when it may go.
type Forgetter interface {
	// Forget tells that the outcome of op's attempt is recorded: nobody will ask
	// for it again. It is not called for an outcome that is recorded just before
	// a crash, so a driver also has another way to find what nobody needs. It
	// returns soon.
	Forget(op *Operation)
}

// Handle names a running operation in the outside world. It is durable: it
// works in another process after a crash.
type Handle struct {
	// Driver is the Driver's name, Operation the Operation's ID. Set by the engine.
	Driver    string `json:"driver"`
	Operation string `json:"operation"`
	// Data is the driver's own, such as a job number or a process number.
	Data json.RawMessage `json:"data,omitempty"`
}

// OperationState is the phase of an operation as a driver reports it.
type OperationState string

// The phases.
const (
	NotStarted OperationState = "not-started"
	Running    OperationState = "running"
	Succeeded  OperationState = "succeeded"
	Failed     OperationState = "failed"
	Canceled   OperationState = "canceled"
	// Lost: begun, but its outcome cannot be known any more.
	Lost OperationState = "lost"
)

// ended tells that the operation goes on no more.
func (s OperationState) ended() bool {
	switch s {
	case Succeeded, Failed, Canceled, Lost:
		return true
	}
	return false
}

// Status is what a driver knows of an operation.
type Status struct {
	// Handle names the operation (Poll), or is the handle to keep (Start, Recover).
	Handle Handle
	State  OperationState
	// Outputs are what the operation returned, by name. Start and Recover may
	// give those of a running operation that are known already. The engine maps
	// declared outputs to attributes and stores the others as
	// attributes of the instance of the same name.
	Outputs map[string]any
	// Err is why it failed, with the target's own words.
	Err error
	// Detail is what to show of a running operation, such as a pending reason.
	Detail string
}

// Operation is one operation to run, with all that a driver may see of it.
type Operation struct {
	// ID is stable over retries and restarts: the idempotency key that a driver
	// writes into the outside world. It has only letters, digits, '.', '_' and '-'
	// and at most 63 characters.
	ID string
	// Deployment, Run and Step say where the operation belongs; Attempt counts from 1.
	Deployment, Run, Step string
	Attempt               int
	// Began is when the intent to run this attempt was recorded; zero where
	// nobody knows. A driver that remembers only what is younger than some time
	// must not conclude from what it does not find that an older one never began.
	Began time.Time

	// Instance is the ID of the node or relationship instance operated on.
	Instance string
	// Node is the node template (the source, for a relationship's operation);
	// Relationship is nil for a node's operation. Both are nil, and Instance is
	// empty, for the artifact that implements a workflow or a custom function.
	Node         *tosca.NodeTemplate
	Relationship *tosca.RelationshipTemplate
	// Interface and Name name the operation, such as "Standard" and "create".
	Interface, Name string

	// Primary is the artifact that implements the operation; nil for an
	// operation without an implementation, which only a driver that claims the node's type accepts.
	Primary *File
	// Dependencies are the implementation's other files, Artifacts those of the node.
	Dependencies, Artifacts []*File
	// Files is the archive, read-only.
	Files fs.FS

	// Inputs are evaluated: nil, bool, int64, float64, string, []any, map[string]any.
	Inputs map[string]any
	// Secrets are the values that must not show in any output of the operation.
	Secrets []string
	// Outputs are the names of the declared outputs.
	Outputs []string
	// Context is what a script may want to know of where it runs: names such as
	// NODE, INSTANCE, HOST, SOURCE_NODE, TARGET_NODE and their values.
	Context map[string]string

	// Self is the node (the source, for a relationship's operation) with its
	// values, Hosts what it is hosted on, nearest first, and Targets what its
	// requirements lead to. They are filled for a Surveyor only.
	Self    *Resource
	Hosts   []*Resource
	Targets []Target

	// Host is where it runs.
	Host Host
	// Timeout is how long it may run; zero for no limit. The engine keeps it.
	Timeout time.Duration
	// Log takes what the operation prints, line by line or in pieces. It is
	// never nil and safe for concurrent use.
	Log io.Writer
}

// File is an artifact of an operation.
type File struct {
	// Name is the artifact's name; empty for one given in place.
	Name string
	// Type is the artifact type's name and its ancestors', nearest first; empty where unknown.
	Types []string
	// Path is where the file or folder lies in Operation.Files.
	Path string
	// Template is the artifact in the template.
	Template *tosca.Artifact
}

// IsA tells whether the file's type is, or derives from, the named artifact type.
func (f *File) IsA(artifactType string) bool {
	for _, t := range f.Types {
		if t == artifactType {
			return true
		}
	}
	return false
}

// Host is where an operation runs.
type Host struct {
	// Name is the ID of the Compute instance, or "" for this machine.
	Name string
	// Address is a name or IP address; empty or "localhost" for this machine.
	Address string
	// Port is 0 for the default.
	Port int
	// User is empty for the default of the driver's configuration.
	User string
	// Identity is a private key in PEM or OpenSSH format, or a path of one
	// (KeyFile); Password is for password login. Each may be empty.
	Identity, KeyFile, Password string
	// Node is the Compute template; nil for this machine.
	Node *tosca.NodeTemplate
	// Location is the name of the location the node was placed at; may be empty.
	Location string
}

// Local tells that the host is this machine.
func (h Host) Local() bool { return h.Address == "" || h.Address == "localhost" }
