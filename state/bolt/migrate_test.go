package bolt

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
)

// format1 unpacks a file that the first release wrote.
func format1(t testing.TB) (path string) {
	packed, err := os.Open("testdata/format1.db.gz")
	require.NoError(t, err)
	defer packed.Close()
	r, err := gzip.NewReader(packed)
	require.NoError(t, err)
	data, err := io.ReadAll(r)
	require.NoError(t, err)
	path = filepath.Join(t.TempDir(), "state.db")
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

// contents is what testdata/format1.json holds.
type contents struct {
	Deployments []*state.Deployment
	Instances   []*state.Instance
	Runs        []*state.Run
	Journal     []*state.Entry
}

func contentsOf(t testing.TB, s *Store) (c contents) {
	var err error
	c.Deployments, err = s.Deployments(t.Context())
	require.NoError(t, err)
	c.Instances, err = s.Instances(t.Context(), "shop")
	require.NoError(t, err)
	c.Runs, err = s.Runs(t.Context(), "shop")
	require.NoError(t, err)
	for e, err := range s.Journal(t.Context(), "shop", 0) {
		require.NoError(t, err)
		c.Journal = append(c.Journal, e)
	}
	return c
}

func wantedContents(t testing.TB) (c contents) {
	data, err := os.ReadFile("testdata/format1.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &c))
	for _, list := range []*json.RawMessage{&c.Deployments[1].Inputs, &c.Journal[0].Data} {
		require.NotEmpty(t, *list)
	}
	for _, d := range c.Deployments {
		d.FirstSeq = 1
		d.Inputs = compact(t, d.Inputs)
	}
	for _, in := range c.Instances {
		for name, v := range in.Attributes {
			in.Attributes[name] = compact(t, v)
		}
	}
	for _, e := range c.Journal {
		e.Data = compact(t, e.Data)
	}
	return c
}

// compact takes away the white space with which the file was made readable.
func compact(t testing.TB, raw json.RawMessage) json.RawMessage {
	if raw == nil {
		return nil
	}
	data, err := json.Marshal(raw)
	require.NoError(t, err)
	return data
}

func TestFormat1(t *testing.T) {
	t.Parallel()
	path := format1(t)
	r, err := OpenReadOnly(path, Config{})
	require.NoError(t, err)
	want := wantedContents(t)
	for _, run := range want.Runs {
		run.FirstSeq = 1 // it is not known better, and is right
	}
	require.Equal(t, want, contentsOf(t, r))
	for _, err := range r.Logs(t.Context(), "shop", "", 0) {
		require.FailNow(t, "there are no logs", err)
	}
	require.NoError(t, r.Close())

	// The lease in it holds until it expires, by this clock as well.
	now := time.Date(2026, 1, 2, 3, 30, 0, 0, time.UTC)
	for range 2 { // migrated, and opened again
		s, err := Open(path, Config{NoSync: true, Now: func() time.Time { return now }})
		require.NoError(t, err)
		want.Runs[0].FirstSeq, want.Runs[0].LastSeq = 1, 4
		want.Runs[1].FirstSeq = 5
		require.Equal(t, want, contentsOf(t, s))
		require.Zero(t, count(t, s, uploadsBucket))
		require.Equal(t, 4, count(t, s, chunksBucket))
		_, err = s.AcquireLease(t.Context(), "shop", "next", time.Minute)
		require.Equal(t, state.CodeConflict, state.CodeOf(err), "%v", err)
		require.NoError(t, s.Close())
	}

	// What is new works in it.
	now = now.Add(time.Hour)
	s, err := Open(path, Config{NoSync: true, Now: func() time.Time { return now }})
	require.NoError(t, err)
	defer s.Close()
	lease, err := s.AcquireLease(t.Context(), "shop", "next", time.Minute)
	require.NoError(t, err)
	require.NoError(t, s.Signal(t.Context(), "shop", &state.Signal{Kind: state.SignalCancel, Run: "run-2"}))
	_, err = s.Commit(t.Context(), "shop", &state.Commit{Lease: lease, Revision: want.Deployments[1].Revision,
		Logs: []*state.LogChunk{{Run: "run-2", Operation: "op", Text: "hello"}}})
	require.NoError(t, err)
	for c, err := range s.Logs(t.Context(), "shop", "op", 0) {
		require.NoError(t, err)
		require.Equal(t, "hello", c.Text)
	}
	require.NoError(t, s.Trim(t.Context(), "shop", lease, 4))
	runs, err := s.Runs(t.Context(), "shop")
	require.NoError(t, err)
	require.Len(t, runs, 1)
	require.Equal(t, "run-2", runs[0].ID)
	// The plan of the trimmed run and the blob that nobody refers to.
	n, err := s.Sweep(t.Context(), now)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	_, err = s.Blob(t.Context(), fmt.Sprintf("sha256:%x", sha256.Sum256([]byte("template"))))
	require.NoError(t, err)
}
