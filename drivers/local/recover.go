package local

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/drivers/internal/script"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// wrapper runs a script, whose words are its arguments, and leaves its exit code
// for when the process that started it is gone. Descriptor 3 is the lock, which
// it holds as long as it lives; the script does not get it, so that what stays
// in the background does not keep it. What the file has tells how far the script
// is: nothing until it begins, then a line with the wrapper's process number,
// and behind that one with the exit code. It is one file because each costs as
// much as a good part of a process.
const wrapper = `trap : TERM INT HUP
echo $$ >&3 || exit
exec 4>&2 2>/dev/null
"$@" 2>&4 3>&- 4>&-
code=$?
echo $code >&3
exit $code`

// phase is how far an operation is, as its folder tells.
type phase uint8

const (
	absent  phase = iota // there is no folder
	unbegun              // the script was not started
	running
	ended
	vanished // it was started, and did not say how it ended
)

// look tells how far the operation is and, if it has ended, its exit code.
func (l layout) look() (phase, int, error) {
	lock, err := os.OpenFile(l.file("lock"), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(l.dir); err == nil {
			return unbegun, 0, nil
		}
		return absent, 0, nil
	}
	if err != nil {
		return 0, 0, l.unreadable(err)
	}
	defer lock.Close()
	free, err := tryLock(lock)
	if err != nil {
		return 0, 0, l.unreadable(err)
	}
	if !free {
		return running, 0, nil
	}
	return l.left(lock)
}

// left tells how far a script came that does not run.
func (l layout) left(lock *os.File) (phase, int, error) {
	_, code, p, err := readLock(lock)
	if err != nil {
		return 0, 0, l.unreadable(err)
	}
	return p, code, nil
}

// readLock reads what the wrapper wrote. Its phase is that of a script that
// does not run any more.
func readLock(lock *os.File) (pid, code int, p phase, err error) {
	var text [64]byte
	n, err := lock.ReadAt(text[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, 0, 0, err
	}
	first, rest, begun := strings.Cut(string(text[:n]), "\n")
	if !begun {
		return 0, 0, unbegun, nil
	}
	pid, _ = strconv.Atoi(first)
	if line, ok := strings.CutSuffix(rest, "\n"); ok {
		if code, err := strconv.Atoi(line); err == nil {
			return pid, code, ended, nil
		}
	}
	return pid, 0, vanished, nil
}

func (l layout) unreadable(err error) error {
	return errs.New(errs.FailedPrecondition, "look into", l.dir, "%w", err)
}

// claim makes the folder of an operation and locks it. If the operation was
// begun before, it returns how far that is, and no lock.
func (l layout) claim() (lock *os.File, p phase, code int, err error) {
	for {
		made := os.Mkdir(l.dir, 0o700)
		if made != nil && !errors.Is(made, fs.ErrExist) {
			return nil, 0, 0, made
		}
		lock, err := os.OpenFile(l.file("lock"), os.O_RDWR|os.O_CREATE, 0o600)
		if errors.Is(err, fs.ErrNotExist) {
			continue // somebody removed the folder
		}
		if err != nil {
			return nil, 0, 0, err
		}
		free, err := tryLock(lock)
		if err != nil || !free {
			return nil, running, 0, errors.Join(err, lock.Close())
		}
		if !l.is(lock) {
			_ = lock.Close()
			continue
		}
		p, code, err := l.left(lock)
		if err != nil || p != unbegun {
			return nil, p, code, errors.Join(err, lock.Close())
		}
		if made != nil {
			err = l.clear(lock)
		}
		return lock, unbegun, 0, err
	}
}

// is tells that the folder still has the file that was locked.
func (l layout) is(lock *os.File) bool {
	ours, err := lock.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(l.file("lock"))
	return err == nil && os.SameFile(ours, there)
}

// clear removes what a process has left that was killed before the script began.
func (l layout) clear(lock *os.File) error {
	if err := lock.Truncate(0); err != nil {
		return err
	}
	for _, path := range children(l.dir) {
		if path != l.file("lock") {
			if err := os.RemoveAll(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// handle is what a Handle holds.
type handle struct {
	Dir    string `json:"dir"`
	Script string `json:"script"`
}

// Recover finds a script that a process had begun which is gone: as long as the
// machine was not started anew, the script is still running, or has left its
// exit code and its outputs.
func (r *runner) Recover(_ context.Context, op *executor.Operation) (executor.Status, error) {
	l := r.folders.of(op)
	p, code, err := l.look()
	if err != nil {
		return executor.Status{}, err
	}
	subject := op.Interface + "." + op.Name
	if op.Primary != nil {
		subject = op.Primary.Path
	}
	switch {
	case !r.folders.remembers():
		return executor.Status{State: executor.Lost}, nil
	case p == absent && !r.folders.neverBegan(op):
		return executor.Status{State: executor.Lost, Err: errs.New(errs.Unavailable, "find", subject,
			"the machine was started anew since, or its temporary files were removed")}, nil
	case p == absent, p == unbegun:
		return executor.Status{State: executor.NotStarted}, nil
	case p == running:
		data, _ := json.Marshal(handle{l.dir, subject}) // strings: cannot fail
		return executor.Status{State: executor.Running, Handle: executor.Handle{Data: data}}, nil
	}
	return l.status(p, code, subject, script.Redactor(op.Secrets)), nil
}

// status makes a Status of how a script is that another process has started.
func (l layout) status(p phase, code int, subject string, redact *strings.Replacer) executor.Status {
	switch p {
	case running:
		return executor.Status{State: executor.Running}
	case ended:
	default:
		return executor.Status{State: executor.Lost, Err: errs.New(errs.Unavailable, "run", subject,
			"the script was begun and ended without saying how: it was killed")}
	}
	l.strip()
	words := ""
	for _, name := range []string{"stderr", "stdout"} {
		if words = l.lastWords(name, redact); words != "" {
			break
		}
	}
	if err := exitOf(code, words).Err(subject); err != nil {
		return executor.Status{State: executor.Failed, Err: err}
	}
	outputs, err := l.outputs(subject)
	if err != nil {
		return executor.Status{State: executor.Failed, Err: err}
	}
	return executor.Status{State: executor.Succeeded, Outputs: outputs}
}

// exitOf is how a shell says that a command ended.
func exitOf(code int, words string) script.Exit {
	exit := script.Exit{Code: code, Words: words}
	if code > 128 && code <= 128+64 {
		exit.Signal = script.SignalName(code - 128)
	}
	return exit
}

// lastWords returns the last lines of a file; "" where there are none.
func (l layout) lastWords(name string, redact *strings.Replacer) string {
	f, err := os.Open(l.file(name))
	if err != nil {
		return ""
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	from := max(0, info.Size()-16<<10)
	lines := script.NewLines(io.Discard, redact)
	_, _ = io.Copy(lines, io.NewSectionReader(f, from, info.Size()-from))
	_ = lines.Close()
	return lines.Tail()
}

// Poll asks after scripts that Recover or Start has found running.
func (r *runner) Poll(_ context.Context, handles []executor.Handle) ([]executor.Status, error) {
	var statuses []executor.Status
	for _, h := range handles {
		var data handle
		if err := json.Unmarshal(h.Data, &data); err != nil || data.Dir == "" {
			statuses = append(statuses, executor.Status{Handle: h, State: executor.Lost})
			continue
		}
		l := layout{data.Dir}
		p, code, err := l.look()
		if err != nil {
			return statuses, err
		}
		s := l.status(p, code, data.Script, script.Redactor(nil))
		s.Handle = h
		statuses = append(statuses, s)
	}
	return statuses, nil
}

// Cancel stops a script that another process has started, and returns when it
// has ended.
func (r *runner) Cancel(ctx context.Context, h executor.Handle) error {
	var data handle
	if err := json.Unmarshal(h.Data, &data); err != nil || data.Dir == "" {
		return nil
	}
	l := layout{data.Dir}
	if p, _, err := l.look(); p != running {
		return err
	}
	lock, err := os.Open(l.file("lock"))
	if err != nil {
		return l.unreadable(err)
	}
	defer lock.Close()
	pid, _, _, err := readLock(lock)
	if err != nil || pid <= 1 {
		return l.unreadable(errors.New("the process number is not there yet"))
	}
	r.stop(ctx, group(pid))
	return nil
}

// await waits for the end of a script that another process has started. It is
// NotStarted where that process had the folder only and did not come to begin it.
func (r *runner) await(ctx context.Context, l layout, subject string, redact *strings.Replacer) executor.Status {
	tick := time.NewTicker(followInterval)
	defer tick.Stop()
	for {
		p, code, err := l.look()
		switch {
		case err != nil:
			return executor.Status{State: executor.Failed, Err: err}
		case p == unbegun:
			return executor.Status{State: executor.NotStarted}
		case p != running:
			return l.status(p, code, subject, redact)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			data, _ := json.Marshal(handle{l.dir, subject})
			if err := r.Cancel(context.WithoutCancel(ctx), executor.Handle{Data: data}); err != nil {
				return executor.Status{State: executor.Failed, Err: err}
			}
			return executor.Status{State: executor.Canceled, Err: script.Stopped(ctx, subject, "")}
		}
	}
}

// Forget removes the folder of an operation whose outcome is recorded.
func (r *runner) Forget(op *executor.Operation) {
	if !r.config.KeepFiles && op.ID != "" {
		_ = os.RemoveAll(r.folders.of(op).dir)
	}
}
