package executor

import (
	"context"
	"errors"
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
	cause      int   // the step whose failure stopped the run, -1
	canceled   error // why the run was cancelled
	cancelTold bool  // the journal has it that the run is cancelled
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
		arguments: s.arguments, notify: s.notification, hasNotify: s.hasNotification,
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

// create makes the instances of the plan that are not there yet, all of them or
// those that were not recorded before a crash, and links all to the templates.
func (r *run) create() error {
	for _, p := range r.plan.Create {
		if r.live.instances[p.ID] != nil {
			continue
		}
		inst, err := r.live.make(p)
		if err != nil {
			return err
		}
		r.fresh = append(r.fresh, inst)
	}
	r.live.link()
	return nil
}

// recordFresh puts new instances into the batch; false while there are some that
// it has no room for. No step begins before all are recorded, or are in the batch.
func (r *run) recordFresh() bool {
	for len(r.fresh) > 0 && len(r.batch.put) < r.eng.maxBatch {
		r.touch(r.fresh[0])
		r.fresh = r.fresh[1:]
	}
	return len(r.fresh) == 0
}

// maxBatch is how many entries a batch has when no more steps are begun, and how
// many new instances. It bounds the memory of large runs; most are one batch.
const maxBatch = 20_000

// room tells that the batch can take more: a full one is handed to the store,
// unless that is at work on the one before.
func (r *run) room() bool {
	if len(r.batch.entries) >= r.eng.maxBatch {
		r.flush()
	}
	return len(r.batch.entries) < r.eng.maxBatch
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
	switch r.plan.Kind {
	case "deploy", "undeploy", "update", kindRollback:
	default:
		if s.Enter == "" && s.Exit == "" {
			return
		}
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

// touch puts the instance into the next commit.
func (r *run) touch(inst *instance) {
	inst.worked = true
	if !r.changed[inst] {
		r.changed[inst] = true
		r.batch.put = append(r.batch.put, inst)
	}
}

// finish puts the end of the run into the batch.
func (r *run) finish() {
	r.finishing = true
	count := &r.steps.count
	r.record.Done, r.record.Failed, r.record.Skipped = count[succeeded], count[failed], count[skipped]
	r.record.Ended = now()
	switch {
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
	if err := r.err(); err != nil {
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

// emit adds an event to the batch, with its journal entry if its kind has one.
func (r *run) emit(ev Event, data entryData) {
	ev.Time, ev.Deployment, ev.Run = now(), r.live.id, r.record.ID
	for _, text := range []*string{&ev.Err, &ev.Detail, &ev.Log, &ev.Host} {
		*text = r.live.secrets.String(*text)
	}
	if ev.Kind != OperationLog && ev.Kind != OperationDetail {
		entry, err := entryOf(&ev, data)
		if err != nil {
			r.abort(errs.Wrap(err, "write the journal", r.live.id))
			return
		}
		r.batch.entries = append(r.batch.entries, entry)
		ev.Seq = uint64(len(r.batch.entries))
	}
	if r.eng.cfg.Observe != nil {
		r.batch.events = append(r.batch.events, ev)
	}
}

// flush hands the batch to the store, unless a commit is on its way: then what
// comes together meanwhile shares the next one.
func (r *run) flush() {
	if r.lost != nil || r.committing {
		return
	}
	b := r.batch
	if !b.durable() {
		r.deliver(b)
		b.events, b.shown = b.events[:0], 0
		for _, f := range b.then {
			f()
		}
		b.then = b.then[:0]
		return
	}
	commit := &state.Commit{Revision: r.live.record.Revision, Lease: r.lease.current(), Delete: b.drop, Entries: b.entries, Logs: b.chunks()}
	commit.Put = make([]*state.Instance, len(b.put))
	for i, inst := range b.put {
		commit.Put[i] = inst.snapshot()
	}
	if b.head {
		deployment, record := *r.live.record, r.record
		commit.Deployment, commit.Run = &deployment, &record
	}
	r.committing = true
	r.batch = &batch{}
	clear(r.changed)
	go func() {
		revision, err := r.eng.commit(r.opsCtx, r.live.id, commit)
		r.inbox.post(func() { r.committed(b, revision, err) })
	}()
}

func (r *run) committed(b *batch, revision uint64, err error) {
	r.committing = false
	if err != nil {
		r.abort(err)
		return
	}
	r.live.record.Revision = revision
	for i := range b.events {
		if b.events[i].Seq > 0 {
			b.events[i].Seq += r.live.record.LastSeq
		}
	}
	r.live.record.LastSeq += uint64(len(b.entries))
	r.deliver(b)
	r.logRoom.Release(b.stored)
	b.logs, b.outputs = nil, nil // a timer still has the batch
	for _, f := range b.then {
		f()
	}
}

// abort ends the run at once, without writing anything more. What runs in this
// process is stopped; what runs elsewhere goes on and is found by Resume.
func (r *run) abort(err error) {
	if r.lost == nil {
		r.lost = err
		r.stopOps()
	}
}

// deliver shows the events of a batch to the observer.
func (r *run) deliver(b *batch) {
	for i := range b.events {
		r.eng.cfg.Observe(b.events[i])
	}
	r.logRoom.Release(b.shown)
}

// after calls f in the run's goroutine when d has passed.
func (r *run) after(d time.Duration, f func()) *time.Timer {
	return time.AfterFunc(d, func() { r.inbox.post(f) })
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
