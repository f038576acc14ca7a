package ledger

import (
	"fmt"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
)

// Lease is the record of a deployment's lease; nil where there is none.
type Lease struct {
	Owner   string    `json:"owner"`
	Token   uint64    `json:"token"`
	Expires time.Time `json:"expires"`
}

// Of returns the lease as its holder has it.
func (l *Lease) Of(deployment string) state.Lease {
	return state.Lease{Deployment: deployment, Owner: l.Owner, Token: l.Token, Expires: l.Expires}
}

// Is reports whether held is this lease, expired or not.
func (l *Lease) Is(deployment string, held state.Lease) bool {
	return l != nil && held.Deployment == deployment && held.Token == l.Token && held.Owner == l.Owner
}

func (l *Lease) valid(now time.Time) bool { return l != nil && now.Before(l.Expires) }

// CheckHeld refuses a lease that is not l, or has expired; FailedPrecondition.
// The time that counts is the store's, not that in held.
func (l *Lease) CheckHeld(op, deployment string, held state.Lease, now time.Time) error {
	refused := func(format string, args ...any) error {
		return &errs.Error{Code: errs.FailedPrecondition, Op: op, Subject: deployment,
			Err:  fmt.Errorf(format, args...),
			Hint: "acquire the lease again and read the deployment anew before going on"}
	}
	switch {
	case held.Token == 0:
		return refused("no lease was given")
	case held.Deployment != deployment:
		return refused("the lease is for deployment %.140q", held.Deployment)
	case l.Is(deployment, held) && !l.valid(now):
		return refused("the lease expired at %s", l.Expires.Format(time.RFC3339))
	case l.Is(deployment, held):
		return nil
	case l.valid(now):
		return refused("the lease was lost to %q", l.Owner)
	}
	return refused("the lease was released or lost")
}

// CheckAcquire refuses the arguments of AcquireLease that can never do.
func CheckAcquire(deployment, owner string, ttl time.Duration) error {
	const op = "acquire lease of"
	if err := CheckID(op, deployment); err != nil {
		return err
	}
	if owner == "" {
		return errs.New(errs.InvalidArgument, op, deployment, "no owner was given")
	}
	return checkTTL(op, deployment, ttl)
}

func checkTTL(op, deployment string, ttl time.Duration) error {
	if ttl <= 0 {
		return errs.New(errs.InvalidArgument, op, deployment, "the time to live is %s, and must be more than 0", ttl)
	}
	return nil
}

// Acquire returns the lease that follows l; Conflict while l is valid.
func (l *Lease) Acquire(deployment, owner string, token uint64, ttl time.Duration, now time.Time) (*Lease, error) {
	if l.valid(now) {
		return nil, &errs.Error{Code: errs.Conflict, Op: "acquire lease of", Subject: deployment,
			Err:  fmt.Errorf("it is held by %q until %s", l.Owner, l.Expires.Format(time.RFC3339)),
			Hint: "wait until that run has ended; if its process died, the lease ends by itself"}
	}
	return &Lease{Owner: owner, Token: token, Expires: now.Add(ttl)}, nil
}

// Renew returns l with a new expiry; FailedPrecondition if held was lost.
func (l *Lease) Renew(held state.Lease, ttl time.Duration, now time.Time) (*Lease, error) {
	const op = "renew lease of"
	if err := checkTTL(op, held.Deployment, ttl); err != nil {
		return nil, err
	}
	if err := l.CheckHeld(op, held.Deployment, held, now); err != nil {
		return nil, err
	}
	return &Lease{Owner: l.Owner, Token: l.Token, Expires: now.Add(ttl)}, nil
}
