package tosca

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// booleanFunctions are the functions of TOSCA 2.0 that compare and combine.
// Values have no declared type here, so they compare as Constraint.Check does
// without a schema: numbers by value, texts with units by amount, other texts
// as text.
//
// Source: TOSCA 2.0 section 10.2.2 and 10.2.3.
var booleanFunctions = []*function{
	{name: "equal", from: 20, to: 20, min: 2, max: 2, pure: true, usage: "equal: [a, b]", eval: evalEqual},
	{name: "greater_than", from: 20, to: 20, min: 2, max: 2, pure: true, usage: "greater_than: [a, b]", eval: evalOrder},
	{name: "greater_or_equal", from: 20, to: 20, min: 2, max: 2, pure: true, usage: "greater_or_equal: [a, b]", eval: evalOrder},
	{name: "less_than", from: 20, to: 20, min: 2, max: 2, pure: true, usage: "less_than: [a, b]", eval: evalOrder},
	{name: "less_or_equal", from: 20, to: 20, min: 2, max: 2, pure: true, usage: "less_or_equal: [a, b]", eval: evalOrder},
	{name: "valid_values", from: 20, to: 20, min: 2, max: 2, pure: true, usage: "valid_values: [value, [a, b, ...]]", eval: evalValidValues},
	{name: "matches", from: 20, to: 20, min: 2, max: 2, pure: true, usage: "matches: [text, pattern]", eval: evalMatches},
	{name: "and", from: 20, to: 20, min: 2, max: Unbounded, pure: true, usage: "and: [boolean, boolean, ...]", eval: evalLogic},
	{name: "or", from: 20, to: 20, min: 2, max: Unbounded, pure: true, usage: "or: [boolean, boolean, ...]", eval: evalLogic},
	{name: "xor", from: 20, to: 20, min: 2, max: 2, pure: true, usage: "xor: [boolean, boolean]", eval: evalLogic},
	{name: "not", from: 20, to: 20, min: 1, max: 1, pure: true, usage: "not: [boolean]", eval: evalLogic},
	{name: "has_prefix", from: 20, to: 20, min: 2, max: 2, pure: true, usage: "has_prefix: [text or list, prefix]", eval: evalHasPrefix},
	{name: "has_suffix", from: 20, to: 20, min: 2, max: 2, pure: true, usage: "has_suffix: [text or list, suffix]", eval: evalHasSuffix},
	{name: "length", from: 20, to: 20, min: 1, max: 1, pure: true, usage: "length: [text, list or map]", eval: evalLength},
}

func invalidArgument(format string, args ...any) error {
	return &errs.Error{Code: errs.InvalidArgument, Err: fmt.Errorf(format, args...)}
}

func evalEqual(_ *evaluation, _ *Call, args []any) (any, error) {
	return equal(args[0], args[1], anyType), nil
}

func evalOrder(_ *evaluation, c *Call, args []any) (any, error) {
	order, err := compare(args[0], args[1], anyType)
	if err != nil {
		return nil, invalidArgument("%w", err)
	}
	return holds(c.Function, order), nil
}

func evalValidValues(_ *evaluation, _ *Call, args []any) (any, error) {
	list, ok := args[1].([]any)
	if !ok {
		return nil, invalidArgument("argument 2 is a %s, not a list", kindOf(args[1]))
	}
	for _, candidate := range list {
		if equal(args[0], candidate, anyType) {
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
	re, err := compilePattern(expression)
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
			return nil, invalidArgument("argument %d is a %s, not a boolean", i+1, kindOf(arg))
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

func evalHasPrefix(_ *evaluation, _ *Call, args []any) (any, error) {
	list, part, lists := twoLists(args)
	if lists {
		return len(part) <= len(list) && reflect.DeepEqual(list[:len(part)], part), nil
	}
	return twoTexts(args, strings.HasPrefix)
}

func evalHasSuffix(_ *evaluation, _ *Call, args []any) (any, error) {
	list, part, lists := twoLists(args)
	if lists {
		return len(part) <= len(list) && reflect.DeepEqual(list[len(list)-len(part):], part), nil
	}
	return twoTexts(args, strings.HasSuffix)
}

func twoLists(args []any) (a, b []any, ok bool) {
	a, isList := args[0].([]any)
	b, both := args[1].([]any)
	return a, b, isList && both
}

func twoTexts(args []any, test func(a, b string) bool) (any, error) {
	a, err := argumentText(args, 0)
	if err != nil {
		return nil, err
	}
	b, err := argumentText(args, 1)
	if err != nil {
		return nil, err
	}
	return test(a, b), nil
}

func evalLength(_ *evaluation, _ *Call, args []any) (any, error) {
	n, ok := lengthOf(args[0])
	if !ok {
		return nil, invalidArgument("%s has no length", show(args[0]))
	}
	return n, nil
}
