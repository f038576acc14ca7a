package executor_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
)

// things is a service of n nodes; node i has the given interfaces text and
// depends on those that after names.
func things(n int, operations func(i int) string, after func(i int) []int) string {
	var b strings.Builder
	b.WriteString("tosca_definitions_version: tosca_simple_yaml_1_3\ntopology_template:\n  node_templates:\n")
	for i := range n {
		fmt.Fprintf(&b, "    n%d:\n      type: tosca.nodes.Root\n", i)
		if after != nil {
			if list := after(i); len(list) > 0 {
				b.WriteString("      requirements:\n")
				for _, j := range list {
					fmt.Fprintf(&b, "        - dependency: n%d\n", j)
				}
			}
		}
		if operations != nil {
			if ops := operations(i); ops != "" {
				fmt.Fprintf(&b, "      interfaces:\n        Standard:\n          operations: { %s }\n", ops)
			}
		}
	}
	return b.String()
}

func creates(int) string { return "create: do.sh" }

func chain(i int) []int {
	if i == 0 {
		return nil
	}
	return []int{i - 1}
}

func TestAsynchronousOperations(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		driver := newJobs()
		driver.auto = 3
		w := &watcher{}
		e := newEngine(t, executor.Config{Drivers: []executor.Driver{driver}, Workers: 1, PollInterval: time.Second, Observe: w.observe})
		began := time.Now()
		var wg sync.WaitGroup
		// Two deployments of 50 jobs each: one worker is enough to have them all
		// running, and each second has one Poll for all of them.
		for _, id := range []string{"a", "b"} {
			wg.Go(func() {
				_, err := e.Deploy(t.Context(), executor.Request{Deployment: id, Archive: template(t, things(50, creates, nil))})
				require.NoError(t, err)
			})
		}
		wg.Wait()
		require.Len(t, driver.seen(), 100)
		require.Equal(t, 3, driver.polls)
		require.Equal(t, 3*time.Second, time.Since(began))
		require.Contains(t, w.kinds(executor.OperationRunning), "operation-running n0_0.create ")
		require.NotEmpty(t, w.kinds(executor.OperationDetail))
	})
}

// breaking is a driver whose second answer is that the job has failed.
type breaking struct{ *jobs }

func (d breaking) Poll(ctx context.Context, handles []executor.Handle) ([]executor.Status, error) {
	all, err := d.jobs.Poll(ctx, handles)
	if d.polls == 2 {
		all[0].State, all[0].Err = executor.Failed, errors.New("broken")
	}
	return all, err
}

// The news of an attempt are told even if they are those of the last one.
func TestNewsOfTheNextAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		driver, w := breaking{newJobs()}, &watcher{}
		driver.auto = 2
		e := newEngine(t, executor.Config{Drivers: []executor.Driver{driver}, PollInterval: time.Second, Retry: executor.RetryPolicy{Attempts: 2, Always: true}, Observe: w.observe})
		_, err := e.Deploy(t.Context(), executor.Request{Deployment: "a", Archive: template(t, things(1, creates, nil))})
		require.NoError(t, err)
		require.Len(t, w.kinds(executor.OperationDetail), 2)
	})
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	const yaml = `
tosca_definitions_version: tosca_simple_yaml_1_3
topology_template:
  node_templates:
    slow:
      type: tosca.nodes.Root
      interfaces:
        Standard:
          operations:
            create: { implementation: { primary: do.sh, timeout: 3 } }
`
	test := func(name string, driver executor.Driver, grace, want time.Duration, message string) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t, executor.Config{Drivers: []executor.Driver{driver}, PollInterval: 2 * time.Second, CancelGrace: grace})
				began := time.Now()
				result, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, yaml)})
				require.ErrorContains(t, err, message)
				require.Equal(t, executor.CodeFailed, executor.CodeOf(err))
				require.Equal(t, executor.DeadlineExceeded, executor.CodeOf(result.Failures[0].Err))
				require.Equal(t, want, time.Since(began))
				time.Sleep(2 * time.Hour) // until the last runner has returned
			})
		})
	}
	obeys := &script{do: func(ctx context.Context, _ *executor.Operation) (map[string]any, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	test("a runner that obeys", executor.Sync(obeys), 0, 3*time.Second, "deploy x: slow_0: Standard.create: timed out after 3s")
	test("a job that can be cancelled", newJobs(), 0, 4*time.Second, "timed out after 3s")
	deaf := &script{do: func(context.Context, *executor.Operation) (map[string]any, error) {
		time.Sleep(time.Hour) // of the bubble's clock
		return nil, nil
	}}
	test("a runner that does not", executor.Sync(deaf), 5*time.Second, 13*time.Second, "timed out after 3s; it did not stop when it was told to")
}

func TestRetry(t *testing.T) {
	t.Parallel()
	busy := executor.MarkRetryable(errors.New("the host does not answer"))
	cases := map[string]struct {
		errs  []error // of each attempt
		tries int
		took  time.Duration
		fails string
	}{
		"the second attempt succeeds": {[]error{busy, nil}, 2, 2 * time.Second, ""},
		"the backoff grows":           {[]error{busy, busy, busy, nil}, 4, (2 + 4 + 5) * time.Second, ""},
		"not for ever":                {[]error{busy, busy, busy, busy, nil}, 4, 11 * time.Second, "n0_0: Standard.create (attempt 4): the host does not answer"},
		"only what is retryable":      {[]error{errors.New("no such file"), nil}, 1, 0, "n0_0: Standard.create: no such file"},
		"until it is not":             {[]error{busy, errors.New("no such file"), nil}, 2, 2 * time.Second, "no such file"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ids := map[string]bool{}
				driver := &script{do: func(_ context.Context, op *executor.Operation) (map[string]any, error) {
					ids[op.ID] = true
					return nil, c.errs[op.Attempt-1]
				}}
				w := &watcher{}
				e := newEngine(t, executor.Config{Drivers: []executor.Driver{executor.Sync(driver)}, Observe: w.observe,
					Retry: executor.RetryPolicy{Attempts: 4, Backoff: 2 * time.Second, MaxBackoff: 5 * time.Second}})
				began := time.Now()
				_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, things(1, creates, nil))})
				if c.fails == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, c.fails)
				}
				require.Equal(t, c.took, time.Since(began))
				require.Len(t, driver.seen(), c.tries)
				require.Len(t, ids, 1, "the ID is stable")
				require.Len(t, w.kinds(executor.OperationRetry), c.tries-1)
			})
		})
	}
}

func TestFailureIsToldOnce(t *testing.T) {
	t.Parallel()
	// n1 fails; n2 depends on it, n3 on n2. n4 does not, and has its turn behind
	// n1: it waits for n5, which is a step longer.
	yaml := things(5, creates, func(i int) []int { return map[int][]int{1: {0}, 2: {1}, 3: {2}}[i] })
	yaml = strings.Replace(yaml, "    n4:\n      type: tosca.nodes.Root\n", "    n4:\n      type: tosca.nodes.Root\n      requirements: [ dependency: n5 ]\n", 1) +
		"    n5:\n      type: tosca.nodes.Root\n      requirements: [ dependency: n0 ]\n"
	cases := map[executor.FailurePolicy]struct{ seen, skipped []string }{
		executor.Stop: {
			[]string{"n0_0.create", "n1_0.create"},
			[]string{"step-skipped n2_0.create ", "step-skipped n3_0.create ", "step-skipped n4_0.create "},
		},
		executor.Continue: {
			[]string{"n0_0.create", "n1_0.create", "n4_0.create"},
			[]string{"step-skipped n2_0.create ", "step-skipped n3_0.create "},
		},
	}
	for policy, c := range cases {
		t.Run(string(policy), func(t *testing.T) {
			t.Parallel()
			driver := &script{do: func(_ context.Context, op *executor.Operation) (map[string]any, error) {
				if op.Instance == "n1_0" {
					return nil, errors.New("disk full")
				}
				return nil, nil
			}}
			w := &watcher{}
			e := newEngine(t, executor.Config{Drivers: []executor.Driver{executor.Sync(driver)}, Observe: w.observe, Workers: 1, OnFailure: policy})
			result, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, yaml)})
			require.EqualError(t, err, "deploy x: n1_0: Standard.create: disk full")
			require.Len(t, result.Failures, 1)
			require.Equal(t, "n1_0.Standard.create", result.Failures[0].Step)
			require.Equal(t, state.RunFailed, result.Run.Status)
			require.Equal(t, 1, result.Run.Failed)
			require.ElementsMatch(t, c.seen, driver.seen())
			require.ElementsMatch(t, c.skipped, w.kinds(executor.StepSkipped))
			for _, ev := range w.all() {
				if ev.Kind == executor.StepSkipped {
					require.Equal(t, "n1_0.Standard.create", ev.Cause)
				}
			}
			info, err := e.Info(t.Context(), "x")
			require.NoError(t, err)
			require.Equal(t, state.Failed, info.Status)
			for _, inst := range info.Instances {
				if inst.ID == "n1_0" {
					require.Equal(t, "error", inst.State)
				}
			}
		})
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, store state.Store) {
		driver := newJobs()
		driver.started = make(chan string, 10)
		e := newEngine(t, executor.Config{Store: store, Drivers: []executor.Driver{driver}})
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			<-driver.started
			cancel(errors.New("somebody pressed a key"))
		}()
		result, err := e.Deploy(ctx, executor.Request{Deployment: "x", Archive: template(t, things(3, creates, chain))})
		require.ErrorContains(t, err, "somebody pressed a key")
		require.Equal(t, executor.CodeCanceled, executor.CodeOf(err))
		require.Equal(t, state.RunCanceled, result.Run.Status)
		require.Len(t, driver.jobs, 1)
		for _, j := range driver.jobs {
			require.Equal(t, executor.Canceled, j.state, "the job was cancelled in the outside world")
		}
		run, err := store.Run(t.Context(), "x", result.Run.ID)
		require.NoError(t, err)
		require.Equal(t, state.RunCanceled, run.Status)

		driver.auto = 1
		result, err = e.Resume(t.Context(), "x", executor.Options{})
		require.NoError(t, err)
		require.Equal(t, state.RunSucceeded, result.Run.Status)
		require.Equal(t, []string{"n0_0.create", "n0_0.create", "n1_0.create", "n2_0.create"}, driver.seen())
	})
}

func TestCancelStopsRunners(t *testing.T) {
	t.Parallel()
	began := make(chan struct{})
	driver := &script{do: func(ctx context.Context, _ *executor.Operation) (map[string]any, error) {
		close(began)
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	e := newEngine(t, executor.Config{Drivers: []executor.Driver{executor.Sync(driver)}})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-began; cancel() }()
	result, err := e.Deploy(ctx, executor.Request{Deployment: "x", Archive: template(t, things(2, creates, chain))})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, state.RunCanceled, result.Run.Status)
	require.Empty(t, result.Failures)
}

func TestResumeTriesFailedStepsAgain(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, store state.Store) {
		broken := true
		driver := &script{do: func(_ context.Context, op *executor.Operation) (map[string]any, error) {
			if broken && op.Instance == "n1_0" {
				return nil, errors.New("disk full")
			}
			return nil, nil
		}}
		e := newEngine(t, executor.Config{Store: store, Drivers: []executor.Driver{executor.Sync(driver)}})
		first, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, things(3, creates, chain))})
		require.Error(t, err)
		broken = false
		second, err := e.Resume(t.Context(), "x", executor.Options{})
		require.NoError(t, err)
		require.Equal(t, first.Run.ID, second.Run.ID)
		require.Equal(t, []string{"n0_0.create", "n1_0.create", "n1_0.create", "n2_0.create"}, driver.seen())
		require.Equal(t, 2, driver.ops[2].Attempt)
		require.Equal(t, driver.ops[1].ID, driver.ops[2].ID)

		_, err = e.Resume(t.Context(), "x", executor.Options{})
		require.Equal(t, executor.FailedPrecondition, executor.CodeOf(err))
		info, err := e.Info(t.Context(), "x")
		require.NoError(t, err)
		require.Equal(t, state.Deployed, info.Status)
	})
}

// The operations of one engine are bounded by Workers, those of a host by PerHost.
func TestWorkersBoundWhatRuns(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{1, 3} {
		var mu sync.Mutex
		running, most := 0, 0
		driver := &script{do: func(context.Context, *executor.Operation) (map[string]any, error) {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			time.Sleep(time.Second) // of the bubble's clock
			mu.Lock()
			running--
			mu.Unlock()
			return nil, nil
		}}
		synctest.Test(t, func(t *testing.T) {
			e := newEngine(t, executor.Config{Drivers: []executor.Driver{executor.Sync(driver)}, Workers: workers})
			began := time.Now()
			_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, things(12, creates, nil))})
			require.NoError(t, err)
			require.Equal(t, workers, most)
			require.Equal(t, time.Duration(12/workers)*time.Second, time.Since(began))
		})
	}
}

func TestLeaseIsRenewed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		driver := newJobs()
		driver.auto = 100
		e := newEngine(t, executor.Config{Drivers: []executor.Driver{driver}, PollInterval: time.Second, LeaseTTL: 3 * time.Second})
		_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, things(2, creates, chain))})
		require.NoError(t, err)
	})
}

// A run whose lease was lost stops and writes nothing any more.
func TestLostLeaseStopsTheRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &forgetful{Store: newMemory(t)}
		stopped := false
		driver := &script{do: func(ctx context.Context, _ *executor.Operation) (map[string]any, error) {
			<-ctx.Done()
			stopped = true
			return nil, ctx.Err()
		}}
		e := newEngine(t, executor.Config{Store: store, Drivers: []executor.Driver{executor.Sync(driver)}, LeaseTTL: 3 * time.Second})
		_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, things(2, creates, chain))})
		require.Equal(t, executor.FailedPrecondition, executor.CodeOf(err))
		require.True(t, stopped)
		run, err := store.Run(t.Context(), "x", "run-1")
		require.NoError(t, err)
		require.Equal(t, state.RunRunning, run.Status, "nobody wrote the end")
	})
}

// forgetful is a store that does not know the lease when it is to be renewed.
type forgetful struct{ state.Store }

func (f *forgetful) RenewLease(context.Context, state.Lease, time.Duration) (state.Lease, error) {
	return state.Lease{}, &executor.Error{Code: executor.FailedPrecondition, Op: "renew lease", Err: errors.New("it is gone")}
}

func TestClosedEngineRefuses(t *testing.T) {
	t.Parallel()
	e, err := executor.New(executor.Config{Store: newMemory(t)})
	require.NoError(t, err)
	require.NoError(t, e.Close())
	_, err = e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, things(1, nil, nil))})
	require.Equal(t, executor.FailedPrecondition, executor.CodeOf(err))
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	store := newMemory(t)
	for want, cfg := range map[string]executor.Config{
		"Config.Store is missing":       {},
		`two drivers are called "jobs"`: {Store: store, Drivers: []executor.Driver{newJobs(), newJobs()}},
		"unknown Config.OnFailure":      {Store: store, OnFailure: "explode"},
		"Config.Key has 3 bytes":        {Store: store, Key: []byte("abc")},
	} {
		_, err := executor.New(cfg)
		require.ErrorContains(t, err, want)
		require.Equal(t, executor.InvalidArgument, executor.CodeOf(err))
	}
}
