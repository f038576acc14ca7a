package executor

import (
	"errors"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
)

// finish puts the end of the run into the batch.
func (r *run) finish() {
	r.finishing = true
	if !r.settling { // else it stays recorded how the run has ended
		count := &r.steps.count
		r.record.Done, r.record.Failed, r.record.Skipped = count[succeeded], count[failed], count[skipped]
		r.record.Ended = now()
	}
	switch {
	case r.settling:
	case r.canceled != nil:
		r.record.Status = state.RunCanceled
	case len(r.failures) > 0:
		r.record.Status = state.RunFailed
	default:
		r.record.Status = state.RunSucceeded
		r.removeInstances()
		r.goBack()
	}
	r.recordProperties()
	if err := r.err(); err != nil && !r.settling {
		r.record.Error = r.live.secrets.String(err.Error())
	}
	r.live.record.Status = r.live.status(&r.record)
	r.batch.head = true
	r.emit(Event{Kind: RunEnded, RunKind: r.record.Kind, State: string(r.record.Status), Err: r.record.Error}, entryData{})
}

func (r *run) removeInstances() {
	for _, id := range r.plan.Remove {
		if inst := r.live.instances[id]; inst != nil {
			delete(r.live.instances, id)
			r.live.order = nil
			r.batch.drop = append(r.batch.drop, id)
		}
	}
	if len(r.batch.drop) == 0 {
		return
	}
	kept := r.batch.put[:0]
	for _, inst := range r.batch.put {
		if r.live.instances[inst.ID] == inst {
			kept = append(kept, inst)
		}
	}
	r.batch.put = kept
}

// recordProperties keeps the properties as they are now, for comparisons later.
func (r *run) recordProperties() {
	for _, inst := range r.live.sorted() {
		if inst.recordProperties(r.live) {
			r.touch(inst)
		}
	}
}

// err is what the run returns.
func (r *run) err() error {
	subject := r.live.id
	switch {
	case r.lost != nil:
		return errs.Wrap(r.lost, r.record.Kind, subject)
	case r.canceled != nil:
		return &errs.Error{Code: errs.Canceled, Op: r.record.Kind, Subject: subject, Err: r.canceled,
			Hint: "the running operations were stopped; resume goes on"}
	case len(r.failures) == 0:
		return nil
	}
	list := make([]error, 0, len(r.failures))
	for _, f := range r.failures {
		list = append(list, f)
	}
	return &errs.Error{Code: errs.Failed, Op: r.record.Kind, Subject: subject, Err: errors.Join(list...)}
}

// redacted hides secrets in the text of err, and keeps err as it is where there are none.
func (r *run) redacted(err error) error {
	if text := err.Error(); r.live.secrets.String(text) != text {
		return &redactedError{text: r.live.secrets.String(text), code: errs.CodeOf(err)}
	}
	return err
}

// redactedError is what is left of an error whose text had a secret in it.
type redactedError struct {
	text string
	code Code
}

func (e *redactedError) Error() string { return e.text }

// As gives the error's code to errs.CodeOf.
func (e *redactedError) As(target any) bool {
	if t, ok := target.(**errs.Error); ok {
		*t = &errs.Error{Code: e.code, Err: errors.New(e.text)}
		return true
	}
	return false
}

// await waits for the calls of drivers that are still under way, as long as
// they may take to stop.
func (r *run) await(grace time.Duration) {
	done := make(chan struct{})
	go func() { r.inFlight.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(grace):
		r.eng.cfg.Logger.Warn("a driver did not return when it was stopped", "deployment", r.live.id, "run", r.record.ID)
	}
}

// result is what the run came to.
func (r *run) result() *Result {
	record := r.record
	return &Result{Run: &record, Plan: r.plan, Failures: r.failures}
}
