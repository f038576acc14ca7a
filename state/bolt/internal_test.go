package bolt

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

func openTemp(t testing.TB) (*Store, string) {
	path := filepath.Join(t.TempDir(), "state.db")
	s, err := Open(path, Config{NoSync: true})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s, path
}

// hold keeps the committer busy until release is called, so that what is
// written meanwhile makes one group.
func hold(t *testing.T, s *Store) (release func()) {
	held, free, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- s.write(context.Background(), "hold", "", func(*tx) error {
			close(held)
			<-free
			return nil
		})
	}()
	<-held
	return func() {
		close(free)
		require.NoError(t, <-done)
	}
}

// waiting is a context that tells when somebody is about to wait for its end:
// then a write is at its select.
type waiting struct {
	context.Context
	asked chan struct{}
}

func (w waiting) Done() <-chan struct{} {
	w.asked <- struct{}{}
	return w.Context.Done()
}

func TestGroup(t *testing.T) {
	t.Parallel()
	s, _ := openTemp(t)
	const n = 50
	before := s.Stats()
	release := hold(t, s)
	var group errgroup.Group
	ctx := waiting{t.Context(), make(chan struct{})}
	for i := range n {
		group.Go(func() error {
			return s.CreateDeployment(ctx, &state.Deployment{ID: fmt.Sprint("shop", i)})
		})
		<-ctx.asked
	}
	release()
	require.NoError(t, group.Wait())
	after := s.Stats()
	require.Equal(t, uint64(n), after.Writes-before.Writes)
	// All that stood at the door went together; some may have been a step away.
	require.LessOrEqual(t, after.Transactions-before.Transactions, uint64(n/2))
}

// A write that fails halfway, or panics, harms no other of its group.
func TestGroupFailures(t *testing.T) {
	t.Parallel()
	s, _ := openTemp(t)
	broken := errors.New("broken")
	put := func(key string) func(*tx) error {
		return func(t *tx) error {
			t.wrote = true
			return t.Bucket(blobsBucket).Put([]byte(key), []byte("x"))
		}
	}
	group := []*write{
		{fn: put("a")},
		{fn: func(t *tx) error { return errors.Join(put("half")(t), broken) }},
		{fn: func(*tx) error { return errors.New("refused") }},
		{fn: put("b")},
		{fn: func(t *tx) error { return errors.Join(put("half")(t), broken) }},
	}
	for _, w := range group {
		w.done = make(chan struct{})
	}
	s.commitGroup(group) // the committer is idle
	require.NoError(t, group[0].err)
	require.ErrorIs(t, group[1].err, broken)
	require.EqualError(t, group[2].err, "refused")
	require.NoError(t, group[3].err)
	require.ErrorIs(t, group[4].err, broken)
	require.NoError(t, s.view(t.Context(), "", "", func(tx *tx) error {
		for key, want := range map[string]string{"a": "x", "b": "x", "half": ""} {
			require.Equal(t, want, string(tx.Bucket(blobsBucket).Get([]byte(key))), key)
		}
		return nil
	}))

	err := s.write(t.Context(), "test", "", func(*tx) error { panic("page 7: no such type") })
	require.Equal(t, state.CodeInternal, state.CodeOf(err), "%v", err)
	require.ErrorContains(t, err, "page 7")
	require.NoError(t, s.CreateDeployment(t.Context(), &state.Deployment{ID: "shop"}))
}

// A write whose context ends while it waits does not happen.
func TestWriteCanceled(t *testing.T) {
	t.Parallel()
	s, _ := openTemp(t)
	release := hold(t, s)
	inner, cancel := context.WithCancel(t.Context())
	ctx := waiting{inner, make(chan struct{})}
	go func() {
		<-ctx.asked
		cancel()
	}()
	err := s.CreateDeployment(ctx, &state.Deployment{ID: "shop"})
	require.Equal(t, state.CodeCanceled, state.CodeOf(err), "%v", err)
	release()
	_, err = s.Deployment(t.Context(), "shop")
	require.Equal(t, state.CodeNotFound, state.CodeOf(err), "%v", err)
}

// A lone write does not wait for others, and takes one transaction.
func TestStats(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	s, err := Open(path, Config{})
	require.NoError(t, err)
	defer s.Close()
	require.Zero(t, s.Stats())
	wrote := func(n uint64) {
		t.Helper()
		got := s.Stats()
		require.Equal(t, Stats{Writes: n, Transactions: n, Syncs: got.Syncs}, got)
		require.GreaterOrEqual(t, got.Syncs, 2*n)
		require.LessOrEqual(t, got.Syncs, 3*n)
	}
	require.NoError(t, s.CreateDeployment(t.Context(), &state.Deployment{ID: "shop"}))
	require.Error(t, s.CreateDeployment(t.Context(), &state.Deployment{ID: "shop"})) // writes nothing
	wrote(1)
	lease, err := s.AcquireLease(t.Context(), "shop", "test", time.Hour)
	require.NoError(t, err)
	require.NoError(t, s.ReleaseLease(t.Context(), state.Lease{})) // nor does this
	wrote(2)
	var c state.Commit
	for i := range 1000 {
		c.Put = append(c.Put, &state.Instance{ID: fmt.Sprint(i)})
	}
	c.Lease, c.Revision = lease, 1
	_, err = s.Commit(t.Context(), "shop", &c)
	require.NoError(t, err)
	wrote(3)
}

// count returns how many keys a bucket has.
func count(t *testing.T, s *Store, bucket []byte) (n int) {
	require.NoError(t, s.view(t.Context(), "", "", func(tx *tx) error {
		return tx.Bucket(bucket).ForEach(func(_, _ []byte) error {
			n++
			return nil
		})
	}))
	return n
}

// No chunk is left of uploads that were not needed, refused, or cut off.
func TestUploadsLeaveNothing(t *testing.T) {
	t.Parallel()
	s, path := openTemp(t)
	data := make([]byte, 5<<20)
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256(data))
	for range 3 {
		require.NoError(t, s.PutBlob(t.Context(), digest, bytes.NewReader(data)))
	}
	require.Error(t, s.PutBlob(t.Context(), digest, bytes.NewReader(data[1:])))
	ctx, cancel := context.WithCancel(t.Context())
	require.ErrorIs(t, s.PutBlob(ctx, digest, io.MultiReader(bytes.NewReader(data), readerFunc(func([]byte) (int, error) {
		cancel()
		return 0, ctx.Err()
	}))), context.Canceled)
	require.Equal(t, 5, count(t, s, chunksBucket))
	require.Equal(t, 0, count(t, s, uploadsBucket))

	// As if the process died after the first part.
	for range 2 {
		require.NoError(t, (&upload{s: s, digest: emptyBlob}).write(t.Context(), data[:partSize], false))
	}
	require.Equal(t, 13, count(t, s, chunksBucket))
	require.Equal(t, 2, count(t, s, uploadsBucket))
	require.NoError(t, s.Close())
	s, err := Open(path, Config{NoSync: true})
	require.NoError(t, err)
	defer s.Close()
	require.Equal(t, 5, count(t, s, chunksBucket))
	require.Equal(t, 0, count(t, s, uploadsBucket))
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

type readerAtFunc func([]byte, int64) (int, error)

func (f readerAtFunc) ReadAt(p []byte, at int64) (int, error) { return f(p, at) }

// A copy during which there was a commit is not used.
func TestSnapshotMoved(t *testing.T) {
	t.Parallel()
	s, path := openTemp(t)
	from, err := os.Open(path)
	require.NoError(t, err)
	defer from.Close()
	to, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	defer to.Close()
	n := 0
	moving := readerAtFunc(func(p []byte, at int64) (int, error) {
		if len(p) > 1000 { // no meta page: the copy has begun
			n++
			require.NoError(t, s.CreateDeployment(t.Context(), &state.Deployment{ID: fmt.Sprint("shop", n)}))
		}
		return from.ReadAt(p, at)
	})
	require.ErrorIs(t, copySnapshot(to, moving), errMoved)
	require.NotZero(t, n)
	require.NoError(t, copySnapshot(to, from))
}
