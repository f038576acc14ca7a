package bolt

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
)

const emptyBlob = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// wholeFile returns a state file with something of everything in it.
func wholeFile(t testing.TB) []byte {
	s, path := openTemp(t)
	require.NoError(t, s.CreateDeployment(t.Context(), &state.Deployment{ID: "shop"}))
	lease, err := s.AcquireLease(t.Context(), "shop", "test", time.Hour)
	require.NoError(t, err)
	c := state.Commit{Lease: lease, Revision: 1, Run: &state.Run{ID: "r1"}}
	for i := range 400 {
		c.Put = append(c.Put, &state.Instance{ID: fmt.Sprint(i), State: "started"})
		c.Entries = append(c.Entries, &state.Entry{Kind: "note"})
	}
	_, err = s.Commit(t.Context(), "shop", &c)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
}

// readAll reads all there is and returns the errors.
func readAll(ctx context.Context, s *Store) (errs []error) {
	_, err := s.Deployments(ctx)
	errs = append(errs, err)
	_, err = s.Instances(ctx, "shop")
	errs = append(errs, err)
	_, err = s.Runs(ctx, "shop")
	errs = append(errs, err)
	for _, err := range s.Journal(ctx, "shop", 0) {
		errs = append(errs, err)
	}
	r, err := s.Blob(ctx, emptyBlob)
	if err == nil {
		_, err = io.Copy(io.Discard, r)
		_ = r.Close()
	}
	return append(errs, err)
}

// Damaged pages give errors, or other content, but no panic. Nor do they leave
// the file locked. With -short it is every fifth page: nothing here runs at once.
func TestDamagedPages(t *testing.T) {
	t.Parallel()
	whole := wholeFile(t)
	path := filepath.Join(t.TempDir(), "state.db")
	refused, step := 0, 4096
	if testing.Short() {
		step *= 5
	}
	for at := 0; at < len(whole); at += step {
		data := append([]byte(nil), whole...)
		for i := range 4096 {
			data[at+i] = 0xff
		}
		require.NoError(t, os.WriteFile(path, data, 0o600))
		for _, open := range []func(string, Config) (*Store, error){OpenReadOnly, Open} {
			s, err := open(path, Config{NoSync: true, LockTimeout: -1})
			if err != nil {
				require.NotEqual(t, state.CodeConflict, state.CodeOf(err), "a lock was left behind: %v", err)
				refused++
				continue
			}
			for _, err := range readAll(t.Context(), s) {
				if state.CodeOf(err) == state.CodeInternal {
					refused++
					break
				}
			}
			require.NoError(t, s.Close())
		}
	}
	require.NotZero(t, refused)
}

// FuzzRecords puts any bytes in the place of a record: reading must give
// errors, or other content, never a panic.
func FuzzRecords(f *testing.F) {
	whole := wholeFile(f)
	for where := range uint8(8) {
		f.Add(where, []byte("1"), []byte(`{}`))
		f.Add(where, []byte("12345678"), []byte(`{"id":"x","size":1099511627776,"deployment":{"id":"y","revision":1,"last_seq":18446744073709551615}}`))
		f.Add(where, []byte{0, 0, 0, 0, 0, 0, 0, 1}, []byte(`null`))
		f.Add(where, []byte{}, []byte{})
	}
	f.Fuzz(func(t *testing.T, where uint8, key, data []byte) {
		path := filepath.Join(t.TempDir(), "state.db")
		require.NoError(t, os.WriteFile(path, whole, 0o600))
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true})
		require.NoError(t, err)
		// Keys that bbolt does not take are no matter.
		_ = db.Update(func(t *bbolt.Tx) error { return damage(t, where, key, data) })
		require.NoError(t, db.Close())
		for _, open := range []func(string, Config) (*Store, error){OpenReadOnly, Open} {
			if s, err := open(path, Config{NoSync: true, LockTimeout: -1}); err == nil {
				readAll(t.Context(), s)
				require.NoError(t, s.Close())
			}
		}
	})
}

// damage puts data somewhere.
func damage(t *bbolt.Tx, where uint8, key, data []byte) error {
	shop := t.Bucket(deploymentsBucket).Bucket([]byte("shop"))
	switch where % 8 {
	case 0:
		return shop.Put(headKey, data)
	case 1:
		return shop.Bucket(instancesBucket).Put(key, data)
	case 2:
		return shop.Bucket(runsBucket).Put(key, data)
	case 3:
		return shop.Bucket(journalBucket).Put(key, data)
	case 4:
		return t.Bucket(leasesBucket).Put([]byte("shop"), data)
	case 5:
		return t.Bucket(blobsBucket).Put([]byte(emptyBlob), data)
	case 6:
		return t.Bucket(metaBucket).Put(formatKey, data)
	}
	return t.Bucket(uploadsBucket).Put(key, data)
}
