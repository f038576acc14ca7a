package bolt

import (
	"context"
	"encoding/binary"
	"iter"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/internal/ledger"
)

// Journal implements state.Store.
func (s *Store) Journal(ctx context.Context, id string, after uint64) iter.Seq2[*state.Entry, error] {
	return ledger.Journal(ctx, id, after, s.pages("read journal of", id))
}

// Watch implements state.Store. It learns of new entries within the process:
// no other can write to the file.
func (s *Store) Watch(ctx context.Context, id string, after uint64) iter.Seq2[*state.Entry, error] {
	return ledger.Watch(ctx, id, after, s.pages("watch", id), s.hub)
}

func (s *Store) pages(op, id string) ledger.ReadPage {
	return func(ctx context.Context, after uint64) (p ledger.Page, err error) {
		err = s.view(ctx, op, id, func(t *tx) error {
			r, err := t.deployment(op, id)
			if err != nil {
				return err
			}
			p = ledger.Page{LastSeq: r.head.Deployment.LastSeq, Incarnation: r.head.Incarnation}
			if after >= p.LastSeq {
				return nil
			}
			p.Entries, err = r.entries(after)
			return errs.Wrap(err, op, id)
		})
		return p, err
	}
}

// entries returns a page of the entries with Seq > after.
func (r *record) entries(after uint64) ([]*state.Entry, error) {
	b, err := r.list(journalBucket)
	if err != nil {
		return nil, err
	}
	var page []*state.Entry
	c := b.Cursor()
	for key, data := c.Seek(seqKey(after + 1)); key != nil && len(page) < ledger.PageSize; key, data = c.Next() {
		if len(key) != 8 {
			return nil, damaged("a journal entry has the key %.20x", key)
		}
		e, err := ledger.DecodeEntry(binary.BigEndian.Uint64(key), data)
		if err != nil {
			return nil, err
		}
		page = append(page, e)
	}
	return page, nil
}
