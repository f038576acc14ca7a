package tosca

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFunctionsOfTosca2 folds calls with constant arguments; the expected
// values are worked out from the text of section 10.2.
func TestFunctionsOfTosca2(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		src  string
		want any
	}{
		{"{$and: [true, true, false]}", false},
		{"{$or: [false, true]}", true},
		{"{$not: true}", false},
		{"{$xor: [true, false]}", true},
		{"{$equal: [[1, {a: b}], [1, {a: b}]]}", true},
		{"{$equal: [a, b]}", false},
		{"{$less_or_equal: [2.5, 2]}", false},
		{"{$matches: [the cat, ca.]}", true}, // anywhere in the text
		{"{$matches: [the cat, ^ca.$]}", false},
		{"{$has_suffix: [abc, bc]}", true},
		{"{$has_suffix: [[1, 2, 3], [2, 3]]}", true},
		{"{$has_suffix: [[1, 2, 3], [1, 2]]}", false},
		{"{$has_prefix: [[1, 2, 3], [1, 2]]}", true},
		{"{$has_prefix: [[1], [1, 2]]}", false},
		{"{$contains: [abcd, bc]}", true},
		{"{$contains: [[1, 2, 3, 4], [2, 3]]}", true},
		{"{$contains: [[1, 2, 3, 4], [2, 4]]}", false},
		{"{$contains: [[12, 3], [2]]}", false},
		{"{$contains: [[1], []]}", true},
		{"{$has_entry: [[1, 2], 2.0]}", true},
		{"{$has_entry: [{a: x, b: y}, y]}", true},
		{"{$has_entry: [{a: x, b: y}, b]}", false},
		{"{$has_key: [{a: x, b: y}, b]}", true},
		{"{$has_key: [{1: x}, 1]}", true},
		{"{$has_key: [{a: x}, x]}", false},
		{"{$has_all_entries: [[1, 2, 3], [3, 1]]}", true},
		{"{$has_all_entries: [[1, 2, 3], [3, 4]]}", false},
		{"{$has_all_entries: [{a: x, b: y}, [x]]}", true},
		{"{$has_all_keys: [{a: x, b: y}, [b, a]]}", true},
		{"{$has_all_keys: [{a: x, b: y}, [b, c]]}", false},
		{"{$has_any_entry: [[1, 2, 3], [4, 3]]}", true},
		{"{$has_any_entry: [[1, 2, 3], [4]]}", false},
		{"{$has_any_key: [{a: x, b: y}, [c, b]]}", true},
		{"{$has_any_key: [{a: x, b: y}, []]}", false},
		{"{$length: [äbc]}", int64(3)},
		{"{$length: [[a, b]]}", int64(2)},
		{"{$length: [{a: 1, b: 2, c: 3}]}", int64(3)},
		{"{$length: äb}", int64(2)},
		{"{$concat: [[1], [[2]], []]}", []any{int64(1), []any{int64(2)}}},
		{"{$concat: [a]}", "a"},
		{"{$join: [[a, b], ', ']}", "a, b"},
		{"{$join: [[a, b]]}", "ab"},
		{"{$token: ['a:b;c', ';:', 2]}", "c"},
		{"{$union: [[1, 2, 1], [2.0, 3]]}", []any{int64(1), int64(2), int64(3)}},
		{"{$union: [[]]}", []any{}},
		{"{$intersection: [[3, 1, 2, 3], [3, 2]]}", []any{int64(3), int64(2)}},
		{"{$intersection: [[a, a]]}", []any{"a"}},
		{"{$sum: [1, 2, 3]}", int64(6)},
		{"{$sum: [1, 2.5]}", 3.5},
		{"{$sum: ['1 GiB', '512 MiB']}", "1536 MiB"},
		{"{$sum: ['2 kg', '0.5 kg']}", "2.5 kg"},
		{"{$difference: [1, 3]}", int64(-2)},
		{"{$difference: ['1 h', '15 m']}", "45 m"},
		{"{$product: [2, 3, 4]}", int64(24)},
		{"{$product: [2, 1.5]}", 3.0},
		{"{$product: ['2 GB', 1.5]}", "3 GB"},
		{"{$quotient: [3, 2]}", 1.5},
		{"{$quotient: [4, 2]}", 2.0},
		{"{$quotient: ['3 GB', 2]}", "1.5 GB"},
		{"{$quotient: ['1 GB', 3]}", "0.333333333333 GB"},
		{"{$remainder: [7, 3]}", int64(1)},
		{"{$remainder: [-7, 3]}", int64(-1)},
		{"{$remainder: ['10 GB', 4]}", "2 GB"},
		{"{$round: [3.5]}", int64(3)},
		{"{$round: [3.53]}", int64(4)},
		{"{$round: [-3.5]}", int64(-4)},
		{"{$round: [-3.4]}", int64(-3)},
		{"{$floor: [-1.5]}", int64(-2)},
		{"{$ceil: [1.1]}", int64(2)},
		{"{$ceil: 2}", int64(2)},
		{"{$floor: [{$quotient: [7, 2]}]}", int64(3)},
		// The parts of a map.
		{"{$$a: $$b, c: $$$d}", map[string]any{"$a": "$b", "c": "$$d"}},
		{"$$", "$"},
		{"a$b", "a$b"},
	} {
		v, diags := parseText(t, v20, c.src)
		require.Empty(t, diags, c.src)
		got, ok := v.Static()
		require.True(t, ok, c.src)
		require.Equal(t, c.want, got, c.src)
	}
}

func TestFunctionsOfTosca2Faults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ src, code, message string }{
		{"{$and: [true]}", "function-arguments", "and takes at least 2 arguments, not 1"},
		{"{$not: [true, false]}", "function-arguments", "not takes 1 argument, not 2"},
		{"{$xor: [true, false, true]}", "function-arguments", "xor takes 2 arguments, not 3"},
		{"{$or: [true, 1]}", "invalid-call", "argument 2 is a integer, not a boolean: 1"},
		{"{$less_than: [a, [b]]}", "invalid-call", "cannot be compared"},
		{"{$has_key: [[a], a]}", "invalid-call", "argument 1 is a list, not a map"},
		{"{$has_entry: [a, a]}", "invalid-call", "argument 1 is a string, not a list or a map"},
		{"{$has_all_keys: [{a: b}, a]}", "invalid-call", "argument 2 is a string, not a list"},
		{"{$has_any_keys: [{a: b}, a]}", "unknown-function", "there is no function $has_any_keys"},
		{"{$length: [5]}", "invalid-call", "argument 1 is a integer, not a text, a list or a map"},
		{"{$concat: []}", "function-arguments", "at least 1"},
		{"{$union: [a]}", "invalid-call", "not a list"},
		{"{$sum: [1, a]}", "invalid-call", "argument 2 is a string, not a number"},
		{"{$sum: ['1 kg', '1 lb']}", "invalid-call", "different units of an unknown type"},
		{"{$sum: [9223372036854775807, 1]}", "invalid-call", "larger than an integer can be"},
		{"{$product: [9223372036854775807, 9223372036854775807]}", "invalid-call", "larger than an integer can be"},
		{"{$product: ['1 GB', 2, 3]}", "invalid-call", "multiplied by one number"},
		{"{$product: ['1 GB', '2 GB']}", "invalid-call", "argument 2 is a string, not a number"},
		{"{$quotient: [1, 0]}", "invalid-call", "no division by 0"},
		{"{$quotient: ['1 GB', 0]}", "invalid-call", "no division by 0"},
		{"{$remainder: [1.5, 1]}", "invalid-call", "argument 1 is a float"},
		{"{$remainder: [1, 0]}", "invalid-call", "no division by 0"},
		{"{$round: [a]}", "invalid-call", "argument 1 is a string, not a float"},
		{"{$floor: [.inf]}", "invalid-call", "no integer's value"},
		{"{$in_range: [1, [1, 2]]}", "unknown-function", "there is no function $in_range"},
		{"{$min_length: [a, 1]}", "unknown-function", "there is no function $min_length"},
		{"{$get_operation_output: [SELF, a, b, c]}", "unknown-function", "there is no function"},
		{"{$get_nodes_of_type: A}", "unknown-function", "there is no function"},
		{"{a: b, $sum: [1]}", "malformed-function", "stands among other keys"},
	} {
		_, diags := parseText(t, v20, c.src)
		require.Equal(t, []string{c.code}, codes(diags), c.src)
		require.Contains(t, diags[0].Summary, c.message, c.src)
	}
	for _, name := range sortedKeys(replacedFunctions) {
		_, diags := parseText(t, v20, "{$"+name+": [a, b]}")
		require.Equal(t, replacedFunctions[name], diags[0].Detail)
	}
}
