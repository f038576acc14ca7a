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
	// Restore creates a deployment as it was in another store: d with its
	// Revision, FirstSeq, LastSeq, LastLog, Created and Updated, and its records
	// with their numbers and times. It has no lease and no signals. Import calls
	// it. Instances come in order of ID, each once; runs each once; entries from
	// FirstSeq to LastSeq without gaps; log chunks in order of Seq. All is
	// stored, or nothing: an error of records ends it, and is returned; a crash
	// leaves nothing that can be seen. No lock or transaction that others wait
	// for is held while records yields. AlreadyExists; InvalidArgument.
	Restore(ctx context.Context, d *Deployment, records iter.Seq2[*Record, error]) error
	// Deployment returns the record of one deployment; NotFound.
	Deployment(ctx context.Context, id string) (*Deployment, error)
	// Deployments lists all deployments in order of ID.
	Deployments(ctx context.Context) ([]*Deployment, error)
	// DeleteDeployment forgets a deployment with its instances, runs, journal,
	// logs and signals. The lease must be held (see Commit).
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
	// many as there are when the loop starts. Entries that were trimmed are left
	// out: the first may have a Seq above after + 1. An error ends the loop: it
	// comes with a nil entry. No lock is held while the caller has an entry, so
	// the loop's body may call the store.
	Journal(ctx context.Context, id string, after uint64) iter.Seq2[*Entry, error]
	// Watch yields the entries of a deployment with Seq > after in order, and
	// then waits for more until ctx ends, the deployment is deleted, or the
	// caller stops. It ends without an error when ctx ends or the deployment is
	// deleted, with NotFound where there is none at first, and with Unavailable
	// when the store is closed.
	Watch(ctx context.Context, id string, after uint64) iter.Seq2[*Entry, error]

	// Logs yields the log chunks of a deployment with Seq > after, in order, as
	// many as there are when the loop starts: those of one operation (see
	// LogChunk.Operation), or all for an empty operation. Loop and errors are
	// those of Journal. The numbers may have gaps.
	Logs(ctx context.Context, id, operation string, after uint64) iter.Seq2[*LogChunk, error]
	// WatchLogs is Logs that then waits for more, and ends as Watch does.
	WatchLogs(ctx context.Context, id, operation string, after uint64) iter.Seq2[*LogChunk, error]

	// Trim forgets the beginning of a deployment's journal: the entries with Seq
	// <= before; numbers are not given anew. With them go the records and the log
	// chunks of the runs that have ended and have no entry left (Run.LastSeq <=
	// before), but never of the one that Deployment.Run names. The lease must
	// be held (see Commit); the revision stays. Whoever trims sees to it that a
	// run that may be resumed keeps its entries. Trim may work in several
	// transactions, so as not to hold others up: after an error, or a crash, a
	// part may be done, and the same call does the rest. NotFound.
	Trim(ctx context.Context, id string, lease Lease, before uint64) error

	// Signal leaves a message for whoever runs a deployment; it needs no lease.
	// NotFound if there is no such deployment or run, FailedPrecondition if the
	// run has ended, InvalidArgument if the kind is empty. A run's signals are
	// forgotten in the commit that records its end (Run.Ended).
	Signal(ctx context.Context, id string, s *Signal) error
	// Signals yields the signals of a deployment with Seq > after that are not
	// forgotten, in order, and waits for more; it ends as Watch does.
	Signals(ctx context.Context, id string, after uint64) iter.Seq2[*Signal, error]

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
	// digits>". It is no error if the blob is there: then it counts as put anew
	// (see Sweep). InvalidArgument if the content has another digest.
	PutBlob(ctx context.Context, digest string, content io.Reader) error
	// Blob opens the content stored under digest; NotFound.
	Blob(ctx context.Context, digest string) (io.ReadCloser, error)
	// Sweep deletes the blobs that were last put before the given time (of the
	// store's clock) and that nothing refers to: no Deployment.Template, no
	// Run.Plan, no Run.Blobs. It returns how many it deleted, also with an
	// error. Who puts a blob and then refers to it needs less time for that than
	// lies between before and now. Who reads a blob that is swept may get NotFound.
	Sweep(ctx context.Context, before time.Time) (removed int, err error)

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
	// FirstSeq is the Seq of the first journal entry that was not trimmed:
	// LastSeq + 1 where there is none. Set by the store.
	FirstSeq uint64 `json:"first_seq"`
	// LastSeq is the Seq of the last journal entry, 0 if there never was one.
	// Set by the store.
	LastSeq uint64 `json:"last_seq"`
	// LastLog is the Seq of the last log chunk, 0 if there never was one. Set by
	// the store.
	LastLog uint64 `json:"last_log,omitempty"`
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
	// Kind is deploy, undeploy, update, rollback, notify or the name of a workflow.
	Kind string `json:"kind"`
	// Plan is the digest of the blob that holds the plan as JSON.
	Plan string `json:"plan,omitempty"`
	// Blobs are the digests of other blobs that the run needs, such as the
	// archive that an update replaces.
	Blobs   []string  `json:"blobs,omitempty"`
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
	// FirstSeq and LastSeq tell where in the journal the run's entries are: none
	// is before or after. FirstSeq is the number of the first entry in the commit
	// that added the run (or that came after it), LastSeq that of the last entry
	// in the commit that ended the run, 0 while the run goes on. Set by the
	// store. So the first commit with entries of a run has the run with it.
	FirstSeq uint64 `json:"first_seq"`
	LastSeq  uint64 `json:"last_seq,omitempty"`
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
	// Logs are appended to the logs in the same way.
	Logs []*LogChunk
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

// LogChunk is a piece of what an operation printed. Chunks are never changed.
type LogChunk struct {
	// Seq counts the chunks of a deployment from 1.
	Seq  uint64    `json:"seq"`
	Time time.Time `json:"time"`
	// Run is the run's ID, a ValidID: the chunks go with the run (see Trim).
	Run string `json:"run"`
	// Operation is the operation's ID, Attempt which attempt at it (from 1).
	Operation string `json:"operation,omitempty"`
	Attempt   int    `json:"attempt,omitempty"`
	// Text is UTF-8, and may hold any character; what is not UTF-8 comes back
	// as U+FFFD.
	Text string `json:"text"`
}

// Record is one of what a deployment consists of; the others are nil.
type Record struct {
	Instance *Instance `json:"instance,omitempty"`
	Run      *Run      `json:"run,omitempty"`
	Entry    *Entry    `json:"entry,omitempty"`
	Log      *LogChunk `json:"log,omitempty"`
}

// Signal is a message to whoever runs a deployment.
type Signal struct {
	// Seq counts the signals of a deployment from 1. Set by the store.
	Seq uint64 `json:"seq"`
	// Time is set by the store where it is zero.
	Time time.Time `json:"time"`
	// Kind says what to do: see SignalCancel.
	Kind string `json:"kind"`
	// Run is the run that is meant.
	Run string `json:"run"`
	// From is who asks, for people.
	From string `json:"from,omitempty"`
}

// SignalCancel asks for the end of a run.
const SignalCancel = "cancel"

// Lease is the right to commit to one deployment.
type Lease struct {
	Deployment string
	Owner      string
	// Token is the fencing token: it grows with every acquisition.
	Token   uint64
	Expires time.Time
}
