package statetest

import (
	"context"
	"iter"
	"testing"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
)

func testJournal(t *testing.T, h *Harness) {
	ctx, s := t.Context(), h.Store
	for _, id := range []string{"nobody", ""} {
		n := 0
		for e, err := range s.Journal(ctx, id, 0) {
			require.Nil(t, e)
			require.Error(t, err)
			n++
		}
		require.Equal(t, 1, n)
	}

	e := deploy(t, s, "shop")
	require.Empty(t, journal(t, s, "shop", 0))
	for i := range 30 {
		e.note(100*i, 70)
	}
	require.Equal(t, span(1, 2100), seqs(journal(t, s, "shop", 0)))
	for _, after := range []uint64{1, 511, 512, 513, 1024, 2099} {
		got := journal(t, s, "shop", after)
		require.Equal(t, span(after+1, 2100), seqs(got))
	}
	for _, after := range []uint64{2100, 2101, 1 << 63, 1<<64 - 1} {
		require.Empty(t, journal(t, s, "shop", after))
	}

	// The loop may stop, and start again.
	entries := s.Journal(ctx, "shop", 5)
	for range 2 {
		for e, err := range entries {
			require.NoError(t, err)
			require.Equal(t, uint64(6), e.Seq)
			break
		}
	}

	canceled, cancel := context.WithCancel(ctx)
	defer cancel()
	var last error
	n := 0
	for _, err := range s.Journal(canceled, "shop", 0) {
		cancel()
		last = err
		n++
	}
	require.Equal(t, state.CodeCanceled, state.CodeOf(last))
	require.Equal(t, 2, n)
}

// testJournalReentrant: the loop's body may write, and what it writes is not
// part of what was there when the loop started.
func testJournalReentrant(t *testing.T, h *Harness) {
	e := deploy(t, h.Store, "shop")
	e.note(1, 1000)
	n := 0
	for _, err := range h.Store.Journal(t.Context(), "shop", 0) {
		require.NoError(t, err)
		if n++; n%100 == 1 {
			e.note(n, 1)
		}
	}
	require.Equal(t, 1000, n)
	require.Equal(t, span(1, 1010), seqs(journal(t, h.Store, "shop", 0)))
}

func testJournalDeleted(t *testing.T, h *Harness) {
	e := deploy(t, h.Store, "shop")
	e.note(1, 2000)
	var last error
	n := uint64(0)
	for entry, err := range h.Store.Journal(t.Context(), "shop", 0) {
		if err != nil {
			last = err
			continue
		}
		n++
		require.Equal(t, n, entry.Seq)
		if n == 1 {
			require.NoError(t, h.Store.DeleteDeployment(t.Context(), "shop", e.lease))
			deploy(t, h.Store, "shop").note(1, 2000)
		}
	}
	// What was read ahead may come; what is another deployment's must not.
	require.Less(t, n, uint64(2000))
	is(t, state.CodeNotFound, last)
}

// watcher hands on what a Watch yields.
type watcher[T any] struct {
	entries chan *T
	errs    chan error // closed at the end
}

func watch[T any](seq iter.Seq2[*T, error]) *watcher[T] {
	w := &watcher[T]{make(chan *T), make(chan error, 1)}
	go func() {
		defer close(w.errs)
		for e, err := range seq {
			if err != nil {
				w.errs <- err
				return
			}
			w.entries <- e
		}
	}()
	return w
}

// next returns the next n numbers.
func (w *watcher[T]) next(t *testing.T, n int) []uint64 {
	var ns []uint64
	for range n {
		select {
		case e := <-w.entries:
			ns = append(ns, seqOf(e))
		case err := <-w.errs:
			require.FailNow(t, "the watch ended", "after %v: %v", ns, err)
		case <-time.After(time.Minute):
			require.FailNow(t, "the watch did not tell", "after %v", ns)
		}
	}
	return ns
}

// end waits for the end and returns the error, if there was one.
func (w *watcher[T]) end(t *testing.T) error {
	select {
	case e := <-w.entries:
		require.FailNow(t, "the watch went on", "with number %d", seqOf(e))
	case err := <-w.errs:
		return err
	case <-time.After(time.Minute):
		require.FailNow(t, "the watch did not end")
	}
	return nil
}

func testWatch(t *testing.T, h *Harness) {
	s := h.Store
	is(t, state.CodeNotFound, watch(s.Watch(t.Context(), "nobody", 0)).end(t))

	e := deploy(t, s, "shop")
	e.note(1, 600)
	ctx, cancel := context.WithCancel(t.Context())
	all := watch(s.Watch(ctx, "shop", 0))
	late := watch(s.Watch(t.Context(), "shop", 599))
	future := watch(s.Watch(t.Context(), "shop", 602))
	require.Equal(t, span(1, 600), all.next(t, 600)) // history
	require.Equal(t, span(600, 600), late.next(t, 1))

	e.note(601, 1) // live
	require.Equal(t, span(601, 601), all.next(t, 1))
	e.commit(state.Commit{}) // nothing to tell
	e.note(602, 2)
	require.Equal(t, span(602, 603), all.next(t, 2))
	require.Equal(t, span(601, 603), late.next(t, 3))
	require.Equal(t, span(603, 603), future.next(t, 1))

	// Nobody takes from late and future now; commits do not wait for them.
	e.note(604, 2000)
	require.Equal(t, span(604, 2603), all.next(t, 2000))

	once, stop := context.WithCancel(t.Context())
	defer stop()
	n := 0
	for _, err := range s.Watch(once, "shop", 0) {
		require.NoError(t, err)
		n++
		stop()
	}
	require.Equal(t, 1, n)

	cancel()
	require.NoError(t, all.end(t))
	require.NoError(t, watch(s.Watch(ctx, "shop", 0)).end(t))
	require.Equal(t, span(604, 2603), late.next(t, 2000))
	require.Equal(t, span(604, 2603), future.next(t, 2000))

	require.NoError(t, s.DeleteDeployment(t.Context(), "shop", e.lease))
	require.NoError(t, late.end(t))
	require.NoError(t, future.end(t))
}

// testWatchRecreated: a watch does not go over to a new deployment of the ID.
func testWatchRecreated(t *testing.T, h *Harness) {
	e := deploy(t, h.Store, "shop")
	e.note(1, 1)
	n := 0
	for entry, err := range h.Store.Watch(t.Context(), "shop", 0) {
		require.NoError(t, err)
		require.Equal(t, uint64(1), entry.Seq)
		n++
		require.NoError(t, h.Store.DeleteDeployment(t.Context(), "shop", e.lease))
		deploy(t, h.Store, "shop").note(1, 5)
	}
	require.Equal(t, 1, n)
}

func testWatchClosed(t *testing.T, h *Harness) {
	e := deploy(t, h.Store, "shop")
	e.note(1, 1)
	w := watch(h.Store.Watch(t.Context(), "shop", 0))
	w.next(t, 1)
	require.NoError(t, h.Store.Close())
	is(t, state.CodeUnavailable, w.end(t))
}

func testWatchMany(t *testing.T, h *Harness) {
	const watchers, entries = 20, 200
	e := deploy(t, h.Store, "shop")
	var ws []*watcher[state.Entry]
	for i := range watchers {
		ws = append(ws, watch(h.Store.Watch(t.Context(), "shop", uint64(i))))
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range entries / 4 {
			e.note(4*i, 4)
		}
	}()
	for i, w := range ws {
		require.Equal(t, span(uint64(i)+1, entries), w.next(t, entries-i))
	}
	<-done
	require.NoError(t, h.Store.DeleteDeployment(t.Context(), "shop", e.lease))
	for _, w := range ws {
		require.NoError(t, w.end(t))
	}
}
