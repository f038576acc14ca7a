package bolt

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
)

// letters returns how many letters wait.
func letters(t *testing.T, path string) int {
	list, err := filepath.Glob(letterFolder(path) + "/*")
	require.NoError(t, err)
	return len(list)
}

// hear returns the next signal.
func hear(t *testing.T, s *Store, after uint64) *state.Signal {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for signal, err := range s.Signals(ctx, "shop", after) {
		require.NoError(t, err)
		return signal
	}
	require.FailNow(t, "no signal was heard")
	return nil
}

func TestLetters(t *testing.T) {
	t.Parallel()
	s, path := openTemp(t)
	require.NoError(t, s.CreateDeployment(t.Context(), &state.Deployment{ID: "shop"}))
	lease, err := s.AcquireLease(t.Context(), "shop", "test", time.Hour)
	require.NoError(t, err)
	_, err = s.Commit(t.Context(), "shop", &state.Commit{Lease: lease, Revision: 1, Run: &state.Run{ID: "r1"}})
	require.NoError(t, err)
	_, err = s.Commit(t.Context(), "shop", &state.Commit{Lease: lease, Revision: 2, Run: &state.Run{ID: "r0", Ended: time.Unix(1, 0)}})
	require.NoError(t, err)

	cancel := &state.Signal{Kind: state.SignalCancel, Run: "r1", From: "ann"}
	is := func(want state.Code, err error) {
		t.Helper()
		require.Equal(t, want, state.CodeOf(err), "%v", err)
	}
	is(state.CodeNotFound, Signal(filepath.Join(t.TempDir(), "none.db"), "shop", cancel))
	is(state.CodeInvalidArgument, Signal(path, "a/b", cancel))
	is(state.CodeInvalidArgument, Signal(path, "shop", &state.Signal{Run: "r1"}))
	is(state.CodeInvalidArgument, Signal(path, "shop", &state.Signal{Kind: "x", Run: "r1", From: string(make([]byte, maxLetter))}))
	require.Zero(t, letters(t, path))

	// Left while nobody listens: it waits. What is of no use goes.
	require.NoError(t, Signal(path, "shop", cancel))
	require.NoError(t, Signal(path, "nobody", cancel))
	require.NoError(t, Signal(path, "shop", &state.Signal{Kind: state.SignalCancel, Run: "r0"}))
	require.NoError(t, Signal(path, "shop", &state.Signal{Kind: state.SignalCancel, Run: "r9"}))
	dir := letterFolder(path)
	for name, text := range map[string]string{"broken.json": "{", "null.json": "null", "empty.json": ""} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	require.Equal(t, 7, letters(t, path))
	heard := hear(t, s, 0)
	require.Equal(t, uint64(1), heard.Seq)
	require.Equal(t, "ann", heard.From)
	require.WithinDuration(t, time.Now(), heard.Time, time.Hour)

	// Left while somebody listens.
	next := make(chan *state.Signal, 1)
	go func() { next <- hear(t, s, 1) }()
	require.NoError(t, Signal(path, "shop", &state.Signal{Kind: "other", Run: "r1"}))
	second := <-next
	require.Equal(t, uint64(2), second.Seq)
	require.Equal(t, "other", second.Kind)

	s.takeLetters(t.Context()) // listening may have ended before all were taken
	require.Zero(t, letters(t, path))

	// A reader finds what the store has, and takes no letters.
	require.NoError(t, Signal(path, "shop", cancel))
	require.NoError(t, s.Close())
	r, err := OpenReadOnly(path, Config{})
	require.NoError(t, err)
	defer r.Close()
	require.Equal(t, uint64(2), hear(t, r, 1).Seq)
	require.Equal(t, 1, letters(t, path))
}
