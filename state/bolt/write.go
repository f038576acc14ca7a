package bolt

import (
	"context"
	"runtime"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state/internal/ledger"
	bolterrors "go.etcd.io/bbolt/errors"
)

// maxGroup is how many writes share a transaction at most, so that the first
// of them does not wait for ever.
const maxGroup = 1024

// write is a change that waits for its transaction.
type write struct {
	// fn makes the change. It may be called again in another transaction if
	// the first did not work out.
	fn   func(*tx) error
	err  error
	done chan struct{}
}

// write runs fn in a transaction, together with others that wait. If ctx ends
// before its turn comes, nothing happens.
func (s *Store) write(ctx context.Context, op, subject string, fn func(*tx) error) error {
	if s.readOnly {
		return &errs.Error{Code: errs.PermissionDenied, Op: op, Subject: subject, Err: bolterrors.ErrDatabaseReadOnly,
			Hint: "the state file was opened for reading only"}
	}
	if err := ctx.Err(); err != nil {
		return errs.Wrap(err, op, subject)
	}
	w := &write{fn: fn, done: make(chan struct{})}
	select {
	case s.writes <- w:
	case <-ctx.Done():
		return errs.Wrap(ctx.Err(), op, subject)
	case <-s.closing:
		return ledger.Closed(op)
	}
	<-w.done // ctx does not count here: the outcome will be known in a moment
	return storeError(w.err, op, subject)
}

// commitWrites takes writes as they come. Those that came while one
// transaction was on its way to the disk make the next.
func (s *Store) commitWrites() {
	defer close(s.stopped)
	var group []*write
	for {
		crowd := len(group) > 1
		select {
		case w := <-s.writes:
			group = s.takeWaiting(append(group[:0], w))
		case <-s.closing:
			return
		}
		// Those that were just served may be about to write again: going
		// without them would make two groups of one, each with its own sync.
		for n := 0; crowd && n < len(group); {
			n = len(group)
			runtime.Gosched()
			group = s.takeWaiting(group)
		}
		s.commitGroup(group)
	}
}

// takeWaiting adds the writes that stand at the door.
func (s *Store) takeWaiting(group []*write) []*write {
	for len(group) < maxGroup {
		select {
		case w := <-s.writes:
			group = append(group, w)
		default:
			return group
		}
	}
	return group
}

// commitGroup runs all writes and tells each its outcome.
func (s *Store) commitGroup(group []*write) {
	todo := group
	for len(todo) > 0 {
		failed, err := s.tryGroup(todo)
		if failed == nil {
			for _, w := range todo {
				if err != nil && w.err == nil {
					w.err = err
				}
			}
			break
		}
		// One failed halfway: it is alone in that, the others start again.
		var rest []*write
		for _, w := range todo {
			if w != failed {
				rest = append(rest, w)
			}
		}
		todo = rest
	}
	for _, w := range group {
		close(w.done)
	}
}

// tryGroup runs writes in one transaction. A write that is refused before it
// changed anything keeps its error, and does not touch the others. One that
// failed later is returned, and the transaction undone. err is one of all.
func (s *Store) tryGroup(group []*write) (failed *write, err error) {
	err = guard(func() error {
		inner, err := s.db.Begin(true)
		if err != nil {
			return err
		}
		t := &tx{Tx: inner}
		defer func() { _ = t.Rollback() }() // no effect after Commit
		n := uint64(0)
		for _, w := range group {
			t.wrote = false
			w.err = w.fn(t)
			if t.wrote && w.err != nil {
				failed = w
				return nil
			}
			if t.wrote {
				n++
			}
		}
		if n == 0 {
			return nil
		}
		return s.commit(t, n)
	})
	return failed, err
}

func (s *Store) commit(t *tx, writes uint64) error {
	before, err := s.file.Stat()
	if err != nil {
		return err
	}
	if err := t.Commit(); err != nil {
		return err
	}
	syncs := uint64(2)
	if after, err := s.file.Stat(); err == nil && after.Size() > before.Size() {
		syncs++
	}
	if s.db.NoSync {
		syncs -= 2 // bbolt syncs a file that grew all the same
	}
	s.syncs.Add(syncs)
	s.transactions.Add(1)
	s.committed.Add(writes)
	return nil
}
