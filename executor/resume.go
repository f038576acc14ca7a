package executor

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
)

// history is what the journal tells of a run.
type history struct {
	begin entryData
	// canceled is why the run was being cancelled when its process ended; empty
	// where it was not, or has come to its end.
	canceled string
	// steps by step ID
	steps map[string]*stepHistory
}

// stepHistory is how far a step had come.
type stepHistory struct {
	attempt int
	began   time.Time
	// open tells that an attempt was begun, by the driver of that name, and its
	// end not recorded; handle is that of an operation which goes on by itself.
	open   bool
	driver string
	// revoked tells that the attempt was told to stop, since the run was cancelled.
	revoked bool
	handle  json.RawMessage
	done    bool
	// unmet tells that a Filter's condition did not hold.
	unmet bool
}

// history reads the journal of a run.
func (e *Engine) history(ctx context.Context, id string, run *state.Run) (*history, error) {
	h := &history{steps: map[string]*stepHistory{}}
	for entry, err := range e.journal(ctx, id, run) {
		if err != nil {
			return nil, err
		}
		if entry.Run != run.ID {
			continue
		}
		data, err := dataOf(entry)
		if err != nil {
			return nil, err
		}
		switch EventKind(entry.Kind) {
		case RunStarted:
			h.begin = data
		case CancelAsked:
			h.canceled = data.Err
			for _, s := range h.steps {
				s.revoked = s.open
			}
		case RunEnded:
			h.canceled = ""
		}
		if entry.Step == "" {
			continue
		}
		s := h.steps[entry.Step]
		if s == nil {
			s = &stepHistory{}
			h.steps[entry.Step] = s
		}
		switch EventKind(entry.Kind) {
		case OperationStarted:
			s.attempt, s.began, s.open, s.driver, s.handle = data.Attempt, entry.Time, true, data.Driver, nil
			s.revoked = false
		case OperationRunning:
			s.handle = data.Handle
			if s.handle == nil {
				s.handle = json.RawMessage("null")
			}
		case OperationRetry:
			s.open = false
		case OperationEnded:
			s.open, s.done = false, data.State == string(Succeeded)
		case StateChanged, InputsStored: // the step was without an operation, or it may fail
			s.done = true
		case ConditionExamined:
			s.done, s.unmet = true, data.State == "false"
		}
	}
	return h, nil
}

// checkDrivers is an error where the run has begun operations by drivers that
// this engine does not have: nobody here can tell what became of those.
func (e *Engine) checkDrivers(id string, h *history) error {
	for _, step := range slices.Sorted(maps.Keys(h.steps)) {
		if s := h.steps[step]; s.open && s.driver != "" && e.driverNamed(s.driver).Driver == nil {
			return &errs.Error{Code: errs.FailedPrecondition, Op: "go on with", Subject: id,
				Err:  fmt.Errorf("%s may be going on: the driver %q has begun it, and this engine does not have that", step, s.driver),
				Hint: "use an engine with the drivers that the run was begun with"}
		}
	}
	return nil
}

// journal yields the entries of a deployment from the first of a run on: what
// earlier runs left is not read.
func (e *Engine) journal(ctx context.Context, id string, run *state.Run) iter.Seq2[*state.Entry, error] {
	after := run.FirstSeq // 0 where a store of the first release wrote the run
	if after > 0 {
		after--
	}
	return e.cfg.Store.Journal(ctx, id, after)
}

// settings completes what was asked for now with what was asked for then.
func (h *history) settings(v *vault, set *settings) error {
	set.rollback, set.cause = h.begin.Rollback, h.begin.Cause
	if h.begin.Arguments != nil && set.arguments == nil {
		value, _, err := v.load(h.begin.Arguments)
		if err != nil {
			return err
		}
		set.arguments, _ = value.(map[string]any)
	}
	if h.begin.Notification != nil && !set.hasNotification {
		value, _, err := v.load(h.begin.Notification)
		if err != nil {
			return err
		}
		set.notification, set.hasNotification = value, true
	}
	return nil
}

// restore takes up the run where the journal ends: steps that were done stay
// done; operations that may be going on are asked after.
func (r *run) restore(h *history) {
	r.past = h
	for _, s := range r.plan.Steps {
		past := h.steps[s.ID]
		if past == nil {
			continue
		}
		if past.unmet {
			r.unmet[s.ID] = true
		}
		// What an earlier process worked on is worked on by this run.
		if inst := r.live.instances[s.Instance]; inst != nil {
			inst.worked = true
		}
	}
	r.steps.restore(h.done(r.plan))
	for i, s := range r.plan.Steps {
		past := h.steps[s.ID]
		if s.Kind != workflow.Call || past == nil || !past.open || r.steps.phase[i] != ready && r.steps.phase[i] != pending {
			continue
		}
		r.steps.move(int32(i), active)
		r.beginCall(i)
	}
}

// reopen takes up a call that an earlier process had begun.
func (c *call) reopen(past *stepHistory) {
	c.began, c.revoked = past.began, past.revoked
	c.op.Began = past.began
	if err := c.run.live.fill(c.run, c.step, c.op, c.driver); err != nil {
		c.run.eng.cfg.Logger.Warn("the inputs of an interrupted operation cannot be evaluated any more",
			"operation", c.op.ID, "error", c.run.live.secrets.String(err.Error()))
	}
	if past.handle == nil {
		c.recover = true
		c.enqueue()
		return
	}
	if c.step.Subject != "" {
		c.run.subjects[c.step.Subject] = &subject{}
	}
	turn := c.to(callRunning)
	c.slot = c.run.line.seize(c.place())
	c.open()
	c.handle = Handle{Driver: c.driver.Name(), Operation: c.op.ID, Data: past.handle}
	if string(past.handle) == "null" {
		c.handle.Data = nil
	}
	if err := c.driver.resume(c.op, c.handle); err != nil {
		c.run.eng.cfg.Logger.Warn("a driver cannot take up an operation again", "operation", c.op.ID, "error", c.run.live.secrets.String(err.Error()))
	}
	c.run.chain(c)
	c.watch(turn)
	c.begun()
}
