package executor_test

import (
	"context"
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
		first := newEngine(t, executor.Config{Store: &losing{store, begun}, Drivers: []executor.Driver{driver}, LeaseTTL: 3 * time.Second})
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
