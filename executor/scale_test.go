package executor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"
)

// parked is a driver whose operations go on by themselves until all of them
// are there.
type parked struct {
	n int // how many
	// all is called when a Poll has asked after all; they end when it returns true.
	all func() bool

	mu       sync.Mutex
	free     bool
	polls    int
	canceled map[string]bool
	// most is the most goroutines that there were in a call of the driver.
	most int
}

func newParked(n int, all func() bool) *parked {
	return &parked{n: n, all: all, canceled: map[string]bool{}}
}

func (p *parked) Name() string                        { return "parked" }
func (p *parked) Accepts(op *executor.Operation) bool { return op.Primary != nil }

func (p *parked) called() { p.most = max(p.most, runtime.NumGoroutine()) }

func (p *parked) Start(context.Context, *executor.Operation) (executor.Status, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.called()
	return executor.Status{State: executor.Running, Handle: executor.Handle{Data: json.RawMessage(`{"job":1}`)}}, nil
}

func (p *parked) Poll(_ context.Context, handles []executor.Handle) ([]executor.Status, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.called()
	p.polls++
	if len(handles) == p.n && !p.free {
		p.free = p.all()
	}
	var out []executor.Status
	for _, h := range handles {
		switch {
		case p.canceled[h.Operation]:
			out = append(out, executor.Status{Handle: h, State: executor.Canceled})
		case p.free:
			out = append(out, executor.Status{Handle: h, State: executor.Succeeded})
		}
	}
	return out, nil
}

func (p *parked) Recover(context.Context, *executor.Operation) (executor.Status, error) {
	return executor.Status{State: executor.NotStarted}, nil
}

func (p *parked) Cancel(_ context.Context, h executor.Handle) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.called()
	p.canceled[h.Operation] = true
	return nil
}

func (p *parked) Forget(*executor.Operation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.called()
}

// many is n, or a tenth of it in a short test.
func many(n int) int {
	if testing.Short() {
		return n / 10
	}
	return n
}

// However many operations wait, there is one Poll for all of them and no
// goroutine for each; none is left when the engine is closed. It does not run
// beside other tests, because it counts the process's goroutines.
func TestWaitingOperationsNeedNoGoroutines(t *testing.T) {
	const deployments = 2
	n := many(10_000)
	for _, end := range []string{"success", "cancel"} {
		t.Run(end, func(t *testing.T) {
			quiet := goleak.IgnoreCurrent()
			before := runtime.NumGoroutine()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			driver := newParked(n, func() bool {
				if end == "cancel" {
					cancel()
					return false
				}
				return true
			})
			e, err := executor.New(executor.Config{Store: newMemory(t), Drivers: []executor.Driver{driver},
				Workers: 32, PollInterval: 100 * time.Millisecond})
			require.NoError(t, err)
			archive := template(t, things(n/deployments, creates, nil))
			var group errgroup.Group
			for i := range deployments {
				group.Go(func() error {
					_, err := e.Deploy(ctx, executor.Request{Deployment: fmt.Sprint("d", i), Archive: archive})
					return err
				})
			}
			err = group.Wait()
			if end == "cancel" {
				require.Equal(t, executor.CodeCanceled, executor.CodeOf(err), "%v", err)
				require.Len(t, driver.canceled, n)
			} else {
				require.NoError(t, err)
			}
			require.NoError(t, e.Close())
			t.Logf("%d operations waited with at most %d goroutines more, asked after by %d calls", n, driver.most-before, driver.polls)
			require.Less(t, driver.most-before, 250)
			goleak.VerifyNone(t, quiet)
		})
	}
}

// A deployment of many operations that are ready does not hold up a small one:
// with one worker they take turns. What is counted is the order, not the time.
func TestFairBetweenDeployments(t *testing.T) {
	t.Parallel()
	const chained = 5
	n := many(10_000)
	synctest.Test(t, func(t *testing.T) {
		began, proceed := make(chan string), make(chan struct{})
		driver := &script{do: func(ctx context.Context, op *executor.Operation) (map[string]any, error) {
			began <- op.Deployment
			select {
			case <-proceed:
				return nil, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}}
		ctx, cancel := context.WithCancel(t.Context())
		e := newEngine(t, executor.Config{Drivers: []executor.Driver{executor.Sync(driver)}, Workers: 1})
		large, small := template(t, things(n, creates, nil)), template(t, things(chained, creates, chain))
		var group sync.WaitGroup
		group.Go(func() { _, _ = e.Deploy(ctx, executor.Request{Deployment: "large", Archive: large}) })
		require.Equal(t, "large", <-began)
		synctest.Wait() // now all the others stand in line
		done := make(chan error, 1)
		group.Go(func() {
			_, err := e.Deploy(ctx, executor.Request{Deployment: "small", Archive: small})
			done <- err
		})
		synctest.Wait()
		order := map[string]int{}
		for order["small"] < chained {
			proceed <- struct{}{}
			order[<-began]++
			synctest.Wait()
		}
		require.LessOrEqual(t, order["large"], 2*chained, "operations of the large one between those of the small one")
		proceed <- struct{}{}
		<-began
		require.NoError(t, <-done)
		cancel()
		group.Wait()
	})
}

// A thousand deployments at once need a few goroutines each, whatever they
// have of nodes.
func TestManyDeploymentsNeedFewGoroutines(t *testing.T) {
	const nodes, workers, each = 20, 8, 5
	n := many(1000)
	quiet := goleak.IgnoreCurrent()
	before, most := runtime.NumGoroutine(), 0
	var mu sync.Mutex
	driver := &script{do: func(context.Context, *executor.Operation) (map[string]any, error) {
		mu.Lock()
		defer mu.Unlock()
		most = max(most, runtime.NumGoroutine())
		return nil, nil
	}}
	e, err := executor.New(executor.Config{Store: newMemory(t), Drivers: []executor.Driver{executor.Sync(driver)}, Workers: workers})
	require.NoError(t, err)
	archive := template(t, things(nodes, func(i int) string {
		if i%10 == 0 {
			return creates(i)
		}
		return ""
	}, chain))
	loaded := load(t, archive)
	var group errgroup.Group
	for i := range n {
		group.Go(func() error {
			_, err := e.Deploy(t.Context(), executor.Request{Deployment: fmt.Sprint("d", i), Archive: archive, Template: loaded})
			return err
		})
	}
	require.NoError(t, group.Wait())
	require.NoError(t, e.Close())
	require.Len(t, driver.seen(), n*nodes/10)
	t.Logf("%d deployments with at most %d goroutines", n, most-before)
	require.Less(t, most-before, each*n)
	goleak.VerifyNone(t, quiet)
}

// reads notes from where the journal is read.
type reads struct {
	state.Store
	after []uint64
}

func (r *reads) Journal(ctx context.Context, id string, after uint64) iter.Seq2[*state.Entry, error] {
	r.after = append(r.after, after)
	return r.Store.Journal(ctx, id, after)
}

// What earlier runs have left in the journal is not read to resume the last.
func TestResumeReadsTheJournalOfItsRun(t *testing.T) {
	t.Parallel()
	fails := false
	driver := &script{do: func(context.Context, *executor.Operation) (map[string]any, error) {
		if fails {
			return nil, fmt.Errorf("out of order")
		}
		return nil, nil
	}}
	store := &reads{Store: newMemory(t)}
	e := newEngine(t, executor.Config{Store: store, Drivers: []executor.Driver{executor.Sync(driver)}})
	archive := template(t, things(50, creates, nil))
	_, err := e.Deploy(t.Context(), executor.Request{Deployment: "shop", Archive: archive})
	require.NoError(t, err)
	_, err = e.Undeploy(t.Context(), "shop", executor.Options{})
	require.NoError(t, err)
	fails = true
	result, err := e.Deploy(t.Context(), executor.Request{Deployment: "shop"})
	require.Equal(t, executor.CodeFailed, executor.CodeOf(err))
	run, err := store.Run(t.Context(), "shop", result.Run.ID)
	require.NoError(t, err)
	require.Greater(t, run.FirstSeq, uint64(50), "the earlier runs have entries")
	fails, store.after = false, nil
	_, err = e.Resume(t.Context(), "shop", executor.Options{})
	require.NoError(t, err)
	require.NotEmpty(t, store.after)
	for _, after := range store.after {
		require.Equal(t, run.FirstSeq-1, after)
	}
}
