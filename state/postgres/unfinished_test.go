package postgres_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/postgres"
	"github.com/seed-a4fd30b5/orchestrator/state/statetest"
	"github.com/stretchr/testify/require"
)

// TestUnfinished: what a process began to store and did not finish goes after
// an hour, and can not be finished then.
func TestUnfinished(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	url, schema, clock := server.Get(t).URL, newSchema(), statetest.NewClock()
	o := postgres.Options{Schema: schema, Now: clock.Now}
	s := open(t, url, o)
	conn := connect(t, url)
	left := func() (n int) {
		t.Helper()
		require.NoError(t, conn.QueryRow(ctx, fmt.Sprintf(
			"SELECT (SELECT count(*) FROM %[1]s.unfinished) + (SELECT count(*) FROM %[1]s.chunks) + (SELECT count(*) FROM %[1]s.instances)", schema)).Scan(&n))
		return n
	}
	data := bytes.Repeat([]byte("x"), 9<<20)
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256(data))
	in, out := io.Pipe()
	put := make(chan error)
	go func() { put <- s.PutBlob(ctx, digest, in) }()
	_, err := out.Write(data[:8<<20+1]) // two parts are stored, a third has begun
	require.NoError(t, err)

	err = s.Restore(ctx, &state.Deployment{ID: "copy", Revision: 1, FirstSeq: 1}, func(yield func(*state.Record, error) bool) {
		for i := range 6000 {
			if !yield(&state.Record{Instance: &state.Instance{ID: fmt.Sprintf("web_%04d", i)}}, nil) {
				return
			}
		}
		require.Equal(t, 2+8+5000, left())
		clock.Advance(59 * time.Minute)
		open(t, url, o).Close()
		require.Equal(t, 2+8+5000, left())
		clock.Advance(2 * time.Minute)
		_, err := s.Sweep(ctx, time.Time{})
		require.NoError(t, err)
		require.Zero(t, left())
	})
	require.Equal(t, state.CodeUnavailable, state.CodeOf(err), "%v", err)
	_, err = s.Deployment(ctx, "copy")
	require.Equal(t, state.CodeNotFound, state.CodeOf(err), "%v", err)

	_, err = out.Write(data[8<<20+1:])
	require.NoError(t, err)
	require.NoError(t, out.Close())
	err = <-put
	require.Equal(t, state.CodeUnavailable, state.CodeOf(err), "%v", err)
	_, err = s.Blob(ctx, digest)
	require.Equal(t, state.CodeNotFound, state.CodeOf(err), "%v", err)
	require.Zero(t, left())
	require.NoError(t, s.PutBlob(ctx, digest, bytes.NewReader(data)))
}
