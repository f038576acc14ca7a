package csar

import (
	"archive/zip"
	"compress/flate"
	"errors"
	"io"
	"io/fs"
	"slices"
)

// The bits of a zip entry's general purpose flags that tell of encryption
// (APPNOTE.TXT 4.4.4).
const zipEncrypted = 1<<0 | 1<<6 | 1<<13

// span is the bytes of the archive that an entry takes, header included.
type span struct {
	start, end int64
	name       string
}

// openZip indexes and checks a zip.
func openZip(r io.ReaderAt, size int64, lim Limits) (*tree, error) {
	z, err := zip.NewReader(r, size)
	if err != nil && (z == nil || !errors.Is(err, zip.ErrInsecurePath)) {
		return nil, fault(Truncated, "", "the zip's directory cannot be read: %w", err)
	}
	if len(z.File) > lim.Entries {
		return nil, fault(TooManyEntries, "", "%d entries are more than the limit of %d", len(z.File), lim.Entries)
	}
	t, b := newTree(lim), newBudget(lim)
	spans := make([]span, 0, len(z.File))
	for _, f := range z.File {
		if err := addZipEntry(t, b, f); err != nil {
			return nil, err
		}
		s, err := zipSpan(f, size)
		if err != nil {
			return nil, err
		}
		spans = append(spans, s)
	}
	if err := checkOverlap(spans); err != nil {
		return nil, err
	}
	return t, t.seal()
}

func addZipEntry(t *tree, b *budget, f *zip.File) error {
	name, err := cleanName(f.Name)
	if err != nil {
		return err
	}
	mode := f.Mode()
	if f.Flags&zipEncrypted != 0 {
		return fault(Encrypted, name, "the file is encrypted")
	}
	if err := checkType(name, mode); err != nil {
		return err
	}
	if f.UncompressedSize64 > 1<<62 || f.CompressedSize64 > 1<<62 {
		return fault(FileSize, name, "%d bytes are more than the limit of %d", f.UncompressedSize64, b.lim.FileSize)
	}
	size, packed := int64(f.UncompressedSize64), int64(f.CompressedSize64)
	if mode.IsDir() {
		if size != 0 {
			return fault(FileAndFolder, name, "a folder with %d bytes in it", size)
		}
		if name == "." {
			return nil
		}
		if err := b.folder(name); err != nil {
			return err
		}
		t.addFolder(name)
		return nil
	}
	switch {
	case name == ".":
		return fault(BadName, f.Name, "the root is no file")
	case f.Method != zip.Store && f.Method != zip.Deflate:
		return fault(Compression, name, "compressed by method %d", f.Method)
	case f.Method == zip.Store && size != packed:
		return fault(SizeLie, name, "stored as it is, yet %d bytes are declared as %d", packed, size)
	}
	if err := b.file(name, size); err != nil {
		return err
	}
	if b.lim.bomb(size, packed) {
		return fault(Ratio, name, "%d bytes become %d, more than %d times as many", packed, size, b.lim.Ratio)
	}
	t.addFile(name, mode, size, f.Modified, f.Open)
	return nil
}

// checkType refuses everything but regular files and folders.
func checkType(name string, mode fs.FileMode) error {
	switch {
	case mode.IsRegular() || mode.IsDir():
		return nil
	case mode&fs.ModeSymlink != 0:
		return fault(Link, name, "the entry is a symbolic link")
	}
	return fault(SpecialFile, name, "the entry is no file or folder (%v)", mode.Type())
}

// zipSpan returns where an entry lies. The start is at or behind the true one:
// the local header's extra field has a length of its own.
func zipSpan(f *zip.File, size int64) (span, error) {
	data, err := f.DataOffset()
	if err != nil {
		return span{}, fault(Truncated, f.Name, "the entry's header cannot be read: %w", err)
	}
	s := span{start: data - 30 - int64(len(f.Name)), end: data + int64(f.CompressedSize64), name: f.Name}
	if s.start < 0 || s.end > size {
		return span{}, fault(Truncated, f.Name, "the entry lies beyond the end of the archive")
	}
	return s, nil
}

func checkOverlap(spans []span) error {
	slices.SortStableFunc(spans, func(a, b span) int { return int(min(max(a.start-b.start, -1), 1)) })
	for i := 1; i < len(spans); i++ {
		if spans[i].start < spans[i-1].end {
			return fault(Overlap, spans[i].name, "the entry shares bytes of the archive with %s", printable(spans[i-1].name))
		}
	}
	return nil
}

// contentFault gives an error from reading an entry its reason.
func contentFault(name string, err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	_, badDeflate := errors.AsType[flate.CorruptInputError](err)
	switch {
	case errors.Is(err, zip.ErrFormat):
		// What the zip reader says of a file that goes on behind its declared size.
		return fault(SizeLie, name, "the file is longer than the archive declares, or damaged")
	case errors.Is(err, zip.ErrChecksum), badDeflate:
		return fault(Corrupt, name, "the file is damaged: %w", err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fault(SizeLie, name, "the file ends before the size that the archive declares")
	}
	return err
}
