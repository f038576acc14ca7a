package statetest

import (
	"testing"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
)

func testLease(t *testing.T, h *Harness) {
	ctx, s := t.Context(), h.Store
	require.NoError(t, s.CreateDeployment(ctx, &state.Deployment{ID: "shop"}))
	now := read(t, s, "shop").Deployment.Created

	first, err := s.AcquireLease(ctx, "shop", "one", time.Minute)
	require.NoError(t, err)
	require.Equal(t, state.Lease{Deployment: "shop", Owner: "one", Token: first.Token, Expires: now.Add(time.Minute)}, first)
	require.NotZero(t, first.Token)

	for _, owner := range []string{"two", "one"} {
		_, err = s.AcquireLease(ctx, "shop", owner, time.Minute)
		is(t, state.CodeConflict, err)
		require.ErrorContains(t, err, `"one"`)
	}
	// Each deployment has its own lease.
	deploy(t, s, "other")

	h.Advance(30 * time.Second)
	renewed, err := s.RenewLease(ctx, first, time.Minute)
	require.NoError(t, err)
	require.Equal(t, state.Lease{Deployment: "shop", Owner: "one", Token: first.Token, Expires: now.Add(90 * time.Second)}, renewed)

	// A lease is not changed by a release of one that is not it.
	wrong := renewed
	wrong.Token += 100
	require.NoError(t, s.ReleaseLease(ctx, wrong))
	require.NoError(t, s.ReleaseLease(ctx, state.Lease{Deployment: "nobody", Owner: "one", Token: 1}))
	require.NoError(t, s.ReleaseLease(ctx, state.Lease{}))
	_, err = s.AcquireLease(ctx, "shop", "two", time.Minute)
	is(t, state.CodeConflict, err)

	require.NoError(t, s.ReleaseLease(ctx, renewed))
	require.NoError(t, s.ReleaseLease(ctx, renewed))
	_, err = s.RenewLease(ctx, renewed, time.Minute)
	is(t, state.CodeFailedPrecondition, err)
	second, err := s.AcquireLease(ctx, "shop", "two", time.Minute)
	require.NoError(t, err)
	require.Greater(t, second.Token, first.Token)
	// The first holder's late release does not end the second's lease.
	require.NoError(t, s.ReleaseLease(ctx, first))
	_, err = s.RenewLease(ctx, second, time.Minute)
	require.NoError(t, err)
}

func testLeaseExpiry(t *testing.T, h *Harness) {
	ctx, s := t.Context(), h.Store
	e := deploy(t, s, "shop") // for an hour
	h.Advance(time.Hour - time.Nanosecond)
	e.note(1, 1)
	_, err := s.AcquireLease(ctx, "shop", "two", time.Minute)
	is(t, state.CodeConflict, err)

	h.Advance(time.Nanosecond)
	_, err = s.Commit(ctx, "shop", &state.Commit{Lease: e.lease, Revision: e.revision})
	is(t, state.CodeFailedPrecondition, err)
	is(t, state.CodeFailedPrecondition, s.DeleteDeployment(ctx, "shop", e.lease))
	_, err = s.RenewLease(ctx, e.lease, time.Hour)
	is(t, state.CodeFailedPrecondition, err)
	// The holder's own idea of the expiry does not count.
	forged := e.lease
	forged.Expires = forged.Expires.Add(24 * time.Hour)
	_, err = s.Commit(ctx, "shop", &state.Commit{Lease: forged, Revision: e.revision})
	is(t, state.CodeFailedPrecondition, err)

	_, err = s.AcquireLease(ctx, "shop", "two", time.Minute)
	require.NoError(t, err)
}

func testLeaseArguments(t *testing.T, h *Harness) {
	ctx, s := t.Context(), h.Store
	_, err := s.AcquireLease(ctx, "nobody", "one", time.Minute)
	is(t, state.CodeNotFound, err)
	_, err = s.AcquireLease(ctx, "../x", "one", time.Minute)
	is(t, state.CodeInvalidArgument, err)
	e := deploy(t, s, "shop")
	require.NoError(t, s.ReleaseLease(ctx, e.lease))
	_, err = s.AcquireLease(ctx, "shop", "", time.Minute)
	is(t, state.CodeInvalidArgument, err)
	for _, ttl := range []time.Duration{0, -time.Second} {
		_, err = s.AcquireLease(ctx, "shop", "one", ttl)
		is(t, state.CodeInvalidArgument, err)
		_, err = s.RenewLease(ctx, e.lease, ttl)
		is(t, state.CodeInvalidArgument, err)
	}
	for _, lost := range []state.Lease{{}, {Deployment: "nobody", Owner: "one", Token: 1}, e.lease} {
		_, err = s.RenewLease(ctx, lost, time.Minute)
		is(t, state.CodeFailedPrecondition, err)
	}
}

// testFencing: an engine that was paused cannot write once another took over.
func testFencing(t *testing.T, h *Harness) {
	ctx, s := t.Context(), h.Store
	paused := deploy(t, s, "shop")
	paused.note(1, 1)
	h.Advance(2 * time.Hour)
	lease, err := s.AcquireLease(ctx, "shop", paused.lease.Owner, time.Hour) // even of the same name
	require.NoError(t, err)
	require.Greater(t, lease.Token, paused.lease.Token)

	before := read(t, s, "shop")
	_, err = s.Commit(ctx, "shop", &state.Commit{Lease: paused.lease, Revision: paused.revision, Entries: []*state.Entry{note(2)}})
	is(t, state.CodeFailedPrecondition, err)
	require.ErrorContains(t, err, "engine")
	_, err = s.RenewLease(ctx, paused.lease, time.Hour)
	is(t, state.CodeFailedPrecondition, err)
	require.NoError(t, s.ReleaseLease(ctx, paused.lease))
	is(t, state.CodeFailedPrecondition, s.DeleteDeployment(ctx, "shop", paused.lease))
	require.Equal(t, before, read(t, s, "shop"))

	next := &engine{t: t, s: s, id: "shop", lease: lease, revision: paused.revision}
	next.note(2, 1)
}

// testFencingRecreated: nor where the deployment was deleted and made anew.
func testFencingRecreated(t *testing.T, h *Harness) {
	ctx, s := t.Context(), h.Store
	paused := deploy(t, s, "shop")
	require.NoError(t, s.DeleteDeployment(ctx, "shop", paused.lease))
	next := deploy(t, s, "shop")
	require.Greater(t, next.lease.Token, paused.lease.Token)
	_, err := s.Commit(ctx, "shop", &state.Commit{Lease: paused.lease, Revision: 1})
	is(t, state.CodeFailedPrecondition, err)
	next.note(1, 1)
}
