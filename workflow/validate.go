package workflow

import (
	"encoding/json"
	"slices"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// Parse reads a plan that json.Marshal wrote, and validates it. The error has
// code InvalidArgument.
func Parse(data []byte) (*Plan, error) {
	p := &Plan{}
	if err := json.Unmarshal(data, p); err != nil {
		return nil, &errs.Error{Code: errs.InvalidArgument, Op: "read plan", Err: err}
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return p, nil
}

// Validate tells whether the plan can be taken through: every step has an ID of
// its own and what its kind needs, and waits only for steps before it (so there
// is no cycle); every instance to make has an ID of its own. The error has code
// InvalidArgument and names the first step at fault.
func (p *Plan) Validate() error {
	ids := make(map[string]StepKind, len(p.Steps))
	for i, s := range p.Steps {
		if s == nil {
			return invalid("step %d is null", i)
		}
		if s.ID == "" {
			return invalid("step %d has no ID", i)
		}
		if _, ok := ids[s.ID]; ok {
			return invalid("two steps have the ID %q; rename one of the nodes", s.ID)
		}
		if s.Guard != "" && ids[s.Guard] != Filter {
			return invalid("step %q is guarded by %q, which is no filter before it", s.ID, s.Guard)
		}
		ids[s.ID] = s.Kind
		if err := s.validate(i); err != nil {
			return err
		}
	}
	instances := make(map[string]bool, len(p.Create))
	for _, in := range p.Create {
		if in.ID == "" {
			return invalid("an instance has no ID")
		}
		if instances[in.ID] {
			return invalid("two instances have the ID %q; rename one of the nodes", in.ID)
		}
		instances[in.ID] = true
	}
	return nil
}

// validate checks the step at index i by itself.
func (s *Step) validate(i int) error {
	switch s.Kind {
	case Call:
		if s.Instance == "" && s.Workflow == "" || s.Interface == "" || s.Operation == "" {
			return invalid("step %q calls an operation, but lacks its instance, interface or name", s.ID)
		}
	case Set:
		if s.Instance == "" || s.Exit == "" {
			return invalid("step %q sets a state, but lacks its instance or the state", s.ID)
		}
	case Check, Filter:
		if s.Instance == "" && s.Kind == Filter || s.When == "" {
			return invalid("step %q examines a condition, but lacks its instance or the condition", s.ID)
		}
	case Store:
		if s.Workflow == "" {
			return invalid("step %q stores the inputs of a workflow, but lacks the workflow", s.ID)
		}
	case Join:
	default:
		return invalid("step %q has the unknown kind %q", s.ID, s.Kind)
	}
	for _, before := range [][]int{s.After, s.OnFailure} {
		last := -1
		for _, j := range before {
			if j < 0 || j >= i {
				return invalid("step %q (%d) waits for step %d, which is not before it", s.ID, i, j)
			}
			if j <= last {
				return invalid("step %q waits for steps that are not in ascending order", s.ID)
			}
			last = j
		}
	}
	for _, j := range s.Begun {
		if !slices.Contains(s.After, j) {
			return invalid("step %q waits for the beginning of step %d, which it does not come after", s.ID, j)
		}
	}
	return nil
}

func invalid(format string, args ...any) error {
	return errs.New(errs.InvalidArgument, "check plan", "", format, args...)
}
