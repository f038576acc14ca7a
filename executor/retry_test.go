package executor_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/stretchr/testify/require"
)

// The create of a node fails twice.
func TestRetryPolicies(t *testing.T) {
	t.Parallel()
	plain, busy := errors.New("disk full"), executor.MarkRetryable(errors.New("busy"))
	silent := executor.MarkRetryable(&executor.Error{Code: executor.Unavailable, Err: errors.New("no answer")})
	engine := executor.RetryPolicy{Attempts: 2, Backoff: time.Second}
	cases := map[string]struct {
		err      error // of the first two attempts
		metadata string
		config   executor.RetryPolicy
		request  executor.RetryPolicy
		tries    int
		took     time.Duration
		fails    string
	}{
		"the template wins":           {plain, "{ retries: 2, retry_backoff: 10 s }", engine, executor.RetryPolicy{}, 3, 30 * time.Second, ""},
		"text is taken too":           {plain, `{ retries: "2", retry_backoff: "0.5" }`, engine, executor.RetryPolicy{}, 3, 1500 * time.Millisecond, ""},
		"the template wants no retry": {busy, "{ retries: 0 }", engine, executor.RetryPolicy{}, 1, 0, "busy"},
		"its retries are used up":     {plain, "{ retries: 1 }", engine, executor.RetryPolicy{}, 2, time.Second, "disk full"},
		"only the backoff is stated":  {busy, "{ retry_backoff: 2 m }", executor.RetryPolicy{}, executor.RetryPolicy{}, 3, 4 * time.Minute, ""},
		"the request wins":            {busy, "{}", engine, executor.RetryPolicy{Attempts: 3}, 3, 3 * time.Second, ""},
		"the engine takes everything": {plain, "{}", executor.RetryPolicy{Always: true}, executor.RetryPolicy{}, 3, 3 * time.Second, ""},
		"a cause has its own policy": {silent, "{}", executor.RetryPolicy{Attempts: 1, Causes: map[executor.Code]executor.RetryPolicy{
			executor.Unavailable: {Attempts: 5, Backoff: time.Minute}}}, executor.RetryPolicy{}, 3, 2 * time.Minute, ""},
		"another cause has not": {busy, "{}", executor.RetryPolicy{Attempts: 1, Causes: map[executor.Code]executor.RetryPolicy{
			executor.Unavailable: {Attempts: 5}}}, executor.RetryPolicy{}, 1, 0, "busy"},
		"the error says when":   {executor.MarkRetryableAfter(plain, time.Hour), "{}", executor.RetryPolicy{}, executor.RetryPolicy{}, 3, 2 * time.Hour, ""},
		"nonsense is no number": {plain, "{ retries: often }", engine, executor.RetryPolicy{}, 0, 0, "retries: often is not a number of further attempts"},
		"nor a time":            {plain, "{ retry_backoff: 3 parsecs }", engine, executor.RetryPolicy{}, 0, 0, `retry_backoff: 3 parsecs is not a time such as "10 s"`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				driver := &script{do: func(_ context.Context, op *executor.Operation) (map[string]any, error) {
					if op.Attempt < 3 {
						return nil, c.err
					}
					return nil, nil
				}}
				e := newEngine(t, executor.Config{Drivers: []executor.Driver{executor.Sync(driver)}, Retry: c.config})
				began := time.Now()
				_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Retry: c.request, Archive: template(t, `
tosca_definitions_version: tosca_simple_yaml_1_3
topology_template:
  node_templates:
    n:
      type: tosca.nodes.Root
      metadata: `+c.metadata+`
      interfaces: { Standard: { operations: { create: do.sh } } }
`)})
				if c.fails == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, c.fails)
				}
				require.Len(t, driver.seen(), c.tries)
				require.Equal(t, c.took, time.Since(began))
			})
		})
	}
}

// An operation that takes too long is stopped, and tried again where every
// failure is; not where it did not stop.
func TestRetryAfterTimeout(t *testing.T) {
	t.Parallel()
	hangs := func(stops bool) *script {
		return &script{do: func(ctx context.Context, op *executor.Operation) (map[string]any, error) {
			if op.Attempt == 2 {
				return nil, nil
			}
			if !stops {
				time.Sleep(time.Hour) // of the bubble's clock
			}
			<-ctx.Done()
			return nil, ctx.Err()
		}}
	}
	for _, stops := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			driver := hangs(stops)
			e := newEngine(t, executor.Config{Drivers: []executor.Driver{executor.Sync(driver)}, Timeout: time.Minute})
			began := time.Now()
			_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, things(1, creates, nil)),
				Timeout: 5 * time.Second, Retry: executor.RetryPolicy{Always: true}})
			if stops {
				require.NoError(t, err)
				require.Equal(t, 6*time.Second, time.Since(began))
				require.Equal(t, []string{"n0_0.create", "n0_0.create"}, driver.seen())
			} else {
				require.ErrorContains(t, err, "timed out after 5s; it did not stop")
				require.Len(t, driver.seen(), 1)
			}
			time.Sleep(2 * time.Hour)
		})
	}
}
