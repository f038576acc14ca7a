package postgres

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/internal/ledger"
)

// maxCommit is how many bytes of records a commit may have. The server takes a
// little more than twice as much in one message.
const maxCommit = 400 << 20

// attempt is a commit of which it is not known whether it happened. It is
// recognised by what it would write, and the row by the mark it would leave.
type attempt struct {
	sum  [sha256.Size]byte
	mark []byte
}

// Commit implements state.Store. It takes one round trip.
//
// Unavailable and Canceled leave open whether it happened, where the connection
// broke in the middle. To find out, commit the same once more: if it had
// happened, that returns its revision, not Conflict, as long as no other commit
// came after it.
func (s *Store) Commit(ctx context.Context, id string, c *state.Commit) (uint64, error) {
	const op = "commit to"
	// Records without a time get that of the commit when they are read.
	batch, err := ledger.Prepare(id, c, time.Time{})
	if err != nil {
		return 0, err
	}
	if err := ledger.CheckID(op, id); err != nil {
		return 0, err
	}
	if err := s.usable(ctx, op, id); err != nil {
		return 0, err
	}
	w, err := newCommitWrite(batch)
	if err != nil {
		return 0, errs.Wrap(err, op, id)
	}
	mark := s.markOf(id, w)
	for {
		revision, err := s.tryCommit(ctx, id, append([]any{s.now(), id, mark}, w.args...))
		switch {
		case err == nil:
			s.settle(id)
			s.changed(id)
			return revision, nil
		case !errors.Is(err, pgx.ErrNoRows):
			s.doubt(id, w, mark)
			return 0, s.failure(ctx, err, op, id)
		}
		// It was refused, or has happened before. The rules say why.
		h, err := s.head(ctx, op, id)
		if err != nil {
			return 0, err
		}
		_, base := batch.Conditions()
		if bytes.Equal(h.lastCommit, mark) && h.Deployment.Revision == base+1 {
			s.settle(id)
			s.changed(id)
			return h.Deployment.Revision, nil
		}
		if _, err := batch.Apply(&h.Head, h.lease, timeOf(h.now)); err != nil {
			s.settle(id)
			return 0, err
		}
		// Only now did it become what the commit expects.
	}
}

// tryCommit is one transaction, and one message to the server.
func (s *Store) tryCommit(ctx context.Context, id string, args []any) (uint64, error) {
	var batch pgx.Batch
	batch.Queue(s.sql(lockDeployment), id)
	batch.Queue(s.sql(commitStatement), args...)
	results := s.pool.SendBatch(ctx, &batch)
	var revision int64
	_, err := results.Exec()
	if err == nil {
		err = results.QueryRow().Scan(&revision)
	}
	return uint64(revision), cmp.Or(results.Close(), err)
}

// commitStatement writes a whole commit, if the deployment is at its revision
// and the lease is held; else nothing, and it returns no row.
const commitStatement = `
	WITH d AS (
		UPDATE {}.deployments SET
			revision = revision + 1,
			last_seq = last_seq + cardinality($12::bytea[]),
			last_log = last_log + cardinality($15::bytea[]),
			updated = {now},
			last_commit = $3,
			record = coalesce($7, record),
			template = CASE WHEN $7 IS NULL THEN template ELSE $8 END
		WHERE id = $2 AND revision = $4 AND lease_token = $5 AND lease_owner = $6 AND lease_expires > {now}
		RETURNING number, revision, last_seq, last_log, updated
	), gone AS (
		DELETE FROM {}.instances i USING d WHERE i.deployment = d.number AND i.id = ANY ($9::text[])
	), put AS (
		INSERT INTO {}.instances (deployment, id, record)
		SELECT d.number, p.id, p.record FROM d, unnest($10::text[], $11::bytea[]) AS p (id, record)
		ON CONFLICT (deployment, id) DO UPDATE SET record = excluded.record
	), wrote AS (
		INSERT INTO {}.journal (deployment, seq, committed, record)
		SELECT d.number, d.last_seq - cardinality($12::bytea[]) + e.nr, d.updated, e.record
		FROM d, unnest($12::bytea[]) WITH ORDINALITY AS e (record, nr)
	), said AS (
		INSERT INTO {}.logs (deployment, seq, committed, run, operation, record)
		SELECT d.number, d.last_log - cardinality($15::bytea[]) + l.nr, d.updated, l.run, l.operation, l.record
		FROM d, unnest($13::text[], $14::text[], $15::bytea[]) WITH ORDINALITY AS l (run, operation, record, nr)
	), ran AS (
		INSERT INTO {}.runs (deployment, id, first_seq, last_seq, ended, blobs, record)
		SELECT d.number, $16::text, d.last_seq - cardinality($12::bytea[]) + 1, CASE WHEN $17 THEN d.last_seq ELSE 0 END, $17, $18::text[], $19::bytea
		FROM d WHERE $16::text IS NOT NULL
		ON CONFLICT (deployment, id) DO UPDATE SET
			last_seq = excluded.last_seq, ended = excluded.ended, blobs = excluded.blobs, record = excluded.record
	), heard AS (
		DELETE FROM {}.signals s USING d WHERE $17 AND s.deployment = d.number AND s.run = $16::text
	)
	SELECT revision FROM d`

// commitWrite is what a commit writes: the arguments of commitStatement from
// $4 on.
type commitWrite struct {
	args []any
	// sum tells it from others.
	sum func() [sha256.Size]byte
}

func newCommitWrite(b *ledger.Batch) (*commitWrite, error) {
	lease, revision := b.Conditions()
	token := int64(lease.Token)
	if lease.Deployment != b.ID {
		token = 0 // which is no lease's
	}
	gone, ids := toDelete(b), make([]string, len(b.Put))
	instances, logs := make([][]byte, len(b.Put)), make([][]byte, len(b.Logs))
	runs, operations := make([]string, len(b.Logs)), make([]string, len(b.Logs))
	for i, r := range b.Put {
		ids[i], instances[i] = r.ID, r.Data
	}
	for i, l := range b.Logs {
		runs[i], operations[i], logs[i] = l.Run, l.Operation, l.Data
	}
	deployment, template, err := encodeReplacement(b.Deployment())
	if err != nil {
		return nil, err
	}
	run, runID, blobs, err := encodeRun(b.Run)
	if err != nil {
		return nil, err
	}
	w := &commitWrite{
		args: []any{int64(revision), token, []byte(lease.Owner), deployment, template, gone, ids, instances,
			b.Entries, runs, operations, logs, runID, b.Ends(), blobs, run},
		sum: func() [sha256.Size]byte {
			h := sha256.New()
			addNumbers(h, revision, lease.Token)
			add(h, []byte(lease.Owner), deployment, run)
			for _, texts := range [][]string{gone, ids, runs, operations} {
				addStrings(h, texts)
			}
			for _, records := range [][][]byte{instances, b.Entries, logs} {
				add(h, records...)
			}
			return [sha256.Size]byte(h.Sum(nil))
		},
	}
	if sizeOf(instances)+sizeOf(b.Entries)+sizeOf(logs)+len(deployment)+len(run) > maxCommit {
		return nil, &errs.Error{Code: errs.InvalidArgument, Err: errTooLarge, Hint: "make several commits of it"}
	}
	return w, nil
}

// encodeReplacement encodes what replaces a deployment's record, nil if it stays.
func encodeReplacement(d *state.Deployment) (record []byte, template *string, err error) {
	if d == nil {
		return nil, nil, nil
	}
	record, err = encodeDeployment(d)
	return record, digestOrNil(d.Template), err
}

// encodeRun returns what is stored of a run, nil and empty if there is none:
// its numbers are in columns of their own.
func encodeRun(r *state.Run) (record []byte, id *string, blobs []string, err error) {
	blobs = []string{} // not null
	if r == nil {
		return nil, nil, blobs, nil
	}
	for _, digest := range append([]string{r.Plan}, r.Blobs...) {
		if digestOrNil(digest) != nil {
			blobs = append(blobs, digest)
		}
	}
	n := *r
	n.FirstSeq, n.LastSeq = 0, 0
	record, err = ledger.Encode(&n)
	return record, &n.ID, blobs, err
}

func sizeOf(records [][]byte) (n int) {
	for _, r := range records {
		n += len(r)
	}
	return n
}

var errTooLarge = errors.New("a commit may have 400 MiB of records")

// toDelete returns the IDs that are to be deleted and not put again, without
// what can be no instance's: text may not hold everything.
func toDelete(b *ledger.Batch) []string {
	ids := make([]string, 0, len(b.Delete))
	for _, id := range b.Delete {
		_, again := slices.BinarySearchFunc(b.Put, id, func(r ledger.Record, id string) int { return cmp.Compare(r.ID, id) })
		if !again && utf8.ValidString(id) && !strings.ContainsRune(id, 0) {
			ids = append(ids, id)
		}
	}
	return ids
}

func addNumbers(h hash.Hash, numbers ...uint64) {
	for _, n := range numbers {
		_ = binary.Write(h, binary.BigEndian, n)
	}
}

func addStrings(h hash.Hash, texts []string) {
	addNumbers(h, uint64(len(texts)))
	for _, text := range texts {
		add(h, []byte(text))
	}
}

func add(h hash.Hash, parts ...[]byte) {
	addNumbers(h, uint64(len(parts)))
	for _, p := range parts {
		addNumbers(h, uint64(len(p)))
		_, _ = h.Write(p)
	}
}

// markOf returns the mark that a commit leaves: that of the attempt that it
// repeats, or a new one.
func (s *Store) markOf(id string, w *commitWrite) []byte {
	s.mu.Lock()
	a, ok := s.uncertain[id]
	s.mu.Unlock()
	if ok && a.sum == w.sum() {
		return a.mark
	}
	mark := make([]byte, 16)
	_, _ = rand.Read(mark) // never fails
	return mark
}

// doubt notes a commit that may have happened; the last of each deployment.
func (s *Store) doubt(id string, w *commitWrite, mark []byte) {
	a := attempt{w.sum(), mark}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.uncertain[id] = a
}

// settle forgets the doubt: the revision has moved on, or will not be taken.
func (s *Store) settle(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.uncertain, id)
}
