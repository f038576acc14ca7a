package executor

import (
	"context"
	"encoding/json"
	"errors"
	"maps"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/internal/redact"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
)

// Outputs evaluates the outputs of the service template, in order of
// declaration. One that has no value yet is nil. A sensitive one is a Secret.
//
// Outputs that cannot be evaluated are left out, and the error beside the others
// names each of them: it joins their errors (Unwrap() []error). It has code
// Unimplemented where an output calls a function that nothing here evaluates.
// Where nothing could be read at all the outputs are nil.
func (e *Engine) Outputs(ctx context.Context, deployment string) ([]Output, error) {
	s, err := e.look(ctx, deployment, nil)
	if err != nil {
		return nil, errs.Wrap(err, "read the outputs of", deployment)
	}
	l := s.live
	outputs := make([]Output, 0, len(l.service.template.Outputs))
	var faults []error
	for _, p := range l.service.template.Outputs {
		o := Output{Name: p.Name, Description: p.Description}
		if p.Value != nil {
			o.Value, err = l.eval(l.service, p.Value, tosca.Entity{Service: l.service.template})
			if err != nil && errs.CodeOf(err) != errs.FailedPrecondition {
				faults = append(faults, errs.Wrap(err, "output", p.Name))
				continue
			}
			if o.Value != nil && (p.Sensitive || l.secrets.Contains(o.Value)) {
				o.Value = redact.NewSecret(o.Value)
			}
		}
		outputs = append(outputs, o)
	}
	return outputs, errs.Wrap(errors.Join(faults...), "read the outputs of", deployment)
}

// Info tells what is known of a deployment.
func (e *Engine) Info(ctx context.Context, deployment string) (*Info, error) {
	l, last, err := e.read(ctx, deployment)
	if err != nil {
		return nil, errs.Wrap(err, "read", deployment)
	}
	info := &Info{Deployment: l.record, Run: last}
	if l.record.Template != "" {
		if err := e.load(ctx, l, last, nil); err != nil {
			return nil, errs.Wrap(err, "read", deployment)
		}
		t := l.service.template
		info.Name, info.Author, info.TemplateVersion = t.Name, t.Author, t.TemplateVersion
		info.Inputs = l.shownInputs()
	}
	info.Status = l.status(last)
	l.record.Inputs = shownValues(l, info.Inputs)
	for _, inst := range l.sorted() {
		info.Instances = append(info.Instances, inst.shown(l))
	}
	return info, nil
}

// shownInputs are the given inputs with "***" for sensitive ones.
func (l *live) shownInputs() map[string]any {
	inputs := map[string]any{}
	for name, value := range l.service.given {
		if p := parameter(l.service.template.Inputs, name); p != nil && p.Sensitive {
			value = redact.NewSecret(value)
		} else {
			value = l.secrets.Value(value)
		}
		inputs[name] = value
	}
	for name := range l.service.unstored {
		inputs[name] = redact.NewSecret(nil)
	}
	return inputs
}

func shownValues(l *live, inputs map[string]any) json.RawMessage {
	if len(inputs) == 0 {
		return nil
	}
	shown := maps.Clone(inputs)
	for name, value := range shown {
		if _, ok := value.(Secret); ok {
			shown[name] = redact.Stars
		}
	}
	raw, err := encode(shown)
	if err != nil {
		return nil
	}
	return raw
}

// shown is the record of an instance with "***" for what must not be shown.
func (i *instance) shown(l *live) *state.Instance {
	rec := i.Instance
	one := func(raw json.RawMessage) json.RawMessage {
		value, secret, err := l.vault.load(raw)
		if secret || err != nil {
			return json.RawMessage(`"` + redact.Stars + `"`)
		}
		if !l.secrets.Contains(value) {
			if shown, err := encode(value); err == nil {
				return shown
			}
		}
		shown, err := encode(l.secrets.Value(value))
		if err != nil {
			return json.RawMessage(`"` + redact.Stars + `"`)
		}
		return shown
	}
	all := func(m map[string]json.RawMessage) map[string]json.RawMessage {
		m = maps.Clone(m)
		for k, raw := range m {
			m[k] = one(raw)
		}
		return m
	}
	nested := func(m map[string]map[string]json.RawMessage) map[string]map[string]json.RawMessage {
		m = maps.Clone(m)
		for k := range m {
			m[k] = all(m[k])
		}
		return m
	}
	rec.Properties, rec.Attributes = all(rec.Properties), all(rec.Attributes)
	rec.CapabilityAttributes, rec.Outputs = nested(rec.CapabilityAttributes), nested(rec.Outputs)
	return &rec
}

// Template returns the service template that is deployed. It must not be changed.
func (e *Engine) Template(ctx context.Context, deployment string) (*tosca.ServiceTemplate, error) {
	record, err := e.cfg.Store.Deployment(ctx, deployment)
	if err != nil {
		return nil, errs.Wrap(err, "read the template of", deployment)
	}
	if record.Template == "" {
		return nil, errs.New(errs.FailedPrecondition, "read the template of", deployment, "nothing was deployed yet")
	}
	svc, err := e.storedService(ctx, origin{record.Template, record.Entry, record.Inputs}, nil)
	if err != nil {
		return nil, errs.Wrap(err, "read the template of", deployment)
	}
	return svc.template, nil
}
