package tosca

import (
	"fmt"
	"regexp"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// booleanFunctions are the functions of TOSCA 2.0 that combine and compare.
// What is compared has the type of the argument whose type is known (an input,
// a property, $value); without one, values compare as Constraint.Check does
// without a schema: numbers by value, texts with units by amount, other texts
// as text.
//
// Source: TOSCA 2.0 sections 10.2.2.1 and 10.2.2.2.
var booleanFunctions = []*function{
	{name: "and", from: 20, to: 20, min: 2, max: Unbounded, pure: true, takes: []kindSet{booleanKind}, gives: "boolean",
		usage: "and: [boolean, boolean, ...]", section: "10.2.2.1.1", eval: evalLogic},
	{name: "or", from: 20, to: 20, min: 2, max: Unbounded, pure: true, takes: []kindSet{booleanKind}, gives: "boolean",
		usage: "or: [boolean, boolean, ...]", section: "10.2.2.1.2", eval: evalLogic},
	{name: "not", from: 20, to: 20, min: 1, max: 1, pure: true, takes: []kindSet{booleanKind}, gives: "boolean",
		usage: "not: [boolean]", section: "10.2.2.1.3", eval: evalLogic},
	{name: "xor", from: 20, to: 20, min: 2, max: 2, pure: true, takes: []kindSet{booleanKind}, gives: "boolean",
		usage: "xor: [boolean, boolean]", section: "10.2.2.1.4", eval: evalLogic},
	{name: "equal", from: 20, to: 20, min: 2, max: 2, pure: true, takes: []kindSet{anyKind}, alike: true, gives: "boolean",
		usage: "equal: [a, b]", section: "10.2.2.2.1", eval: evalEqual},
	{name: "greater_than", from: 20, to: 20, min: 2, max: 2, pure: true, takes: []kindSet{comparableKind}, alike: true, gives: "boolean",
		usage: "greater_than: [a, b]", section: "10.2.2.2.2", eval: evalOrder},
	{name: "greater_or_equal", from: 20, to: 20, min: 2, max: 2, pure: true, takes: []kindSet{comparableKind}, alike: true, gives: "boolean",
		usage: "greater_or_equal: [a, b]", section: "10.2.2.2.3", eval: evalOrder},
	{name: "less_than", from: 20, to: 20, min: 2, max: 2, pure: true, takes: []kindSet{comparableKind}, alike: true, gives: "boolean",
		usage: "less_than: [a, b]", section: "10.2.2.2.4", eval: evalOrder},
	{name: "less_or_equal", from: 20, to: 20, min: 2, max: 2, pure: true, takes: []kindSet{comparableKind}, alike: true, gives: "boolean",
		usage: "less_or_equal: [a, b]", section: "10.2.2.2.5", eval: evalOrder},
	{name: "valid_values", from: 20, to: 20, min: 2, max: 2, pure: true, takes: []kindSet{anyKind, listKind}, gives: "boolean",
		usage: "valid_values: [value, [a, b, ...]]", section: "10.2.2.2.6", eval: evalValidValues},
	{name: "matches", from: 20, to: 20, min: 2, max: 2, pure: true, takes: []kindSet{textKind}, gives: "boolean",
		usage: "matches: [text, pattern]", section: "10.2.2.2.7", eval: evalMatches},
}

func invalidArgument(format string, args ...any) error {
	return &errs.Error{Code: errs.InvalidArgument, Err: fmt.Errorf(format, args...)}
}

func evalEqual(e *evaluation, c *Call, args []any) (any, error) {
	return equalAs(args[0], args[1], e.comparedSchema(c)), nil
}

// equalAs tells whether two values are equal as values of a schema, or as data
// where none is known.
func equalAs(a, b any, sc *Schema) bool {
	if order, err := compareAs(a, b, sc); err == nil {
		return order == 0
	}
	return equal(a, b, anyType)
}

func evalOrder(e *evaluation, c *Call, args []any) (any, error) {
	for i := range args {
		if args[i] == nil {
			return nil, noValueYet("argument %d", i+1)
		}
	}
	order, err := compareAs(args[0], args[1], e.comparedSchema(c))
	if err != nil {
		return nil, invalidArgument("%w", err)
	}
	return holds(c.Function, order), nil
}

func evalValidValues(e *evaluation, c *Call, args []any) (any, error) {
	list, err := argumentList(args, 1)
	if err != nil {
		return nil, err
	}
	sc := e.schemaOf(c, 0)
	for _, candidate := range list {
		if equalAs(args[0], candidate, sc) {
			return true, nil
		}
	}
	return false, nil
}

func evalMatches(_ *evaluation, _ *Call, args []any) (any, error) {
	s, err := argumentText(args, 0)
	if err != nil {
		return nil, err
	}
	expression, err := argumentText(args, 1)
	if err != nil {
		return nil, err
	}
	// Unlike a pattern of 1.x, this one may match a part of the text.
	re, err := regexp.Compile(expression)
	if err != nil {
		return nil, invalidArgument("the pattern cannot be used: %s", patternFault(err))
	}
	return re.MatchString(s), nil
}

func evalLogic(_ *evaluation, c *Call, args []any) (any, error) {
	count := 0
	for i, arg := range args {
		b, ok := arg.(bool)
		if !ok {
			return nil, wrongArgument(args, i, "a boolean")
		}
		if b {
			count++
		}
	}
	switch c.Function {
	case "and":
		return count == len(args), nil
	case "or":
		return count > 0, nil
	case "not":
		return count == 0, nil
	}
	return count == 1, nil
}
