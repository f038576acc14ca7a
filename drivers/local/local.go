package local

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/drivers/internal/script"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// Config says how scripts run. The zero value is good.
type Config struct {
	// Env are variables for every script, beside PATH, HOME, LANG, LC_ALL,
	// USER, LOGNAME, TMPDIR and TZ, which it gets from this process where they
	// are set. They may replace those.
	Env map[string]string
	// WorkDir is where the folder is made that holds those of the operations,
	// for this account alone. Default: the system's folder for temporary files.
	// The programs that resume each other's runs must have the same.
	WorkDir string
	// KeepFiles leaves the folders of the operations, to look into them.
	KeepFiles bool
	// Interpreters replaces the interpreter of an artifact type, by the type's
	// name. Defaults: "bash" for tosca.artifacts.Implementation.Bash and
	// "python3" for tosca.artifacts.Implementation.Python.
	Interpreters map[string]string
	// Grace is how long a stopped script has between SIGTERM and SIGKILL. Default 10 s.
	Grace time.Duration
}

// Driver runs scripts on this machine. It is an executor.Driver whose work ends
// with Start: see executor.Sync. Recover finds the scripts of a process that is
// gone, and is an executor.Forgetter.
type Driver struct{ executor.Driver }

// New returns a Driver. It makes the folder in WorkDir, so that Recover knows
// later what was there before an operation began; if that does not work, Start says so.
func New(config Config) *Driver {
	r := &runner{config, newFolders(config.WorkDir)}
	_ = r.folders.make()
	return &Driver{executor.Sync(r)}
}

// Forget removes what was kept of an operation: see executor.Forgetter.
func (d *Driver) Forget(op *executor.Operation) { d.Driver.(executor.Forgetter).Forget(op) }

// runner is the executor.Runner behind Driver.
type runner struct {
	config  Config
	folders *folders
}

// Name returns "local".
func (r *runner) Name() string { return "local" }

// Accepts takes operations whose primary artifact is a script or a program and
// whose host is this machine.
func (r *runner) Accepts(op *executor.Operation) bool {
	return op.Host.Local() && script.Is(op)
}

// Run runs the operation's script to its end and returns its outputs.
//
// Errors: Failed where the script says so, with its last words (Unavailable and
// retryable for exit code 75, EX_TEMPFAIL); Canceled and DeadlineExceeded where ctx ended;
// FailedPrecondition where the interpreter is missing; NotFound and
// InvalidArgument where artifacts or outputs are not as they should be.
func (r *runner) Run(ctx context.Context, op *executor.Operation) (map[string]any, error) {
	if ctx.Err() != nil {
		return nil, script.Stopped(ctx, op.Interface+"."+op.Name, "")
	}
	job, err := script.Prepare(op, r.config.Interpreters)
	if err != nil {
		return nil, err
	}
	l, lock, found, err := r.place(ctx, op, job)
	if err != nil || found != nil {
		return found.outcome(err)
	}
	defer lock.Close()
	if op.ID == "" && !r.config.KeepFiles { // nobody can ask for it
		defer os.RemoveAll(l.dir)
	}
	if err := l.write(job); err != nil {
		return nil, errs.Wrap(err, "lay out the files of", op.Primary.Path)
	}
	exit, err := r.execute(ctx, op, job, l, lock)
	if !r.config.KeepFiles {
		_ = os.Remove(l.file("inputs.json"))
	}
	if err != nil {
		return nil, err
	}
	if err := exit.Err(op.Primary.Path); err != nil {
		return nil, err
	}
	return l.outputs(op.Primary.Path)
}

// earlier is how an operation ended, or goes on, that was begun before.
type earlier struct{ executor.Status }

func (e *earlier) outcome(err error) (map[string]any, error) {
	if err != nil {
		return nil, err
	}
	return e.Outputs, e.Err
}

// place makes the folder of an operation and locks it. If the operation was
// begun before, with this attempt, it returns how that ended instead.
func (r *runner) place(ctx context.Context, op *executor.Operation, job *script.Job) (layout, *os.File, *earlier, error) {
	failed := func(err error) (layout, *os.File, *earlier, error) {
		return layout{}, nil, nil, errs.New(errs.FailedPrecondition, "make a working directory for", op.Primary.Path, "%w", err)
	}
	if err := r.folders.make(); err != nil {
		return failed(err)
	}
	if !r.config.KeepFiles {
		r.folders.sweep()
	}
	l := r.folders.of(op)
	if op.ID == "" {
		dir, err := os.MkdirTemp(r.folders.boot, "unnamed-")
		if err != nil {
			return failed(err)
		}
		l = layout{dir}
	}
	for {
		lock, p, code, err := l.claim()
		switch {
		case err != nil:
			return failed(err)
		case p == running:
			if s := r.await(ctx, l, op.Primary.Path, job.Redact); s.State != executor.NotStarted {
				return l, nil, &earlier{s}, nil
			}
		case p != unbegun:
			return l, nil, &earlier{l.status(p, code, op.Primary.Path, job.Redact)}, nil
		default:
			return l, lock, nil, nil
		}
	}
}

// layout is the folder of one operation: the working directory and, beside it
// so that no artifact collides with them, the files of the protocol.
type layout struct{ dir string }

func (l layout) work() string            { return filepath.Join(l.dir, "work") }
func (l layout) file(name string) string { return filepath.Join(l.dir, name) }

// write lays out the job's files.
func (l layout) write(job *script.Job) error {
	if err := os.Mkdir(l.work(), 0o755); err != nil {
		return err
	}
	for _, e := range job.Entries {
		if err := l.writeEntry(job, e); err != nil {
			return err
		}
	}
	if err := os.WriteFile(l.file("inputs.json"), job.Inputs, 0o600); err != nil {
		return err
	}
	return os.WriteFile(l.file("outputs"), nil, 0o600)
}

func (l layout) writeEntry(job *script.Job, e script.Entry) error {
	target := filepath.Join(l.work(), filepath.FromSlash(e.Name))
	if e.Dir {
		return os.Mkdir(target, e.Mode)
	}
	from, err := job.Open(e)
	if err != nil {
		return err
	}
	defer from.Close()
	if e.Mode&0o111 != 0 {
		// A process that another goroutine forks now would have the file open for
		// writing until it execs, and Linux refuses to execute such a file
		// (go.dev/issue/22315): no fork meanwhile.
		syscall.ForkLock.RLock()
		defer syscall.ForkLock.RUnlock()
	}
	to, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, e.Mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}

// outputs reads what the script returned.
func (l layout) outputs(subject string) (map[string]any, error) {
	f, err := os.Open(l.file("outputs"))
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]any{}, nil // the script removed it: it returns nothing
	}
	if err != nil {
		return nil, errs.New(errs.Internal, "read the outputs of", subject, "%w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, script.MaxOutputs+1))
	if err != nil {
		return nil, errs.New(errs.Internal, "read the outputs of", subject, "%w", err)
	}
	outputs, err := script.ParseOutputs(data)
	return outputs, errs.Wrap(err, "run", subject)
}

// inherited are the variables that a script gets from this process.
var inherited = []string{"PATH", "HOME", "LANG", "LC_ALL", "USER", "LOGNAME", "TMPDIR", "TZ"}

// environment returns the variables for a job, the later ones winning.
func (r *runner) environment(job *script.Job, l layout) []string {
	var env []string
	for _, name := range inherited {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	for name, v := range r.config.Env {
		env = append(env, name+"="+v)
	}
	slices.Sort(env[len(env)-len(r.config.Env):])
	env = append(env, job.Env...)
	return append(env, "TOSCA_HOST=localhost", "TOSCA_INPUTS="+l.file("inputs.json"), "TOSCA_OUTPUTS="+l.file("outputs"))
}

// command returns what starts the job; its program is looked up in the PATH
// that the script will see.
func (r *runner) command(job *script.Job, l layout, lock *os.File) (*exec.Cmd, error) {
	program := job.Command[0]
	env := r.environment(job, l)
	if !strings.Contains(program, "/") {
		found, err := lookPath(program, env)
		if err != nil {
			return nil, &errs.Error{Code: errs.FailedPrecondition, Op: "run", Subject: job.Name, Err: err,
				Hint: "install " + program + " on this machine, or name another interpreter in the driver's configuration"}
		}
		program = found
	} else if !path.IsAbs(program) {
		program = filepath.Join(l.work(), program)
	}
	if err := executable(program); err != nil {
		return nil, notStarted(err, job.Name, job.Command[0])
	}
	words := append([]string{program}, job.Command[1:]...)
	cmd := &exec.Cmd{Path: program, Args: words, Env: env, Dir: l.work()}
	if survives {
		cmd.Path, cmd.Args = "/bin/sh", append([]string{"sh", "-c", wrapper, "sh"}, words...)
		cmd.ExtraFiles = []*os.File{lock} // descriptor 3
	}
	ownGroup(cmd)
	return cmd, nil
}

// executable tells why a program cannot be executed, before anything is begun.
func executable(program string) error {
	_, err := exec.LookPath(program)
	var found *exec.Error
	if errors.As(err, &found) {
		err = found.Err
	}
	if errors.Is(err, syscall.EISDIR) {
		return fs.ErrPermission
	}
	return err
}

// lookPath finds a program in the PATH of env.
func lookPath(program string, env []string) (string, error) {
	for _, v := range slices.Backward(env) {
		list, ok := strings.CutPrefix(v, "PATH=")
		if !ok {
			continue
		}
		for _, dir := range filepath.SplitList(list) {
			candidate := filepath.Join(dir, program)
			if info, err := os.Stat(candidate); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 && filepath.IsAbs(candidate) {
				return candidate, nil
			}
		}
		break
	}
	return "", errors.New(program + " is not in the PATH")
}
