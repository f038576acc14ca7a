package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// OpenReadOnly opens the file at path for reading; methods that write return
// PermissionDenied. NotFound if there is none, or if the process that makes it
// has not stored anything in it yet, and otherwise as Open.
//
// If another process has the file open for writing, the store is a snapshot of
// what was committed last: a copy in a temporary file, so later changes are
// not seen. That copy is given up with a Conflict if the other process commits
// so often that within Config.LockTimeout no whole copy can be had between two
// commits. Otherwise no process can write to the file until Close.
func OpenReadOnly(path string, cfg Config) (*Store, error) {
	s := newStore(cfg)
	s.readOnly = true
	noWait := cfg
	noWait.LockTimeout = -1
	err := s.open(path, noWait, &bbolt.Options{ReadOnly: true})
	if errors.Is(err, bolterrors.ErrTimeout) {
		err = s.openSnapshot(path, cfg)
	}
	if err != nil {
		return nil, openError(path, err)
	}
	if err := guard(s.check); err != nil {
		_ = guard(s.db.Close)
		return nil, openError(path, err)
	}
	return s, nil
}

// errEmpty is what a reader is told of a file in which nothing is yet: a new one,
// before its first transaction.
var errEmpty = &errs.Error{Code: errs.NotFound, Err: errors.New("nothing was stored in it yet")}

// check refuses a file that cannot be read.
func (s *Store) check() error {
	fresh, err := s.fresh()
	if err == nil && fresh {
		return errEmpty
	}
	if err == nil {
		_, err = s.checkFormat(func(*bbolt.Tx) {})
	}
	return err
}

// openSnapshot opens a copy of a file that another process writes to.
func (s *Store) openSnapshot(path string, cfg Config) error {
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.CreateTemp("", "state-snapshot-*.db")
	if err != nil {
		return err
	}
	defer os.Remove(to.Name()) // it lives on as long as it is open
	deadline := time.Now().Add(lockTimeout(cfg.LockTimeout))
	for {
		err := copySnapshot(to, from)
		if err == nil {
			break
		}
		if !errors.Is(err, errMoved) || time.Now().After(deadline) {
			_ = to.Close()
			return err
		}
	}
	reuse := func(string, int, fs.FileMode) (*os.File, error) { return to, nil }
	return s.open(to.Name(), cfg, &bbolt.Options{ReadOnly: true, OpenFile: reuse})
}

// errMoved tells that there was a commit while the file was copied. It stands
// for a timeout if it lasts.
var errMoved = fmt.Errorf("the file changed while it was copied: %w", bolterrors.ErrTimeout)

// copySnapshot copies what belongs to the newest commit. It needs no lock,
// because of how bbolt writes: a transaction writes only to pages that the
// commit before does not use, and then the one of the two meta pages that is
// not that commit's. So as long as the newest meta page is the same before and
// after, all pages that it leads to were whole.
func copySnapshot(to *os.File, from io.ReaderAt) error {
	if _, err := from.ReadAt(make([]byte, 1), 0); err == io.EOF {
		return errEmpty
	}
	before, err := newestMeta(from)
	if err != nil {
		return err
	}
	if err := to.Truncate(0); err != nil {
		return err
	}
	if _, err := to.Seek(0, io.SeekStart); err != nil {
		return err
	}
	n, err := io.Copy(to, io.NewSectionReader(from, 0, before.size()))
	if err != nil {
		return err
	}
	if n < before.size() { // a new file, whose first pages are being written
		return errMoved
	}
	after, err := newestMeta(from)
	if err != nil {
		return err
	}
	if after != before {
		return errMoved
	}
	return nil
}

// meta is what a meta page of bbolt's tells: the size of pages, the one where
// all begins, how many there are, and the transaction that wrote it.
type meta struct {
	pageSize, root, pages, transaction uint64
}

func (m meta) size() int64 { return int64(m.pageSize * m.pages) }

// newestMeta returns the newer of the file's two meta pages.
func newestMeta(f io.ReaderAt) (meta, error) {
	// The first says how large pages are, but may be half written just now.
	var best meta
	for _, offset := range []int64{0, 4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10} {
		m, ok := readMeta(f, offset)
		if ok && m.transaction >= best.transaction && (offset == 0 || uint64(offset) == m.pageSize) {
			best = m
		}
	}
	if best.pageSize == 0 || best.pages < 2 || best.pages > 1<<40 {
		return meta{}, &errs.Error{Code: errs.FailedPrecondition, Err: bolterrors.ErrInvalid,
			Hint: "this is not a state file, or it is damaged"}
	}
	return best, nil
}

// readMeta reads the meta page at an offset: after a header of 16 bytes come
// magic, version, page size, flags (4 bytes each), the root bucket (16), the
// free list (8), the number of pages (8), the transaction (8) and the FNV-1a
// sum of it all (8), in the machine's byte order.
func readMeta(f io.ReaderAt, offset int64) (meta, bool) {
	var page [16 + 64]byte
	if _, err := f.ReadAt(page[:], offset); err != nil {
		return meta{}, false
	}
	b, order := page[16:], binary.NativeEndian
	sum := fnv.New64a()
	_, _ = sum.Write(b[:56])
	if order.Uint32(b) != 0xED0CDAED || order.Uint64(b[56:]) != sum.Sum64() {
		return meta{}, false
	}
	m := meta{pageSize: uint64(order.Uint32(b[8:])), root: order.Uint64(b[16:]), pages: order.Uint64(b[40:]), transaction: order.Uint64(b[48:])}
	return m, m.pageSize >= 1<<10 && m.pageSize <= 1<<16
}
