//go:build unix

package ansible

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// drainTime is how long the output of an ended playbook is waited for when a
// process that it left behind holds it open.
const drainTime = time.Second

// process is a running ansible-playbook, in a session and process group of its own.
type process interface {
	// ended is closed when it has ended.
	ended() <-chan struct{}
	// status is the exit code, negative for a signal; for an ended process.
	status() (int, error)
	// signal is sent to all that is left of the process group.
	signal(syscall.Signal)
}

// execute runs ansible-playbook in w's working directory and feeds out with
// what it reports and prints. It returns the exit code. When ctx ends, so does the playbook.
func (d *Driver) execute(ctx context.Context, in *installation, w *workdir, args []string, out *outcome) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, ctxError(ctx)
	}
	reportR, reportW, err := pipe()
	if err != nil {
		return 0, err
	}
	defer reportR.Close()
	outputR, outputW, err := pipe()
	if err != nil {
		reportW.Close()
		return 0, err
	}
	defer outputR.Close()

	p, err := process(nil), w.begin()
	if err == nil {
		p, err = d.launch(ctx, in, w, args, outputW, reportW)
	}
	reportW.Close()
	outputW.Close()
	if err != nil {
		return 0, err
	}
	read := make(chan error, 2)
	go func() { read <- lines(reportR, maxReport, out.report) }()
	go func() { read <- lines(outputR, maxReport, out.print) }()

	canceled := waitOrStop(ctx, p, d.cfg.Grace)
	deadline := time.Now().Add(drainTime)
	reportR.SetReadDeadline(deadline)
	outputR.SetReadDeadline(deadline)
	readErr := errors.Join(<-read, <-read)
	if canceled {
		return 0, ctxError(ctx)
	}
	code, err := p.status()
	if err == nil && code == 0 {
		err = readErr
	}
	return code, err
}

// pipe is os.Pipe with an end for writing that blocks: Ansible refuses any other.
func pipe() (r, w *os.File, err error) {
	if r, w, err = os.Pipe(); err != nil {
		return nil, nil, err
	}
	if err := syscall.SetNonblock(int(w.Fd()), false); err != nil {
		r.Close()
		w.Close()
		return nil, nil, err
	}
	return r, w, nil
}

// maxDeaths is how often the preloaded process may die before it is given up.
const maxDeaths = 3

// launch starts the playbook in the preloaded process, or in one of its own.
func (d *Driver) launch(ctx context.Context, in *installation, w *workdir, args []string, output, report *os.File) (process, error) {
	// Twice: a process that died since the last playbook is replaced.
	for range 2 {
		p := d.preloaded(ctx, in)
		if p == nil {
			break
		}
		if f, err := p.run(w.dir, args, w.environ(d.env), output, report); err == nil {
			return f, nil
		}
		d.drop(p)
	}
	if err := ctx.Err(); err != nil {
		return nil, ctxError(ctx)
	}
	return d.fresh(in, w, args, output, report)
}

// preloaded returns the preloaded process, which it starts at need; nil where
// there is to be none.
func (d *Driver) preloaded(ctx context.Context, in *installation) *preload {
	d.starting.Lock()
	defer d.starting.Unlock()
	d.mu.Lock()
	p, off := d.preload, d.noPreload || d.closed
	d.mu.Unlock()
	if p != nil || off {
		return p
	}
	p, err := startPreload(ctx, in, d.env, d.cfg)
	if ctx.Err() != nil {
		// That it did not start says nothing about whether it can.
		if err == nil {
			p.close()
		}
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.noPreload = true
		d.cfg.Logger.Warn("Ansible cannot be preloaded: each playbook starts it afresh", "reason", err)
		return nil
	}
	if d.closed {
		p.close()
		return nil
	}
	d.cfg.Logger.Debug("Ansible is preloaded", "version", p.version, "pid", p.cmd.Process.Pid)
	d.preload = p
	return p
}

// drop forgets a preloaded process that is dead.
func (d *Driver) drop(p *preload) {
	p.conn.Close()
	<-p.gone
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.preload != p {
		return
	}
	d.preload = nil
	d.deaths++
	d.noPreload = d.noPreload || d.deaths >= maxDeaths
	d.cfg.Logger.Warn("the process in which Ansible is loaded ended", "reason", p.stderr.String(), "tried again", !d.noPreload)
}

// waitOrStop waits for the end of p. When ctx ends first, it asks p to end,
// kills it after the grace period, and returns true.
func waitOrStop(ctx context.Context, p process, grace time.Duration) bool {
	select {
	case <-p.ended():
		return false
	case <-ctx.Done():
	}
	p.signal(syscall.SIGTERM)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.ended():
	case <-timer.C:
	}
	// Also after the end: it may have left processes of its group behind.
	p.signal(syscall.SIGKILL)
	<-p.ended()
	return true
}

// ctxError is that ctx ended, and why.
func ctxError(ctx context.Context) error {
	err := ctx.Err()
	if cause := context.Cause(ctx); !errors.Is(cause, err) {
		err = fmt.Errorf("%w: %w", err, cause)
	}
	return &errs.Error{Code: errs.CodeOf(ctx.Err()), Err: err}
}

// freshProcess is an ansible-playbook of its own.
type freshProcess struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

func (d *Driver) fresh(in *installation, w *workdir, args []string, output, report *os.File) (process, error) {
	cmd := exec.Command(in.command, args...)
	cmd.Dir = w.dir
	cmd.Env = append(in.environ(d.env), w.environ(d.env)...)
	cmd.Stdout, cmd.Stderr = output, output
	// Descriptor 3; and the lock, so that the folder is known to be in use when
	// this program is gone and the playbook is not.
	cmd.ExtraFiles = []*os.File{report, w.lock}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, errs.New(errs.FailedPrecondition, "start", in.command, "%w", err)
	}
	p := &freshProcess{cmd: cmd, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

func (p *freshProcess) ended() <-chan struct{} { return p.done }

func (p *freshProcess) signal(s syscall.Signal) {
	// The group outlives its leader where the leader left processes behind; a
	// group without processes gives an error that says nothing new.
	_ = syscall.Kill(-p.cmd.Process.Pid, s)
}

func (p *freshProcess) status() (int, error) {
	var exit *exec.ExitError
	if p.err != nil && !errors.As(p.err, &exit) {
		return 0, p.err
	}
	if ws, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return -int(ws.Signal()), nil
	}
	return p.cmd.ProcessState.ExitCode(), nil
}

// maxReport bounds a line that is read from a playbook.
const maxReport = 64 << 20

// lines calls f with each line of r until its end or its deadline.
func lines(r io.Reader, limit int, f func(line []byte)) error {
	s := bufio.NewScanner(r)
	s.Buffer(nil, limit)
	for s.Scan() {
		f(s.Bytes())
	}
	err := s.Err()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	if err != nil {
		// Let the playbook go on writing: it must not block.
		_, _ = io.Copy(io.Discard, r)
		return errs.New(errs.Failed, "read", "what the playbook returns", "%w", err)
	}
	return nil
}
