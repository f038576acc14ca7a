package workflow

import (
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
)

// Holds tells whether a condition of a workflow or trigger holds. attribute
// returns the present value of an attribute (or property) of the instance that
// the condition is about; an attribute without a value is nil. eval evaluates
// operands that call functions; it may be nil where there are none.
//
// "and" holds where all its operands hold, "or" where one does, "not" where not
// all do. The error is that of attribute or eval, or has code InvalidArgument
// for a combination that does not exist.
//
// Source: TOSCA 1.3 sections 3.6.24 (assertion) and 3.6.25 (condition clause).
func Holds(c *tosca.Condition, attribute func(name string) (any, error), eval func(*tosca.Value) (any, error)) (bool, error) {
	switch c.Op {
	case "and", "not":
		for _, operand := range c.Operands {
			if holds, err := Holds(operand, attribute, eval); err != nil || !holds {
				return c.Op == "not" && err == nil, err
			}
		}
		return c.Op == "and", nil
	case "or":
		for _, operand := range c.Operands {
			if holds, err := Holds(operand, attribute, eval); err != nil || holds {
				return err == nil, err
			}
		}
		return false, nil
	case "assert":
		return asserted(c, attribute, eval)
	}
	return false, errs.New(errs.InvalidArgument, "examine condition", "", "there is no combination %q; and, or, not and assert exist", c.Op)
}

// asserted tells whether an attribute satisfies the constraints of an assertion.
func asserted(c *tosca.Condition, attribute func(string) (any, error), eval func(*tosca.Value) (any, error)) (bool, error) {
	var value any
	if c.Attribute != "" {
		var err error
		if value, err = attribute(c.Attribute); err != nil {
			return false, err
		}
	}
	// Satisfies does not tell a value that fails from an operand that cannot
	// be evaluated.
	var failed error
	err := tosca.Satisfies(value, nil, c.Constraints, func(v *tosca.Value) (any, error) {
		if eval == nil {
			failed = errs.New(errs.InvalidArgument, "examine condition", c.Attribute, "its constraint calls a function, which cannot be evaluated here")
			return nil, failed
		}
		data, err := eval(v)
		failed = err
		return data, err
	})
	return err == nil, failed
}
