package executor_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
)

// printed returns what is stored of an operation's output, one string an attempt.
func printed(t testing.TB, e *executor.Engine, deployment, operation string) []string {
	t.Helper()
	var texts []string
	last := uint64(0)
	for c, err := range e.Logs(t.Context(), deployment, operation, 0) {
		require.NoError(t, err)
		require.Greater(t, c.Seq, last)
		last = c.Seq
		for len(texts) < c.Attempt {
			texts = append(texts, "")
		}
		texts[c.Attempt-1] += c.Text
	}
	return texts
}

// What operations print is stored in order, by attempt, and costs no commit of
// its own where there is one anyway.
func TestLogsAreStored(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, s state.Store) {
		store := &counting{Store: s}
		prints, retries := true, true
		var lines strings.Builder
		driver := &script{do: func(_ context.Context, op *executor.Operation) (map[string]any, error) {
			if prints {
				for i := range 3000 { // more than one chunk
					fmt.Fprintf(op.Log, "%s %d: line %d of \xc3\xa4\n", op.Instance, op.Attempt, i)
				}
				fmt.Fprint(op.Log, "the end")
			}
			if op.Attempt == 1 && retries {
				return nil, executor.MarkRetryable(errors.New("again"))
			}
			return nil, nil
		}}
		for i := range 3000 {
			fmt.Fprintf(&lines, "n1_0 %%d: line %d of ä\n", i)
		}
		lines.WriteString("the end")
		e := newEngine(t, executor.Config{Store: store, Drivers: []executor.Driver{executor.Sync(driver)},
			Retry: executor.RetryPolicy{Backoff: time.Microsecond}})
		archive := template(t, things(3, creates, chain))
		deploy := func(id string) int64 {
			before := store.commits.Load()
			_, err := e.Deploy(t.Context(), executor.Request{Deployment: id, Archive: archive})
			require.NoError(t, err)
			return store.commits.Load() - before
		}
		deploy("x")
		var id string
		for ev, err := range e.Events(t.Context(), "x", executor.EventOptions{}) {
			require.NoError(t, err)
			if ev.Instance == "n1_0" && ev.Kind == executor.OperationEnded {
				id = ev.OperationID
			}
		}
		require.Equal(t, []string{fmt.Sprintf(strings.ReplaceAll(lines.String(), "%d", "%[1]d"), 1), fmt.Sprintf(strings.ReplaceAll(lines.String(), "%d", "%[1]d"), 2)},
			printed(t, e, "x", id))

		// Without waits between attempts it is certain what shares a commit.
		retries = false
		began := time.Now()
		loud := deploy("loud")
		took := time.Since(began)
		prints = false
		silent := deploy("silent")
		require.Empty(t, printed(t, e, "silent", ""))
		if took < time.Second {
			require.Equal(t, silent, loud, "commits of a run that prints, and of one that does not")
		}
	})
}

// What a running operation prints is stored within a second, in one commit.
func TestLogsOfRunningOperations(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &counting{Store: newMemory(t)}
		seen := make(chan struct{})
		driver := &script{do: func(_ context.Context, op *executor.Operation) (map[string]any, error) {
			before := store.commits.Load()
			for i := range 10 {
				fmt.Fprintln(op.Log, "line", i)
				time.Sleep(10 * time.Millisecond)
			}
			<-seen
			require.Equal(t, before+1, store.commits.Load())
			return nil, nil
		}}
		e := newEngine(t, executor.Config{Store: store, Drivers: []executor.Driver{executor.Sync(driver)}})
		ended := make(chan error)
		go func() {
			_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, things(1, creates, nil))})
			ended <- err
		}()
		synctest.Wait()
		began := time.Now()
		for c, err := range e.WatchLogs(t.Context(), "x", "", 0) {
			require.NoError(t, err)
			require.Equal(t, 10, strings.Count(c.Text, "line"))
			require.LessOrEqual(t, time.Since(began), time.Second)
			break
		}
		close(seen)
		require.NoError(t, <-ended)
		_ = e.Close()
	})
}

// Of an output that is too long the beginning and the end are kept.
func TestMaxLog(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&all, "line %d\n", i)
	}
	driver := &script{do: func(_ context.Context, op *executor.Operation) (map[string]any, error) {
		for line := range strings.Lines(all.String()) {
			fmt.Fprint(op.Log, line)
		}
		return nil, nil
	}}
	for _, c := range []struct {
		limit       int
		least, most int // bytes kept
	}{
		{limit: -1},
		{limit: 1, least: 0, most: 1},
		{limit: 1000, least: 980, most: 1000},
		{limit: all.Len() - 1, least: all.Len() - 20, most: all.Len() - 1},
		{limit: all.Len(), least: all.Len(), most: all.Len()},
		{limit: 0, least: all.Len(), most: all.Len()}, // the default
	} {
		t.Run(fmt.Sprint(c.limit), func(t *testing.T) {
			t.Parallel()
			e := newEngine(t, executor.Config{Drivers: []executor.Driver{executor.Sync(driver)}, MaxLog: c.limit})
			_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, things(1, creates, nil))})
			require.NoError(t, err)
			text := strings.Join(printed(t, e, "x", ""), "")
			head, rest, cut := strings.Cut(text, "\n[")
			if !cut {
				require.Equal(t, all.String()[:c.most], text)
				return
			}
			var missing int
			_, err = fmt.Sscanf(rest, "%d bytes are left out here]", &missing)
			require.NoError(t, err)
			_, tail, _ := strings.Cut(rest, "]\n")
			require.True(t, strings.HasPrefix(all.String(), head))
			require.True(t, strings.HasSuffix(all.String(), tail))
			require.Equal(t, all.Len(), len(head)+missing+len(tail))
			require.GreaterOrEqual(t, len(head)+len(tail), c.least)
			require.LessOrEqual(t, len(head)+len(tail), c.most)
		})
	}
}

// An operation that prints faster than the store writes waits for it.
func TestLogsWaitForTheStore(t *testing.T) {
	t.Parallel()
	const size = 16 << 20
	line := strings.Repeat("x", 1023) + "\n"
	driver := &script{do: func(_ context.Context, op *executor.Operation) (map[string]any, error) {
		for range size / len(line) {
			fmt.Fprint(op.Log, line)
		}
		return nil, nil
	}}
	e := newEngine(t, executor.Config{Drivers: []executor.Driver{executor.Sync(driver)}, MaxLog: size * 2})
	_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, things(1, creates, nil))})
	require.NoError(t, err)
	require.Len(t, printed(t, e, "x", "")[0], size)
}
