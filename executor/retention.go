package executor

import (
	"context"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
)

// Retention says how much of a deployment's history is kept: its runs with
// their journal entries and the output of their operations. The last run, and one
// that is to be finished, are always kept, and what is known of the nodes does not depend on it. The zero
// value keeps everything.
type Retention struct {
	// Runs is how many runs are kept; 0 for any number.
	Runs int
	// Age is how long a run is kept after its end; 0 for ever.
	Age time.Duration
}

// Prune forgets the history of a deployment that keep does not want. An engine
// with Config.Keep does so by itself at the end of each run.
//
// The error has code Conflict while a run goes on, NotFound, or is that of the store.
func (e *Engine) Prune(ctx context.Context, deployment string, keep Retention) error {
	s, err := e.open(ctx, deployment)
	if err != nil {
		return errs.Wrap(err, "prune", deployment)
	}
	defer s.close(ctx)
	return errs.Wrap(s.prune(ctx, keep), "prune", deployment)
}

// Sweep deletes the archives and plans that no deployment and no run needs any
// more, and that were stored longer than age ago: not less than it takes any
// engine with the same store to begin a run. It returns how many it deleted.
func (e *Engine) Sweep(ctx context.Context, age time.Duration) (removed int, err error) {
	return e.cfg.Store.Sweep(ctx, time.Now().Add(-age))
}

// prune trims the journal up to the last run that is not kept.
func (s *session) prune(ctx context.Context, keep Retention) error {
	if keep == (Retention{}) {
		return nil
	}
	record, err := s.eng.cfg.Store.Deployment(ctx, s.live.id)
	if err != nil {
		return err
	}
	runs, err := s.eng.cfg.Store.Runs(ctx, s.live.id)
	if err != nil {
		return err
	}
	unfinished, err := s.eng.lifecycleRun(ctx, s.live.id, s.last)
	if err != nil {
		return err
	}
	before := uint64(0)
	for i, r := range runs {
		if unfinished != nil && r.ID == unfinished.ID && unfinished.Status != state.RunSucceeded {
			break // it tells what is left to be done
		}
		tooMany := keep.Runs > 0 && len(runs)-i > keep.Runs
		tooOld := keep.Age > 0 && time.Since(r.Ended) > keep.Age
		if r.ID == record.Run || r.Status == state.RunRunning || !tooMany && !tooOld {
			break
		}
		before = r.LastSeq
	}
	if before < record.FirstSeq {
		return nil
	}
	return s.eng.cfg.Store.Trim(ctx, s.live.id, s.lease.current(), before)
}
