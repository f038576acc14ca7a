package bolt

import (
	"context"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/internal/ledger"
)

// CreateDeployment implements state.Store.
func (s *Store) CreateDeployment(ctx context.Context, d *state.Deployment) error {
	if err := ledger.CheckNew(d); err != nil {
		return err
	}
	return s.write(ctx, "create deployment", d.ID, func(t *tx) error {
		if t.Bucket(deploymentsBucket).Bucket([]byte(d.ID)) != nil {
			return ledger.Exists(d.ID)
		}
		incarnation, err := t.number()
		if err != nil {
			return err
		}
		data, err := ledger.NewHead(d, incarnation, ledger.Now(s.now))
		if err != nil {
			return err
		}
		b, err := addDeployment(t.Bucket(deploymentsBucket), d.ID)
		if err != nil {
			return err
		}
		return b.Put(headKey, data)
	})
}

// Deployment implements state.Store.
func (s *Store) Deployment(ctx context.Context, id string) (d *state.Deployment, err error) {
	const op = "read deployment"
	err = s.view(ctx, op, id, func(t *tx) error {
		r, err := t.deployment(op, id)
		if err == nil {
			d = r.head.Deployment
		}
		return err
	})
	return d, err
}

// Deployments implements state.Store.
func (s *Store) Deployments(ctx context.Context) (list []*state.Deployment, err error) {
	const op = "list deployments"
	err = s.view(ctx, op, "", func(t *tx) error {
		return t.Bucket(deploymentsBucket).ForEachBucket(func(id []byte) error {
			r, err := t.deployment(op, string(id))
			if err != nil {
				return err
			}
			list = append(list, r.head.Deployment)
			return ctx.Err()
		})
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// DeleteDeployment implements state.Store.
func (s *Store) DeleteDeployment(ctx context.Context, id string, held state.Lease) error {
	const op = "delete deployment"
	err := s.write(ctx, op, id, func(t *tx) error {
		if _, err := t.checkHeld(op, id, held, ledger.Now(s.now)); err != nil {
			return err
		}
		if err := t.putLease(id, nil); err != nil {
			return err
		}
		return t.Bucket(deploymentsBucket).DeleteBucket([]byte(id))
	})
	if err == nil {
		s.hub.Deleted(id)
	}
	return err
}

// Instances implements state.Store.
func (s *Store) Instances(ctx context.Context, id string) ([]*state.Instance, error) {
	return list(ctx, s, "list instances of", id, instancesBucket, ledger.Decode[state.Instance])
}

// Runs implements state.Store.
func (s *Store) Runs(ctx context.Context, id string) ([]*state.Run, error) {
	runs, err := list(ctx, s, "list runs of", id, runsBucket, ledger.DecodeRun)
	ledger.SortRuns(runs)
	return runs, err
}

// list decodes all records in one of a deployment's buckets.
func list[T any](ctx context.Context, s *Store, op, id string, bucket []byte, decode func([]byte) (*T, error)) (all []*T, err error) {
	err = s.view(ctx, op, id, func(t *tx) error {
		r, err := t.deployment(op, id)
		if err != nil {
			return err
		}
		b, err := r.list(bucket)
		if err != nil {
			return err
		}
		return b.ForEach(func(_, data []byte) error {
			v, err := decode(data)
			if err != nil {
				return errs.Wrap(err, op, id)
			}
			all = append(all, v)
			return ctx.Err()
		})
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// Run implements state.Store.
func (s *Store) Run(ctx context.Context, id, run string) (v *state.Run, err error) {
	const op = "read run of"
	err = s.view(ctx, op, id, func(t *tx) error {
		r, err := t.deployment(op, id)
		if err != nil {
			return err
		}
		v, err = r.run(run)
		if err == nil && v == nil {
			err = ledger.RunNotFound(id, run)
		}
		return errs.Wrap(err, op, id)
	})
	return v, err
}

// Commit implements state.Store.
func (s *Store) Commit(ctx context.Context, id string, c *state.Commit) (revision uint64, err error) {
	const op = "commit to"
	batch, err := ledger.Prepare(id, c, ledger.Now(s.now))
	if err != nil {
		return 0, err
	}
	err = s.write(ctx, op, id, func(t *tx) error {
		r, err := t.deployment(op, id)
		if err != nil {
			return err
		}
		lease, err := t.lease(op, id)
		if err != nil {
			return err
		}
		head, err := batch.Apply(r.head, lease, ledger.Now(s.now))
		if err != nil {
			return err
		}
		changes, err := r.changes(batch, head)
		if err != nil {
			return err
		}
		t.wrote = true
		revision = head.Deployment.Revision
		return r.write(batch, changes)
	})
	if err != nil {
		return 0, err
	}
	s.hub.Notify(ledger.CommitTopic(id))
	return revision, nil
}

// changes are the records that a batch replaces; run is empty for none.
type changes struct {
	head []byte
	run  ledger.Record
}

func (r *record) changes(batch *ledger.Batch, next *ledger.Head) (c changes, err error) {
	if c.head, err = ledger.Encode(next); err != nil || batch.Run == nil {
		return c, err
	}
	old, err := r.run(batch.Run.ID)
	if err != nil {
		return c, err
	}
	c.run, err = batch.NextRun(old, r.head)
	return c, err
}

// write writes a batch that was found good.
func (r *record) write(batch *ledger.Batch, c changes) error {
	if err := r.writeInstances(batch); err != nil {
		return err
	}
	if batch.Run != nil {
		b, err := r.list(runsBucket)
		if err != nil {
			return err
		}
		if err := b.Put([]byte(c.run.ID), c.run.Data); err != nil {
			return err
		}
	}
	if batch.Ends() {
		if err := r.forgetSignals(c.run.ID); err != nil {
			return err
		}
	}
	if err := r.append(journalBucket, r.head.Deployment.LastSeq+1, batch.Entries); err != nil {
		return err
	}
	if err := r.writeLogs(r.head.Deployment.LastLog+1, batch.Logs); err != nil {
		return err
	}
	return r.Put(headKey, c.head)
}

func (r *record) writeInstances(batch *ledger.Batch) error {
	if len(batch.Delete)+len(batch.Put) == 0 {
		return nil
	}
	b, err := r.list(instancesBucket)
	if err != nil {
		return err
	}
	for _, id := range batch.Delete {
		if err := b.Delete([]byte(id)); err != nil {
			return err
		}
	}
	for _, in := range batch.Put {
		if err := b.Put([]byte(in.ID), in.Data); err != nil {
			return err
		}
	}
	return nil
}

// append appends to a bucket by number, on pages that are filled up since
// nothing is ever put between.
func (r *record) append(bucket []byte, from uint64, records [][]byte) error {
	if len(records) == 0 {
		return nil
	}
	b, err := r.list(bucket)
	if err != nil {
		return err
	}
	b.FillPercent = 0.9
	for i, data := range records {
		if err := b.Put(seqKey(from+uint64(i)), data); err != nil {
			return err
		}
	}
	return nil
}

// AcquireLease implements state.Store.
func (s *Store) AcquireLease(ctx context.Context, id, owner string, ttl time.Duration) (lease state.Lease, err error) {
	const op = "acquire lease of"
	if err := ledger.CheckAcquire(id, owner, ttl); err != nil {
		return state.Lease{}, err
	}
	err = s.write(ctx, op, id, func(t *tx) error {
		if _, err := t.deployment(op, id); err != nil {
			return err
		}
		current, err := t.lease(op, id)
		if err != nil {
			return err
		}
		next, err := current.Acquire(id, owner, t.Bucket(metaBucket).Sequence()+1, ttl, ledger.Now(s.now))
		if err != nil {
			return err
		}
		if _, err := t.number(); err != nil {
			return err
		}
		lease = next.Of(id)
		return t.putLease(id, next)
	})
	if err != nil {
		return state.Lease{}, err
	}
	return lease, nil
}

// RenewLease implements state.Store.
func (s *Store) RenewLease(ctx context.Context, held state.Lease, ttl time.Duration) (lease state.Lease, err error) {
	const op = "renew lease of"
	err = s.write(ctx, op, held.Deployment, func(t *tx) error {
		current, err := t.lease(op, held.Deployment)
		if err != nil {
			return err
		}
		next, err := current.Renew(held, ttl, ledger.Now(s.now))
		if err != nil {
			return err
		}
		lease = next.Of(held.Deployment)
		return t.putLease(held.Deployment, next)
	})
	if err != nil {
		return state.Lease{}, err
	}
	return lease, nil
}

// ReleaseLease implements state.Store.
func (s *Store) ReleaseLease(ctx context.Context, held state.Lease) error {
	const op = "release lease of"
	return s.write(ctx, op, held.Deployment, func(t *tx) error {
		current, err := t.lease(op, held.Deployment)
		if err != nil || !current.Is(held.Deployment, held) {
			return err
		}
		return t.putLease(held.Deployment, nil)
	})
}
