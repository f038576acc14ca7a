package executor

import (
	"errors"
	"slices"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
)

// Chainer is a Driver for a place that puts operations in order by itself: a
// workload manager with dependencies between jobs. A chained operation is
// started as soon as what it depends on goes on outside, instead of when that
// has succeeded; both wait there, and the engine for both.
//
// The engine then fills Target.Running of the later operation. Where that is
// nil, the other one has succeeded already. An operation that cannot succeed
// any more because of the other one ends with an error marked by MarkDependent:
// it is skipped because of the other one, or begun again when that is.
type Chainer interface {
	Surveyor
	// Chains tells whether op may be started beside target, to which requirement
	// r of its node leads. Both are operations of the driver, without values: it
	// looks at the templates only. What op takes from the target must be there
	// as soon as that goes on: see Status.Outputs.
	Chains(op, target *Operation, r *tosca.Requirement) bool
}

// MarkDependent returns err, the failure of a chained operation, marked as a
// consequence: what it was chained to did not succeed. nil stays nil.
func MarkDependent(err error) error {
	if err == nil {
		return nil
	}
	return dependentError{err}
}

type dependentError struct{ error }

func (e dependentError) Unwrap() error { return e.error }

// Dependent tells whether MarkDependent marked err or an error that it wraps.
func Dependent(err error) bool {
	var d dependentError
	return errors.As(err, &d)
}

// chained tells planners what the drivers chain: two operations of one driver
// that have no implementation of their own.
func (e *Engine) chained(n *tosca.NodeTemplate, r *tosca.Requirement) bool {
	if startsByItself(n) || startsByItself(r.Target) {
		return false
	}
	op, target := &Operation{Node: n, Interface: "Standard", Name: "start"}, &Operation{Node: r.Target, Interface: "Standard", Name: "start"}
	driver, err := e.driverFor(op)
	if err != nil {
		return false
	}
	other, err := e.driverFor(target)
	if err != nil || driver.Driver == nil || driver.Driver != other.Driver {
		return false
	}
	ok, err := driver.chains(op, target, r)
	return ok && err == nil
}

// startsByItself tells whether the template implements the start of a node.
func startsByItself(n *tosca.NodeTemplate) bool {
	return slices.ContainsFunc(n.Interfaces, func(i *tosca.Interface) bool {
		return slices.ContainsFunc(i.Operations, func(o *tosca.Operation) bool { return o.Name == "start" && o.Implementation != nil })
	})
}

// begun lets what is chained to a call begin: the call goes on outside.
func (c *call) begun() {
	c.run.steps.begin(c.index)
	c.run.release(c.index)
}

// release lets those calls chained to a step go on that were held until it began
// or succeeded.
func (r *run) release(i int) {
	for _, n := range r.steps.links(i) {
		if c := r.calls[int(n)]; c != nil && c.state == callHeld && r.steps.waits[n] == 0 {
			c.before++ // an attempt that was lost through no fault of its own
			c.to(callWaiting)
			c.requestSlot()
		}
	}
}

// withdraw stops what is chained to a call that is to begin anew: the outside
// world has it wait for an operation that is gone.
func (c *call) withdraw() {
	for _, n := range c.run.steps.unbegin(c.index) {
		next := c.run.calls[int(n)]
		if next == nil {
			continue
		}
		next.withdraw()
		if next.abandon() {
			c.run.steps.move(n, pending)
			continue
		}
		switch next.state {
		case callHeld:
		case callBackoff:
			next.timer.Stop()
			next.hold()
		default:
			next.stop(errWithdrawn)
		}
	}
}

var errWithdrawn = MarkDependent(errs.New(errs.Canceled, "", "", "what it is chained to begins anew"))

// breakChain stops what is chained to a step that has failed: it is skipped
// because of cause.
func (r *run) breakChain(i, cause int) {
	for _, n := range r.steps.links(i) {
		c := r.calls[int(n)]
		if c == nil {
			continue
		}
		switch {
		case c.state == callHeld:
			c.drop(cause)
		case c.abandon():
			r.steps.drop(c.index, cause, r.skip)
			r.breakChain(c.index, cause)
		default:
			c.stop(errWithdrawn)
		}
	}
}

// consequence deals with an attempt that ended because of what it is chained to;
// false where it did not.
func (c *call) consequence(s Status) bool {
	if s.State == Succeeded || len(c.step.Begun) == 0 || c.run.canceled != nil || !Dependent(s.Err) && !Dependent(c.stopped) {
		return false
	}
	cause, waits := -1, false
	for _, i := range c.step.Begun {
		switch c.run.steps.phase[i] {
		case failed:
			cause = i
		case skipped:
			cause = int(c.run.steps.cause[i])
		case succeeded:
		default:
			waits = true
		}
	}
	if cause < 0 && !waits && !Dependent(c.stopped) {
		return false // all have succeeded: it is a failure of its own
	}
	c.lastErr = s.Err
	ev := c.event(OperationRetry)
	ev.State, ev.Err = string(s.State), s.Err.Error()
	c.run.emit(ev, entryData{})
	c.forget()
	if cause >= 0 || c.run.cause >= 0 {
		if cause < 0 {
			cause = c.run.cause
		}
		c.drop(cause)
		return true
	}
	c.withdraw()
	c.hold()
	for _, i := range c.step.Begun {
		c.run.release(i) // what it is chained to may have begun anew meanwhile
	}
	return true
}

// hold lets a call wait until what it is chained to begins anew, or ends.
func (c *call) hold() {
	if c.slot != nil {
		c.slot.release()
		c.slot = nil
	}
	c.recover, c.stopped = false, nil
	c.to(callHeld)
}

// drop ends a call as skipped because of cause.
func (c *call) drop(cause int) {
	r := c.run
	c.to(callEnded)
	delete(r.calls, c.index)
	c.endSpan("skipped", nil)
	r.enterError(c.step)
	r.steps.drop(c.index, cause, r.skip)
	r.breakChain(c.index, cause)
	c.leaveSubject()
}

// chain tells an operation which of its targets go on outside.
func (r *run) chain(c *call) {
	for _, i := range c.step.Begun {
		other := r.calls[i] // nil where it has ended
		if other == nil || other.state != callRunning {
			continue
		}
		for t := range c.op.Targets {
			if c.op.Targets[t].ID == other.step.Instance {
				handle := other.handle
				c.op.Targets[t].Running = &handle
			}
		}
	}
}
