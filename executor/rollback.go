package executor

import (
	"context"
	"fmt"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
)

// kindRollback is the kind of a run that takes back what a failed deploy has
// made. Its RunStarted has the failed run as Cause.
const kindRollback = "rollback"

// rollBack takes back what the run has made, if it failed and that was asked
// for. The error is the run's, with that of the rollback if it failed too.
func (s *session) rollBack(ctx context.Context, result *Result, err error, set settings) (*Result, error) {
	if errs.CodeOf(err) != errs.Failed || !rollbackDue(s.last, s.back) {
		return result, err
	}
	set.rollback = s.back
	var failed error
	if result.Rollback, failed = s.takeBack(ctx, result.Plan, set); failed != nil {
		err = fmt.Errorf("%w; and what it has made could not be taken back: %w", err, failed)
	}
	return result, err
}

// rollbackDue tells that a run is to be rolled back and has not been.
func rollbackDue(last *state.Run, back *origin) bool {
	return back != nil && last != nil && last.Kind == "deploy" && last.Status == state.RunFailed
}

// takeBack undeploys what the last run, which failed, has made. Both the failed
// run and this one say in the journal what the deployment goes back to, so that
// Resume does the same after a crash in or between them.
func (s *session) takeBack(ctx context.Context, failed *workflow.Plan, set settings) (*Result, error) {
	if err := s.settle(ctx, errReplaced, set.rerunLost || s.eng.cfg.RerunLost); err != nil {
		return nil, errs.Wrap(err, "roll back", s.live.id)
	}
	plan, err := s.planRollback(failed)
	if err != nil {
		return nil, errs.Wrap(err, "roll back", s.live.id)
	}
	set.cause = s.last.ID
	return s.execute(ctx, plan, set)
}

// planRollback plans to undeploy the nodes that a deploy was to bring up: those
// that were up before it have no steps in its plan.
func (s *session) planRollback(failed *workflow.Plan) (*workflow.Plan, error) {
	l, made := s.live, map[string]bool{}
	for _, step := range failed.Steps {
		if step.Exit == workflow.Started {
			made[step.Instance] = true
		}
	}
	for _, c := range failed.Create {
		made[c.ID] = true
	}
	current := workflow.Current{}
	for id, inst := range l.instances {
		if made[id] || made[inst.Source] {
			current[id] = inst.State
		}
	}
	plan, err := workflow.Undeploy(l.service.template, current, s.eng.planning())
	if err == nil {
		plan.Kind = kindRollback
	}
	return plan, err
}

// goBack gives the deployment the template that it had before, at the end of a
// rollback. One that had none keeps what it was given: it can be deployed again.
func (r *run) goBack() {
	if r.record.Kind == kindRollback && r.rollback != nil && r.rollback.Template != "" {
		r.live.record.Template, r.live.record.Entry, r.live.record.Inputs = r.rollback.Template, r.rollback.Entry, r.rollback.Inputs
	}
}

// blobs are the archives that a run needs besides that of the deployment.
func (s *session) blobs(set settings) []string {
	var list []string
	for _, o := range []*origin{s.oldOrigin(), set.rollback} {
		if o != nil && o.Template != "" && o.Template != s.live.record.Template {
			list = append(list, o.Template)
		}
	}
	return list
}

func (s *session) oldOrigin() *origin {
	if s.live.old == nil {
		return nil
	}
	return &s.live.old.origin
}
