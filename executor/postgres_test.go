package executor_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/state/postgres"
	"github.com/stretchr/testify/require"
)

// The connections of an engine to its database break all the time while it
// deploys, as in a failover: everything is done, once, and recorded.
func TestConnectionsBreakWhileItDeploys(t *testing.T) {
	t.Parallel()
	url, schema := postgresServer.Get(t).URL, fmt.Sprintf("engine_%d", schemas.Add(1))
	s, err := postgres.Open(t.Context(), url+"&application_name="+schema, &postgres.Options{Schema: schema})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	driver := &script{}
	e := newEngine(t, executor.Config{Store: s, Drivers: []executor.Driver{executor.Sync(driver)}})
	archive := template(t, things(1, creates, nil))
	_, err = e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: archive}) // the first one makes the record
	require.NoError(t, err)

	// The killer strikes as soon as an operation is told to have begun, so that
	// many commits are on their way.
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(context.Background())
	var mu sync.Mutex
	killed := 0
	driver.do = func(ctx context.Context, op *executor.Operation) (map[string]any, error) {
		mu.Lock()
		defer mu.Unlock()
		var n int
		err := conn.QueryRow(ctx, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1", schema).Scan(&n)
		killed += n
		return nil, err
	}
	archive = template(t, things(16, creates, func(i int) []int {
		if i < 4 {
			return nil
		}
		return []int{i - 4}
	}))
	_, err = e.Update(t.Context(), executor.Request{Deployment: "x", Archive: archive})
	require.NoError(t, err)
	requireDeployed(t, e, "x")
	require.GreaterOrEqual(t, killed, 10)
	requireEachOnce(t, driver.seen(), 16)
}
