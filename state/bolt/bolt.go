package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/internal/ledger"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Config says how a file is opened. The zero Config is ready for use.
type Config struct {
	// Now tells the time. Default time.Now.
	Now func() time.Time
	// LockTimeout is how long Open waits for another process to let go of the
	// file. Default 1 s; negative for not at all.
	LockTimeout time.Duration
	// NoSync leaves it to the operating system when to write to disk. What was
	// written survives the end of the process, but when the machine stops, the
	// whole file may be lost. Only for tests and state that may be lost.
	NoSync bool
	// EndLeases has Open end the leases in the file rather than wait until
	// they expire. Only one process at a time has the file open, so whoever
	// held them has ended or closed it; if it comes back, its token is refused.
	// OpenReadOnly takes no notice of it.
	EndLeases bool
}

// Store is a state.Store in a file. Use Open or OpenReadOnly to make one.
type Store struct {
	now  func() time.Time
	db   *bbolt.DB
	file *os.File // db's, for its size
	hub  *ledger.Hub
	// owner is the lock file that names this process; empty if read-only.
	owner    string
	readOnly bool
	path     string
	inbox    inbox

	writes  chan *write
	closing chan struct{}
	stopped chan struct{} // closed when the committer has ended
	close   sync.Once
	closed  error

	transactions, committed, syncs atomic.Uint64
}

var _ state.Store = (*Store)(nil)

// Open opens the file at path for reading and writing, and makes it if there
// is none; its folder must exist. Conflict, with the name of the other
// process, if one has it open; FailedPrecondition if the file is not a store's
// or one of a newer format; NotFound if there is no such folder.
func Open(path string, cfg Config) (*Store, error) {
	s := newStore(cfg)
	s.path = path
	if err := s.open(path, cfg, &bbolt.Options{}); err != nil {
		return nil, openError(path, err)
	}
	if err := guard(func() error { return s.initialize(path, cfg.EndLeases) }); err != nil {
		_ = guard(s.db.Close)
		return nil, openError(path, err)
	}
	s.owner = nameOwner(path, s.now())
	go s.commitWrites()
	return s, nil
}

func newStore(cfg Config) *Store {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Store{
		now: cfg.Now, hub: ledger.NewHub(),
		writes: make(chan *write), closing: make(chan struct{}), stopped: make(chan struct{}),
	}
}

func (s *Store) open(path string, cfg Config, o *bbolt.Options) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return &errs.Error{Code: errs.FailedPrecondition, Err: fmt.Errorf("it is a folder"), Hint: "choose a file in it"}
	case err == nil && info.Size() == 0 && o.ReadOnly:
		return errEmpty
	case err == nil && 0 < info.Size() && info.Size() < 8<<10 && !o.ReadOnly: // less than two pages
		return bolterrors.ErrInvalid
	}
	o.Timeout = lockTimeout(cfg.LockTimeout)
	o.NoSync = cfg.NoSync
	o.FreelistType = bbolt.FreelistMapType
	o.NoStatistics = true
	if !o.ReadOnly {
		o.InitialMmapSize = addressSpace()
	}
	openFile := o.OpenFile
	if openFile == nil {
		openFile = os.OpenFile
	}
	o.OpenFile = func(name string, flag int, mode os.FileMode) (f *os.File, err error) {
		s.file, err = openFile(name, flag, mode)
		return s.file, err
	}
	err = guard(func() (err error) {
		s.db, err = bbolt.Open(path, 0o600, o)
		return err
	})
	if err != nil && s.file != nil {
		abandon(s.file) // of no effect if bbolt has closed it
	}
	if err == nil {
		s.db.AllocSize = growth
		if err = walkPages(s.file); err != nil {
			_ = guard(s.db.Close)
		}
	}
	return err
}

// growth is by how much the file grows at least, in bytes.
const growth = 1 << 20

// addressSpace is how much of the file, and of what it may grow to, is mapped
// into memory from the start, in bytes. It costs addresses only. Where bbolt has
// to map the file anew because it grew, the transaction waits for all readers
// and copies everything that it has touched: a quarter of the memory that a
// large commit takes.
func addressSpace() int {
	if strconv.IntSize < 64 || runtime.GOOS == "windows" { // there the file is made as large
		return 0
	}
	return 1 << 30
}

func lockTimeout(d time.Duration) time.Duration {
	switch {
	case d == 0:
		return time.Second
	case d < 0:
		return time.Nanosecond // bbolt takes 0 for "forever"
	}
	return d
}

// syncFolder makes a new file's name durable. Not every file system can.
func syncFolder(path string) {
	if dir, err := os.Open(filepath.Dir(path)); err == nil {
		_ = dir.Sync()
		_ = dir.Close()
	}
}

func openError(path string, err error) error {
	e := &errs.Error{Op: "open state file", Subject: path, Err: err}
	var coded *errs.Error
	switch {
	case errors.As(err, &coded):
		e.Code = coded.Code
	case errors.Is(err, bolterrors.ErrTimeout):
		e.Code = errs.Conflict
		e.Err = fmt.Errorf("it is held by %s", owner(path))
		e.Hint = "wait until that process has ended, or stop it"
	case errors.Is(err, fs.ErrNotExist):
		e.Code = errs.NotFound
	case errors.Is(err, fs.ErrPermission):
		e.Code = errs.PermissionDenied
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		e.Code = errs.FailedPrecondition
		e.Hint = "this is not a state file, or it is damaged; choose another, or restore it from a backup"
	default:
		e.Code = errs.Unavailable
	}
	return e
}

// Stats counts what a store has done since it was opened.
type Stats struct {
	// Writes is how many calls wrote something, Transactions how many
	// transactions they took together.
	Writes, Transactions uint64
	// Syncs is how often the disk was synced for them: twice for a
	// transaction, and once more where the file grew.
	Syncs uint64
}

// Stats returns the counts.
func (s *Store) Stats() Stats {
	return Stats{Writes: s.committed.Load(), Transactions: s.transactions.Load(), Syncs: s.syncs.Load()}
}

// Close waits for the writes that have begun, and closes the file.
func (s *Store) Close() error {
	s.close.Do(func() {
		close(s.closing)
		if !s.readOnly {
			<-s.stopped
		}
		s.hub.Close()
		if s.owner != "" {
			_ = os.Remove(s.owner) // before another can have the file
		}
		s.closed = errs.Wrap(guard(s.db.Close), "close state file", "")
	})
	return s.closed
}

// view runs fn in a transaction that reads.
func (s *Store) view(ctx context.Context, op, subject string, fn func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return errs.Wrap(err, op, subject)
	}
	err := guard(func() error {
		return s.db.View(func(t *bbolt.Tx) error { return fn(&tx{Tx: t}) })
	})
	return storeError(err, op, subject)
}

// guard makes an error of a panic: bbolt panics where it meets a damaged page,
// and the file is mapped into memory, so one that was cut short is a fault.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = damaged("%v", p)
		}
	}()
	return fn()
}

func damaged(format string, args ...any) error {
	return &errs.Error{Code: errs.Internal, Op: "use state file", Err: fmt.Errorf(format, args...),
		Hint: "the file is damaged; restore it from a backup"}
}

// storeError gives err a code and says what was being done.
func storeError(err error, op, subject string) error {
	var coded *errs.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &coded):
		return err
	case errors.Is(err, bolterrors.ErrDatabaseNotOpen):
		return ledger.Closed(op)
	case errs.CodeOf(err) != errs.Internal: // a context's
		return errs.Wrap(err, op, subject)
	}
	return &errs.Error{Code: errs.Unavailable, Op: op, Subject: subject, Err: err,
		Hint: "see whether the disk is full or failing; then read the deployment again"}
}
