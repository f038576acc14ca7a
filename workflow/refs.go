package workflow

import (
	"strconv"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
)

// Steps refer to activities and conditions by their place in the template, not
// by their content: a plan stays plain JSON, and values keep the functions that
// they are made of until the step begins. A place is a path in the manner of a
// JSON pointer (RFC 6901: "~1" stands for a slash in a name, "~0" for a tilde):
//
//	/workflows/NAME
//	/workflows/NAME/steps/NAME/activities/INDEX
//	/workflows/NAME/steps/NAME/filter
//	/workflows/NAME/preconditions/INDEX
//	/policies/NAME/triggers/NAME/action/INDEX
//	/policies/NAME/triggers/NAME/condition
//	/nodes/NAME/INDEX/interfaces/NAME/operations/NAME
//	/nodes/NAME/INDEX/interfaces/NAME/operations/NAME/calls/PLACE
//
// A place in a service that substitutes a node begins with that node:
//
//	/nodes/NAME/INDEX/workflows/NAME/...
func place(parts ...string) string {
	var b strings.Builder
	for _, part := range parts {
		b.WriteByte('/')
		b.WriteString(escaper.Replace(part))
	}
	return b.String()
}

var (
	escaper   = strings.NewReplacer("~", "~0", "/", "~1")
	unescaper = strings.NewReplacer("~1", "/", "~0", "~")
)

// FindActivity returns the activity at a place that a step names (Step.Activity
// or one of Step.Scope). The template must be the one that the plan was made
// of, else the error has code NotFound.
func FindActivity(t *tosca.ServiceTemplate, at string) (*tosca.Activity, error) {
	t, p := inService(t, splitPlace(at))
	switch {
	case p.is("workflows", "", "steps", "", "activities", ""):
		if s := findStep(t.Workflow(p[1]), p[3]); s != nil {
			if i, ok := p.index(5, len(s.Activities)); ok {
				return s.Activities[i], nil
			}
		}
	case p.is("policies", "", "triggers", "", "action", ""):
		if tr := findTrigger(t.Policy(p[1]), p[3]); tr != nil {
			if i, ok := p.index(5, len(tr.Action)); ok {
				return tr.Action[i], nil
			}
		}
	}
	return nil, notInTemplate("activity", at)
}

// FindWorkflow returns the workflow at a place that a step names (Step.Workflow).
// The template must be the one that the plan was made of, else the error has
// code NotFound.
func FindWorkflow(t *tosca.ServiceTemplate, at string) (*tosca.Workflow, error) {
	t, p := inService(t, splitPlace(at))
	if p.is("workflows", "") {
		if w := t.Workflow(p[1]); w != nil {
			return w, nil
		}
	}
	return nil, notInTemplate("workflow", at)
}

// FindCondition returns the condition at the place that a Check or Filter
// names (Step.When). The template must be the one that the plan was made of,
// else the error has code NotFound.
func FindCondition(t *tosca.ServiceTemplate, at string) (*tosca.Condition, error) {
	t, p := inService(t, splitPlace(at))
	switch {
	case p.is("workflows", "", "steps", "", "filter"):
		if s := findStep(t.Workflow(p[1]), p[3]); s != nil && s.Filter != nil {
			return s.Filter, nil
		}
	case p.is("workflows", "", "preconditions", ""):
		if w := t.Workflow(p[1]); w != nil {
			if i, ok := p.index(3, len(w.Preconditions)); ok && w.Preconditions[i].Condition != nil {
				return w.Preconditions[i].Condition, nil
			}
		}
	case p.is("policies", "", "triggers", "", "condition"):
		if tr := findTrigger(t.Policy(p[1]), p[3]); tr != nil && tr.Condition != nil {
			return tr.Condition, nil
		}
	}
	return nil, notInTemplate("condition", at)
}

func notInTemplate(what, at string) error {
	return &errs.Error{Code: errs.NotFound, Op: "find " + what, Subject: at,
		Err:  errs.New(errs.NotFound, "", "", "the template has none there"),
		Hint: "use the template that the plan was made of"}
}

// placeParts are the parts of a place.
type placeParts []string

func splitPlace(at string) placeParts {
	parts := strings.Split(strings.TrimPrefix(at, "/"), "/")
	for i := range parts {
		parts[i] = unescaper.Replace(parts[i])
	}
	return parts
}

// is compares the parts with a pattern in which "" stands for any part.
func (p placeParts) is(pattern ...string) bool {
	if len(p) != len(pattern) {
		return false
	}
	for i, want := range pattern {
		if want != "" && p[i] != want {
			return false
		}
	}
	return true
}

// index is the part at i as an index of a list of n things.
func (p placeParts) index(i, n int) (int, bool) {
	x, err := strconv.Atoi(p[i])
	return x, err == nil && 0 <= x && x < n
}

func findStep(w *tosca.Workflow, name string) *tosca.WorkflowStep {
	if w != nil {
		for _, s := range w.Steps {
			if s.Name == name {
				return s
			}
		}
	}
	return nil
}

func findTrigger(p *tosca.Policy, name string) *tosca.Trigger {
	if p != nil {
		for _, t := range p.Triggers {
			if t.Name == name {
				return t
			}
		}
	}
	return nil
}
