package hpc

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/seed-a4fd30b5/orchestrator/drivers/ssh/transport"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// Config says how clusters are reached and jobs watched. Managers is required.
type Config struct {
	// Managers are the kinds of workload managers, in the order in which they
	// are looked for, such as slurm.Factory() and torque.Factory().
	Managers []Factory
	// Transport says how to connect and log in.
	Transport transport.Config
	// Resolve says how to reach a login node. Default: as the blueprint has it.
	Resolve func(executor.Host) transport.Host
	// Env are variables of all commands on clusters, beside those of the
	// cluster's property environment.
	Env map[string]string
	// Results is the folder on this machine that gets the files of stage_out, in
	// a folder for each deployment. Default: "results".
	Results string
	// Sources is the folder on this machine that sources of stage_in with "file:"
	// in front may come from; empty for none.
	Sources string
	// MinPeriod and MaxPeriod bound how often a cluster is asked after its jobs:
	// each job wants to be looked at after a twentieth of its age. Defaults 2 s
	// and 30 s. MaxPeriod is to be below what the manager remembers of an ended
	// job (MinJobAge of Slurm, 300 s; keep_completed of Torque): of a job that it
	// has forgotten the exit code is known, but not the cause.
	MinPeriod, MaxPeriod time.Duration
	// Timeout bounds each question to a cluster. Default 1 min.
	Timeout time.Duration
	// SubmitPatience is how long Start goes on trying while the cluster does not
	// answer or a limit on submitted jobs is reached; what is left is for the
	// engine's retries. Default 10 min; negative for one try.
	SubmitPatience time.Duration
	// ImpossiblePatience is how long a job may wait of which the manager says that
	// no node or limit will ever allow it; then it is canceled, and fails. It gives
	// time to change the limits, or the job. Default 10 min; negative for ever.
	ImpossiblePatience time.Duration
	// MaxLog is how much of a job's output goes into the operation's log, in
	// bytes of all its files and tasks together. Default 1 MiB.
	MaxLog int64
	// Logger is silent by default.
	Logger hclog.Logger
}

// Driver runs the jobs of blueprints. It is an executor.Driver; Close ends it.
type Driver struct {
	config Config
	pool   *transport.Pool
	ctx    context.Context // of questions that outlive a call of Poll
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu       sync.Mutex
	clusters map[string]*cluster
	hosts    map[string]transport.Host    // with credentials, by the key of a place
	envs     map[string]map[string]string // of clusters, by the ID of an operation
	watches  map[string]*watch            // by operation and attempt
	asked    map[string]*question         // by the key of a place
}

// New returns a Driver without connections.
func New(config Config) *Driver {
	if config.Resolve == nil {
		config.Resolve = func(h executor.Host) transport.Host {
			return transport.Host{Address: h.Address, Port: h.Port, User: h.User, Identity: h.Identity, KeyFile: h.KeyFile, Password: h.Password}
		}
	}
	if config.Results == "" {
		config.Results = "results"
	}
	if config.MinPeriod <= 0 {
		config.MinPeriod = 2 * time.Second
	}
	if config.MaxPeriod <= 0 {
		config.MaxPeriod = 30 * time.Second
	}
	config.MaxPeriod = max(config.MaxPeriod, config.MinPeriod)
	if config.Timeout <= 0 {
		config.Timeout = time.Minute
	}
	if config.SubmitPatience == 0 {
		config.SubmitPatience = 10 * time.Minute
	}
	if config.ImpossiblePatience == 0 {
		config.ImpossiblePatience = 10 * time.Minute
	}
	if config.MaxLog <= 0 {
		config.MaxLog = 1 << 20
	}
	if config.Logger == nil {
		config.Logger = hclog.NewNullLogger()
	}
	if config.Transport.Logger == nil {
		config.Transport.Logger = config.Logger
	}
	d := &Driver{config: config, pool: transport.NewPool(config.Transport),
		clusters: map[string]*cluster{}, hosts: map[string]transport.Host{}, envs: map[string]map[string]string{}, watches: map[string]*watch{}, asked: map[string]*question{}}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return d
}

// Name returns "hpc".
func (d *Driver) Name() string { return "hpc" }

// Accepts takes start, stop and delete of nodes of type hpc.nodes.Job or
// hpc.nodes.Allocation that have no other implementation, and operations of such nodes whose primary artifact
// is an hpc.artifacts.JobScript.
func (d *Driver) Accepts(op *executor.Operation) bool {
	if !isJob(op) {
		return false
	}
	if op.Primary != nil {
		return op.Primary.IsA(scriptType)
	}
	return isStandard(op.Interface) && (op.Name == "start" || op.Name == "stop" || op.Name == "delete")
}

func isStandard(name string) bool { return name == "Standard" || strings.HasSuffix(name, ".Standard") }

// Surveys tells that the driver works from the values of the nodes.
func (d *Driver) Surveys(*executor.Operation) bool { return true }

// Start submits the job and returns its handle; or cancels what runs (stop), or
// removes the node's work directories (delete).
func (d *Driver) Start(ctx context.Context, op *executor.Operation) (executor.Status, error) {
	if err := ctx.Err(); err != nil {
		return executor.Status{}, errs.Wrap(err, op.Name, op.Instance)
	}
	deadline := time.Now().Add(d.config.SubmitPatience)
	for wait := d.config.MinPeriod; ; wait = min(2*wait, d.config.MaxPeriod) {
		s, err := d.begin(ctx, op)
		if errs.CodeOf(err) != errs.Unavailable || ctx.Err() != nil || time.Now().Add(wait).After(deadline) {
			return s, err
		}
		fmt.Fprintf(op.Log, "waiting for the cluster: %v\n", err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return executor.Status{}, errs.Wrap(ctx.Err(), op.Name, op.Instance)
		}
	}
}

// begin is one try of Start.
func (d *Driver) begin(ctx context.Context, op *executor.Operation) (executor.Status, error) {
	p, err := d.place(op)
	if err != nil {
		return executor.Status{}, err
	}
	c, err := d.open(ctx, p)
	if err != nil {
		return executor.Status{}, err
	}
	if op.Primary == nil && op.Name == "stop" {
		return d.stop(ctx, c, op)
	}
	if op.Primary == nil && op.Name == "delete" {
		return d.delete(ctx, c, op)
	}
	return d.submit(ctx, c, op)
}

// Recover finds the job of an operation by what was recorded on the cluster, by
// its tag, and by what the job itself has left in its work directory.
func (d *Driver) Recover(ctx context.Context, op *executor.Operation) (executor.Status, error) {
	if op.Primary == nil && op.Name != "start" {
		return executor.Status{State: executor.NotStarted}, nil // stop and delete may be done twice
	}
	p, err := d.place(op)
	if err != nil {
		return executor.Status{}, err
	}
	c, err := d.open(ctx, p)
	if err != nil {
		return executor.Status{}, err
	}
	dir := c.dir(op)
	id, err := c.find(ctx, dir, tagOf(op))
	if err != nil {
		return executor.Status{}, err
	}
	if id == "" {
		return executor.Status{State: executor.NotStarted}, nil
	}
	j, err := jobOf(op)
	if err != nil { // the values around it may have changed since
		d.config.Logger.Warn("cannot evaluate the job of a recovered operation", "operation", op.ID, "error", err)
		j = &job{spec: &JobSpec{Name: op.Instance}}
	}
	return d.running(op, c, j, id), nil
}

// Cancel has the manager end the job. Poll tells when it has.
func (d *Driver) Cancel(ctx context.Context, h executor.Handle) error {
	data, ok := parseHandle(h)
	if !ok || data.Stop != nil {
		return nil
	}
	d.mu.Lock()
	if w := d.watches[path.Base(data.Dir)]; w != nil {
		w.stop()
	}
	d.mu.Unlock()
	c, err := d.open(ctx, d.known(h, data.Place))
	if err != nil {
		return err
	}
	id := data.Job
	if id == "" {
		if id, err = c.find(ctx, data.Dir, path.Base(data.Dir)); err != nil || id == "" {
			return err
		}
	}
	return c.manager.Cancel(ctx, id)
}

// Forget drops what is kept of an operation in memory.
func (d *Driver) Forget(op *executor.Operation) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if w := d.watches[dirName(op)]; w != nil {
		w.stop()
	}
	delete(d.watches, dirName(op))
	delete(d.envs, op.ID)
}

// Resume takes what a handle must not hold from its operation: the environment
// and credentials of the cluster. It also has the operation's log, in which the
// job is followed again.
func (d *Driver) Resume(op *executor.Operation, h executor.Handle) {
	if _, err := d.place(op); err != nil {
		d.config.Logger.Warn("cannot evaluate the cluster of a resumed operation", "operation", op.ID, "error", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if data, ok := parseHandle(h); ok && data.Dir != "" && d.watches[path.Base(data.Dir)] == nil {
		d.watches[path.Base(data.Dir)] = d.newWatch(op.Log)
	}
}

// known completes the place of a handle by what this process knows of its operation.
func (d *Driver) known(h executor.Handle, p place) place {
	d.mu.Lock()
	defer d.mu.Unlock()
	p.Env = d.envs[h.Operation]
	return p
}

// Close ends the connections. Jobs go on.
func (d *Driver) Close() error {
	d.cancel()
	d.pool.Close()
	d.wg.Wait()
	return nil
}

var (
	_ executor.Driver    = (*Driver)(nil)
	_ executor.Chainer   = (*Driver)(nil)
	_ executor.Forgetter = (*Driver)(nil)
	_ executor.Resumer   = (*Driver)(nil)
)

// dirName is the name of a job's work directory, and its tag: another attempt
// has another one.
func dirName(op *executor.Operation) string { return op.ID + "-" + strconv.Itoa(op.Attempt) }

// handle is what a Handle holds. It has no secrets: see place.
type handle struct {
	Place place  `json:"place"`
	Dir   string `json:"dir,omitempty"`
	// Job is empty where it is not known whether it was submitted.
	Job  string `json:"job,omitempty"`
	Name string `json:"name,omitempty"`
	// Tasks counts those of an array; 0 for a plain job.
	Tasks int        `json:"tasks,omitempty"`
	Out   []Transfer `json:"out,omitempty"`
	// Results is the folder of this machine that gets what Out names.
	Results string `json:"results,omitempty"`
	// Factor is retry_memory_factor.
	Factor float64   `json:"factor,omitempty"`
	Began  time.Time `json:"began,omitzero"`
	// Serves tells that the operation ends when the job runs.
	Serves bool `json:"serves,omitempty"`
	// Chained tells that it depends on another job, by the manager's own means.
	Chained bool `json:"chained,omitempty"`
	// Stop are jobs that are to end, for the operation stop.
	Stop []string `json:"stop,omitempty"`
}

func parseHandle(h executor.Handle) (handle, bool) {
	var data handle
	err := json.Unmarshal(h.Data, &data)
	return data, err == nil && (data.Dir != "" || data.Stop != nil)
}

// running returns the status of a job that goes on, and begins to watch it.
func (d *Driver) running(op *executor.Operation, c *cluster, j *job, id string) executor.Status {
	data := handle{Place: c.place, Dir: c.dir(op), Job: id, Name: j.spec.Name, Tasks: countIndexes(j.spec.Array), Out: j.out,
		Results: path.Join(d.config.Results, safeName(op.Deployment)), Factor: j.factor, Serves: j.serves, Chained: chained(op), Began: time.Now().UTC()}
	w := d.newWatch(op.Log)
	d.mu.Lock()
	if old := d.watches[dirName(op)]; old != nil {
		old.stop()
	}
	d.watches[dirName(op)] = w
	d.mu.Unlock()
	s := d.status(op, data)
	s.Outputs = begun(data)
	return s
}

func (d *Driver) status(op *executor.Operation, data handle) executor.Status {
	text, _ := json.Marshal(data) // texts and numbers: cannot fail
	return executor.Status{State: executor.Running, Handle: executor.Handle{Driver: d.Name(), Operation: op.ID, Data: text}}
}
