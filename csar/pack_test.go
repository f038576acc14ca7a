package csar

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func packBytes(t testing.TB, a *Archive, opts *PackOptions) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, Pack(&b, a, opts))
	return b.Bytes()
}

func TestPackIsTheSameForEveryForm(t *testing.T) {
	t.Parallel()
	var first []byte
	for name, a := range forms(t, hello...) {
		data := packBytes(t, a, nil)
		if first == nil {
			first = data
		}
		require.Equal(t, first, data, name)
	}
	z, err := zip.NewReader(bytes.NewReader(first), int64(len(first)))
	require.NoError(t, err)
	var names []string
	for _, f := range z.File {
		names = append(names, f.Name)
		require.True(t, f.Modified.Equal(packTime))
		want := fs.FileMode(0o644)
		if f.Name == "scripts/start.sh" {
			want = 0o755
		}
		require.Equal(t, want, f.Mode(), f.Name)
	}
	require.Equal(t, []string{"TOSCA-Metadata/TOSCA.meta", "scripts/conf/app.ini", "scripts/start.sh", "service.yaml"}, names)
}

func TestPackAddsMeta(t *testing.T) {
	t.Parallel()
	dir := folderOf(t, file{name: "defs/my service.yaml", data: "a: 1\n"}, file{name: "b.yaml"})
	a := openPath(t, dir, &Options{Entry: "defs/my service.yaml"})
	packed, err := openData(t, packBytes(t, a, &PackOptions{CreatedBy: "Jane Doe"}), nil)
	require.NoError(t, err)
	require.Equal(t, "defs/my service.yaml", packed.Entry())
	text, err := fs.ReadFile(packed.FS(), "TOSCA-Metadata/TOSCA.meta")
	require.NoError(t, err)
	require.Equal(t, "TOSCA-Meta-File-Version: 1.1\nCSAR-Version: 1.1\nCreated-By: Jane Doe\nEntry-Definitions: defs/my service.yaml\n", string(text))

	// Without it the digest stays, and the caller remembers the entry.
	bare, err := openData(t, packBytes(t, a, &PackOptions{NoMeta: true}), &Options{Entry: a.Entry()})
	require.NoError(t, err)
	want, err := a.Digest()
	require.NoError(t, err)
	got, err := bare.Digest()
	require.NoError(t, err)
	require.Equal(t, want, got)

	require.Equal(t, BadMeta, reasonOf(t, Pack(io.Discard, a, &PackOptions{CreatedBy: "a\nCSAR-Version: 9"})))
}

func TestPackRefusesWhatStandsInTheWayOfMeta(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"TOSCA-Metadata", "tosca-metadata/x", "TOSCA-Metadata/tosca.META"} {
		a := openPath(t, folderOf(t, file{name: "a.yaml", data: named13}, file{name: name}), &Options{Entry: "a.yaml"})
		require.Equal(t, CaseTwin, reasonOf(t, Pack(io.Discard, a, nil)), name)
	}
	a := openPath(t, folderOf(t, file{name: "a.yaml", data: named13}, file{name: "TOSCA-Metadata/manifest"}), nil)
	require.NoError(t, Pack(io.Discard, a, nil))
}

func TestPackedFilesAreNoBombs(t *testing.T) {
	t.Parallel()
	zeros := make([]byte, 8<<20)
	mixed := bytes.Clone(zeros)
	copy(mixed[4<<20:], []byte(longText()+longText()+longText()))
	rand.NewChaCha8([32]byte{1}).Read(mixed[5<<20 : 5<<20+16<<10])
	text := bytes.Repeat([]byte("a line of text that comes again and again\n"), 50_000)
	a, err := FromFS(fstest.MapFS{"a.yaml": {}, "zeros": {Data: zeros}, "mixed": {Data: mixed}, "text": {Data: text}}, "a.yaml")
	require.NoError(t, err)
	data := packBytes(t, a, &PackOptions{NoMeta: true})
	opened, err := openData(t, data, &Options{Entry: "a.yaml"})
	require.NoError(t, err)
	want, err := a.Digest()
	require.NoError(t, err)
	got, err := opened.Digest()
	require.NoError(t, err)
	require.Equal(t, want, got)

	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	methods := map[string]uint16{}
	for _, f := range z.File {
		methods[f.Name] = f.Method
	}
	require.Equal(t, map[string]uint16{"a.yaml": zip.Deflate, "zeros": zip.Store, "mixed": zip.Deflate, "text": zip.Deflate}, methods)
}

func TestPackReportsWriter(t *testing.T) {
	t.Parallel()
	full := errors.New("the disk is full")
	for _, a := range forms(t, hello...) {
		require.ErrorIs(t, Pack(brokenWriter{full}, a, nil), full)
	}
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

func TestUnpack(t *testing.T) {
	t.Parallel()
	for name, a := range forms(t, hello...) {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "new", "folder")
			require.NoError(t, Unpack(a, dir))
			for _, f := range hello {
				path := filepath.Join(dir, filepath.FromSlash(f.name))
				data, err := os.ReadFile(path)
				require.NoError(t, err)
				require.Equal(t, f.data, string(data))
				info, err := os.Stat(path)
				require.NoError(t, err)
				require.Equal(t, f.mode != 0, info.Mode()&0o100 != 0, f.name)
			}
			digest, err := openPath(t, dir, nil).Digest()
			require.NoError(t, err)
			require.Equal(t, wantDigest, digest)

			err = Unpack(a, dir)
			require.Equal(t, NotEmpty, reasonOf(t, err))
			require.Equal(t, errs.AlreadyExists, errs.CodeOf(err))
		})
	}
}

func TestUnpackKeepsEmptyFolders(t *testing.T) {
	t.Parallel()
	a, err := openData(t, zipOf(t, with(file{name: "logs/"})...), nil)
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, Unpack(a, dir))
	require.DirExists(t, filepath.Join(dir, "logs"))
}

func TestUnpackLeavesNothingAfterAnError(t *testing.T) {
	t.Parallel()
	fsys := failingFS{fstest.MapFS{
		"a/b.txt": {Data: []byte("1")}, "c.txt": {Data: []byte("2")}, "service.yaml": {Data: []byte(named13)},
	}, "c.txt"}
	a, err := FromFS(fsys, "service.yaml")
	require.NoError(t, err)
	dir := t.TempDir()
	require.ErrorIs(t, Unpack(a, dir), errBroken)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}

var errBroken = errors.New("the disk is broken")

// failingFS cannot open one of its files.
type failingFS struct {
	fs.FS
	broken string
}

func (f failingFS) Open(name string) (fs.File, error) {
	if name == f.broken {
		return nil, errBroken
	}
	return f.FS.Open(name)
}

// TestRoundTrip packs files that rapid thinks up and opens them again in every
// form.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	part := rapid.StringMatching(`[a-zé0-9_. -]{1,6}`).Filter(func(s string) bool { return s != "." && s != ".." })
	path := rapid.Custom(func(t *rapid.T) string {
		parts := rapid.SliceOfN(part, 1, 3).Draw(t, "parts")
		return filepath.ToSlash(filepath.Join(parts...))
	})
	rapid.Check(t, func(rt *rapid.T) {
		fsys := fstest.MapFS{}
		names := newBudget(Limits{}.withDefaults())
		for name, data := range rapid.MapOfN(path, rapid.SliceOf(rapid.Byte()), 1, 8).Draw(rt, "files") {
			if names.file(name, 0) != nil {
				continue // stands in the way of another
			}
			mode := fs.FileMode(0o644)
			if rapid.Bool().Draw(rt, "executable") {
				mode = 0o755
			}
			fsys[name] = &fstest.MapFile{Data: data, Mode: mode}
		}
		entries := make([]string, 0, len(fsys))
		for name := range fsys {
			if fold(name) == fold(metaFile) || fold(name) == fold(rootMetaFile) {
				rt.Skip("a TOSCA.meta by chance")
			}
			entries = append(entries, name)
		}
		slices.Sort(entries)
		entry := rapid.SampledFrom(entries).Draw(rt, "entry")

		a, err := FromFS(fsys, entry)
		require.NoError(rt, err)
		want, err := a.Digest()
		require.NoError(rt, err)
		for _, opts := range []PackOptions{{}, {NoMeta: true}} {
			var b, again bytes.Buffer
			require.NoError(rt, Pack(&b, a, &opts))
			require.NoError(rt, Pack(&again, a, &opts))
			require.Equal(rt, b.Bytes(), again.Bytes())

			p, err := OpenReader(bytes.NewReader(b.Bytes()), int64(b.Len()), &Options{Entry: entry})
			require.NoError(rt, err)
			require.Equal(rt, entry, p.Entry())
			for name, f := range fsys {
				data, err := fs.ReadFile(p.FS(), name)
				require.NoError(rt, err)
				require.True(rt, bytes.Equal(f.Data, data), name)
				info, err := fs.Stat(p.FS(), name)
				require.NoError(rt, err)
				require.Equal(rt, f.Mode, info.Mode())
			}
			got, err := p.Digest()
			require.NoError(rt, err)
			if opts.NoMeta {
				require.Equal(rt, want, got)
				continue
			}
			s, err := FromFS(p.FS(), "")
			require.NoError(rt, err)
			require.Equal(rt, entry, s.Entry()) // TOSCA.meta names it
			require.NotEqual(rt, want, got)
		}
	})
}
