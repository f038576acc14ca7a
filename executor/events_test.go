package executor_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
)

// The history is what was observed, in order, without what is not journaled;
// and who follows gets the same while it happens.
func TestEvents(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, store state.Store) {
		w := &watcher{}
		driver := &script{do: func(_ context.Context, op *executor.Operation) (map[string]any, error) {
			fmt.Fprintln(op.Log, "hello from", op.Instance)
			return nil, nil
		}}
		e := newEngine(t, executor.Config{Store: store, Drivers: []executor.Driver{executor.Sync(driver)}, Observe: w.observe})
		deploy := func() {
			_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, things(2, creates, chain))})
			require.NoError(t, err)
		}
		deploy()
		var history []executor.Event
		for ev, err := range e.Events(t.Context(), "x", executor.EventOptions{}) {
			require.NoError(t, err)
			history = append(history, ev)
		}
		var journaled []executor.Event
		logs := 0
		for _, ev := range w.all() {
			if ev.Kind == executor.OperationLog {
				require.Equal(t, "hello from "+ev.Instance+"\n", ev.Log)
				logs++
				continue
			}
			journaled = append(journaled, ev)
		}
		require.Equal(t, 2, logs)
		require.Equal(t, journaled, history)
		for i, ev := range history {
			require.Equal(t, uint64(i+1), ev.Seq)
		}
		require.Equal(t, executor.RunStarted, history[0].Kind)
		require.Equal(t, executor.RunEnded, history[len(history)-1].Kind)

		go func() {
			_, _ = e.Undeploy(t.Context(), "x", executor.Options{})
		}()
		var followed []executor.EventKind
		for ev, err := range e.Events(t.Context(), "x", executor.EventOptions{After: uint64(len(history) - 1), Follow: true}) {
			require.NoError(t, err)
			followed = append(followed, ev.Kind)
			if ev.Kind == executor.RunEnded && len(followed) > 1 {
				break
			}
		}
		require.Equal(t, []executor.EventKind{executor.RunEnded, executor.RunStarted}, followed[:2])
	})
}

// Operations that print more than the observer can take wait for it.
func TestLogsWaitForTheObserver(t *testing.T) {
	t.Parallel()
	const lines = 5000
	var got atomic.Int64
	driver := &script{do: func(_ context.Context, op *executor.Operation) (map[string]any, error) {
		for i := range lines {
			fmt.Fprintf(op.Log, "line %d\n", i)
		}
		fmt.Fprint(op.Log, "the end")
		return nil, nil
	}}
	e := newEngine(t, executor.Config{Drivers: []executor.Driver{executor.Sync(driver)}, Observe: func(ev executor.Event) {
		if ev.Kind == executor.OperationLog {
			got.Add(1)
		}
	}})
	_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, things(3, creates, nil))})
	require.NoError(t, err)
	require.EqualValues(t, 3*(lines+1), got.Load())
}

// Two operations never work on the same node at once.
func TestOneCallForEachSubject(t *testing.T) {
	t.Parallel()
	yaml := things(1, nil, nil)
	for i := range 8 {
		yaml += fmt.Sprintf(`    source%d:
      type: tosca.nodes.Root
      requirements:
        - dependency:
            node: n0
            relationship:
              type: tosca.relationships.DependsOn
              interfaces: { Configure: { operations: { pre_configure_target: do.sh, pre_configure_source: do.sh } } }
`, i)
	}
	var onTarget, onSources atomic.Int64
	together := make(chan struct{}) // closed when two sources are worked on
	driver := &script{do: func(_ context.Context, op *executor.Operation) (map[string]any, error) {
		if op.Name == "pre_configure_target" {
			if onTarget.Add(1) > 1 {
				return nil, errors.New("two at once")
			}
			defer onTarget.Add(-1)
			time.Sleep(time.Millisecond) // so that others would meet this one
			return nil, nil
		}
		if onSources.Add(1) == 2 {
			close(together)
		}
		select {
		case <-together:
			return nil, nil
		case <-time.After(2 * time.Minute):
			return nil, errors.New("the sources are worked on one by one")
		}
	}}
	e := newEngine(t, executor.Config{Drivers: []executor.Driver{executor.Sync(driver)}, Workers: 8})
	_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, yaml)})
	require.NoError(t, err)
	require.Len(t, driver.seen(), 16)
}

// deafJobs does not answer at first.
type deafJobs struct {
	*jobs
	silent int
}

func (d *deafJobs) Poll(ctx context.Context, handles []executor.Handle) ([]executor.Status, error) {
	if d.silent--; d.silent >= 0 {
		return nil, errors.New("the cluster is down for maintenance")
	}
	return d.jobs.Poll(ctx, handles)
}

func TestPollMayFail(t *testing.T) {
	t.Parallel()
	driver := &deafJobs{newJobs(), 5}
	driver.auto = 1
	e := newEngine(t, executor.Config{Drivers: []executor.Driver{driver}})
	_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, things(1, creates, nil))})
	require.NoError(t, err)
}

// A job that somebody else cancelled has failed.
func TestCanceledOutside(t *testing.T) {
	t.Parallel()
	driver := newJobs()
	driver.started = make(chan string, 1)
	e := newEngine(t, executor.Config{Drivers: []executor.Driver{driver}})
	go func() { driver.end(<-driver.started, executor.Canceled, nil, errors.New("CANCELLED by 1000")) }()
	result, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, things(1, creates, nil))})
	require.ErrorContains(t, err, "canceled in the outside world: CANCELLED by 1000")
	require.Equal(t, state.RunFailed, result.Run.Status)
}

func TestOperationErrorText(t *testing.T) {
	t.Parallel()
	err := &executor.OperationError{Instance: "web_0", Interface: "Standard", Operation: "create", Host: "10.0.0.7", Attempts: 2, Err: errors.New("x")}
	require.Equal(t, "web_0: Standard.create on 10.0.0.7 (attempt 2): x", err.Error())
	require.True(t, strings.HasSuffix(executor.MarkRetryable(err).Error(), ": x"))
	require.True(t, executor.Retryable(fmt.Errorf("wrapped: %w", executor.MarkRetryable(err))))
	require.False(t, executor.Retryable(err))
	require.NoError(t, executor.MarkRetryable(nil))
}
