package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/internal/ledger"
)

// expiry is a lease's new end: $2 nanoseconds from now, or the end of time as
// the tables can hold it.
const expiry = "{now} + least($2::bigint, 9223372036854775807 - {now})"

// AcquireLease implements state.Store. The server's clock says when a lease
// ends; the clocks of the engines do not matter.
func (s *Store) AcquireLease(ctx context.Context, id, owner string, ttl time.Duration) (state.Lease, error) {
	const op = "acquire lease of"
	if err := ledger.CheckAcquire(id, owner, ttl); err != nil {
		return state.Lease{}, err
	}
	if err := s.usable(ctx, op, id); err != nil {
		return state.Lease{}, err
	}
	for {
		lease, err := s.setLease(ctx, `
			UPDATE {}.deployments SET lease_token = nextval('{}.numbers'), lease_owner = $4, lease_expires = `+expiry+`
			WHERE id = $3 AND (lease_token IS NULL OR lease_expires <= {now})
			RETURNING lease_token, lease_expires`, id, owner, ttl)
		if !errors.Is(err, pgx.ErrNoRows) {
			return lease, s.failure(ctx, err, op, id)
		}
		h, err := s.head(ctx, op, id)
		if err != nil {
			return state.Lease{}, err
		}
		if _, err := h.lease.Acquire(id, owner, 0, ttl, timeOf(h.now)); err != nil {
			return state.Lease{}, err
		}
		// It became free only now.
	}
}

// RenewLease implements state.Store.
func (s *Store) RenewLease(ctx context.Context, held state.Lease, ttl time.Duration) (state.Lease, error) {
	const op = "renew lease of"
	id := held.Deployment
	// Nobody's lease makes the arguments' faults known, and is never renewed.
	_, refused := (*ledger.Lease)(nil).Renew(held, ttl, time.Time{})
	if errs.CodeOf(refused) == errs.InvalidArgument || !state.ValidID(id) {
		return state.Lease{}, refused
	}
	if err := s.usable(ctx, op, id); err != nil {
		return state.Lease{}, err
	}
	for {
		lease, err := s.setLease(ctx, `
			UPDATE {}.deployments SET lease_expires = `+expiry+`
			WHERE id = $3 AND lease_owner = $4 AND lease_token = $5 AND lease_expires > {now}
			RETURNING lease_token, lease_expires`, id, held.Owner, ttl, int64(held.Token))
		if !errors.Is(err, pgx.ErrNoRows) {
			return lease, s.failure(ctx, err, op, id)
		}
		h, err := s.head(ctx, op, id)
		if errs.CodeOf(err) == errs.NotFound {
			return state.Lease{}, refused
		}
		if err != nil {
			return state.Lease{}, err
		}
		if _, err := h.lease.Renew(held, ttl, timeOf(h.now)); err != nil {
			return state.Lease{}, err
		}
	}
}

// setLease runs a statement that sets a lease. Its parameters are the time,
// the time to live, the deployment, the owner and more.
func (s *Store) setLease(ctx context.Context, statement, id, owner string, ttl time.Duration, more ...any) (state.Lease, error) {
	var token, expires int64
	args := append([]any{s.now(), ttl.Nanoseconds(), id, []byte(owner)}, more...)
	if err := s.pool.QueryRow(ctx, s.sql(statement), args...).Scan(&token, &expires); err != nil {
		return state.Lease{}, err
	}
	return state.Lease{Deployment: id, Owner: owner, Token: uint64(token), Expires: timeOf(expires)}, nil
}

// ReleaseLease implements state.Store.
func (s *Store) ReleaseLease(ctx context.Context, held state.Lease) error {
	const op = "release lease of"
	if err := s.usable(ctx, op, held.Deployment); err != nil {
		return err
	}
	if !state.ValidID(held.Deployment) {
		return nil
	}
	_, err := s.pool.Exec(ctx, s.sql(`
		UPDATE {}.deployments SET lease_token = NULL, lease_owner = NULL, lease_expires = NULL
		WHERE id = $1 AND lease_token = $2 AND lease_owner = $3`),
		held.Deployment, int64(held.Token), []byte(held.Owner))
	return s.failure(ctx, err, op, held.Deployment)
}
