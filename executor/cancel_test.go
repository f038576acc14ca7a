package executor_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
)

// Whoever asks, in the engine that runs a deployment or in another one: the job
// is cancelled in the outside world, the rest is skipped because of it.
func TestCancelFromAnywhere(t *testing.T) {
	t.Parallel()
	for _, elsewhere := range []bool{false, true} {
		stores(t, func(t *testing.T, store state.Store) {
			driver := newJobs()
			driver.started = make(chan string, 10)
			w := &watcher{}
			here := newEngine(t, executor.Config{Store: store, Drivers: []executor.Driver{driver}, Owner: "here", Observe: w.observe})
			asks, by := here, "here"
			if elsewhere {
				asks, by = newEngine(t, executor.Config{Store: store, Owner: "there"}), "there"
			}
			require.Equal(t, executor.NotFound, executor.CodeOf(asks.Cancel(t.Context(), "x", "")))
			go func() {
				<-driver.started
				if err := asks.Cancel(t.Context(), "x", ""); err != nil {
					t.Error(err)
				}
			}()
			result, err := here.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, things(3, creates, chain))})
			require.ErrorContains(t, err, "deploy x: canceled by "+by)
			require.Equal(t, executor.CodeCanceled, executor.CodeOf(err))
			require.Equal(t, state.RunCanceled, result.Run.Status)
			for _, j := range driver.jobs {
				require.Equal(t, executor.Canceled, j.state)
			}
			skipped := 0
			for _, ev := range w.all() {
				if ev.Kind == executor.StepSkipped {
					skipped++
					require.Equal(t, executor.CauseCanceled, ev.Cause)
				}
			}
			require.Equal(t, 2, skipped)

			for run, code := range map[string]executor.Code{"": executor.FailedPrecondition, "run-1": executor.FailedPrecondition, "run-7": executor.NotFound} {
				require.Equal(t, code, executor.CodeOf(asks.Cancel(t.Context(), "x", run)), run)
			}
			// The old request has no part in what comes later.
			driver.auto, driver.started = 1, nil
			_, err = here.Resume(t.Context(), "x", executor.Options{})
			require.NoError(t, err)
		})
	}
}

// A run whose process is gone is ended by the engine that is asked to cancel
// it, and the job that it left behind is cancelled.
func TestCancelWhatNobodyRuns(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, store state.Store) {
		driver, begun := newJobs(), make(chan struct{})
		driver.started = make(chan string, 1)
		first := newEngine(t, executor.Config{Store: &losing{store, begun}, Drivers: []executor.Driver{driver}, LeaseTTL: 10 * time.Second})
		done := make(chan error, 1)
		go func() {
			_, err := first.Deploy(t.Context(), executor.Request{Deployment: "y", Archive: template(t, things(2, creates, chain))})
			done <- err
		}()
		<-driver.started
		close(begun)
		require.Error(t, <-done)
		second := newEngine(t, executor.Config{Store: store, Drivers: []executor.Driver{driver}, Owner: "second"})
		require.NoError(t, second.Cancel(t.Context(), "y", ""))
		run, err := store.Run(t.Context(), "y", "run-1")
		require.NoError(t, err)
		require.Equal(t, state.RunCanceled, run.Status)
		require.Contains(t, run.Error, "canceled by second")
		for _, j := range driver.jobs {
			require.Equal(t, executor.Canceled, j.state)
		}
	})
}

// losing is a store that takes a lease away as soon as begun is closed.
type losing struct {
	state.Store
	begun chan struct{}
}

func (l *losing) RenewLease(ctx context.Context, lease state.Lease, ttl time.Duration) (state.Lease, error) {
	select {
	case <-l.begun:
		return (&forgetful{}).RenewLease(ctx, lease, ttl)
	default:
		return l.Store.RenewLease(ctx, lease, ttl)
	}
}

// deaf are jobs whose first Cancel is not heard: the engine's process is as good
// as dead when it asks.
type deaf struct {
	*jobs
	asked chan struct{}
	once  sync.Once
}

func (d *deaf) Cancel(ctx context.Context, h executor.Handle) error {
	first := false
	d.once.Do(func() { first = true; close(d.asked) })
	if first {
		return nil
	}
	return d.jobs.Cancel(ctx, h)
}

// A process that ends in the middle of a cancel, or before it has heard of one:
// resume ends the cancel, and the resume after it goes on with the run.
func TestCancelIsEndedAfterACrash(t *testing.T) {
	t.Parallel()
	for _, heard := range []bool{true, false} {
		stores(t, func(t *testing.T, store state.Store) {
			driver := &deaf{jobs: newJobs(), asked: make(chan struct{})}
			driver.started = make(chan string, 1)
			running := make(chan struct{}, 10)
			first := newEngine(t, executor.Config{Store: &losing{store, driver.asked}, Drivers: []executor.Driver{driver}, Owner: "first",
				LeaseTTL: 10 * time.Second, Observe: func(ev executor.Event) {
					if ev.Kind == executor.OperationRunning {
						running <- struct{}{}
					}
				}})
			done := make(chan error, 1)
			go func() {
				_, err := first.Deploy(t.Context(), executor.Request{Deployment: "y", Archive: template(t, things(2, creates, chain))})
				done <- err
			}()
			<-driver.started
			<-running
			by := "first"
			if heard {
				require.NoError(t, first.Cancel(t.Context(), "y", ""))
			} else {
				driver.once.Do(func() { close(driver.asked) })
			}
			require.Equal(t, executor.FailedPrecondition, executor.CodeOf(<-done))
			if !heard {
				by = "somebody"
				require.NoError(t, store.Signal(t.Context(), "y", &state.Signal{Kind: state.SignalCancel, Run: "run-1", From: by}))
			}

			second := newEngine(t, executor.Config{Store: store, Drivers: []executor.Driver{driver}, Owner: "second"})
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			result, err := second.Resume(ctx, "y", executor.Options{})
			require.Equal(t, executor.CodeCanceled, executor.CodeOf(err), err)
			require.ErrorContains(t, err, "canceled by "+by)
			require.Equal(t, state.RunCanceled, result.Run.Status)
			for _, j := range driver.jobs.jobs {
				require.Equal(t, executor.Canceled, j.state)
			}
			driver.endAt(1)
			driver.started = nil
			_, err = second.Resume(t.Context(), "y", executor.Options{})
			require.NoError(t, err)
			requireDeployed(t, second, "y")
			asked := 0
			for entry, err := range store.Journal(t.Context(), "y", 0) {
				require.NoError(t, err)
				if entry.Kind == string(executor.CancelAsked) {
					asked++
				}
			}
			require.Equal(t, 1, asked)
		})
	}
}
