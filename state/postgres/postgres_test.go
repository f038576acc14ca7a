package postgres_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/seed-a4fd30b5/orchestrator/internal/lab"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/postgres"
	"github.com/seed-a4fd30b5/orchestrator/state/statetest"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// server is that of most tests. It does not sync: what the tests end abruptly
// is processes, not the machine.
var server = lab.SharedPostgres{Options: lab.PostgresOptions{NoSync: true}}

// durable is the server of the benchmarks.
var durable lab.SharedPostgres

func TestMain(m *testing.M) {
	if url := os.Getenv(childURL); url != "" {
		if err := runChild(context.Background(), url); err != nil {
			log.Fatal(err)
		}
		return
	}
	code := m.Run()
	server.Close()
	durable.Close()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

var schemas atomic.Int64

// newSchema returns the name of a schema that no other test has.
func newSchema() string { return fmt.Sprint("test_", schemas.Add(1)) }

func open(t testing.TB, url string, o postgres.Options) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), url, &o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// harness opens a store in a schema of its own.
func harness(server *lab.SharedPostgres, o postgres.Options) func(testing.TB) *statetest.Harness {
	return func(t testing.TB) *statetest.Harness {
		clock := statetest.NewClock()
		o := o
		o.Schema, o.Now = newSchema(), clock.Now
		url := server.Get(t).URL
		h := &statetest.Harness{Store: open(t, url, o), Advance: clock.Advance}
		h.Reopen = func() state.Store {
			require.NoError(t, h.Store.Close())
			return open(t, url, o)
		}
		return h
	}
}

func TestStore(t *testing.T) {
	t.Parallel()
	statetest.Run(t, harness(&server, postgres.Options{}))
}

func BenchmarkStore(b *testing.B) {
	open := harness(&durable, postgres.Options{})
	statetest.RunBenchmarks(b, func(t testing.TB) *statetest.Harness {
		h := open(t)
		conn := connect(t, durable.Get(t).URL)
		before := walSyncs(t, conn)
		h.Syncs = func() uint64 { return walSyncs(t, conn) - before }
		return h
	})
}

// walSyncs tells how often the server has synced its log. Its processes report
// that about once a second, and when they end.
func walSyncs(t testing.TB, conn *pgx.Conn) (n uint64) {
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT wal_sync FROM pg_stat_wal").Scan(&n))
	return n
}
