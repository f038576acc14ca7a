package postgres_test

import (
	"testing"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/postgres"
	"github.com/seed-a4fd30b5/orchestrator/state/statetest"
	"github.com/stretchr/testify/require"
)

// TestTransactionPooling: the whole contract without prepared statements and
// notifications.
func TestTransactionPooling(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("the contract was tested once")
	}
	statetest.Run(t, harness(&server, postgres.Options{TransactionPooling: true, Poll: 20 * time.Millisecond}))
}

// TestWatchOfOthers: what another store writes is seen by notification alone,
// by polling alone, and where the listening connection was broken.
func TestWatchOfOthers(t *testing.T) {
	t.Parallel()
	const never = time.Hour
	for name, test := range map[string]struct {
		writer, reader postgres.Options
		broken         bool
	}{
		"notified":            {postgres.Options{}, postgres.Options{Poll: never}, false},
		"notification lost":   {postgres.Options{NoNotify: true}, postgres.Options{Poll: 20 * time.Millisecond}, false},
		"nobody listens":      {postgres.Options{}, postgres.Options{NoNotify: true, Poll: 20 * time.Millisecond}, false},
		"behind a pooler":     {postgres.Options{TransactionPooling: true}, postgres.Options{TransactionPooling: true, Poll: 20 * time.Millisecond}, false},
		"listener broke once": {postgres.Options{NoNotify: true}, postgres.Options{Poll: never}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testWatchOfOthers(t, test.writer, test.reader, test.broken)
		})
	}
}

func testWatchOfOthers(t *testing.T, writer, reader postgres.Options, broken bool) {
	ctx := t.Context()
	url := server.Get(t).URL
	writer.Schema = newSchema()
	reader.Schema = writer.Schema
	w, r := open(t, url, writer), open(t, url, reader)
	require.NoError(t, w.CreateDeployment(ctx, &state.Deployment{ID: "shop"}))
	lease, err := w.AcquireLease(ctx, "shop", "engine", time.Hour)
	require.NoError(t, err)
	seen := make(chan uint64)
	go func() {
		defer close(seen)
		for e, err := range r.Watch(ctx, "shop", 0) {
			if err != nil {
				t.Error(err)
				return
			}
			seen <- e.Seq
		}
	}()
	listening := !reader.NoNotify && !reader.TransactionPooling
	if listening {
		awaitListener(t, url, reader.Schema)
	}
	for i := range uint64(3) {
		_, err = w.Commit(ctx, "shop", &state.Commit{Lease: lease, Revision: i + 1, Entries: entry("1")})
		require.NoError(t, err)
		if broken { // by then the entry is there, and nobody tells
			run(t, connect(t, url), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = $1", `LISTEN "`+reader.Schema+`"`)
		}
		select {
		case seq := <-seen:
			require.Equal(t, i+1, seq)
		case <-time.After(time.Minute):
			require.FailNow(t, "the watch did not tell")
		}
		if broken {
			awaitListener(t, url, reader.Schema)
		}
	}
	require.NoError(t, w.DeleteDeployment(ctx, "shop", lease))
	if broken {
		run(t, connect(t, url), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = $1", `LISTEN "`+reader.Schema+`"`)
	}
	_, more := <-seen
	require.False(t, more)
}

// awaitListener waits until a connection listens, so that no notification
// comes too early for it.
func awaitListener(t *testing.T, url, schema string) {
	conn := connect(t, url)
	require.Eventually(t, func() bool {
		var n int
		err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE query = $1 AND state = 'idle'", `LISTEN "`+schema+`"`).Scan(&n)
		return err == nil && n == 1
	}, time.Minute, 10*time.Millisecond)
}
