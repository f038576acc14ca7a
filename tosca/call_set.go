package tosca

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"reflect"
	"strings"
)

// setFunctions are the functions of TOSCA 2.0 that ask for parts of a text, a
// list or a map, and those that join sets. Entries are equal where they are
// equal data; 1 and 1.0 are.
//
// Source: TOSCA 2.0 sections 10.2.2.3, 10.2.3.1 and 10.2.4.
var setFunctions = []*function{
	{name: "has_suffix", from: 20, to: 20, min: 2, max: 2, pure: true, takes: []kindSet{textOrList}, gives: "boolean",
		usage: "has_suffix: [text or list, suffix]", section: "10.2.2.3.1", eval: evalHasSuffix},
	{name: "has_prefix", from: 20, to: 20, min: 2, max: 2, pure: true, takes: []kindSet{textOrList}, gives: "boolean",
		usage: "has_prefix: [text or list, prefix]", section: "10.2.2.3.2", eval: evalHasPrefix},
	{name: "contains", from: 20, to: 20, min: 2, max: 2, pure: true, takes: []kindSet{textOrList}, gives: "boolean",
		usage: "contains: [text or list, part]", section: "10.2.2.3.3", eval: evalContains},
	{name: "has_entry", from: 20, to: 20, min: 2, max: 2, pure: true, takes: []kindSet{listOrMap, anyKind}, gives: "boolean",
		usage: "has_entry: [list or map, value]", section: "10.2.2.3.4", eval: evalHasEntry},
	{name: "has_key", from: 20, to: 20, min: 2, max: 2, pure: true, takes: []kindSet{mapKind, anyKind}, gives: "boolean",
		usage: "has_key: [map, key]", section: "10.2.2.3.5", eval: evalHasKey},
	{name: "has_all_entries", from: 20, to: 20, min: 2, max: 2, pure: true, takes: []kindSet{listOrMap, listKind}, gives: "boolean",
		usage: "has_all_entries: [list or map, [value, ...]]", section: "10.2.2.3.6", eval: evalHasEntries},
	{name: "has_all_keys", from: 20, to: 20, min: 2, max: 2, pure: true, takes: []kindSet{mapKind, listKind}, gives: "boolean",
		usage: "has_all_keys: [map, [key, ...]]", section: "10.2.2.3.7", eval: evalHasKeys},
	{name: "has_any_entry", from: 20, to: 20, min: 2, max: 2, pure: true, takes: []kindSet{listOrMap, listKind}, gives: "boolean",
		usage: "has_any_entry: [list or map, [value, ...]]", section: "10.2.2.3.8", eval: evalHasEntries},
	{name: "has_any_key", from: 20, to: 20, min: 2, max: 2, pure: true, takes: []kindSet{mapKind, listKind}, gives: "boolean",
		usage: "has_any_key: [map, [key, ...]]", section: "10.2.2.3.9", eval: evalHasKeys},
	{name: "length", from: 20, to: 20, min: 1, max: 1, pure: true, takes: []kindSet{textKind | listKind | mapKind}, gives: "integer",
		usage: "length: [text, list or map]", section: "10.2.3.1", eval: evalLength},
	{name: "union", from: 20, to: 20, min: 1, max: Unbounded, pure: true, takes: []kindSet{listKind}, same: true,
		usage: "union: [list, ...]", section: "10.2.4.1", eval: evalUnion},
	{name: "intersection", from: 20, to: 20, min: 1, max: Unbounded, pure: true, takes: []kindSet{listKind}, same: true,
		usage: "intersection: [list, ...]", section: "10.2.4.2", eval: evalIntersection},
}

func evalHasPrefix(_ *evaluation, _ *Call, args []any) (any, error) {
	list, part, lists := twoLists(args)
	if lists {
		return len(part) <= len(list) && equalLists(list[:len(part)], part), nil
	}
	return twoTexts(args, strings.HasPrefix)
}

func evalHasSuffix(_ *evaluation, _ *Call, args []any) (any, error) {
	list, part, lists := twoLists(args)
	if lists {
		return len(part) <= len(list) && equalLists(list[len(list)-len(part):], part), nil
	}
	return twoTexts(args, strings.HasSuffix)
}

func evalContains(_ *evaluation, _ *Call, args []any) (any, error) {
	list, part, lists := twoLists(args)
	if lists {
		// No entry's key holds a line break.
		lines := func(l []any) string { return "\n" + strings.Join(entryKeysOf(l), "\n") + "\n" }
		return len(part) == 0 || strings.Contains(lines(list), lines(part)), nil
	}
	return twoTexts(args, strings.Contains)
}

func twoLists(args []any) (a, b []any, ok bool) {
	a, isList := args[0].([]any)
	b, both := args[1].([]any)
	return a, b, isList && both
}

func equalLists(a, b []any) bool {
	return reflect.DeepEqual(entryKeysOf(a), entryKeysOf(b))
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

// entriesOf returns the entries of a list, or the values of a map.
func entriesOf(args []any, i int) ([]any, error) {
	switch d := args[i].(type) {
	case []any:
		return d, nil
	case map[string]any:
		list := make([]any, 0, len(d))
		for _, key := range sortedKeys(d) {
			list = append(list, d[key])
		}
		return list, nil
	}
	return nil, wrongArgument(args, i, "a list or a map")
}

func argumentList(args []any, i int) ([]any, error) {
	if list, ok := args[i].([]any); ok {
		return list, nil
	}
	return nil, wrongArgument(args, i, "a list")
}

// wrongArgument says that an argument is not what the function takes; null has
// no value yet.
func wrongArgument(args []any, i int, want string) error {
	if args[i] == nil {
		return noValueYet("argument %d", i+1)
	}
	return invalidArgument("argument %d is a %s, not %s: %s", i+1, kindOf(args[i]), want, show(args[i]))
}

// entryKey is a text that two entries share where they are equal.
func entryKey(data any) string {
	b, err := json.Marshal(plainNumbers(data))
	if err != nil {
		return show(data)
	}
	return string(b)
}

// plainNumbers gives numbers that are equal one form.
func plainNumbers(data any) any {
	switch d := data.(type) {
	case float64:
		if d == math.Trunc(d) && math.Abs(d) < 1<<53 {
			return int64(d)
		}
		if math.IsNaN(d) || math.IsInf(d, 0) {
			return map[string]any{"float": floatText(d)}
		}
	case []any:
		list := make([]any, len(d))
		for i := range d {
			list[i] = plainNumbers(d[i])
		}
		return list
	case map[string]any:
		m := make(map[string]any, len(d))
		for key, value := range d {
			m[key] = plainNumbers(value)
		}
		return m
	}
	return data
}

func entryKeysOf(list []any) []string {
	keys := make([]string, len(list))
	for i := range list {
		keys[i] = entryKey(list[i])
	}
	return keys
}

func setOf(keys []string) map[string]bool {
	set := make(map[string]bool, len(keys))
	for _, key := range keys {
		set[key] = true
	}
	return set
}

func evalHasEntry(e *evaluation, c *Call, args []any) (any, error) {
	entries, err := entriesOf(args, 0)
	if err != nil {
		return nil, err
	}
	sc := e.schemaOf(c, 0).entryOrNil()
	for _, have := range entries {
		if equalAs(have, args[1], sc) {
			return true, nil
		}
	}
	return false, nil
}

func evalHasKey(_ *evaluation, _ *Call, args []any) (any, error) {
	m, ok := args[0].(map[string]any)
	if !ok {
		return nil, wrongArgument(args, 0, "a map")
	}
	key, err := argumentText(args, 1)
	if err != nil {
		return nil, err
	}
	_, found := m[key]
	return found, nil
}

func evalHasEntries(_ *evaluation, c *Call, args []any) (any, error) {
	entries, err := entriesOf(args, 0)
	if err != nil {
		return nil, err
	}
	wanted, err := argumentList(args, 1)
	if err != nil {
		return nil, err
	}
	return hasAll(c, setOf(entryKeysOf(entries)), entryKeysOf(wanted)), nil
}

func evalHasKeys(_ *evaluation, c *Call, args []any) (any, error) {
	m, ok := args[0].(map[string]any)
	if !ok {
		return nil, wrongArgument(args, 0, "a map")
	}
	list, err := argumentList(args, 1)
	if err != nil {
		return nil, err
	}
	have := make(map[string]bool, len(m))
	for key := range m {
		have[key] = true
	}
	wanted := make([]string, len(list))
	for i := range list {
		key, ok := text(list[i])
		if !ok {
			return nil, invalidArgument("argument 2 lists %s, which is no key", show(list[i]))
		}
		wanted[i] = key
	}
	return hasAll(c, have, wanted), nil
}

// hasAll tells whether all that is wanted is there, or for a function of the
// name has_any_... whether any of it is.
func hasAll(c *Call, have map[string]bool, wanted []string) bool {
	anyOf := strings.HasPrefix(c.Function, "has_any")
	for _, w := range wanted {
		if have[w] == anyOf {
			return anyOf
		}
	}
	return !anyOf
}

// evalLength counts the bytes of a value that is known to be of type bytes, not
// the characters of its text in base 64.
//
// Source: TOSCA 2.0 sections 9.1.1.5 and 10.2.3.1.
func evalLength(e *evaluation, c *Call, args []any) (any, error) {
	if s, ok := args[0].(string); ok && e.schemaOf(c, 0).primitive() == bytesType {
		if data, err := base64.StdEncoding.DecodeString(s); err == nil {
			return int64(len(data)), nil
		}
	}
	n, ok := lengthOf(args[0])
	if !ok {
		return nil, wrongArgument(args, 0, "a text, a list or a map")
	}
	return n, nil
}

// evalUnion keeps the first of equal entries, in the order of the arguments.
func evalUnion(_ *evaluation, _ *Call, args []any) (any, error) {
	seen := map[string]bool{}
	union := []any{}
	for i := range args {
		list, err := argumentList(args, i)
		if err != nil {
			return nil, err
		}
		for _, entry := range list {
			if key := entryKey(entry); !seen[key] {
				seen[key] = true
				union = append(union, entry)
			}
		}
	}
	return union, nil
}

// evalIntersection keeps the order of the first argument.
func evalIntersection(_ *evaluation, _ *Call, args []any) (any, error) {
	first, err := argumentList(args, 0)
	if err != nil {
		return nil, err
	}
	count := map[string]int{}
	for i := range args {
		list, err := argumentList(args, i)
		if err != nil {
			return nil, err
		}
		for key := range setOf(entryKeysOf(list)) {
			count[key]++
		}
	}
	common := []any{}
	for _, entry := range first {
		if key := entryKey(entry); count[key] == len(args) {
			count[key] = 0
			common = append(common, entry)
		}
	}
	return common, nil
}
