package ledger

import (
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
)

const leaveSignal = "leave signal for"

// NewSignal returns a copy of s, with a time and without a number; InvalidArgument.
func NewSignal(id string, s *state.Signal, now time.Time) (*state.Signal, error) {
	if err := CheckID(leaveSignal, id); err != nil {
		return nil, err
	}
	switch {
	case s == nil:
		return nil, errs.New(errs.InvalidArgument, leaveSignal, id, "no signal was given")
	case s.Kind == "":
		return nil, errs.New(errs.InvalidArgument, leaveSignal, id, "the signal has no kind")
	case !state.ValidID(s.Run):
		return nil, errs.New(errs.InvalidArgument, leaveSignal, id, "%.140q is not a valid ID of a run", s.Run)
	}
	n := *s
	n.Seq = 0
	if n.Time.IsZero() {
		n.Time = now
	}
	n.Time = n.Time.UTC()
	if _, err := Encode(&n); err != nil {
		return nil, errs.Wrap(err, leaveSignal, id)
	}
	return &n, nil
}

// AddSignal numbers a signal for a run (nil if there is none), and returns the
// next head and the record; NotFound, FailedPrecondition.
func (h *Head) AddSignal(s *state.Signal, run *state.Run) (*Head, []byte, error) {
	id := h.Deployment.ID
	switch {
	case run == nil:
		return nil, nil, errs.Wrap(RunNotFound(id, s.Run), leaveSignal, id)
	case !run.Ended.IsZero():
		return nil, nil, errs.New(errs.FailedPrecondition, leaveSignal, id, "run %s has ended already", s.Run)
	}
	next := *h
	next.LastSignal++
	numbered := *s
	numbered.Seq = next.LastSignal
	data, err := Encode(&numbered)
	return &next, data, err
}
