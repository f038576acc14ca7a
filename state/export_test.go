package state_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/memory"
	"github.com/stretchr/testify/require"
)

// archive makes an export of files by hand: names and contents in turn. The
// text SUM stands for the right checksum.
func archive(t testing.TB, members ...string) []byte {
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	w := tar.NewWriter(zip)
	sum := sha256.New()
	for i := 0; i < len(members); i += 2 {
		name, content := members[i], members[i+1]
		if content == "SUM" {
			content = fmt.Sprintf("%x\n", sum.Sum(nil))
		}
		fmt.Fprintf(sum, "%s\n%d\n%s", name, len(content), content)
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Size: int64(len(content)), Mode: 0o600}))
		_, err := w.Write([]byte(content))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	require.NoError(t, zip.Close())
	return b.Bytes()
}

const (
	headText   = `{"format":"orchestrator deployment","version":1,"deployment":{"id":"shop","status":"","revision":1,"first_seq":1,"last_seq":1,"created":"2026-01-01T00:00:00Z","updated":"2026-01-01T00:00:00Z"},"blobs":[]}`
	recordText = `{"entry":{"seq":1,"time":"2026-01-01T00:00:00Z","kind":"note"}}` + "\n"
)

func TestImportRefused(t *testing.T) {
	t.Parallel()
	withBlob := strings.Replace(headText, `"blobs":[]`, `"blobs":[{"digest":"sha256:`+strings.Repeat("0", 64)+`","size":1}]`, 1)
	blobName := "blobs/" + strings.Repeat("0", 64)
	for name, test := range map[string]struct {
		members []string
		want    string // a part of the error; empty for success
	}{
		"good":              {[]string{"deployment.json", headText, "records/000001.jsonl", recordText, "sha256", "SUM"}, ""},
		"good, no records":  {[]string{"deployment.json", strings.Replace(headText, `"last_seq":1`, `"last_seq":0`, 1), "sha256", "SUM"}, ""},
		"nothing":           {nil, "cut short"},
		"another archive":   {[]string{"README", "hello"}, `begins with "README"`},
		"another format":    {[]string{"deployment.json", `{"format":"x"}`}, `its format is "x"`},
		"newer":             {[]string{"deployment.json", `{"format":"orchestrator deployment","version":2,"more":1}`}, "of version 2, and this program knows version 1"},
		"broken head":       {[]string{"deployment.json", `{`}, "deployment.json: unexpected end"},
		"unknown field":     {[]string{"deployment.json", strings.Replace(headText, `"blobs"`, `"new":1,"blobs"`, 1)}, `unknown field "new"`},
		"no deployment":     {[]string{"deployment.json", `{"format":"orchestrator deployment","version":1}`}, "has no deployment"},
		"bad ID":            {[]string{"deployment.json", strings.Replace(headText, "shop", "../x", 1)}, "not a valid ID"},
		"no checksum":       {[]string{"deployment.json", headText, "records/000001.jsonl", recordText}, "cut short"},
		"other checksum":    {[]string{"deployment.json", headText, "records/000001.jsonl", recordText, "sha256", strings.Repeat("0", 64) + "\n"}, "its checksum is 0000"},
		"short checksum":    {[]string{"deployment.json", headText, "records/000001.jsonl", recordText, "sha256", "0"}, "its checksum has 1 bytes"},
		"records missing":   {[]string{"deployment.json", headText, "sha256", "SUM"}, "no journal entry 1"},
		"records unordered": {[]string{"deployment.json", headText, "records/000002.jsonl", recordText, "sha256", "SUM"}, `in the place of "records/000001.jsonl"`},
		"more behind":       {[]string{"deployment.json", headText, "records/000001.jsonl", recordText, "sha256", "SUM", "x", ""}, "something follows"},
		"broken record":     {[]string{"deployment.json", headText, "records/000001.jsonl", "{", "sha256", "SUM"}, "records/000001.jsonl: unexpected"},
		"two in a line":     {[]string{"deployment.json", headText, "records/000001.jsonl", "{} {}", "sha256", "SUM"}, "something follows its value"},
		"empty record":      {[]string{"deployment.json", headText, "records/000001.jsonl", "{}\n", "sha256", "SUM"}, "a record is empty"},
		"entry twice":       {[]string{"deployment.json", headText, "records/000001.jsonl", recordText + recordText, "sha256", "SUM"}, "comes after 1 of 1"},
		"blob missing":      {[]string{"deployment.json", withBlob, "sha256", "SUM"}, `in the place of "blobs/000`},
		"blob altered":      {[]string{"deployment.json", withBlob, blobName, "x", "sha256", "SUM"}, "digest"},
		"blob longer":       {[]string{"deployment.json", withBlob, blobName, "xx", "sha256", "SUM"}, "has 2 bytes instead of 1"},
		"bad digest":        {[]string{"deployment.json", strings.Replace(withBlob, "sha256:", "md5:", 1)}, "not a digest"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := memory.New(memory.Config{})
			defer s.Close()
			err := state.Import(t.Context(), s, bytes.NewReader(archive(t, test.members...)), "")
			if test.want == "" {
				require.NoError(t, err)
				_, err := s.Deployment(t.Context(), "shop")
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.want)
			require.Equal(t, state.CodeInvalidArgument, state.CodeOf(err), "%v", err)
			list, err := s.Deployments(t.Context())
			require.NoError(t, err)
			require.Empty(t, list)
		})
	}
}

// FuzzImport: any bytes give an error or a deployment that can be exported.
// What is fuzzed is inside of the compression, which would keep all out.
func FuzzImport(f *testing.F) {
	for _, members := range [][]string{
		{"deployment.json", headText, "records/000001.jsonl", recordText, "sha256", "SUM"},
		{"deployment.json", headText, "records/000001.jsonl", `{"log":{"seq":1,"time":"2026-01-01T00:00:00Z","run":"r1","text":"x"}}`},
		{"README", "x"}, {},
	} {
		r, err := gzip.NewReader(bytes.NewReader(archive(f, members...)))
		require.NoError(f, err)
		data, err := io.ReadAll(r)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := memory.New(memory.Config{})
		defer s.Close()
		var b bytes.Buffer
		zip := gzip.NewWriter(&b)
		_, err := zip.Write(data)
		require.NoError(t, err)
		require.NoError(t, zip.Close())
		err = state.Import(t.Context(), s, &b, "new")
		list, listErr := s.Deployments(t.Context())
		require.NoError(t, listErr)
		if err != nil {
			require.Equal(t, state.CodeInvalidArgument, state.CodeOf(err), "%v", err)
			require.Empty(t, list)
			return
		}
		require.Len(t, list, 1)
		require.NoError(t, state.Export(t.Context(), s, "new", io.Discard))
	})
}

// large is a store that makes up one deployment, much of it.
type large struct {
	state.Store
	chunks, blob int
	template     string
	peak         uint64 // of the heap
	restored     int
}

func (s *large) Deployment(_ context.Context, id string) (*state.Deployment, error) {
	if id != "large" {
		return nil, &state.Error{Code: state.CodeNotFound, Err: errors.New("no")}
	}
	return &state.Deployment{ID: id, Template: s.template, Revision: 1, FirstSeq: 1, LastLog: uint64(s.chunks)}, nil
}

func (s *large) Instances(context.Context, string) ([]*state.Instance, error) { return nil, nil }
func (s *large) Runs(context.Context, string) ([]*state.Run, error)           { return nil, nil }
func (s *large) Journal(context.Context, string, uint64) iter.Seq2[*state.Entry, error] {
	return func(func(*state.Entry, error) bool) {}
}

func (s *large) Logs(context.Context, string, string, uint64) iter.Seq2[*state.LogChunk, error] {
	return func(yield func(*state.LogChunk, error) bool) {
		text := strings.Repeat("x", 1000)
		for i := range s.chunks {
			if !yield(&state.LogChunk{Seq: uint64(i + 1), Time: time.Unix(1, 0), Run: "r1", Text: text}, nil) {
				return
			}
		}
	}
}

func (s *large) Blob(context.Context, string) (io.ReadCloser, error) {
	return io.NopCloser(io.LimitReader(zeros{}, int64(s.blob))), nil
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func (s *large) PutBlob(_ context.Context, _ string, content io.Reader) error {
	_, err := io.Copy(io.Discard, content)
	s.look()
	return err
}

func (s *large) Restore(_ context.Context, _ *state.Deployment, records iter.Seq2[*state.Record, error]) error {
	for _, err := range records {
		if err != nil {
			return err
		}
		if s.restored++; s.restored%1000 == 0 {
			s.look()
		}
	}
	return nil
}

func (s *large) look() {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s.peak = max(s.peak, m.HeapAlloc)
}

// TestExportStreams: neither side holds the whole. It is not parallel, because
// it looks at the memory of the process.
func TestExportStreams(t *testing.T) {
	s := &large{chunks: 30_000, blob: 30 << 20, template: "sha256:" + strings.Repeat("0", 64)}
	runtime.GC()
	s.look()
	before := s.peak
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := state.Export(t.Context(), s, "large", w)
		w.CloseWithError(err)
		done <- err
	}()
	require.NoError(t, state.Import(t.Context(), s, r, "new"))
	require.NoError(t, <-done)
	require.Equal(t, s.chunks, s.restored)
	require.Less(t, s.peak-before, uint64(24<<20), "of 60 MB")
	t.Logf("%d MiB at most", (s.peak-before)>>20)
}
