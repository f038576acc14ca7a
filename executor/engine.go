package executor

import (
	"context"
	"io/fs"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
)

// Config says what an Engine is made of. Store and Drivers are required.
type Config struct {
	Store   state.Store
	Drivers []Driver
	// Owner is this engine's name in leases. Default: host name and process number.
	Owner string
	// Workers is how many operations may run at once. Default 4.
	Workers int
	// PerHost and PerDriver bound the operations at once on one host and in one
	// driver (by its name); 0 or absent for no limit.
	PerHost   int
	PerDriver map[string]int
	// LeaseTTL is how long a deployment stays locked after this process died. Default 30 s.
	LeaseTTL time.Duration
	// PollInterval is how often running operations are asked after. Default 1 s.
	PollInterval time.Duration
	// Retry is the policy for operations that fail with a retryable error.
	Retry RetryPolicy
	// Observe is called with each event, in order, from one goroutine at a
	// time for each run. It must not block for long.
	Observe func(Event)
	// Logger is silent by default.
	Logger hclog.Logger
}

// RetryPolicy says when to try a retryable failure again.
type RetryPolicy struct {
	// Attempts is how often an operation is tried altogether. Default 3; 1 for no retries.
	Attempts int
	// Backoff is the wait before the second attempt, doubled for each further
	// one up to MaxBackoff. Defaults 1 s and 1 min.
	Backoff, MaxBackoff time.Duration
}

// Archive is the files of a service template: what csar.Open returns.
type Archive interface {
	// FS is the archive's root, Entry the path of the service template in it.
	FS() fs.FS
	Entry() string
}

// Request is what Deploy and Update are asked to do.
type Request struct {
	// Deployment is the ID. Required.
	Deployment string
	// Archive holds the service template. For Deploy of a known deployment nil means the stored one.
	Archive Archive
	// Inputs of the service template. nil means those stored, where there are some.
	Inputs map[string]any
	// Labels are stored with the deployment.
	Labels map[string]string
	// Workers overrides Config.Workers for this run where it is not 0.
	Workers int
}

// Result is how a run ended, with what is there afterwards.
type Result struct {
	Run *state.Run
	// Plan is what was taken through.
	Plan *workflow.Plan
	// Failures are the operations that failed by themselves, not their consequences.
	Failures []*OperationError
}

// Output is an output of a service template.
type Output struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Value       any    `json:"value"`
}

// OperationError is an operation that failed.
type OperationError struct {
	Step, Instance, Interface, Operation, Host string
	// Err is the driver's error with the target's own words.
	Err error
}

var _ = context.Background
