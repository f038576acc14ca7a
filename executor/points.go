package executor

import (
	"context"
	"io"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/failpoint"
	"github.com/seed-a4fd30b5/orchestrator/state"
)

// pointed is the store as the engine uses it: each write has a failpoint in
// front and one behind, so that the kill test ends the process there. The calls
// of drivers have theirs in contained.
type pointed struct{ state.Store }

func (s pointed) CreateDeployment(ctx context.Context, d *state.Deployment) error {
	failpoint.Pass(failpoint.BeforeCreate)
	err := s.Store.CreateDeployment(ctx, d)
	failpoint.Pass(failpoint.AfterCreate)
	return err
}

func (s pointed) DeleteDeployment(ctx context.Context, id string, lease state.Lease) error {
	failpoint.Pass(failpoint.BeforeDelete)
	err := s.Store.DeleteDeployment(ctx, id, lease)
	failpoint.Pass(failpoint.AfterDelete)
	return err
}

func (s pointed) Commit(ctx context.Context, id string, c *state.Commit) (uint64, error) {
	failpoint.Pass(failpoint.BeforeCommit)
	revision, err := s.Store.Commit(ctx, id, c)
	failpoint.Pass(failpoint.AfterCommit)
	return revision, err
}

func (s pointed) PutBlob(ctx context.Context, digest string, content io.Reader) error {
	failpoint.Pass(failpoint.BeforePutBlob)
	err := s.Store.PutBlob(ctx, digest, content)
	failpoint.Pass(failpoint.AfterPutBlob)
	return err
}

func (s pointed) AcquireLease(ctx context.Context, id, owner string, ttl time.Duration) (state.Lease, error) {
	failpoint.Pass(failpoint.BeforeAcquire)
	lease, err := s.Store.AcquireLease(ctx, id, owner, ttl)
	failpoint.Pass(failpoint.AfterAcquire)
	return lease, err
}

func (s pointed) RenewLease(ctx context.Context, lease state.Lease, ttl time.Duration) (state.Lease, error) {
	failpoint.Pass(failpoint.BeforeRenew)
	lease, err := s.Store.RenewLease(ctx, lease, ttl)
	failpoint.Pass(failpoint.AfterRenew)
	return lease, err
}

func (s pointed) ReleaseLease(ctx context.Context, lease state.Lease) error {
	failpoint.Pass(failpoint.BeforeRelease)
	err := s.Store.ReleaseLease(ctx, lease)
	failpoint.Pass(failpoint.AfterRelease)
	return err
}
