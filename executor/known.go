package executor

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
)

// Undeploy takes away every node of a deployment, from any mixture of states,
// and forgets its instances; the record of the deployment, its runs and its
// journal stay (see Delete). It works from the stored template.
//
// Where nothing is there to take away, Result.Run is nil. The errors are those of Deploy.
func (e *Engine) Undeploy(ctx context.Context, deployment string, opts Options) (*Result, error) {
	return e.known(ctx, deployment, "undeploy", opts, func(s *session) (*Result, error) {
		plan, err := s.planUndeploy()
		if err != nil {
			return nil, err
		}
		if len(plan.Steps) == 0 && len(plan.Remove) == 0 {
			return &Result{Plan: plan}, nil
		}
		return s.execute(ctx, plan, opts.settings())
	})
}

// PlanUndeploy tells what Undeploy would do. Nothing is changed.
func (e *Engine) PlanUndeploy(ctx context.Context, deployment string) (*workflow.Plan, error) {
	s, err := e.look(ctx, deployment, nil)
	if err != nil {
		return nil, errs.Wrap(err, "plan undeploy", deployment)
	}
	return s.planUndeploy()
}

// planUndeploy plans to take everything away. What is left of the template that
// an unfinished update was replacing goes first.
func (s *session) planUndeploy() (*workflow.Plan, error) {
	l := s.live
	current, left := l.current(), workflow.Current{}
	if l.old != nil {
		for _, inst := range l.sorted() {
			if !(&instance{Instance: inst.Instance}).bind(l.service.template) {
				left[inst.ID] = inst.State
				delete(current, inst.ID)
			}
		}
	}
	plan, err := workflow.Undeploy(l.service.template, current, s.eng.planning())
	if err != nil || len(left) == 0 {
		return plan, err
	}
	first, err := workflow.Undeploy(l.old.template, left, s.eng.planning())
	if err != nil {
		return nil, err
	}
	return oneAfterTheOther(first, plan), nil
}

// oneAfterTheOther joins two plans; the first is of the old template.
func oneAfterTheOther(first, second *workflow.Plan) *workflow.Plan {
	n := len(first.Steps)
	if n == 0 {
		second.Remove = append(first.Remove, second.Remove...)
		return second
	}
	all := make([]int, n)
	for i, s := range first.Steps {
		s.Old = true
		all[i] = i
	}
	for _, s := range second.Steps {
		if len(s.After) == 0 && len(s.OnFailure) == 0 {
			s.After = []int{n}
			continue
		}
		for _, edges := range [][]int{s.After, s.Begun, s.OnFailure} {
			for i := range edges {
				edges[i] += n + 1
			}
		}
	}
	steps := append(first.Steps, &workflow.Step{ID: "old.gone", Kind: workflow.Join, After: all})
	return &workflow.Plan{Kind: second.Kind, Steps: append(steps, second.Steps...), Remove: append(first.Remove, second.Remove...)}
}

// known does something with a deployment that is known, under its lease.
func (e *Engine) known(ctx context.Context, id, doing string, opts Options, do func(*session) (*Result, error)) (*Result, error) {
	s, err := e.open(ctx, id)
	if err != nil {
		return nil, errs.Wrap(err, doing, id)
	}
	defer s.close(ctx)
	inputs, err := e.givenInputs(Request{Inputs: opts.Inputs}, nil)
	if err != nil {
		return nil, errs.Wrap(err, doing, id)
	}
	if err := e.load(ctx, s.live, s.last, inputs); err != nil {
		return nil, errs.Wrap(err, doing, id)
	}
	if doing != "resume" {
		if err := s.settle(ctx, errReplaced, opts.RerunLost || e.cfg.RerunLost); err != nil {
			return nil, errs.Wrap(err, doing, id)
		}
	}
	result, err := do(s)
	var already *errs.Error
	if err != nil && !(errors.As(err, &already) && already.Subject == id) {
		err = errs.Wrap(err, doing, id)
	}
	return result, err
}

// look reads a deployment with its templates, without the lease.
func (e *Engine) look(ctx context.Context, id string, inputs map[string]any) (*session, error) {
	l, last, err := e.read(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := e.load(ctx, l, last, inputs); err != nil {
		return nil, err
	}
	return &session{eng: e, live: l, last: last}, nil
}

// Resume goes on with the last run of a deployment that was interrupted, was
// cancelled or failed. What was done is not done again; what may still be going
// on is asked after; operations that failed are tried again, and the rest
// follows. The Run keeps its ID. So after a failure Resume is a retry of the
// failed and the skipped steps only. Where the run was to be rolled back
// (Request.Rollback) and has not been, that is done instead.
//
// The error has code FailedPrecondition where the last run succeeded, Conflict
// while it goes on; else it is as for Deploy.
func (e *Engine) Resume(ctx context.Context, deployment string, opts Options) (*Result, error) {
	return e.known(ctx, deployment, "resume", opts, func(s *session) (*Result, error) {
		if err := s.resumable(); err != nil {
			return nil, err
		}
		begin, err := e.beginning(ctx, deployment, s.last)
		if err != nil {
			return nil, err
		}
		if rollbackDue(s.last, begin.Rollback) {
			failed, err := e.readPlan(ctx, s.last.Plan)
			if err != nil {
				return nil, err
			}
			set := opts.settings()
			set.rollback = begin.Rollback
			return s.takeBack(ctx, failed, set)
		}
		result, err := s.resume(ctx, opts.settings())
		return s.rollBack(ctx, result, err, opts.settings())
	})
}

// Notify tells the policies of a deployment that an event has happened (the
// name of a trigger, or of its event) and takes their actions.
//
// The error has code NotFound where no trigger is for the event; else it is as
// for Deploy.
func (e *Engine) Notify(ctx context.Context, deployment, event string, opts Options) (*Result, error) {
	return e.known(ctx, deployment, "notify", opts, func(s *session) (*Result, error) {
		plan, err := workflow.Notify(s.live.service.template, event, s.live.current(), s.eng.planning())
		if err != nil {
			return nil, err
		}
		set := opts.settings()
		if opts.Notification != nil {
			set.hasNotification = true
			if set.notification, err = normalize(opts.Notification); err != nil {
				return nil, errs.New(errs.InvalidArgument, "notify", deployment, "the notification is no data: %w", err)
			}
		}
		return s.execute(ctx, plan, set)
	})
}

// RunWorkflow runs an imperative workflow of the service template with the
// given inputs. The errors are those of Deploy, and NotFound for an unknown workflow.
func (e *Engine) RunWorkflow(ctx context.Context, deployment, name string, inputs map[string]any, opts Options) (*Result, error) {
	return e.known(ctx, deployment, "run workflow", opts, func(s *session) (*Result, error) {
		plan, err := workflow.Workflow(s.live.service.template, name, s.live.current(), s.eng.planning())
		if err != nil {
			return nil, err
		}
		set := opts.settings()
		if set.arguments, err = s.live.workflowInputs(name, inputs); err != nil {
			return nil, err
		}
		return s.execute(ctx, plan, set)
	})
}

// workflowInputs checks the inputs of a workflow and adds the defaults.
func (l *live) workflowInputs(name string, given map[string]any) (map[string]any, error) {
	arguments := map[string]any{}
	for _, w := range l.service.template.Workflows {
		if w.Name != name {
			continue
		}
		for input := range given {
			if parameter(w.Inputs, input) == nil {
				return nil, errs.New(errs.InvalidArgument, "run workflow", name, "it has no input %q", input)
			}
		}
		for _, p := range w.Inputs {
			value, ok := given[p.Name]
			own := p.Value
			if own == nil {
				own = p.Default
			}
			var err error
			switch {
			case ok && p.Value != nil:
				err = errs.New(errs.InvalidArgument, "run workflow", name, "the value of the input %q is fixed by the template", p.Name)
			case ok:
				if value, err = normalize(value); err == nil {
					var diags tosca.Diagnostics
					if value, diags = p.Check(value); diags.HasErrors() {
						err = &errs.Error{Code: errs.InvalidArgument, Op: "run workflow", Subject: name, Err: faults(diags)}
					}
				}
			case own != nil:
				value, err = l.eval(l.service, own, tosca.Entity{Service: l.service.template})
			case p.Required:
				err = errs.New(errs.InvalidArgument, "run workflow", name, "the required input %q has no value", p.Name)
			default:
				continue
			}
			if err != nil {
				return nil, err
			}
			arguments[p.Name] = value
			if p.Sensitive {
				l.secrets.Add(value)
			}
		}
	}
	return arguments, nil
}

// Delete forgets a deployment with its runs and journal. The error has code
// FailedPrecondition where it still has nodes and force is false. With force
// whatever is there stays as it is. Operations of the last run that nobody has
// seen end are not asked after and may go on: each is told as an event of the kind
// Warning, with its Step, since nothing is known of them afterwards.
func (e *Engine) Delete(ctx context.Context, deployment string, force bool) error {
	s, err := e.open(ctx, deployment)
	if err != nil {
		return errs.Wrap(err, "delete", deployment)
	}
	defer s.close(ctx)
	for _, inst := range s.live.instances {
		if inst.Kind == state.Node && inst.State != workflow.Initial && !force {
			return &errs.Error{Code: errs.FailedPrecondition, Op: "delete", Subject: deployment,
				Err: fmt.Errorf("%s is %s", inst.ID, inst.State), Hint: "undeploy it first"}
		}
	}
	var begun []string
	if s.last != nil && s.last.Status != state.RunSucceeded {
		// What cannot be read is no reason to keep it.
		if begun, err = s.begun(ctx); err != nil && !force {
			return errs.Wrap(err, "delete", deployment)
		}
	}
	if err := e.cfg.Store.DeleteDeployment(ctx, deployment, s.lease.current()); err != nil {
		return err
	}
	for _, step := range begun {
		e.cfg.Logger.Warn("a deployment was forgotten while an operation of it may go on", "deployment", deployment, "step", step)
		if e.cfg.Observe != nil {
			e.cfg.Observe(Event{Kind: Warning, Time: now(), Deployment: deployment, Run: s.last.ID, RunKind: s.last.Kind, Step: step,
				Err: "the deployment was forgotten while this operation may go on"})
		}
	}
	return nil
}
