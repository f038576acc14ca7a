package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/internal/ledger"
)

// CreateDeployment implements state.Store.
func (s *Store) CreateDeployment(ctx context.Context, d *state.Deployment) error {
	const op = "create deployment"
	if err := ledger.CheckNew(d); err != nil {
		return err
	}
	if err := s.usable(ctx, op, d.ID); err != nil {
		return err
	}
	record, err := encodeDeployment(d)
	if err != nil {
		return errs.Wrap(err, op, d.ID)
	}
	tag, err := s.pool.Exec(ctx, s.sql(`
		INSERT INTO {}.deployments (id, number, revision, first_seq, last_seq, last_log, last_signal, created, updated, template, record)
		SELECT $2, nextval('{}.numbers'), 1, 1, 0, 0, 0, t.now, t.now, $3, $4 FROM (SELECT {now} AS now) t
		ON CONFLICT (id) DO NOTHING`),
		s.now(), d.ID, digestOrNil(d.Template), record)
	if err == nil && tag.RowsAffected() == 0 {
		return ledger.Exists(d.ID)
	}
	return s.failure(ctx, err, op, d.ID)
}

// encodeDeployment leaves out what the tables keep in columns of their own.
func encodeDeployment(d *state.Deployment) ([]byte, error) {
	n := *d
	n.Revision, n.FirstSeq, n.LastSeq, n.LastLog = 0, 0, 0, 0
	n.Created, n.Updated = timeOf(0), timeOf(0)
	return ledger.Encode(&n)
}

// digestOrNil returns what is a digest, and null for what is none.
func digestOrNil(digest string) *string {
	if ledger.CheckDigest("", digest) != nil {
		return nil
	}
	return &digest
}

// head is a row of deployments.
type head struct {
	ledger.Head
	lease      *ledger.Lease
	lastCommit []byte
	// now is the server's time at the reading.
	now int64
}

const headColumns = "{now}, number, revision, first_seq, last_seq, last_log, last_signal, created, updated, record, last_commit, lease_token, lease_owner, lease_expires"

func scanHead(row pgx.Row) (*head, error) {
	var h head
	var number, revision, firstSeq, lastSeq, lastLog, lastSignal, created, updated int64
	var record pgtype.DriverBytes
	var token, expires *int64
	var owner []byte
	err := row.Scan(&h.now, &number, &revision, &firstSeq, &lastSeq, &lastLog, &lastSignal, &created, &updated, &record, &h.lastCommit, &token, &owner, &expires)
	if err != nil {
		return nil, err
	}
	d, err := ledger.Decode[state.Deployment](record)
	if err != nil {
		return nil, err
	}
	d.Revision, d.FirstSeq, d.LastSeq, d.LastLog = uint64(revision), uint64(firstSeq), uint64(lastSeq), uint64(lastLog)
	d.Created, d.Updated = timeOf(created), timeOf(updated)
	h.Head = ledger.Head{Deployment: d, Incarnation: uint64(number), LastSignal: uint64(lastSignal)}
	if token != nil && expires != nil {
		h.lease = &ledger.Lease{Owner: string(owner), Token: uint64(*token), Expires: timeOf(*expires)}
	}
	return &h, nil
}

// head reads a deployment's row; NotFound.
func (s *Store) head(ctx context.Context, op, id string) (*head, error) {
	if err := ledger.CheckID(op, id); err != nil {
		return nil, err
	}
	if err := s.usable(ctx, op, id); err != nil {
		return nil, err
	}
	h, err := s.readHead(ctx, s.pool, id, "")
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ledger.NotFound(op, id)
	}
	return h, s.failure(ctx, err, op, id)
}

// querier is a pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// readHead reads a deployment's row, with a clause such as FOR UPDATE.
func (s *Store) readHead(ctx context.Context, from querier, id, clause string) (*head, error) {
	// Not QueryRow: the record is decoded while the row is there.
	rows, err := from.Query(ctx, s.sql("SELECT "+headColumns+" FROM {}.deployments WHERE id = $2 "+clause), s.now(), id)
	if err != nil {
		return nil, err
	}
	return pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (*head, error) { return scanHead(row) })
}

// lockDeployment is the first statement of a transaction that writes what
// belongs to a deployment: the next then sees all that others wrote before.
const lockDeployment = "SELECT FROM {}.deployments WHERE id = $1 FOR UPDATE"

// locked runs fn in a transaction with a deployment whose row is locked.
func (s *Store) locked(ctx context.Context, op, id string, fn func(pgx.Tx, *head) error) error {
	if err := ledger.CheckID(op, id); err != nil {
		return err
	}
	if err := s.usable(ctx, op, id); err != nil {
		return err
	}
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		h, err := s.readHead(ctx, tx, id, "FOR UPDATE")
		if errors.Is(err, pgx.ErrNoRows) {
			err = ledger.NotFound(op, id)
		}
		if err != nil {
			return err
		}
		return fn(tx, h)
	})
	return s.failure(ctx, err, op, id)
}

// Deployment implements state.Store.
func (s *Store) Deployment(ctx context.Context, id string) (*state.Deployment, error) {
	h, err := s.head(ctx, "read deployment", id)
	if err != nil {
		return nil, err
	}
	return h.Deployment, nil
}

// Deployments implements state.Store.
func (s *Store) Deployments(ctx context.Context) ([]*state.Deployment, error) {
	const op = "list deployments"
	if err := s.usable(ctx, op, ""); err != nil {
		return nil, err
	}
	rows, err := s.pool.Query(ctx, s.sql("SELECT "+headColumns+" FROM {}.deployments ORDER BY id"), s.now())
	if err != nil {
		return nil, s.failure(ctx, err, op, "")
	}
	list, err := pgx.AppendRows([]*state.Deployment(nil), rows, func(row pgx.CollectableRow) (*state.Deployment, error) {
		h, err := scanHead(row)
		if err != nil {
			return nil, err
		}
		return h.Deployment, nil
	})
	return list, s.failure(ctx, err, op, "")
}

// DeleteDeployment implements state.Store.
func (s *Store) DeleteDeployment(ctx context.Context, id string, lease state.Lease) error {
	const op = "delete deployment"
	err := s.locked(ctx, op, id, func(tx pgx.Tx, h *head) error {
		if err := h.lease.CheckHeld(op, id, lease, timeOf(h.now)); err != nil {
			return err
		}
		var batch pgx.Batch
		batch.Queue(s.sql("DELETE FROM {}.deployments WHERE id = $1"), id)
		for _, table := range parts {
			batch.Queue(s.sql("DELETE FROM {}."+table+" WHERE deployment = $1"), int64(h.Incarnation))
		}
		return tx.SendBatch(ctx, &batch).Close()
	})
	if err == nil {
		s.changed(id)
	}
	return err
}

// parts are the tables of what belongs to a deployment.
var parts = []string{"instances", "runs", "journal", "logs", "signals"}

// Instances implements state.Store.
func (s *Store) Instances(ctx context.Context, id string) ([]*state.Instance, error) {
	return records(ctx, s, "list instances of", id, "instances", "r.record", func(row pgx.CollectableRow) (*state.Instance, error) {
		var record pgtype.DriverBytes
		if err := row.Scan(&record); err != nil || record == nil {
			return nil, err
		}
		return ledger.Decode[state.Instance](record)
	})
}

// Runs implements state.Store.
func (s *Store) Runs(ctx context.Context, id string) ([]*state.Run, error) {
	runs, err := records(ctx, s, "list runs of", id, "runs", runColumns, scanRun)
	ledger.SortRuns(runs)
	return runs, err
}

// records reads all of a deployment's records in a table, in order of ID. Scan
// returns nil where there are none, and so all is null.
func records[T any](ctx context.Context, s *Store, op, id, table, columns string, scan pgx.RowToFunc[*T]) ([]*T, error) {
	if err := ledger.CheckID(op, id); err != nil {
		return nil, err
	}
	if err := s.usable(ctx, op, id); err != nil {
		return nil, err
	}
	rows, err := s.pool.Query(ctx, s.sql("SELECT "+columns+" FROM {}.deployments d LEFT JOIN {}."+table+
		" r ON r.deployment = d.number WHERE d.id = $1 ORDER BY r.id"), id)
	if err != nil {
		return nil, s.failure(ctx, err, op, id)
	}
	list, err := pgx.AppendRows([]*T(nil), rows, scan)
	switch {
	case err != nil:
		return nil, s.failure(ctx, err, op, id)
	case len(list) == 0:
		return nil, ledger.NotFound(op, id)
	case list[0] == nil:
		return nil, nil
	}
	return list, nil
}

// Run implements state.Store.
func (s *Store) Run(ctx context.Context, id, run string) (*state.Run, error) {
	const op = "read run of"
	if err := ledger.CheckID(op, id); err != nil {
		return nil, err
	}
	if err := s.usable(ctx, op, id); err != nil {
		return nil, err
	}
	if !state.ValidID(run) { // text may not hold everything
		if _, err := s.head(ctx, op, id); err != nil {
			return nil, err
		}
		return nil, ledger.RunNotFound(id, run)
	}
	r, err := s.readRun(ctx, s.pool, id, run)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, ledger.NotFound(op, id)
	case err != nil:
		return nil, s.failure(ctx, err, op, id)
	case r == nil:
		return nil, ledger.RunNotFound(id, run)
	}
	return r, nil
}

const runColumns = "r.record, r.first_seq, r.last_seq"

// readRun reads a run, nil if there is none.
func (s *Store) readRun(ctx context.Context, from querier, id, run string) (*state.Run, error) {
	rows, err := from.Query(ctx, s.sql("SELECT "+runColumns+
		" FROM {}.deployments d LEFT JOIN {}.runs r ON r.deployment = d.number AND r.id = $2 WHERE d.id = $1"), id, run)
	if err != nil {
		return nil, err
	}
	return pgx.CollectExactlyOneRow(rows, scanRun)
}

func scanRun(row pgx.CollectableRow) (*state.Run, error) {
	var record pgtype.DriverBytes
	var first, last *int64
	if err := row.Scan(&record, &first, &last); err != nil || record == nil || first == nil || last == nil {
		return nil, err
	}
	r, err := ledger.DecodeRun(record)
	if err == nil {
		r.FirstSeq, r.LastSeq = uint64(*first), uint64(*last)
	}
	return r, err
}
