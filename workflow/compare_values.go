package workflow

import (
	"reflect"
	"slices"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/tosca"
)

// hidden stands for a value that must not be shown.
const hidden = "***"

// scope compares what belongs to one thing of either template.
type scope struct {
	*comparer
	oldEntity, newEntity tosca.Entity
}

func assignmentName(a *tosca.Assignment) string { return a.Name }

// assignments compares properties or inputs by their values.
func (s scope) assignments(old, new []*tosca.Assignment) *Diff {
	return compareNamed(old, new, assignmentName, func(o, n *tosca.Assignment) any {
		a, b, same := s.values(o.Value, n.Value)
		switch {
		case same:
			return nil
		case o.Sensitive || n.Sensitive:
			return pair(hidden, hidden)
		}
		return pair(a, b)
	})
}

// values returns two values as they are to be shown and whether they are the
// same: evaluated where both can be, else as written.
func (s scope) values(old, new *tosca.Value) (a, b any, same bool) {
	if old == nil || new == nil {
		return written(old), written(new), old == new
	}
	a, errA := s.opts.Eval(s.oldEntity, old)
	b, errB := s.opts.Eval(s.newEntity, new)
	if errA != nil || errB != nil {
		a, b = written(old), written(new)
	}
	return a, b, reflect.DeepEqual(a, b)
}

// written is a value as it stands in the template: data, or a map from the name
// of a function to its arguments. Of a list or map with calls in it, it is the
// calls.
func written(v *tosca.Value) any {
	if v == nil {
		return nil
	}
	if data, ok := v.Static(); ok {
		return data
	}
	call := v.Call()
	if call == nil {
		calls := []any{}
		for _, call := range v.Calls() {
			calls = append(calls, writtenCall(call))
		}
		return calls
	}
	return writtenCall(call)
}

func writtenCall(call *tosca.Call) any {
	args := make([]any, len(call.Args))
	for i, arg := range call.Args {
		args[i] = written(arg)
	}
	if len(args) == 1 {
		return map[string]any{call.Function: args[0]}
	}
	return map[string]any{call.Function: args}
}

// eval evaluates a value of one of the templates without a deployment.
func (c *comparer) eval(of tosca.Entity, v *tosca.Value) (any, error) {
	inputs := c.opts.NewInputs
	if of.Service == c.old {
		inputs = c.opts.OldInputs
	}
	return v.Eval(of, undeployed(inputs))
}

// undeployed is a deployment of which only the inputs are known. What it does
// not know is called by its name, so that equal questions have equal answers.
type undeployed map[string]any

func (u undeployed) Input(name string) (any, bool, error) {
	if value, ok := u[name]; ok {
		return value, true, nil
	}
	return unknown("get_input", name), true, nil
}

func (u undeployed) Attribute(of tosca.Entity, capability, name string) (any, bool, error) {
	if assigned(of, capability, name) {
		return nil, false, nil // the template's own value serves
	}
	if capability != "" {
		return unknown("get_attribute", entityName(of), capability, name), true, nil
	}
	return unknown("get_attribute", entityName(of), name), true, nil
}

func (u undeployed) OperationOutput(of tosca.Entity, iface, operation, output string) (any, bool, error) {
	return unknown("get_operation_output", entityName(of), iface, operation, output), true, nil
}

func (u undeployed) Artifact(_ tosca.Entity, artifact *tosca.Artifact, location string, _ bool) (any, bool, error) {
	return unknown("get_artifact", artifact.File, location), true, nil
}

// unknown names a value that only the deployment knows.
func unknown(function string, args ...string) string {
	return function + "(" + strings.Join(args, ", ") + ")"
}

// assigned tells whether the template gives an attribute, or the property of
// the same name, a value.
func assigned(of tosca.Entity, capability, name string) bool {
	var lists [][]*tosca.Assignment
	switch {
	case of.Relationship != nil:
		lists = [][]*tosca.Assignment{of.Relationship.Properties, of.Relationship.Attributes}
	case of.Node != nil && capability == "":
		lists = [][]*tosca.Assignment{of.Node.Properties, of.Node.Attributes}
	case of.Node != nil:
		for _, c := range of.Node.Capabilities {
			if c.Name == capability {
				lists = append(lists, c.Properties, c.Attributes)
			}
		}
	}
	return slices.ContainsFunc(lists, func(list []*tosca.Assignment) bool {
		return slices.ContainsFunc(list, func(a *tosca.Assignment) bool { return a.Name == name && a.Value != nil })
	})
}

// entityName names a node, or a relationship by its source and requirement.
func entityName(of tosca.Entity) string {
	switch {
	case of.Relationship != nil && of.Relationship.Requirement != nil:
		r := of.Relationship.Requirement
		return nodeName(r.Source) + "." + requirementName(r)
	case of.Node != nil:
		return nodeName(of.Node)
	}
	return "the service"
}
