package csar

import (
	"bytes"
	"io"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"
)

// fuzzLimits keep one run of a fuzz target short.
var fuzzLimits = Limits{TotalSize: 1 << 20, FileSize: 1 << 19, Entries: 200, Ratio: 50, Memory: 1 << 12}

// fuzzOpen opens whatever it is given; what opens must hold what the package
// promises.
func fuzzOpen(t *testing.T, data []byte) {
	a, err := OpenReader(bytes.NewReader(data), int64(len(data)), &Options{Limits: fuzzLimits, AnyTemplate: true})
	if err != nil {
		require.NotEmpty(t, reasonOf(t, err))
		return
	}
	defer func() { require.NoError(t, a.Close()) }()
	var total int64
	err = fs.WalkDir(a.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		require.True(t, fs.ValidPath(name))
		if d.IsDir() {
			return nil
		}
		require.True(t, d.Type().IsRegular())
		info, err := d.Info()
		require.NoError(t, err)
		src, err := fs.ReadFile(a.FS(), name)
		require.NoError(t, err)
		require.EqualValues(t, info.Size(), len(src))
		total += info.Size()
		return nil
	})
	require.NoError(t, err)
	require.LessOrEqual(t, total, fuzzLimits.TotalSize)
	_, err = fs.Stat(a.FS(), a.Entry())
	require.NoError(t, err)
	want, err := a.Digest()
	require.NoError(t, err)

	var packed bytes.Buffer
	require.NoError(t, Pack(&packed, a, &PackOptions{NoMeta: true}))
	b, err := OpenReader(bytes.NewReader(packed.Bytes()), int64(packed.Len()), &Options{Entry: a.Entry()})
	require.NoError(t, err)
	got, err := b.Digest()
	require.NoError(t, err)
	require.Equal(t, want, got)
	if err := Pack(io.Discard, b, nil); err != nil {
		require.Equal(t, CaseTwin, reasonOf(t, err), "only a file in the way of TOSCA.meta keeps an archive from being packed")
	}
}

func FuzzOpenZip(f *testing.F) {
	f.Add(zipOf(f, hello...))
	f.Add(zipOf(f, file{name: "a.yaml", data: named13}, file{name: "x/"}, file{name: "x/y", mode: 0o755}))
	f.Add(zipOf(f, file{name: "../a.yaml"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		fuzzOpen(t, append([]byte("PK\x03\x04"), data[min(4, len(data)):]...))
	})
}

func FuzzOpenTar(f *testing.F) {
	f.Add(tarOf(f, hello...))
	f.Add(tarOf(f, file{name: "./"}, file{name: "./a.yaml", data: named13}))
	f.Add(gz(f, tarOf(f, hello...)))
	f.Fuzz(func(t *testing.T, data []byte) {
		fuzzOpen(t, data)
		// The checksums of the headers keep a fuzzer out: mend them.
		if len(data) >= 512 && string(data[257:262]) == "ustar" {
			data = bytes.Clone(data)
			for i := 0; i+512 <= len(data); i += 512 {
				if string(data[i+257:i+262]) == "ustar" {
					fixTarChecksum(data[i : i+512])
				}
			}
			fuzzOpen(t, data)
			fuzzOpen(t, gz(t, data))
		}
	})
}
