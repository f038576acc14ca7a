package executor

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/internal/redact"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
	"go.opentelemetry.io/otel/trace"
)

// callState is how far a call is.
type callState uint8

const (
	callWaiting    callState = iota // for its subject or a slot
	callIntent                      // the intent is being written
	callStarting                    // the driver is in Start
	callRecovering                  // the driver is in Recover
	callRunning                     // it goes on by itself and is polled
	callBackoff                     // waits for the next attempt
	callHeld                        // waits for what it is chained to: see Chainer
	callEnded
)

// call is a step that calls an operation, from ready to ended. It belongs to
// the goroutine of its run.
type call struct {
	run    *run
	index  int
	step   *workflow.Step
	inst   *instance
	op     *Operation
	driver contained
	retry  RetryPolicy

	state callState
	// turn counts the changes of state: what was asked for in an earlier one
	// comes too late.
	turn    int
	slot    *slot
	began   time.Time // of this attempt, as recorded
	handle  Handle
	detail  string
	stopped error // why the operation was told to stop
	// recover tells that it may have been begun by a process that is gone, revoked
	// that an earlier run told it to stop and did not see it end.
	recover, revoked bool
	// before counts the attempts of earlier processes: a resumed run tries anew.
	before   int
	lastErr  error
	cancel   context.CancelFunc
	deadline *time.Timer
	timer    *time.Timer // backoff or grace
	watched  *watch      // while the poller asks after it
	log      *redact.Writer
	output   *output

	span, attempt trace.Span // of the step, and of what open began; nil where there is none
	attemptBegan  time.Time
}

func (c *call) to(s callState) int {
	c.state = s
	c.turn++
	return c.turn
}

// post runs f in the run's goroutine, unless the call has moved on since.
func (c *call) post(turn int, f func()) {
	c.run.inbox.post(func() {
		if c.turn == turn {
			f()
		}
	})
}

// beginCall makes a call of a step, if there is anything to call.
func (r *run) beginCall(i int) {
	s := r.plan.Steps[i]
	inst := r.live.about(s)
	if inst == nil {
		r.stepFailed(i, noInstance(s.Instance))
		return
	}
	op, err := r.live.operation(r, s, inst)
	if err != nil {
		r.stepFailed(i, err)
		return
	}
	var past *stepHistory
	if r.past != nil {
		past = r.past.steps[s.ID]
	}
	driver, err := r.eng.driverOf(op, past)
	if err != nil {
		r.logPanic(op.ID, err)
		r.stepFailed(i, err)
		return
	}
	if driver.Driver == nil {
		// Nothing implements the operation: only its states count.
		if s.Enter != s.Exit {
			r.setState(inst, s.Enter, "")
		}
		r.setState(inst, s.Exit, s.ID)
		r.steps.succeed(i, r.skip)
		return
	}
	retry, err := r.retry.stated(op)
	if err != nil {
		r.stepFailed(i, err)
		return
	}
	if op.Timeout == 0 {
		op.Timeout = r.timeout
	}
	c := &call{run: r, index: i, step: s, inst: inst, op: op, driver: driver, retry: retry}
	r.calls[i] = c
	c.startSpan()
	if past != nil {
		op.Attempt, c.before = past.attempt, past.attempt
		if past.open {
			past.open = false
			c.reopen(past)
			return
		}
	}
	c.enqueue()
}

// enqueue waits for the subject, then for a slot.
func (c *call) enqueue() {
	c.to(callWaiting)
	if c.step.Subject != "" {
		if busy, ok := c.run.subjects[c.step.Subject]; ok {
			busy.waiting = append(busy.waiting, c)
			return
		}
		c.run.subjects[c.step.Subject] = &subject{}
	}
	c.requestSlot()
}

func (c *call) place() place { return place{driver: c.driver.Name(), host: c.op.Host.Name} }

func (c *call) requestSlot() {
	turn := c.turn
	c.run.line.request(c.place(), func(s *slot) {
		c.run.inbox.post(func() {
			if c.turn != turn || c.run.lost != nil {
				s.release()
				return
			}
			c.slot = s
			if c.recover {
				c.runRecover()
				return
			}
			c.intend()
		})
	})
}

// leaveSubject lets the next call work on the subject.
func (c *call) leaveSubject() {
	busy, ok := c.run.subjects[c.step.Subject]
	if !ok || c.step.Subject == "" {
		return
	}
	for len(busy.waiting) > 0 {
		next := busy.waiting[0]
		busy.waiting = busy.waiting[1:]
		if next.state == callWaiting {
			next.requestSlot()
			return
		}
	}
	delete(c.run.subjects, c.step.Subject)
}

// abandon takes back a call that has not begun; false if it has.
func (c *call) abandon() bool {
	if c.state != callWaiting || c.recover {
		return false
	}
	holds := c.holdsSubject()
	c.to(callEnded)
	c.endSpan("skipped", nil)
	delete(c.run.calls, c.index)
	if holds {
		c.leaveSubject()
	}
	return true
}

// holdsSubject tells that no call before this one works on the subject.
func (c *call) holdsSubject() bool {
	busy, ok := c.run.subjects[c.step.Subject]
	if !ok {
		return false
	}
	for _, w := range busy.waiting {
		if w == c {
			return false
		}
	}
	return true
}

// intend writes down that the operation is about to begin, with what it is
// given; it begins when that is durable.
func (c *call) intend() {
	turn := c.to(callIntent)
	// An attempt that was given up may still have its operation in use.
	op := *c.op
	op.Attempt++
	c.op = &op
	c.began, c.detail = now(), ""
	c.op.Began = c.began
	c.run.setState(c.inst, c.step.Enter, "")
	err := c.run.live.fill(c.run, c.step, c.op, c.driver)
	c.run.chain(c)
	c.run.emit(c.event(OperationStarted), entryData{Driver: c.driver.Name()})
	if err != nil {
		c.outcome(Status{State: Failed, Err: err})
		return
	}
	c.run.batch.then = append(c.run.batch.then, func() {
		if c.turn == turn {
			c.start()
		}
	})
}

// start calls the driver.
func (c *call) start() {
	turn := c.to(callStarting)
	ctx, op, log := c.open(), c.op, c.log
	c.run.inFlight.Go(func() {
		if err := c.run.lease.hold(ctx); err != nil {
			// What was not begun is for whoever has the deployment now.
			_ = log.Close()
			c.run.inbox.post(func() { c.run.abort(err) })
			return
		}
		status, err := c.driver.Start(ctx, op)
		_ = log.Close()
		posted := c.run.inbox.post(func() {
			if c.turn == turn {
				c.started(status, err)
			} else {
				c.startedLate(status, err)
			}
		})
		if !posted && c.run.lost == nil && !c.run.lease.expired() {
			c.startedLate(status, err)
		}
	})
}

// open makes what an operation needs while it runs: a context, the log, and
// the deadline, counted from when it began.
func (c *call) open() context.Context {
	ctx, cancel := context.WithCancel(c.startAttempt(c.run.opsCtx))
	c.cancel = cancel
	cfg := &c.run.eng.cfg
	c.output = &output{run: c.run, event: c.event(OperationLog)}
	show := c.output.print
	if cfg.Observe == nil && cfg.MaxLog <= 0 {
		show = func(string) {}
	}
	c.log = c.run.live.secrets.NewWriter(show)
	c.op.Log = c.log
	c.setDeadline()
	return ctx
}

func (c *call) setDeadline() {
	if c.op.Timeout <= 0 || c.deadline != nil {
		return
	}
	attempt := c.op.Attempt
	c.deadline = c.run.after(max(0, c.op.Timeout-time.Since(c.began)), func() {
		if c.op.Attempt == attempt {
			c.stop(errs.New(errs.DeadlineExceeded, "", "", "timed out after %v", c.op.Timeout))
		}
	})
}

// started takes what Start (or Recover) returned.
func (c *call) started(status Status, err error) {
	switch {
	case err != nil:
		c.outcome(Status{State: Failed, Err: err})
	case status.State == Running && len(status.Handle.Data) > 0 && !json.Valid(status.Handle.Data):
		c.handle = Handle{Driver: c.driver.Name(), Operation: c.op.ID, Data: status.Handle.Data}
		c.cancelHandle()
		c.outcome(c.nonsense("a handle that is not JSON"))
	case status.State == Running:
		if status.Outputs != nil {
			c.run.keepOutputs(c, status.Outputs)
		}
		c.follow(status.Handle)
	case !status.State.ended():
		c.outcome(c.nonsense(fmt.Sprintf("state %q", status.State)))
	default:
		c.outcome(status)
	}
}

// nonsense is the outcome where a driver returned what no driver may.
func (c *call) nonsense(what string) Status {
	return Status{State: Failed, Err: errs.New(errs.Internal, "follow an operation", c.op.ID, "the driver %s returned %s", c.driver.Name(), what)}
}

// startedLate stops what Start has begun, and tells of when the call was given up.
func (c *call) startedLate(status Status, err error) {
	h := Handle{Driver: c.driver.Name(), Operation: c.op.ID, Data: status.Handle.Data}
	if err != nil || status.State != Running || c.state == callRunning && bytes.Equal(c.handle.Data, h.Data) {
		return
	}
	c.run.eng.cfg.Logger.Warn("an operation that was given up has begun after all, and is stopped", "operation", h.Operation, "driver", h.Driver)
	c.cancelOutside(context.WithoutCancel(c.run.opsCtx), h, c.turn)
}

// follow records the handle, gives the worker back and asks for the outcome.
func (c *call) follow(h Handle) {
	turn := c.to(callRunning)
	h.Driver, h.Operation = c.driver.Name(), c.op.ID
	c.handle = h
	ev := c.event(OperationRunning)
	c.run.emit(ev, entryData{Driver: h.Driver, Handle: h.Data})
	c.watch(turn)
	if c.stopped != nil {
		c.cancelHandle()
		c.limitStop()
		return
	}
	c.begun()
}

func (c *call) watch(turn int) {
	c.slot.releaseWorker()
	c.watched = c.run.eng.pollers[c.driver.Name()].add(c.handle, func(s Status) {
		c.post(turn, func() { c.polled(s) })
	})
}

// unwatch stops asking after the operation.
func (c *call) unwatch() {
	if c.watched != nil {
		c.run.eng.pollers[c.driver.Name()].remove(c.watched)
		c.watched = nil
	}
}

func (c *call) polled(status Status) {
	switch status.State {
	case Running, NotStarted, "":
		if status.Detail != c.detail {
			c.detail = status.Detail
			ev := c.event(OperationDetail)
			ev.Detail = status.Detail
			c.run.emit(ev, entryData{})
		}
	case Succeeded, Failed, Canceled, Lost:
		if panicOf(status.Err) != nil {
			c.cancelHandle()
		}
		c.outcome(status)
	default:
		c.cancelHandle()
		c.outcome(c.nonsense(fmt.Sprintf("state %q", status.State)))
	}
}

// event is an event about this call.
func (c *call) event(kind EventKind) Event {
	return Event{
		Kind: kind, Step: c.step.ID, Instance: c.inst.ID, Interface: c.step.Interface, Operation: c.step.Operation,
		OperationID: c.op.ID, Attempt: c.op.Attempt, Host: c.op.Host.Address,
	}
}

// runRecover asks the driver what became of an operation that may have begun.
func (c *call) runRecover() {
	turn := c.to(callRecovering)
	ctx, op, log := c.open(), c.op, c.log
	if c.stopped != nil {
		c.limitStop()
	}
	c.run.inFlight.Go(func() {
		status, err := c.driver.Recover(ctx, op)
		_ = log.Close()
		c.post(turn, func() { c.recovered(status, err) })
	})
}

func (c *call) recovered(status Status, err error) {
	switch {
	case err != nil && panicOf(err) == nil && !c.mayRerun() && !c.step.Optional:
		c.unanswered(err)
	case err != nil:
		c.outcome(Status{State: Lost, Err: err})
	case status.State != NotStarted:
		c.started(status, nil)
	case c.stopped != nil:
		c.outcome(Status{State: Canceled, Err: c.stopped})
	default:
		c.recover = false
		c.cancel()
		c.start()
	}
}

// unanswered ends a step of which nobody says now what became of its operation,
// as when its host does not answer.
func (c *call) unanswered(why error) {
	c.leave(errs.Unavailable, fmt.Errorf("cannot find out what became of it: %w", why))
}

// leave ends a step whose operation may go on. It stays begun in the journal, so
// that the next resume asks after it again and nothing is done twice.
func (c *call) leave(code Code, why error) {
	r := c.run
	c.close()
	c.to(callEnded)
	delete(r.calls, c.index)
	failure := &errs.Error{Code: code, Err: fmt.Errorf("outcome unknown: %w", why), Hint: "resume asks again"}
	c.endAttempt(interrupted, failure)
	c.endSpan(interrupted, failure)
	r.warn(c, failure.Error())
	r.left = append(r.left, c.step.ID)
	if r.canceled != nil {
		r.enterError(c.step)
		r.steps.move(int32(c.index), skipped)
	} else {
		r.fail(c.index, &OperationError{Step: c.step.ID, Instance: c.inst.ID, Interface: c.step.Interface,
			Operation: c.step.Operation, Host: c.op.Host.Address, Attempts: c.op.Attempt, Err: failure})
	}
	c.leaveSubject()
}
