package executor_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
)

// talker is a driver that answers as the test says, after jobs has done its work.
type talker struct {
	*jobs
	start func(executor.Status, error) (executor.Status, error)
	poll  func([]executor.Status) []executor.Status
}

func (d *talker) Start(ctx context.Context, op *executor.Operation) (executor.Status, error) {
	s, err := d.jobs.Start(ctx, op)
	if d.start == nil {
		return s, err
	}
	return d.start(s, err)
}

func (d *talker) Poll(ctx context.Context, handles []executor.Handle) ([]executor.Status, error) {
	s, err := d.jobs.Poll(ctx, handles)
	if d.poll == nil {
		return s, err
	}
	return d.poll(s), err
}

// What a driver must not say fails the one operation that it was said of, with
// what is wrong, and is recorded.
func TestDriverTalksNonsense(t *testing.T) {
	t.Parallel()
	started := func(s executor.Status) func(executor.Status, error) (executor.Status, error) {
		return func(executor.Status, error) (executor.Status, error) { return s, nil }
	}
	polled := func(state executor.OperationState) func([]executor.Status) []executor.Status {
		return func(list []executor.Status) []executor.Status {
			for i := range list {
				list[i].State = state
			}
			return list
		}
	}
	for name, c := range map[string]struct {
		driver   talker
		message  string
		canceled bool
	}{
		"no state":             {driver: talker{start: started(executor.Status{})}, message: `returned state ""`},
		"unknown state":        {driver: talker{start: started(executor.Status{State: "dreaming"})}, message: `returned state "dreaming"`},
		"not started":          {driver: talker{start: started(executor.Status{State: executor.NotStarted})}, message: `returned state "not-started"`},
		"unknown state later":  {driver: talker{poll: polled("dreaming")}, message: `returned state "dreaming"`, canceled: true},
		"a handle not to keep": {driver: talker{start: started(executor.Status{State: executor.Running, Handle: executor.Handle{Data: json.RawMessage(`}{`)}})}, message: "a handle that is not JSON", canceled: true},
		"outputs not to keep":  {driver: talker{start: started(executor.Status{State: executor.Succeeded, Outputs: map[string]any{"a": math.NaN()}})}, message: "NaN"},
		"outputs of a sort":    {driver: talker{start: started(executor.Status{State: executor.Failed, Outputs: map[string]any{"a": make(chan int)}})}, message: "failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				driver := c.driver
				driver.jobs = newJobs()
				store := newMemory(t)
				e := newEngine(t, executor.Config{Store: store, Drivers: []executor.Driver{&driver}, PollInterval: time.Second})
				result, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, things(1, creates, nil))})
				require.Equal(t, executor.CodeFailed, executor.CodeOf(err), err)
				require.ErrorContains(t, err, c.message)
				require.Equal(t, 1, result.Failures[0].Attempts)
				run, err := store.Run(t.Context(), "x", "run-1")
				require.NoError(t, err)
				require.Equal(t, state.RunFailed, run.Status)
				synctest.Wait()
				for _, j := range driver.jobs.jobs {
					require.Equal(t, c.canceled, j.state == executor.Canceled)
				}
			})
		})
	}
}

// The answer to a question about one attempt says nothing of the next one, which
// has the same ID: it may come when a cancelled run was resumed.
func TestLateAnswerIsOfItsAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		driver := &slowPoll{jobs: newJobs(), hold: make(chan struct{})}
		e := newEngine(t, executor.Config{Drivers: []executor.Driver{driver}, PollInterval: time.Second, CancelGrace: time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := e.Deploy(ctx, executor.Request{Deployment: "x", Archive: template(t, things(1, creates, nil))})
		require.Equal(t, executor.CodeCanceled, executor.CodeOf(err))
		time.AfterFunc(5*time.Second, func() { // the second attempt runs
			close(driver.hold)
			driver.endAt(3)
		})
		_, err = e.Resume(t.Context(), "x", executor.Options{})
		require.NoError(t, err)
		require.Len(t, driver.seen(), 2)
	})
}

// slowPoll is a driver whose first Poll takes until hold is closed, and then
// tells that the jobs have failed.
type slowPoll struct {
	*jobs
	hold  chan struct{}
	first sync.Once
}

func (d *slowPoll) Poll(ctx context.Context, handles []executor.Handle) (list []executor.Status, err error) {
	slow := false
	d.first.Do(func() { slow = true })
	if !slow {
		return d.jobs.Poll(ctx, handles)
	}
	<-d.hold
	for _, h := range handles {
		list = append(list, executor.Status{Handle: h, State: executor.Failed, Err: errors.New("the first one failed")})
	}
	return list, nil
}

// An engine that is closed still hears of the jobs of the runs that it waits for.
func TestCloseWaitsForJobs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		driver := newJobs()
		e, err := executor.New(executor.Config{Store: newMemory(t), Drivers: []executor.Driver{driver}, PollInterval: time.Second})
		require.NoError(t, err)
		done := make(chan error, 1)
		go func() {
			_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, things(2, creates, chain))})
			done <- err
		}()
		time.Sleep(3 * time.Second)
		go driver.endAt(10)
		require.NoError(t, e.Close())
		require.NoError(t, <-done)
	})
}

// So it does of those that it has told to stop.
func TestCloseHearsOfTheEndOfJobs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		driver := newJobs()
		e, err := executor.New(executor.Config{Store: newMemory(t), Drivers: []executor.Driver{driver}, PollInterval: time.Second})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		w := time.Now()
		var result *executor.Result
		go func() {
			var err error
			result, err = e.Deploy(ctx, executor.Request{Deployment: "x", Archive: template(t, things(1, creates, nil))})
			done <- err
		}()
		time.Sleep(2500 * time.Millisecond)
		cancel()
		require.NoError(t, e.Close())
		require.Equal(t, executor.CodeCanceled, executor.CodeOf(<-done))
		require.Less(t, time.Since(w), 10*time.Second)
		require.Equal(t, state.RunCanceled, result.Run.Status)
	})
}

// An engine that lost its deployment asks no more after what it has left.
func TestLostRunIsNotAskedAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		driver := newJobs()
		e := newEngine(t, executor.Config{Store: &forgetful{Store: newMemory(t)}, Drivers: []executor.Driver{driver}, PollInterval: time.Second, LeaseTTL: 9 * time.Second})
		_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, things(2, creates, nil))})
		require.Equal(t, executor.FailedPrecondition, executor.CodeOf(err))
		polls := func() int { driver.mu.Lock(); defer driver.mu.Unlock(); return driver.polls }
		before := polls()
		time.Sleep(time.Minute)
		require.LessOrEqual(t, polls(), before+1)
	})
}

// A job that Start tells of too late, when it was given up already, is stopped.
func TestLateStartIsStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		driver := &talker{jobs: newJobs(), start: func(s executor.Status, err error) (executor.Status, error) {
			time.Sleep(time.Minute)
			return s, err
		}}
		e := newEngine(t, executor.Config{Drivers: []executor.Driver{driver}, PollInterval: time.Second, CancelGrace: 10 * time.Second, Timeout: 10 * time.Second, OnFailure: executor.Continue})
		y := things(2, func(i int) string {
			if i == 0 {
				return "create: do.sh"
			}
			return "create: { implementation: { primary: do.sh, timeout: 200 } }"
		}, nil)
		_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, y)})
		require.Error(t, err)
		for _, j := range driver.jobs.jobs {
			require.Equal(t, executor.Canceled, j.state, j.op.Instance)
		}
	})
}

// Cancel is asked again where the outside world did not hear of it.
func TestCancelIsAskedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		driver := &hard{jobs: newJobs(), left: 3}
		e := newEngine(t, executor.Config{Drivers: []executor.Driver{driver}, PollInterval: time.Second, Timeout: 10 * time.Second})
		result, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, things(1, creates, nil))})
		require.ErrorContains(t, err, "timed out after 10s")
		require.NotContains(t, err.Error(), "did not stop")
		require.Len(t, result.Failures, 1)
		for _, j := range driver.jobs.jobs {
			require.Equal(t, executor.Canceled, j.state)
		}
	})
}

// hard is hard of hearing: Cancel fails some times.
type hard struct {
	*jobs
	left int
}

func (d *hard) Cancel(ctx context.Context, h executor.Handle) error {
	d.mu.Lock()
	d.left--
	left := d.left
	d.mu.Unlock()
	if left >= 0 {
		return errors.New("no route to host")
	}
	return d.jobs.Cancel(ctx, h)
}

// An engine without the driver that has begun an operation can neither tell what
// became of it nor that there is nothing to do: the operation stays begun, for one
// that has it.
func TestResumeNeedsTheDriver(t *testing.T) {
	t.Parallel()
	for name, other := range map[string][]executor.Driver{
		"no driver":      {executor.Sync(&script{accepts: func(*executor.Operation) bool { return false }})},
		"another driver": {executor.Sync(&script{accepts: func(*executor.Operation) bool { return true }})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store, driver := newMemory(t), newJobs()
				// It claims nodes, which have no implementation.
				driver.accepts = func(op *executor.Operation) bool { return op.Name == "create" }
				// The handle is written, the outcome is not.
				dead := newEngine(t, executor.Config{Store: &crashing{Store: store, left: 2}, Drivers: []executor.Driver{driver}, PollInterval: time.Second, LeaseTTL: 9 * time.Second})
				driver.auto = 3
				_, err := dead.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, things(1, nil, nil))})
				require.ErrorIs(t, err, errDead)
				time.Sleep(time.Minute)

				_, err = newEngine(t, executor.Config{Store: store, Drivers: other}).Resume(t.Context(), "x", executor.Options{})
				require.ErrorContains(t, err, `the driver "jobs" has begun it`)
				_, err = newEngine(t, executor.Config{Store: store, Drivers: []executor.Driver{driver}, PollInterval: time.Second}).Resume(t.Context(), "x", executor.Options{})
				require.NoError(t, err)
				require.Len(t, driver.seen(), 1)
			})
		})
	}
}
