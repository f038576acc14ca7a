package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/seed-a4fd30b5/orchestrator/state"
)

const (
	// trimPiece is how many records are removed in one transaction, so that a
	// long journal does not hold up commits.
	trimPiece = 5000
	// unfinishedTime is how long after its last part what is not complete counts
	// as given up: the process that made it may have died.
	unfinishedTime = time.Hour
)

// Trim implements state.Store.
func (s *Store) Trim(ctx context.Context, id string, held state.Lease, before uint64) error {
	const op = "trim journal of"
	for more := true; more; {
		err := s.locked(ctx, op, id, func(tx pgx.Tx, h *head) (err error) {
			if err := h.lease.CheckHeld(op, id, held, timeOf(h.now)); err != nil {
				return err
			}
			more, err = s.trim(ctx, tx, h, before)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// trim removes a piece, and reports whether there is more.
func (s *Store) trim(ctx context.Context, tx pgx.Tx, h *head, before uint64) (more bool, err error) {
	number := int64(h.Incarnation)
	next := h.Trim(min(before, h.Deployment.FirstSeq-1+trimPiece))
	first := int64(next.Deployment.FirstSeq)
	if next != &h.Head {
		var batch pgx.Batch
		batch.Queue(s.sql("DELETE FROM {}.journal WHERE deployment = $1 AND seq < $2"), number, first)
		batch.Queue(s.sql("UPDATE {}.deployments SET first_seq = $2 WHERE id = $1"), h.Deployment.ID, first)
		if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
			return false, err
		}
	}
	if next.Trim(before) != next {
		return true, nil
	}
	// The condition is that of ledger.Head.Trimmed.
	const trimmed = "deployment = $1 AND ended AND last_seq < $2 AND id <> $3"
	run := h.Deployment.Run
	if !state.ValidID(run) {
		run = "" // no run's; text may not hold everything
	}
	tag, err := tx.Exec(ctx, s.sql(`
		DELETE FROM {}.logs WHERE deployment = $1 AND seq IN (
			SELECT seq FROM {}.logs WHERE deployment = $1 AND run IN (SELECT id FROM {}.runs WHERE `+trimmed+`) LIMIT $4)`),
		number, first, run, trimPiece)
	if err != nil || tag.RowsAffected() == trimPiece {
		return err == nil, err
	}
	_, err = tx.Exec(ctx, s.sql("DELETE FROM {}.runs WHERE "+trimmed), number, first, run)
	return false, err
}

// removeUnfinished removes what was begun and given up.
func (s *Store) removeUnfinished(ctx context.Context) error {
	_, err := s.pool.Exec(ctx, s.sql("WITH u AS (DELETE FROM {}.unfinished WHERE touched < {now} - $2::bigint RETURNING number)"+removeParts),
		s.now(), unfinishedTime.Nanoseconds())
	return err
}

// removeNumber removes what is being written under a number. Where that fails,
// a later removeUnfinished does it.
func (s *Store) removeNumber(ctx context.Context, number int64) {
	if number == 0 || s.closed.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTime)
	defer cancel()
	_, _ = s.pool.Exec(ctx, s.sql("WITH u AS (DELETE FROM {}.unfinished WHERE number = $1 RETURNING number)"+removeParts), number)
}

// removeParts removes what was written under the numbers in u.
var removeParts = func() string {
	statement := ""
	for _, table := range parts {
		statement += ", " + table + " AS (DELETE FROM {}." + table + " t USING u WHERE t.deployment = u.number)"
	}
	return statement + " DELETE FROM {}.chunks t USING u WHERE t.number = u.number"
}()
