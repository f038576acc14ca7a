package local

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/drivers/internal/script"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// followInterval is how often the output of a running script is looked at.
const followInterval = 25 * time.Millisecond

// execute starts the job, follows its output and waits for its end, or stops
// it when ctx ends. What the script started in the background goes on.
//
// The script writes to files, not to pipes: a pipe would keep this process
// waiting for every background process that inherited it, and would break
// under a daemon that outlives the operation.
func (r *runner) execute(ctx context.Context, op *executor.Operation, job *script.Job, l layout, lock *os.File) (script.Exit, error) {
	stdout, err := follow(l.file("stdout"), script.NewLines(op.Log, job.Redact))
	if err != nil {
		return script.Exit{}, errs.New(errs.Internal, "run", op.Primary.Path, "%w", err)
	}
	defer stdout.close()
	stderr, err := follow(l.file("stderr"), script.NewLines(op.Log, job.Redact))
	if err != nil {
		return script.Exit{}, errs.New(errs.Internal, "run", op.Primary.Path, "%w", err)
	}
	defer stderr.close()
	cmd, err := r.command(job, l, lock)
	if err != nil {
		return script.Exit{}, err
	}
	cmd.Stdout, cmd.Stderr = stdout.file, stderr.file
	if err := cmd.Start(); err != nil {
		return script.Exit{}, notStarted(err, op.Primary.Path, job.Command[0])
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // the outcome is in ProcessState
		close(ended)
	}()
	stopped := r.wait(ctx, cmd, ended, stdout, stderr)
	stdout.finish()
	stderr.finish()
	words := stderr.lines.Tail()
	if words == "" {
		words = stdout.lines.Tail()
	}
	if stopped {
		return script.Exit{}, script.Stopped(ctx, op.Primary.Path, words)
	}
	if signal := signalOf(cmd.ProcessState); signal != "" || !survives {
		return script.Exit{Code: cmd.ProcessState.ExitCode(), Signal: signal, Words: words}, nil
	}
	return exitOf(cmd.ProcessState.ExitCode(), words), nil // the wrapper's
}

// wait passes on output until the process ends, or ctx ends and the process
// group was stopped; then it returns true.
func (r *runner) wait(ctx context.Context, cmd *exec.Cmd, ended <-chan struct{}, output ...*follower) (stopped bool) {
	tick := time.NewTicker(followInterval)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return false
		case <-ctx.Done():
			select {
			case <-ended: // it ended by itself at the same moment
				return false
			default:
			}
			r.stop(context.WithoutCancel(ctx), group(cmd.Process.Pid))
			<-ended
			return true
		case <-tick.C:
			for _, f := range output {
				f.read()
			}
		}
	}
}

// stop ends the process group: SIGTERM, and SIGKILL for what is left after the
// grace period.
func (r *runner) stop(ctx context.Context, g group) {
	grace := r.config.Grace
	if grace <= 0 {
		grace = 10 * time.Second
	}
	g.terminate()
	deadline := time.NewTimer(grace)
	defer deadline.Stop()
	tick := time.NewTicker(followInterval)
	defer tick.Stop()
	for alive := true; alive; {
		select {
		case <-ctx.Done():
			alive = false
		case <-deadline.C:
			alive = false
		case <-tick.C:
			alive = g.alive()
		}
	}
	g.kill()
}

// notStarted explains why a program did not start.
func notStarted(err error, subject, program string) error {
	e := &errs.Error{Code: errs.Failed, Op: "run", Subject: subject, Err: err}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Code = errs.FailedPrecondition
		e.Hint = "the interpreter " + program + " is not installed on this machine"
	case errors.Is(err, fs.ErrPermission):
		e.Code = errs.FailedPrecondition
		e.Hint = program + " may not be executed; the file system of the working directory may forbid it (noexec): set WorkDir"
	case tooBig(err):
		e.Code = errs.InvalidArgument
		e.Hint = "the inputs are too large together for environment variables; pass large data as an artifact"
	}
	return e
}

// follower passes on what a process writes to a file.
type follower struct {
	file   *os.File
	lines  *script.Lines
	offset int64
	buffer []byte
}

func follow(name string, lines *script.Lines) (*follower, error) {
	// O_APPEND: processes that share the file do not overwrite each other.
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	return &follower{file: f, lines: lines}, nil
}

// read passes on what the file has at this moment, and no more: a process may
// write faster than the log takes it, or for ever.
func (f *follower) read() {
	info, err := f.file.Stat()
	if err != nil || f.offset >= info.Size() {
		return
	}
	if f.buffer == nil {
		f.buffer = make([]byte, 32<<10)
	}
	for f.offset < info.Size() {
		n, err := f.file.ReadAt(f.buffer[:min(int64(len(f.buffer)), info.Size()-f.offset)], f.offset)
		f.offset += int64(n)
		_, _ = f.lines.Write(f.buffer[:n])
		if err != nil {
			return
		}
	}
}

// finish passes on what is there when the process has ended.
func (f *follower) finish() {
	f.read()
	_ = f.lines.Close()
}

func (f *follower) close() { _ = f.file.Close() }
