package executor

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/internal/failpoint"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
)

// contained calls the methods of a driver and makes a panic in one of them an
// error: a fault of a driver must not end the program and with it every other
// run. (A panic in a goroutine that a driver starts by itself is out of reach.)
//
// The operation that the call was for fails, with code Internal, and is neither
// tried nor run again by itself: nobody knows how far the driver came. What it
// has a handle of, and cannot be asked after any more, is told to stop.
type contained struct{ Driver }

// panicError is what a driver panicked with.
type panicError struct {
	driver, method string
	value          any
	stack          []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// panicOf finds the panic that err goes back to; nil for none.
func panicOf(err error) *panicError {
	var p *panicError
	errors.As(err, &p)
	return p
}

// logPanic tells with the stack where a driver panicked, if err goes back to that.
func (r *run) logPanic(operation string, err error) {
	if p := panicOf(err); p != nil {
		r.eng.cfg.Logger.Error("a driver panicked", "driver", p.driver, "method", p.method, "operation", operation,
			"panic", r.live.secrets.String(fmt.Sprint(p.value)), "stack", r.live.secrets.String(string(p.stack)))
	}
}

// catch is deferred: it turns a panic into an error.
func (d contained) catch(method string, err *error) {
	value := recover()
	if value == nil {
		return
	}
	p := &panicError{d.Name(), method, value, debug.Stack()}
	*err = &errs.Error{Code: errs.Internal, Op: "call " + method + " of the driver", Subject: p.driver, Err: p,
		Hint: "this is a defect of the driver: report it with the stack that the log shows"}
}

// surveys asks a Surveyor; no other driver surveys.
func (d contained) surveys(op *Operation) (ok bool, err error) {
	inner := d.Driver
	if c, ok := inner.(contained); ok {
		inner = c.Driver
	}
	s, ok := inner.(Surveyor)
	if !ok {
		return false, nil
	}
	defer d.catch("Surveys", &err)
	return s.Surveys(op), nil
}

// chains asks a Chainer; no other driver chains.
func (d contained) chains(op, target *Operation, r *tosca.Requirement) (ok bool, err error) {
	c, ok := d.Driver.(Chainer)
	if !ok {
		return false, nil
	}
	defer d.catch("Chains", &err)
	return c.Chains(op, target, r), nil
}

func (d contained) accepts(op *Operation) (ok bool, err error) {
	defer d.catch("Accepts", &err)
	return d.Driver.Accepts(op), nil
}

func (d contained) Start(ctx context.Context, op *Operation) (s Status, err error) {
	defer d.catch("Start", &err)
	failpoint.Pass(failpoint.BeforeStart)
	s, err = d.Driver.Start(ctx, op)
	failpoint.Pass(failpoint.AfterStart)
	return s, err
}

func (d contained) Recover(ctx context.Context, op *Operation) (s Status, err error) {
	defer d.catch("Recover", &err)
	failpoint.Pass(failpoint.BeforeRecover)
	s, err = d.Driver.Recover(ctx, op)
	failpoint.Pass(failpoint.AfterRecover)
	return s, err
}

func (d contained) Cancel(ctx context.Context, h Handle) (err error) {
	defer d.catch("Cancel", &err)
	failpoint.Pass(failpoint.BeforeCancel)
	err = d.Driver.Cancel(ctx, h)
	failpoint.Pass(failpoint.AfterCancel)
	return err
}

// resume tells the driver of a handle of an earlier process, if it wants to know.
func (d contained) resume(op *Operation, h Handle) (err error) {
	r, ok := d.Driver.(Resumer)
	if !ok {
		return nil
	}
	defer d.catch("Resume", &err)
	r.Resume(op, h)
	return nil
}

// forget tells the driver that an outcome is recorded, if it wants to know.
func (d contained) forget(op *Operation) (err error) {
	f, ok := d.Driver.(Forgetter)
	if !ok {
		return nil
	}
	defer d.catch("Forget", &err)
	failpoint.Pass(failpoint.BeforeForget)
	f.Forget(op)
	failpoint.Pass(failpoint.AfterForget)
	return nil
}

// Poll asks again after each half of the handles where the driver panics, so
// that only those fail which it cannot be asked after.
func (d contained) Poll(ctx context.Context, handles []Handle) ([]Status, error) {
	statuses, err := d.pollOnce(ctx, handles)
	if panicOf(err) == nil {
		return statuses, err
	}
	if len(handles) == 1 {
		return []Status{{Handle: handles[0], State: Failed, Err: err}}, nil
	}
	half := len(handles) / 2
	first, errFirst := d.Poll(ctx, handles[:half])
	second, errSecond := d.Poll(ctx, handles[half:])
	return slices.Concat(first, second), errors.Join(errFirst, errSecond)
}

func (d contained) pollOnce(ctx context.Context, handles []Handle) (s []Status, err error) {
	defer d.catch("Poll", &err)
	failpoint.Pass(failpoint.BeforePoll)
	s, err = d.Driver.Poll(ctx, handles)
	failpoint.Pass(failpoint.AfterPoll)
	return s, err
}
