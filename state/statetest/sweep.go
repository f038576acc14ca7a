package statetest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
)

func put(t testing.TB, s state.Store, text string) (digest string) {
	digest = digestOf([]byte(text))
	require.NoError(t, s.PutBlob(t.Context(), digest, strings.NewReader(text)))
	return digest
}

func testSweep(t *testing.T, h *Harness) {
	ctx, s := t.Context(), h.Store
	sweep := func(before time.Time) int {
		t.Helper()
		n, err := s.Sweep(ctx, before)
		require.NoError(t, err)
		return n
	}
	there := func(digest string) bool {
		t.Helper()
		_, err := get(ctx, s, digest)
		if err != nil {
			is(t, state.CodeNotFound, err)
		}
		return err == nil
	}
	// The store's clock is seen in what it records.
	clock := func() time.Time {
		id := fmt.Sprint("clock", len(collectIDs(t, s)))
		require.NoError(t, s.CreateDeployment(ctx, &state.Deployment{ID: id}))
		return read(t, s, id).Deployment.Created
	}
	require.Zero(t, sweep(clock()))

	e := deploy(t, s, "shop")
	digests := map[string]string{}
	for _, name := range []string{"template", "old template", "plan", "old plan", "extra", "unused", "renewed"} {
		digests[name] = put(t, s, name)
	}
	large := content(5<<20 + 1)
	require.NoError(t, s.PutBlob(ctx, digestOf(large), bytes.NewReader(large)))
	digests["large"] = digestOf(large)
	e.commit(state.Commit{Deployment: &state.Deployment{ID: "shop", Template: digests["old template"]},
		Run: &state.Run{ID: "r1", Plan: digests["old plan"], Ended: time.Unix(1, 0)}, Entries: []*state.Entry{note(1)}})
	e.commit(state.Commit{Deployment: &state.Deployment{ID: "shop", Template: digests["template"], Run: "r2"},
		Run: &state.Run{ID: "r2", Plan: digests["plan"], Blobs: []string{digests["extra"]}}, Entries: []*state.Entry{note(2)}})

	at := clock() // all were put now
	require.Zero(t, sweep(at))
	h.Advance(time.Minute)
	put(t, s, "renewed")
	put(t, s, "new")
	expect := func(gone ...string) {
		t.Helper()
		for name, digest := range digests {
			require.Equal(t, !slices.Contains(gone, name), there(digest), name)
		}
	}
	expect()
	require.Equal(t, 3, sweep(at.Add(time.Second)))
	require.Zero(t, sweep(at.Add(time.Second)))
	expect("unused", "old template", "large")
	delete(digests, "unused")
	delete(digests, "old template")

	// A run that was trimmed refers to nothing; what was swept can be put again.
	require.NoError(t, s.Trim(ctx, "shop", e.lease, 1))
	require.NoError(t, s.PutBlob(ctx, digests["large"], bytes.NewReader(large)))
	require.Equal(t, 1, sweep(at.Add(time.Second)))
	expect("old plan")
	delete(digests, "old plan")

	// Nor does a deployment that was deleted.
	require.NoError(t, s.DeleteDeployment(ctx, "shop", e.lease))
	h.Advance(time.Minute)
	require.Equal(t, len(digests)+1, sweep(at.Add(time.Hour)))
	for _, digest := range digests {
		require.False(t, there(digest))
	}
}

func collectIDs(t testing.TB, s state.Store) (ids []string) {
	list, err := s.Deployments(t.Context())
	require.NoError(t, err)
	for _, d := range list {
		ids = append(ids, d.ID)
	}
	return ids
}

// testSweepMany: many go at once, and those in use stay.
func testSweepMany(t *testing.T, h *Harness) {
	const n = 100
	ctx, s := t.Context(), h.Store
	e := deploy(t, s, "shop")
	var used []string
	for i := range n {
		digest := put(t, s, fmt.Sprint("blob", i))
		if i%3 == 0 {
			used = append(used, digest)
		}
	}
	e.commit(state.Commit{Run: &state.Run{ID: "r1", Blobs: used}})
	removed, err := s.Sweep(ctx, read(t, s, "shop").Deployment.Updated.Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, n-len(used), removed)
	for _, digest := range used {
		_, err := get(ctx, s, digest)
		require.NoError(t, err)
	}
}
