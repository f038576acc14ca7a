package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
)

// CheckDigest refuses what is not "sha256:" and 64 lower-case hex digits.
func CheckDigest(op, digest string) error {
	digits, ok := strings.CutPrefix(digest, "sha256:")
	if ok && len(digits) == 64 && strings.Trim(digits, "0123456789abcdef") == "" {
		return nil
	}
	return &errs.Error{Code: errs.InvalidArgument, Op: op, Err: fmt.Errorf("%.100q is not a digest", digest),
		Hint: `write it as "sha256:" and 64 lower-case hex digits`}
}

// CheckBlob refuses a blob without a digest or content.
func CheckBlob(digest string, content io.Reader) error {
	if content == nil {
		return errs.New(errs.InvalidArgument, "store blob", digest, "no content was given")
	}
	return CheckDigest("store blob", digest)
}

// BlobNotFound is the error for a blob that does not exist.
func BlobNotFound(digest string) error {
	return errs.New(errs.NotFound, "open blob", digest, "there is no such blob")
}

// Digester computes the digest of what is written to it.
type Digester struct{ hash.Hash }

// NewDigester returns a Digester of nothing yet.
func NewDigester() Digester { return Digester{sha256.New()} }

// Check refuses content whose digest is another; InvalidArgument.
func (d Digester) Check(digest string) error {
	got := "sha256:" + hex.EncodeToString(d.Sum(nil))
	if got == digest {
		return nil
	}
	return errs.New(errs.InvalidArgument, "store blob", digest, "the content has the digest %s", got)
}

// Reader returns r, ended by ctx's error once ctx has ended.
func Reader(ctx context.Context, r io.Reader) io.Reader { return reads{ctx, r} }

type reads struct {
	ctx context.Context
	r   io.Reader
}

func (r reads) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// Used are the digests of the blobs that something refers to.
type Used map[string]bool

// Deployment adds what a deployment refers to.
func (u Used) Deployment(d *state.Deployment) { u[d.Template] = true }

// Run adds what a run refers to.
func (u Used) Run(r *state.Run) {
	u[r.Plan] = true
	for _, digest := range r.Blobs {
		u[digest] = true
	}
}
