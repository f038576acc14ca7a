package csar

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"hash/crc32"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestHostileNames puts one entry beside a sound archive, as a zip and a tar.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		entry []string
		want  Reason
	}{
		{"slip", []string{"../evil"}, Slip},
		{"slip in the middle", []string{"a/../../evil"}, Slip},
		{"slip that stays inside", []string{"a/../evil"}, Slip},
		{"slip of a folder", []string{"../"}, Slip},
		{"absolute", []string{"/etc/passwd"}, AbsoluteName},
		{"absolute with two slashes", []string{"//host/share"}, AbsoluteName},
		{"backslash", []string{`a\b`}, Backslash},
		{"backslash slip", []string{`..\evil`}, Backslash},
		{"drive letter", []string{"C:/evil"}, DriveLetter},
		{"drive letter, relative", []string{"c:evil"}, DriveLetter},
		{"dot inside", []string{"a/./b"}, BadName},
		{"empty element", []string{"a//b"}, BadName},
		{"control character", []string{"a\x1b[31m"}, BadName},
		{"line feed", []string{"a\nb"}, BadName},
		{"no UTF-8", []string{"a\xff"}, BadName},
		{"long", []string{strings.Repeat("long/", 50) + strings.Repeat("é", 2000)}, LongName},
		{"deep", []string{strings.Repeat("d/", 100) + "f"}, LongName},
		{"duplicate", []string{"service.yaml"}, Duplicate},
		{"duplicate behind ./", []string{"./service.yaml"}, Duplicate},
		{"case twin", []string{"Service.yaml"}, CaseTwin},
		{"case twin of a folder", []string{"Scripts/other.sh"}, CaseTwin},
		{"case twin beyond ASCII", []string{"café", "CAFÉ"}, CaseTwin},
		{"case twin by the Kelvin sign", []string{"\u212a", "k"}, CaseTwin},
		{"case twin by the long s", []string{"\u017f", "S"}, CaseTwin},
		{"file as a folder", []string{"service.yaml/x"}, FileAndFolder},
		{"folder as a file", []string{"scripts"}, FileAndFolder},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			files := with()
			for _, name := range tt.entry {
				files = append(files, file{name: name, data: "x"})
				if strings.HasSuffix(name, "/") {
					files[len(files)-1].data = ""
				}
			}
			_, err := openData(t, zipOf(t, files...), nil)
			require.Equal(t, tt.want, reasonOf(t, err))
			data := tarOf(t, files...)
			_, err = openData(t, data, nil)
			require.Equal(t, tt.want, reasonOf(t, err))
			_, err = openData(t, gz(t, data), nil)
			require.Equal(t, tt.want, reasonOf(t, err))
		})
	}
}

func TestNulInName(t *testing.T) {
	t.Parallel()
	_, err := openData(t, zipOf(t, with(file{name: "a\x00b"})...), nil)
	require.Equal(t, NulInName, reasonOf(t, err))
	_, err = cleanName("a\x00b") // a tar ends names at NUL
	require.Equal(t, NulInName, reasonOf(t, err))
}

func TestHarmlessNames(t *testing.T) {
	t.Parallel()
	for _, files := range [][]file{
		{{name: "./"}, {name: "./a/"}, {name: "./a/b"}, {name: "a/"}},
		{{name: "a/..b"}, {name: "a/b.."}, {name: "..."}, {name: "a b"}, {name: "ab:c"}},
		{{name: "a.b"}, {name: "a/b"}, {name: "a-b"}},
		{{name: "straße"}, {name: "strasse"}},
	} {
		for _, data := range [][]byte{zipOf(t, with(files...)...), tarOf(t, with(files...)...)} {
			_, err := openData(t, data, nil)
			require.NoError(t, err)
		}
	}
}

func TestHostileZip(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("hello hello hello\n", 100)
	deflated := deflate(t, text)
	header := func(change func(h *zip.FileHeader)) []byte {
		h := &zip.FileHeader{Name: "f", Method: zip.Deflate, CRC32: crc32.ChecksumIEEE([]byte(text)),
			CompressedSize64: uint64(len(deflated)), UncompressedSize64: uint64(len(text))}
		change(h)
		return rawZip(t, []*zip.FileHeader{h}, []string{deflated})
	}
	mode := func(m fs.FileMode) []byte { return header(func(h *zip.FileHeader) { h.SetMode(m) }) }
	zeros := strings.Repeat("\x00", 3<<20)

	tests := []struct {
		name string
		data []byte
		lim  Limits
		want Reason
		says string
	}{
		{"sound but no template", header(func(*zip.FileHeader) {}), Limits{}, NoTemplate, ""},
		{"symbolic link", mode(fs.ModeSymlink | 0o777), Limits{}, Link, ""},
		{"device", mode(fs.ModeDevice | 0o644), Limits{}, SpecialFile, ""},
		{"pipe", mode(fs.ModeNamedPipe | 0o644), Limits{}, SpecialFile, ""},
		{"encrypted", header(func(h *zip.FileHeader) { h.Flags |= 1 }), Limits{}, Encrypted, ""},
		{"strongly encrypted", header(func(h *zip.FileHeader) { h.Flags |= 1 << 6 }), Limits{}, Encrypted, ""},
		{"bzip2", header(func(h *zip.FileHeader) { h.Method = 12 }), Limits{}, Compression, "method 12"},
		{"declares less", header(func(h *zip.FileHeader) { h.UncompressedSize64 = 10 }), Limits{}, SizeLie, "longer"},
		{"declares nothing", header(func(h *zip.FileHeader) { h.UncompressedSize64 = 0 }), Limits{}, SizeLie, "longer"},
		{"declares more", header(func(h *zip.FileHeader) { h.UncompressedSize64++ }), Limits{}, SizeLie, "ends before"},
		{"stored, declares more", header(func(h *zip.FileHeader) { h.Method = zip.Store }), Limits{}, SizeLie, "stored"},
		{"checksum", header(func(h *zip.FileHeader) { h.CRC32++ }), Limits{}, Corrupt, "checksum"},
		{"folder with data", bytes.ReplaceAll(header(func(h *zip.FileHeader) { h.Name = "f@" }), []byte("f@"), []byte("f/")),
			Limits{}, FileAndFolder, ""},
		{"declares more than can be", header(func(h *zip.FileHeader) { h.UncompressedSize64 = 1 << 63 }), Limits{}, FileSize, ""},
		{"larger than a file may be", header(func(*zip.FileHeader) {}), Limits{FileSize: 1799}, FileSize, "1800 bytes are more than the limit of 1799"},
		{"as large as a file may be", header(func(*zip.FileHeader) {}), Limits{FileSize: 1800}, NoTemplate, ""},
		{"together too large", zipOf(t, file{name: "a", data: "12345"}, file{name: "b", data: "12345"}), Limits{TotalSize: 9}, TotalSize, ""},
		{"too many", zipOf(t, file{name: "a"}, file{name: "b"}, file{name: "c"}), Limits{Entries: 2}, TooManyEntries, ""},
		{"too many folders without entries", zipOf(t, file{name: "a/b/c"}), Limits{Entries: 2}, TooManyEntries, ""},
		{"bomb", zipOf(t, file{name: "zeros", data: zeros}), Limits{}, Ratio, "more than 1000 times"},
		{"no bomb by a wider limit", zipOf(t, file{name: "zeros", data: zeros}), Limits{Ratio: 2000}, NoTemplate, ""},
		{"small is no bomb", zipOf(t, file{name: "zeros", data: zeros[:1<<20]}), Limits{Ratio: 10}, NoTemplate, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := openData(t, tt.data, &Options{Limits: tt.lim})
			require.Equal(t, tt.want, reasonOf(t, err), err)
			require.ErrorContains(t, err, tt.says)
		})
	}
}

func deflate(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	require.NoError(t, err)
	_, err = io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

func TestTruncatedZip(t *testing.T) {
	t.Parallel()
	data := zipOf(t, hello...)
	for cut := 4; cut < len(data); cut += 7 {
		_, err := openData(t, data[:cut], nil)
		require.Equal(t, Truncated, reasonOf(t, err), cut)
	}
	// The beginning is missing instead: the headers are not where they should be.
	_, err := openData(t, append([]byte("PK\x03\x04"), data[len(data)/2:]...), nil)
	require.Contains(t, []Reason{Truncated, SizeLie, Overlap}, reasonOf(t, err))
}

// TestOverlap makes two entries of the directory lead to the same bytes, as
// the densest bombs do, and then to bytes inside another entry.
func TestOverlap(t *testing.T) {
	t.Parallel()
	files := []file{{name: "a", data: "same"}, {name: "b", data: "same"}}
	data := zipOf(t, files...)
	_, err := openData(t, data, nil)
	require.Equal(t, NoTemplate, reasonOf(t, err))

	second := bytes.LastIndex(data, []byte("PK\x01\x02"))
	offset := data[second+42 : second+46]
	require.NotZero(t, binary.LittleEndian.Uint32(offset))
	binary.LittleEndian.PutUint32(offset, 0)
	_, err = openData(t, data, nil)
	require.Equal(t, Overlap, reasonOf(t, err))
	require.ErrorContains(t, err, "shares bytes of the archive with")

	// A whole stored zip inside a stored file, whose entry is listed as well.
	inner := zipOf(t, file{name: "inside", data: "x"})
	h := &zip.FileHeader{Name: "outer", Method: zip.Store, CRC32: crc32.ChecksumIEEE(inner),
		CompressedSize64: uint64(len(inner)), UncompressedSize64: uint64(len(inner))}
	h2 := &zip.FileHeader{Name: "inside", Method: zip.Deflate}
	data = rawZip(t, []*zip.FileHeader{h, h2}, []string{string(inner), ""})
	second = bytes.LastIndex(data, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(data[second+42:], uint32(bytes.Index(data, inner)))
	_, err = openData(t, data, nil)
	require.Equal(t, Overlap, reasonOf(t, err))
}

func TestHostileTar(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		data []byte
		lim  Limits
		want Reason
	}{
		{"symbolic link", tarHeaders(t, &tar.Header{Name: "l", Linkname: "/etc/passwd", Typeflag: tar.TypeSymlink}), Limits{}, Link},
		{"hard link", tarHeaders(t, &tar.Header{Name: "l", Linkname: "service.yaml", Typeflag: tar.TypeLink}), Limits{}, Link},
		{"device", tarHeaders(t, &tar.Header{Name: "d", Typeflag: tar.TypeChar}), Limits{}, SpecialFile},
		{"disk", tarHeaders(t, &tar.Header{Name: "d", Typeflag: tar.TypeBlock}), Limits{}, SpecialFile},
		{"pipe", tarHeaders(t, &tar.Header{Name: "d", Typeflag: tar.TypeFifo}), Limits{}, SpecialFile},
		{"too large a file", tarOf(t, file{name: "a", data: "123456"}), Limits{FileSize: 5}, FileSize},
		{"together too large", tarOf(t, file{name: "a", data: "12345"}, file{name: "b", data: "12345"}), Limits{TotalSize: 9}, TotalSize},
		{"too many", tarOf(t, file{name: "a"}, file{name: "b"}, file{name: "c"}), Limits{Entries: 2}, TooManyEntries},
		{"same folder too often", tarOf(t, file{name: "a/"}, file{name: "a/"}, file{name: "a/"}), Limits{Entries: 2}, TooManyEntries},
		{"global header is skipped", tarHeaders(t, &tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "c"}}), Limits{}, NoTemplate},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, data := range [][]byte{tt.data, gz(t, tt.data)} {
				_, err := openData(t, data, &Options{Limits: tt.lim})
				require.Equal(t, tt.want, reasonOf(t, err), err)
			}
		})
	}
}

func TestSparseTar(t *testing.T) {
	t.Parallel()
	// The header that GNU tar writes for a file of 1 GiB without data: type S,
	// real size in octal at 483.
	data := tarHeaders(t, &tar.Header{Name: "sparse", Typeflag: tar.TypeReg, Format: tar.FormatGNU})
	data[156] = tar.TypeGNUSparse
	copy(data[483:495], "10000000000\x00")
	fixTarChecksum(data[:512])
	_, err := openData(t, data, nil)
	require.Equal(t, SpecialFile, reasonOf(t, err))
}

func fixTarChecksum(block []byte) {
	copy(block[148:156], "        ")
	sum := 0
	for _, b := range block {
		sum += int(b)
	}
	for i := 5; i >= 0; i-- {
		block[148+i] = '0' + byte(sum&7)
		sum >>= 3
	}
	block[154], block[155] = 0, ' '
}

func TestTruncatedTar(t *testing.T) {
	t.Parallel()
	data := tarOf(t, hello...)
	for cut := 512; cut < len(data)-1024; cut += 100 {
		_, err := openData(t, data[:cut], nil)
		require.Equal(t, Truncated, reasonOf(t, err), cut)
		// gzip around it is whole, the tar in it is not.
		_, err = openData(t, gz(t, data[:cut]), nil)
		require.Equal(t, Truncated, reasonOf(t, err), cut)
	}
	zipped := gz(t, data)
	for cut := 10; cut < len(zipped); cut += 11 {
		_, err := openData(t, zipped[:cut], nil)
		require.Equal(t, Truncated, reasonOf(t, err), cut)
	}
	damaged := append([]byte(nil), zipped...)
	damaged[len(damaged)-5] ^= 0xff // the checksum
	_, err := openData(t, damaged, nil)
	require.Equal(t, Corrupt, reasonOf(t, err))
}

func TestTarGzBombs(t *testing.T) {
	t.Parallel()
	zeros := gz(t, tarOf(t, file{name: "zeros", data: strings.Repeat("\x00", 8<<20)}))
	_, err := openData(t, zeros, nil)
	require.Equal(t, Ratio, reasonOf(t, err))
	_, err = openData(t, zeros, &Options{Limits: Limits{Ratio: 5000, TotalSize: 1 << 20, Entries: 10}})
	require.Equal(t, TotalSize, reasonOf(t, err))
	_, err = openData(t, zeros, &Options{Limits: Limits{Ratio: 5000}})
	require.Equal(t, NoTemplate, reasonOf(t, err))
}

// TestReadsNeverExceedTheDeclaredSize holds the reader to its word although
// what lies below gives more or less.
func TestReadsNeverExceedTheDeclaredSize(t *testing.T) {
	t.Parallel()
	read := func(text string, declared int64) (string, error) {
		n := &node{name: "f", size: declared, open: func() (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(text)), nil
		}}
		r, err := n.reader("f")
		require.NoError(t, err)
		got, err := io.ReadAll(r)
		return string(got), err
	}
	got, err := read("hello", 5)
	require.NoError(t, err)
	require.Equal(t, "hello", got)
	got, err = read("hello", 4)
	require.Equal(t, SizeLie, reasonOf(t, err))
	require.LessOrEqual(t, len(got), 4)
	_, err = read("hello", 6)
	require.Equal(t, SizeLie, reasonOf(t, err))
}

func TestFolderWithNamesThatNoArchiveHolds(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]Reason{`a\b`: Backslash, "a\nb": BadName, "Service.yaml": CaseTwin, "C:x": DriveLetter} {
		dir := folderOf(t, with(file{name: name, data: "x"})...)
		a := openPath(t, dir, nil)
		_, err := a.Digest()
		require.Equal(t, want, reasonOf(t, err))
		require.Equal(t, want, reasonOf(t, Pack(io.Discard, a, nil)))
	}
}
