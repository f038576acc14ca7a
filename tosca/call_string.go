package tosca

import (
	"errors"
	"fmt"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// stringFunctions are concat, join and token. In 1.x token separates at its
// separator as a whole, as xOpera does and published templates expect; TOSCA
// 2.0 says that each character of it separates.
//
// Source: TOSCA 1.3 section 4.3, TOSCA 2.0 section 10.2.4.
var stringFunctions = []*function{
	{name: "concat", from: 10, to: 13, min: 1, max: Unbounded, pure: true, listOnly: true, gives: "string",
		usage: "concat: [text, text, ...]", section: "4.3.1", eval: evalConcat},
	{name: "concat", from: 20, to: 20, min: 1, max: Unbounded, pure: true, takes: []kindSet{scalarOrList}, typeOf: typeOfConcat,
		usage: "concat: [text or list, ...]", section: "10.2.3.2", eval: evalConcatLists},
	{name: "join", from: 10, to: 13, min: 1, max: 2, pure: true, listOnly: true, takes: []kindSet{listKind, textKind}, gives: "string",
		usage: "join: [[text, text, ...], delimiter]", section: "4.3.2", eval: evalJoin},
	{name: "join", from: 20, to: 20, min: 1, max: 2, pure: true, takes: []kindSet{listKind, textKind}, gives: "string",
		usage: "join: [[text, text, ...], delimiter]", section: "10.2.3.3", eval: evalJoin},
	{name: "token", from: 10, to: 13, min: 3, max: 3, pure: true, listOnly: true, gives: "string",
		usage: "token: [text, separator, index]", section: "4.3.3", eval: evalToken},
	{name: "token", from: 20, to: 20, min: 3, max: 3, pure: true, takes: []kindSet{textKind, textKind, integerKind}, gives: "string",
		usage: "token: [text, separators, index]", section: "10.2.3.4", eval: evalTokenSet},
}

// argumentText renders an argument of a function that takes text.
func argumentText(args []any, i int) (string, error) {
	if s, ok := text(args[i]); ok {
		return s, nil
	}
	if args[i] == nil {
		return "", &errs.Error{Code: errs.FailedPrecondition, Err: fmt.Errorf("argument %d has no value yet", i+1)}
	}
	return "", &errs.Error{Code: errs.InvalidArgument, Err: fmt.Errorf("argument %d is a %s, not text: %s", i+1, kindOf(args[i]), show(args[i]))}
}

func evalConcat(_ *evaluation, _ *Call, args []any) (any, error) {
	var b strings.Builder
	for i := range args {
		s, err := argumentText(args, i)
		if err != nil {
			return nil, err
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

// evalConcatLists appends lists where all arguments are lists.
func evalConcatLists(e *evaluation, c *Call, args []any) (any, error) {
	var joined []any
	for _, arg := range args {
		list, ok := arg.([]any)
		if !ok {
			return evalConcat(e, c, args)
		}
		joined = append(joined, list...)
	}
	return joined, nil
}

// typeOfConcat is a list of the arguments' type, or a string where one argument
// is no list.
func typeOfConcat(t typing, c *Call) *Schema {
	lists := true
	for _, arg := range c.Args {
		have := t.kinds(arg)
		if have&listKind == 0 {
			return schemaNamed("string")
		}
		lists = lists && have == listKind
	}
	if !lists {
		return nil
	}
	return t.common(c.Args, 0)
}

func evalJoin(_ *evaluation, _ *Call, args []any) (any, error) {
	list, ok := args[0].([]any)
	if !ok {
		return nil, wrongArgument(args, 0, "a list")
	}
	delimiter := ""
	if len(args) > 1 {
		var err error
		if delimiter, err = argumentText(args, 1); err != nil {
			return nil, err
		}
	}
	parts := make([]string, len(list))
	for i := range list {
		s, err := argumentText(list, i)
		if err != nil {
			return nil, fmt.Errorf("in the list: %w", err)
		}
		parts[i] = s
	}
	return strings.Join(parts, delimiter), nil
}

func evalToken(_ *evaluation, _ *Call, args []any) (any, error) {
	return token(args, func(s, separator string) []string { return strings.Split(s, separator) })
}

func evalTokenSet(_ *evaluation, _ *Call, args []any) (any, error) {
	return token(args, func(s, separators string) []string {
		var parts []string
		start := 0
		for i, r := range s {
			if strings.ContainsRune(separators, r) {
				parts = append(parts, s[start:i])
				start = i + len(string(r))
			}
		}
		return append(parts, s[start:])
	})
}

func token(args []any, split func(s, separator string) []string) (any, error) {
	s, err := argumentText(args, 0)
	if err != nil {
		return nil, err
	}
	separator, err := argumentText(args, 1)
	if err != nil {
		return nil, err
	}
	index, ok := args[2].(int64)
	if !ok {
		return nil, &errs.Error{Code: errs.InvalidArgument, Err: fmt.Errorf("argument 3 is a %s, not an index: %s", kindOf(args[2]), show(args[2]))}
	}
	if separator == "" {
		return nil, &errs.Error{Code: errs.InvalidArgument, Err: errors.New("argument 2, the separator, is empty")}
	}
	parts := split(s, separator)
	if index < 0 || index >= int64(len(parts)) {
		return nil, &errs.Error{Code: errs.InvalidArgument, Err: fmt.Errorf("%s has %d parts, none with index %d", show(s), len(parts), index)}
	}
	return parts[index], nil
}
