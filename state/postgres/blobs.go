package postgres

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state/internal/ledger"
)

const (
	// chunkSize is that of all chunks of a blob but the last.
	chunkSize = 1 << 20
	// partSize is how much of a blob is written in one statement. It is a
	// multiple of chunkSize.
	partSize = 4 * chunkSize
	// sweepPiece is how many blobs are deleted in one transaction.
	sweepPiece = 16
)

// PutBlob implements state.Store. The content is never as a whole in memory,
// and no connection is in use while it is read.
func (s *Store) PutBlob(ctx context.Context, digest string, content io.Reader) error {
	const op = "store blob"
	if err := ledger.CheckBlob(digest, content); err != nil {
		return err
	}
	if err := s.usable(ctx, op, digest); err != nil {
		return err
	}
	u := &upload{s: s, digest: digest}
	if err := u.run(ctx, ledger.Reader(ctx, content)); err != nil {
		s.removeNumber(ctx, u.number)
		return err
	}
	return nil
}

// upload is a blob that is being stored. Its chunks are written under a number
// of its own, and become a blob when all are there and the digest is right.
type upload struct {
	s      *Store
	digest string
	number int64 // 0 before the first part is written
	size   int64
	// present: the blob is there, and the content only has to be checked.
	present bool
}

func (u *upload) run(ctx context.Context, content io.Reader) error {
	var part bytes.Buffer
	d := ledger.NewDigester()
	for {
		part.Reset()
		n, err := io.Copy(&part, io.LimitReader(io.TeeReader(content, d), partSize))
		if err != nil {
			return errs.Wrap(err, "store blob", u.digest)
		}
		if n < partSize {
			if err := d.Check(u.digest); err != nil {
				return err
			}
			return u.finish(ctx, part.Bytes())
		}
		if err := u.write(ctx, part.Bytes()); err != nil {
			return err
		}
	}
}

// write writes a part that is not the last.
func (u *upload) write(ctx context.Context, part []byte) (err error) {
	s := u.s
	if err := s.usable(ctx, "store blob", u.digest); err != nil {
		return err
	}
	if u.number == 0 && !u.present {
		err = s.pool.QueryRow(ctx, s.sql("SELECT EXISTS (SELECT FROM {}.blobs WHERE digest = $1)"), u.digest).Scan(&u.present)
	}
	switch {
	case err != nil:
		return s.failure(ctx, err, "store blob", u.digest)
	case u.present:
		return nil
	case u.number == 0:
		err = s.pool.QueryRow(ctx, s.sql(`
			WITH u AS (
				INSERT INTO {}.unfinished (number, touched) VALUES (nextval('{}.numbers'), {now}) RETURNING number
			), c AS (`+insertChunks+`)
			SELECT number FROM u`), s.now(), chunksOf(part), u.size/chunkSize).Scan(&u.number)
	default:
		err = s.pool.QueryRow(ctx, s.sql(`
			WITH u AS (
				UPDATE {}.unfinished SET touched = {now} WHERE number = $4 RETURNING number
			), c AS (`+insertChunks+`)
			SELECT number FROM u`), s.now(), chunksOf(part), u.size/chunkSize, u.number).Scan(&u.number)
	}
	u.size += int64(len(part))
	return u.failure(ctx, err)
}

// insertChunks inserts the chunks $2 of the number in u, the first as chunk $3.
const insertChunks = `
	INSERT INTO {}.chunks (number, index, content)
	SELECT u.number, $3 + c.nr - 1, c.content FROM u, unnest($2::bytea[]) WITH ORDINALITY AS c (content, nr)`

// finish writes the last part and the blob's record. If the blob is there, it
// gets a new time, and the upload goes.
func (u *upload) finish(ctx context.Context, part []byte) (err error) {
	s := u.s
	if err := s.usable(ctx, "store blob", u.digest); err != nil {
		return err
	}
	size := u.size + int64(len(part))
	switch {
	case u.present:
		err = s.pool.QueryRow(ctx, s.sql(`
			UPDATE {}.blobs SET put = greatest(put, {now}) WHERE digest = $2 RETURNING number`), s.now(), u.digest).Scan(new(int64))
	case u.number == 0:
		err = s.pool.QueryRow(ctx, s.sql("WITH u AS (SELECT nextval('{}.numbers') AS number)"+insertBlob),
			s.now(), chunksOf(part), u.size/chunkSize, u.digest, size).Scan(new(int64))
	default:
		err = s.pool.QueryRow(ctx, s.sql("WITH u AS (DELETE FROM {}.unfinished WHERE number = $6 RETURNING number)"+insertBlob),
			s.now(), chunksOf(part), u.size/chunkSize, u.digest, size, u.number).Scan(new(int64))
	}
	if err == nil {
		u.number = 0
	}
	return u.failure(ctx, err)
}

// insertBlob makes a blob $4 of size $5 of the number in u, its last chunks $2
// from $3 on. If there is such a blob, whose number is another, the chunks go.
const insertBlob = `, b AS (
		INSERT INTO {}.blobs (digest, number, size, put) SELECT $4, u.number, $5, {now} FROM u
		ON CONFLICT (digest) DO UPDATE SET put = greatest({}.blobs.put, excluded.put)
		RETURNING number
	), c AS (` + insertChunks + ` WHERE EXISTS (SELECT FROM b WHERE b.number = u.number)
	), g AS (
		DELETE FROM {}.chunks t USING u, b WHERE t.number = u.number AND b.number <> u.number
	)
	SELECT number FROM b`

func (u *upload) failure(ctx context.Context, err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return errs.New(errs.Unavailable, "store blob", u.digest, "what was stored of it was removed meanwhile; store it again")
	}
	return u.s.failure(ctx, err, "store blob", u.digest)
}

func chunksOf(part []byte) [][]byte {
	chunks := [][]byte{} // not null
	for len(part) > 0 {
		n := min(chunkSize, len(part))
		chunks = append(chunks, part[:n])
		part = part[n:]
	}
	return chunks
}

// Sweep implements state.Store.
func (s *Store) Sweep(ctx context.Context, before time.Time) (removed int, err error) {
	const op = "sweep blobs"
	for {
		if err := s.usable(ctx, op, ""); err != nil {
			return removed, err
		}
		var n int
		if err := s.pool.QueryRow(ctx, s.sql(sweep), nanoseconds(before), sweepPiece).Scan(&n); err != nil {
			return removed, s.failure(ctx, err, op, "")
		}
		removed += n
		if n == 0 {
			return removed, s.failure(ctx, s.removeUnfinished(ctx), op, "")
		}
	}
}

// sweep looks at the time once more when it has the blob's row: it may have
// been put anew.
const sweep = `
	WITH b AS (
		DELETE FROM {}.blobs WHERE put < $1 AND digest IN (
			SELECT digest FROM {}.blobs b WHERE put < $1
				AND NOT EXISTS (SELECT FROM {}.deployments WHERE template = b.digest)
				AND NOT EXISTS (SELECT FROM (SELECT unnest(blobs) AS used FROM {}.runs) r WHERE used = b.digest)
			LIMIT $2)
		RETURNING number
	), c AS (DELETE FROM {}.chunks t USING b WHERE t.number = b.number)
	SELECT count(*) FROM b`

// Blob implements state.Store. No connection is in use between reads.
func (s *Store) Blob(ctx context.Context, digest string) (io.ReadCloser, error) {
	const op = "open blob"
	if err := ledger.CheckDigest(op, digest); err != nil {
		return nil, err
	}
	if err := s.usable(ctx, op, digest); err != nil {
		return nil, err
	}
	r := &blobReader{ctx: ctx, s: s, digest: digest}
	err := s.pool.QueryRow(ctx, s.sql("SELECT number, size FROM {}.blobs WHERE digest = $1"), digest).Scan(&r.number, &r.size)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, ledger.BlobNotFound(digest)
	case err != nil:
		return nil, s.failure(ctx, err, op, digest)
	}
	return r, nil
}

// blobReader reads a blob chunk by chunk.
type blobReader struct {
	ctx          context.Context
	s            *Store
	digest       string
	number, size int64
	at           int64  // how much of the blob was fetched
	chunk        []byte // what was fetched and not yet read
	closed       bool
}

func (r *blobReader) Read(p []byte) (int, error) {
	if r.closed {
		return 0, errs.New(errs.FailedPrecondition, "read blob", r.digest, "it is closed")
	}
	if err := r.s.usable(r.ctx, "read blob", r.digest); err != nil {
		return 0, err
	}
	if len(r.chunk) == 0 {
		if r.at >= r.size {
			return 0, io.EOF
		}
		if err := r.fetch(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.chunk)
	r.chunk = r.chunk[n:]
	return n, nil
}

func (r *blobReader) fetch() error {
	const op = "read blob"
	var chunk []byte
	var there bool
	err := r.s.pool.QueryRow(r.ctx, r.s.sql(`
		SELECT EXISTS (SELECT FROM {}.blobs WHERE digest = $1 AND number = $2),
			(SELECT content FROM {}.chunks WHERE number = $2 AND index = $3)`),
		r.digest, r.number, r.at/chunkSize).Scan(&there, &chunk)
	switch {
	case err != nil:
		return r.s.failure(r.ctx, err, op, r.digest)
	case !there:
		return errs.New(errs.NotFound, op, r.digest, "it was removed while it was read")
	case int64(len(chunk)) != min(chunkSize, r.size-r.at):
		return &errs.Error{Code: errs.Internal, Op: op, Subject: r.digest, Err: errors.New("it is not whole"),
			Hint: "the stored data is damaged; restore it from a backup"}
	}
	r.chunk = chunk
	r.at += int64(len(chunk))
	return nil
}

// Close ends the reading.
func (r *blobReader) Close() error {
	r.closed, r.chunk = true, nil
	return nil
}
