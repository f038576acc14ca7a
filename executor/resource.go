package executor

import (
	"maps"

	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
)

// Surveyor is a Driver that works from the values of nodes instead of a script
// with inputs: one that makes a machine, or submits a job that a node describes.
// For operations that it surveys, Operation.Self, Hosts and Targets are filled.
type Surveyor interface {
	Driver
	// Surveys tells whether the driver wants to know the values around op,
	// which it has accepted. It looks at op only.
	Surveys(op *Operation) bool
}

// Resource is a node with its values, as they were when an operation began. The
// values are the driver's own: nil, bool, int64, float64, string, []any,
// map[string]any.
type Resource struct {
	// ID is the instance's, such as "web_0".
	ID   string
	Node *tosca.NodeTemplate
	// State is the instance's.
	State string
	// Properties are evaluated. Attributes are those given a value at run time,
	// else in the template.
	Properties, Attributes map[string]any
	// Capabilities are the properties of each capability, and its attributes
	// where they have a value, by capability, then name.
	Capabilities map[string]map[string]any
	// Faults say why a value could not be evaluated, by the name of the
	// property or attribute; "capability.name" for those of capabilities.
	Faults map[string]error
}

// Value returns the attribute of that name, or where it has no value the
// property; nil where neither has. The error is the fault of evaluating it.
func (r *Resource) Value(name string) (any, error) {
	if v := r.Attributes[name]; v != nil {
		return v, nil
	}
	if v := r.Properties[name]; v != nil {
		return v, nil
	}
	return nil, r.Faults[name]
}

// Target is what a requirement of the node leads to.
type Target struct {
	*Resource
	// Requirement is the requirement with its relationship template.
	Requirement *tosca.Requirement
	// Relationship are the relationship's properties and attributes that have a
	// value; an attribute wins.
	Relationship map[string]any
	// Running is the target's operation that goes on outside, where the operation
	// was chained to it (see Chainer); nil where that has succeeded.
	Running *Handle
}

// survey fills what a Surveyor wants to know.
func (l *live) survey(op *Operation, inst *instance, e env) {
	if inst.Kind == state.Relationship && inst.source != nil {
		inst = inst.source
	}
	op.Self, op.Hosts, op.Targets = l.resource(inst, e), nil, nil
	for host, seen := inst.host(), map[*instance]bool{inst: true}; host != nil && !seen[host]; host = host.host() {
		seen[host] = true
		op.Hosts = append(op.Hosts, l.resource(host, e))
	}
	for _, rel := range inst.outgoing {
		if rel.target == nil || rel.requirement == nil {
			continue
		}
		t := Target{Resource: l.resource(rel.target, e), Requirement: rel.requirement, Relationship: map[string]any{}}
		if r := rel.requirement.Relationship; r != nil {
			of := rel.entity(e.service.template)
			l.evaluate(r.Properties, of, e, t.Relationship, t.Faults, "")
			l.evaluate(r.Attributes, of, e, t.Relationship, t.Faults, "")
			l.recorded(of, e, "", maps.Keys(rel.Attributes), t.Relationship, t.Faults)
			delete(t.Relationship, "state")
		}
		op.Targets = append(op.Targets, t)
	}
}

// host is the instance that a node's first HostedOn relationship leads to.
func (i *instance) host() *instance {
	for _, rel := range i.outgoing {
		if r := rel.requirement; r != nil && r.Relationship != nil && isHostedOn(r.Relationship.Type) {
			return rel.target
		}
	}
	return nil
}

func (l *live) resource(inst *instance, e env) *Resource {
	r := &Resource{ID: inst.ID, Node: inst.node, State: inst.State,
		Properties: map[string]any{}, Attributes: map[string]any{}, Capabilities: map[string]map[string]any{}, Faults: map[string]error{}}
	if inst.node == nil {
		return r
	}
	of := inst.entity(e.service.template)
	l.evaluate(inst.node.Properties, of, e, r.Properties, r.Faults, "")
	l.evaluate(inst.node.Attributes, of, e, r.Attributes, r.Faults, "")
	l.recorded(of, e, "", maps.Keys(inst.Attributes), r.Attributes, r.Faults)
	delete(r.Attributes, "state") // what the type says; the true one is State
	for _, c := range inst.node.Capabilities {
		values := map[string]any{}
		l.evaluate(c.Properties, of, e, values, r.Faults, c.Name+".")
		l.evaluate(c.Attributes, of, e, values, r.Faults, c.Name+".")
		l.recorded(of, e, c.Name, maps.Keys(inst.CapabilityAttributes[c.Name]), values, r.Faults)
		if len(values) > 0 {
			r.Capabilities[c.Name] = values
		}
	}
	return r
}

// evaluate puts the values of assignments into values, and what goes wrong into faults.
func (l *live) evaluate(list []*tosca.Assignment, of tosca.Entity, e env, values map[string]any, faults map[string]error, prefix string) {
	for _, a := range list {
		if a.Value == nil {
			continue
		}
		value, err := a.Value.Eval(of, e)
		if err != nil {
			faults[prefix+a.Name] = err
			continue
		}
		if a.Sensitive {
			l.secrets.Add(value)
		}
		if value != nil {
			values[a.Name] = clone(value)
		}
	}
}

// recorded puts the attributes that were given a value at run time into values.
func (l *live) recorded(of tosca.Entity, e env, capability string, names func(func(string) bool), values map[string]any, faults map[string]error) {
	prefix := ""
	if capability != "" {
		prefix = capability + "."
	}
	for name := range names {
		value, ok, err := e.Attribute(of, capability, name)
		if err != nil {
			faults[prefix+name] = err
		} else if ok {
			values[name] = clone(value)
		}
	}
}
