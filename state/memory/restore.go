package memory

import (
	"context"
	"iter"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/internal/ledger"
)

// Restore implements state.Store.
func (s *Store) Restore(ctx context.Context, d *state.Deployment, records iter.Seq2[*state.Record, error]) error {
	const op = "restore deployment"
	r, err := ledger.NewRestore(d)
	if err != nil {
		return err
	}
	if err := s.checkNew(ctx, op, d.ID); err != nil {
		return err
	}
	n := &deployment{instances: map[string][]byte{}, runs: map[string][]byte{}}
	for rec, err := range records {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return errs.Wrap(err, op, d.ID)
		}
		if err := n.restore(r, rec); err != nil {
			return err
		}
	}
	if err := r.End(); err != nil {
		return err
	}
	unlock, err := s.lock(ctx, op)
	if err != nil {
		return err
	}
	defer unlock()
	if s.deployments[d.ID] != nil {
		return ledger.Exists(d.ID)
	}
	if n.headData, err = r.Head(s.number + 1); err != nil {
		return err
	}
	if n.head, err = ledger.DecodeHead(n.headData); err != nil {
		return err
	}
	s.number++
	s.deployments[d.ID] = n
	return nil
}

func (s *Store) checkNew(ctx context.Context, op, id string) error {
	unlock, err := s.rlock(ctx, op)
	if err != nil {
		return err
	}
	defer unlock()
	if s.deployments[id] != nil {
		return ledger.Exists(id)
	}
	return nil
}

func (d *deployment) restore(r *ledger.Restore, rec *state.Record) error {
	v, err := r.Encode(rec)
	switch {
	case err != nil:
		return err
	case v.Instance != nil:
		d.instances[v.Instance.ID] = v.Instance.Data
	case v.Run != nil:
		d.runs[v.Run.ID] = v.Run.Data
	case v.Entry != nil:
		d.journal = append(d.journal, v.Entry)
	case v.Log != nil:
		d.logs = append(d.logs, &logChunk{v.Seq, *v.Log})
	}
	return nil
}
