package executor_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/memory"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Random services with random failures, in a random way of running: operations
// come in the order of the requirements, each at most once, and the run ends;
// when it goes on after failures, exactly what depends on a failed node is missing.
func TestAnyServiceIsDeployedInOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(rt, "nodes")
		deps := make([][]int, n)
		for i := range deps {
			for j := range i {
				if rapid.IntRange(0, 3).Draw(rt, "requires") == 0 {
					deps[i] = append(deps[i], j)
				}
			}
		}
		failing := rapid.IntRange(-2*n, n-1).Draw(rt, "failing")
		policy := rapid.SampledFrom([]executor.FailurePolicy{executor.Stop, executor.Continue}).Draw(rt, "policy")
		async := rapid.Bool().Draw(rt, "async")
		workers := rapid.IntRange(1, 4).Draw(rt, "workers")

		w := &witness{failing: failing}
		var driver executor.Driver = executor.Sync(&script{do: w.run})
		if async {
			driver = &eager{witness: w}
		}
		store := memory.New(memory.Config{})
		defer store.Close()
		e, err := executor.New(executor.Config{Store: store, Drivers: []executor.Driver{driver}, Workers: workers,
			OnFailure: policy, PollInterval: 50 * time.Microsecond})
		require.NoError(rt, err)
		defer e.Close()
		yaml := things(n, func(int) string { return "create: do.sh, start: do.sh" }, func(i int) []int { return deps[i] })
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		result, err := e.Deploy(ctx, executor.Request{Deployment: "x", Archive: template(t, yaml)})
		require.NoError(rt, ctx.Err(), "a deadlock")
		require.Equal(rt, failing < 0, err == nil)
		require.Equal(rt, result.Run.Steps, result.Run.Done+result.Run.Failed+result.Run.Skipped)

		seen := w.done()
		at := func(what string) int { return slices.Index(seen, what) }
		for i := range n {
			create, start := instance(i)+".create", instance(i)+".start"
			require.LessOrEqual(rt, count(seen, create), 1)
			require.LessOrEqual(rt, count(seen, start), 1)
			if at(start) >= 0 {
				require.Greater(rt, at(start), at(create))
			}
			for _, j := range deps[i] {
				if at(create) >= 0 {
					require.GreaterOrEqual(rt, at(instance(j)+".start"), 0, "n%d before n%d", i, j)
					require.Greater(rt, at(create), at(instance(j)+".start"))
				}
			}
			if failing < 0 || policy == executor.Continue {
				require.Equal(rt, !dependsOn(deps, i, failing), at(create) >= 0, "n%d", i)
			}
		}
		info, err := e.Info(ctx, "x")
		require.NoError(rt, err)
		want := state.Deployed
		if failing >= 0 {
			want = state.Failed
		}
		require.Equal(rt, want, info.Status)
	})
}

func instance(i int) string {
	return []string{"n0_0", "n1_0", "n2_0", "n3_0", "n4_0", "n5_0", "n6_0", "n7_0", "n8_0", "n9_0", "n10_0", "n11_0"}[i]
}

func count(list []string, what string) int {
	n := 0
	for _, s := range list {
		if s == what {
			n++
		}
	}
	return n
}

// dependsOn tells that i depends on j, over any number of others.
func dependsOn(deps [][]int, i, j int) bool {
	return slices.ContainsFunc(deps[i], func(d int) bool { return d == j || dependsOn(deps, d, j) })
}

// witness notes what was called; the create of one node fails.
type witness struct {
	failing int
	mu      sync.Mutex
	seen    []string
}

func (w *witness) run(_ context.Context, op *executor.Operation) (map[string]any, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, op.Instance+"."+op.Name)
	if w.failing >= 0 && op.Instance == instance(w.failing) && op.Name == "create" {
		return nil, errors.New("as it was asked to")
	}
	return nil, nil
}

func (w *witness) done() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.seen)
}

// eager is an asynchronous driver whose operations have ended when they are
// first asked after.
type eager struct {
	*witness
	mu   sync.Mutex
	errs map[string]error
}

func (d *eager) Name() string                                  { return "eager" }
func (d *eager) Accepts(op *executor.Operation) bool           { return op.Primary != nil }
func (d *eager) Cancel(context.Context, executor.Handle) error { return nil }

func (d *eager) Start(ctx context.Context, op *executor.Operation) (executor.Status, error) {
	_, err := d.run(ctx, op)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.errs == nil {
		d.errs = map[string]error{}
	}
	d.errs[op.ID] = err
	return executor.Status{State: executor.Running}, nil
}

func (d *eager) Poll(_ context.Context, handles []executor.Handle) ([]executor.Status, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []executor.Status
	for _, h := range handles {
		s := executor.Status{Handle: h, State: executor.Succeeded, Err: d.errs[h.Operation]}
		if s.Err != nil {
			s.State = executor.Failed
		}
		list = append(list, s)
	}
	return list, nil
}

func (d *eager) Recover(context.Context, *executor.Operation) (executor.Status, error) {
	return executor.Status{State: executor.Lost}, nil
}
