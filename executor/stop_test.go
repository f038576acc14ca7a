package executor_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
)

// stubborn is a driver of jobs that do not end when they are told to: ended says
// how they do.
type stubborn struct{ *jobs }

func (d *stubborn) Cancel(context.Context, executor.Handle) error { return nil }

func (d *stubborn) ended(state executor.OperationState) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, j := range d.jobs.jobs {
		j.state = state
	}
}

// A job that a cancelled run has not seen end may still run: Resume asks after
// it, and begins it again only when it has stopped.
func TestCancelThatIsNotObeyed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ends   executor.OperationState
		starts int
	}{
		"it ends by itself":  {executor.Succeeded, 1},
		"it stops after all": {executor.Canceled, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				driver := &stubborn{newJobs()}
				e := newEngine(t, executor.Config{Drivers: []executor.Driver{driver}, PollInterval: time.Second, CancelGrace: 10 * time.Second})
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				_, err := e.Deploy(ctx, executor.Request{Deployment: "x", Archive: template(t, things(1, creates, nil))})
				require.Equal(t, executor.CodeCanceled, executor.CodeOf(err))
				time.AfterFunc(20*time.Second, func() {
					driver.ended(c.ends)
					driver.endAt(1) // what is begun after it
				})
				_, err = e.Resume(t.Context(), "x", executor.Options{})
				require.NoError(t, err)
				require.Len(t, driver.seen(), c.starts)
			})
		})
	}
}

// What a forgotten deployment leaves behind is named, as nobody can ask after it.
func TestDeleteNamesWhatMayGoOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var warned []string
		observe := func(ev executor.Event) {
			if ev.Kind == executor.Warning {
				warned = append(warned, ev.Run+" "+ev.Step)
			}
		}
		e := newEngine(t, executor.Config{Drivers: []executor.Driver{&stubborn{newJobs()}}, PollInterval: time.Second, CancelGrace: 10 * time.Second, Observe: observe})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := e.Deploy(ctx, executor.Request{Deployment: "x", Archive: template(t, things(1, creates, nil))})
		require.Equal(t, executor.CodeCanceled, executor.CodeOf(err))
		warned = nil
		require.Equal(t, executor.FailedPrecondition, executor.CodeOf(e.Delete(t.Context(), "x", false)))
		require.Empty(t, warned)
		require.NoError(t, e.Delete(t.Context(), "x", true))
		require.Len(t, warned, 1)
		require.Regexp(t, `^run-1 .*create`, warned[0])
		_, err = e.Info(t.Context(), "x")
		require.Equal(t, executor.NotFound, executor.CodeOf(err))
	})
}

// A job that does not stop after its timeout is still asked after by Resume,
// which tells it to stop again.
func TestTimeoutThatIsNotObeyed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		driver := &stubborn{newJobs()}
		e := newEngine(t, executor.Config{Drivers: []executor.Driver{driver}, PollInterval: time.Second, CancelGrace: 10 * time.Second, Timeout: 5 * time.Second})
		const message = "outcome unknown: timed out after 5s; it did not stop when it was told to"
		_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, things(1, creates, nil))})
		require.ErrorContains(t, err, message)
		_, err = e.Resume(t.Context(), "x", executor.Options{})
		require.ErrorContains(t, err, message)
		driver.endAt(1)
		_, err = e.Resume(t.Context(), "x", executor.Options{})
		require.NoError(t, err)
		require.Len(t, driver.seen(), 1)
	})
}

// silent is a driver whose Recover does not return.
type silent struct{ *jobs }

func (d *silent) Recover(ctx context.Context, _ *executor.Operation) (executor.Status, error) {
	<-ctx.Done()
	return executor.Status{}, ctx.Err()
}

// An operation whose timeout has passed when it is to be recovered, and of which
// nobody answers, fails its run.
func TestRecoverAfterTheTimeoutIsNotAnswered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		live := newMemory(t)
		config := executor.Config{Store: &crashing{Store: live, left: 1}, // the intent is written, the handle is not
			Drivers: []executor.Driver{&silent{newJobs()}}, LeaseTTL: time.Minute, CancelGrace: 10 * time.Second, Timeout: 5 * time.Second}
		_, err := newEngine(t, config).Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, things(1, creates, nil))})
		require.ErrorIs(t, err, errDead)
		time.Sleep(2 * time.Minute)
		config.Store = live
		_, err = newEngine(t, config).Resume(t.Context(), "x", executor.Options{})
		require.Equal(t, executor.CodeFailed, executor.CodeOf(err), err)
		require.ErrorContains(t, err, "cannot find out what became of it")
		run, err := live.Run(t.Context(), "x", "run-1")
		require.NoError(t, err)
		require.Equal(t, state.RunFailed, run.Status)
	})
}

// What a cancelled run has not seen end is stopped before another run begins; that
// is refused while it may go on, and changes nothing.
func TestNothingBeginsBesideWhatDidNotStop(t *testing.T) {
	t.Parallel()
	archive := template(t, things(1, createsAndDeletes, nil))
	for name, begin := range map[string]func(context.Context, *executor.Engine, bool) (*executor.Result, error){
		"deploy": func(ctx context.Context, e *executor.Engine, lost bool) (*executor.Result, error) {
			return e.Deploy(ctx, executor.Request{Deployment: "x", RerunLost: lost})
		},
		"update": func(ctx context.Context, e *executor.Engine, lost bool) (*executor.Result, error) {
			return e.Update(ctx, executor.Request{Deployment: "x", Archive: archive, RerunLost: lost})
		},
		"undeploy": func(ctx context.Context, e *executor.Engine, lost bool) (*executor.Result, error) {
			return e.Undeploy(ctx, "x", executor.Options{RerunLost: lost})
		},
	} {
		for how, atAnyRate := range map[string]bool{"when it has stopped": false, "at any rate": true} {
			t.Run(name+" "+how, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					driver := &stubborn{newJobs()}
					store := newMemory(t)
					e := newEngine(t, executor.Config{Store: store, Drivers: []executor.Driver{driver}, PollInterval: time.Second, CancelGrace: 10 * time.Second})
					ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
					defer cancel()
					_, err := e.Deploy(ctx, executor.Request{Deployment: "x", Archive: archive})
					require.Equal(t, executor.CodeCanceled, executor.CodeOf(err))
					before, err := store.Run(t.Context(), "x", "run-1")
					require.NoError(t, err)

					_, err = begin(t.Context(), e, false)
					require.Equal(t, executor.FailedPrecondition, executor.CodeOf(err))
					require.ErrorContains(t, err, "nobody can tell that these operations have stopped: n0_0.Standard.create")
					require.Equal(t, []string{"n0_0.create"}, driver.seen())
					after, err := store.Run(t.Context(), "x", "run-1")
					require.NoError(t, err)
					after.LastSeq = before.LastSeq
					require.Equal(t, before, after)
					if !atAnyRate {
						driver.ended(executor.Canceled)
					}
					time.AfterFunc(15*time.Second, func() { driver.endAt(1) })
					result, err := begin(t.Context(), e, atAnyRate)
					require.NoError(t, err)
					require.Equal(t, "run-2", result.Run.ID)
					require.Greater(t, len(driver.seen()), 1)
				})
			})
		}
	}
}

// A rollback does not take away what may still be made.
func TestRollbackWaitsForWhatDidNotStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		driver := &stubborn{newJobs()}
		e := newEngine(t, executor.Config{Drivers: []executor.Driver{driver}, PollInterval: time.Second, CancelGrace: 10 * time.Second, Timeout: 5 * time.Second})
		_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, things(1, createsAndDeletes, nil)), Rollback: true})
		require.Equal(t, executor.CodeFailed, executor.CodeOf(err))
		require.ErrorContains(t, err, "could not be taken back: roll back x: end run-1: nobody can tell")
		_, err = e.Resume(t.Context(), "x", executor.Options{})
		require.Equal(t, executor.FailedPrecondition, executor.CodeOf(err))
		require.Equal(t, []string{"n0_0.create"}, driver.seen())

		driver.ended(executor.Succeeded)
		driver.endAt(1)
		result, err := e.Resume(t.Context(), "x", executor.Options{})
		require.NoError(t, err)
		require.Equal(t, "rollback", result.Run.Kind)
		require.Equal(t, []string{"n0_0.create", "n0_0.delete"}, driver.seen())
	})
}

// cut is a jobs driver of which nothing is heard before it is back.
type cut struct {
	*jobs
	back bool
}

func (d *cut) Recover(ctx context.Context, op *executor.Operation) (executor.Status, error) {
	if !d.back {
		return executor.Status{}, errors.New("no route to host")
	}
	return d.jobs.Recover(ctx, op)
}

// The same where the last run was interrupted, and the host of its operation does
// not answer: Cancel makes that known too.
func TestNothingBeginsBesideWhatNobodyAnswersFor(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(context.Context, *executor.Engine) error{
		"undeploy": func(ctx context.Context, e *executor.Engine) error {
			_, err := e.Undeploy(ctx, "x", executor.Options{})
			return err
		},
		"cancel": func(ctx context.Context, e *executor.Engine) error { return e.Cancel(ctx, "x", "") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				driver, live := &cut{jobs: newJobs()}, newMemory(t)
				config := executor.Config{Store: &crashing{Store: live, left: 1}, // the intent is written, the handle is not
					Drivers: []executor.Driver{driver}, LeaseTTL: time.Minute, PollInterval: time.Second}
				_, err := newEngine(t, config).Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, things(1, createsAndDeletes, nil))})
				require.ErrorIs(t, err, errDead)
				time.Sleep(2 * time.Minute)
				config.Store = live
				e := newEngine(t, config)
				err = end(t.Context(), e)
				require.Equal(t, executor.FailedPrecondition, executor.CodeOf(err))
				require.ErrorContains(t, err, "nobody can tell that these operations have stopped: n0_0.Standard.create")

				driver.back = true
				time.AfterFunc(15*time.Second, func() { driver.endAt(1) }) // what is begun after it was stopped
				_, err = e.Undeploy(t.Context(), "x", executor.Options{})
				require.NoError(t, err)
				require.Equal(t, []string{"n0_0.create", "n0_0.delete"}, driver.seen())
				for id, j := range driver.jobs.jobs {
					require.NotEqual(t, executor.Running, j.state, id)
				}
			})
		})
	}
}

// endless is a driver of jobs of which those to start a node fail and those to
// stop it do not end.
type endless struct {
	*stubborn
	sleeping bool // they go on, too
}

func (d *endless) Start(ctx context.Context, op *executor.Operation) (executor.Status, error) {
	status, err := d.stubborn.Start(ctx, op)
	switch {
	case d.sleeping || op.Name == "stop":
	case op.Name == "start":
		d.end(op.ID, executor.Failed, nil, errors.New("no"))
	default:
		d.end(op.ID, executor.Succeeded, nil, nil)
	}
	return status, err
}

// To stop a node in state "error" may fail: by a timeout that is not obeyed, too.
func TestTimeoutOfWhatMayFail(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		driver := &endless{stubborn: &stubborn{newJobs()}}
		e := newEngine(t, executor.Config{Drivers: []executor.Driver{driver}, PollInterval: time.Second, CancelGrace: 10 * time.Second, Timeout: 5 * time.Second})
		yaml := things(1, func(int) string { return "start: do.sh, stop: do.sh, delete: do.sh" }, nil)
		_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, yaml)})
		require.Equal(t, executor.CodeFailed, executor.CodeOf(err))
		_, err = e.Undeploy(t.Context(), "x", executor.Options{})
		require.NoError(t, err)
		require.Equal(t, []string{"n0_0.start", "n0_0.stop", "n0_0.delete"}, driver.seen())
	})
}

// What is begun again after it has stopped is tried no more often than without that.
func TestAttemptsAfterACancelThatIsNotObeyed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		driver := &endless{stubborn: &stubborn{newJobs()}}
		retry := executor.RetryPolicy{Attempts: 1, Always: true}
		e := newEngine(t, executor.Config{Drivers: []executor.Driver{driver}, PollInterval: time.Second, CancelGrace: 10 * time.Second, Retry: retry})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		driver.sleeping = true
		_, err := e.Deploy(ctx, executor.Request{Deployment: "x", Archive: template(t, things(1, func(int) string { return "start: do.sh" }, nil))})
		require.Equal(t, executor.CodeCanceled, executor.CodeOf(err))
		driver.sleeping = false
		driver.ended(executor.Canceled)
		_, err = e.Resume(t.Context(), "x", executor.Options{})
		require.Equal(t, executor.CodeFailed, executor.CodeOf(err))
		require.Equal(t, []string{"n0_0.start", "n0_0.start"}, driver.seen())
	})
}

// stuck is a queue whose second job neither ends nor stops.
type stuck struct{ *queue }

func (d *stuck) Cancel(context.Context, executor.Handle) error { return nil }

func (d *stuck) Poll(ctx context.Context, handles []executor.Handle) ([]executor.Status, error) {
	list, err := d.queue.Poll(ctx, handles)
	for i := range list {
		if string(list[i].Handle.Data) == `"b_0/1"` {
			list[i].State = executor.Running
		}
	}
	return list, err
}

// A job that is to begin anew with the one that it waits for, and does not stop,
// is not begun beside itself, nor passed over.
func TestChainedJobThatDoesNotStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		driver := &stuck{newQueue()}
		driver.fails["a_0/1"] = executor.MarkRetryable(errors.New("the node is gone"))
		e := newEngine(t, executor.Config{Drivers: []executor.Driver{driver}, PollInterval: time.Second, CancelGrace: 10 * time.Second})
		_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, threeJobs)})
		require.Equal(t, executor.CodeFailed, executor.CodeOf(err))
		require.ErrorContains(t, err, "b_0: Standard.start: outcome unknown")
		require.NotContains(t, driver.seen(), "submit b_0/2 after a_0/2")
	})
}
