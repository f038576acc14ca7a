package postgres

import (
	"context"
	"errors"
	"iter"
	"math"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/internal/ledger"
)

// Journal implements state.Store.
func (s *Store) Journal(ctx context.Context, id string, after uint64) iter.Seq2[*state.Entry, error] {
	return ledger.Journal(ctx, id, after, s.entries("read journal of", id))
}

// Watch implements state.Store. A watch that has begun outlasts a server that
// is restarted; so do WatchLogs and Signals.
func (s *Store) Watch(ctx context.Context, id string, after uint64) iter.Seq2[*state.Entry, error] {
	return follow(s, ledger.Watch(ctx, id, after, persistent(s, s.entries("watch", id)), s.hub))
}

// Logs implements state.Store.
func (s *Store) Logs(ctx context.Context, id, operation string, after uint64) iter.Seq2[*state.LogChunk, error] {
	return ledger.Logs(ctx, id, after, s.chunks("read logs of", id, operation))
}

// WatchLogs implements state.Store.
func (s *Store) WatchLogs(ctx context.Context, id, operation string, after uint64) iter.Seq2[*state.LogChunk, error] {
	return follow(s, ledger.WatchLogs(ctx, id, after, persistent(s, s.chunks("watch logs of", id, operation)), s.hub))
}

// Signals implements state.Store.
func (s *Store) Signals(ctx context.Context, id string, after uint64) iter.Seq2[*state.Signal, error] {
	read := page(s, "read signals of", id, "signals", "", func(seq uint64, at time.Time, record []byte) (*state.Signal, error) {
		signal, err := ledger.Decode[state.Signal](record)
		if err == nil {
			signal.Seq, signal.Time = seq, orElse(signal.Time, at)
		}
		return signal, err
	})
	return follow(s, ledger.Signals(ctx, id, after, persistent(s, read), s.hub))
}

func (s *Store) entries(op, id string) ledger.ReadPage[state.Entry] {
	return page(s, op, id, "journal", "", func(seq uint64, at time.Time, record []byte) (*state.Entry, error) {
		e, err := ledger.DecodeEntry(seq, record)
		if err == nil {
			e.Time = orElse(e.Time, at)
		}
		return e, err
	})
}

func (s *Store) chunks(op, id, operation string) ledger.ReadPage[state.LogChunk] {
	return page(s, op, id, "logs", operation, func(seq uint64, at time.Time, record []byte) (*state.LogChunk, error) {
		c, err := ledger.DecodeLog(seq, record)
		if err == nil {
			c.Time = orElse(c.Time, at)
		}
		return c, err
	})
}

func orElse(t, at time.Time) time.Time {
	if t.IsZero() {
		return at
	}
	return t
}

// pageStatement reads a page and what the deployment's row says of the stream,
// in one statement, so that both are of one moment. The server ends the page
// after $4 bytes.
const pageStatement = `
	SELECT d.number, d.first_seq, d.last_seq, d.last_log, d.last_signal, p.seq, p.committed, p.record
	FROM {}.deployments d LEFT JOIN LATERAL (
		SELECT seq, committed, record, sum(length(record)) OVER (ORDER BY seq) - length(record) AS bytes
		FROM {}.TABLE WHERE deployment = d.number AND seq > $2 CONDITION ORDER BY seq LIMIT $3
	) p ON p.bytes < $4
	WHERE d.id = $1 ORDER BY p.seq`

// page reads a stream from a table; of the logs, those of one operation unless
// it is empty.
func page[T any](s *Store, op, id, table, operation string, decode func(seq uint64, at time.Time, record []byte) (*T, error)) ledger.ReadPage[T] {
	condition := ""
	var more []any
	if operation != "" {
		condition, more = "AND operation = $5", []any{operation}
	}
	statement := s.sql(strings.NewReplacer("TABLE", table, "CONDITION", condition).Replace(pageStatement))
	return func(ctx context.Context, after uint64) (p ledger.Page[T], err error) {
		if err := s.usable(ctx, op, id); err != nil {
			return p, err
		}
		rows, err := s.pool.Query(ctx, statement, append([]any{id, int64(min(after, math.MaxInt64)), ledger.PageSize, ledger.PageBytes}, more...)...)
		if err != nil {
			return p, s.failure(ctx, err, op, id)
		}
		var number, firstSeq, lastSeq, lastLog, lastSignal int64
		var seq, committed *int64
		var record pgtype.DriverBytes
		size := 0
		tag, err := pgx.ForEachRow(rows, []any{&number, &firstSeq, &lastSeq, &lastLog, &lastSignal, &seq, &committed, &record}, func() error {
			if seq == nil || committed == nil {
				return nil // the page is empty
			}
			v, err := decode(uint64(*seq), timeOf(*committed), record)
			if err == nil {
				p.Add(v, len(record), &size)
			}
			return err
		})
		if err == nil && tag.RowsAffected() == 0 {
			err = ledger.NotFound(op, id)
		}
		p.Incarnation = uint64(number)
		switch table {
		case "journal":
			p.First, p.Last = uint64(firstSeq), uint64(lastSeq)
		case "logs":
			p.Last = uint64(lastLog)
		case "signals":
			p.Last = uint64(lastSignal)
		}
		return p, s.failure(ctx, err, op, id)
	}
}

// follow has the store look for what others write from the loop's start on.
func follow[T any](s *Store, seq iter.Seq2[*T, error]) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		s.watch()
		seq(yield)
	}
}

// persistent returns a read that, once it has worked, goes on trying while the
// database does not answer.
func persistent[T any](s *Store, read ledger.ReadPage[T]) ledger.ReadPage[T] {
	begun := false
	return func(ctx context.Context, after uint64) (ledger.Page[T], error) {
		for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
			p, err := read(ctx, after)
			if !begun || errs.CodeOf(err) != errs.Unavailable {
				begun = begun || err == nil
				return p, err
			}
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return p, err
			case <-s.ctx.Done():
				return p, ledger.Closed("watch")
			}
		}
	}
}

// Signal implements state.Store.
func (s *Store) Signal(ctx context.Context, id string, signal *state.Signal) error {
	const op = "leave signal for"
	// One without a time gets that of its storing when it is read.
	signal, err := ledger.NewSignal(id, signal, time.Time{})
	if err != nil {
		return err
	}
	err = s.locked(ctx, op, id, func(tx pgx.Tx, h *head) error {
		run, err := s.readRun(ctx, tx, id, signal.Run)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		next, record, err := h.AddSignal(signal, run)
		if err != nil {
			return err
		}
		var batch pgx.Batch
		batch.Queue(s.sql("UPDATE {}.deployments SET last_signal = $2 WHERE id = $1"), id, int64(next.LastSignal))
		batch.Queue(s.sql("INSERT INTO {}.signals (deployment, seq, committed, run, record) VALUES ($2, $3, {now}, $4, $5)"),
			s.now(), int64(h.Incarnation), int64(next.LastSignal), signal.Run, record)
		return tx.SendBatch(ctx, &batch).Close()
	})
	if err == nil {
		s.changed(id)
	}
	return err
}
