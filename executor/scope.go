package executor

import (
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
)

// nested is the env of a step of a nested workflow: its inputs are what the
// inline activity, or the operation that it carries out, gives to it, each
// evaluated in the workflow around it. self is what the step is about.
func (l *live) nested(s *workflow.Step, self tosca.Entity, e env) (env, error) {
	t := l.serviceOf(s).template
	for _, at := range s.Scope {
		call, ok, err := workflow.FindOperationCall(t, at)
		if err != nil {
			return e, err
		}
		var arguments map[string]any
		var run *tosca.Workflow
		of := workflow.ServiceAt(t, at)
		if ok {
			run = call.Workflow
			arguments, err = l.callArguments(t, call, e)
		} else {
			var inline *tosca.Activity
			if inline, err = workflow.FindActivity(t, at); err == nil {
				run = of.Workflow(inline.Name)
				arguments, err = l.arguments(inline.Inputs, within(of, self, policyAt(t, at)), e)
			}
		}
		if err != nil {
			return e, err
		}
		e.arguments, e.of = arguments, of
		if err := defaults(run, arguments, of, e); err != nil {
			return e, err
		}
	}
	return e, nil
}

// within is what SELF means in an activity of a service: self, unless that
// belongs to another service.
func within(of *tosca.ServiceTemplate, self tosca.Entity, p *tosca.Policy) tosca.Entity {
	if n := self.Node; n != nil && n.Service() != nil && n.Service() != of {
		self = tosca.Entity{Service: of}
	} else if r := self.Relationship; r != nil && r.Service() != nil && r.Service() != of {
		self = tosca.Entity{Service: of}
	}
	self.Policy = p
	return self
}

// callArguments evaluates the inputs of an operation that a workflow carries
// out, and those that an activity gives to the call.
func (l *live) callArguments(t *tosca.ServiceTemplate, call workflow.OperationCall, e env) (map[string]any, error) {
	self := tosca.Entity{Service: t, Node: call.Node}
	var inputs []*tosca.Assignment
	if call.Operation != nil {
		inputs = call.Operation.Inputs
	}
	arguments, err := l.arguments(inputs, self, e)
	if err != nil || call.Activity == "" {
		return arguments, err
	}
	activity, err := workflow.FindActivity(t, call.Activity)
	if err != nil {
		return nil, err
	}
	self.Policy = policyAt(t, call.Activity)
	given, err := l.arguments(activity.Inputs, self, e)
	for name, value := range given {
		arguments[name] = value
	}
	return arguments, err
}

// arguments evaluates assignments into the inputs of a workflow.
func (l *live) arguments(list []*tosca.Assignment, self tosca.Entity, e env) (map[string]any, error) {
	arguments := map[string]any{}
	for _, a := range list {
		if a.Value == nil {
			continue
		}
		value, err := a.Value.Eval(self, e)
		if err != nil {
			return nil, &errs.Error{Code: errs.CodeOf(err), Op: "evaluate input", Subject: a.Name, Err: err}
		}
		if a.Sensitive {
			l.secrets.Add(value)
		}
		arguments[a.Name] = value
	}
	return arguments, nil
}

// defaults adds the defaults of the inputs of a workflow that were not given.
func defaults(w *tosca.Workflow, arguments map[string]any, of *tosca.ServiceTemplate, e env) error {
	if w == nil {
		return nil
	}
	for _, p := range w.Inputs {
		if _, given := arguments[p.Name]; given || p.Default == nil {
			continue
		}
		value, err := p.Default.Eval(tosca.Entity{Service: of}, e)
		if err != nil {
			return errs.Wrap(err, "evaluate input", p.Name)
		}
		arguments[p.Name] = value
	}
	return nil
}
