package memory

import (
	"bytes"
	"context"
	"io"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state/internal/ledger"
)

// PutBlob implements state.Store.
func (s *Store) PutBlob(ctx context.Context, digest string, content io.Reader) error {
	const op = "store blob"
	if err := ledger.CheckBlob(digest, content); err != nil {
		return err
	}
	var b bytes.Buffer
	d := ledger.NewDigester()
	if _, err := io.Copy(io.MultiWriter(&b, d), ledger.Reader(ctx, content)); err != nil {
		return errs.Wrap(err, op, digest)
	}
	if err := d.Check(digest); err != nil {
		return err
	}
	unlock, err := s.lock(ctx, op)
	if err != nil {
		return err
	}
	defer unlock()
	s.blobs[digest] = &blob{b.Bytes(), ledger.Now(s.now)}
	return nil
}

// Blob implements state.Store. What is being read stays whole if it is swept.
func (s *Store) Blob(ctx context.Context, digest string) (io.ReadCloser, error) {
	const op = "open blob"
	if err := ledger.CheckDigest(op, digest); err != nil {
		return nil, err
	}
	unlock, err := s.rlock(ctx, op)
	if err != nil {
		return nil, err
	}
	defer unlock()
	b, ok := s.blobs[digest]
	if !ok {
		return nil, ledger.BlobNotFound(digest)
	}
	return io.NopCloser(ledger.Reader(ctx, bytes.NewReader(b.data))), nil
}

// Sweep implements state.Store.
func (s *Store) Sweep(ctx context.Context, before time.Time) (removed int, err error) {
	unlock, err := s.lock(ctx, "sweep blobs")
	if err != nil {
		return 0, err
	}
	defer unlock()
	used := ledger.Used{}
	for _, d := range s.deployments {
		used.Deployment(d.head.Deployment)
		for id := range d.runs {
			r, err := d.run(id)
			if err != nil {
				return 0, err
			}
			used.Run(r)
		}
	}
	for digest, b := range s.blobs {
		if !used[digest] && b.put.Before(before) {
			delete(s.blobs, digest)
			removed++
		}
	}
	return removed, nil
}
