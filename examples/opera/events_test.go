package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/bolt"
	"github.com/stretchr/testify/require"
)

// history writes a state file with a run of n events.
func history(t testing.TB, dir string, n int) state.Store {
	s, err := bolt.Open(filepath.Join(dir, stateFile), bolt.Config{})
	require.NoError(t, err)
	ctx := context.Background()
	require.NoError(t, s.CreateDeployment(ctx, &state.Deployment{ID: deployment, Status: state.Deploying}))
	lease, err := s.AcquireLease(ctx, deployment, "test", 1e12)
	require.NoError(t, err)
	c := &state.Commit{Lease: lease, Revision: 1, Run: &state.Run{ID: "run-1", Kind: "deploy", Status: state.RunRunning}}
	for i := range n {
		c.Entries = append(c.Entries, &state.Entry{Run: "run-1", Kind: string(executor.StateChanged), Instance: fmt.Sprint("n_", i), Data: []byte(`{"state":"started"}`)})
	}
	_, err = s.Commit(ctx, deployment, c)
	require.NoError(t, err)
	return s
}

// More events than fit a page are read page by page, each once, and the file is
// free while they are printed.
func TestPages(t *testing.T) {
	t.Parallel()
	const n = 2*pageSize + 1
	dir := t.TempDir()
	require.NoError(t, history(t, dir, n).Close())
	f := &instanceFlags{io: stdio{out: io.Discard, err: io.Discard}, path: dir}
	var opts executor.EventOptions
	seen := uint64(0)
	require.NoError(t, f.readOnce(t.Context(), &opts, func(ev executor.Event) error {
		seen++
		require.Equal(t, seen, ev.Seq)
		if seen == 1 {
			s, err := bolt.Open(filepath.Join(dir, stateFile), bolt.Config{LockTimeout: time.Minute}) // forked processes have the lock for a moment
			require.NoError(t, err)
			require.NoError(t, s.Close())
		}
		return nil
	}))
	require.EqualValues(t, n, seen)
}

// BenchmarkReadBeside reads the last event of a file that another process
// writes to: what "opera events --follow" does each second while it changes.
func BenchmarkReadBeside(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		b.Run(fmt.Sprintf("events=%d", n), func(b *testing.B) {
			dir := b.TempDir()
			s := history(b, dir, n)
			defer s.Close()
			f := &instanceFlags{io: stdio{out: io.Discard, err: io.Discard}, path: dir}
			for b.Loop() {
				opts, seen := executor.EventOptions{After: uint64(n - 1)}, 0
				if err := f.readOnce(b.Context(), &opts, func(executor.Event) error { seen++; return nil }); err != nil || seen != 1 {
					b.Fatal(seen, err)
				}
			}
		})
	}
}
