package executor_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
)

// crashing is the store of an engine whose process dies at one of its commits:
// before it or right behind it. After that nothing comes through.
type crashing struct {
	state.Store
	after bool // die behind the commit
	mu    sync.Mutex
	left  int // commits until then
	dead  bool
}

var errDead = &executor.Error{Code: executor.Internal, Op: "use the store", Err: errors.New("the process is dead")}

func (c *crashing) Commit(ctx context.Context, id string, commit *state.Commit) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead {
		return 0, errDead
	}
	c.left--
	if c.left >= 0 {
		return c.Store.Commit(ctx, id, commit)
	}
	c.dead = true
	if c.after {
		if _, err := c.Store.Commit(ctx, id, commit); err != nil {
			return 0, err
		}
	}
	return 0, errDead
}

func (c *crashing) RenewLease(ctx context.Context, l state.Lease, ttl time.Duration) (state.Lease, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead {
		return l, errDead
	}
	return c.Store.RenewLease(ctx, l, ttl)
}

func (c *crashing) ReleaseLease(ctx context.Context, l state.Lease) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead {
		return errDead
	}
	return c.Store.ReleaseLease(ctx, l)
}

// remembering is a Runner whose outside world knows what was done.
type remembering struct {
	script
	done map[string]map[string]any // by operation ID
}

func (r *remembering) Run(ctx context.Context, op *executor.Operation) (map[string]any, error) {
	outputs, err := r.script.Run(ctx, op)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.done[op.ID] = outputs
	}
	return outputs, err
}

func (r *remembering) Recover(_ context.Context, op *executor.Operation) (executor.Status, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if outputs, ok := r.done[op.ID]; ok {
		return executor.Status{State: executor.Succeeded, Outputs: outputs}, nil
	}
	return executor.Status{State: executor.NotStarted}, nil
}

// At every commit of a deployment the process dies, once before and once behind
// it. Whatever the moment, Resume completes the deployment, and no operation is
// done twice.
func TestCrashAtEveryCommit(t *testing.T) {
	t.Parallel()
	yaml := things(6, func(int) string { return "create: do.sh, configure: do.sh, start: do.sh" },
		func(i int) []int { return [][]int{nil, {0}, {0}, {1, 2}, nil, {4}}[i] })
	drivers := map[string]func() (executor.Driver, func() []string){
		"jobs": func() (executor.Driver, func() []string) {
			d := newJobs()
			d.auto = 2
			return d, d.seen
		},
		"scripts": func() (executor.Driver, func() []string) {
			r := &remembering{done: map[string]map[string]any{}}
			return executor.Sync(r), r.seen
		},
	}
	for name, makeDriver := range drivers {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/after=%v", name, after), func(t *testing.T) {
				t.Parallel()
				crashes := 0
				for crashed := true; crashed; crashes++ {
					synctest.Test(t, func(t *testing.T) { crashed = crashOnce(t, yaml, crashes, after, makeDriver) })
				}
				require.Greater(t, crashes, 10)
			})
		}
	}
}

// crashOnce deploys with a crash at a commit, and resumes; false if there were
// not so many commits.
func crashOnce(t *testing.T, yaml string, commits int, after bool, makeDriver func() (executor.Driver, func() []string)) bool {
	driver, seen := makeDriver()
	live := newMemory(t)
	dying := &crashing{Store: live, left: commits, after: after}
	request := executor.Request{Deployment: "x", Archive: template(t, yaml)}
	first := newEngine(t, executor.Config{Store: dying, Drivers: []executor.Driver{driver}, PollInterval: time.Second, LeaseTTL: time.Minute})
	_, err := first.Deploy(t.Context(), request)
	if !dying.dead {
		require.NoError(t, err)
		return false
	}
	require.ErrorIs(t, err, errDead)
	time.Sleep(2 * time.Minute)

	second := newEngine(t, executor.Config{Store: live, Drivers: []executor.Driver{driver}, PollInterval: time.Second, Workers: 1})
	record, err := live.Deployment(t.Context(), "x")
	require.NoError(t, err)
	switch record.Status {
	case state.Initialized: // the run had not begun
		_, err = second.Deploy(t.Context(), request)
	case state.Deployed: // the run had ended
		_, err = second.Resume(t.Context(), "x", executor.Options{})
		require.Equal(t, executor.FailedPrecondition, executor.CodeOf(err))
		err = nil
	default:
		_, err = second.Resume(t.Context(), "x", executor.Options{})
	}
	require.NoError(t, err)
	requireDeployed(t, second, "x")
	requireEachOnce(t, seen(), 18)
	return true
}

func requireDeployed(t *testing.T, e *executor.Engine, id string) {
	t.Helper()
	info, err := e.Info(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, state.Deployed, info.Status)
	for _, inst := range info.Instances {
		if inst.Kind == state.Node {
			require.Equal(t, "started", inst.State, inst.ID)
		}
	}
}

func requireEachOnce(t *testing.T, seen []string, n int) {
	t.Helper()
	count := map[string]int{}
	for _, what := range seen {
		count[what]++
		require.Equal(t, 1, count[what], "%s was done again", what)
	}
	require.Len(t, count, n)
}

// A run that was interrupted is ended before another one begins: its jobs are
// cancelled, so that none is left behind.
func TestInterruptedRunIsSettled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		driver := newJobs()
		driver.started = make(chan string, 10)
		live := newMemory(t)
		// The first commit has the intent, the second one the handles.
		for commits := range 3 {
			id := fmt.Sprint("x", commits)
			dying := &crashing{Store: live, left: commits}
			first := newEngine(t, executor.Config{Store: dying, Drivers: []executor.Driver{driver}, LeaseTTL: time.Minute, PollInterval: time.Second})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			_, _ = first.Deploy(ctx, executor.Request{Deployment: id, Archive: template(t, things(2, creates, nil))})
			cancel()
			time.Sleep(2 * time.Minute)
			second := newEngine(t, executor.Config{Store: live, Drivers: []executor.Driver{driver}, PollInterval: time.Second})
			_, err := second.Undeploy(t.Context(), id, executor.Options{})
			if executor.CodeOf(err) != executor.FailedPrecondition { // the run had not begun
				require.NoError(t, err)
				info, err := second.Info(t.Context(), id)
				require.NoError(t, err)
				require.Equal(t, state.Undeployed, info.Status)
			}
		}
		for _, j := range driver.jobs {
			require.Equal(t, executor.Canceled, j.state)
		}
		require.NotEmpty(t, driver.jobs)
	})
}

// An operation that may have run, and nobody knows, is told as such and is only
// run again where that is allowed.
func TestLostOperations(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		yaml  string
		opts  executor.Options
		fails string
		tries int
	}{
		"fail":             {things(1, creates, nil), executor.Options{}, "outcome unknown", 1},
		"or the run may":   {things(1, creates, nil), executor.Options{RerunLost: true}, "", 2},
		"or the node says": {things(1, creates, nil) + "      metadata: { rerunnable: true }\n", executor.Options{}, "", 2},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				driver := &script{}
				live := newMemory(t)
				dying := &crashing{Store: live, left: 1} // the start and the intent are written, the outcome is not
				first := newEngine(t, executor.Config{Store: dying, Drivers: []executor.Driver{executor.Sync(driver)}, LeaseTTL: time.Minute})
				_, err := first.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, c.yaml)})
				require.ErrorIs(t, err, errDead)
				time.Sleep(2 * time.Minute)
				second := newEngine(t, executor.Config{Store: live, Drivers: []executor.Driver{executor.Sync(driver)}})
				_, err = second.Resume(t.Context(), "x", c.opts)
				if c.fails == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, c.fails)
					_, err = second.Resume(t.Context(), "x", executor.Options{})
					require.NoError(t, err, "whoever resumes a failed run allows it")
					c.tries++
				}
				require.Len(t, driver.seen(), c.tries)
			})
		})
	}
}

// unreachable is a jobs driver whose Recover does not get an answer at first.
type unreachable struct {
	*jobs
	asked int
}

func (d *unreachable) Recover(ctx context.Context, op *executor.Operation) (executor.Status, error) {
	if d.asked++; d.asked == 1 {
		return executor.Status{}, errors.New("the cluster does not answer")
	}
	return d.jobs.Recover(ctx, op)
}

// Where the driver cannot find out what became of an operation, that is asked
// again by the next resume: the job that runs is found, and not begun again.
func TestUnansweredRecover(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		driver := &unreachable{jobs: newJobs()}
		live := newMemory(t)
		dying := &crashing{Store: live, left: 1} // the intent is written, the handle is not
		first := newEngine(t, executor.Config{Store: dying, Drivers: []executor.Driver{driver}, LeaseTTL: time.Minute})
		_, err := first.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, things(1, creates, nil))})
		require.ErrorIs(t, err, errDead)
		time.Sleep(2 * time.Minute)
		second := newEngine(t, executor.Config{Store: live, Drivers: []executor.Driver{driver}, PollInterval: time.Second})
		_, err = second.Resume(t.Context(), "x", executor.Options{})
		require.Equal(t, executor.CodeFailed, executor.CodeOf(err))
		require.ErrorContains(t, err, "outcome unknown: cannot find out what became of it: the cluster does not answer (resume asks again)")
		driver.endAt(1)
		_, err = second.Resume(t.Context(), "x", executor.Options{})
		require.NoError(t, err)
		require.Equal(t, 2, driver.asked)
		requireDeployed(t, second, "x")
		requireEachOnce(t, driver.seen(), 1)
	})
}

// A process dies while the instances of a large plan are being recorded, in
// several commits, or behind that. The next one makes what is missing, or takes
// away what is there.
func TestCrashAmongNewInstances(t *testing.T) {
	t.Parallel()
	request := executor.Request{Deployment: "x", Archive: template(t, things(10, creates, chain))}
	for _, undeploy := range []bool{false, true} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("after=%v/undeploy=%v", after, undeploy), func(t *testing.T) {
				for commits := range 6 { // those of 19 instances, 5 at a time, and of the first operation
					synctest.Test(t, func(t *testing.T) { crashAmongInstances(t, request, commits, after, undeploy) })
				}
			})
		}
	}
}

func crashAmongInstances(t *testing.T, request executor.Request, commits int, after, undeploy bool) {
	driver := &remembering{done: map[string]map[string]any{}}
	live := newMemory(t)
	dying := &crashing{Store: live, left: commits, after: after}
	first := newEngine(t, executor.Config{Store: dying, Drivers: []executor.Driver{executor.Sync(driver)}, LeaseTTL: time.Minute})
	first.SetMaxBatch(5)
	_, err := first.Deploy(t.Context(), request)
	require.ErrorIs(t, err, errDead)
	time.Sleep(2 * time.Minute)

	second := newEngine(t, executor.Config{Store: live, Drivers: []executor.Driver{executor.Sync(driver)}})
	second.SetMaxBatch(5)
	record, err := live.Deployment(t.Context(), "x")
	require.NoError(t, err)
	switch begun := record.Status != state.Initialized; {
	case undeploy && begun:
		_, err = second.Undeploy(t.Context(), "x", executor.Options{})
		require.NoError(t, err)
		info, err := second.Info(t.Context(), "x")
		require.NoError(t, err)
		require.Empty(t, info.Instances)
		return
	case begun:
		_, err = second.Resume(t.Context(), "x", executor.Options{})
	default:
		_, err = second.Deploy(t.Context(), request)
	}
	require.NoError(t, err)
	requireDeployed(t, second, "x")
	info, err := second.Info(t.Context(), "x")
	require.NoError(t, err)
	require.Len(t, info.Instances, 19)
	requireEachOnce(t, driver.seen(), 10)
}
