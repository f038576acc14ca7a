package statetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
)

func testTrim(t *testing.T, h *Harness) {
	ctx, s := t.Context(), h.Store
	is(t, state.CodeNotFound, s.Trim(ctx, "nobody", state.Lease{}, 1))
	is(t, state.CodeInvalidArgument, s.Trim(ctx, "a/b", state.Lease{}, 1))
	e, other := deploy(t, s, "shop"), deploy(t, s, "other")
	require.NoError(t, s.Trim(ctx, "shop", e.lease, 5)) // nothing there
	require.Equal(t, uint64(1), read(t, s, "shop").Deployment.FirstSeq)
	e.note(1, 10)
	other.note(1, 10)

	// It takes the lease.
	before := read(t, s, "shop")
	is(t, state.CodeFailedPrecondition, s.Trim(ctx, "shop", state.Lease{}, 5))
	is(t, state.CodeFailedPrecondition, s.Trim(ctx, "shop", other.lease, 5))
	old := e.lease
	h.Advance(time.Hour)
	is(t, state.CodeFailedPrecondition, s.Trim(ctx, "shop", e.lease, 5))
	require.NoError(t, renew(t, e))
	is(t, state.CodeFailedPrecondition, s.Trim(ctx, "shop", old, 5))
	require.NoError(t, s.Trim(ctx, "shop", e.lease, 0))
	require.Equal(t, before, read(t, s, "shop"))

	for _, test := range []struct{ before, first uint64 }{{3, 4}, {3, 4}, {1, 4}, {4, 5}} {
		require.NoError(t, s.Trim(ctx, "shop", e.lease, test.before))
		got := read(t, s, "shop")
		want := *before.Deployment
		want.FirstSeq = test.first
		require.Equal(t, &want, got.Deployment) // neither revision nor time changed
		require.Equal(t, span(test.first, 10), seqs(got.Journal))
		for after := range uint64(11) {
			require.Equal(t, span(max(test.first, after+1), 10), seqs(journal(t, s, "shop", after)))
		}
		watching, stop := context.WithCancel(ctx)
		w := watch(s.Watch(watching, "shop", 0))
		require.Equal(t, span(test.first, 10), w.next(t, int(11-test.first)))
		stop()
		require.NoError(t, w.end(t))
	}
	require.Equal(t, span(1, 10), seqs(journal(t, s, "other", 0)))

	// A commit keeps what was trimmed trimmed.
	e.commit(state.Commit{Deployment: &state.Deployment{ID: "shop", FirstSeq: 1}, Entries: []*state.Entry{note(11)}})
	require.Equal(t, span(5, 11), seqs(journal(t, s, "shop", 0)))
	require.Equal(t, uint64(5), read(t, s, "shop").Deployment.FirstSeq)

	// All may go; numbers go on.
	require.NoError(t, s.Trim(ctx, "shop", e.lease, 1<<64-1))
	got := read(t, s, "shop").Deployment
	require.Equal(t, []uint64{12, 11}, []uint64{got.FirstSeq, got.LastSeq})
	for _, after := range []uint64{0, 11, 12, 1<<64 - 1} {
		require.Empty(t, journal(t, s, "shop", after))
	}
	w := watch(s.Watch(ctx, "shop", 0))
	e.note(12, 2)
	require.Equal(t, span(12, 13), w.next(t, 2))
	require.Equal(t, span(12, 13), seqs(journal(t, s, "shop", 0)))

	require.NoError(t, s.DeleteDeployment(ctx, "shop", e.lease))
	require.NoError(t, w.end(t))
}

// renew takes the lease anew after it has expired.
func renew(t testing.TB, e *engine) (err error) {
	e.lease, err = e.s.AcquireLease(t.Context(), e.id, "engine", time.Hour)
	return err
}

// testTrimRuns: runs that have ended go with their entries, and their logs with
// them; the last does not.
func testTrimRuns(t *testing.T, h *Harness) {
	ctx, s := t.Context(), h.Store
	e := deploy(t, s, "shop")
	ended := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 4 { // entries 1-2, 3-4, 5-6, 7-8; chunks alike
		id := fmt.Sprint("r", i+1)
		run := &state.Run{ID: id, Started: ended.Add(time.Duration(i))}
		say := func() state.Commit {
			r := *run
			return state.Commit{
				Deployment: &state.Deployment{ID: "shop", Run: id}, Run: &r,
				Entries: []*state.Entry{{Run: id, Kind: "note"}},
				Logs:    []*state.LogChunk{{Run: id, Operation: "op-" + id, Text: "x"}},
			}
		}
		e.commit(say())
		if id != "r2" { // that one never ends
			run.Ended = ended.Add(time.Hour)
		}
		e.commit(say())
	}
	left := func() (runs []string, chunks []uint64) {
		got := read(t, s, "shop")
		for _, r := range got.Runs {
			runs = append(runs, r.ID)
		}
		for _, c := range got.Logs {
			require.Contains(t, runs, c.Run)
			require.Contains(t, logs(t, s, "shop", "op-"+c.Run, 0), c)
		}
		return runs, seqs(got.Logs)
	}
	for _, test := range []struct {
		before uint64
		runs   []string
		chunks []uint64
	}{
		{1, []string{"r1", "r2", "r3", "r4"}, span(1, 8)},
		{2, []string{"r2", "r3", "r4"}, span(3, 8)},
		{5, []string{"r2", "r3", "r4"}, span(3, 8)},
		{6, []string{"r2", "r4"}, []uint64{3, 4, 7, 8}}, // r2 goes on
		{8, []string{"r2", "r4"}, []uint64{3, 4, 7, 8}}, // r4 is the last
	} {
		require.NoError(t, s.Trim(ctx, "shop", e.lease, test.before))
		runs, chunks := left()
		require.Equal(t, test.runs, runs, "before %d", test.before)
		require.Equal(t, test.chunks, chunks, "before %d", test.before)
	}
	_, err := s.Run(ctx, "shop", "r1")
	is(t, state.CodeNotFound, err)
	require.Empty(t, logs(t, s, "shop", "op-r1", 0))

	// r2 ends now: it goes with the next trim, since another run came after it.
	e.commit(state.Commit{Run: &state.Run{ID: "r2", Ended: ended}})
	require.NoError(t, s.Trim(ctx, "shop", e.lease, 8))
	runs, chunks := left()
	require.Equal(t, []string{"r4"}, runs)
	require.Equal(t, []uint64{7, 8}, chunks)
	// Chunks are not numbered anew.
	e.commit(state.Commit{Logs: []*state.LogChunk{chunk("op", "x")}})
	require.Equal(t, []uint64{9}, seqs(logs(t, s, "shop", "op", 0)))
}

// testTrimWhileReading: a loop goes on behind what was trimmed before it.
func testTrimWhileReading(t *testing.T, h *Harness) {
	ctx, s := t.Context(), h.Store
	e := deploy(t, s, "shop")
	e.note(1, 2000)
	readUntil := func(trim uint64) (ns []uint64) {
		for entry, err := range s.Journal(ctx, "shop", 0) {
			require.NoError(t, err)
			if ns = append(ns, entry.Seq); len(ns) == 1 {
				require.NoError(t, s.Trim(ctx, "shop", e.lease, trim))
			}
		}
		return ns
	}
	got := readUntil(1500) // what was read ahead may come
	require.Equal(t, span(1501, 2000), got[len(got)-500:])
	require.Less(t, len(got), 2000)
	for i := 1; i < len(got); i++ {
		require.Greater(t, got[i], got[i-1])
	}
	e.note(2001, 500)
	got = readUntil(2500)
	require.Equal(t, uint64(1501), got[0])

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	e.note(2501, 2000)
	w := watch(s.Watch(ctx, "shop", 0))
	w.next(t, 1)
	require.NoError(t, s.Trim(ctx, "shop", e.lease, 4499))
	var last uint64
	for last != 4500 {
		n := w.next(t, 1)[0]
		require.Greater(t, n, last)
		last = n
	}
	e.note(4501, 1)
	require.Equal(t, []uint64{4501}, w.next(t, 1))
	cancel()
	require.NoError(t, w.end(t))
}

// testTrimMany: a long journal and many logs go as well, while others commit.
func testTrimMany(t *testing.T, h *Harness) {
	const n = 12_345
	ctx, s := t.Context(), h.Store
	e := deploy(t, s, "shop")
	c := state.Commit{Deployment: &state.Deployment{ID: "shop", Run: "r1"}, Run: &state.Run{ID: "r1", Ended: time.Unix(1, 0)}}
	for i := range n {
		c.Entries = append(c.Entries, note(i))
		c.Logs = append(c.Logs, chunk(fmt.Sprint("op", i%10), "x"))
	}
	e.commit(c)
	e.commit(state.Commit{Deployment: &state.Deployment{ID: "shop", Run: "r2"}, Run: &state.Run{ID: "r2"}, Entries: []*state.Entry{note(n)}})
	done := make(chan error)
	go func() { done <- s.Trim(ctx, "shop", e.lease, n) }()
	e.note(n+1, 1)
	require.NoError(t, <-done)
	got := read(t, s, "shop")
	require.Equal(t, []uint64{n + 1, n + 2}, seqs(got.Journal))
	require.Empty(t, got.Logs)
	require.Len(t, got.Runs, 1)
	require.Equal(t, uint64(n), got.Deployment.LastLog)
}
