package executor_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
)

// Output is among the events of its attempt, with all that tells whose it is;
// who follows gets the same, and from any point on the rest.
func TestEventsWithLogs(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, store state.Store) {
		driver := &script{do: func(_ context.Context, op *executor.Operation) (map[string]any, error) {
			fmt.Fprintf(op.Log, "%s of %s\n", op.Name, op.Instance)
			if op.Instance == "n2_0" {
				return nil, errors.New("broken")
			}
			return nil, nil
		}}
		e := newEngine(t, executor.Config{Store: store, Drivers: []executor.Driver{executor.Sync(driver)}})
		require.NoError(t, store.CreateDeployment(t.Context(), &state.Deployment{ID: "x", Status: state.Initialized}))
		go func() {
			_, _ = e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, things(3, creates, chain))})
		}()
		var followed []executor.Event
		for ev, err := range e.Events(t.Context(), "x", executor.EventOptions{Follow: true, Logs: true}) {
			require.NoError(t, err)
			followed = append(followed, ev)
			if ev.Kind == executor.RunEnded {
				break
			}
		}
		read := func(opts executor.EventOptions) (events []executor.Event) {
			opts.Logs = true
			for ev, err := range e.Events(t.Context(), "x", opts) {
				require.NoError(t, err)
				events = append(events, ev)
			}
			return events
		}
		history := read(executor.EventOptions{})
		require.Equal(t, followed, history)
		var after executor.EventOptions
		phase, logs := map[string]executor.EventKind{}, 0
		for i, ev := range history {
			switch ev.Kind {
			case executor.OperationLog:
				logs++
				require.Equal(t, ev.Operation+" of "+ev.Instance+"\n", ev.Log)
				require.Equal(t, executor.OperationStarted, phase[ev.OperationID])
				require.Equal(t, uint64(logs), ev.LogSeq)
				require.Equal(t, 1, ev.Attempt)
				require.NotEmpty(t, ev.Step)
				after.AfterLog = ev.LogSeq
			case executor.OperationEnded:
				require.Equal(t, executor.OperationLog, phase[ev.OperationID])
			}
			phase[ev.OperationID] = ev.Kind
			after.After = max(after.After, ev.Seq)
			if rest := read(after); i == len(history)-1 {
				require.Empty(t, rest)
			} else {
				require.Equal(t, history[i+1:], rest)
			}
		}
		require.Equal(t, 3, logs)
	})
}

func TestEventsEnd(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, store state.Store) {
		e := newEngine(t, executor.Config{Store: store})
		for _, logs := range []bool{false, true} {
			opts := executor.EventOptions{Follow: true, Logs: logs}
			for _, opts := range []executor.EventOptions{opts, {Logs: logs}} {
				n := 0
				for _, err := range e.Events(t.Context(), "none", opts) {
					require.Equal(t, executor.NotFound, executor.CodeOf(err))
					n++
				}
				require.Equal(t, 1, n)
			}
			_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, things(1, nil, nil))})
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			for ev, err := range e.Events(ctx, "x", opts) {
				require.NoError(t, err)
				if ev.Kind == executor.RunEnded {
					cancel()
				}
			}
			cancel()
			for ev, err := range e.Events(t.Context(), "x", opts) {
				require.NoError(t, err)
				if ev.Kind == executor.RunEnded {
					require.NoError(t, e.Delete(t.Context(), "x", true))
				}
			}
		}
	})
}
