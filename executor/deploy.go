package executor

import (
	"context"
	"fmt"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
)

// Deploy brings every node of a service template to "started". It makes the
// deployment if there is none of that ID; else it goes on from what is there:
// nodes that are started are left alone. A known deployment may be given a
// changed template, as long as that still has every node that exists: to
// replace nodes, use Update.
//
// With Request.Rollback, a run that failed is followed by one of kind
// "rollback", which undeploys, in reverse order, the nodes that were not up when
// the failed one began, and gives the deployment back the template that it had:
// Result.Rollback. Where the process ends before that is done, Resume goes on
// with it. A run that was cancelled is not rolled back.
//
// The Result is never nil when a run took place, even if it failed. Where
// everything is started already, Result.Run is nil and the deployment keeps its
// template, inputs and labels: Update takes over what else differs.
//
// The error has code Failed (and wraps an *OperationError for each operation
// that failed), Canceled when ctx ended, InvalidArgument for a template or
// inputs that are not valid, Conflict where another run of the deployment goes
// on, FailedPrecondition, as where an update did not finish and has left nodes as
// they were before it or where operations of the last run may still go on (what
// that has left is stopped first), or that of the store.
func (e *Engine) Deploy(ctx context.Context, req Request) (*Result, error) {
	svc, err := e.requested(ctx, req, "deploy")
	if err != nil {
		return nil, err
	}
	s, err := e.open(ctx, req.Deployment)
	if err != nil {
		return nil, errs.Wrap(err, "deploy", req.Deployment)
	}
	defer s.close(ctx)
	if err := s.prepareSettled(ctx, req.RerunLost || req.Clean); err != nil {
		return nil, errs.Wrap(err, "deploy", req.Deployment)
	}
	if svc, err = s.requestedNow(ctx, req, svc); err != nil {
		return nil, errs.Wrap(err, "deploy", req.Deployment)
	}
	plan, err := s.planDeploy(ctx, req, svc)
	if err != nil {
		return nil, errs.Wrap(err, "deploy", req.Deployment)
	}
	if len(plan.Steps) == 0 && s.last != nil && s.last.Status == state.RunSucceeded && !req.Clean {
		return &Result{Plan: plan}, nil
	}
	set := req.settings()
	if record := s.live.record; req.Rollback {
		was := originOf(record)
		set.rollback = &was
	}
	if err := s.adopt(ctx, req, svc); err != nil {
		return nil, errs.Wrap(err, "deploy", req.Deployment)
	}
	result, err := s.execute(ctx, plan, set)
	return s.rollBack(ctx, result, err, req.settings())
}

// PlanDeploy tells what Deploy would do. Nothing is changed.
func (e *Engine) PlanDeploy(ctx context.Context, req Request) (*workflow.Plan, error) {
	svc, err := e.requestedDry(ctx, req)
	if err != nil {
		return nil, err
	}
	l, last, err := e.read(ctx, req.Deployment)
	if errs.CodeOf(err) == errs.NotFound {
		l = &live{id: req.Deployment, vault: e.vault, functions: e.newFunctions(ctx), instances: map[string]*instance{}, record: &state.Deployment{ID: req.Deployment}}
	} else if err != nil {
		return nil, err
	}
	s := &session{eng: e, live: l, last: last}
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	return s.planDeploy(ctx, req, svc)
}

// planDeploy plans over what is there.
func (s *session) planDeploy(ctx context.Context, req Request, svc *requestedService) (*workflow.Plan, error) {
	l := s.live
	if req.Clean {
		return workflow.Deploy(svc.template, nil, s.eng.planning())
	}
	if err := l.noStrangersTo(svc.template, "use update to replace a template, or resume an update that did not finish"); err != nil {
		return nil, err
	}
	plan, err := workflow.Deploy(svc.template, l.current(), s.eng.planning())
	if err != nil {
		return nil, err
	}
	return plan, s.noneUnreached(ctx, plan)
}

// noStrangersTo is an error, with a hint, if there are nodes that the template
// does not have.
func (l *live) noStrangersTo(t *tosca.ServiceTemplate, hint string) error {
	var strangers []string
	for _, inst := range l.sorted() {
		if inst.Kind == state.Node && inst.State != workflow.Initial && t.Representation(inst.Template, inst.Index) == nil {
			strangers = append(strangers, inst.ID)
		}
	}
	if strangers == nil {
		return nil
	}
	return &errs.Error{Code: errs.FailedPrecondition, Op: "plan", Subject: l.id,
		Err:  fmt.Errorf("the template does not have the nodes of %s", strings.Join(strangers, ", ")),
		Hint: hint}
}

// prepareSettled loads the stored templates and ends an interrupted run.
func (s *session) prepareSettled(ctx context.Context, atAnyRate bool) error {
	if err := s.prepare(ctx); err != nil {
		return err
	}
	return s.settle(ctx, errReplaced, atAnyRate || s.eng.cfg.RerunLost)
}

// prepare loads the stored templates where a run did not come to its end.
func (s *session) prepare(ctx context.Context) error {
	if s.live.record.Template == "" || s.last == nil {
		return nil
	}
	run, err := s.eng.lifecycleRun(ctx, s.live.id, s.last)
	if err != nil || s.last.Status == state.RunSucceeded && (run == nil || run.Status == state.RunSucceeded) {
		return err
	}
	return s.eng.load(ctx, s.live, s.last, nil)
}

// adopt makes the requested template and inputs those of the deployment.
func (s *session) adopt(ctx context.Context, req Request, svc *requestedService) error {
	l := s.live
	if svc.blob != nil {
		if _, err := s.eng.putBlob(ctx, svc.blob); err != nil {
			return err
		}
	}
	inputs, err := s.eng.storeInputs(svc.service)
	if err != nil {
		return err
	}
	svc.origin.Inputs = inputs
	l.record.Template, l.record.Entry, l.record.Inputs = svc.origin.Template, svc.origin.Entry, inputs
	if req.Labels != nil {
		l.record.Labels = req.Labels
	}
	if req.Clean {
		if err := s.forgetInstances(ctx); err != nil {
			return err
		}
	}
	l.service = svc.service
	return nil
}

// forgetInstances removes the records of all instances.
func (s *session) forgetInstances(ctx context.Context) error {
	l := s.live
	c := &state.Commit{Lease: s.lease.current(), Revision: l.record.Revision}
	for _, inst := range l.sorted() {
		c.Delete = append(c.Delete, inst.ID)
	}
	if c.Delete == nil {
		return nil
	}
	revision, err := s.eng.commit(ctx, s.lease, c)
	if err != nil {
		return err
	}
	l.record.Revision = revision
	clear(l.instances)
	l.order = nil
	return nil
}
