package bolt

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state/internal/ledger"
	"go.etcd.io/bbolt"
)

const (
	// chunkSize is that of all chunks of a blob but the last.
	chunkSize = 1 << 20
	// partSize is how much of a blob is written in one transaction, and so
	// about what a blob takes of memory. It is a multiple of chunkSize.
	partSize = 4 * chunkSize
)

// blob is the record of a complete blob.
type blob struct {
	Number uint64 `json:"number"`
	Size   int64  `json:"size"`
	// Put is when it was put last; zero in files of format 1.
	Put time.Time `json:"put,omitzero"`
}

func chunkKey(number uint64, index int64) []byte {
	return binary.BigEndian.AppendUint32(seqKey(number), uint32(index))
}

// PutBlob implements state.Store. The content is never as a whole in memory,
// and no transaction is open while it is read.
func (s *Store) PutBlob(ctx context.Context, digest string, content io.Reader) error {
	const op = "store blob"
	if err := ledger.CheckBlob(digest, content); err != nil {
		return err
	}
	u := &upload{s: s, digest: digest}
	if err := u.run(ctx, ledger.Reader(ctx, content)); err != nil {
		return errors.Join(errs.Wrap(err, op, digest), u.abandon(ctx))
	}
	return nil
}

// upload is a blob that is being stored. Its chunks are written under a number
// of its own, and become a blob when all are there and the digest is right.
type upload struct {
	s      *Store
	digest string
	number uint64 // 0 before the first part is written
	size   int64
}

func (u *upload) run(ctx context.Context, content io.Reader) error {
	var part bytes.Buffer
	d := ledger.NewDigester()
	for {
		part.Reset()
		n, err := io.Copy(&part, io.LimitReader(io.TeeReader(content, d), partSize))
		if err != nil {
			return err
		}
		last := n < partSize
		if last {
			if err := d.Check(u.digest); err != nil {
				return err
			}
		}
		if err := u.write(ctx, part.Bytes(), last); err != nil || last {
			return err
		}
	}
}

// write writes a part, and the blob's record after the last.
func (u *upload) write(ctx context.Context, part []byte, last bool) error {
	number := u.number
	err := u.s.write(ctx, "store blob", u.digest, func(t *tx) (err error) {
		if last {
			old, err := t.blob(u.digest)
			if err != nil {
				return err
			}
			if old != nil { // it was there
				old.Put = ledger.Now(u.s.now)
				return errors.Join(t.putBlob(u.digest, old), t.removeUpload(u.number))
			}
		}
		t.wrote = true
		if u.number == 0 {
			if number, err = t.number(); err != nil {
				return err
			}
		}
		if err := t.putChunks(number, u.size/chunkSize, part); err != nil {
			return err
		}
		if !last {
			return t.Bucket(uploadsBucket).Put(seqKey(number), nil)
		}
		if err := t.Bucket(uploadsBucket).Delete(seqKey(number)); err != nil {
			return err
		}
		return t.putBlob(u.digest, &blob{number, u.size + int64(len(part)), ledger.Now(u.s.now)})
	})
	if err == nil {
		u.number = number
		u.size += int64(len(part))
	}
	return err
}

// abandon removes what was written, also where ctx is why it ended.
func (u *upload) abandon(ctx context.Context) error {
	if u.number == 0 {
		return nil
	}
	err := u.s.write(context.WithoutCancel(ctx), "store blob", u.digest, func(t *tx) error { return t.removeUpload(u.number) })
	if errs.CodeOf(err) == errs.Unavailable {
		return nil // the store is closed; the next Open does it
	}
	return err
}

// blob returns the record of a blob, nil if there is none.
func (t *tx) blob(digest string) (*blob, error) {
	data := t.Bucket(blobsBucket).Get([]byte(digest))
	if data == nil {
		return nil, nil
	}
	b, err := ledger.Decode[blob](data)
	return b, errs.Wrap(err, "read blob", digest)
}

func (t *tx) putBlob(digest string, b *blob) error {
	t.wrote = true
	data, err := ledger.Encode(b)
	if err != nil {
		return err
	}
	return t.Bucket(blobsBucket).Put([]byte(digest), data)
}

func (t *tx) putChunks(number uint64, index int64, part []byte) error {
	b := t.Bucket(chunksBucket)
	for ; len(part) > 0; index++ {
		n := min(chunkSize, len(part))
		if err := b.Put(chunkKey(number, index), part[:n]); err != nil {
			return err
		}
		part = part[n:]
	}
	return nil
}

// removeUpload removes the chunks of an upload, if it has a number.
func (t *tx) removeUpload(number uint64) error {
	if number == 0 {
		return nil
	}
	if err := t.removeChunks(number); err != nil {
		return err
	}
	return t.Bucket(uploadsBucket).Delete(seqKey(number))
}

func (t *tx) removeChunks(number uint64) error {
	t.wrote = true
	b := t.Bucket(chunksBucket)
	keys := keysWith(b, seqKey(number), -1)
	for _, key := range keys {
		if err := b.Delete(key); err != nil {
			return err
		}
	}
	return nil
}

// keysWith returns the first max keys of a bucket with a prefix, all of them
// if max is negative.
func keysWith(b *bbolt.Bucket, prefix []byte, max int) (keys [][]byte) {
	c := b.Cursor()
	for key, _ := c.Seek(prefix); key != nil && bytes.HasPrefix(key, prefix) && len(keys) != max; key, _ = c.Next() {
		keys = append(keys, bytes.Clone(key))
	}
	return keys
}

// removeAbandoned removes what processes that died had begun.
func removeAbandoned(inner *bbolt.Tx) error {
	t := &tx{Tx: inner}
	if err := t.DeleteBucket(restoresBucket); err != nil {
		return err
	}
	if _, err := t.CreateBucket(restoresBucket); err != nil {
		return err
	}
	var numbers []uint64
	err := t.Bucket(uploadsBucket).ForEach(func(key, _ []byte) error {
		if len(key) != 8 {
			return damaged("an upload has the key %.20x", key)
		}
		numbers = append(numbers, binary.BigEndian.Uint64(key))
		return nil
	})
	for _, n := range numbers {
		if err == nil {
			err = t.removeUpload(n)
		}
	}
	return err
}

// Blob implements state.Store. No transaction is open between reads.
func (s *Store) Blob(ctx context.Context, digest string) (io.ReadCloser, error) {
	const op = "open blob"
	if err := ledger.CheckDigest(op, digest); err != nil {
		return nil, err
	}
	r := &blobReader{ctx: ctx, s: s, digest: digest}
	err := s.view(ctx, op, digest, func(t *tx) error {
		b, err := t.blob(digest)
		if err == nil && b == nil {
			err = ledger.BlobNotFound(digest)
		}
		if err == nil {
			r.blob = *b
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// blobReader reads a blob chunk by chunk.
type blobReader struct {
	ctx    context.Context
	s      *Store
	digest string
	blob   blob
	at     int64  // how much of the blob was fetched
	chunk  []byte // what was fetched and not yet read
	closed bool
}

func (r *blobReader) Read(p []byte) (int, error) {
	if r.closed {
		return 0, errs.New(errs.FailedPrecondition, "read blob", r.digest, "it is closed")
	}
	if err := r.ctx.Err(); err != nil {
		return 0, errs.Wrap(err, "read blob", r.digest)
	}
	if len(r.chunk) == 0 {
		if r.at >= r.blob.Size {
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
	return r.s.view(r.ctx, "read blob", r.digest, func(t *tx) error {
		data := t.Bucket(chunksBucket).Get(chunkKey(r.blob.Number, r.at/chunkSize))
		if int64(len(data)) != min(chunkSize, r.blob.Size-r.at) {
			if b, err := t.blob(r.digest); err != nil || b == nil || b.Number != r.blob.Number {
				return cmp.Or(err, ledger.BlobNotFound(r.digest)) // swept
			}
			return damaged("blob %s is not whole", r.digest)
		}
		r.chunk = bytes.Clone(data)
		r.at += int64(len(data))
		return nil
	})
}

// Close ends the reading.
func (r *blobReader) Close() error {
	r.closed, r.chunk = true, nil
	return nil
}
