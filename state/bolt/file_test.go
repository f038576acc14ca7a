package bolt_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/bolt"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
)

func open(t testing.TB, path string) *bolt.Store {
	s, err := bolt.Open(path, bolt.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// edit changes a closed state file behind the store's back.
func edit(t testing.TB, path string, fn func(*bbolt.Tx) error) {
	db, err := bbolt.Open(path, 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, db.Update(fn))
	require.NoError(t, db.Close())
}

func TestOpenRefused(t *testing.T) {
	t.Parallel()
	setFormat := func(text string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			require.NoError(t, open(t, path).Close())
			edit(t, path, func(tx *bbolt.Tx) error { return tx.Bucket([]byte("meta")).Put([]byte("format"), []byte(text)) })
		}
	}
	for name, test := range map[string]struct {
		make func(t *testing.T, path string)
		want state.Code
		text string
	}{
		"no folder": {func(t *testing.T, path string) { require.NoError(t, os.Remove(filepath.Dir(path))) }, state.CodeNotFound, "no such file"},
		"a folder":  {func(t *testing.T, path string) { require.NoError(t, os.Mkdir(path, 0o700)) }, state.CodeFailedPrecondition, "it is a folder"},
		"a text": {func(t *testing.T, path string) { require.NoError(t, os.WriteFile(path, make([]byte, 100_000), 0o600)) },
			state.CodeFailedPrecondition, "not a state file"},
		"a short text": {func(t *testing.T, path string) { require.NoError(t, os.WriteFile(path, []byte("hello"), 0o600)) },
			state.CodeFailedPrecondition, "not a state file"},
		"another program's": {func(t *testing.T, path string) {
			edit(t, path, func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("pictures")); return err })
		}, state.CodeFailedPrecondition, "another program's"},
		"newer format":   {setFormat("3"), state.CodeFailedPrecondition, "its format is 3"},
		"damaged format": {setFormat("one"), state.CodeInternal, "damaged"},
		"a bucket is missing": {func(t *testing.T, path string) {
			require.NoError(t, open(t, path).Close())
			edit(t, path, func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte("leases")) })
		}, state.CodeInternal, "leases"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "sub", "state.db")
			require.NoError(t, os.Mkdir(filepath.Dir(path), 0o700))
			test.make(t, path)
			for _, open := range []func(string, bolt.Config) (*bolt.Store, error){bolt.Open, bolt.OpenReadOnly} {
				_, err := open(path, bolt.Config{})
				require.Equal(t, test.want, state.CodeOf(err), "%v", err)
				require.ErrorContains(t, err, test.text)
				require.ErrorContains(t, err, path)
			}
		})
	}
}

// A file that was cut short leads to errors, not to a crash.
func TestTruncated(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	fill(t, s, "shop", 2000)
	require.NoError(t, s.Close())
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	for n := 4096; n < len(whole)/2; n += 9 * 4096 {
		require.NoError(t, os.WriteFile(path, whole[:n], 0o600))
		s, err := bolt.OpenReadOnly(path, bolt.Config{})
		if err == nil {
			_, err = s.Instances(t.Context(), "shop")
			for _, e := range s.Journal(t.Context(), "shop", 0) {
				if err == nil {
					err = e
				}
			}
			require.NoError(t, s.Close())
		}
		require.Error(t, err, "%d of %d bytes", n, len(whole))
	}
}

func TestFileMode(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	for _, name := range []string{path, path + ".lock"} {
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode(), name)
	}
	require.NoError(t, s.Close())
	require.NoFileExists(t, path+".lock")
}
