package executor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
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
	if err := l.noStrangersTo(svc.template); err != nil {
		return nil, err
	}
	plan, err := workflow.Deploy(svc.template, l.current(), s.eng.planning())
	if err != nil {
		return nil, err
	}
	return plan, s.noneUnreached(ctx, plan)
}

// noStrangersTo is an error if there are nodes that the template does not have.
func (l *live) noStrangersTo(t *tosca.ServiceTemplate) error {
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
		Hint: "use update to replace a template, or resume an update that did not finish"}
}

// requestedService is what a Request asks for.
type requestedService struct {
	*service
	blob  []byte // the archive to store; nil for a stored one
	known bool   // the deployment is recorded
	over  origin // what the request was laid over
}

// requestedNow is svc, which was loaded without the lease, or, where another engine
// has changed the deployment before this one had it, what the request comes to now.
func (s *session) requestedNow(ctx context.Context, req Request, svc *requestedService) (*requestedService, error) {
	o := originOf(s.live.record)
	if o.Template == svc.over.Template && o.Entry == svc.over.Entry && bytes.Equal(o.Inputs, svc.over.Inputs) {
		return svc, nil
	}
	return s.eng.requestedDry(ctx, req)
}

// originOf is where a deployment's template comes from; record may be nil.
func originOf(record *state.Deployment) origin {
	if record == nil {
		return origin{}
	}
	return origin{record.Template, record.Entry, record.Inputs}
}

// requestedDry loads what a request asks for without making or storing anything.
func (e *Engine) requestedDry(ctx context.Context, req Request) (*requestedService, error) {
	if !state.ValidID(req.Deployment) {
		return nil, errs.New(errs.InvalidArgument, "use deployment", req.Deployment,
			"an ID has 1 to 128 ASCII letters, digits, '.', '_' and '-', and does not start with '.' or '-'")
	}
	record, err := e.cfg.Store.Deployment(ctx, req.Deployment)
	if err != nil && errs.CodeOf(err) != errs.NotFound {
		return nil, err
	}
	if req.Archive == nil {
		if err != nil {
			return nil, err
		}
		if record.Template == "" {
			return nil, errs.New(errs.InvalidArgument, "use deployment", req.Deployment, "there is no stored template: give an archive")
		}
		return e.requestedStored(ctx, req, record)
	}
	p, err := e.pack(req.Archive, req.Template)
	if err != nil {
		return nil, err
	}
	given, err := e.givenInputs(req, record)
	if err != nil {
		return nil, err
	}
	if req.Inputs == nil {
		// A template that has lost an input needs its stored value no more.
		maps.DeleteFunc(given, func(name string, _ any) bool { return parameter(p.template.Inputs, name) == nil })
	}
	svc, err := e.newService(p.loadedTemplate, given)
	if err != nil {
		return nil, err
	}
	return &requestedService{svc, p.blob, record != nil, originOf(record)}, nil
}

// requestedStored is the stored template, with other inputs where some are given.
func (e *Engine) requestedStored(ctx context.Context, req Request, record *state.Deployment) (*requestedService, error) {
	o := originOf(record)
	if req.Inputs == nil {
		svc, err := e.storedService(ctx, o, nil)
		return &requestedService{svc, nil, true, o}, err
	}
	t, err := e.stored(ctx, o.Template, o.Entry)
	if err != nil {
		return nil, err
	}
	given, err := e.givenInputs(req, record)
	if err != nil {
		return nil, err
	}
	svc, err := e.newService(t, given)
	return &requestedService{svc, nil, true, o}, err
}

// givenInputs are the inputs of the request, else the stored ones.
func (e *Engine) givenInputs(req Request, record *state.Deployment) (map[string]any, error) {
	if req.Inputs == nil && record != nil {
		given, unstored, err := e.loadInputs(record.Inputs)
		if err != nil {
			return nil, err
		}
		for name := range unstored {
			return nil, &errs.Error{Code: errs.FailedPrecondition, Op: "read input", Subject: name, Err: errUnstored}
		}
		return given, nil
	}
	given := make(map[string]any, len(req.Inputs))
	for name, value := range req.Inputs {
		data, err := normalize(value)
		if err != nil {
			return nil, &errs.Error{Code: errs.InvalidArgument, Op: "read input", Subject: name, Err: err}
		}
		given[name] = data
	}
	return given, nil
}

// requested loads what a request asks for and makes the deployment where there is none.
func (e *Engine) requested(ctx context.Context, req Request, doing string) (*requestedService, error) {
	svc, err := e.requestedDry(ctx, req)
	if err != nil {
		return nil, errs.Wrap(err, doing, req.Deployment)
	}
	if svc.known {
		return svc, nil
	}
	err = e.cfg.Store.CreateDeployment(ctx, &state.Deployment{ID: req.Deployment, Labels: req.Labels, Status: state.Initialized})
	if err != nil && errs.CodeOf(err) != errs.AlreadyExists {
		return nil, errs.Wrap(err, doing, req.Deployment)
	}
	return svc, nil
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

func (r Request) settings() settings {
	return settings{workers: r.Workers, onFailure: r.OnFailure, rerunLost: r.RerunLost, timeout: r.Timeout, retry: r.Retry}
}

func (o Options) settings() settings {
	return settings{workers: o.Workers, onFailure: o.OnFailure, rerunLost: o.RerunLost, timeout: o.Timeout, retry: o.Retry}
}

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
// FailedPrecondition where it still has nodes and force is false.
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
	return e.cfg.Store.DeleteDeployment(ctx, deployment, s.lease.current())
}
