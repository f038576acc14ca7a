package executor

import (
	"context"
	"errors"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// Runner is a driver whose work ends with the call, such as a script or a
// playbook. Sync makes a Driver of it.
type Runner interface {
	// Name and Accepts are those of Driver.
	Name() string
	Accepts(op *Operation) bool
	// Run runs op to its end and returns what it returned, by name. When ctx
	// ends, Run stops the work in the outside world and returns ctx.Err(), or an
	// error that wraps it. Outputs returned beside an error are kept.
	Run(ctx context.Context, op *Operation) (outputs map[string]any, err error)
}

// Recoverer is a Runner that can tell what became of an operation that a
// crashed process had begun: see Driver.Recover. It may report what still goes
// on as Running only if it implements Poller too.
type Recoverer interface {
	Recover(ctx context.Context, op *Operation) (Status, error)
}

// Poller is a Runner that can follow and cancel what its Recover found running:
// see Driver.Poll and Driver.Cancel.
type Poller interface {
	Poll(ctx context.Context, handles []Handle) ([]Status, error)
	Cancel(ctx context.Context, h Handle) error
}

// Sync makes a Driver of a Runner. Start runs the operation to its end (and
// holds one of the engine's workers meanwhile) and returns the outcome; the end
// of its context cancels it. Recover is the Runner's own if it is a Recoverer;
// else whatever was begun is Lost, since nobody can know how it ended.
func Sync(r Runner) Driver { return syncDriver{r} }

type syncDriver struct{ Runner }

// Unwrap returns the Runner.
func (d syncDriver) Unwrap() Runner { return d.Runner }

func (d syncDriver) Start(ctx context.Context, op *Operation) (Status, error) {
	outputs, err := d.Run(ctx, op)
	status := Status{State: Succeeded, Outputs: outputs, Err: err}
	switch {
	case err == nil:
	case ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errs.CodeOf(err) == errs.Canceled):
		status.State = Canceled
	default:
		status.State = Failed
	}
	return status, nil
}

func (d syncDriver) Poll(ctx context.Context, handles []Handle) ([]Status, error) {
	if p, ok := d.Runner.(Poller); ok {
		return p.Poll(ctx, handles)
	}
	lost := make([]Status, len(handles))
	for i, h := range handles {
		lost[i] = Status{Handle: h, State: Lost}
	}
	return lost, nil
}

func (d syncDriver) Recover(ctx context.Context, op *Operation) (Status, error) {
	if r, ok := d.Runner.(Recoverer); ok {
		return r.Recover(ctx, op)
	}
	return Status{State: Lost}, nil
}

// Forget is the Runner's own, if it is a Forgetter.
func (d syncDriver) Forget(op *Operation) {
	if f, ok := d.Runner.(Forgetter); ok {
		f.Forget(op)
	}
}

func (d syncDriver) Cancel(ctx context.Context, h Handle) error {
	if p, ok := d.Runner.(Poller); ok {
		return p.Cancel(ctx, h)
	}
	return nil
}
