package csar

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// file is an entry of an archive that a test builds.
type file struct {
	name, data string
	mode       fs.FileMode
}

// helloMeta and hello are a small archive that is right in every respect.
const helloMeta = `TOSCA-Meta-File-Version: 1.1
CSAR-Version: 1.1
Created-By: Jane Doe
Entry-Definitions: service.yaml
`

var hello = []file{
	{name: "TOSCA-Metadata/TOSCA.meta", data: helloMeta},
	{name: "service.yaml", data: "tosca_definitions_version: tosca_simple_yaml_1_3\n"},
	{name: "scripts/start.sh", data: "#!/bin/sh\necho hello\n", mode: 0o755},
	{name: "scripts/conf/app.ini", data: "[app]\nport = 8080\n"},
}

// with returns the small archive with further files.
func with(more ...file) []file { return append(append([]file(nil), hello...), more...) }

func zipOf(t testing.TB, files ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range files {
		h := &zip.FileHeader{Name: f.name, Method: zip.Deflate}
		mode := f.mode
		if mode == 0 {
			mode = 0o644
		}
		h.SetMode(mode)
		if strings.HasSuffix(f.name, "/") {
			h.Method = zip.Store
		}
		out, err := w.CreateHeader(h)
		require.NoError(t, err)
		_, err = io.WriteString(out, f.data)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

// rawZip writes entries whose headers say what the test wants; the data is
// written as it is.
func rawZip(t testing.TB, headers []*zip.FileHeader, data []string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i, h := range headers {
		out, err := w.CreateRaw(h)
		require.NoError(t, err)
		_, err = io.WriteString(out, data[i])
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

func tarOf(t testing.TB, files ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Mode: int64(f.mode.Perm()), Size: int64(len(f.data)), Typeflag: tar.TypeReg}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if strings.HasSuffix(f.name, "/") {
			h.Typeflag = tar.TypeDir
		}
		require.NoError(t, w.WriteHeader(h))
		_, err := io.WriteString(w, f.data)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

// tarHeaders writes a tar of headers without data.
func tarHeaders(t testing.TB, headers ...*tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		require.NoError(t, w.WriteHeader(h))
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

func gz(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(data)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

func folderOf(t testing.TB, files ...file) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range files {
		mode := f.mode
		if mode == 0 {
			mode = 0o644
		}
		name := filepath.Join(dir, filepath.FromSlash(f.name))
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(f.data), mode))
	}
	return dir
}

func openData(t testing.TB, data []byte, opts *Options) (*Archive, error) {
	t.Helper()
	a, err := OpenReader(bytes.NewReader(data), int64(len(data)), opts)
	if err == nil {
		t.Cleanup(func() { require.NoError(t, a.Close()) })
	}
	return a, err
}

func openPath(t testing.TB, path string, opts *Options) *Archive {
	t.Helper()
	a, err := Open(path, opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	return a
}

// forms opens the same files in every form.
func forms(t testing.TB, files ...file) map[string]*Archive {
	t.Helper()
	out := map[string]*Archive{}
	for name, data := range map[string][]byte{
		"zip":    zipOf(t, files...),
		"tar":    tarOf(t, files...),
		"tar.gz": gz(t, tarOf(t, files...)),
	} {
		a, err := openData(t, data, nil)
		require.NoError(t, err, name)
		out[name] = a
	}
	spooled, err := openData(t, gz(t, tarOf(t, files...)), &Options{Limits: Limits{Memory: 700}})
	require.NoError(t, err)
	out["tar.gz in a file"] = spooled
	out["folder"] = openPath(t, folderOf(t, files...), nil)
	return out
}

// reasonOf returns the Reason of an error, which must have one.
func reasonOf(t testing.TB, err error) Reason {
	t.Helper()
	require.Error(t, err)
	var e *Error
	require.ErrorAs(t, err, &e, "an error without a reason: %v", err)
	return e.Reason
}
