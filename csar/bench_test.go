package csar

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// thousand is an archive of 1,000 files of 1 to 8 KiB of half random text.
func thousand() []file {
	r := rand.New(rand.NewPCG(1, 2))
	files := with()
	for i := range 1000 {
		text := make([]byte, 1024+r.IntN(7*1024))
		for j := range text {
			text[j] = "abcdefgh\n"[r.IntN(9)]
		}
		files = append(files, file{name: fmt.Sprintf("files/%02d/%04d.txt", i%20, i), data: string(text)})
	}
	return files
}

func BenchmarkOpenDigest(b *testing.B) {
	files := thousand()
	run := func(name string, open func() (*Archive, error)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				a, err := open()
				require.NoError(b, err)
				_, err = a.Digest()
				require.NoError(b, err)
				require.NoError(b, a.Close())
			}
		})
	}
	for name, data := range map[string][]byte{"zip": zipOf(b, files...), "tar": tarOf(b, files...), "targz": gz(b, tarOf(b, files...))} {
		run(name, func() (*Archive, error) { return OpenReader(bytes.NewReader(data), int64(len(data)), nil) })
	}
	dir := folderOf(b, files...)
	run("folder", func() (*Archive, error) { return Open(dir, nil) })
}

func BenchmarkPack(b *testing.B) {
	data := tarOf(b, thousand()...)
	a, err := OpenReader(bytes.NewReader(data), int64(len(data)), nil)
	require.NoError(b, err)
	var out bytes.Buffer
	b.ReportAllocs()
	for b.Loop() {
		out.Reset()
		require.NoError(b, Pack(&out, a, nil))
	}
}
