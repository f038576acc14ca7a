package postgres

import (
	"context"
	"errors"
	"iter"
	"math"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/internal/ledger"
)

const opRestore = "restore deployment"

// Restore implements state.Store. The records are written in parts, under a
// number of their own, and become a deployment when all are there.
func (s *Store) Restore(ctx context.Context, d *state.Deployment, records iter.Seq2[*state.Record, error]) error {
	check, err := ledger.NewRestore(d)
	if err != nil {
		return err
	}
	if max(d.Revision, d.LastSeq, d.LastLog) > math.MaxInt64 {
		return errs.New(errs.InvalidArgument, opRestore, d.ID, "its numbers are too great")
	}
	r := &restoring{s: s, id: d.ID, check: check}
	if err := r.run(ctx, records); err != nil {
		s.removeNumber(ctx, r.number)
		return err
	}
	return nil
}

type restoring struct {
	s      *Store
	id     string
	check  *ledger.Restore
	number int64
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
	s := r.s
	if err := s.usable(ctx, opRestore, r.id); err != nil {
		return err
	}
	err := s.pool.QueryRow(ctx, s.sql(`
		INSERT INTO {}.unfinished (number, touched) SELECT nextval('{}.numbers'), {now}
		WHERE NOT EXISTS (SELECT FROM {}.deployments WHERE id = $2) RETURNING number`), s.now(), r.id).Scan(&r.number)
	if errors.Is(err, pgx.ErrNoRows) {
		return ledger.Exists(r.id)
	}
	return s.failure(ctx, err, opRestore, r.id)
}

const restorePart = `
	WITH u AS (
		UPDATE {}.unfinished SET touched = {now} WHERE number = $2 RETURNING number, touched
	), i AS (
		INSERT INTO {}.instances (deployment, id, record)
		SELECT u.number, t.* FROM u, unnest($3::text[], $4::bytea[]) t
	), r AS (
		INSERT INTO {}.runs (deployment, id, first_seq, last_seq, ended, blobs, record)
		SELECT u.number, t.id, t.first_seq, t.last_seq, t.ended, string_to_array(t.blobs, ','), t.record
		FROM u, unnest($5::text[], $6::bigint[], $7::bigint[], $8::boolean[], $9::text[], $10::bytea[])
			AS t (id, first_seq, last_seq, ended, blobs, record)
	), j AS (
		INSERT INTO {}.journal (deployment, seq, committed, record)
		SELECT u.number, t.seq, u.touched, t.record FROM u, unnest($11::bigint[], $12::bytea[]) AS t (seq, record)
	), l AS (
		INSERT INTO {}.logs (deployment, seq, committed, run, operation, record)
		SELECT u.number, t.seq, u.touched, t.run, t.operation, t.record
		FROM u, unnest($13::bigint[], $14::text[], $15::text[], $16::bytea[]) AS t (seq, run, operation, record)
	)
	SELECT number FROM u`

// write writes a part.
func (r *restoring) write(ctx context.Context, part []ledger.Restored) error {
	s := r.s
	if err := s.usable(ctx, opRestore, r.id); err != nil {
		return err
	}
	args, err := columnsOf(part)
	if err != nil {
		return errs.Wrap(err, opRestore, r.id)
	}
	err = s.pool.QueryRow(ctx, s.sql(restorePart), append([]any{s.now(), r.number}, args...)...).Scan(&r.number)
	if errors.Is(err, pgx.ErrNoRows) {
		return r.lost()
	}
	return s.failure(ctx, err, opRestore, r.id)
}

func (r *restoring) lost() error {
	return errs.New(errs.Unavailable, opRestore, r.id, "what was stored of it was removed meanwhile; restore it again")
}

// columnsOf returns the arguments of restorePart from $3 on.
func columnsOf(part []ledger.Restored) ([]any, error) {
	var ids, runIDs, blobs, logRuns, operations []string
	var instances, runs, entries, logs [][]byte
	var firsts, lasts, seqs, logSeqs []int64
	var ended []bool
	for _, v := range part {
		switch {
		case v.Instance != nil:
			ids, instances = append(ids, v.Instance.ID), append(instances, v.Instance.Data)
		case v.Run != nil:
			run, err := ledger.DecodeRun(v.Run.Data)
			if err != nil {
				return nil, err
			}
			record, id, digests, err := encodeRun(run)
			if err != nil {
				return nil, err
			}
			runIDs, runs, blobs = append(runIDs, *id), append(runs, record), append(blobs, strings.Join(digests, ","))
			firsts, lasts = append(firsts, int64(run.FirstSeq)), append(lasts, int64(run.LastSeq))
			ended = append(ended, !run.Ended.IsZero())
		case v.Entry != nil:
			seqs, entries = append(seqs, int64(v.Seq)), append(entries, v.Entry)
		case v.Log != nil:
			logSeqs, logs = append(logSeqs, int64(v.Seq)), append(logs, v.Log.Data)
			logRuns, operations = append(logRuns, v.Log.Run), append(operations, v.Log.Operation)
		}
	}
	return []any{ids, instances, runIDs, firsts, lasts, ended, blobs, runs, seqs, entries, logSeqs, logRuns, operations, logs}, nil
}

// finish makes a deployment of what was written.
func (r *restoring) finish(ctx context.Context) error {
	s, d := r.s, r.check.Deployment()
	if err := s.usable(ctx, opRestore, r.id); err != nil {
		return err
	}
	record, err := encodeDeployment(d)
	if err != nil {
		return errs.Wrap(err, opRestore, r.id)
	}
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, s.sql(`
			INSERT INTO {}.deployments (id, number, revision, first_seq, last_seq, last_log, last_signal, created, updated, template, record)
			VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8, $9, $10) ON CONFLICT (id) DO NOTHING`),
			r.id, r.number, int64(d.Revision), int64(d.FirstSeq), int64(d.LastSeq), int64(d.LastLog),
			nanoseconds(d.Created), nanoseconds(d.Updated), digestOrNil(d.Template), record)
		if err == nil && tag.RowsAffected() == 0 {
			return ledger.Exists(r.id)
		}
		if err != nil {
			return err
		}
		tag, err = tx.Exec(ctx, s.sql("DELETE FROM {}.unfinished WHERE number = $1"), r.number)
		if err == nil && tag.RowsAffected() == 0 {
			return r.lost()
		}
		return err
	})
	return s.failure(ctx, err, opRestore, r.id)
}
