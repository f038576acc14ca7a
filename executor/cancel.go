package executor

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
)

// CauseCanceled is the Cause of steps that were not reached because their run
// was cancelled.
const CauseCanceled = "canceled"

// Cancel asks for the end of a run, whichever engine it goes on in; an empty
// run means the one that goes on now. The operations that run are cancelled in
// the outside world, the rest is skipped, and the run ends as RunCanceled; Resume
// goes on with it. Cancel returns when the run has been told, not when it has
// ended.
//
// A run that no engine works on, since its process ended, is ended by this one,
// which needs the same drivers for it: then it has ended when Cancel returns. The
// error has code FailedPrecondition where operations may go on all the same.
// One whose lease goes on for a while ends as soon as somebody resumes it.
//
// That a run is being cancelled is journaled before anything is stopped
// (CancelAsked), for the end of a context too. Where the process ends in the
// middle of it, the next Resume, Cancel or other call for the deployment does
// not go on with the run but stops what is left of it and records its end; that
// Resume returns an error of code Canceled, and the one after it goes on.
//
// The error has code NotFound for an unknown deployment or run, and
// FailedPrecondition where no run goes on.
func (e *Engine) Cancel(ctx context.Context, deployment, run string) error {
	run, err := e.goingOn(ctx, deployment, run)
	if err != nil {
		return errs.Wrap(err, "cancel", deployment)
	}
	if r := e.runHere(deployment, run); r != nil {
		r.ask(e.cfg.Owner)
		return nil
	}
	s, err := e.open(ctx, deployment)
	if errs.CodeOf(err) == errs.Conflict {
		err = e.cfg.Store.Signal(ctx, deployment, &state.Signal{Kind: state.SignalCancel, Run: run, From: e.cfg.Owner})
		return errs.Wrap(err, "cancel", deployment)
	}
	if err != nil {
		return errs.Wrap(err, "cancel", deployment)
	}
	defer s.close(ctx)
	return errs.Wrap(s.end(ctx, run), "cancel", deployment)
}

// goingOn finds the run that is meant, and is an error if it does not go on.
func (e *Engine) goingOn(ctx context.Context, deployment, run string) (string, error) {
	if run == "" {
		record, err := e.cfg.Store.Deployment(ctx, deployment)
		if err != nil {
			return "", err
		}
		if run = record.Run; run == "" {
			return "", errs.New(errs.FailedPrecondition, "cancel a run of", deployment, "there was none yet")
		}
	}
	record, err := e.cfg.Store.Run(ctx, deployment, run)
	if err != nil {
		return "", err
	}
	return run, stillRuns(record)
}

// stillRuns is an error if the run has ended.
func stillRuns(r *state.Run) error {
	if r.Status == state.RunRunning {
		return nil
	}
	return errs.New(errs.FailedPrecondition, "cancel", r.ID, "the %s has ended already: %s", r.Kind, r.Status)
}

// end ends a run that was interrupted.
func (s *session) end(ctx context.Context, run string) error {
	if s.last == nil || s.last.ID != run {
		return errs.New(errs.FailedPrecondition, "cancel", run, "it has ended, and another run came after it")
	}
	if err := stillRuns(s.last); err != nil {
		return err
	}
	if err := s.eng.load(ctx, s.live, s.last, nil); err != nil {
		return err
	}
	return s.settle(ctx, canceledBy(s.eng.cfg.Owner), false)
}

// signalMark is the kind of a signal that a resumed run leaves for itself: what
// was asked for before it has been read when it comes back.
const signalMark = "mark"

// unfinishedCancel tells whether the run that is resumed was being cancelled, or
// was to be, when its process ended: then the context is cancelled because of
// that. told is whether the journal has it.
func (s *session) unfinishedCancel(ctx context.Context, h *history) (_ context.Context, told bool, err error) {
	why := h.canceled
	if why == "" && ctx.Err() == nil && s.last.Status == state.RunRunning {
		if why, err = s.askedToCancel(ctx); err != nil {
			return nil, false, err
		}
	}
	if why == "" {
		return ctx, false, nil
	}
	canceled, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	cancel(errors.New(why))
	return canceled, h.canceled != "", nil
}

// askedToCancel reads what was asked of the last run while nobody listened.
func (s *session) askedToCancel(ctx context.Context) (why string, err error) {
	id, run, store := s.live.id, s.last.ID, s.eng.cfg.Store
	mark := &state.Signal{Kind: signalMark, Run: run, From: s.eng.cfg.Owner + "#" + strconv.FormatUint(s.lease.current().Token, 10)}
	if err := store.Signal(ctx, id, mark); err != nil {
		return "", err
	}
	for signal, err := range store.Signals(ctx, id, 0) {
		switch {
		case err != nil:
			return "", err
		case signal.Run != run:
		case signal.Kind == state.SignalCancel:
			return canceledBy(signal.From).Error(), nil
		case signal.Kind == signalMark && signal.From == mark.From:
			return "", nil
		}
	}
	return "", ctx.Err()
}

func canceledBy(who string) error { return fmt.Errorf("canceled by %s", who) }

// ask cancels the run from another goroutine.
func (r *run) ask(who string) {
	r.inbox.post(func() { r.cancel(canceledBy(who)) })
}

// runHere is the run if it goes on in this engine; else nil.
func (e *Engine) runHere(deployment, run string) *run {
	e.mu.Lock()
	defer e.mu.Unlock()
	if r := e.runs[deployment]; r != nil && r.record.ID == run {
		return r
	}
	return nil
}

// signalRetry is how long to wait before a store that does not answer is asked
// for signals again.
const signalRetry = time.Second

// listen lets others cancel the run, until leave is called.
func (e *Engine) listen(ctx context.Context, r *run) (leave func()) {
	id, run := r.live.id, r.record.ID
	e.mu.Lock()
	e.runs[id] = r
	e.mu.Unlock()
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		after := uint64(0)
		for {
			err := e.take(ctx, id, &after, func(s *state.Signal) {
				if s.Kind == state.SignalCancel && s.Run == run {
					r.ask(s.From)
				}
			})
			if err == nil {
				return // the context ended, or the deployment is gone
			}
			e.cfg.Logger.Warn("cannot listen to signals", "deployment", id, "error", err)
			select {
			case <-ctx.Done():
				return
			case <-time.After(signalRetry):
			}
		}
	}()
	return func() {
		cancel()
		<-done
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.runs, id)
	}
}

// take hands on the signals of a deployment with Seq > after, and moves after.
func (e *Engine) take(ctx context.Context, id string, after *uint64, do func(*state.Signal)) error {
	for s, err := range e.cfg.Store.Signals(ctx, id, *after) {
		if err != nil {
			return err
		}
		*after = s.Seq
		do(s)
	}
	return nil
}
