package csar

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// wantDigest is the digest of hello: what sha256sum of all files, in order of
// their paths, gives to sha256sum.
const wantDigest = "sha256:243f1193deae6ff4d06f6ab2ae89c7ffd88d70e7e337b9680d8c5499bd67dd8e"

func TestOpenForms(t *testing.T) {
	t.Parallel()
	for name, a := range forms(t, hello...) {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, "service.yaml", a.Entry())
			require.Equal(t, "Jane Doe", a.Meta().CreatedBy)

			require.NoError(t, fstest.TestFS(a.FS(),
				"TOSCA-Metadata/TOSCA.meta", "service.yaml", "scripts/start.sh", "scripts/conf/app.ini"))
			src, err := fs.ReadFile(a.FS(), "scripts/conf/app.ini")
			require.NoError(t, err)
			require.Equal(t, "[app]\nport = 8080\n", string(src))
			info, err := fs.Stat(a.FS(), "scripts/start.sh")
			require.NoError(t, err)
			require.Equal(t, fs.FileMode(0o755), info.Mode())
			_, err = a.FS().Open("scripts/nothing")
			require.ErrorIs(t, err, fs.ErrNotExist)
			_, err = a.FS().Open("../secret")
			require.ErrorIs(t, err, fs.ErrInvalid)

			digest, err := a.Digest()
			require.NoError(t, err)
			require.Equal(t, wantDigest, digest)
		})
	}
}

func TestOpenTellsFormByContent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, data, 0o644))
		return path
	}
	for _, path := range []string{
		write("app.csar", zipOf(t, hello...)),
		write("app", zipOf(t, hello...)),
		write("app.tar", tarOf(t, hello...)),
		write("tar.csar", tarOf(t, hello...)),
		write("app.tgz", gz(t, tarOf(t, hello...))),
	} {
		require.Equal(t, "service.yaml", openPath(t, path, nil).Entry(), path)
	}
	require.Equal(t, "lone.yml", openPath(t, write("lone.yml", []byte("a: 1\n")), nil).Entry())
	require.Equal(t, "lone.tosca", openPath(t, write("lone.tosca", nil), nil).Entry())
	// Who loads it tells where the NUL stands.
	require.Equal(t, "nul.yaml", openPath(t, write("nul.yaml", []byte("a: b\x00\n")), nil).Entry())
	require.Equal(t, "wide.tosca", openPath(t, write("wide.tosca", []byte("\xff\xfea\x00:\x00 \x001\x00")), nil).Entry())

	for path, want := range map[string]Reason{
		write("text.csar", []byte("a: 1\n")):             NotAnArchive,
		write("text.tar", []byte("a: 1\n")):              Truncated,
		write("text.tgz", []byte("a: 1\n")):              NotAnArchive,
		write("program", []byte("\x7fELF\x00\x00")):      NotAnArchive,
		write("gzip.gz", gz(t, make([]byte, 100))):       Truncated,
		write("text.gz", gz(t, []byte(longText()))):      NotAnArchive,
		filepath.Join(dir, "missing.yaml"):               Missing,
		write("broken.tgz", []byte("\x1f\x8b\x08 no")):   Truncated,
		write("broken2.tgz", []byte("\x1f\x8bxxxxxxxx")): Corrupt,
	} {
		_, err := Open(path, nil)
		require.Equal(t, want, reasonOf(t, err), path)
		require.Contains(t, err.Error(), path)
	}
	_, err := OpenReader(nopReaderAt{}, 0, nil)
	require.Equal(t, NotAnArchive, reasonOf(t, err))
}

type nopReaderAt struct{}

func (nopReaderAt) ReadAt([]byte, int64) (int, error) { return 0, nil }

func longText() string {
	b := make([]byte, 2048)
	for i := range b {
		b[i] = 'a' + byte(i%26)
	}
	return string(b)
}

func TestErrorCarriesCodeAndPlace(t *testing.T) {
	t.Parallel()
	data := zipOf(t, file{name: "TOSCA-Metadata/TOSCA.meta", data: helloMeta})
	_, err := openData(t, data, nil)
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, EntryMissing, e.Reason)
	require.Equal(t, "TOSCA-Metadata/TOSCA.meta", e.File)
	require.Equal(t, 4, e.Line)
	require.Equal(t, NotFound, e.Code())
	require.Equal(t, errs.NotFound, errs.CodeOf(err))
	require.EqualError(t, err, "open archive: TOSCA-Metadata/TOSCA.meta:4: Entry-Definitions: the archive has no file service.yaml")
}

const named13 = "tosca_definitions_version: tosca_simple_yaml_1_3\nmetadata:\n  template_name: a\n  template_version: '1'\n"

func TestFindEntry(t *testing.T) {
	t.Parallel()
	meta := func(text string) file { return file{name: metaFile, data: text} }
	const base = "TOSCA-Meta-File-Version: 1.1\nCSAR-Version: 1.1\nCreated-By: me\n"
	tests := []struct {
		name  string
		files []file
		opts  Options
		entry string
		want  Reason
		says  string
	}{
		{name: "meta in its folder", files: hello, entry: "service.yaml"},
		{name: "meta at the root", entry: "a.yaml",
			files: []file{{name: "TOSCA.meta", data: "CSAR-Version: 2.0\nCreated-By: me\nEntry-Definitions: a.yaml\n"}, {name: "a.yaml"}}},
		{name: "two metas", want: TwoMetas, says: "TOSCA.meta is there already as TOSCA-Metadata/TOSCA.meta",
			files: with(file{name: "TOSCA.meta", data: helloMeta})},
		{name: "entry in a folder", entry: "defs/a.yaml",
			files: []file{meta(base + "Entry-Definitions: ./defs/a.yaml\n"), {name: "defs/a.yaml"}}},
		{name: "entry is a folder", want: EntryMissing, says: "defs is a folder",
			files: []file{meta(base + "Entry-Definitions: defs\n"), {name: "defs/a.yaml"}}},
		{name: "entry leaves the archive", want: Slip, says: `:4: Entry-Definitions: "../a.yaml" is not a path in the archive`,
			files: []file{meta(base + "Entry-Definitions: ../a.yaml\n")}},
		{name: "other definition is missing", want: EntryMissing, says: ":5: Other-Definitions: the archive has no file c.yaml",
			files: []file{meta(base + "Entry-Definitions: a.yaml\nOther-Definitions: b.yaml c.yaml\n"), {name: "a.yaml"}, {name: "b.yaml"}}},
		{name: "meta without entry, one YAML", entry: "a.yml",
			files: []file{meta(base), {name: "a.yml"}, {name: "sub/b.yaml"}}},
		{name: "meta without entry, two YAML", want: ManyTemplates, says: "2 YAML files at the root: a.yaml, b.yml",
			files: []file{meta(base), {name: "b.yml"}, {name: "a.yaml"}}},
		{name: "no meta, one named YAML", entry: "a.yaml", files: []file{{name: "a.yaml", data: named13}}},
		{name: "no meta, 2.0 needs no name", entry: "a.yaml",
			files: []file{{name: "a.yaml", data: "tosca_definitions_version: tosca_2_0\n"}}},
		{name: "no meta, no metadata", want: TemplateMetadata, says: "a.yaml:1: an archive without TOSCA.meta needs template_name",
			files: []file{{name: "a.yaml", data: "tosca_definitions_version: tosca_simple_yaml_1_3\n"}}},
		{name: "no meta, no version", want: TemplateMetadata, says: "a.yaml:2: an archive without TOSCA.meta needs template_version",
			files: []file{{name: "a.yaml", data: "metadata:\n  template_name: a\n"}}},
		{name: "no meta, any template", entry: "a.yaml", opts: Options{AnyTemplate: true},
			files: []file{{name: "a.yaml", data: "tosca_definitions_version: tosca_simple_yaml_1_3\n"}}},
		{name: "no meta, broken YAML is the loader's to report", entry: "a.yaml", files: []file{{name: "a.yaml", data: "a: [\n"}}},
		{name: "no meta, two YAML", want: ManyTemplates, says: "2 YAML files at the root: a.yaml, b.yaml",
			files: []file{{name: "b.yaml"}, {name: "a.yaml"}, {name: "c.txt"}}},
		{name: "packed with its folder", want: NoTemplate, says: "all lies in the folder app; pack it from inside",
			files: []file{{name: "app/a.yaml"}, {name: "app/TOSCA-Metadata/TOSCA.meta"}}},
		{name: "meta in another case", want: MetaSpelling, says: "tosca-metadata/tosca.meta: the file must be named TOSCA-Metadata/TOSCA.meta, in this spelling (rename it)",
			files: []file{{name: "a.yaml", data: named13}, {name: "tosca-metadata/tosca.meta", data: helloMeta}}},
		{name: "meta in a folder of another case", want: MetaSpelling, says: "Tosca-Metadata/TOSCA.meta: ",
			files: []file{{name: "a.yaml", data: named13}, {name: "Tosca-Metadata/TOSCA.meta", data: helloMeta}}},
		{name: "meta of another case in its folder", want: MetaSpelling, says: "TOSCA-Metadata/Tosca.meta: ",
			files: []file{{name: "a.yaml", data: named13}, {name: "TOSCA-Metadata/Tosca.meta", data: helloMeta}}},
		{name: "meta in another case at the root", want: MetaSpelling, says: "tosca.meta: the file must be named TOSCA.meta,",
			files: []file{{name: "a.yaml", data: named13}, {name: "tosca.meta", data: helloMeta}}},
		{name: "meta in another case beside the right one", entry: "service.yaml", files: with(file{name: "tosca.meta"})},
		{name: "other files beside no meta", entry: "a.yaml",
			files: []file{{name: "a.yaml", data: named13}, {name: "tosca-metadata/notes"}, {name: "x/tosca.meta"}}},
		{name: "no YAML", want: NoTemplate, files: []file{{name: "readme.txt"}, {name: "sub/a.yaml"}}},
		{name: "entry asked for", entry: "b.yaml", opts: Options{Entry: "./b.yaml"}, files: []file{{name: "b.yaml"}, {name: "a.yaml"}}},
		{name: "entry asked for is missing", want: EntryMissing, opts: Options{Entry: "c.yaml"}, files: []file{{name: "a.yaml"}}},
		{name: "entry asked for is a folder", want: EntryMissing, opts: Options{Entry: "c"}, files: []file{{name: "c/a.yaml"}}},
		{name: "entry asked for is outside", want: BadName, opts: Options{Entry: "../c"}, files: []file{{name: "c/a.yaml"}}},
		{name: "entry asked for agrees", entry: "service.yaml", opts: Options{Entry: "service.yaml"}, files: hello},
		{name: "entry asked for is another", want: EntryMismatch, opts: Options{Entry: "b.yaml"}, files: with(file{name: "b.yaml"}),
			says: "TOSCA.meta:4: Entry-Definitions is service.yaml, not b.yaml"},
		{name: "bad meta", want: BadMeta, files: []file{meta("nonsense\n")}, says: `TOSCA.meta:1: expected «keyname: value», found "nonsense"`},
		{name: "huge meta", want: FileSize, files: []file{meta(base + "X: " + string(make([]byte, maxMeta)))}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			check := func(a *Archive, err error) {
				t.Helper()
				if tt.want == "" {
					require.NoError(t, err)
					require.Equal(t, tt.entry, a.Entry())
					return
				}
				require.Equal(t, tt.want, reasonOf(t, err))
				require.ErrorContains(t, err, tt.says)
			}
			a, err := openData(t, zipOf(t, tt.files...), &tt.opts)
			check(a, err)
			a, err = Open(folderOf(t, tt.files...), &tt.opts)
			if err == nil {
				defer a.Close()
			}
			check(a, err)
		})
	}
}

func TestLoneYAML(t *testing.T) {
	t.Parallel()
	dir := folderOf(t,
		file{name: "home/app/service.yaml", data: "a: 1\n"},
		file{name: "home/app/run.sh", data: "run\n"},
		file{name: "home/lib/types.yaml", data: "b: 2\n"},
		file{name: "secret", data: "s"})
	template := filepath.Join(dir, "home", "app", "service.yaml")

	t.Run("its folder is the root", func(t *testing.T) {
		a := openPath(t, template, nil)
		require.Equal(t, "service.yaml", a.Entry())
		require.NoError(t, fstest.TestFS(a.FS(), "service.yaml", "run.sh"))
		// Only the template is content; what lies beside it is not.
		digest, err := a.Digest()
		require.NoError(t, err)
		one, err := openPath(t, folderOf(t, file{name: "service.yaml", data: "a: 1\n"}), &Options{AnyTemplate: true}).Digest()
		require.NoError(t, err)
		require.Equal(t, one, digest)
	})
	t.Run("a wider root", func(t *testing.T) {
		a := openPath(t, template, &Options{Root: filepath.Join(dir, "home")})
		require.Equal(t, "app/service.yaml", a.Entry())
		src, err := fs.ReadFile(a.FS(), "lib/types.yaml")
		require.NoError(t, err)
		require.Equal(t, "b: 2\n", string(src))
	})
	t.Run("a root elsewhere", func(t *testing.T) {
		_, err := Open(template, &Options{Root: filepath.Join(dir, "home", "lib")})
		require.Equal(t, OutsideRoot, reasonOf(t, err))
	})
	t.Run("a root under another name", func(t *testing.T) {
		link := filepath.Join(t.TempDir(), "link")
		require.NoError(t, os.Symlink(filepath.Join(dir, "home"), link))
		require.Equal(t, "app/service.yaml", openPath(t, template, &Options{Root: link}).Entry())
	})
	t.Run("nothing else is read", func(t *testing.T) {
		if os.Geteuid() == 0 || runtime.GOOS == "windows" {
			t.Skip("needs a user who can be denied to read")
		}
		locked := filepath.Join(dir, "home", "app", "locked")
		require.NoError(t, os.Mkdir(locked, 0))
		a := openPath(t, template, nil)
		_, err := a.Digest()
		require.NoError(t, err)
	})
}

func TestFolderLinks(t *testing.T) {
	t.Parallel()
	outside := folderOf(t, file{name: "secret", data: "s"})
	dir := folderOf(t, hello...)
	link := func(target, name string) { require.NoError(t, os.Symlink(target, filepath.Join(dir, name))) }
	link("scripts/start.sh", "run.sh")
	link("scripts", "more")

	a := openPath(t, dir, nil)
	require.NoError(t, fstest.TestFS(a.FS(), "run.sh", "more/conf/app.ini"))
	digest, err := a.Digest()
	require.NoError(t, err)
	// A link is what it leads to.
	start, app := hello[2].data, hello[3].data
	resolved, err := openPath(t, folderOf(t, with(file{name: "run.sh", data: start},
		file{name: "more/start.sh", data: start}, file{name: "more/conf/app.ini", data: app})...), nil).Digest()
	require.NoError(t, err)
	require.Equal(t, resolved, digest)

	for name, target := range map[string]string{
		"absolute": filepath.Join(outside, "secret"),
		"relative": "../" + filepath.Base(outside) + "/secret",
		"parent":   "..",
	} {
		link(target, name)
		_, err := fs.ReadFile(a.FS(), name)
		require.Equal(t, Link, reasonOf(t, err), name)
		_, err = a.Digest()
		require.Equal(t, Link, reasonOf(t, err), name)
		require.NoError(t, os.Remove(filepath.Join(dir, name)))
	}
	link("nowhere", "dangling")
	_, err = fs.ReadFile(a.FS(), "dangling")
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = a.Digest()
	require.Equal(t, Link, reasonOf(t, err))
	require.NoError(t, os.Remove(filepath.Join(dir, "dangling")))

	link("..", "scripts/up")
	_, err = a.Digest()
	require.Equal(t, LinkCycle, reasonOf(t, err))
}

func TestLoneYAMLThatIsALinkOutside(t *testing.T) {
	t.Parallel()
	outside := folderOf(t, file{name: "real.yaml", data: "a: 1\n"})
	link := filepath.Join(t.TempDir(), "service.yaml")
	require.NoError(t, os.Symlink(filepath.Join(outside, "real.yaml"), link))
	_, err := Open(link, nil)
	require.Equal(t, Link, reasonOf(t, err))
}

func TestFromFS(t *testing.T) {
	t.Parallel()
	fsys := fstest.MapFS{
		"a.yaml": {Data: []byte(named13)},
		"run.sh": {Data: []byte("run\n"), Mode: 0o755},
	}
	a, err := FromFS(fsys, "")
	require.NoError(t, err)
	require.Equal(t, "a.yaml", a.Entry())
	require.Equal(t, Meta{}, a.Meta())
	_, err = FromFS(fsys, "run.sh")
	require.NoError(t, err)
	_, err = FromFS(fsys, "b.yaml")
	require.Equal(t, EntryMissing, reasonOf(t, err))
	require.NoError(t, a.Close())
}

func TestSubset(t *testing.T) {
	t.Parallel()
	for name, a := range forms(t, with(file{name: "big.iso", data: "no"}, file{name: "scripts/stop.sh", data: "no"})...) {
		t.Run(name, func(t *testing.T) {
			s, err := a.Subset([]string{"scripts/start.sh", "./scripts/conf", "scripts/conf/app.ini"})
			require.NoError(t, err)
			require.NoError(t, fstest.TestFS(s.FS(), "service.yaml", "scripts/start.sh", "scripts/conf/app.ini"))
			for _, gone := range []string{"big.iso", "scripts/stop.sh"} {
				_, err := s.FS().Open(gone)
				require.ErrorIs(t, err, fs.ErrNotExist)
				_, err = fs.ReadFile(s.FS(), gone)
				require.ErrorIs(t, err, fs.ErrNotExist)
				_, err = fs.Stat(s.FS(), gone)
				require.ErrorIs(t, err, fs.ErrNotExist)
			}
			digest, err := s.Digest()
			require.NoError(t, err)
			require.Equal(t, wantDigest, digest)
			require.Equal(t, a.Entry(), s.Entry())
			require.Equal(t, a.Meta(), s.Meta())

			again, err := s.Subset(nil)
			require.NoError(t, err)
			digest2, err := again.Digest()
			require.NoError(t, err)
			require.NotEqual(t, digest, digest2)

			_, err = s.Subset([]string{"big.iso"})
			require.Equal(t, Missing, reasonOf(t, err))
			_, err = a.Subset([]string{"../x"})
			require.Equal(t, BadName, reasonOf(t, err))
			all, err := a.Subset([]string{"."})
			require.NoError(t, err)
			require.NoError(t, fstest.TestFS(all.FS(), "big.iso"))
		})
	}
}

func TestSubsetOfLoneYAML(t *testing.T) {
	t.Parallel()
	a := openPath(t, filepath.Join(folderOf(t, hello...), "service.yaml"), nil)
	s, err := a.Subset([]string{"TOSCA-Metadata", "scripts"})
	require.NoError(t, err)
	digest, err := s.Digest()
	require.NoError(t, err)
	require.Equal(t, wantDigest, digest)
}

func TestMissingFileIsToldOnce(t *testing.T) {
	t.Parallel()
	_, err := Open("no/such.csar", nil)
	require.EqualError(t, err, "open no/such.csar: no such file or directory")
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.Equal(t, errs.NotFound, errs.CodeOf(err))
}

// TestTemporaryFileIsRemoved sets an environment variable, so it is not parallel.
func TestTemporaryFileIsRemoved(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	count := func() int {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		return len(entries)
	}
	data := gz(t, tarOf(t, hello...))
	small := Options{Limits: Limits{Memory: 100}}
	a, err := OpenReader(bytes.NewReader(data), int64(len(data)), &small)
	require.NoError(t, err)
	require.Equal(t, 1, count())
	require.NoError(t, a.Close())
	require.Equal(t, 0, count())

	for _, bad := range [][]byte{data[:len(data)-20], gz(t, tarOf(t, with(file{name: "../x"})...)), gz(t, tarOf(t, file{name: "x"}))} {
		_, err = OpenReader(bytes.NewReader(bad), int64(len(bad)), &small)
		require.Error(t, err)
		require.Equal(t, 0, count())
	}
}

func TestConcurrentReads(t *testing.T) {
	t.Parallel()
	for name, a := range forms(t, hello...) {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for _, f := range hello {
					src, err := fs.ReadFile(a.FS(), f.name)
					assert.NoError(t, err, name)
					assert.Equal(t, f.data, string(src), name)
				}
				digest, err := a.Digest()
				assert.NoError(t, err, name)
				assert.Equal(t, wantDigest, digest, name)
			})
		}
		wg.Wait()
	}
}

func TestOtherDefinitions(t *testing.T) {
	t.Parallel()
	src := "CSAR-Version: 2.0\nCreated-By: me\nEntry-Definitions: a.yaml\nOther-Definitions: ./b.yaml \"c d.yaml\"\n  e/f.yaml\n"
	a, err := openData(t, zipOf(t, file{name: "TOSCA.meta", data: src}, file{name: "a.yaml"}, file{name: "b.yaml"}, file{name: "c d.yaml"}, file{name: "e/f.yaml"}), nil)
	require.NoError(t, err)
	want := []string{"b.yaml", "c d.yaml", "e/f.yaml"}
	require.Equal(t, want, a.OtherDefinitions())
	require.Equal(t, []string{"./b.yaml", "c d.yaml", "e/f.yaml"}, a.Meta().OtherDefinitions)
	b, err := a.Subset(nil)
	require.NoError(t, err)
	require.Equal(t, want, b.OtherDefinitions())
}

// TestPackKeepsMeta wants TOSCA.meta of 2.0, with its vendor blocks, unchanged
// and where it was.
func TestPackKeepsMeta(t *testing.T) {
	t.Parallel()
	src := "CSAR-Version: 2.0\nCreated-By: me\nEntry-Definitions: a.yaml\nACME-Note: one\n  two\n\nACME-Key: dGV4dA==\n\nACME-Key: x: y\n"
	a, err := openData(t, zipOf(t, file{name: "TOSCA.meta", data: src}, file{name: "a.yaml"}, file{name: "b.yaml"}), nil)
	require.NoError(t, err)
	var packed bytes.Buffer
	require.NoError(t, Pack(&packed, a, nil))
	b, err := openData(t, packed.Bytes(), nil)
	require.NoError(t, err)
	got, err := fs.ReadFile(b.FS(), "TOSCA.meta")
	require.NoError(t, err)
	require.Equal(t, src, string(got))
	require.Len(t, b.Meta().Blocks, 3)
	require.Equal(t, "one two", b.Meta().Blocks[0].Get("ACME-Note"))
	require.Equal(t, "dGV4dA==", b.Meta().Blocks[1].Get("ACME-Key"))
	require.Equal(t, "x: y", b.Meta().Blocks[2].Get("ACME-Key"))
}

// TestProfileArchive opens an archive of TOSCA 2.0 that holds a profile.
func TestProfileArchive(t *testing.T) {
	t.Parallel()
	for name, a := range forms(t, file{name: "profile.yaml", data: "tosca_definitions_version: tosca_2_0\nprofile: org.example:1.0\n"}, file{name: "parts/a.yaml"}) {
		require.Equal(t, "profile.yaml", a.Entry(), name)
	}
}
