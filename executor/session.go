package executor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/internal/redact"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
)

// errReplaced is why an interrupted run is ended when another one begins.
var errReplaced = errors.New("the process that ran it ended, and another run was asked for")

// session is the time during which this engine holds the lease of a deployment.
type session struct {
	eng   *Engine
	lease *keeper
	live  *live
	last  *state.Run // the last run; nil if there was none
	back  *origin    // settings.rollback of the last run that began here
	left  []string   // the steps that this has left: see call.leave
}

// open takes the lease of a deployment and reads what is known of it.
func (e *Engine) open(ctx context.Context, id string) (*session, error) {
	if err := e.enter(); err != nil {
		return nil, err
	}
	lease, err := e.acquire(ctx, id)
	if err != nil {
		e.busy.Done()
		return nil, err
	}
	s := &session{eng: e, lease: lease}
	if s.live, s.last, err = e.read(ctx, id); err != nil {
		s.close(ctx)
		return nil, err
	}
	return s, nil
}

func (s *session) close(ctx context.Context) {
	s.lease.release(ctx)
	s.eng.busy.Done()
}

// read reads a deployment without its templates.
func (e *Engine) read(ctx context.Context, id string) (*live, *state.Run, error) {
	record, err := e.cfg.Store.Deployment(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	instances, err := e.cfg.Store.Instances(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	l := &live{id: id, vault: e.vault, functions: e.newFunctions(ctx), secrets: &redact.Set{}, record: record, instances: make(map[string]*instance, len(instances))}
	for _, rec := range instances {
		l.add(rec)
	}
	if record.Run == "" {
		return l, nil, nil
	}
	last, err := e.cfg.Store.Run(ctx, id, record.Run)
	return l, last, err
}

// load gives the deployment its templates: the one that is deployed and, where
// the last run replaces another one and did not finish, that one.
func (e *Engine) load(ctx context.Context, l *live, last *state.Run, inputs map[string]any) error {
	if l.record.Template == "" {
		return errs.New(errs.FailedPrecondition, "read", l.id, "nothing was deployed yet")
	}
	var err error
	l.service, err = e.storedService(ctx, origin{l.record.Template, l.record.Entry, l.record.Inputs}, inputs)
	if err != nil {
		return err
	}
	unfinished, err := e.lifecycleRun(ctx, l.id, last)
	if err != nil {
		return err
	}
	if unfinished != nil && unfinished.Status != state.RunSucceeded {
		if err := e.loadOld(ctx, l, unfinished); err != nil {
			return err
		}
	}
	l.link()
	l.learnSecrets()
	l.learnSealed()
	return nil
}

// lifecycleRun is the last run that brought nodes up or took them away: last, or
// one before it where last is a workflow or what policies asked for. It is nil
// where there is none.
func (e *Engine) lifecycleRun(ctx context.Context, id string, last *state.Run) (*state.Run, error) {
	if last == nil || isLifecycle(last.Kind) {
		return last, nil
	}
	runs, err := e.cfg.Store.Runs(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, run := range slices.Backward(runs) {
		if isLifecycle(run.Kind) {
			return run, nil
		}
	}
	return nil, nil
}

func isLifecycle(kind string) bool {
	switch kind {
	case "deploy", "undeploy", "update", kindRollback:
		return true
	}
	return false
}

// loadOld loads the template that a run replaces, if it does.
func (e *Engine) loadOld(ctx context.Context, l *live, run *state.Run) error {
	begin, err := e.beginning(ctx, l.id, run)
	if err != nil || begin.Old == nil {
		return err
	}
	l.old, err = e.storedService(ctx, *begin.Old, nil)
	return err
}

// beginning is what the journal says of the start of a run.
func (e *Engine) beginning(ctx context.Context, id string, run *state.Run) (entryData, error) {
	for entry, err := range e.journal(ctx, id, run) {
		if err != nil {
			return entryData{}, err
		}
		if entry.Run == run.ID && entry.Kind == string(RunStarted) {
			return dataOf(entry)
		}
	}
	return entryData{}, nil
}

// nextRun numbers the runs of a deployment.
func (l *live) nextRun() string {
	n, _ := strconv.Atoi(strings.TrimPrefix(l.record.Run, "run-"))
	return "run-" + strconv.Itoa(n+1)
}

// execute takes a plan through as a new run. The record of the deployment
// already says what is being deployed.
func (s *session) execute(ctx context.Context, plan *workflow.Plan, set settings) (*Result, error) {
	l := s.live
	raw, err := json.Marshal(plan)
	if err != nil {
		return nil, errs.Wrap(err, "store the plan of", l.id)
	}
	digest, err := s.eng.putBlob(ctx, raw)
	if err != nil {
		return nil, err
	}
	rec := state.Run{ID: l.nextRun(), Kind: plan.Kind, Plan: digest, Status: state.RunRunning, Started: now(), Blobs: s.blobs(set)}
	r := s.eng.newRun(ctx, l, plan, rec, set)
	if err := r.create(); err != nil {
		return nil, err
	}
	l.record.Run = rec.ID
	switch plan.Kind {
	case "deploy", "update":
		l.record.Status = state.Deploying
	case "undeploy", kindRollback:
		l.record.Status = state.Undeploying
	}
	data, err := s.startData(set)
	if err != nil {
		return nil, err
	}
	r.batch.head = true
	data.Trace = r.startSpan(ctx, "")
	r.emit(Event{Kind: RunStarted, RunKind: plan.Kind, Cause: set.cause}, data)
	s.back = set.rollback
	return s.finish(ctx, r)
}

// startData is what a run has to know again when it is resumed.
func (s *session) startData(set settings) (data entryData, err error) {
	data.Old, data.Rollback = s.oldOrigin(), set.rollback
	if set.arguments != nil {
		if data.Arguments, err = s.eng.vault.store(set.arguments, s.live.secrets.Contains(set.arguments)); err != nil {
			return data, errs.Wrap(err, "store the inputs of", s.live.id)
		}
	}
	if set.hasNotification {
		data.Notification, err = s.eng.vault.store(set.notification, s.live.secrets.Contains(set.notification))
	}
	return data, err
}

// finish works until the run ended and tells how.
func (s *session) finish(ctx context.Context, r *run) (*Result, error) {
	s.live.learnSecrets()
	s.live.learnSealed()
	r.lease = s.lease
	leave := s.eng.listen(ctx, r)
	r.loop(ctx)
	leave()
	r.await(s.eng.cfg.CancelGrace)
	r.endSpans()
	s.last, s.left = &r.record, r.left
	if r.lost == nil {
		if err := s.prune(context.WithoutCancel(ctx), s.eng.cfg.Keep); err != nil {
			s.eng.cfg.Logger.Warn("cannot forget old runs", "deployment", s.live.id, "error", err)
		}
	}
	return r.result(), r.err()
}

// settle makes sure that nothing of the last run goes on when another one begins.
// A run that was interrupted is ended, and what an ended one has left as begun is
// asked after: what still runs is cancelled because of why, and everything is
// recorded. The error has code FailedPrecondition where something may run still;
// with atAnyRate it is nil then.
func (s *session) settle(ctx context.Context, why error, atAnyRate bool) error {
	if due, err := s.unsettled(ctx); err != nil || !due {
		return err
	}
	canceled, cancel := context.WithCancelCause(ctx)
	cancel(why)
	set := settings{settling: s.last.Status != state.RunRunning}
	if _, err := s.resume(canceled, set); err != nil && errs.CodeOf(err) != errs.Canceled {
		return err
	}
	if err := ctx.Err(); err != nil || len(s.left) == 0 || atAnyRate {
		return err
	}
	return &errs.Error{Code: errs.FailedPrecondition, Op: "end", Subject: s.last.ID,
		Err:  fmt.Errorf("nobody can tell that these operations have stopped: %s", strings.Join(s.left, ", ")),
		Hint: "try again when what they run on answers, or go on at any rate with RerunLost"}
}

// unsettled tells that the last run was interrupted, or that operations which it
// began may go on although it has ended.
func (s *session) unsettled(ctx context.Context) (bool, error) {
	if s.last == nil || s.last.Status == state.RunRunning || s.last.Status == state.RunSucceeded {
		return s.last != nil && s.last.Status == state.RunRunning, nil
	}
	begun, err := s.begun(ctx)
	return len(begun) > 0, err
}

// begun are the steps of the last run whose operations were begun and whose end
// is not recorded, sorted.
func (s *session) begun(ctx context.Context) (ids []string, err error) {
	h, err := s.eng.history(ctx, s.live.id, s.last)
	if err != nil {
		return nil, err
	}
	for id, step := range h.steps {
		if step.open {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// resume goes on with the last run.
func (s *session) resume(ctx context.Context, set settings) (*Result, error) {
	l := s.live
	ctxless := context.WithoutCancel(ctx) // a run that is only settled comes cancelled
	plan, err := s.eng.readPlan(ctxless, s.last.Plan)
	if err != nil {
		return nil, err
	}
	h, err := s.eng.history(ctxless, l.id, s.last)
	if err != nil {
		return nil, err
	}
	if err := s.eng.checkDrivers(l.id, h); err != nil {
		return nil, err
	}
	if err := h.settings(s.eng.vault, &set); err != nil {
		return nil, err
	}
	ctx, told, err := s.unfinishedCancel(ctx, h)
	if err != nil {
		return nil, err
	}
	rec := *s.last
	if !set.settling {
		rec.Status, rec.Error, rec.Ended = state.RunRunning, "", time.Time{}
	}
	r := s.eng.newRun(ctx, l, plan, rec, set)
	if err := r.create(); err != nil {
		return nil, err
	}
	r.batch.head, r.cancelTold = true, told
	r.emit(Event{Kind: RunStarted, RunKind: rec.Kind, Cause: h.begin.Cause, Detail: "resumed"}, entryData{
		Trace: r.startSpan(ctx, h.begin.Trace), Old: h.begin.Old, Rollback: h.begin.Rollback,
		Arguments: h.begin.Arguments, Notification: h.begin.Notification,
	})
	s.back = set.rollback
	l.learnSecrets()
	r.restore(h)
	return s.finish(ctx, r)
}

// readPlan reads the plan of a run.
func (e *Engine) readPlan(ctx context.Context, digest string) (*workflow.Plan, error) {
	blob, err := e.cfg.Store.Blob(ctx, digest)
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	raw, err := io.ReadAll(blob)
	if err != nil {
		return nil, errs.Wrap(err, "read the plan", digest)
	}
	var plan workflow.Plan
	if err := json.Unmarshal(raw, &plan); err != nil {
		return nil, errs.New(errs.Internal, "read the plan", digest, "%w", err)
	}
	if err := plan.Validate(); err != nil {
		return nil, fmt.Errorf("read the plan %s: %w", digest, err)
	}
	return &plan, nil
}
