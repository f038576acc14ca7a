package bolt

import (
	"context"
	"errors"
	"iter"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/internal/ledger"
	"go.etcd.io/bbolt"
)

const opRestore = "restore deployment"

// Restore implements state.Store. The records are written in parts, to a
// place of their own, and become a deployment when all are there.
func (s *Store) Restore(ctx context.Context, d *state.Deployment, records iter.Seq2[*state.Record, error]) error {
	r, err := ledger.NewRestore(d)
	if err != nil {
		return err
	}
	in := &restoring{s: s, id: d.ID, check: r}
	if err := in.run(ctx, records); err != nil {
		return errors.Join(err, in.abandon(ctx))
	}
	return nil
}

type restoring struct {
	s      *Store
	id     string
	check  *ledger.Restore
	number uint64 // 0 before begin
}

func (r *restoring) run(ctx context.Context, records iter.Seq2[*state.Record, error]) error {
	if err := r.begin(ctx); err != nil {
		return err
	}
	err := r.check.Parts(records, func(part []ledger.Restored) error { return r.write(ctx, part) })
	if err != nil {
		return err
	}
	return r.finish(ctx)
}

// begin takes a number, unless there is such a deployment.
func (r *restoring) begin(ctx context.Context) error {
	var number uint64
	err := r.s.write(ctx, opRestore, r.id, func(t *tx) (err error) {
		if t.Bucket(deploymentsBucket).Bucket([]byte(r.id)) != nil {
			return ledger.Exists(r.id)
		}
		if number, err = t.number(); err != nil {
			return err
		}
		b, err := t.Bucket(restoresBucket).CreateBucket(seqKey(number))
		if err != nil {
			return err
		}
		_, err = addDeployment(b, r.id)
		return err
	})
	if err == nil {
		r.number = number
	}
	return err
}

// write writes a part.
func (r *restoring) write(ctx context.Context, part []ledger.Restored) error {
	return r.s.write(ctx, opRestore, r.id, func(t *tx) error {
		if t.Bucket(deploymentsBucket).Bucket([]byte(r.id)) != nil {
			return ledger.Exists(r.id)
		}
		t.wrote = true
		return writeRestored(t.Bucket(restoresBucket).Bucket(seqKey(r.number)).Bucket([]byte(r.id)), part)
	})
}

// writeRestored writes records to the bucket of a deployment.
func writeRestored(b *bbolt.Bucket, part []ledger.Restored) error {
	instances, runs, journal := b.Bucket(instancesBucket), b.Bucket(runsBucket), b.Bucket(journalBucket)
	logs := &record{Bucket: b}
	instances.FillPercent, journal.FillPercent = 0.9, 0.9 // they come in order
	for _, v := range part {
		var err error
		switch {
		case v.Instance != nil:
			err = instances.Put([]byte(v.Instance.ID), v.Instance.Data)
		case v.Run != nil:
			err = runs.Put([]byte(v.Run.ID), v.Run.Data)
		case v.Entry != nil:
			err = journal.Put(seqKey(v.Seq), v.Entry)
		case v.Log != nil:
			err = logs.writeLogs(v.Seq, []ledger.Log{*v.Log})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// finish makes a deployment of what was written.
func (r *restoring) finish(ctx context.Context) error {
	return r.s.write(ctx, opRestore, r.id, func(t *tx) error {
		if t.Bucket(deploymentsBucket).Bucket([]byte(r.id)) != nil {
			return ledger.Exists(r.id)
		}
		head, err := r.check.Head(r.number)
		if err != nil {
			return err
		}
		t.wrote = true
		from := t.Bucket(restoresBucket).Bucket(seqKey(r.number))
		if err := from.MoveBucket([]byte(r.id), t.Bucket(deploymentsBucket)); err != nil {
			return err
		}
		if err := t.Bucket(restoresBucket).DeleteBucket(seqKey(r.number)); err != nil {
			return err
		}
		return t.Bucket(deploymentsBucket).Bucket([]byte(r.id)).Put(headKey, head)
	})
}

// abandon removes what was written, also where ctx is why it ended.
func (r *restoring) abandon(ctx context.Context) error {
	if r.number == 0 {
		return nil
	}
	err := r.s.write(context.WithoutCancel(ctx), opRestore, r.id, func(t *tx) error {
		t.wrote = true
		return t.Bucket(restoresBucket).DeleteBucket(seqKey(r.number))
	})
	if errs.CodeOf(err) == errs.Unavailable {
		return nil // the store is closed; the next Open does it
	}
	return err
}
