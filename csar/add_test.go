package csar

import (
	"bytes"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func TestAdd(t *testing.T) {
	t.Parallel()
	elsewhere := fstest.MapFS{
		"imports/a/types.yaml":     {Data: []byte("types")},
		"imports/a/lib/run.sh":     {Data: []byte("run")},
		"imports/a/lib/deep/x.txt": {Data: []byte("x")},
		"imports/unused.yaml":      {Data: []byte("unused")},
		"service.yaml":             {Data: []byte("not this one")},
	}
	for name, a := range forms(t, hello...) {
		t.Run(name, func(t *testing.T) {
			b, err := a.Add(elsewhere, []string{"service.yaml", "imports/a/types.yaml", "imports/a/lib", "imports/nothing", "nowhere"})
			require.NoError(t, err)
			require.NoError(t, fstest.TestFS(b.FS(), "service.yaml", "imports/a/types.yaml", "imports/a/lib/run.sh", "imports/a/lib/deep/x.txt"))
			require.Equal(t, a.Entry(), b.Entry())
			require.Equal(t, a.Meta(), b.Meta())
			_, err = fs.Stat(b.FS(), "imports/unused.yaml")
			require.ErrorIs(t, err, fs.ErrNotExist)
			src, err := fs.ReadFile(b.FS(), "service.yaml")
			require.NoError(t, err)
			require.NotEqual(t, "not this one", string(src))

			var packed bytes.Buffer
			require.NoError(t, Pack(&packed, b, nil))
			c, err := OpenReader(bytes.NewReader(packed.Bytes()), int64(packed.Len()), nil)
			require.NoError(t, err)
			src, err = fs.ReadFile(c.FS(), "imports/a/lib/run.sh")
			require.NoError(t, err)
			require.Equal(t, "run", string(src))

			narrow, err := b.Subset([]string{"imports/a/types.yaml"})
			require.NoError(t, err)
			src, err = fs.ReadFile(narrow.FS(), "imports/a/types.yaml")
			require.NoError(t, err)
			require.Equal(t, "types", string(src))
		})
	}
}

func TestAddNothing(t *testing.T) {
	t.Parallel()
	a, err := FromFS(fstest.MapFS{"service.yaml": {Data: []byte("a")}}, "service.yaml")
	require.NoError(t, err)
	for _, from := range []fs.FS{nil, fstest.MapFS{}} {
		b, err := a.Add(from, []string{"x"})
		require.NoError(t, err)
		require.Same(t, a, b)
	}
}

func TestAddKeepsLimits(t *testing.T) {
	t.Parallel()
	a, err := openData(t, zipOf(t, hello...), &Options{Limits: Limits{FileSize: 1000}})
	require.NoError(t, err)
	_, err = a.Add(fstest.MapFS{"x": {Data: make([]byte, 1001)}}, []string{"x"})
	require.Equal(t, FileSize, reasonOf(t, err))
	_, err = a.Add(fstest.MapFS{`x\y`: {Data: []byte("x")}}, []string{`x\y`})
	require.Equal(t, Backslash, reasonOf(t, err))
}
