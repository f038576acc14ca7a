package ssh

import (
	"context"
	"io"
	"path"
	"time"

	"github.com/pkg/sftp"

	"github.com/seed-a4fd30b5/orchestrator/drivers/internal/script"
	"github.com/seed-a4fd30b5/orchestrator/drivers/ssh/transport"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

const (
	// The output of a running script is looked at after minFollow, and less
	// and less often while it is silent.
	minFollow = 50 * time.Millisecond
	maxFollow = time.Second
	// chunk is how much output is read at a time.
	chunk = 256 << 10
)

// follower passes on the output of a script over one connection after another.
type follower struct {
	*remote
	stdout, stderr stream
}

// stream is one of the two outputs, with how far it was read.
type stream struct {
	name   string
	lines  *script.Lines
	offset int64
	file   *sftp.File
}

// end is what a session that waits for the end of the script returns.
type end struct {
	result
	err error
}

// follow runs a program that waits for the end of the script, and passes on its
// output meanwhile. When ctx ends it stops the script, and waits for its end
// for the grace period and a little more. began tells that the program was run.
func (f *follower) follow(ctx context.Context, program string) (res result, began bool, err error) {
	client, err := f.driver.pool.Get(ctx, f.host)
	if err != nil {
		return result{}, false, err
	}
	defer client.Release()
	ftp, err := client.SFTP(ctx)
	if err != nil {
		return result{}, false, err
	}
	if err := f.open(ftp); err != nil {
		return result{}, false, err
	}
	defer f.close()

	// The session does not end with ctx: it has to tell how the script was stopped.
	waiting, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	ended := make(chan end, 1)
	go func() {
		res, err := shell(waiting, client, program, "dir", f.dir)
		ended <- end{res, err}
	}()
	e, ok := f.pass(ctx, ended)
	if !ok {
		stopping := time.AfterFunc(f.driver.config.Grace+10*time.Second, abandon)
		defer stopping.Stop()
		if err := f.driver.cancel(waiting, client, f.dir); err != nil {
			abandon()
		}
		e = <-ended
	}
	if e.err != nil {
		return result{}, true, e.err
	}
	return e.result, true, f.read()
}

// pass passes on output until the script has ended, or ctx has, when it returns false.
func (f *follower) pass(ctx context.Context, ended <-chan end) (end, bool) {
	timer := time.NewTimer(minFollow)
	defer timer.Stop()
	for interval := minFollow; ; {
		select {
		case e := <-ended:
			return e, true
		case <-ctx.Done():
			return end{}, false
		case <-timer.C:
		}
		before := f.stdout.offset + f.stderr.offset
		// The session that waits for the end sees a broken connection too.
		_ = f.read()
		if interval = min(interval*3/2, maxFollow); f.stdout.offset+f.stderr.offset > before {
			interval = minFollow
		}
		timer.Reset(interval)
	}
}

func (f *follower) streams() []*stream { return []*stream{&f.stdout, &f.stderr} }

func (f *follower) open(ftp *sftp.Client) error {
	for _, s := range f.streams() {
		file, err := ftp.Open(path.Join(f.dir, s.name))
		if err != nil {
			f.close()
			return f.readError(err)
		}
		s.file = file
	}
	return nil
}

func (f *follower) close() {
	for _, s := range f.streams() {
		if s.file != nil {
			_ = s.file.Close()
			s.file = nil
		}
	}
}

// read passes on what is new.
func (f *follower) read() error {
	for _, s := range f.streams() {
		info, err := s.file.Stat()
		if err != nil {
			return f.readError(err)
		}
		for size := info.Size(); s.offset < size; {
			buffer := make([]byte, min(chunk, size-s.offset))
			n, err := s.file.ReadAt(buffer, s.offset)
			s.offset += int64(n)
			_, _ = s.lines.Write(buffer[:n])
			if err != nil && err != io.EOF || n == 0 {
				return f.readError(err)
			}
		}
	}
	return nil
}

func (f *follower) readError(err error) error {
	if err == nil {
		return nil
	}
	return executor.MarkRetryable(errs.New(errs.Unavailable, "read the output of", f.op.Primary.Path, "%w", err))
}

// statusOf makes a Status of how a script ended.
func statusOf(ctx context.Context, res result, subject, words string) executor.Status {
	switch res.state {
	case stateExited:
	case stateCanceled:
		if ctx.Err() != nil {
			return executor.Status{State: executor.Canceled, Err: script.Stopped(ctx, subject, words)}
		}
		return executor.Status{State: executor.Canceled, Err: errs.New(errs.Canceled, "run", subject, "stopped")}
	case stateRunning:
		return executor.Status{State: executor.Running}
	default:
		return executor.Status{State: executor.Lost, Err: lost(subject)}
	}
	exit := script.Exit{Code: res.code, Words: words}
	if res.code > 128 && res.code <= 128+64 { // as shells say it
		exit.Signal = script.SignalName(res.code - 128)
	}
	if err := exit.Err(subject); err != nil {
		return executor.Status{State: executor.Failed, Err: err}
	}
	outputs, err := script.ParseOutputs(res.detail)
	if err != nil {
		return executor.Status{State: executor.Failed, Err: errs.Wrap(err, "run", subject)}
	}
	return executor.Status{State: executor.Succeeded, Outputs: outputs}
}

// cancel stops what runs in dir.
func (d *Driver) cancel(ctx context.Context, client *transport.Client, dir string) error {
	keep := ""
	if d.config.KeepFiles {
		keep = "yes"
	}
	_, err := shell(ctx, client, cancelProgram, "dir", dir, "tenths", tenths(d.config.Grace), "keep", keep)
	return err
}
