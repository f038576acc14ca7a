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
	err   error // why it was lost
}

// acquire takes the lease; Conflict, with the holder's name, if somebody has it.
func (e *Engine) acquire(ctx context.Context, id string) (*keeper, error) {
	lease, err := e.cfg.Store.AcquireLease(ctx, id, e.cfg.Owner, e.cfg.LeaseTTL)
	if err != nil {
		return nil, err
	}
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	k := &keeper{eng: e, lease: lease, lost: make(chan struct{}), stop: stop, done: make(chan struct{})}
	go k.renew(renewing)
	return k, nil
}

// renew keeps the lease alive. A store that does not answer is asked again
// until the lease has expired.
func (k *keeper) renew(ctx context.Context) {
	defer close(k.done)
	tick := time.NewTicker(k.eng.cfg.LeaseTTL / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		lease, err := k.eng.cfg.Store.RenewLease(ctx, k.current(), k.eng.cfg.LeaseTTL)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			k.mu.Lock()
			k.lease = lease
			k.mu.Unlock()
			continue
		}
		code := errs.CodeOf(err)
		if code == errs.FailedPrecondition || code == errs.NotFound || time.Now().After(k.current().Expires) {
			k.mu.Lock()
			k.err = &errs.Error{Code: errs.FailedPrecondition, Op: "keep the lease of", Subject: k.lease.Deployment, Err: err,
				Hint: "another engine may have taken the deployment over"}
			k.mu.Unlock()
			add(ctx, k.eng.telemetry.leasesLost)
			close(k.lost)
			return
		}
		k.eng.cfg.Logger.Warn("cannot renew the lease", "deployment", k.current().Deployment, "error", err)
	}
}

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
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := k.eng.cfg.Store.ReleaseLease(ctx, k.current()); err != nil {
		k.eng.cfg.Logger.Warn("cannot release the lease", "deployment", k.current().Deployment, "error", err)
	}
}
