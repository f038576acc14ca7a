package state

import (
	"context"
	"encoding/json"
	"io"
	"iter"
	"time"
)

// Store keeps what is known of deployments. Every method is safe for
// concurrent use, honours ctx, and returns errors with a Code (NotFound,
// AlreadyExists, Conflict, FailedPrecondition, InvalidArgument, Unavailable).
// What a method returns is the caller's own: changing it changes nothing in
// the store. What a method is given is neither changed nor kept. JSON is kept
// by value: white space between its tokens may go.
//
// statetest holds the suite that every Store must pass.
type Store interface {
	// CreateDeployment records a new deployment at revision 1. AlreadyExists if
	// the ID is taken; InvalidArgument if it is not a ValidID.
	CreateDeployment(ctx context.Context, d *Deployment) error
	// Deployment returns the record of one deployment; NotFound.
	Deployment(ctx context.Context, id string) (*Deployment, error)
	// Deployments lists all deployments in order of ID.
	Deployments(ctx context.Context) ([]*Deployment, error)
	// DeleteDeployment forgets a deployment with its instances, runs and
	// journal. The lease must be held (see Commit).
	DeleteDeployment(ctx context.Context, id string, lease Lease) error

	// Instances returns the instances of a deployment in order of ID.
	Instances(ctx context.Context, id string) ([]*Instance, error)
	// Run returns one run; NotFound.
	Run(ctx context.Context, id, run string) (*Run, error)
	// Runs lists the runs of a deployment, oldest first: in order of Started,
	// then ID.
	Runs(ctx context.Context, id string) ([]*Run, error)

	// Commit applies c to the deployment in one durable transaction, or not at
	// all, and returns the new revision, one more than before. Conflict if the
	// deployment's revision is not c.Revision; FailedPrecondition if the lease
	// is not held (another holder, an older token, or expired); NotFound;
	// InvalidArgument for IDs that break the rules and JSON that is none.
	Commit(ctx context.Context, id string, c *Commit) (revision uint64, err error)

	// Journal yields the entries of a deployment with Seq > after, in order, as
	// many as there are when the loop starts. An error ends the loop: it comes
	// with a nil entry. No lock is held while the caller has an entry, so the
	// loop's body may call the store.
	Journal(ctx context.Context, id string, after uint64) iter.Seq2[*Entry, error]
	// Watch yields the entries of a deployment with Seq > after in order, and
	// then waits for more until ctx ends, the deployment is deleted, or the
	// caller stops. It ends without an error when ctx ends or the deployment is
	// deleted, with NotFound where there is none at first, and with Unavailable
	// when the store is closed.
	Watch(ctx context.Context, id string, after uint64) iter.Seq2[*Entry, error]

	// AcquireLease makes owner the only one who may commit to the deployment
	// until the lease expires, ttl from now. Tokens grow with every acquisition
	// of the same deployment. Conflict, with the holder's name, while another
	// lease is valid (also one of the same owner); NotFound; InvalidArgument for
	// an empty owner or a ttl that is not positive.
	AcquireLease(ctx context.Context, id, owner string, ttl time.Duration) (Lease, error)
	// RenewLease sets the expiry to ttl from now; FailedPrecondition if it was
	// lost: expired, released, or taken by another.
	RenewLease(ctx context.Context, lease Lease, ttl time.Duration) (Lease, error)
	// ReleaseLease ends a lease; no error if it was lost already.
	ReleaseLease(ctx context.Context, lease Lease) error

	// PutBlob stores content under its SHA-256, given as "sha256:<64 hex
	// digits>". It is no error if the blob is there. InvalidArgument if the
	// content has another digest.
	PutBlob(ctx context.Context, digest string, content io.Reader) error
	// Blob opens the content stored under digest; NotFound.
	Blob(ctx context.Context, digest string) (io.ReadCloser, error)

	// Close releases what the store holds and ends the watches. Other methods
	// called after it return Unavailable.
	Close() error
}

// Deployment is one application that was, is or will be running.
type Deployment struct {
	// ID is a ValidID.
	ID string `json:"id"`
	// Template is the digest of the blob that holds the deployed CSAR (a zip),
	// Entry the path of the service template in it.
	Template string `json:"template,omitempty"`
	Entry    string `json:"entry,omitempty"`
	// Inputs are those given by the user, without defaults.
	Inputs json.RawMessage `json:"inputs,omitempty"`
	// Labels are the embedding program's own.
	Labels map[string]string `json:"labels,omitempty"`
	// Status is the phase of the last run: see the Status constants.
	Status Status `json:"status"`
	// Run is the last run's ID; empty if there was none.
	Run string `json:"run,omitempty"`
	// Revision counts commits from 1 (the creation). Set by the store.
	Revision uint64 `json:"revision"`
	// LastSeq is the Seq of the last journal entry, 0 for none. Set by the store.
	LastSeq uint64 `json:"last_seq"`
	// Created and Updated are in UTC. Set by the store.
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
}

// Status is the phase of a deployment. The words are xOpera's.
type Status string

// The statuses.
const (
	Initialized Status = "initialized"
	Deploying   Status = "deploying"
	Deployed    Status = "deployed"
	Undeploying Status = "undeploying"
	Undeployed  Status = "undeployed"
	Failed      Status = "error"
	Unknown     Status = "unknown"
)

// InstanceKind tells nodes from relationships.
type InstanceKind string

// The kinds.
const (
	Node         InstanceKind = "node"
	Relationship InstanceKind = "relationship"
)

// Instance is a node or relationship of a deployment. Its ID is 1 to 1024 bytes
// of UTF-8 without control characters. IDs are "web_0" for the
// first instance of node template "web", and
// "web_0--db_0--database.0" for its first requirement "database" aimed at db_0.
type Instance struct {
	ID   string       `json:"id"`
	Kind InstanceKind `json:"kind"`
	// Template is the name of the node template, or that of the relationship
	// template (empty for an unnamed one).
	Template string `json:"template,omitempty"`
	// Index numbers the instances of one node template from 0.
	Index int    `json:"index,omitempty"`
	Type  string `json:"type"`
	// State is TOSCA's node state: initial, creating, created, configuring,
	// configured, starting, started, stopping, deleting, error.
	State string `json:"state"`
	// Source, Target, Requirement and RequirementIndex belong to relationships.
	Source           string `json:"source,omitempty"`
	Target           string `json:"target,omitempty"`
	Requirement      string `json:"requirement,omitempty"`
	RequirementIndex int    `json:"requirement_index,omitempty"`
	// Properties are as last evaluated for an operation or at the end of a run.
	Properties map[string]json.RawMessage `json:"properties,omitempty"`
	// Attributes are those given a value at run time.
	Attributes map[string]json.RawMessage `json:"attributes,omitempty"`
	// CapabilityAttributes are by capability, then attribute.
	CapabilityAttributes map[string]map[string]json.RawMessage `json:"capability_attributes,omitempty"`
	// Outputs are what operations returned, by "interface.operation", then name.
	Outputs map[string]map[string]json.RawMessage `json:"outputs,omitempty"`
}

// Run is one plan taken through, or as far as it went.
type Run struct {
	// ID is a ValidID.
	ID string `json:"id"`
	// Kind is deploy, undeploy, update, notify or the name of a workflow.
	Kind string `json:"kind"`
	// Plan is the digest of the blob that holds the plan as JSON.
	Plan    string    `json:"plan,omitempty"`
	Status  RunStatus `json:"status"`
	Started time.Time `json:"started"`
	// Ended is zero while the run goes on.
	Ended time.Time `json:"ended,omitzero"`
	// Error is what failed, for people; empty where nothing did.
	Error string `json:"error,omitempty"`
	// Steps counts the plan's steps, Done those that succeeded, Failed those
	// that failed, Skipped those that were not reached because of it.
	Steps   int `json:"steps"`
	Done    int `json:"done"`
	Failed  int `json:"failed"`
	Skipped int `json:"skipped"`
}

// RunStatus is the phase of a run.
type RunStatus string

// The phases of a run.
const (
	RunRunning   RunStatus = "running"
	RunSucceeded RunStatus = "succeeded"
	RunFailed    RunStatus = "failed"
	RunCanceled  RunStatus = "canceled"
)

// Commit is a set of changes to one deployment.
type Commit struct {
	// Lease must be held. Revision must be the deployment's.
	Lease    Lease
	Revision uint64
	// Deployment replaces the record if not nil (its Revision, LastSeq,
	// Created and Updated are the store's).
	Deployment *Deployment
	// Run replaces or adds a run if not nil.
	Run *Run
	// Delete removes those IDs, if they exist; Put replaces or adds instances
	// after that, and the last of several with one ID counts.
	Put    []*Instance
	Delete []string
	// Entries are appended to the journal; the store sets their Seq, and Time
	// where it is zero.
	Entries []*Entry
}

// Entry is a line of a deployment's journal. Entries are never changed.
type Entry struct {
	// Seq counts the entries of a deployment from 1 without gaps.
	Seq  uint64    `json:"seq"`
	Time time.Time `json:"time"`
	Run  string    `json:"run,omitempty"`
	// Kind is the kind of event; the executor defines them.
	Kind string `json:"kind"`
	// Step is the step's ID in the run's plan, Instance the instance it acts
	// on, Operation the operation's ID. Each may be empty.
	Step      string `json:"step,omitempty"`
	Instance  string `json:"instance,omitempty"`
	Operation string `json:"operation,omitempty"`
	// Data is what the kind says.
	Data json.RawMessage `json:"data,omitempty"`
}

// Lease is the right to commit to one deployment.
type Lease struct {
	Deployment string
	Owner      string
	// Token is the fencing token: it grows with every acquisition.
	Token   uint64
	Expires time.Time
}
