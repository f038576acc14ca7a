package executor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
)

// Update turns a deployment into one of another service template, or of other
// inputs. Nodes that differ, and those that depend on them, are undeployed by
// the operations of the old template and deployed by those of the new one; all
// others keep their state and attributes.
//
// Where no node differs, Result.Run is nil, and the rest of the template (outputs,
// policies, workflows) and the labels are taken over all the same. The errors are
// those of Deploy, NotFound for an unknown deployment, and FailedPrecondition where
// an earlier update did not finish and this one would leave what that has not
// reached: see Resume.
func (e *Engine) Update(ctx context.Context, req Request) (*Result, error) {
	if req.Archive == nil && req.Inputs == nil {
		return nil, errs.New(errs.InvalidArgument, "update", req.Deployment, "give an archive or inputs")
	}
	svc, err := e.requestedDry(ctx, req)
	if err != nil {
		return nil, errs.Wrap(err, "update", req.Deployment)
	}
	return e.known(ctx, req.Deployment, "update", Options{RerunLost: req.RerunLost}, func(s *session) (*Result, error) {
		svc, err := s.requestedNow(ctx, req, svc)
		if err != nil {
			return nil, err
		}
		_, plan, err := s.planUpdate(ctx, svc)
		if err != nil {
			return nil, err
		}
		old := s.live.service
		if err := s.adopt(ctx, Request{Labels: req.Labels}, svc); err != nil {
			return nil, err
		}
		s.live.old = old
		if len(plan.Steps) == 0 && len(plan.Create) == 0 && len(plan.Remove) == 0 {
			return &Result{Plan: plan}, s.saveRecord(ctx)
		}
		return s.execute(ctx, plan, req.settings())
	})
}

// PlanUpdate tells what Update would do, and what differs. Nothing is changed.
func (e *Engine) PlanUpdate(ctx context.Context, req Request) (*workflow.Diff, *workflow.Plan, error) {
	svc, err := e.requestedDry(ctx, req)
	if err != nil {
		return nil, nil, errs.Wrap(err, "plan update", req.Deployment)
	}
	s, err := e.look(ctx, req.Deployment, nil)
	if err != nil {
		return nil, nil, errs.Wrap(err, "plan update", req.Deployment)
	}
	diff, plan, err := s.planUpdate(ctx, svc)
	return diff, plan, errs.Wrap(err, "plan update", req.Deployment)
}

// planUpdate compares what is deployed with what is asked for.
func (s *session) planUpdate(ctx context.Context, svc *requestedService) (*workflow.Diff, *workflow.Plan, error) {
	l := s.live
	if l.old != nil {
		if err := l.noStrangersTo(l.service.template, "resume the update that did not finish, or undeploy"); err != nil {
			return nil, nil, err
		}
	}
	if svc.template == l.service.template { // they differ in their inputs only: see comparing
		own := *svc.template
		svc.template = &own
	}
	current := l.current()
	diff, err := workflow.Compare(l.service.template, svc.template, workflow.DiffOptions{
		OldFiles: l.service.files, NewFiles: svc.files, Current: current, Eval: s.comparing(svc.service),
	})
	if err != nil {
		return nil, nil, err
	}
	plan, err := workflow.Update(l.service.template, svc.template, diff, current, s.eng.planning())
	if err != nil {
		return nil, nil, err
	}
	return diff, plan, s.noneUnreached(ctx, plan)
}

// noneUnreached is an error if an update has not come to its end and plan leaves
// nodes as they are that it was to undeploy and has not reached: they are still of
// the template before it, and would pass for nodes of the new one.
func (s *session) noneUnreached(ctx context.Context, plan *workflow.Plan) error {
	left, err := s.unreached(ctx)
	if err != nil {
		return err
	}
	for _, step := range plan.Steps {
		if step.Old {
			delete(left, step.Instance)
		}
	}
	if len(left) == 0 {
		return nil
	}
	return &errs.Error{Code: errs.FailedPrecondition, Op: "plan", Subject: s.live.id,
		Err: fmt.Errorf("an update that did not finish has not reached %s: they are as they were before it",
			strings.Join(slices.Sorted(maps.Keys(left)), ", ")),
		Hint: "resume the update, update to a template in which they differ, or undeploy"}
}

// unreached are the nodes that are started, and that an unfinished update was to
// undeploy by the template that it replaces.
func (s *session) unreached(ctx context.Context) (map[string]bool, error) {
	left := map[string]bool{}
	if s.live.old == nil {
		return left, nil
	}
	run, err := s.eng.lifecycleRun(ctx, s.live.id, s.last)
	if err != nil || run == nil {
		return left, err
	}
	plan, err := s.eng.readPlan(ctx, run.Plan)
	if err != nil {
		return nil, err
	}
	h, err := s.eng.history(ctx, s.live.id, run)
	if err != nil {
		return nil, err
	}
	p := newProgress(plan.Steps)
	p.restore(h.done(plan))
	for i, step := range plan.Steps {
		if inst := s.live.instances[step.Instance]; step.Old && p.phase[i] != succeeded && inst != nil && inst.Kind == state.Node && inst.State == workflow.Started {
			left[inst.ID] = true
		}
	}
	return left, nil
}

// comparing evaluates values of the old and of the new template: both over the
// instances as they are, so that only what the templates and inputs say differs.
func (s *session) comparing(svc *service) func(tosca.Entity, *tosca.Value) (any, error) {
	return func(of tosca.Entity, v *tosca.Value) (any, error) {
		in := s.live.service
		if of.Service == svc.template {
			in = svc
		}
		return s.live.eval(in, v, of)
	}
}

// saveRecord commits the record of the deployment.
func (s *session) saveRecord(ctx context.Context) error {
	record := *s.live.record
	revision, err := s.eng.commit(ctx, s.lease, &state.Commit{
		Lease: s.lease.current(), Revision: record.Revision, Deployment: &record,
	})
	if err == nil {
		s.live.record.Revision = revision
	}
	return err
}
