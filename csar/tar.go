package csar

import (
	"archive/tar"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"strings"
)

const tarBlock = 512

// openTar indexes and checks a tar: the contents stay where they are.
func openTar(r io.ReaderAt, size int64, lim Limits) (*tree, error) {
	t, b := newTree(lim), newBudget(lim)
	in := &cursor{r: r, size: size}
	tr := tar.NewReader(in)
	for {
		h, err := tr.Next()
		switch {
		case err == io.EOF:
			if !in.sawEnd() {
				return nil, fault(Truncated, "", "the tar's end mark is missing")
			}
			return t, t.seal()
		case errors.Is(err, io.ErrUnexpectedEOF):
			return nil, fault(Truncated, "", "the tar ends in the middle of a file")
		case errors.Is(err, tar.ErrHeader) && b.entries == 0:
			return nil, fault(NotAnArchive, "", "the file is no tar")
		case err != nil && !errors.Is(err, tar.ErrInsecurePath):
			return nil, fault(Corrupt, "", "the tar cannot be read: %w", err)
		}
		if err := addTarEntry(t, b, h, in); err != nil {
			return nil, err
		}
	}
}

func addTarEntry(t *tree, b *budget, h *tar.Header, in *cursor) error {
	if h.Typeflag == tar.TypeXGlobalHeader { // such as the commit that git archive notes
		return nil
	}
	name, err := cleanName(h.Name)
	if err != nil {
		return err
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return fault(SpecialFile, name, "the entry is a sparse file")
		}
	}
	switch h.Typeflag {
	case tar.TypeDir:
		if name == "." {
			return nil
		}
		if err := b.folder(name); err != nil {
			return err
		}
		t.addFolder(name)
		return nil
	case tar.TypeReg:
		if name == "." {
			return fault(BadName, h.Name, "the root is no file")
		}
	case tar.TypeSymlink, tar.TypeLink:
		return fault(Link, name, "the entry is a link")
	default:
		return fault(SpecialFile, name, "the entry is no file or folder (tar type %q)", h.Typeflag)
	}
	if err := b.file(name, h.Size); err != nil {
		return err
	}
	start := in.offset
	if start+h.Size > in.size {
		return fault(Truncated, name, "the file lies beyond the end of the archive")
	}
	t.addFile(name, h.FileInfo().Mode(), h.Size, h.ModTime, func() (io.ReadCloser, error) {
		return io.NopCloser(io.NewSectionReader(in.r, start, h.Size)), nil
	})
	return nil
}

// cursor reads through a tar and knows where it is. The tar reader asks for
// whole blocks and nothing in advance, so that behind a header the cursor
// stands at the file's first byte.
type cursor struct {
	r            io.ReaderAt
	offset, size int64
	last         [tarBlock]byte
	zeros        bool
}

func (c *cursor) Read(p []byte) (int, error) {
	if c.offset >= c.size {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), c.size-c.offset)]
	n, err := c.r.ReadAt(p, c.offset)
	c.offset += int64(n)
	c.zeros = n == tarBlock && bytes.Equal(p[:n], c.last[:])
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

// Seek lets the tar reader skip contents.
func (c *cursor) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += c.offset
	case io.SeekEnd:
		offset += c.size
	}
	if offset < 0 {
		return 0, os.ErrInvalid
	}
	c.offset = offset
	return offset, nil
}

// sawEnd tells whether the last block read was of zeros, which ends a tar.
func (c *cursor) sawEnd() bool { return c.zeros }

// openTarGz decompresses a tar.gz once, as gzip has no random access.
func openTarGz(r io.ReaderAt, size int64, lim Limits) (*tree, io.Closer, error) {
	s := &spool{memory: lim.Memory}
	t, err := func() (*tree, error) {
		if err := gunzip(s, r, size, lim); err != nil {
			return nil, err
		}
		return openTar(s, s.size, lim)
	}()
	if err != nil {
		return nil, nil, errors.Join(err, s.Close())
	}
	return t, s, nil
}

func gunzip(s *spool, r io.ReaderAt, size int64, lim Limits) error {
	z, err := gzip.NewReader(io.NewSectionReader(r, 0, size))
	if err != nil {
		return gzipFault(err)
	}
	// Beside the contents a tar has headers and padding.
	most := lim.TotalSize + int64(lim.Entries)*4*tarBlock
	buf := make([]byte, 256<<10)
	for {
		n, err := z.Read(buf)
		if _, err := s.Write(buf[:n]); err != nil {
			return err
		}
		switch {
		case lim.bomb(s.size, size):
			return fault(Ratio, "", "%d bytes become more than %d times as many", size, lim.Ratio)
		case s.size > most:
			return fault(TotalSize, "", "the files are larger than the limit of %d bytes", lim.TotalSize)
		case err == io.EOF:
			return nil
		case err != nil:
			return gzipFault(err)
		}
	}
}

func gzipFault(err error) error {
	_, badDeflate := errors.AsType[flate.CorruptInputError](err)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), err == io.EOF:
		return fault(Truncated, "", "the gzip stream ends too soon")
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader), badDeflate:
		return fault(Corrupt, "", "the gzip stream is damaged: %w", err)
	}
	return err
}

// spool keeps bytes in memory, and more of them in a temporary file.
type spool struct {
	memory int64
	size   int64
	mem    []byte
	file   *os.File
}

func (s *spool) Write(p []byte) (int, error) {
	if s.file == nil && s.size+int64(len(p)) > s.memory {
		file, err := os.CreateTemp("", "csar-*.tar")
		if err != nil {
			return 0, err
		}
		s.file = file
		if _, err := file.Write(s.mem); err != nil {
			return 0, err
		}
		s.mem = nil
	}
	s.size += int64(len(p))
	if s.file == nil {
		s.mem = append(s.mem, p...)
		return len(p), nil
	}
	return s.file.Write(p)
}

func (s *spool) ReadAt(p []byte, offset int64) (int, error) {
	if s.file != nil {
		return s.file.ReadAt(p, offset)
	}
	if offset >= int64(len(s.mem)) {
		return 0, io.EOF
	}
	n := copy(p, s.mem[offset:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Close removes the temporary file.
func (s *spool) Close() error {
	if s.file == nil {
		return nil
	}
	return errors.Join(s.file.Close(), os.Remove(s.file.Name()))
}
