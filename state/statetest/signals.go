package statetest

import (
	"context"
	"testing"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
)

func testSignals(t *testing.T, h *Harness) {
	ctx, s := t.Context(), h.Store
	cancel := &state.Signal{Kind: state.SignalCancel, Run: "r1", From: "ann at the desk"}
	is(t, state.CodeNotFound, s.Signal(ctx, "nobody", cancel))
	is(t, state.CodeInvalidArgument, s.Signal(ctx, "a/b", cancel))
	is(t, state.CodeNotFound, watch(s.Signals(ctx, "nobody", 0)).end(t))
	e := deploy(t, s, "shop")
	is(t, state.CodeNotFound, s.Signal(ctx, "shop", cancel)) // no such run
	e.commit(state.Commit{Run: &state.Run{ID: "r1"}})
	for _, bad := range []*state.Signal{nil, {Run: "r1"}, {Kind: "cancel"}, {Kind: "cancel", Run: "a/b"}} {
		is(t, state.CodeInvalidArgument, s.Signal(ctx, "shop", bad))
	}

	first := watch(s.Signals(ctx, "shop", 0))
	before := read(t, s, "shop")
	require.NoError(t, s.Signal(ctx, "shop", cancel)) // without a lease
	require.Equal(t, before, read(t, s, "shop"))
	require.Equal(t, []uint64{1}, first.next(t, 1))
	at := time.Date(2026, 5, 6, 7, 8, 9, 123456789, time.FixedZone("", 3600))
	require.NoError(t, s.Signal(ctx, "shop", &state.Signal{Seq: 77, Time: at, Kind: "other", Run: "r1"}))
	require.Equal(t, []uint64{2}, first.next(t, 1))

	// They stay for those who come later.
	listening, stop := context.WithCancel(ctx)
	defer stop()
	var got []*state.Signal
	for signal, err := range s.Signals(listening, "shop", 0) {
		require.NoError(t, err)
		if got = append(got, signal); len(got) == 2 {
			stop()
		}
	}
	require.Equal(t, []*state.Signal{
		{Seq: 1, Time: before.Deployment.Updated, Kind: "cancel", Run: "r1", From: "ann at the desk"},
		{Seq: 2, Time: at.UTC(), Kind: "other", Run: "r1"},
	}, got)
	require.Zero(t, cancel.Seq, "the argument was changed")
	later := watch(s.Signals(ctx, "shop", 1))
	require.Equal(t, []uint64{2}, later.next(t, 1))
	e.commit(state.Commit{}) // the signals did not change the revision

	require.NoError(t, s.DeleteDeployment(ctx, "shop", e.lease))
	require.NoError(t, first.end(t))
	require.NoError(t, later.end(t))
	e = deploy(t, s, "shop")
	e.commit(state.Commit{Run: &state.Run{ID: "r1"}})
	last := watch(s.Signals(ctx, "shop", 0))
	require.NoError(t, s.Signal(ctx, "shop", cancel))
	require.Equal(t, []uint64{1}, last.next(t, 1)) // none of the deleted one's
	require.NoError(t, s.Close())
	is(t, state.CodeUnavailable, last.end(t))
}

// testSignalsForgotten: a run's signals go with its end, those of others stay.
func testSignalsForgotten(t *testing.T, h *Harness) {
	ctx, s := t.Context(), h.Store
	e := deploy(t, s, "shop")
	e.commit(state.Commit{Run: &state.Run{ID: "r1"}})
	e.commit(state.Commit{Run: &state.Run{ID: "r2"}})
	cancel := func(run string) error { return s.Signal(ctx, "shop", &state.Signal{Kind: "cancel", Run: run}) }
	for _, run := range []string{"r1", "r2", "r1"} {
		require.NoError(t, cancel(run))
	}
	e.commit(state.Commit{Run: &state.Run{ID: "r1", Steps: 1}}) // no end
	e.commit(state.Commit{Run: &state.Run{ID: "r1", Ended: time.Unix(1, 0)}})
	is(t, state.CodeFailedPrecondition, cancel("r1"))
	w := watch(s.Signals(ctx, "shop", 0))
	require.Equal(t, []uint64{2}, w.next(t, 1))
	// A run that is resumed can be told again.
	e.commit(state.Commit{Run: &state.Run{ID: "r1"}})
	require.NoError(t, cancel("r1"))
	require.Equal(t, []uint64{4}, w.next(t, 1))
	require.NoError(t, s.DeleteDeployment(ctx, "shop", e.lease))
	require.NoError(t, w.end(t))
}
