package ansible

import (
	"context"
	"errors"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// Config says how playbooks are run. The zero Config works.
type Config struct {
	// Command is ansible-playbook: a path, or a name looked up in PATH.
	// Default "ansible-playbook". It is first looked for when it is needed.
	Command string
	// Python is the interpreter that has Ansible: it runs the modules for this
	// machine and the preloaded process. Default: the one that Command names in its first line.
	Python string
	// User and KeyFile are the login and the private key for hosts that name
	// none themselves. Default: what SSH's own configuration says.
	User, KeyFile string
	// KnownHosts is the file with the keys of hosts. Default: those of SSH's own configuration.
	KnownHosts string
	// InsecureIgnoreHostKey connects to hosts whatever their key is. Default: a
	// host whose key is not known, or changed, is refused.
	InsecureIgnoreHostKey bool
	// SSHArgs are further arguments of ssh, such as "-J", "user@bastion".
	SSHArgs []string
	// Forks is how many hosts of one playbook are served at once. Default: Ansible's, 5.
	Forks int
	// Env are environment variables that are added to those which this process
	// has when New is called.
	Env map[string]string
	// NoPreload runs each playbook in a process of its own. Default: playbooks
	// run in forks of one process that has Ansible loaded.
	NoPreload bool
	// KeepFiles leaves the folders of operations in TempDir and logs where
	// they are. They hold inputs in clear.
	KeepFiles bool
	// TempDir is where folders for operations are made. Default: the system's
	// folder for temporary files.
	TempDir string
	// Grace is how long a canceled playbook may take to end by itself before it
	// is killed. Default 5 s.
	Grace time.Duration
	// Logger is silent by default.
	Logger hclog.Logger
}

// Driver runs playbooks. It is an executor.Runner: executor.Sync makes an
// executor.Driver of it. It is safe for concurrent use. Close it.
type Driver struct {
	cfg Config
	env []string

	mu      sync.Mutex
	found   *installation
	plugins string   // the folder of our plugins; "" before the first run
	lock    *os.File // that folder's
	closed  bool
	preload *preload // nil before the first run, and when it has died
	// noPreload tells not to start it: it is not wanted, or does not work here.
	noPreload bool
	deaths    int        // of preloaded processes
	starting  sync.Mutex // held while the preloaded process starts; before mu
}

// New returns a Driver. It starts nothing and does not look for Ansible.
func New(cfg Config) (*Driver, error) {
	if cfg.Command == "" {
		cfg.Command = "ansible-playbook"
	}
	if cfg.Grace == 0 {
		cfg.Grace = 5 * time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = hclog.NewNullLogger()
	}
	if cfg.Forks < 0 {
		return nil, errs.New(errs.InvalidArgument, "configure ansible", "", "Forks is %d: it must not be negative", cfg.Forks)
	}
	return &Driver{cfg: cfg, env: environment(os.Environ(), cfg), noPreload: cfg.NoPreload}, nil
}

// Name is "ansible".
func (d *Driver) Name() string { return "ansible" }

// playbookType is the normative artifact type of playbooks.
const playbookType = "tosca.artifacts.Implementation.Ansible"

// Accepts takes operations whose primary artifact is a playbook: its type, or
// one that it derives from, is tosca.artifacts.Implementation.Ansible or has a
// name that ends in "Ansible"; or its file name ends in ".yaml" or ".yml" and
// its type does not say what else it is.
func (d *Driver) Accepts(op *executor.Operation) bool {
	if op == nil || op.Primary == nil {
		return false
	}
	for _, t := range op.Primary.Types {
		if t == playbookType || strings.HasSuffix(t, "Ansible") {
			return true
		}
	}
	ext := strings.ToLower(path.Ext(op.Primary.Path))
	return (ext == ".yaml" || ext == ".yml") && !slices.ContainsFunc(op.Primary.Types, saysWhatElse)
}

// saysWhatElse tells whether an artifact type is one for something other than
// a playbook. The roots of the hierarchy and plain files say nothing.
func saysWhatElse(artifactType string) bool {
	switch artifactType {
	case "tosca.artifacts.Root", "tosca.artifacts.File", "tosca.artifacts.Implementation",
		"Root", "File", "Implementation":
		return false
	}
	return true
}

// Run runs op's playbook and returns what it gave to set_stats.
//
// A failed task is an error with code Failed that has the task's name, the host
// and the module's own words. A host that cannot be reached is Unavailable and
// worth a retry; one that refuses the login, or whose key is not known, is
// PermissionDenied. A playbook that Ansible cannot read is InvalidArgument with
// file, line and column. A missing Ansible is FailedPrecondition.
func (d *Driver) Run(ctx context.Context, op *executor.Operation) (map[string]any, error) {
	return d.run(ctx, op)
}

// SyntaxCheck has Ansible read op's playbook, with the roles and files that it
// imports, and runs nothing. Errors are those of Run.
func (d *Driver) SyntaxCheck(ctx context.Context, op *executor.Operation) error {
	_, err := d.run(ctx, op, "--syntax-check")
	return err
}

// run runs the playbook with further arguments for ansible-playbook.
func (d *Driver) run(ctx context.Context, op *executor.Operation, args ...string) (map[string]any, error) {
	subject := ""
	if op.Primary != nil {
		subject = op.Primary.Path
	}
	if !d.Accepts(op) {
		return nil, errs.New(errs.InvalidArgument, "run playbook", subject, "the operation has no playbook")
	}
	in, err := d.prepare(ctx)
	if err != nil {
		return nil, errs.Wrap(err, "run playbook", subject)
	}
	w, err := d.stage(op, in)
	if err != nil {
		return nil, errs.Wrap(err, "run playbook", subject)
	}
	defer w.remove()

	out := newOutcome(op, w)
	code, err := d.execute(ctx, in, w, append(args, w.arguments()...), out)
	if err != nil {
		return nil, errs.Wrap(err, "run playbook", subject)
	}
	if code != 0 {
		return nil, out.failure(code)
	}
	return out.stats, nil
}

// Close ends the preloaded process, with the playbooks that still run in it,
// and removes the driver's files. A closed Driver runs nothing any more.
func (d *Driver) Close() error {
	d.mu.Lock()
	p, dir, lock := d.preload, d.plugins, d.lock
	d.preload, d.plugins, d.lock, d.closed = nil, "", nil, true
	d.mu.Unlock()
	if p != nil {
		p.close()
	}
	if dir == "" {
		return nil
	}
	return errors.Join(os.RemoveAll(dir), lock.Close())
}

var (
	_ executor.Runner    = (*Driver)(nil)
	_ executor.Recoverer = (*Driver)(nil)
	_ io.Closer          = (*Driver)(nil)
)
