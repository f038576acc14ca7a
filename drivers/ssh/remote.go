package ssh

import (
	"context"
	"errors"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/sync/errgroup"

	"github.com/seed-a4fd30b5/orchestrator/drivers/internal/script"
	"github.com/seed-a4fd30b5/orchestrator/drivers/ssh/transport"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// uploads is how many files go up at the same time.
const uploads = 8

// remote is one operation on its host, while Start works on it.
type remote struct {
	driver *Driver
	op     *executor.Operation
	job    *script.Job
	host   transport.Host
	// dir is the operation's folder on the host.
	dir string
}

// name is the name of an operation's folder: another attempt has another one.
func name(op *executor.Operation) string { return op.ID + "." + strconv.Itoa(op.Attempt) }

// dir returns the operation's folder, which need not exist.
func (d *Driver) dir(ctx context.Context, client *transport.Client, op *executor.Operation) (string, error) {
	r, err := shell(ctx, client, whereProgram, "base", d.config.WorkDir, "name", name(op))
	if err != nil {
		return "", err
	}
	if len(r.detail) == 0 {
		return path.Join("/nonexistent", name(op)), nil
	}
	return string(r.detail), nil
}

// prepare makes the operation's folder and fills it, unless an earlier Start
// has launched it already. It returns what was there.
func (r *remote) prepare(ctx context.Context) (result, error) {
	client, err := r.driver.pool.Get(ctx, r.host)
	if err != nil {
		return result{}, err
	}
	defer client.Release()
	found, err := shell(ctx, client, prepareProgram, "base", r.driver.config.WorkDir, "name", name(r.op))
	if err != nil {
		return result{}, errs.Wrap(err, "make a working directory for", r.op.Primary.Path)
	}
	r.dir = string(found.detail)
	if found.state != stateNone {
		return found, nil
	}
	r.driver.rescue(r.host, r.dir)
	if err := r.upload(ctx, client); err != nil {
		r.driver.discard(r.host, r.dir)
		return result{}, err
	}
	return found, nil
}

// upload copies the files up, the folders first.
func (r *remote) upload(ctx context.Context, client *transport.Client) error {
	ftp, err := client.SFTP(ctx)
	if err != nil {
		return err
	}
	for _, e := range r.job.Entries {
		if e.Dir {
			if err := ftp.Mkdir(path.Join(r.dir, "work", e.Name)); err != nil {
				return r.uploadError(ctx, e.Name, err)
			}
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(uploads)
	for _, e := range r.job.Entries {
		if !e.Dir {
			group.Go(func() error { return r.uploadEntry(ctx, ftp, e) })
		}
	}
	group.Go(func() error { return r.put(ctx, ftp, "inputs.json", r.job.Inputs) })
	group.Go(func() error {
		run := runProgram(r.dir, r.job, r.environment(), r.driver.config.KeepFiles)
		return r.put(ctx, ftp, "run", run)
	})
	return group.Wait()
}

func (r *remote) uploadEntry(ctx context.Context, ftp *sftp.Client, e script.Entry) error {
	from, err := r.job.Open(e)
	if err != nil {
		return err
	}
	defer from.Close()
	target := path.Join(r.dir, "work", e.Name)
	to, err := ftp.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return r.uploadError(ctx, e.Name, err)
	}
	_, err = io.Copy(to, contextReader{ctx, from})
	if err == nil && e.Mode&0o111 != 0 {
		err = to.Chmod(e.Mode)
	}
	return r.uploadError(ctx, e.Name, errors.Join(err, to.Close()))
}

// put writes a file of the protocol.
func (r *remote) put(ctx context.Context, ftp *sftp.Client, name string, data []byte) error {
	f, err := ftp.OpenFile(path.Join(r.dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return r.uploadError(ctx, name, err)
	}
	_, err = f.Write(data)
	return r.uploadError(ctx, name, errors.Join(err, f.Close()))
}

func (r *remote) uploadError(ctx context.Context, name string, err error) error {
	if err == nil {
		return nil
	}
	e := &errs.Error{Code: errs.FailedPrecondition, Op: "copy " + name + " to", Subject: r.host.String(), Err: err}
	if broken(err) {
		e.Code = errs.Unavailable
		return executor.MarkRetryable(e)
	}
	if ctx.Err() != nil {
		e.Code = errs.CodeOf(ctx.Err())
	}
	return e
}

// broken tells that an SFTP error comes from the connection, not from the host.
func broken(err error) bool {
	return errors.Is(err, sftp.ErrSSHFxConnectionLost) || errors.Is(err, sftp.ErrSSHFxNoConnection) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, os.ErrClosed)
}

// environment returns the variables for the script, the later ones winning.
func (r *remote) environment() []string {
	env := make([]string, 0, len(r.driver.config.Env)+len(r.job.Env)+3)
	for name, v := range r.driver.config.Env {
		env = append(env, name+"="+v)
	}
	slices.Sort(env)
	env = append(env, r.job.Env...)
	return append(env, "TOSCA_HOST="+r.op.Host.Address,
		"TOSCA_INPUTS="+path.Join(r.dir, "inputs.json"), "TOSCA_OUTPUTS="+path.Join(r.dir, "outputs"))
}

// contextReader ends with its context.
type contextReader struct {
	ctx context.Context
	io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

// run launches the script and follows it to its end, over as many connections
// as it takes.
func (r *remote) run(ctx context.Context) (executor.Status, error) {
	f := &follower{remote: r,
		stdout: stream{name: "stdout", lines: script.NewLines(r.op.Log, r.job.Redact)},
		stderr: stream{name: "stderr", lines: script.NewLines(r.op.Log, r.job.Redact)}}
	program := launchProgram
	broken := time.Now() // when the connection broke
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		res, began, err := f.follow(ctx, program)
		switch {
		case err == nil && program == attachProgram && res.state == stateNone:
			// The connection broke before the script was launched, and what is
			// still on its way must not launch it any more.
			r.giveUp(ctx)
			return executor.Status{}, executor.MarkRetryable(errs.New(errs.Unavailable, "run", r.op.Primary.Path,
				"the connection to %s broke before it began", r.host.String()))
		case err == nil && res.state == stateRunning: // it left the session that waited for it
			program = attachProgram
			continue
		case err == nil:
			return r.outcome(ctx, f, res), nil
		case ctx.Err() != nil && program == launchProgram && !began:
			r.driver.discard(r.host, r.dir)
			return executor.Status{}, script.Stopped(ctx, r.op.Primary.Path, "")
		case ctx.Err() != nil:
			// It could not be stopped from here; the engine cancels it by its handle.
			return r.driver.running(r.op, r.dir), nil
		case !executor.Retryable(err):
			r.driver.config.Logger.Warn("cannot follow an operation", "operation", r.op.ID, "error", err)
			return r.driver.running(r.op, r.dir), nil
		}
		if began {
			broken, wait = time.Now(), 100*time.Millisecond
		}
		if time.Since(broken) > r.driver.config.Reconnect {
			return r.driver.running(r.op, r.dir), nil
		}
		r.driver.config.Logger.Warn("the connection broke; connecting again", "operation", r.op.ID, "host", r.host.String(), "error", err)
		program = attachProgram
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// giveUp marks the folder of a script that was not launched as canceled, which a
// late launch looks for, and has it removed.
func (r *remote) giveUp(ctx context.Context) {
	client, err := r.driver.pool.Get(ctx, r.host)
	if err == nil {
		defer client.Release()
		err = r.driver.cancel(ctx, client, r.dir)
	}
	if err != nil {
		r.driver.config.Logger.Warn("cannot give up a script that was not launched", "operation", r.op.ID, "host", r.host.String(), "error", err)
	}
	r.driver.discard(r.host, r.dir)
}

// outcome makes a Status of how the script ended.
func (r *remote) outcome(ctx context.Context, f *follower, res result) executor.Status {
	_ = f.stdout.lines.Close()
	_ = f.stderr.lines.Close()
	words := f.stderr.lines.Tail()
	if words == "" {
		words = f.stdout.lines.Tail()
	}
	r.driver.keep(r.host, r.dir)
	return statusOf(ctx, res, r.op.Primary.Path, words)
}
