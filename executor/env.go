package executor

import (
	"fmt"
	"path"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
)

// env answers what calls of the language ask of the deployment.
type env struct {
	live    *live
	service *service
	// arguments are the inputs of the workflow being run; they win over those
	// of the service that it belongs to: of, or where that is nil the whole.
	arguments map[string]any
	of        *tosca.ServiceTemplate
}

var (
	_ tosca.FunctionEnv = env{}
	_ tosca.WorkflowEnv = env{}
)

// WorkflowInput returns an input of the workflow being run.
func (e env) WorkflowInput(of *tosca.ServiceTemplate, name string) (any, bool) {
	if e.of != nil && e.of != of || e.of == nil && of.Substitutes() != nil {
		return nil, false
	}
	v, ok := e.arguments[name]
	return v, ok
}

// eval evaluates a value of the service template in the context of an entity.
func (l *live) eval(s *service, v *tosca.Value, of tosca.Entity) (any, error) {
	return v.Eval(of, env{live: l, service: s})
}

// Input returns an input of the service template.
func (e env) Input(name string) (any, bool, error) {
	if e.of == nil || e.of.Substitutes() == nil {
		if v, ok := e.arguments[name]; ok {
			return v, true, nil
		}
	}
	return e.live.input(e.service, name)
}

// input returns an input of the service: as given, else its default.
func (l *live) input(s *service, name string) (any, bool, error) {
	if s.unstored[name] {
		return nil, false, &errs.Error{Code: errs.FailedPrecondition, Op: "read input", Subject: name, Err: errUnstored}
	}
	v, ok := s.values[name]
	return v, ok, nil
}

func parameter(list []*tosca.Parameter, name string) *tosca.Parameter {
	for _, p := range list {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// instanceOf finds the instance that an entity means.
func (l *live) instanceOf(of tosca.Entity) *instance {
	switch {
	case of.Node != nil:
		return l.instances[workflow.NodeID(of.Node.Name, of.Node.Index)]
	case of.Relationship == nil:
		return nil
	}
	if r := of.Relationship.Requirement; r != nil && r.Source != nil {
		source := l.instances[workflow.NodeID(r.Source.Name, r.Source.Index)]
		if source == nil {
			return nil
		}
		for _, rel := range source.outgoing {
			if rel.Requirement == r.Name && rel.RequirementIndex == r.Index {
				return rel
			}
		}
		return nil
	}
	// A relationship template by its name: the first instance made of it.
	for _, inst := range l.sorted() {
		if inst.Kind == state.Relationship && inst.Template == of.Relationship.Name {
			return inst
		}
	}
	return nil
}

// Attribute returns an attribute that was given a value at run time, or one of
// those that every instance has: tosca_id, tosca_name and state.
func (e env) Attribute(of tosca.Entity, capability, name string) (any, bool, error) {
	if value, ok, err := of.MappedAttribute(capability, name, e); ok || err != nil {
		return value, ok, err
	}
	inst := e.live.instanceOf(of)
	if inst == nil {
		return nil, false, nil
	}
	if capability == "" {
		switch name {
		case "tosca_id":
			return inst.ID, true, nil
		case "tosca_name":
			return inst.name(), true, nil
		case "state":
			return inst.State, true, nil
		}
	}
	value, ok, err := inst.attribute(e.live.vault, capability, name)
	if err != nil {
		err = fmt.Errorf("attribute %s of %s: %w", name, inst.ID, err)
	}
	return value, ok, err
}

func (i *instance) name() string {
	if i.Template == "" {
		return i.Requirement
	}
	return i.Template
}

// OperationOutput returns an output of an operation that ran.
func (e env) OperationOutput(of tosca.Entity, iface, operation, output string) (any, bool, error) {
	inst := e.live.instanceOf(of)
	if inst == nil {
		return nil, false, nil
	}
	return inst.output(e.live.vault, iface+"."+operation, output)
}

// Artifact returns the name of the file in the working directory of the
// operation, where all artifacts of the node lie side by side.
func (e env) Artifact(_ tosca.Entity, a *tosca.Artifact, _ string, _ bool) (any, bool, error) {
	return path.Base(a.File), true, nil
}
