package executor

import (
	"errors"
	"fmt"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
)

// checkCondition is a nil error where the condition of a Check or Filter holds,
// an unmetError where it does not, and another error where it cannot be told.
func (l *live) checkCondition(r *run, s *workflow.Step) error {
	svc, inst := l.serviceOf(s), l.instances[s.Instance]
	if inst == nil && s.Instance != "" {
		return noInstance(s.Instance)
	}
	cond, err := workflow.FindCondition(svc.template, s.When)
	if err != nil {
		return err
	}
	x := examination{live: l, inst: inst, policy: policyAt(svc.template, s.When), whole: svc.template, at: workflow.ServiceAt(svc.template, s.When)}
	if x.env, err = l.nested(s, x.entity(), env{live: l, service: svc, arguments: r.arguments}); err != nil {
		return err
	}
	return x.holds(cond)
}

// unmetError says why a condition does not hold.
type unmetError struct{ error }

// examination evaluates a condition about one instance, or about the service.
//
// Source: TOSCA 1.3 section 3.6.25 (condition clauses), TOSCA 2.0 section
// 10.2.2 (boolean functions).
type examination struct {
	live *live
	// inst is nil for a precondition of TOSCA 2.0, which is about the service.
	inst *instance
	// whole is the service that is deployed, at the one in it that the
	// condition belongs to.
	whole, at *tosca.ServiceTemplate
	// policy is that of the trigger whose condition it is; nil in a workflow.
	policy *tosca.Policy
	env    env
}

func (x examination) holds(c *tosca.Condition) error {
	switch c.Op {
	case "and":
		for _, o := range c.Operands {
			if err := x.holds(o); err != nil {
				return err
			}
		}
		return nil
	case "or":
		return x.any(c.Operands)
	case "not":
		for _, o := range c.Operands {
			err := x.holds(o)
			if err == nil {
				return unmetError{fmt.Errorf("the condition at line %d holds, and should not", o.Range.Start.Line)}
			}
			if !unmet(err) {
				return err
			}
		}
		return nil
	case "assert":
		return x.assert(c)
	case "expression":
		return x.expression(c)
	}
	return errs.New(errs.InvalidArgument, "examine a condition", x.subject(), "unknown operator %q", c.Op)
}

// expression evaluates a boolean expression of TOSCA 2.0.
func (x examination) expression(c *tosca.Condition) error {
	holds, err := c.Holds(x.entity(), x.env)
	if err == nil && !holds {
		return unmetError{fmt.Errorf("the condition at line %d does not hold for %s", c.Range.Start.Line, x.subject())}
	}
	return err
}

// entity is what the condition is about in the language.
func (x examination) entity() tosca.Entity {
	entity := tosca.Entity{Service: x.at}
	if x.inst != nil {
		entity = x.inst.entity(x.whole)
	}
	entity.Policy = x.policy
	return entity
}

func (x examination) subject() string {
	if x.inst == nil {
		return "the service"
	}
	return x.inst.ID
}

func (x examination) any(operands []*tosca.Condition) error {
	var reasons []error
	for _, o := range operands {
		err := x.holds(o)
		if err == nil {
			return nil
		}
		if !unmet(err) {
			return err
		}
		reasons = append(reasons, err)
	}
	return unmetError{errors.Join(reasons...)}
}

func (x examination) assert(c *tosca.Condition) error {
	if x.inst == nil {
		return errs.New(errs.InvalidArgument, "examine a condition", x.subject(), "a condition on the attribute %q has no target", c.Attribute)
	}
	value, err := x.live.attributeValue(x.inst, c.Attribute, x.env)
	if err != nil {
		return err
	}
	entity := x.entity()
	err = tosca.Satisfies(value, nil, c.Constraints, func(v *tosca.Value) (any, error) { return v.Eval(entity, x.env) })
	if err != nil {
		return unmetError{fmt.Errorf("%s of %s: %w", c.Attribute, x.inst.ID, err)}
	}
	return nil
}

func unmet(err error) bool {
	var u unmetError
	return errors.As(err, &u)
}

// attributeValue is an attribute of an instance as set at run time, else as
// given in the template, else the property of that name; nil where there is none.
func (l *live) attributeValue(inst *instance, name string, e env) (any, error) {
	entity := inst.entity(e.service.template)
	value, ok, err := e.Attribute(entity, "", name)
	if err != nil || ok && value != nil {
		return value, err
	}
	var lists [][]*tosca.Assignment
	switch {
	case entity.Node != nil:
		lists = [][]*tosca.Assignment{entity.Node.Attributes, entity.Node.Properties}
	case entity.Relationship != nil:
		lists = [][]*tosca.Assignment{entity.Relationship.Attributes, entity.Relationship.Properties}
	}
	for _, list := range lists {
		for _, a := range list {
			if a.Name != name || a.Value == nil {
				continue
			}
			value, err := a.Value.Eval(entity, e)
			if err != nil {
				return nil, err
			}
			if a.Sensitive {
				l.secrets.Add(value)
			}
			if value != nil {
				return value, nil
			}
		}
	}
	return nil, nil
}
