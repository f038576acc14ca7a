package executor

import (
	"bytes"
	"context"
	"maps"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
)

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

func (r Request) settings() settings {
	return settings{workers: r.Workers, onFailure: r.OnFailure, rerunLost: r.RerunLost, timeout: r.Timeout, retry: r.Retry}
}

func (o Options) settings() settings {
	return settings{workers: o.Workers, onFailure: o.OnFailure, rerunLost: o.RerunLost, timeout: o.Timeout, retry: o.Retry}
}
