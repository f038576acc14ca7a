package executor_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
	"github.com/stretchr/testify/require"
)

// queue is a driver over a workload manager: each job takes a minute, from when
// all jobs that it depends on have completed. It never runs when one of those
// does not complete.
type queue struct {
	mu      sync.Mutex
	jobs    map[string]*queued // by "instance/attempt"
	witness []string
	fails   map[string]error // how jobs end that do not complete
}

type queued struct {
	after []string
	state executor.OperationState
	err   error
	began time.Time // zero where it waits
	ended time.Time
}

func newQueue() *queue { return &queue{jobs: map[string]*queued{}, fails: map[string]error{}} }

func (q *queue) Name() string { return "queue" }
func (q *queue) Accepts(op *executor.Operation) bool {
	return op.Node.Type.Name == "Job" && op.Name == "start"
}
func (q *queue) Surveys(*executor.Operation) bool { return true }

func (q *queue) Chains(_, _ *executor.Operation, r *tosca.Requirement) bool {
	return r.Name == "dependency"
}

func keyOf(op *executor.Operation) string { return fmt.Sprintf("%s/%d", op.Instance, op.Attempt) }

func (q *queue) status(key string) executor.Status {
	j := q.jobs[key]
	data, _ := json.Marshal(key)
	return executor.Status{State: j.state, Err: j.err, Handle: executor.Handle{Data: data}, Outputs: map[string]any{"number": key}}
}

func (q *queue) Start(_ context.Context, op *executor.Operation) (executor.Status, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	key := keyOf(op)
	if q.jobs[key] != nil {
		return q.status(key), nil
	}
	j := &queued{state: executor.Running}
	said := "submit " + key
	for _, t := range op.Targets {
		if t.Running == nil {
			continue
		}
		var other string
		if err := json.Unmarshal(t.Running.Data, &other); err != nil {
			return executor.Status{}, err
		}
		j.after = append(j.after, other)
		said += " after " + other
		if t.Attributes["number"] != other {
			return executor.Status{}, fmt.Errorf("%s has the number %v", other, t.Attributes["number"])
		}
	}
	q.jobs[key] = j
	q.witness = append(q.witness, said)
	return q.status(key), nil
}

func (q *queue) Recover(_ context.Context, op *executor.Operation) (executor.Status, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.jobs[keyOf(op)] == nil {
		return executor.Status{State: executor.NotStarted}, nil
	}
	return q.status(keyOf(op)), nil
}

func (q *queue) Cancel(_ context.Context, h executor.Handle) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	var key string
	if err := json.Unmarshal(h.Data, &key); err != nil {
		return err
	}
	if j := q.jobs[key]; j.state == executor.Running {
		j.state, j.err = executor.Canceled, errors.New("canceled")
		q.witness = append(q.witness, "cancel "+key)
	}
	return nil
}

func (q *queue) Poll(_ context.Context, handles []executor.Handle) ([]executor.Status, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for range q.jobs { // as often as something may follow from something
		for key, j := range q.jobs {
			q.settle(key, j)
		}
	}
	var list []executor.Status
	for i := len(handles) - 1; i >= 0; i-- { // consequences first
		var key string
		if err := json.Unmarshal(handles[i].Data, &key); err != nil {
			return nil, err
		}
		s := q.status(key)
		s.Handle = handles[i]
		list = append(list, s)
	}
	return list, nil
}

// settle says how a job is now.
func (q *queue) settle(key string, j *queued) {
	if j.state != executor.Running {
		return
	}
	free := time.Now()
	for _, other := range j.after {
		switch o := q.jobs[other]; o.state {
		case executor.Running:
			return
		case executor.Succeeded:
		default:
			j.state, j.err = executor.Failed, executor.MarkDependent(errors.New(other+" did not complete"))
			return
		}
	}
	if j.began.IsZero() {
		j.began = free
	}
	if time.Since(j.began) < time.Minute {
		return
	}
	j.state, j.ended = executor.Succeeded, time.Now()
	if err := q.fails[key]; err != nil {
		j.state, j.err = executor.Failed, err
	}
	q.witness = append(q.witness, "end "+key)
}

func (q *queue) seen() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append([]string(nil), q.witness...)
}

const threeJobs = `
tosca_definitions_version: tosca_simple_yaml_1_3
node_types:
  Job:
    derived_from: tosca.nodes.Root
    attributes: { number: { type: string } }
topology_template:
  node_templates:
    a: { type: Job }
    b: { type: Job, requirements: [ { dependency: a } ] }
    c: { type: Job, requirements: [ { dependency: b } ] }
`

func deployChain(t *testing.T, q *queue, yaml string) ([]string, []executor.Event, error) {
	w := &watcher{}
	e := newEngine(t, executor.Config{Drivers: []executor.Driver{q}, PollInterval: time.Second, Observe: w.observe})
	_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, yaml), Retry: executor.RetryPolicy{Backoff: time.Minute}})
	return q.seen(), w.all(), err
}

func TestChain(t *testing.T) {
	t.Parallel()
	busy := executor.MarkRetryable(errors.New("the node is gone"))
	first := []string{"submit a_0/1", "submit b_0/1 after a_0/1", "submit c_0/1 after b_0/1"}
	cases := map[string]struct {
		yaml  string
		fails map[string]error
		want  []string // the witness
		err   string
		skips string // "instance:cause"
	}{
		"all are submitted at once": {yaml: threeJobs,
			want: append(first[:3:3], "end a_0/1", "end b_0/1", "end c_0/1")},
		"a failure in the middle": {yaml: threeJobs, fails: map[string]error{"b_0/1": errors.New("exit code 3")},
			want: append(first[:3:3], "end a_0/1", "end b_0/1"), err: "exit code 3", skips: "c_0:b_0.Standard.start"},
		"the first fails": {yaml: threeJobs, fails: map[string]error{"a_0/1": errors.New("exit code 3")},
			want: append(first[:3:3], "end a_0/1"), err: "exit code 3", skips: "b_0:a_0.Standard.start c_0:a_0.Standard.start"},
		"the first is tried again": {yaml: threeJobs, fails: map[string]error{"a_0/1": busy},
			want: append(first[:3:3], "end a_0/1", "submit a_0/2", "submit b_0/2 after a_0/2", "submit c_0/2 after b_0/2",
				"end a_0/2", "end b_0/2", "end c_0/2")},
		"the second is tried again": {yaml: threeJobs, fails: map[string]error{"b_0/1": busy},
			want: append(first[:3:3], "end a_0/1", "end b_0/1", "submit b_0/2", "submit c_0/2 after b_0/2", "end b_0/2", "end c_0/2")},
		"an independent job goes on": {yaml: threeJobs + "    d: { type: Job, requirements: [ { dependency: a } ] }\n",
			fails: map[string]error{"b_0/1": errors.New("exit code 3")},
			want: []string{"submit a_0/1", "submit b_0/1 after a_0/1", "submit d_0/1 after a_0/1", "submit c_0/1 after b_0/1",
				"end a_0/1", "end b_0/1", "end d_0/1"}, err: "exit code 3", skips: "c_0:b_0.Standard.start"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := newQueue()
				q.fails = c.fails
				seen, events, err := deployChain(t, q, c.yaml)
				require.ElementsMatch(t, c.want, seen)
				var skips []string
				for _, ev := range events {
					if ev.Kind == executor.StepSkipped {
						skips = append(skips, ev.Instance+":"+ev.Cause)
					}
				}
				require.Equal(t, c.skips, strings.Join(skips, " "))
				if c.err == "" {
					require.NoError(t, err)
					return
				}
				require.ErrorContains(t, err, c.err)
				require.NotContains(t, err.Error(), "did not complete", "consequences are no failures")
			})
		})
	}
}

// A chained job begins when the other one goes on, one that is not when it has ended.
func TestOnlyWhatIsChained(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		yaml := strings.Replace(threeJobs, "[ { dependency: b } ]", "[ { other: { node: b, relationship: tosca.relationships.DependsOn } } ]", 1)
		yaml = strings.Replace(yaml, "    attributes:", "    requirements: [ other: { capability: tosca.capabilities.Node, occurrences: [ 0, 1 ] } ]\n    attributes:", 1)
		seen, _, err := deployChain(t, newQueue(), yaml)
		require.NoError(t, err)
		require.Equal(t, []string{"submit a_0/1", "submit b_0/1 after a_0/1", "end a_0/1", "end b_0/1", "submit c_0/1", "end c_0/1"}, seen)
	})
}

// A cancel ends the whole chain.
func TestCancelChain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		e := newEngine(t, executor.Config{Drivers: []executor.Driver{q}, PollInterval: time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		_, err := e.Deploy(ctx, executor.Request{Deployment: "x", Archive: template(t, threeJobs)})
		require.Error(t, err)
		require.ElementsMatch(t, []string{"submit a_0/1", "submit b_0/1 after a_0/1", "submit c_0/1 after b_0/1", "end a_0/1", "cancel b_0/1", "cancel c_0/1"}, q.seen())
		_, err = e.Resume(t.Context(), "x", executor.Options{})
		require.NoError(t, err)
		require.Contains(t, q.seen(), "submit b_0/2", "what it comes after has completed")
		require.Contains(t, q.seen(), "submit c_0/2 after b_0/2")
		requireDeployed(t, e, "x")
	})
}

// At every commit the process dies, once before and once behind it, while the
// first job has to be tried twice: Resume completes the chain, and no job that
// completed is submitted again.
func TestCrashInChain(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		crashes := 0
		for crashed := true; crashed; crashes++ {
			synctest.Test(t, func(t *testing.T) {
				q, live := newQueue(), newMemory(t)
				q.fails["a_0/1"] = executor.MarkRetryable(errors.New("the node is gone"))
				dying := &crashing{Store: live, left: crashes, after: after}
				request := executor.Request{Deployment: "x", Archive: template(t, threeJobs)}
				first := newEngine(t, executor.Config{Store: dying, Drivers: []executor.Driver{q}, PollInterval: time.Second, LeaseTTL: time.Minute})
				_, err := first.Deploy(t.Context(), request)
				if crashed = dying.dead; !crashed {
					require.NoError(t, err)
					return
				}
				require.ErrorIs(t, err, errDead)
				time.Sleep(90 * time.Second)
				second := newEngine(t, executor.Config{Store: live, Drivers: []executor.Driver{q}, PollInterval: time.Second})
				record, err := live.Deployment(t.Context(), "x")
				require.NoError(t, err)
				switch record.Status {
				case state.Initialized:
					_, err = second.Deploy(t.Context(), request)
				case state.Deployed:
				default:
					_, err = second.Resume(t.Context(), "x", executor.Options{})
				}
				require.NoError(t, err, "crash %d after=%v: %v", crashes, after, q.seen())
				requireDeployed(t, second, "x")
				ends := map[string]int{}
				for key, j := range q.jobs {
					if j.state == executor.Succeeded {
						ends[strings.Split(key, "/")[0]]++
					}
					require.NotEqual(t, executor.Running, j.state, key)
				}
				require.Equal(t, map[string]int{"a_0": 1, "b_0": 1, "c_0": 1}, ends, "crash %d after=%v: %v", crashes, after, q.seen())
			})
		}
		require.Greater(t, crashes, 5)
	}
}
