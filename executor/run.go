package executor

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/semaphore"
)

// run takes one plan through. Everything in it belongs to the goroutine that is
// in loop: what happens elsewhere (drivers, commits, timers) comes in by the
// inbox. So there are no locks, and the order of events is that of the inbox.
type run struct {
	eng  *Engine
	live *live
	plan *workflow.Plan

	record state.Run
	steps  *progress
	// settings of this run
	policy     FailurePolicy
	rerunLost  bool
	timeout    time.Duration // of operations that state none
	retry      RetryPolicy
	rollback   *origin        // see settings
	arguments  map[string]any // inputs of the workflow
	notify     any            // what came with the event
	hasNotify  bool
	past       *history // what the journal tells of a resumed run
	lease      *keeper
	line       *line
	subjects   map[string]*subject
	calls      map[int]*call // the active calls, by step
	failures   []*OperationError
	left       []string // steps whose operations ended as begun: see leave
	settling   bool     // it has ended before: see session.settle
	cause      int      // the step whose failure stopped the run, -1
	canceled   error    // why the run was cancelled
	cancelTold bool     // the journal has it that the run is cancelled
	untold     []func()
	lost       error // why nothing may be written any more
	finishing  bool  // the end is in the batch
	inbox      *inbox
	batch      *batch
	committing bool
	changed    map[*instance]bool // instances in batch.put
	fresh      []*instance        // instances that are not recorded yet
	unmet      map[string]bool    // filters whose condition did not hold, by step ID
	guards     map[string]string  // the guards of filters that have one, by step ID

	span      trace.Span
	spanBegan time.Time

	// opsCtx is the context of everything that operations do in this process.
	opsCtx   context.Context
	stopOps  context.CancelFunc
	inFlight sync.WaitGroup      // calls of drivers
	aside    aside               // those that the run need not wait for
	logRoom  *semaphore.Weighted // bounds the output on its way, in bytes
}

// subject is a node instance that calls work on one after the other.
type subject struct{ waiting []*call }

// newRun makes a run, with nothing begun. ctx is where its values come from; it
// is loop's that cancels it.
func (e *Engine) newRun(ctx context.Context, l *live, plan *workflow.Plan, rec state.Run, s settings) *run {
	r := &run{
		eng: e, live: l, plan: plan, record: rec, steps: newProgress(plan.Steps),
		policy: s.policy(e.cfg.OnFailure), rerunLost: s.rerunLost || e.cfg.RerunLost,
		timeout: orElse(s.timeout, e.cfg.Timeout), retry: s.retry.over(e.cfg.Retry), rollback: s.rollback,
		settling: s.settling, arguments: s.arguments, notify: s.notification, hasNotify: s.hasNotification,
		line: e.limits.newLine(s.workers), subjects: map[string]*subject{}, calls: map[int]*call{},
		cause: -1, inbox: newInbox(), batch: &batch{}, changed: map[*instance]bool{}, unmet: map[string]bool{}, guards: map[string]string{},
		logRoom: semaphore.NewWeighted(logRoom),
	}
	for _, step := range plan.Steps {
		if step.Kind == workflow.Filter && step.Guard != "" {
			r.guards[step.ID] = step.Guard
		}
	}
	r.aside.wg = &r.inFlight
	r.record.Steps = len(plan.Steps)
	r.opsCtx, r.stopOps = context.WithCancel(context.WithoutCancel(ctx))
	return r
}

// settings are what a run was asked to do besides its plan.
type settings struct {
	workers   int
	onFailure FailurePolicy
	rerunLost bool
	timeout   time.Duration
	retry     RetryPolicy
	// rollback is the template that the deployment is to have again when this run
	// has failed and was rolled back, or when this rollback has succeeded; nil
	// where nothing is rolled back. It is without a Template where there was none.
	rollback *origin
	// settling tells that a run which has ended is resumed only to end what it has left.
	settling bool
	// cause is, for a rollback, the run that is taken back.
	cause           string
	arguments       map[string]any
	notification    any
	hasNotification bool
}

func (s settings) policy(byDefault FailurePolicy) FailurePolicy {
	if s.onFailure != "" {
		return s.onFailure
	}
	return byDefault
}

// loop works until the plan is taken through and everything is recorded, or the
// lease is lost. The end of ctx cancels the run.
func (r *run) loop(ctx context.Context) {
	defer r.line.close()
	defer r.leave()
	defer r.inbox.close()
	defer r.stopOps()
	canceled := ctx.Done()
	for {
		if ctx.Err() != nil && canceled != nil {
			r.cancel(context.Cause(ctx))
			canceled = nil
		}
		r.advance()
		// What has come in meanwhile shares the commit.
		if r.receive() && r.lost == nil {
			continue
		}
		r.flush()
		if r.over() {
			return
		}
		select {
		case <-canceled:
		case <-r.lease.lost:
			r.abort(r.lease.reason())
		case <-r.inbox.signal:
			r.receive()
		}
	}
}

// leave lets go of the calls that are left where the lease was lost: nothing asks
// after them or waits for them any more in this process.
func (r *run) leave() {
	for _, c := range r.calls {
		c.unwatch()
		c.stopTimers()
	}
}

// receive does what was posted; false if nothing was.
func (r *run) receive() bool {
	posts := r.inbox.take()
	for _, f := range posts {
		f()
	}
	return len(posts) > 0
}

// over tells that there is nothing left to wait for.
func (r *run) over() bool {
	if r.lost != nil {
		return true
	}
	return r.finishing && !r.committing && !r.batch.durable() && len(r.batch.events) == 0
}

// advance begins all steps that can begin, and ends the run behind the last one.
func (r *run) advance() {
	if r.lost != nil || r.finishing || !r.recordFresh() {
		return
	}
	for r.room() {
		i, ok := r.steps.take()
		if !ok {
			break
		}
		r.begin(i)
	}
	if !r.steps.idle() {
		return
	}
	if r.steps.count[pending] > 0 {
		// A checked plan has no such steps.
		r.steps.skipRest(-1, r.skip)
	}
	r.finish()
}

// begin takes one step as far as it goes without waiting.
func (r *run) begin(i int) {
	s := r.plan.Steps[i]
	if r.heldBack(s) {
		r.steps.succeed(i, r.skip)
		return
	}
	if !s.Old {
		r.retype(r.live.instances[s.Instance])
	}
	switch s.Kind {
	case workflow.Call:
		r.beginCall(i)
	case workflow.Set:
		inst := r.live.instances[s.Instance]
		if inst == nil {
			r.stepFailed(i, noInstance(s.Instance))
			return
		}
		r.setState(inst, s.Exit, s.ID)
		r.steps.succeed(i, r.skip)
	case workflow.Join:
		r.steps.succeed(i, r.skip)
	case workflow.Store:
		r.storeInputs(i)
	case workflow.Check, workflow.Filter:
		r.examine(i)
	default:
		r.stepFailed(i, errs.New(errs.InvalidArgument, "take a plan through", s.ID, "unknown kind of step %q", s.Kind))
	}
}

// heldBack tells that a filter before the step does not hold: its guard, or the
// guard of that, and so on. Only filters that were examined are in the journal,
// so that the chain is followed anew for every step, in a resumed run too.
func (r *run) heldBack(s *workflow.Step) bool {
	for guard := s.Guard; guard != ""; guard = r.guards[guard] {
		if r.unmet[guard] {
			return true
		}
	}
	return false
}

// retype records the types of an instance that a step is about, and of its
// outgoing relationships: from its first step by a changed template on, an
// instance is of the types of that one.
func (r *run) retype(inst *instance) {
	if inst == nil {
		return
	}
	if inst.retype() {
		r.touch(inst)
	}
	for _, rel := range inst.outgoing {
		if rel.retype() {
			r.touch(rel)
		}
	}
}

// examine evaluates the condition of a Check or a Filter, and records what came
// out, so that a resumed run does not decide otherwise.
func (r *run) examine(i int) {
	s := r.plan.Steps[i]
	err := r.live.checkCondition(r, s)
	if err != nil && (s.Kind == workflow.Check || !unmet(err)) {
		r.stepFailed(i, errs.Wrap(err, "examine the condition of", s.ID))
		return
	}
	held := strconv.FormatBool(err == nil)
	if err != nil {
		r.unmet[s.ID] = true
	}
	r.emit(Event{Kind: ConditionExamined, Step: s.ID, Instance: s.Instance, State: held}, entryData{})
	r.steps.succeed(i, r.skip)
}

func noInstance(id string) error {
	return errs.New(errs.Internal, "take a plan through", id, "there is no such instance")
}

// stepFailed ends a step that failed before anything could be called.
func (r *run) stepFailed(i int, err error) {
	s := r.plan.Steps[i]
	if s.Optional {
		r.emit(Event{Kind: Warning, Step: s.ID, Instance: s.Instance, Interface: s.Interface, Operation: s.Operation,
			Err: "the operation may fail, and did: " + err.Error()}, entryData{})
		if inst := r.live.instances[s.Instance]; inst != nil {
			r.setState(inst, s.Exit, s.ID)
		}
		r.steps.succeed(i, r.skip)
		return
	}
	r.fail(i, &OperationError{Step: s.ID, Instance: s.Instance, Interface: s.Interface, Operation: s.Operation, Err: err})
}

// fail ends step i as failed: its consequences are skipped and, as the policy
// says, so is the rest.
func (r *run) fail(i int, failure *OperationError) {
	s := r.plan.Steps[i]
	failure.Err = r.redacted(failure.Err)
	r.failures = append(r.failures, failure)
	r.enterError(s)
	handled := r.steps.handled(i)
	r.steps.fail(i, r.skip)
	r.breakChain(i, i)
	if r.policy == Stop && !handled && r.cause < 0 {
		r.cause = i
		r.halt(i)
	}
}

// enterError sets the state of what a failed step worked on. An operation
// outside of the life cycle that failed does not make its node faulty.
func (r *run) enterError(s *workflow.Step) {
	if !isLifecycle(r.plan.Kind) && s.Enter == "" && s.Exit == "" {
		return
	}
	for _, id := range []string{s.Instance, s.Subject} {
		if inst := r.live.instances[id]; inst != nil && inst.State != workflow.Errored {
			r.setState(inst, workflow.Errored, "")
		}
	}
}

// halt begins nothing new: what has not been started is skipped because of
// cause (-1 where the run is cancelled). An operation that waits for its next
// attempt gets none.
func (r *run) halt(cause int) {
	r.steps.skipRest(cause, r.skip)
	for _, c := range r.activeCalls() {
		switch {
		case c.abandon():
			r.steps.move(int32(c.index), skipped)
			r.skip(c.index, cause)
		case c.state == callHeld && cause >= 0:
			c.drop(cause)
		case c.state == callBackoff && cause >= 0:
			c.outcome(Status{State: Failed, Err: c.lastErr})
		}
	}
}

// activeCalls are the active calls in order of their steps.
func (r *run) activeCalls() []*call {
	calls := make([]*call, 0, len(r.calls))
	for _, i := range slices.Sorted(maps.Keys(r.calls)) {
		calls = append(calls, r.calls[i])
	}
	return calls
}

// skip records that a step is not reached. Only calls are told: what else a
// plan has is of no interest to anybody then.
func (r *run) skip(i, cause int) {
	s := r.plan.Steps[i]
	if s.Kind != workflow.Call {
		return
	}
	ev := Event{Kind: StepSkipped, Step: s.ID, Instance: s.Instance, Interface: s.Interface, Operation: s.Operation}
	switch {
	case cause >= 0:
		ev.Cause = r.plan.Steps[cause].ID
	case r.canceled != nil:
		ev.Cause = CauseCanceled
	}
	r.emit(ev, entryData{})
}

// cancel stops the run: running operations are cancelled, the rest is skipped.
// The journal has the intent before anything is stopped in the outside world.
func (r *run) cancel(why error) {
	if r.canceled != nil || r.finishing || r.lost != nil {
		return
	}
	r.canceled = why
	if !r.cancelTold {
		r.emit(Event{Kind: CancelAsked, Err: why.Error()}, entryData{})
		r.batch.then = append(r.batch.then, func() {
			r.cancelTold = true
			for _, f := range r.untold {
				f()
			}
			r.untold = nil
		})
	}
	r.halt(-1)
	for _, c := range r.activeCalls() {
		c.stop(why)
	}
}

// whenTold calls f, which stops something: at once, unless the run is cancelled
// and the journal does not have that yet.
func (r *run) whenTold(f func()) {
	if r.canceled == nil || r.cancelTold {
		f()
		return
	}
	r.untold = append(r.untold, f)
}

// setState changes the state of an instance. The step is given where the state
// tells that it succeeded.
func (r *run) setState(inst *instance, to, step string) {
	if to == "" {
		return
	}
	inst.State = to
	if to == workflow.Initial && inst.Kind == state.Node {
		r.forget(inst)
	}
	r.touch(inst)
	r.emit(Event{Kind: StateChanged, Step: step, Instance: inst.ID, State: to}, entryData{})
}

// forget removes what a node that is initial again, and its outgoing
// relationships, were given at run time.
func (r *run) forget(inst *instance) {
	inst.clear()
	for _, rel := range inst.outgoing {
		if rel.clear() {
			r.touch(rel)
		}
	}
}

// after calls f in the run's goroutine when d has passed.
func (r *run) after(d time.Duration, f func()) *time.Timer {
	return time.AfterFunc(d, func() { r.inbox.post(f) })
}
