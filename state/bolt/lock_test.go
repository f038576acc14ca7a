package bolt_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/bolt"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
)

var noWait = bolt.Config{LockTimeout: -1}

// fill creates a deployment and commits n instances and entries.
func fill(t testing.TB, s state.Store, id string, n int) (state.Lease, uint64) {
	require.NoError(t, s.CreateDeployment(t.Context(), &state.Deployment{ID: id}))
	lease, err := s.AcquireLease(t.Context(), id, "test", time.Hour)
	require.NoError(t, err)
	c := &state.Commit{Lease: lease, Revision: 1}
	for i := range n {
		c.Put = append(c.Put, &state.Instance{ID: fmt.Sprintf("node%d", i), State: "started"})
		c.Entries = append(c.Entries, &state.Entry{Kind: "note"})
	}
	revision, err := s.Commit(t.Context(), id, c)
	require.NoError(t, err)
	return lease, revision
}

func TestHeld(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	refused := func(text string) {
		t.Helper()
		_, err := bolt.Open(path, noWait)
		require.Equal(t, state.CodeConflict, state.CodeOf(err), "%v", err)
		require.ErrorContains(t, err, text)
		require.ErrorContains(t, err, "wait until")
	}
	refused("held by this process")

	host, err := os.Hostname()
	require.NoError(t, err)
	for text, want := range map[string]string{
		// Process 1 is always there, and never this one in a test.
		fmt.Sprintf("pid 1\nprogram opera\nhost %s\nsince 2026-01-02T03:04:05Z\n", host): `process 1 ("opera" on host`,
		// A process of another host may have it through a shared folder.
		"pid 99999999\nprogram x\x1b[2J\nhost elsewhere\n": `process 99999999 ("x\x1b[2J" on host "elsewhere"`,
		// This one is dead: a reader without a name has the file.
		fmt.Sprintf("pid 99999999\nprogram opera\nhost %s\n", host): "another process",
		"pid -1\n": "another process",
		"":         "another process",
		"\xff\x00": "another process",
	} {
		require.NoError(t, os.WriteFile(path+".lock", []byte(text), 0o600))
		refused(want)
	}
	require.NoError(t, os.Remove(path+".lock"))
	refused("another process")

	require.NoError(t, s.Close())
	s = open(t, path)
	require.NoError(t, s.Close())
}

// Open waits for the other to let go.
func TestHeldForAMoment(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	opened := make(chan error)
	go func() {
		next, err := bolt.Open(path, bolt.Config{LockTimeout: time.Minute})
		if err == nil {
			err = next.Close()
		}
		opened <- err
	}()
	require.NoError(t, s.Close())
	require.NoError(t, <-opened)
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	_, err := bolt.OpenReadOnly(path, noWait)
	require.Equal(t, state.CodeNotFound, state.CodeOf(err), "%v", err)
	require.NoFileExists(t, path)

	w := open(t, path)
	lease, revision := fill(t, w, "shop", 100)
	require.NoError(t, w.Close())

	// Several can read what nobody writes to.
	for range 2 {
		r, err := bolt.OpenReadOnly(path, noWait)
		require.NoError(t, err)
		defer func() { require.NoError(t, r.Close()) }()
		list, err := r.Instances(t.Context(), "shop")
		require.NoError(t, err)
		require.Len(t, list, 100)
		_, err = r.Commit(t.Context(), "shop", &state.Commit{Lease: lease, Revision: revision})
		require.Equal(t, state.CodePermissionDenied, state.CodeOf(err), "%v", err)
		require.Equal(t, state.CodePermissionDenied, state.CodeOf(r.CreateDeployment(t.Context(), &state.Deployment{ID: "new"})))
	}
	_, err = bolt.Open(path, noWait)
	require.Equal(t, state.CodeConflict, state.CodeOf(err), "%v", err)
}

// A file that is being written to is read as a snapshot.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	w := open(t, path)
	lease, revision := fill(t, w, "shop", 1000)

	r, err := bolt.OpenReadOnly(path, noWait)
	require.NoError(t, err)
	revision, err = w.Commit(t.Context(), "shop", &state.Commit{Lease: lease, Revision: revision, Entries: []*state.Entry{{Kind: "late"}}})
	require.NoError(t, err)
	for range 3 { // reuses the pages that the snapshot was taken from
		revision, err = w.Commit(t.Context(), "shop", &state.Commit{Lease: lease, Revision: revision, Delete: []string{"node1", "node2"}})
		require.NoError(t, err)
	}
	list, err := r.Instances(t.Context(), "shop")
	require.NoError(t, err)
	require.Len(t, list, 1000)
	d, err := r.Deployment(t.Context(), "shop")
	require.NoError(t, err)
	require.Equal(t, uint64(1000), d.LastSeq)
	require.NoError(t, r.Close())

	r, err = bolt.OpenReadOnly(path, noWait)
	require.NoError(t, err)
	list, err = r.Instances(t.Context(), "shop")
	require.NoError(t, err)
	require.Len(t, list, 998)
	require.NoError(t, r.Close())
}

// Who reads a file while another process makes it finds nothing: no refusal
// that stands.
func TestReadOnlyWhileMade(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	notYet := func(step string) {
		_, err := bolt.OpenReadOnly(path, noWait)
		require.Equal(t, state.CodeNotFound, state.CodeOf(err), "%s: %v", step, err)
		require.ErrorContains(t, err, "nothing was stored in it yet", step)
	}
	notYet("an empty file")

	maker, err := bbolt.Open(path, 0o600, nil)
	require.NoError(t, err)
	notYet("a file without a transaction that is held")
	require.NoError(t, os.Truncate(path, 4096))
	_, err = bolt.OpenReadOnly(path, noWait)
	require.Equal(t, state.CodeConflict, state.CodeOf(err), "the first of its pages: %v", err)
	require.NoError(t, os.Truncate(path, 0))
	notYet("an empty file that is held")
	require.NoError(t, maker.Close())

	edit(t, path, func(*bbolt.Tx) error { return nil })
	notYet("a file without a transaction's contents")
	require.NoError(t, open(t, path).Close())
	r, err := bolt.OpenReadOnly(path, noWait)
	require.NoError(t, err)
	require.NoError(t, r.Close())
}

// Each snapshot of a file that is written to all the time is whole, or refused
// with the name of the process that writes.
func TestSnapshotWhileWriting(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	w := open(t, path)
	lease, revision := fill(t, w, "shop", 1)
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() {
		var err error
		for n := uint64(2); err == nil; n++ {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			c := &state.Commit{Lease: lease, Revision: revision, Entries: []*state.Entry{{Kind: "note"}}}
			for i := range 40 {
				c.Put = append(c.Put, &state.Instance{ID: fmt.Sprintf("node%d", i), State: fmt.Sprint(n)})
			}
			revision, err = w.Commit(t.Context(), "shop", c)
		}
		stopped <- err
	}()
	whole := 0
	for range 100 {
		r, err := bolt.OpenReadOnly(path, bolt.Config{LockTimeout: 50 * time.Millisecond})
		if state.CodeOf(err) == state.CodeConflict {
			require.ErrorContains(t, err, "this process")
			continue
		}
		require.NoError(t, err)
		checkSnapshot(t, r)
		require.NoError(t, r.Close())
		whole++
	}
	close(stop)
	require.NoError(t, <-stopped)
	t.Logf("%d of 100 snapshots were had", whole)
	require.NotZero(t, whole)
}

func checkSnapshot(t *testing.T, r state.Store) {
	d, err := r.Deployment(t.Context(), "shop")
	require.NoError(t, err)
	n := uint64(0)
	for e, err := range r.Journal(t.Context(), "shop", 0) {
		require.NoError(t, err)
		n++
		require.Equal(t, n, e.Seq)
	}
	require.Equal(t, d.LastSeq, n)
	list, err := r.Instances(t.Context(), "shop")
	require.NoError(t, err)
	for _, in := range list {
		if n > 1 {
			require.Equal(t, fmt.Sprint(n), in.State)
		}
	}
}

// A process that died in the midst of a run leaves its lease in the file.
func TestEndLeases(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	s, err := bolt.Open(path, bolt.Config{})
	require.NoError(t, err)
	left, revision := fill(t, s, "shop", 1)
	require.NoError(t, s.Close())

	s, err = bolt.Open(path, bolt.Config{})
	require.NoError(t, err)
	_, err = s.AcquireLease(t.Context(), "shop", "next", time.Hour)
	require.Equal(t, state.CodeConflict, state.CodeOf(err), "%v", err)
	require.NoError(t, s.Close())

	s, err = bolt.Open(path, bolt.Config{EndLeases: true})
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	lease, err := s.AcquireLease(t.Context(), "shop", "next", time.Hour)
	require.NoError(t, err)
	require.Greater(t, lease.Token, left.Token)
	_, err = s.Commit(t.Context(), "shop", &state.Commit{Lease: left, Revision: revision})
	require.Equal(t, state.CodeFailedPrecondition, state.CodeOf(err), "%v", err)
	_, err = s.Commit(t.Context(), "shop", &state.Commit{Lease: lease, Revision: revision})
	require.NoError(t, err)
}
