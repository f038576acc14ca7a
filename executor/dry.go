package executor

import (
	"context"
	"errors"
	"slices"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
)

// PlanNotify tells what Notify would do. Nothing is changed.
func (e *Engine) PlanNotify(ctx context.Context, deployment, event string) (*workflow.Plan, error) {
	s, err := e.look(ctx, deployment, nil)
	if err != nil {
		return nil, errs.Wrap(err, "plan notify", deployment)
	}
	plan, err := workflow.Notify(s.live.service.template, event, s.live.current(), e.planning())
	return plan, errs.Wrap(err, "plan notify", deployment)
}

// PlanWorkflow tells what RunWorkflow would do. Nothing is changed.
func (e *Engine) PlanWorkflow(ctx context.Context, deployment, name string) (*workflow.Plan, error) {
	s, err := e.look(ctx, deployment, nil)
	if err != nil {
		return nil, errs.Wrap(err, "plan workflow", deployment)
	}
	plan, err := workflow.Workflow(s.live.service.template, name, s.live.current(), e.planning())
	return plan, errs.Wrap(err, "plan workflow", deployment)
}

// PlanResume tells what Resume would do: the steps of the last run that are not
// done. An operation that may be going on is among them. Nothing is changed.
func (e *Engine) PlanResume(ctx context.Context, deployment string) (*workflow.Plan, error) {
	s, err := e.look(ctx, deployment, nil)
	if err == nil {
		err = s.resumable()
	}
	if err != nil {
		return nil, errs.Wrap(err, "plan resume", deployment)
	}
	plan, err := s.planResume(ctx)
	return plan, errs.Wrap(err, "plan resume", deployment)
}

// resumable is an error where there is nothing to go on with.
func (s *session) resumable() error {
	if s.last == nil || s.last.Status == state.RunSucceeded {
		return &errs.Error{Code: errs.FailedPrecondition, Op: "resume", Subject: s.live.id,
			Err: errors.New("the last run succeeded: there is nothing to go on with")}
	}
	return nil
}

func (s *session) planResume(ctx context.Context) (*workflow.Plan, error) {
	plan, err := s.eng.readPlan(ctx, s.last.Plan)
	if err != nil {
		return nil, err
	}
	h, err := s.eng.history(ctx, s.live.id, s.last)
	if err != nil {
		return nil, err
	}
	if rollbackDue(s.last, h.begin.Rollback) {
		return s.planRollback(plan)
	}
	return s.live.remaining(plan, h), nil
}

// remaining is what is left of a plan.
func (l *live) remaining(plan *workflow.Plan, h *history) *workflow.Plan {
	p := newProgress(plan.Steps)
	p.restore(h.done(plan))
	left := &workflow.Plan{Kind: plan.Kind, Steps: []*workflow.Step{}}
	place := make(map[int]int, len(plan.Steps))
	for i, s := range plan.Steps {
		if p.phase[i] == succeeded || p.phase[i] == skipped || h.heldBack(plan, s) {
			continue
		}
		place[i] = len(left.Steps)
		step := *s
		step.After, step.Begun, step.OnFailure = moved(s.After, place), moved(s.Begun, place), moved(s.OnFailure, place)
		if past := h.steps[s.Guard]; past != nil && past.done {
			step.Guard = ""
		}
		left.Steps = append(left.Steps, &step)
	}
	for _, c := range plan.Create {
		if l.instances[c.ID] == nil {
			left.Create = append(left.Create, c)
		}
	}
	for _, id := range plan.Remove {
		if l.instances[id] != nil {
			left.Remove = append(left.Remove, id)
		}
	}
	return left
}

// moved are the edges that lead to steps which are left, by their new places.
func moved(edges []int, place map[int]int) []int {
	var list []int
	for _, i := range edges {
		if to, ok := place[i]; ok {
			list = append(list, to)
		}
	}
	return list
}

// done tells which steps of a plan the history has ended well.
func (h *history) done(plan *workflow.Plan) func(i int) bool {
	return func(i int) bool {
		past := h.steps[plan.Steps[i].ID]
		return past != nil && past.done
	}
}

// heldBack tells that a filter before the step is known not to hold.
func (h *history) heldBack(plan *workflow.Plan, s *workflow.Step) bool {
	for guard := s.Guard; guard != ""; {
		if past := h.steps[guard]; past != nil && past.unmet {
			return true
		}
		i := slices.IndexFunc(plan.Steps, func(s *workflow.Step) bool { return s.ID == guard })
		if i < 0 {
			return false
		}
		guard = plan.Steps[i].Guard
	}
	return false
}
