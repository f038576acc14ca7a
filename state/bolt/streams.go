package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"iter"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/internal/ledger"
	"go.etcd.io/bbolt"
)

// Journal implements state.Store.
func (s *Store) Journal(ctx context.Context, id string, after uint64) iter.Seq2[*state.Entry, error] {
	return ledger.Journal(ctx, id, after, page(s, "read journal of", id, (*record).entries))
}

// Watch implements state.Store. It learns of new entries within the process:
// no other can write to the file.
func (s *Store) Watch(ctx context.Context, id string, after uint64) iter.Seq2[*state.Entry, error] {
	return ledger.Watch(ctx, id, after, page(s, "watch", id, (*record).entries), s.hub)
}

// Logs implements state.Store.
func (s *Store) Logs(ctx context.Context, id, operation string, after uint64) iter.Seq2[*state.LogChunk, error] {
	return ledger.Logs(ctx, id, after, page(s, "read logs of", id, chunksOf(operation)))
}

// WatchLogs implements state.Store. It learns of new chunks as Watch does.
func (s *Store) WatchLogs(ctx context.Context, id, operation string, after uint64) iter.Seq2[*state.LogChunk, error] {
	return ledger.WatchLogs(ctx, id, after, page(s, "watch logs of", id, chunksOf(operation)), s.hub)
}

// page reads a part of a deployment's stream.
func page[T any](s *Store, op, id string, read func(*record, uint64) (ledger.Page[T], error)) ledger.ReadPage[T] {
	return func(ctx context.Context, after uint64) (p ledger.Page[T], err error) {
		err = s.view(ctx, op, id, func(t *tx) error {
			r, err := t.deployment(op, id)
			if err != nil {
				return err
			}
			p, err = read(r, after)
			p.Incarnation = r.head.Incarnation
			return errs.Wrap(err, op, id)
		})
		return p, err
	}
}

// entries returns a page of the entries with Seq > after.
func (r *record) entries(after uint64) (ledger.Page[state.Entry], error) {
	head := r.head.Deployment
	p := ledger.Page[state.Entry]{First: head.FirstSeq, Last: head.LastSeq}
	if after >= p.Last {
		return p, nil
	}
	b, err := r.list(journalBucket)
	if err != nil {
		return p, err
	}
	err = fillPage(&p, b, after, ledger.DecodeEntry)
	return p, err
}

// chunksOf returns pages of an operation's log chunks, or of all.
func chunksOf(operation string) func(*record, uint64) (ledger.Page[state.LogChunk], error) {
	return func(r *record, after uint64) (ledger.Page[state.LogChunk], error) {
		p := ledger.Page[state.LogChunk]{Last: r.head.Deployment.LastLog}
		if after >= p.Last {
			return p, nil
		}
		b, err := r.list(logsBucket)
		if err != nil {
			return p, err
		}
		if operation == "" {
			err = fillPage(&p, b, after, ledger.DecodeLog)
			return p, err
		}
		index, err := r.list(operationsBucket)
		if err != nil {
			return p, err
		}
		prefix, size := indexKey(operation, 0)[:len(operation)+1], 0
		c := index.Cursor()
		for key, _ := c.Seek(indexKey(operation, after+1)); bytes.HasPrefix(key, prefix); key, _ = c.Next() {
			seq, err := seqOf(key[len(prefix):])
			if err != nil {
				return p, err
			}
			data := b.Get(seqKey(seq))
			if data == nil {
				return p, damaged("log chunk %d of deployment %s is missing", seq, r.head.Deployment.ID)
			}
			v, err := ledger.DecodeLog(seq, data)
			if err != nil || p.Add(v, len(data), &size) {
				return p, err
			}
		}
		return p, nil
	}
}

// fillPage adds the records of a bucket with numbers > after.
func fillPage[T any](p *ledger.Page[T], b *bbolt.Bucket, after uint64, decode func(uint64, []byte) (*T, error)) error {
	c, size := b.Cursor(), 0
	for key, data := c.Seek(seqKey(after + 1)); key != nil; key, data = c.Next() {
		seq, err := seqOf(key)
		if err != nil {
			return err
		}
		v, err := decode(seq, data)
		if err != nil || p.Add(v, len(data), &size) {
			return err
		}
	}
	return nil
}

// seqOf is the opposite of seqKey.
func seqOf(key []byte) (uint64, error) {
	if len(key) != 8 {
		return 0, damaged("a record has the key %.20x", key)
	}
	return binary.BigEndian.Uint64(key), nil
}

// indexKey is a key of the indexes of log chunks: neither operations nor runs
// have a zero byte in their ID.
func indexKey(of string, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(append([]byte(of), 0), seq)
}

// writeLogs appends log chunks and their places in the indexes.
func (r *record) writeLogs(from uint64, logs []ledger.Log) error {
	if len(logs) == 0 {
		return nil
	}
	data := make([][]byte, len(logs))
	for i, l := range logs {
		data[i] = l.Data
	}
	if err := r.append(logsBucket, from, data); err != nil {
		return err
	}
	operations, err := r.list(operationsBucket)
	if err != nil {
		return err
	}
	runs, err := r.list(runLogsBucket)
	if err != nil {
		return err
	}
	for i, l := range logs {
		if l.Operation != "" {
			if err := operations.Put(indexKey(l.Operation, from+uint64(i)), nil); err != nil {
				return err
			}
		}
		if err := runs.Put(indexKey(l.Run, from+uint64(i)), []byte(l.Operation)); err != nil {
			return err
		}
	}
	return nil
}
