package slurm

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// Options are what a Manager may be told. The zero value is good.
type Options struct {
	// Env are variables given to every command, such as SLURM_CONF. Jobs inherit
	// them, as sbatch passes its environment on.
	Env map[string]string
	// Bin is the folder of Slurm's commands, where they are not on PATH.
	Bin string
	// Timeout bounds each command. Default one minute; Slurm's commands give up
	// by themselves after some 10 seconds (MessageTimeout) where the controller hangs.
	Timeout time.Duration
	// AccountingTimeout bounds each sacct. Default 15 seconds: the accounting is
	// never waited for long, since jobs are known without it.
	AccountingTimeout time.Duration
	// AccountingPause is for how long the accounting is left alone after it has
	// failed. Default one minute.
	AccountingPause time.Duration
	// History is how far back Find looks in the accounting. Default seven days.
	History time.Duration
	// Log is where warnings go. Default nowhere.
	Log hclog.Logger
}

// Manager is a cluster under Slurm, driven by its commands through a shell. It
// implements hpc.Manager.
type Manager struct {
	shell   hpc.Shell
	options Options
	log     hclog.Logger

	mu   sync.Mutex
	user string // whose jobs are submitted, once known
	// noAccounting tells until when sacct is not asked, and whyNot the error, empty
	// where the cluster has no accounting.
	noAccounting time.Time
	whyNot       string
}

var (
	_ hpc.Manager = (*Manager)(nil)
	_ hpc.Drainer = (*Manager)(nil)
)

// New returns the cluster whose commands the shell runs. It runs nothing yet.
func New(shell hpc.Shell, options *Options) (*Manager, error) {
	if shell == nil {
		return nil, errs.New(errs.InvalidArgument, "use", "Slurm", "there is no shell to run its commands")
	}
	m := &Manager{shell: shell}
	if options != nil {
		m.options = *options
	}
	m.options.Env = maps.Clone(m.options.Env)
	m.options.Timeout = cmp.Or(m.options.Timeout, time.Minute)
	m.options.AccountingTimeout = cmp.Or(m.options.AccountingTimeout, 15*time.Second)
	m.options.AccountingPause = cmp.Or(m.options.AccountingPause, time.Minute)
	m.options.History = cmp.Or(m.options.History, 7*24*time.Hour)
	m.log = m.options.Log
	if m.log == nil {
		m.log = hclog.NewNullLogger()
	}
	return m, nil
}

// Factory makes Managers with the default options, for hpc.Config.
func Factory() hpc.Factory { return FactoryWith(nil) }

// FactoryWith makes Managers with options.
func FactoryWith(options *Options) hpc.Factory {
	return hpc.Factory{
		Name: "slurm",
		// Wrappers for users of Torque bring a qsub, but no sbatch comes without Slurm.
		Detect: func(ctx context.Context, shell hpc.Shell) (bool, error) {
			if options != nil && options.Bin != "" {
				return hpc.Has(ctx, shell, path.Join(options.Bin, "sbatch"))
			}
			return hpc.Has(ctx, shell, "sbatch")
		},
		New: func(shell hpc.Shell) (hpc.Manager, error) { return New(shell, options) },
		Service: func(shell hpc.Shell, endpoint string) (hpc.Manager, error) {
			commands, err := New(shell, options)
			if err != nil {
				return nil, err
			}
			return NewREST(RESTOptions{URL: endpoint, Commands: commands, Token: (&tokens{commands: commands}).get})
		},
	}
}

// Name returns "slurm".
func (m *Manager) Name() string { return "slurm" }

// answer is what a command said.
type answer struct {
	code     int
	out, err string
}

// run runs one of Slurm's commands and returns what it said, whatever its exit
// code. The error is that of the shell, or of a command that took too long.
func (m *Manager) run(ctx context.Context, stdin string, args ...string) (answer, error) {
	return m.through(ctx, m.options.Timeout, hpc.Command{Args: args, Stdin: []byte(stdin), Env: m.options.Env}, m.shell.Run)
}

// ask runs a command that shows something: times are printed in UTC and lists of
// indexes in full, whatever the environment there says.
func (m *Manager) ask(ctx context.Context, timeout time.Duration, args ...string) (answer, error) {
	env := map[string]string{"TZ": "UTC", "SLURM_TIME_FORMAT": "standard", "SLURM_BITSTR_LEN": "0", "LC_ALL": "C"}
	maps.Copy(env, m.options.Env)
	return m.through(ctx, timeout, hpc.Command{Args: args, Env: env}, m.shell.Run)
}

// through runs a command in bounded time by a function such as hpc.Shell.Run.
func (m *Manager) through(ctx context.Context, timeout time.Duration, command hpc.Command,
	run func(context.Context, hpc.Command) (hpc.Result, error),
) (answer, error) {
	name := command.Args[0]
	if m.options.Bin != "" {
		command.Args[0] = path.Join(m.options.Bin, name)
	}
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	result, err := run(bounded, command)
	switch {
	case err != nil && ctx.Err() == nil && bounded.Err() != nil:
		return answer{}, executor.MarkRetryable(&errs.Error{Code: errs.Unavailable, Op: "run " + name, Subject: "on " + m.shell.Name(),
			Err: errors.New("no answer in " + timeout.String()), Hint: "see whether slurmctld and slurmdbd are well"})
	case err != nil:
		return answer{}, errs.Wrap(err, "run "+name, "on "+m.shell.Name())
	case result.Code == 127:
		return answer{}, &errs.Error{Code: errs.FailedPrecondition, Op: "run " + name, Subject: "on " + m.shell.Name(),
			Err:  errors.New("there is no such command: " + oneLine(string(result.Stderr))),
			Hint: "name the folder of Slurm's commands, or use a login shell that has them on PATH"}
	}
	return answer{result.Code, string(result.Stdout), string(result.Stderr)}, nil
}

// whoami returns the account that the shell runs as.
func (m *Manager) whoami(ctx context.Context) (string, error) {
	m.mu.Lock()
	user := m.user
	m.mu.Unlock()
	if user != "" {
		return user, nil
	}
	result, err := m.shell.Run(ctx, hpc.Command{Args: []string{"id", "-un"}})
	if err != nil {
		return "", errs.Wrap(err, "ask for the account", "on "+m.shell.Name())
	}
	lines := strings.Fields(string(result.Stdout))
	if result.Code != 0 || len(lines) == 0 {
		return "", errs.New(errs.FailedPrecondition, "ask for the account", "on "+m.shell.Name(), "id -un: %s", oneLine(string(result.Stderr)))
	}
	user = lines[len(lines)-1] // behind what a login shell may have printed
	m.mu.Lock()
	defer m.mu.Unlock()
	m.user = user
	return user, nil
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
