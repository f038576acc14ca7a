package workflow

import (
	"reflect"

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
	if s.opts.Eval != nil {
		a, errA := s.opts.Eval(s.oldEntity, old)
		b, errB := s.opts.Eval(s.newEntity, new)
		if errA == nil && errB == nil {
			return a, b, reflect.DeepEqual(a, b)
		}
	}
	a, b = written(old), written(new)
	return a, b, reflect.DeepEqual(a, b)
}

// written is a value as it stands in the template: data, or a map from the name
// of a function to its arguments.
func written(v *tosca.Value) any {
	if v == nil {
		return nil
	}
	if data, ok := v.Static(); ok {
		return data
	}
	call := v.Call()
	if call == nil {
		return nil
	}
	args := make([]any, len(call.Args))
	for i, arg := range call.Args {
		args[i] = written(arg)
	}
	if len(args) == 1 {
		return map[string]any{call.Function: args[0]}
	}
	return map[string]any{call.Function: args}
}
