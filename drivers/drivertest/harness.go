package drivertest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/executor"
)

// Harness says how to get at the driver under test.
type Harness struct {
	// New returns a driver, as a process that starts afresh would make it. It
	// is ended by t.Cleanup where it needs an end. Required.
	New func(t *testing.T) executor.Driver
	// Host is where the operations run. It must be this machine under some name: the
	// scripts of the suite and the test see the same files and processes.
	Host executor.Host
	// Recovers is true for a driver that finds its work again in the outside
	// world: Recover tells NotStarted, Running and the outcome, and Start with a
	// known ID does not do the work twice.
	Recovers bool
}

// patience is how long the suite waits for what must happen, on a machine that is
// busy with other tests too.
const patience = 2 * time.Minute

// bench is the place of one test of the suite.
type bench struct {
	*testing.T
	harness Harness
	driver  executor.Driver
	// dir is a folder that scripts and test share.
	dir string
}

var serial atomic.Int64

// operation returns an operation that runs the first of files, given as name
// and contents in turns; the others are its dependencies.
func (b *bench) operation(files ...string) (*executor.Operation, *logBuffer) {
	archive := fstest.MapFS{}
	op := &executor.Operation{
		ID: fmt.Sprintf("suite-%d-%d", os.Getpid(), serial.Add(1)), Began: time.Now(),
		Deployment: "suite", Run: "run-1", Step: "step-1", Attempt: 1,
		Instance: "node_0", Interface: "Standard", Name: "create",
		Files:   archive,
		Inputs:  map[string]any{"dir": b.dir},
		Context: map[string]string{},
		Host:    b.harness.Host,
	}
	for i := 0; i < len(files); i += 2 {
		archive[files[i]] = &fstest.MapFile{Data: []byte(files[i+1]), Mode: 0o644}
		f := &executor.File{Path: files[i]}
		if op.Primary == nil {
			op.Primary = f
		} else {
			op.Dependencies = append(op.Dependencies, f)
		}
	}
	log := &logBuffer{}
	op.Log = log
	return op, log
}

// run takes op to its end.
func (b *bench) run(op *executor.Operation) executor.Status {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 2*patience)
	defer cancel()
	require.True(b, b.driver.Accepts(op), "the driver must accept the operation")
	s, err := b.driver.Start(ctx, op)
	if err != nil {
		return executor.Status{State: executor.Failed, Err: err}
	}
	return b.await(b.driver, s)
}

// await polls until the operation has ended.
func (b *bench) await(d executor.Driver, s executor.Status) executor.Status {
	b.Helper()
	handle := s.Handle
	b.eventually("the end of the operation", func() bool {
		if s.State != executor.Running {
			return true
		}
		all, err := d.Poll(b.Context(), []executor.Handle{handle})
		require.NoError(b, err)
		if len(all) == 1 {
			s = all[0]
		}
		return s.State != executor.Running
	})
	return s
}

// succeed takes op to its end, which must be success, and returns its outputs.
func (b *bench) succeed(op *executor.Operation) map[string]any {
	b.Helper()
	s := b.run(op)
	require.NoError(b, s.Err)
	require.Equal(b, executor.Succeeded, s.State)
	return s.Outputs
}

// fail takes op to its end, which must be a failure, and returns the error.
func (b *bench) fail(op *executor.Operation) error {
	b.Helper()
	s := b.run(op)
	require.Error(b, s.Err)
	require.Equal(b, executor.Failed, s.State)
	return s.Err
}

// background runs op to its end in a goroutine.
func (b *bench) background(ctx context.Context, op *executor.Operation) <-chan executor.Status {
	ended := make(chan executor.Status, 1)
	go func() {
		s, err := b.driver.Start(ctx, op)
		for tick := time.NewTicker(10 * time.Millisecond); err == nil && s.State == executor.Running; <-tick.C {
			var all []executor.Status
			if ctx.Err() != nil {
				_ = b.driver.Cancel(context.WithoutCancel(ctx), s.Handle)
			}
			if all, err = b.driver.Poll(context.WithoutCancel(ctx), []executor.Handle{s.Handle}); len(all) == 1 {
				s = all[0]
			}
		}
		if err != nil {
			s = executor.Status{State: executor.Failed, Err: err}
		}
		ended <- s
	}()
	return ended
}

// receive returns the end of what background started.
func (b *bench) receive(ended <-chan executor.Status) executor.Status {
	b.Helper()
	select {
	case s := <-ended:
		return s
	case <-time.After(patience):
		require.Fail(b, "the operation did not end")
		return executor.Status{}
	}
}

// path returns a path in the shared folder.
func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

// awaitFile waits until a file of the shared folder has a full line and returns that.
func (b *bench) awaitFile(name string) string {
	b.Helper()
	var text string
	b.eventually("the file "+name, func() bool {
		data, _ := os.ReadFile(b.path(name))
		text = string(data)
		return strings.HasSuffix(text, "\n")
	})
	return strings.TrimSpace(text)
}

func (b *bench) awaitPID(name string) int {
	b.Helper()
	pid, err := strconv.Atoi(b.awaitFile(name))
	require.NoError(b, err)
	return pid
}

func (b *bench) touch(name string) {
	b.Helper()
	require.NoError(b, os.WriteFile(b.path(name), []byte("\n"), 0o600))
}

func (b *bench) eventually(what string, done func() bool) {
	b.Helper()
	deadline := time.Now().Add(patience)
	for tick := time.NewTicker(5 * time.Millisecond); !done(); <-tick.C {
		require.True(b, time.Now().Before(deadline), "still waiting for %s", what)
	}
}

// alive tells whether a process exists and is not a zombie, which has ended.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err == nil {
		_, rest, _ := strings.Cut(string(stat), ") ")
		return !strings.HasPrefix(rest, "Z")
	}
	if _, err := os.Stat("/proc/self/stat"); err == nil {
		return false
	}
	return syscall.Kill(pid, 0) == nil
}

// logBuffer is an operation's log.
type logBuffer struct {
	mu      sync.Mutex
	data    bytes.Buffer
	longest int
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.longest = max(l.longest, len(p))
	return l.data.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.data.String()
}
