package executor

import (
	"context"
	"sync"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
)

// keeper holds the lease of a deployment and renews it until it is released.
type keeper struct {
	eng  *Engine
	lost chan struct{} // closed when the lease is lost
	stop context.CancelFunc
	done chan struct{}

	mu    sync.Mutex
	lease state.Lease
	// until is when the lease ends by this process' own clock, if it is not
	// renewed: that of the store may differ, and either may be set.
	until time.Time
	err   error // why it was lost
}

// acquire takes the lease; Conflict, with the holder's name, if somebody has it.
func (e *Engine) acquire(ctx context.Context, id string) (*keeper, error) {
	asked := time.Now()
	lease, err := e.cfg.Store.AcquireLease(ctx, id, e.cfg.Owner, e.cfg.LeaseTTL)
	if err != nil {
		return nil, err
	}
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	k := &keeper{eng: e, lease: lease, until: asked.Add(e.cfg.LeaseTTL), lost: make(chan struct{}), stop: stop, done: make(chan struct{})}
	go k.renew(renewing)
	return k, nil
}

// renew keeps the lease alive. A store that does not answer, or answers with
// errors, is asked again until the lease has expired.
func (k *keeper) renew(ctx context.Context) {
	defer close(k.done)
	ttl := k.eng.cfg.LeaseTTL
	next := time.NewTimer(ttl / 3)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
		err := k.renewOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			next.Reset(ttl / 3)
			continue
		}
		code := errs.CodeOf(err)
		if code == errs.FailedPrecondition || code == errs.NotFound || k.expired() {
			err = k.wasLost(err)
			k.mu.Lock()
			k.err = err
			k.mu.Unlock()
			add(ctx, k.eng.telemetry.leasesLost)
			close(k.lost)
			return
		}
		k.eng.cfg.Logger.Warn("cannot renew the lease", "deployment", k.current().Deployment, "error", err)
		next.Reset(ttl / 30) // a store that is back for a moment is enough
	}
}

// renewOnce asks the store to renew the lease, and waits no longer than it lasts,
// but for a moment: where it is over, since this process was stopped for a while,
// the store says who has the deployment now.
func (k *keeper) renewOnce(ctx context.Context) error {
	ttl, asked, end := k.eng.cfg.LeaseTTL, time.Now(), k.end()
	if least := asked.Add(time.Second); end.Before(least) {
		end = least
	}
	ctx, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	lease, err := k.eng.cfg.Store.RenewLease(ctx, k.current(), ttl)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lease, k.until = lease, asked.Add(ttl)
	return nil
}

// hold makes sure that the lease is held. That costs nothing, but in a process
// that was stopped for so long that another engine may have the lease.
func (k *keeper) hold(ctx context.Context) error {
	if !k.expired() {
		return nil
	}
	if err := k.renewOnce(ctx); err != nil {
		return k.wasLost(err)
	}
	return nil
}

func (k *keeper) wasLost(err error) error {
	return &errs.Error{Code: errs.FailedPrecondition, Op: "keep the lease of", Subject: k.current().Deployment, Err: err,
		Hint: "another engine may have taken the deployment over"}
}

// end is when the lease ends if it is not renewed.
func (k *keeper) end() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.until
}

// expired tells that another engine may have the lease by now.
func (k *keeper) expired() bool { return !time.Now().Before(k.end()) }

func (k *keeper) current() state.Lease {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lease
}

func (k *keeper) reason() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}

// release stops renewing and gives the lease back.
func (k *keeper) release(ctx context.Context) {
	k.stop()
	<-k.done
	k.mu.Lock()
	k.until = time.Time{}
	k.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := k.eng.cfg.Store.ReleaseLease(ctx, k.current()); err != nil {
		k.eng.cfg.Logger.Warn("cannot release the lease", "deployment", k.current().Deployment, "error", err)
	}
}
