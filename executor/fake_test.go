package executor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/csar"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/bolt"
	"github.com/seed-a4fd30b5/orchestrator/state/memory"
	"github.com/seed-a4fd30b5/orchestrator/state/postgres"
	"github.com/stretchr/testify/require"
)

// script is a driver whose operations do what the test says. What was done is
// in the witness, one line a call: "web_0.create".
type script struct {
	// do runs an operation; nil succeeds. It is called once for each attempt.
	do func(ctx context.Context, op *executor.Operation) (map[string]any, error)
	// accepts tells which operations are taken; nil takes those with an implementation.
	accepts func(op *executor.Operation) bool

	mu      sync.Mutex
	witness []string
	ops     []*executor.Operation
}

func (s *script) Name() string { return "script" }

func (s *script) Accepts(op *executor.Operation) bool {
	if s.accepts != nil {
		return s.accepts(op)
	}
	return op.Primary != nil
}

func (s *script) Run(ctx context.Context, op *executor.Operation) (map[string]any, error) {
	s.saw(op)
	if s.do == nil {
		return nil, nil
	}
	return s.do(ctx, op)
}

func (s *script) saw(op *executor.Operation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.witness = append(s.witness, op.Instance+"."+op.Name)
	s.ops = append(s.ops, op)
}

func (s *script) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.witness...)
}

func (s *script) op(instance, name string) *executor.Operation {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, op := range s.ops {
		if op.Instance == instance && op.Name == name {
			return op
		}
	}
	return nil
}

// jobs is an asynchronous driver: an outside world where jobs go on whatever
// happens to the engine. The test ends them.
type jobs struct {
	script
	mu      sync.Mutex
	jobs    map[string]*job
	polls   int
	started chan string // gets the operation's ID of each job, if not nil
	// auto ends each job with success at the given number of polls; 0 for never.
	auto int
	// loseHandles makes Start fail to tell: the job runs and Start never returns
	// before ctx ends.
	hang bool
}

type job struct {
	op      *executor.Operation
	state   executor.OperationState
	outputs map[string]any
	err     error
	asked   int
}

func newJobs() *jobs { return &jobs{jobs: map[string]*job{}} }

func (d *jobs) Name() string { return "jobs" }

func (d *jobs) Start(ctx context.Context, op *executor.Operation) (executor.Status, error) {
	d.saw(op)
	d.mu.Lock()
	d.jobs[op.ID] = &job{op: op, state: executor.Running}
	started, hang := d.started, d.hang
	d.mu.Unlock()
	if started != nil {
		started <- op.ID
	}
	if hang {
		<-ctx.Done()
		return executor.Status{}, ctx.Err()
	}
	return executor.Status{State: executor.Running, Handle: executor.Handle{Data: json.RawMessage(`{"job":"` + op.ID + `"}`)}}, nil
}

func (d *jobs) Poll(_ context.Context, handles []executor.Handle) ([]executor.Status, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.polls++
	var out []executor.Status
	for _, h := range handles {
		var data struct{ Job string }
		if err := json.Unmarshal(h.Data, &data); err != nil {
			return nil, err
		}
		j := d.jobs[data.Job]
		if j == nil {
			out = append(out, executor.Status{Handle: h, State: executor.Lost})
			continue
		}
		if j.asked++; d.auto > 0 && j.asked >= d.auto && j.state == executor.Running {
			j.state = executor.Succeeded
		}
		out = append(out, executor.Status{Handle: h, State: j.state, Outputs: j.outputs, Err: j.err, Detail: fmt.Sprintf("asked %d", j.asked)})
	}
	return out, nil
}

func (d *jobs) Recover(_ context.Context, op *executor.Operation) (executor.Status, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	j := d.jobs[op.ID]
	if j == nil || j.op.Attempt != op.Attempt {
		return executor.Status{State: executor.NotStarted}, nil
	}
	return executor.Status{State: j.state, Outputs: j.outputs, Err: j.err,
		Handle: executor.Handle{Data: json.RawMessage(`{"job":"` + op.ID + `"}`)}}, nil
}

func (d *jobs) Cancel(_ context.Context, h executor.Handle) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if j := d.jobs[h.Operation]; j != nil && j.state == executor.Running {
		j.state = executor.Canceled
	}
	return nil
}

// endAt sets auto while there are engines that ask.
func (d *jobs) endAt(polls int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.auto = polls
}

func (d *jobs) end(id string, state executor.OperationState, outputs map[string]any, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	j := d.jobs[id]
	j.state, j.outputs, j.err = state, outputs, err
}

// watcher collects events.
type watcher struct {
	mu     sync.Mutex
	events []executor.Event
	on     func(executor.Event)
}

func (w *watcher) observe(ev executor.Event) {
	w.mu.Lock()
	w.events = append(w.events, ev)
	on := w.on
	w.mu.Unlock()
	if on != nil {
		on(ev)
	}
}

func (w *watcher) all() []executor.Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]executor.Event(nil), w.events...)
}

// kinds returns "kind instance.operation state" for the events of some kinds.
func (w *watcher) kinds(kinds ...executor.EventKind) []string {
	var out []string
	for _, ev := range w.all() {
		for _, k := range kinds {
			if ev.Kind == k {
				out = append(out, fmt.Sprintf("%s %s.%s %s", ev.Kind, ev.Instance, ev.Operation, ev.State))
			}
		}
	}
	return out
}

// template makes an archive of a service template; every script that it names
// ("do.sh") is there.
func template(t testing.TB, yaml string) *csar.Archive {
	t.Helper()
	a, err := csar.FromFS(fstest.MapFS{
		"service.yaml": {Data: []byte(yaml)},
		"do.sh":        {Data: []byte("#!/bin/sh\n")},
	}, "service.yaml")
	require.NoError(t, err)
	return a
}

// newEngine makes an engine with short times.
func newEngine(t testing.TB, cfg executor.Config) *executor.Engine {
	t.Helper()
	if cfg.Store == nil {
		cfg.Store = newMemory(t)
	}
	if cfg.PollInterval == 0 {
		cfg.PollInterval = time.Millisecond
	}
	e, err := executor.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}

func newMemory(t testing.TB) state.Store {
	s := memory.New(memory.Config{})
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// stores runs a test over each kind of store.
func stores(t *testing.T, test func(t *testing.T, s state.Store)) {
	t.Run("memory", func(t *testing.T) { t.Parallel(); test(t, newMemory(t)) })
	t.Run("bolt", func(t *testing.T) {
		t.Parallel()
		s, err := bolt.Open(t.TempDir()+"/state.db", bolt.Config{})
		require.NoError(t, err)
		t.Cleanup(func() { _ = s.Close() })
		test(t, s)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		n := &networked{schema: fmt.Sprintf("engine_%d", schemas.Add(1))}
		n.Store = n.connect(t)
		test(t, n)
	})
}

// networked is a store that programs on several machines share.
type networked struct {
	*postgres.Store
	schema string
}

// connect returns the store for another program.
func (n *networked) connect(t *testing.T) *postgres.Store {
	s, err := postgres.Open(t.Context(), postgresServer.Get(t).URL, &postgres.Options{Schema: n.schema, Poll: 20 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// returns makes operations return outputs, by "instance.operation".
func returns(outputs map[string]map[string]any) func(context.Context, *executor.Operation) (map[string]any, error) {
	return func(_ context.Context, op *executor.Operation) (map[string]any, error) {
		return outputs[op.Instance+"."+op.Name], nil
	}
}
