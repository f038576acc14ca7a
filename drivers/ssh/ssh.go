package ssh

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sync/errgroup"

	"github.com/seed-a4fd30b5/orchestrator/drivers/internal/script"
	"github.com/seed-a4fd30b5/orchestrator/drivers/ssh/transport"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// Config says how hosts are reached and how scripts run there. The zero value
// is good where ~/.ssh has a key, or an agent runs, and known_hosts the hosts.
type Config struct {
	// Transport says how to connect and log in.
	Transport transport.Config
	// Resolve says how to reach a host of the blueprint, such as through which
	// jump hosts. Default: HostOf.
	Resolve func(executor.Host) transport.Host
	// Env are variables for every script, beside those that the host gives to a
	// session and may replace them.
	Env map[string]string
	// WorkDir is the folder on the hosts that holds those of the operations;
	// relative to the user's home. Default: ".orchestrator".
	WorkDir string
	// KeepFiles leaves the folders of the operations, to look into them.
	KeepFiles bool
	// Interpreters replaces the interpreter of an artifact type, by the type's
	// name. Defaults: "bash" for tosca.artifacts.Implementation.Bash and
	// "python3" for tosca.artifacts.Implementation.Python.
	Interpreters map[string]string
	// Grace is how long a stopped script has between SIGTERM and SIGKILL. Default 10 s.
	Grace time.Duration
	// Reconnect is how long Start tries to get back a connection that broke
	// before it leaves the operation to Poll. Default 2 min.
	Reconnect time.Duration
	// Logger is silent by default.
	Logger hclog.Logger
}

// HostOf returns a host of the blueprint as it is.
func HostOf(h executor.Host) transport.Host {
	return transport.Host{Address: h.Address, Port: h.Port, User: h.User,
		Identity: h.Identity, KeyFile: h.KeyFile, Password: h.Password}
}

// Driver runs scripts over SSH. It is an executor.Driver; Close ends it.
type Driver struct {
	config Config
	pool   *transport.Pool

	mu sync.Mutex
	// known has what handles do not hold of the operations that this process
	// has begun or recovered.
	known map[string]known
	// kept are the folders of ended operations, by name, that Recover needs
	// until the outcome is recorded.
	kept  map[string]kept
	trash map[string]*trash
	wg    sync.WaitGroup
}

// New returns a Driver without connections.
func New(config Config) *Driver {
	if config.Resolve == nil {
		config.Resolve = HostOf
	}
	if config.WorkDir == "" {
		config.WorkDir = ".orchestrator"
	}
	if config.Grace <= 0 {
		config.Grace = 10 * time.Second
	}
	if config.Reconnect <= 0 {
		config.Reconnect = 2 * time.Minute
	}
	if config.Logger == nil {
		config.Logger = hclog.NewNullLogger()
	}
	if config.Transport.Logger == nil {
		config.Transport.Logger = config.Logger
	}
	return &Driver{config: config, pool: transport.NewPool(config.Transport),
		known: map[string]known{}, kept: map[string]kept{}, trash: map[string]*trash{}}
}

// Name returns "ssh".
func (d *Driver) Name() string { return "ssh" }

// Accepts takes operations whose primary artifact is a script or a program and
// whose host is not this machine.
func (d *Driver) Accepts(op *executor.Operation) bool {
	return !op.Host.Local() && script.Is(op)
}

// handle is what a Handle holds. It has no secrets.
type handle struct {
	Address string `json:"address"`
	Port    int    `json:"port,omitempty"`
	User    string `json:"user,omitempty"`
	KeyFile string `json:"key_file,omitempty"`
	// Dir is the operation's folder on the host, Script the primary artifact.
	Dir    string `json:"dir"`
	Script string `json:"script"`
}

// known is what must not be in a handle: an operation's host with its
// credentials, and its secrets.
type known struct {
	host   transport.Host
	redact *strings.Replacer
}

// lookUp returns how to reach the operation's host, and its secrets. In a
// process that was not told of the operation (Start, Recover, Resume), an identity
// or password of its own is not known: the configured ones are used.
func (d *Driver) lookUp(operation string, h handle) known {
	d.mu.Lock()
	defer d.mu.Unlock()
	if k, ok := d.known[operation]; ok {
		return k
	}
	return known{host: d.config.Resolve(executor.Host{Address: h.Address, Port: h.Port, User: h.User, KeyFile: h.KeyFile})}
}

// running returns the status of an operation that goes on, and remembers it.
func (d *Driver) running(op *executor.Operation, dir string) executor.Status {
	d.mu.Lock()
	d.known[op.ID] = known{d.config.Resolve(op.Host), script.Redactor(op.Secrets)}
	d.mu.Unlock()
	data, _ := json.Marshal(handle{Address: op.Host.Address, Port: op.Host.Port, User: op.Host.User,
		KeyFile: op.Host.KeyFile, Dir: dir, Script: op.Primary.Path}) // strings and a number: cannot fail
	return executor.Status{State: executor.Running,
		Handle: executor.Handle{Driver: d.Name(), Operation: op.ID, Data: data}}
}

func (d *Driver) forget(operation string) {
	d.mu.Lock()
	delete(d.known, operation)
	d.mu.Unlock()
}

// Start lays out the operation's files on its host, launches the script and
// follows it to its end. Where the connection breaks, it connects again and
// goes on; where that does not work for Config.Reconnect, it returns the handle.
func (d *Driver) Start(ctx context.Context, op *executor.Operation) (executor.Status, error) {
	if ctx.Err() != nil {
		return executor.Status{}, script.Stopped(ctx, op.Interface+"."+op.Name, "")
	}
	job, err := script.Prepare(op, d.config.Interpreters)
	if err != nil {
		return executor.Status{}, err
	}
	r := &remote{driver: d, op: op, job: job, host: d.config.Resolve(op.Host)}
	found, err := r.prepare(ctx)
	if err != nil {
		return executor.Status{}, err
	}
	switch found.state {
	case stateNone:
		return r.run(ctx)
	case stateRunning:
		return d.running(op, r.dir), nil
	}
	return d.ended(ctx, op.ID, known{r.host, job.Redact}, handle{Dir: r.dir, Script: op.Primary.Path})
}

// Recover looks for the operation's folder on its host.
func (d *Driver) Recover(ctx context.Context, op *executor.Operation) (executor.Status, error) {
	host := d.config.Resolve(op.Host)
	client, err := d.pool.Get(ctx, host)
	if err != nil {
		return executor.Status{}, err
	}
	defer client.Release()
	dir, err := d.dir(ctx, client, op)
	if err != nil {
		return executor.Status{}, err
	}
	found, err := look(ctx, client, []string{dir})
	if err != nil {
		return executor.Status{}, err
	}
	switch found[0].state {
	case stateNone:
		if !op.Began.IsZero() && time.Since(op.Began) > trusted {
			return executor.Status{State: executor.Lost, Err: errs.New(errs.Failed, "find", op.Interface+"."+op.Name,
				"it began more than %v ago, and the host has nothing of it any more", trusted)}, nil
		}
		return executor.Status{State: executor.NotStarted}, nil
	case stateRunning:
		return d.running(op, dir), nil
	}
	h := handle{Dir: dir, Script: op.Interface + "." + op.Name}
	if op.Primary != nil {
		h.Script = op.Primary.Path
	}
	return d.ended(ctx, op.ID, known{host, script.Redactor(op.Secrets)}, h)
}

// Resume implements executor.Resumer: the operation has what its handle does not
// hold of how to reach its host.
func (d *Driver) Resume(op *executor.Operation, h executor.Handle) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.known[h.Operation] = known{d.config.Resolve(op.Host), script.Redactor(op.Secrets)}
}

// asked is how many hosts Poll asks at the same time.
const asked = 32

// Poll asks each host once for all its operations. Those of a host that does
// not answer are left out; the others do not wait for their turn behind it.
func (d *Driver) Poll(ctx context.Context, handles []executor.Handle) ([]executor.Status, error) {
	groups := d.group(handles)
	found := make([][]executor.Status, len(groups))
	var asking errgroup.Group
	asking.SetLimit(asked)
	for i, group := range groups {
		asking.Go(func() (err error) {
			if found[i], err = d.pollHost(ctx, group); err != nil && ctx.Err() == nil {
				d.config.Logger.Warn("cannot ask after operations", "host", group.host.String(), "error", err)
				return nil
			}
			return err
		})
	}
	err := asking.Wait()
	return slices.Concat(found...), err
}

// Cancel stops a running operation: SIGTERM to its process group, and SIGKILL
// after the grace period.
func (d *Driver) Cancel(ctx context.Context, h executor.Handle) error {
	var data handle
	if err := json.Unmarshal(h.Data, &data); err != nil || data.Dir == "" {
		return nil // not a handle of this driver's: nothing runs
	}
	client, err := d.pool.Get(ctx, d.lookUp(h.Operation, data).host)
	if err != nil {
		return err
	}
	defer client.Release()
	return d.cancel(ctx, client, data.Dir)
}

// Forget removes the folder of an operation whose outcome is recorded, a few
// seconds later and together with others on the host.
func (d *Driver) Forget(op *executor.Operation) {
	d.mu.Lock()
	k, ok := d.kept[name(op)]
	delete(d.kept, name(op))
	d.mu.Unlock()
	if ok {
		d.discard(k.host, k.dir)
	}
}

// Close removes what operations have left on their hosts whose outcome is
// recorded (Forget), waiting ten seconds at most, and ends all connections.
// Operations that still run go on.
func (d *Driver) Close() error {
	d.empty()
	d.wg.Wait()
	d.pool.Close()
	return nil
}

var (
	_ executor.Driver    = (*Driver)(nil)
	_ executor.Forgetter = (*Driver)(nil)
	_ executor.Resumer   = (*Driver)(nil)
)

// lost is the error of an operation that nobody can tell the end of.
func lost(subject string) error {
	return errs.New(errs.Failed, "run", subject, "the script vanished without saying how it ended: the host was restarted, or it was killed")
}
