package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"

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
		if last && t.Bucket(blobsBucket).Get([]byte(u.digest)) != nil {
			return t.removeUpload(u.number) // it was there
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
		record, err := ledger.Encode(blob{number, u.size + int64(len(part))})
		if err != nil {
			return err
		}
		if err := t.Bucket(uploadsBucket).Delete(seqKey(number)); err != nil {
			return err
		}
		return t.Bucket(blobsBucket).Put([]byte(u.digest), record)
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
	t.wrote = true
	b := t.Bucket(chunksBucket)
	var keys [][]byte
	c := b.Cursor()
	for key, _ := c.Seek(seqKey(number)); bytes.HasPrefix(key, seqKey(number)); key, _ = c.Next() {
		keys = append(keys, key)
	}
	for _, key := range keys {
		if err := b.Delete(key); err != nil {
			return err
		}
	}
	return t.Bucket(uploadsBucket).Delete(seqKey(number))
}

// removeUploads removes what processes that died had begun.
func removeUploads(inner *bbolt.Tx) error {
	t := &tx{Tx: inner}
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
		data := t.Bucket(blobsBucket).Get([]byte(digest))
		if data == nil {
			return ledger.BlobNotFound(digest)
		}
		b, err := ledger.Decode[blob](data)
		if err != nil {
			return errs.Wrap(err, op, digest)
		}
		r.blob = *b
		return nil
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
