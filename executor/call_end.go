package executor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// stop tells the operation to stop. Its outcome is still waited for, but not for ever.
func (c *call) stop(why error) {
	if c.stopped != nil || c.state == callEnded {
		return
	}
	c.stopped = why
	switch c.state {
	case callWaiting: // it is only asked what became of it, if it is to be recovered
	case callIntent: // nothing was begun, and nothing will be
		c.outcome(Status{State: Canceled, Err: why})
	case callBackoff, callHeld:
		c.outcome(Status{State: Canceled, Err: c.lastErr})
	case callStarting:
		cancel := c.cancel // of this attempt
		c.run.whenTold(cancel)
		c.limitStop()
	case callRecovering:
		// What Recover finds running is cancelled then. A Recover that is broken
		// off would leave it running, and nobody would know.
		c.limitStop()
	case callRunning:
		c.cancelHandle()
		c.limitStop()
	}
}

// limitStop gives up on an operation that does not stop.
func (c *call) limitStop() {
	attempt, why := c.op.Attempt, c.stopped
	c.timer = c.run.after(c.run.eng.cfg.CancelGrace, func() {
		switch {
		case c.state == callEnded || c.op.Attempt != attempt:
		case c.step.Optional && c.run.canceled == nil: // the run goes on without it
			c.outcome(Status{State: Lost, Err: fmt.Errorf("%w; it did not stop when it was told to", why)})
		case c.state == callRecovering:
			c.unanswered(why)
		default:
			c.leave(errs.CodeOf(why), fmt.Errorf("%w; it did not stop when it was told to", why))
		}
	})
}

// cancelHandle cancels what runs in the outside world.
func (c *call) cancelHandle() {
	h, turn := c.handle, c.turn
	c.run.whenTold(func() { c.cancelOutside(c.run.opsCtx, h, turn) })
}

// cancelRetry is how long to wait before an outside world that did not answer is
// asked again to stop an operation.
const cancelRetry = time.Second

// cancelOutside asks for the end of h, again and again until it was heard, as
// long as an operation may take to stop.
func (c *call) cancelOutside(ctx context.Context, h Handle, turn int) {
	grace := c.run.eng.cfg.CancelGrace
	last := time.Now().Add(grace)
	c.run.aside.do(func() {
		ctx, cancel := context.WithTimeout(ctx, grace)
		defer cancel()
		var err error
		for again := true; again; {
			if err = c.driver.Cancel(ctx, h); err == nil {
				return
			}
			c.run.eng.cfg.Logger.Warn("cannot cancel an operation", "operation", h.Operation, "driver", h.Driver,
				"error", c.run.live.secrets.String(err.Error()))
			again = panicOf(err) == nil && time.Now().Add(cancelRetry).Before(last) && pause(ctx, cancelRetry)
		}
		if panicOf(err) != nil {
			c.post(turn, func() { c.outcome(Status{State: Failed, Err: err}) })
		}
	})
}

// pause waits; false if ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// outcome ends an attempt.
func (c *call) outcome(status Status) {
	c.close()
	unknown := status.State == Lost
	obeyed := status.State == Canceled && c.revoked && c.stopped == nil && c.run.canceled == nil && c.run.cause < 0
	status = c.judge(status)
	if status.State == Succeeded {
		if err := c.run.takeOutputs(c, status.Outputs); err != nil {
			status = Status{State: Failed, Err: err}
		}
	} else if status.Outputs != nil {
		c.run.keepOutputs(c, status.Outputs)
	}
	c.endAttempt(string(status.State), status.Err)
	if c.consequence(status) {
		return
	}
	if obeyed {
		c.again(status) // this run wants it done, and has not tried yet
		return
	}
	if status.State == Lost && c.mayRerun() || status.State == Failed && !unknown && c.mayRetry(status.Err) {
		c.again(status)
		return
	}
	c.end(status)
}

// close gives back what the attempt held.
func (c *call) close() {
	c.unwatch()
	if c.cancel != nil {
		c.cancel()
	}
	c.stopTimers()
	c.cancel = nil
	if c.log != nil && c.state == callRunning {
		// The rest of the last line may have to wait for the observer, which
		// this goroutine serves.
		log := c.log
		c.run.aside.do(func() { _ = log.Close() })
	}
	if c.output != nil {
		c.output.finish()
	}
	c.log, c.output = nil, nil
	if c.slot != nil {
		c.slot.release()
		c.slot = nil
	}
}

func (c *call) stopTimers() {
	for _, t := range []*time.Timer{c.deadline, c.timer} {
		if t != nil {
			t.Stop()
		}
	}
	c.deadline, c.timer = nil, nil
}

// judge says what a status means in view of why the operation was stopped.
func (c *call) judge(s Status) Status {
	if s.State == Succeeded {
		return s
	}
	if panicOf(s.Err) != nil {
		c.run.logPanic(c.op.ID, s.Err)
		s.State = Failed
		return s
	}
	if s.State == Lost {
		s.Err = unknownOutcome(s.Err)
	} else if s.Err == nil {
		s.Err = errors.New(string(s.State))
	}
	timedOut := errs.CodeOf(c.stopped) == errs.DeadlineExceeded && c.run.canceled == nil
	switch {
	case timedOut && s.State == Lost:
		s.State = Failed
	case timedOut:
		if errors.Is(s.Err, context.Canceled) || s.State == Canceled {
			s.Err = c.stopped
		} else {
			s.Err = errs.New(errs.DeadlineExceeded, "", "", "%w: %w", c.stopped, s.Err)
		}
		s.State = Failed
	case c.stopped != nil:
		s.State = Canceled
	case s.State == Canceled:
		s = Status{State: Failed, Outputs: s.Outputs, Err: errs.New(errs.Canceled, "", "", "canceled in the outside world: %w", s.Err)}
	}
	return s
}

// unknownOutcome is the error of an operation that was begun, and whose outcome
// cannot be known any more; why is what the driver says.
func unknownOutcome(why error) error {
	e := &errs.Error{Code: errs.CodeOf(why), Err: fmt.Errorf("outcome unknown: %w", why),
		Hint: "look at what it did; resume runs it again, and the metadata \"rerunnable: true\" of its node template lets that happen by itself"}
	if why == nil {
		e.Err = errors.New("outcome unknown: the process that ran the operation ended before its outcome was recorded")
	}
	if why == nil || e.Code == errs.Internal {
		e.Code = errs.Unavailable
	}
	return e
}

func (c *call) mayRerun() bool {
	return c.stopped == nil && c.run.canceled == nil && c.run.cause < 0 && (c.run.rerunLost || c.inst.rerunnable())
}

func (c *call) mayRetry(err error) bool {
	timedOut := errs.CodeOf(c.stopped) == errs.DeadlineExceeded
	return (c.stopped == nil || timedOut) && c.run.canceled == nil && c.run.cause < 0 && panicOf(err) == nil &&
		c.retry.again(c.op.Attempt-c.before, err)
}

// again makes another attempt after a while.
func (c *call) again(s Status) {
	wait := c.retry.wait(c.op.Attempt-c.before, s.Err)
	if s.State == Lost || c.revoked {
		wait = 0
	}
	c.lastErr, c.recover, c.revoked, c.stopped = s.Err, false, false, nil // one that timed out has stopped
	c.withdraw()
	turn := c.to(callBackoff)
	ev := c.event(OperationRetry)
	ev.State, ev.Err, ev.Detail = string(s.State), s.Err.Error(), wait.String()
	c.run.emit(ev, entryData{})
	c.forget()
	c.timer = c.run.after(wait, func() {
		if c.turn == turn {
			c.to(callWaiting)
			c.requestSlot()
		}
	})
}

// end ends the step.
func (c *call) end(s Status) {
	r := c.run
	c.to(callEnded)
	delete(r.calls, c.index)
	ev := c.event(OperationEnded)
	ev.State = string(s.State)
	if s.Err != nil {
		ev.Err = s.Err.Error()
	}
	c.endSpan(string(s.State), s.Err)
	if s.State == Lost {
		s.State = Failed
	}
	switch {
	case s.State == Succeeded:
		r.emit(ev, entryData{})
		r.setState(c.inst, c.step.Exit, "")
		r.steps.succeed(c.index, r.skip)
		r.release(c.index)
	case s.State == Canceled:
		r.emit(ev, entryData{})
		r.enterError(c.step)
		r.steps.move(int32(c.index), skipped)
	case c.step.Optional:
		r.emit(ev, entryData{})
		warning := c.event(Warning)
		warning.Err = "the operation may fail, and did: " + s.Err.Error()
		r.emit(warning, entryData{})
		r.setState(c.inst, c.step.Exit, c.step.ID)
		r.steps.succeed(c.index, r.skip)
		r.release(c.index)
	default:
		r.emit(ev, entryData{})
		r.fail(c.index, &OperationError{Step: c.step.ID, Instance: c.inst.ID, Interface: c.step.Interface,
			Operation: c.step.Operation, Host: c.op.Host.Address, Attempts: c.op.Attempt, Err: s.Err})
	}
	c.forget()
	c.leaveSubject()
}

// forget tells the driver, as soon as what is in the batch is on disk, that the
// outcome of the attempt is.
func (c *call) forget() {
	r, driver, op := c.run, c.driver, c.op
	if _, ok := driver.Driver.(Forgetter); !ok || op.Began.IsZero() {
		return
	}
	r.batch.then = append(r.batch.then, func() {
		r.aside.do(func() { r.logPanic(op.ID, driver.forget(op)) })
	})
}
