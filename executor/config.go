package executor

import (
	"io/fs"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/seed-a4fd30b5/orchestrator/internal/redact"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

// Config says what an Engine is made of. Store is required; without Drivers
// only service templates without implemented operations can be deployed.
type Config struct {
	// Store keeps the deployments. The engine does not close it.
	Store state.Store
	// Drivers are asked in order; the first that accepts an operation runs it.
	Drivers []Driver
	// Owner is this engine's name in leases. Default: host name and process number.
	Owner string
	// Workers is how many operations may run at once in this engine. An
	// operation that goes on by itself after Driver.Start returned holds no
	// worker. Default 4.
	Workers int
	// PerHost and PerDriver bound the operations at once on one host (this
	// machine excepted) and in one driver (by its name), from start to end,
	// whether they hold a worker or not; 0 or absent for no limit.
	PerHost   int
	PerDriver map[string]int
	// LeaseTTL is how long a deployment stays locked after this process died.
	// The lease is renewed every third of it, and tried again more often where that
	// fails. Default 30 s.
	LeaseTTL time.Duration
	// PollInterval is how often running operations are asked after. Default 1 s.
	PollInterval time.Duration
	// CancelGrace is how long a cancelled or timed-out operation may take to
	// stop before its outcome counts as unknown. Default 30 s.
	CancelGrace time.Duration
	// Timeout is how long an attempt at an operation may take whose implementation
	// states no timeout of its own. Default 0: no limit.
	Timeout time.Duration
	// Retry says which operations that failed are tried again.
	Retry RetryPolicy
	// Keep says how much of its history a deployment keeps. Default: everything.
	Keep Retention
	// OnFailure says what happens to the rest of a run when an operation failed.
	// Default Stop.
	OnFailure FailurePolicy
	// RerunLost makes the engine run operations again whose outcome was lost in
	// a crash. Default: they fail, and only Resume runs them again. An operation
	// can allow it by itself with the metadata "rerunnable: true" of its node template.
	// It also lets another run begin where nobody can tell whether all operations of
	// the last one have stopped. Default: that is refused.
	RerunLost bool
	// Key is an AES-256 key (32 bytes) under which sensitive values are stored.
	// Without it they are not stored: sensitive inputs must be given to each
	// call that needs them, in Request.Inputs or Options.Inputs.
	Key []byte
	// Profiles and Fetch are those of tosca.Options, for archives that the engine
	// loads itself (Request.Template is nil). What they give is stored with the
	// deployment, which needs neither again.
	Profiles []fs.FS
	Fetch    func(url string) ([]byte, error)
	// Functions evaluate the custom functions of TOSCA 2.0, by the name as it is
	// called or declared: "ns:f" for "$ns:f". The arguments are data (nil, bool,
	// int64, float64, string, []any, map[string]any) and the function's own; so
	// must the result be, whatever its Go types of numbers, lists and maps. They
	// may be called at any time, several at once, and should depend on nothing
	// but the arguments. Templates may call them without defining them.
	//
	// A function that is not here, and whose signature has an implementation, is
	// evaluated by that artifact: the driver that accepts it runs it on this
	// machine, as an Operation of the interface "Function" with the inputs
	// "arguments" (a list), "argument_0" and so on, and takes the output "result".
	// A run waits for it, for 30 seconds at most, and calls it once for the same
	// arguments.
	Functions map[string]func(args []any) (any, error)
	// MaxLog is how many bytes are stored of what an operation prints in one
	// attempt. Of a longer output the beginning and the end are, with a line
	// between that says how many bytes are left out; the end, at most 64 KiB, only
	// when the attempt ended. Default 1 MiB; negative for nothing.
	MaxLog int
	// Observe is called with each event, in order, from one goroutine at a
	// time for each run. It must not block for long, and must not call the engine.
	Observe func(Event)
	// TracerProvider and MeterProvider get spans and metrics: see the package
	// comment. Default: the global ones of OpenTelemetry, which do nothing unless
	// the program has set others.
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider
	// Logger is silent by default.
	Logger hclog.Logger
}

// FailurePolicy says what happens to the rest of a run when an operation failed.
type FailurePolicy string

// The failure policies.
const (
	// Stop lets the running operations finish and starts nothing new.
	Stop FailurePolicy = "stop"
	// Continue goes on with everything that does not depend on the failed step.
	Continue FailurePolicy = "continue"
)

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
	// Template is what tosca.Load made of Archive, without errors, where the
	// caller has loaded it already; nil to have it loaded. One whose inputs
	// decide which nodes there are (ShapeInputs) is loaded again with Inputs, and
	// one whose Options differ in what they let pass (tosca.ServiceTemplate.LoadedAs)
	// without them.
	Template *tosca.ServiceTemplate
	// Inputs of the service template. nil means those stored, where there are some.
	Inputs map[string]any
	// Labels are stored with the deployment; nil leaves those stored.
	Labels map[string]string
	// Clean makes Deploy forget the instances of an earlier deployment first
	// (without undeploying them) and deploy everything anew.
	Clean bool
	// Workers is how many operations of this run may run at once, instead of
	// Config.Workers, where it is not 0.
	Workers int
	// OnFailure and RerunLost override those of Config for this run where they are not zero.
	OnFailure FailurePolicy
	RerunLost bool
	// Timeout and Retry override those of Config for this run, as far as they
	// are not zero. A run that is resumed is given its own.
	Timeout time.Duration
	Retry   RetryPolicy
	// Rollback makes a Deploy that failed take back what it has brought up: see
	// Deploy. Update does not look at it.
	Rollback bool
}

// Options are for runs of a deployment that is known: Undeploy, Notify,
// RunWorkflow and Resume. The zero value is ready. What is not explained here is
// as in Request.
type Options struct {
	// Inputs are laid over the stored inputs of the service template: needed
	// for sensitive ones that are not stored (Config.Key).
	Inputs map[string]any
	// Notification is what came with the event (Notify): it is handed to the
	// operations as the input "notification".
	Notification any
	Workers      int
	OnFailure    FailurePolicy
	RerunLost    bool
	Timeout      time.Duration
	Retry        RetryPolicy
}

// Result is how a run ended.
type Result struct {
	// Run is the run as recorded; nil where there was nothing to do.
	Run *state.Run
	// Plan is what was taken through.
	Plan *workflow.Plan
	// Failures are the operations that failed by themselves, not their consequences.
	Failures []*OperationError
	// Rollback is the run that took back what this one had made; nil if none did.
	Rollback *Result
}

// Output is an output of a service template.
type Output struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	// Value is data; nil while it has none. A sensitive one is a Secret.
	Value any `json:"value"`
}

// Secret is a value that prints as "***" everywhere; Reveal returns the value.
type Secret = redact.Secret

// Info is what is known of a deployment. Sensitive values in it are "***".
type Info struct {
	// Deployment is the record.
	Deployment *state.Deployment `json:"deployment"`
	// Status is computed from the states of the nodes and the last run.
	Status state.Status `json:"status"`
	// Run is the last run; nil if there was none.
	Run *state.Run `json:"run,omitempty"`
	// Instances are the nodes and relationships in order of ID.
	Instances []*state.Instance `json:"instances"`
	// Name, Author and TemplateVersion come from the service template's metadata.
	Name            string `json:"template_name,omitempty"`
	Author          string `json:"template_author,omitempty"`
	TemplateVersion string `json:"template_version,omitempty"`
	// Inputs are those given, by name.
	Inputs map[string]any `json:"inputs,omitempty"`
}
