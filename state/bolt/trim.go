package bolt

import (
	"context"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/internal/ledger"
	"go.etcd.io/bbolt"
)

const (
	// trimPiece is how many records are removed in one transaction, so that a
	// long journal does not hold up the commits of others.
	trimPiece = 5000
	// sweepPiece is how many blobs are.
	sweepPiece = 16
)

// Trim implements state.Store.
func (s *Store) Trim(ctx context.Context, id string, held state.Lease, before uint64) error {
	const op = "trim journal of"
	for more := true; more; {
		err := s.write(ctx, op, id, func(t *tx) error {
			r, err := t.checkHeld(op, id, held, ledger.Now(s.now))
			if err != nil {
				return err
			}
			more, err = t.trim(r, before)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// trim removes a piece, and reports whether there is more.
func (t *tx) trim(r *record, before uint64) (more bool, err error) {
	first := r.head.Deployment.FirstSeq
	next := r.head.Trim(min(before, first-1+trimPiece))
	if next != r.head {
		t.wrote = true
		journal, err := r.list(journalBucket)
		if err != nil {
			return false, err
		}
		for seq := first; seq < next.Deployment.FirstSeq; seq++ {
			if err := journal.Delete(seqKey(seq)); err != nil {
				return false, err
			}
		}
		if err := r.putHead(next); err != nil {
			return false, err
		}
	}
	if next.Trim(before) != next {
		return true, nil
	}
	return t.trimRuns(r, next)
}

// trimRuns removes the runs without entries, the log chunks of each before it.
func (t *tx) trimRuns(r *record, head *ledger.Head) (more bool, err error) {
	runs, err := r.list(runsBucket)
	if err != nil {
		return false, err
	}
	var gone []string
	err = runs.ForEach(func(id, data []byte) error {
		run, err := ledger.DecodeRun(data)
		if err == nil && head.Trimmed(run) {
			gone = append(gone, string(id))
		}
		return err
	})
	if err != nil {
		return false, err
	}
	left := trimPiece
	for _, run := range gone {
		t.wrote = true
		n, err := r.removeLogs(run, left)
		if err != nil {
			return false, err
		}
		if left -= n; left == 0 {
			return true, nil
		}
		if err := runs.Delete([]byte(run)); err != nil {
			return false, err
		}
	}
	return false, nil
}

// removeLogs removes at most max log chunks of a run, and returns how many.
func (r *record) removeLogs(run string, max int) (n int, err error) {
	var b [3]*bbolt.Bucket
	for i, name := range [][]byte{logsBucket, operationsBucket, runLogsBucket} {
		if b[i], err = r.list(name); err != nil {
			return 0, err
		}
	}
	logs, operations, runLogs := b[0], b[1], b[2]
	prefix := append([]byte(run), 0)
	for _, key := range keysWith(runLogs, prefix, max) {
		seq, err := seqOf(key[len(prefix):])
		if err != nil {
			return n, err
		}
		if operation := runLogs.Get(key); len(operation) > 0 {
			if err := operations.Delete(indexKey(string(operation), seq)); err != nil {
				return n, err
			}
		}
		if err := logs.Delete(seqKey(seq)); err != nil {
			return n, err
		}
		if err := runLogs.Delete(key); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// Sweep implements state.Store.
func (s *Store) Sweep(ctx context.Context, before time.Time) (removed int, err error) {
	const op = "sweep blobs"
	for {
		n := 0
		err := s.write(ctx, op, "", func(t *tx) error {
			digests, err := t.unused(before, sweepPiece)
			n = len(digests)
			for _, digest := range digests {
				if err == nil {
					err = t.removeBlob(digest)
				}
			}
			return err
		})
		if err != nil {
			return removed, err
		}
		if removed += n; n < sweepPiece {
			return removed, nil
		}
	}
}

// unused returns at most max blobs that nothing refers to and that were put
// before a time.
func (t *tx) unused(before time.Time, max int) (digests []string, err error) {
	used, err := t.used()
	if err != nil {
		return nil, err
	}
	c := t.Bucket(blobsBucket).Cursor()
	for key, data := c.First(); key != nil && len(digests) < max; key, data = c.Next() {
		b, err := ledger.Decode[blob](data)
		if err != nil {
			return nil, err
		}
		if b.Put.Before(before) && !used[string(key)] {
			digests = append(digests, string(key))
		}
	}
	return digests, nil
}

// used returns the blobs that something refers to.
func (t *tx) used() (ledger.Used, error) {
	used := ledger.Used{}
	err := t.Bucket(deploymentsBucket).ForEachBucket(func(id []byte) error {
		r, err := t.deployment("sweep blobs", string(id))
		if err != nil {
			return err
		}
		used.Deployment(r.head.Deployment)
		runs, err := r.list(runsBucket)
		if err != nil {
			return err
		}
		return runs.ForEach(func(_, data []byte) error {
			run, err := ledger.DecodeRun(data)
			if err == nil {
				used.Run(run)
			}
			return err
		})
	})
	return used, err
}

func (t *tx) removeBlob(digest string) error {
	b, err := t.blob(digest)
	if err != nil || b == nil {
		return err
	}
	if err := t.removeChunks(b.Number); err != nil {
		return err
	}
	return t.Bucket(blobsBucket).Delete([]byte(digest))
}
