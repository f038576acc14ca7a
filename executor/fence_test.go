package executor_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
)

// pausing is the store of an engine whose process can be stopped in so far as
// it does not renew its lease any more.
type pausing struct {
	state.Store
	paused chan struct{} // closed when it stops
	awake  chan struct{} // closed when it goes on
}

func newPausing(s state.Store) *pausing {
	return &pausing{s, make(chan struct{}), make(chan struct{})}
}

func (p *pausing) RenewLease(ctx context.Context, l state.Lease, ttl time.Duration) (state.Lease, error) {
	select {
	case <-p.paused:
		select {
		case <-p.awake:
		default:
			return l, nil // it does not know that it stands still
		}
	default:
	}
	return p.Store.RenewLease(ctx, l, ttl)
}

// fenced is a deployment of two jobs that one engine has begun, and another one
// has taken over while the first did not keep its lease.
type fenced struct {
	driver *jobs
	store  *pausing // the first engine's
	jobs   []string
	// first and second are what Deploy and Resume return.
	first, second chan error
	engine        *executor.Engine // the second
}

// takeOver makes a fenced deployment. The second engine knows both jobs, and has
// a connection of its own to a networked store.
func takeOver(t *testing.T, s state.Store) *fenced {
	driver := newJobs()
	driver.started = make(chan string, 10)
	f := &fenced{driver: driver, store: newPausing(s), first: make(chan error, 1), second: make(chan error, 1)}
	running := make(chan struct{}, 10)
	first := newEngine(t, executor.Config{Store: f.store, Drivers: []executor.Driver{driver}, Owner: "first", LeaseTTL: 2 * time.Second,
		Observe: func(ev executor.Event) {
			if ev.Kind == executor.OperationRunning {
				running <- struct{}{}
			}
		}})
	go func() {
		_, err := first.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, things(2, creates, nil))})
		f.first <- err
	}()
	for range 2 {
		select {
		case id := <-driver.started:
			f.jobs = append(f.jobs, id)
			<-running // the handle is on disk
		case err := <-f.first:
			require.NoError(t, err)
		}
	}
	close(f.store.paused)

	resumed := make(chan struct{})
	if n, ok := s.(*networked); ok {
		s = n.connect(t)
	}
	f.engine = newEngine(t, executor.Config{Store: s, Drivers: []executor.Driver{driver}, Owner: "second",
		Observe: func(ev executor.Event) {
			if ev.Kind == executor.RunStarted {
				close(resumed)
			}
		}})
	go func() {
		var err error
		for tick := time.NewTicker(20 * time.Millisecond); ; <-tick.C {
			// The first one has the lease until it expires.
			if _, err = f.engine.Resume(t.Context(), "x", executor.Options{}); executor.CodeOf(err) != executor.Conflict {
				break
			}
		}
		f.second <- err
	}()
	select {
	case <-resumed:
	case err := <-f.second:
		require.NoError(t, err)
		require.Fail(t, "the second engine did not wait for the jobs")
	}
	return f
}

// finish ends the jobs and checks what the second engine has made of them.
func (f *fenced) finish(t *testing.T) {
	t.Helper()
	for _, id := range f.jobs {
		f.driver.end(id, executor.Succeeded, nil, nil)
	}
	require.NoError(t, <-f.second)
	requireDeployed(t, f.engine, "x")
	requireEachOnce(t, f.driver.seen(), 2)
}

// An engine that comes back after its lease has expired cannot write, and says
// who has the deployment now. Its jobs were told to the other one by their handles.
func TestPausedEngineIsFenced(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, s state.Store) {
		t.Run("when it writes", func(t *testing.T) {
			f := takeOver(t, s)
			before := lastSeq(t, s)
			// Both engines see the end of one job: only one may record it.
			f.driver.end(f.jobs[0], executor.Succeeded, nil, nil)
			err := <-f.first
			require.Equal(t, executor.FailedPrecondition, executor.CodeOf(err))
			require.ErrorContains(t, err, `the lease was lost to "second"`)
			f.finish(t)
			ends := 0
			for entry, err := range s.Journal(t.Context(), "x", before) {
				require.NoError(t, err)
				if entry.Kind == string(executor.OperationEnded) {
					ends++
				}
			}
			require.Equal(t, 2, ends)
		})
	})
	stores(t, func(t *testing.T, s state.Store) {
		t.Run("when it renews", func(t *testing.T) {
			f := takeOver(t, s)
			close(f.store.awake)
			err := <-f.first
			require.Equal(t, executor.FailedPrecondition, executor.CodeOf(err))
			require.ErrorContains(t, err, `the lease was lost to "second"`)
			f.finish(t)
		})
	})
}

func lastSeq(t *testing.T, s state.Store) uint64 {
	d, err := s.Deployment(t.Context(), "x")
	require.NoError(t, err)
	return d.LastSeq
}

// A second engine on a deployment that another one works on is refused, with
// the name of that one. Reading is free.
func TestSecondEngineIsRefused(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, s state.Store) {
		driver := newJobs()
		driver.started = make(chan string, 10)
		first := newEngine(t, executor.Config{Store: s, Drivers: []executor.Driver{driver}, Owner: "first"})
		archive := template(t, things(1, creates, nil))
		ended := make(chan error, 1)
		go func() {
			_, err := first.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: archive})
			ended <- err
		}()
		job := <-driver.started
		if n, ok := s.(*networked); ok {
			s = n.connect(t)
		}
		second := newEngine(t, executor.Config{Store: s, Drivers: []executor.Driver{driver}, Owner: "second"})
		tries := map[string]func() error{
			"deploy": func() error {
				_, err := second.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: archive})
				return err
			},
			"update": func() error {
				_, err := second.Update(t.Context(), executor.Request{Deployment: "x", Archive: archive})
				return err
			},
			"undeploy": func() error { _, err := second.Undeploy(t.Context(), "x", executor.Options{}); return err },
			"resume":   func() error { _, err := second.Resume(t.Context(), "x", executor.Options{}); return err },
			"delete":   func() error { return second.Delete(t.Context(), "x", true) },
		}
		for name, try := range tries {
			err := try()
			require.Equal(t, executor.Conflict, executor.CodeOf(err), name)
			require.ErrorContains(t, err, `held by "first"`, name)
		}
		info, err := second.Info(t.Context(), "x")
		require.NoError(t, err)
		require.Equal(t, state.Deploying, info.Status)
		driver.end(job, executor.Succeeded, nil, nil)
		require.NoError(t, <-ended)
		requireEachOnce(t, driver.seen(), 1)
	})
}

// hung is a store that does not answer when a lease is to be renewed, as one
// behind a broken line; its clock is an hour ahead.
type hung struct{ state.Store }

func (h hung) AcquireLease(ctx context.Context, id, owner string, ttl time.Duration) (state.Lease, error) {
	l, err := h.Store.AcquireLease(ctx, id, owner, ttl)
	l.Expires = l.Expires.Add(time.Hour)
	return l, err
}

func (h hung) RenewLease(ctx context.Context, l state.Lease, _ time.Duration) (state.Lease, error) {
	<-ctx.Done()
	return l, ctx.Err()
}

// An engine that cannot renew its lease knows by its own clock when another one
// may have the deployment, and stops what it does there.
func TestUnansweredRenewalStopsTheRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stopped := time.Duration(0)
		began := time.Now()
		driver := &script{do: func(ctx context.Context, _ *executor.Operation) (map[string]any, error) {
			<-ctx.Done()
			stopped = time.Since(began)
			return nil, ctx.Err()
		}}
		e := newEngine(t, executor.Config{Store: hung{newMemory(t)}, Drivers: []executor.Driver{executor.Sync(driver)}, LeaseTTL: 30 * time.Second})
		_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, things(1, creates, nil))})
		require.Equal(t, executor.FailedPrecondition, executor.CodeOf(err), err)
		require.Equal(t, 30*time.Second, stopped)
	})
}

// A process that is stopped between the record of an intent and the start of
// the operation does not start it when it goes on after its lease has ended.
func TestNothingIsBegunWithoutTheLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		driver, store := newJobs(), newMemory(t)
		pause := func(ev executor.Event) {
			if ev.Kind == executor.OperationStarted {
				time.Sleep(time.Minute)
			}
		}
		e := newEngine(t, executor.Config{Store: hung{store}, Drivers: []executor.Driver{driver}, LeaseTTL: 30 * time.Second, Observe: pause})
		_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, things(1, creates, nil))})
		require.Equal(t, executor.FailedPrecondition, executor.CodeOf(err), err)
		require.Empty(t, driver.seen())

		driver.auto = 1
		second := newEngine(t, executor.Config{Store: store, Drivers: []executor.Driver{driver}})
		_, err = second.Resume(t.Context(), "x", executor.Options{})
		require.NoError(t, err)
		require.Len(t, driver.seen(), 1)
	})
}

// outage is a store that cannot renew leases from one moment to another.
type outage struct {
	state.Store
	from, to time.Time
}

func (o outage) RenewLease(ctx context.Context, l state.Lease, ttl time.Duration) (state.Lease, error) {
	if now := time.Now(); now.After(o.from) && now.Before(o.to) {
		return l, &executor.Error{Code: executor.Unavailable, Op: "renew lease", Err: context.DeadlineExceeded}
	}
	return o.Store.RenewLease(ctx, l, ttl)
}

// A store that is back before the lease has ended is asked in time.
func TestLeaseOutlastsAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		driver := newJobs()
		driver.auto = 60
		store := outage{newMemory(t), time.Now().Add(9 * time.Second), time.Now().Add(28 * time.Second)}
		e := newEngine(t, executor.Config{Store: store, Drivers: []executor.Driver{driver}, LeaseTTL: 30 * time.Second, PollInterval: time.Second})
		_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, things(1, creates, nil))})
		require.NoError(t, err)
	})
}
