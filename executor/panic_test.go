package executor_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
)

// faulty are jobs whose driver panics in one method, for the node n0 only.
type faulty struct {
	*jobs
	method string
}

func (d faulty) check(method, operation string) {
	if d.method == method && strings.HasPrefix(operation, "n0_0-") {
		panic("boom in " + method)
	}
}

func (d faulty) Name() string { return "faulty" }

func (d faulty) Accepts(op *executor.Operation) bool {
	d.check("Accepts", op.ID)
	return d.jobs.Accepts(op)
}

func (d faulty) Start(ctx context.Context, op *executor.Operation) (executor.Status, error) {
	d.check("Start", op.ID)
	return d.jobs.Start(ctx, op)
}

func (d faulty) Poll(ctx context.Context, handles []executor.Handle) ([]executor.Status, error) {
	for _, h := range handles {
		d.check("Poll", h.Operation)
	}
	return d.jobs.Poll(ctx, handles)
}

func (d faulty) Recover(ctx context.Context, op *executor.Operation) (executor.Status, error) {
	d.check("Recover", op.ID)
	return d.jobs.Recover(ctx, op)
}

func (d faulty) Cancel(ctx context.Context, h executor.Handle) error {
	d.check("Cancel", h.Operation)
	return d.jobs.Cancel(ctx, h)
}

// A driver that panics fails the one operation, whichever method it is; the
// others go on, and so does the program.
func TestDriverPanics(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"Accepts", "Start", "Poll", "Recover", "Cancel"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { panicIn(t, method) })
		})
	}
}

func panicIn(t *testing.T, method string) {
	var log bytes.Buffer
	driver := faulty{newJobs(), method}
	store := newMemory(t)
	cfg := executor.Config{
		Store: store, Drivers: []executor.Driver{driver}, PollInterval: time.Second, LeaseTTL: time.Minute,
		OnFailure: executor.Continue, Retry: executor.RetryPolicy{Attempts: 3},
		Logger: hclog.New(&hclog.LoggerOptions{Output: &log}),
	}
	request := executor.Request{Deployment: "x", Archive: template(t, things(3, creates, nil))}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var result *executor.Result
	var err error
	switch method {
	case "Recover":
		dead := cfg
		dead.Store = &crashing{Store: store, left: 1} // the intents are written, the handles are not
		_, err = newEngine(t, dead).Deploy(ctx, request)
		require.ErrorIs(t, err, errDead)
		time.Sleep(2 * time.Minute)
		driver.endAt(1) // the pollers of the dead process may still ask
		result, err = newEngine(t, cfg).Resume(ctx, "x", executor.Options{RerunLost: true})
	case "Cancel":
		time.AfterFunc(10*time.Second, cancel)
		result, err = newEngine(t, cfg).Deploy(ctx, request)
	default:
		driver.auto = 2
		result, err = newEngine(t, cfg).Deploy(ctx, request)
	}
	require.Error(t, err)
	require.Len(t, result.Failures, 1)
	failure := result.Failures[0]
	require.Equal(t, "n0_0", failure.Instance)
	require.Equal(t, executor.Internal, executor.CodeOf(failure.Err))
	require.ErrorContains(t, failure.Err, "call "+method+" of the driver faulty: panic: boom in "+method)
	require.LessOrEqual(t, failure.Attempts, 1)
	require.Contains(t, log.String(), "panic_test.go", "the stack is in the log")

	if method == "Cancel" {
		require.Equal(t, state.RunCanceled, result.Run.Status)
	} else {
		require.Equal(t, state.RunFailed, result.Run.Status)
	}
	for _, j := range driver.jobs.jobs {
		switch {
		case j.op.Instance != "n0_0" && method != "Cancel":
			require.Equal(t, executor.Succeeded, j.state)
		case method == "Poll" || j.op.Instance != "n0_0":
			require.Equal(t, executor.Canceled, j.state, "what nobody can ask after is stopped")
		}
	}
	require.NotEmpty(t, driver.jobs.jobs)
}
