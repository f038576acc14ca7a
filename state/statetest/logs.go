package statetest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
)

func chunk(operation, text string) *state.LogChunk {
	return &state.LogChunk{Run: "r1", Operation: operation, Attempt: 1, Text: text}
}

func testLogs(t *testing.T, h *Harness) {
	ctx, s := t.Context(), h.Store
	for id, want := range map[string]state.Code{"nobody": state.CodeNotFound, "": state.CodeInvalidArgument} {
		n := 0
		for c, err := range s.Logs(ctx, id, "", 0) {
			require.Nil(t, c)
			is(t, want, err)
			n++
		}
		require.Equal(t, 1, n)
	}
	e := deploy(t, s, "shop")
	require.Empty(t, logs(t, s, "shop", "", 0))

	at := time.Date(2026, 5, 6, 7, 8, 9, 123456789, time.FixedZone("", 3600))
	given := &state.LogChunk{Seq: 55, Time: at, Run: "r1", Operation: "web-create-1", Attempt: 2, Text: "line <1> & \"ü\"\n\x00\x1b[0m\u2028"}
	e.commit(state.Commit{Logs: []*state.LogChunk{given, chunk("web-create-1", ""), chunk("", "of no operation")}})
	got := read(t, s, "shop")
	require.Equal(t, uint64(3), got.Deployment.LastLog)
	require.Equal(t, uint64(0), got.Deployment.LastSeq)
	want := *given
	want.Seq, want.Time = 1, at.UTC()
	now := got.Deployment.Updated // where the chunk has no time
	require.Equal(t, []*state.LogChunk{&want,
		{Seq: 2, Time: now, Run: "r1", Operation: "web-create-1", Attempt: 1},
		{Seq: 3, Time: now, Run: "r1", Attempt: 1, Text: "of no operation"},
	}, got.Logs)
	require.Equal(t, uint64(55), given.Seq, "the argument was changed")

	// One operation's, from any point; an ID that begins alike is another.
	e.commit(state.Commit{Logs: []*state.LogChunk{chunk("web-create-10", "x"), chunk("web-create-1", "y"), chunk("web-create", "z")}})
	require.Equal(t, []uint64{1, 2, 5}, seqs(logs(t, s, "shop", "web-create-1", 0)))
	require.Equal(t, []uint64{2, 5}, seqs(logs(t, s, "shop", "web-create-1", 1)))
	require.Equal(t, []uint64{5}, seqs(logs(t, s, "shop", "web-create-1", 3)))
	require.Equal(t, []uint64{6}, seqs(logs(t, s, "shop", "web-create", 0)))
	require.Equal(t, span(4, 6), seqs(logs(t, s, "shop", "", 3)))
	for _, after := range []uint64{6, 7, 1<<64 - 1} {
		require.Empty(t, logs(t, s, "shop", "", after))
		require.Empty(t, logs(t, s, "shop", "web-create", after))
	}
	require.Empty(t, logs(t, s, "shop", "web", 0))
	require.Empty(t, logs(t, s, "shop", "r1", 0))

	// What is not UTF-8 is made so.
	e.commit(state.Commit{Logs: []*state.LogChunk{chunk("op", "a\xffb")}})
	require.Equal(t, "a\ufffdb", logs(t, s, "shop", "op", 0)[0].Text)

	// They go with the deployment.
	other := deploy(t, s, "other")
	other.commit(state.Commit{Logs: []*state.LogChunk{chunk("op", "kept")}})
	require.NoError(t, s.DeleteDeployment(ctx, "shop", e.lease))
	deploy(t, s, "shop")
	require.Empty(t, logs(t, s, "shop", "", 0))
	require.Empty(t, logs(t, s, "shop", "op", 0))
	require.Len(t, logs(t, s, "other", "op", 0), 1)
}

// testLogsMany: more and larger chunks than are read at once, of operations
// that run side by side.
func testLogsMany(t *testing.T, h *Harness) {
	const operations, each = 7, 200
	e := deploy(t, h.Store, "shop")
	for i := range each {
		var c state.Commit
		for op := range operations {
			c.Logs = append(c.Logs, chunk(fmt.Sprint("op", op), fmt.Sprint(i)))
		}
		e.commit(c)
	}
	e.commit(state.Commit{Logs: []*state.LogChunk{
		chunk("op0", strings.Repeat("x", 700<<10)), chunk("op0", strings.Repeat("y", 700<<10)), chunk("op0", "z")}})
	require.Equal(t, span(1, operations*each+3), seqs(logs(t, h.Store, "shop", "", 0)))
	for op := range operations {
		got := logs(t, h.Store, "shop", fmt.Sprint("op", op), 0)
		for i, c := range got[:each] {
			require.Equal(t, uint64(i*operations+op+1), c.Seq)
			require.Equal(t, fmt.Sprint(i), c.Text)
		}
		require.Equal(t, op == 0, len(got) == each+3)
	}

	// What comes while the loop goes on is not part of it.
	n := 0
	for _, err := range h.Store.Logs(t.Context(), "shop", "", 0) {
		require.NoError(t, err)
		if n++; n%100 == 1 {
			e.commit(state.Commit{Logs: []*state.LogChunk{chunk("op0", "late")}})
		}
	}
	require.Equal(t, operations*each+3, n)
}

func testWatchLogs(t *testing.T, h *Harness) {
	s := h.Store
	is(t, state.CodeNotFound, watch(s.WatchLogs(t.Context(), "nobody", "", 0)).end(t))
	e := deploy(t, s, "shop")
	say := func(operations ...string) {
		var c state.Commit
		for _, op := range operations {
			c.Logs = append(c.Logs, chunk(op, "x"))
		}
		e.commit(c)
	}
	say("a", "b")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	all, a := watch(s.WatchLogs(ctx, "shop", "", 0)), watch(s.WatchLogs(t.Context(), "shop", "a", 0))
	b := watch(s.WatchLogs(t.Context(), "shop", "b", 2))
	require.Equal(t, []uint64{1, 2}, all.next(t, 2))
	require.Equal(t, []uint64{1}, a.next(t, 1))
	e.note(1, 1) // nothing to tell
	say("b", "b", "c", "a")
	require.Equal(t, span(3, 6), all.next(t, 4))
	require.Equal(t, []uint64{6}, a.next(t, 1))
	require.Equal(t, []uint64{3, 4}, b.next(t, 2))
	cancel()
	require.NoError(t, all.end(t))
	require.NoError(t, s.DeleteDeployment(t.Context(), "shop", e.lease))
	require.NoError(t, a.end(t))
	require.NoError(t, b.end(t))

	e = deploy(t, s, "shop")
	last := watch(s.WatchLogs(t.Context(), "shop", "", 0))
	say("a")
	last.next(t, 1)
	require.NoError(t, s.Close())
	is(t, state.CodeUnavailable, last.end(t))
}
