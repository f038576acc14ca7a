package statetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// testConcurrency: many add to one counter by compare and swap; none is lost.
func testConcurrency(t *testing.T, h *Harness) {
	const workers, each = 8, 15
	ctx, s := t.Context(), h.Store
	e := deploy(t, s, "shop")
	count := func(n int) *state.Instance {
		in := node("counter", "started")
		in.Attributes = map[string]json.RawMessage{"n": json.RawMessage(fmt.Sprint(n))}
		return in
	}
	e.commit(state.Commit{Put: []*state.Instance{count(0)}})

	add := func() error {
		for {
			d, err := s.Deployment(ctx, "shop")
			if err != nil {
				return err
			}
			list, err := s.Instances(ctx, "shop")
			if err != nil {
				return err
			}
			var n int
			if err := json.Unmarshal(list[0].Attributes["n"], &n); err != nil {
				return err
			}
			_, err = s.Commit(ctx, "shop", &state.Commit{Lease: e.lease, Revision: d.Revision,
				Put: []*state.Instance{count(n + 1)}, Entries: []*state.Entry{note(n + 1)}})
			if state.CodeOf(err) != state.CodeConflict {
				return err
			}
		}
	}
	var group errgroup.Group
	for range workers {
		group.Go(func() error {
			for range each {
				if err := add(); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	got := read(t, s, "shop")
	require.Equal(t, []*state.Instance{count(workers * each)}, got.Instances)
	require.Equal(t, uint64(2+workers*each), got.Deployment.Revision)
	require.Equal(t, span(1, workers*each), seqs(got.Journal))
	for i, e := range got.Journal {
		require.Equal(t, fmt.Sprint(i+1), string(e.Data))
	}
}

// testLeaseRace: of many who ask at once, one gets the lease.
func testLeaseRace(t *testing.T, h *Harness) {
	ctx, s := t.Context(), h.Store
	require.NoError(t, s.CreateDeployment(ctx, &state.Deployment{ID: "shop"}))
	var last uint64
	for range 5 {
		var group errgroup.Group
		var token atomic.Uint64
		for i := range 16 {
			group.Go(func() error {
				lease, err := s.AcquireLease(ctx, "shop", fmt.Sprint("engine ", i), time.Minute)
				switch {
				case state.CodeOf(err) == state.CodeConflict:
					return nil
				case err == nil && !token.CompareAndSwap(0, lease.Token):
					return errors.New("two have the lease")
				}
				return err
			})
		}
		require.NoError(t, group.Wait())
		require.Greater(t, token.Load(), last)
		last = token.Load()
		h.Advance(time.Minute)
	}
}

// testReaders: who reads while others write sees a state that once was.
func testReaders(t *testing.T, h *Harness) {
	s := h.Store
	e := deploy(t, s, "shop")
	both := func(state_ string) state.Commit {
		return state.Commit{Put: []*state.Instance{node("a", state_), node("b", state_)}, Entries: []*state.Entry{note(0)}}
	}
	e.commit(both("0"))
	ctx, cancel := context.WithCancel(t.Context())
	var group errgroup.Group
	for range 4 {
		group.Go(func() error {
			for ctx.Err() == nil {
				list, err := s.Instances(t.Context(), "shop")
				if err != nil {
					return err
				}
				if len(list) != 2 || list[0].State != list[1].State {
					return fmt.Errorf("half of a commit: %v", list)
				}
				d, err := s.Deployment(t.Context(), "shop")
				if err != nil {
					return err
				}
				if d.Revision != d.LastSeq+1 {
					return fmt.Errorf("revision %d with %d entries", d.Revision, d.LastSeq)
				}
			}
			return nil
		})
	}
	for i := range 100 {
		e.commit(both(fmt.Sprint(i)))
	}
	cancel()
	require.NoError(t, group.Wait())
}

// testContext: a context that has ended stops every method before it does anything.
func testContext(t *testing.T, h *Harness) {
	s := h.Store
	e := deploy(t, s, "shop")
	require.NoError(t, s.PutBlob(t.Context(), digestOf(nil), strings.NewReader("")))
	before := read(t, s, "shop")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, err := range calls(ctx, s, e) {
		require.Equal(t, state.CodeCanceled, state.CodeOf(err), "%s: %v", name, err)
	}
	require.Equal(t, before, read(t, s, "shop"))
	_, err := s.Deployment(t.Context(), "new")
	is(t, state.CodeNotFound, err)
	e.commit(state.Commit{}) // the lease is there still
}

func testClosed(t *testing.T, h *Harness) {
	s := h.Store
	e := deploy(t, s, "shop")
	require.NoError(t, s.Close())
	for name, err := range calls(t.Context(), s, e) {
		require.Equal(t, state.CodeUnavailable, state.CodeOf(err), "%s: %v", name, err)
	}
	require.NoError(t, s.Close())
}

// calls calls every method of s but those that wait and Close, and returns the
// errors.
func calls(ctx context.Context, s state.Store, e *engine) map[string]error {
	errs := map[string]error{}
	errs["CreateDeployment"] = s.CreateDeployment(ctx, &state.Deployment{ID: "new"})
	errs["Restore"] = s.Restore(ctx, &state.Deployment{ID: "new", Revision: 1, FirstSeq: 1}, everything{}.records())
	_, errs["Deployment"] = s.Deployment(ctx, e.id)
	_, errs["Deployments"] = s.Deployments(ctx)
	_, errs["Instances"] = s.Instances(ctx, e.id)
	_, errs["Run"] = s.Run(ctx, e.id, "r1")
	_, errs["Runs"] = s.Runs(ctx, e.id)
	_, errs["Commit"] = s.Commit(ctx, e.id, &state.Commit{Lease: e.lease, Revision: e.revision, Entries: []*state.Entry{note(1)}})
	for _, err := range s.Journal(ctx, e.id, 0) {
		errs["Journal"] = err
	}
	for _, err := range s.Logs(ctx, e.id, "", 0) {
		errs["Logs"] = err
	}
	errs["Trim"] = s.Trim(ctx, e.id, e.lease, 1)
	errs["Signal"] = s.Signal(ctx, e.id, &state.Signal{Kind: "cancel", Run: "r1"})
	_, errs["Sweep"] = s.Sweep(ctx, time.Now().Add(time.Hour))
	_, errs["AcquireLease"] = s.AcquireLease(ctx, e.id, "other", time.Minute)
	_, errs["RenewLease"] = s.RenewLease(ctx, e.lease, time.Minute)
	errs["ReleaseLease"] = s.ReleaseLease(ctx, e.lease)
	errs["PutBlob"] = s.PutBlob(ctx, digestOf([]byte("x")), strings.NewReader("x"))
	_, errs["Blob"] = s.Blob(ctx, digestOf(nil))
	errs["DeleteDeployment"] = s.DeleteDeployment(ctx, e.id, e.lease)
	return errs
}

// testReopen: what was there before is there after.
func testReopen(t *testing.T, h *Harness) {
	if h.Reopen == nil {
		t.Skip("this store does not last")
	}
	ctx := t.Context()
	e := deploy(t, h.Store, "shop")
	e.commit(state.Commit{
		Deployment: &state.Deployment{ID: "shop", Status: state.Deployed, Run: "r1", Labels: map[string]string{"a": "b"}},
		Run:        &state.Run{ID: "r1", Status: state.RunSucceeded},
		Put:        []*state.Instance{node("web_0", "started")}, Entries: []*state.Entry{note(1), note(2)},
	})
	gone := deploy(t, h.Store, "gone")
	require.NoError(t, h.Store.DeleteDeployment(ctx, "gone", gone.lease))
	data := content(3 << 20)
	require.NoError(t, h.Store.PutBlob(ctx, digestOf(data), strings.NewReader(string(data))))
	before := read(t, h.Store, "shop")

	s := h.Reopen()
	h.Store = s
	t.Cleanup(func() { _ = s.Close() })
	require.Equal(t, before, read(t, s, "shop"))
	_, err := s.Deployment(ctx, "gone")
	is(t, state.CodeNotFound, err)
	got, err := get(ctx, s, digestOf(data))
	require.NoError(t, err)
	require.Equal(t, digestOf(data), digestOf(got))

	// The lease of the process before holds until it expires, and can be used.
	_, err = s.AcquireLease(ctx, "shop", "next", time.Minute)
	is(t, state.CodeConflict, err)
	e.s = s
	e.note(3, 1)
	h.Advance(time.Hour)
	next, err := s.AcquireLease(ctx, "shop", "next", time.Minute)
	require.NoError(t, err)
	require.Greater(t, next.Token, gone.lease.Token)
}
