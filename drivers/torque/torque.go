package torque

import (
	"bytes"
	"cmp"
	"context"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// The kinds of managers that this package speaks to.
const (
	kindTorque = "torque"
	kindPBS    = "pbs"
)

// Options say how a Manager works. The zero value is good.
type Options struct {
	// Kind is "torque", or "pbs" for PBS Pro and OpenPBS. Default: what
	// "qstat --version" tells, asked once.
	Kind string
	// CancelTimeout is how long Cancel waits for the jobs to end. Default: 30 s.
	CancelTimeout time.Duration
	// Period is the time between two looks while it waits. Default: 1 s.
	Period time.Duration
}

// Manager speaks to Torque, PBS Pro or OpenPBS through the commands of a login
// node. It implements hpc.Manager; all methods are safe for concurrent use.
type Manager struct {
	shell   hpc.Shell
	options Options

	mu   sync.Mutex
	kind string // empty until known
	user string // who the shell is, empty until known
	// historyFrom is when PBS is to be asked again whether it keeps a history.
	historyFrom time.Time
}

var (
	_ hpc.Manager = (*Manager)(nil)
	_ hpc.Drainer = (*Manager)(nil)
)

// New returns a Manager that works through a shell. It runs nothing yet.
//
// Errors: InvalidArgument for an unknown Options.Kind.
func New(shell hpc.Shell, opts *Options) (*Manager, error) {
	m := &Manager{shell: shell}
	if opts != nil {
		m.options = *opts
	}
	if k := m.options.Kind; k != "" && k != kindTorque && k != kindPBS {
		return nil, errs.New(errs.InvalidArgument, "use", "workload manager "+k, "known are torque and pbs")
	}
	m.kind = m.options.Kind
	m.options.CancelTimeout = cmp.Or(m.options.CancelTimeout, 30*time.Second)
	m.options.Period = cmp.Or(m.options.Period, time.Second)
	return m, nil
}

// Detect tells whether the cluster of a shell runs Torque, PBS Pro or OpenPBS, by
// "qstat --version". Slurm's imitation of qstat is not taken for one of them.
func Detect(ctx context.Context, shell hpc.Shell) (bool, error) {
	kind, err := detect(ctx, shell)
	if errs.CodeOf(err) == errs.FailedPrecondition {
		return false, nil
	}
	return kind != "", err
}

// Name is "torque", or "pbs" once the manager has told that it is PBS.
func (m *Manager) Name() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return cmp.Or(m.kind, kindTorque)
}

// which returns the kind of the manager, and asks for it if it must.
func (m *Manager) which(ctx context.Context) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kind != "" {
		return m.kind, nil
	}
	kind, err := detect(ctx, m.shell)
	if err != nil {
		return "", err
	}
	m.kind = kind
	return kind, nil
}

var torqueVersion = regexp.MustCompile(`(?im)^version:\s*\d`)

func detect(ctx context.Context, shell hpc.Shell) (string, error) {
	r, err := shell.Run(ctx, hpc.Command{Args: []string{"qstat", "--version"}})
	if err != nil {
		return "", err
	}
	said := append(bytes.Clone(r.Stdout), r.Stderr...) // some releases of Torque print it as an error
	switch {
	case bytes.Contains(said, []byte("pbs_version")):
		return kindPBS, nil
	case torqueVersion.Match(said):
		return kindTorque, nil
	}
	return "", &errs.Error{Code: errs.FailedPrecondition, Op: "ask for the version of qstat on", Subject: shell.Name(),
		Err:  errs.New(errs.FailedPrecondition, "", "", "exit code %d: %s", r.Code, clip(strings.TrimSpace(string(said)))),
		Hint: "neither Torque nor PBS; if its commands are in the PATH of login shells only, use such a shell"}
}

// run runs a command. Dates are read in UTC: qstat prints those of the process
// that runs it.
func (m *Manager) run(ctx context.Context, args ...string) (hpc.Result, error) {
	return m.shell.Run(ctx, hpc.Command{Args: args, Env: map[string]string{"TZ": "UTC"}})
}

// failure makes an error of a command that failed, from its exit code and words.
func failure(op, subject string, r hpc.Result) error {
	words := strings.TrimSpace(string(r.Stderr))
	if words == "" {
		words = strings.TrimSpace(string(r.Stdout))
	}
	code := classify(r.Code, strings.Join(complaintsOf(words), "\n"))
	err := errs.New(code, op, subject, "exit code %d: %s", r.Code, clip(words))
	if r.Code == 127 {
		err.Hint = "the command is missing; if it is in the PATH of login shells only, use such a shell"
	}
	if code == errs.Unavailable {
		return executor.MarkRetryable(err)
	}
	return err
}

// complaint is a line in which one of the managers' commands complains.
var complaint = regexp.MustCompile(`^(q[a-z]+:|pbsnodes:|Error (marking node|setting note) )`)

// complaintsOf returns the lines of standard error that are a command's own, which
// begin with its name (or, of a node, with Error): start files of the login node print there too. Where none
// does, it returns all.
func complaintsOf(text string) []string {
	var own, all []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		all = append(all, line)
		if complaint.MatchString(line) {
			own = append(own, line)
		}
	}
	if own == nil {
		return all
	}
	return own
}

// sayings are parts of what the managers print, with what they mean; the first
// that is found counts. Exit codes do not tell: they are the low bytes of codes
// that differ between the managers (172 and 170 for an unknown queue).
var sayings = []struct {
	words string
	code  errs.Code
}{
	{"unknown job id", errs.NotFound},
	{"nonexistent job id", errs.NotFound},
	{"cannot connect to server", errs.Unavailable},
	{"could not connect to", errs.Unavailable},
	{"connection refused", errs.Unavailable},
	{"communication failure", errs.Unavailable},
	{"end of file", errs.Unavailable},
	{"batch protocol error", errs.Unavailable},
	{"no free connections", errs.Unavailable},
	{"connection table full", errs.Unavailable},
	{"timed out", errs.Unavailable},
	{"timeout", errs.Unavailable},
	{"no route to host", errs.Unavailable},
	{"server shutting down", errs.Unavailable},
	{"server is busy", errs.Unavailable},
	{"too busy", errs.Unavailable},
	{"system error", errs.Unavailable},
	{"maximum number of", errs.Unavailable},
	{"would exceed", errs.Unavailable},
	{"limit on number of", errs.Unavailable},
	{"queue is full", errs.Unavailable},
	{"unauthorized", errs.PermissionDenied},
	{"not authorized", errs.PermissionDenied},
	{"permission", errs.PermissionDenied},
	{"access to queue is denied", errs.PermissionDenied},
	{"access from host not allowed", errs.PermissionDenied},
	{"bad uid", errs.PermissionDenied},
	{"invalid state for job", errs.FailedPrecondition},
	{"bad state", errs.FailedPrecondition},
	{"request invalid for", errs.FailedPrecondition},
	{"in progress", errs.FailedPrecondition}, // of a job's deletion
	{"job has finished", errs.FailedPrecondition},
	{"can't be set from the job's current state", errs.FailedPrecondition},
	{"queue is not enabled", errs.Unavailable},
}

func classify(exit int, words string) errs.Code {
	lower := strings.ToLower(words)
	for _, s := range sayings {
		if strings.Contains(lower, s.words) {
			return s.code
		}
	}
	switch exit {
	case 126, 127:
		return errs.FailedPrecondition
	case 75, 137, 143: // an earlier submission is at work; the command was killed
		return errs.Unavailable
	}
	return errs.InvalidArgument
}
