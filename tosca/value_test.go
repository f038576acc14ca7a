package tosca

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
)

// parseText parses a value of a version as it stands in a template.
func parseText(t testing.TB, version, src string) (*Value, Diagnostics) {
	t.Helper()
	n, faults := yamlx.Parse([]byte(src), yamlx.Limits{Depth: 100, Nodes: 100000})
	require.Empty(t, faults, src)
	s := &sink{}
	return parseValue(n, "service.yaml", versionNamed(version), s), s.list
}

func yamlxParse(src string) (*yamlx.Node, []yamlx.Fault) {
	return yamlx.Parse([]byte(src), yamlx.Limits{Depth: 50, Nodes: 10000})
}

func codes(list Diagnostics) []string {
	all := []string{}
	for _, d := range list {
		all = append(all, d.Code)
	}
	return all
}

const (
	v13 = "tosca_simple_yaml_1_3"
	v20 = "tosca_2_0"
)

func TestParseValueData(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]any{
		"null":                        nil,
		"yes":                         "yes",
		"true":                        true,
		"12":                          int64(12),
		"1.5":                         1.5,
		"00:10:00":                    "00:10:00",
		"[1, [a, {b: c}]]":            []any{int64(1), []any{"a", map[string]any{"b": "c"}}},
		"{token: secret}":             map[string]any{"token": "secret"},
		"{get_input: x, other: y}":    map[string]any{"get_input": "x", "other": "y"},
		"$get_input":                  "$get_input",
		"{$get_input: x}":             map[string]any{"$get_input": "x"},
		"{concat: [a, 1, 2.0, true]}": "a12.0true",
		"{join: [[a, b, 3], '-']}":    "a-b-3",
		"{join: [[a, b]]}":            "ab",
		"{token: ['a:b:c', ':', 1]}":  "b",
		"{concat: [{token: ['a:b', ':', 1]}, {join: [[x, y], '/']}]}": "bx/y",
	} {
		v, diags := parseText(t, v13, src)
		require.Empty(t, diags, src)
		got, ok := v.Static()
		require.True(t, ok, src)
		require.Equal(t, want, got, src)
	}
}

func TestParseValueOfTosca2(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]any{
		"$$get_input":                          "$get_input",
		"{$$concat: [a, b]}":                   map[string]any{"$concat": []any{"a", "b"}},
		"{$concat: [a, b]}":                    "ab",
		"{$concat: [[1], [2, 3]]}":             []any{int64(1), int64(2), int64(3)},
		"{$concat$1: [a, b]}":                  "ab",
		"{$token: ['a:b/c', ':/', 2]}":         "c",
		"{$and: [{$equal: [1, 1.0]}, true]}":   true,
		"{$or: [false, {$less_than: [2, 1]}]}": false,
		"{$xor: [true, true]}":                 false,
		"{$not: [false]}":                      true,
		"{$greater_than: ['1 GiB', '1 GB']}":   true,
		"{$greater_or_equal: [b, a]}":          true,
		"{$less_or_equal: [1, 1]}":             true,
		"{$valid_values: [3, [1, 2, 3]]}":      true,
		"{$matches: [abc, 'a.c']}":             true,
		"{$matches: [abcd, '^a.c$']}":          false,
		"{$has_prefix: [abc, ab]}":             true,
		"{$has_suffix: [[1, 2], [2]]}":         true,
		"{$length: [[1, 2]]}":                  int64(2),
	} {
		v, diags := parseText(t, v20, src)
		require.Empty(t, diags, src)
		got, ok := v.Static()
		require.True(t, ok, src)
		require.Equal(t, want, got, src)
	}
}

func TestParseValueFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		version, src, code string
		severity           Severity
		column             int
	}{
		{v13, "{get_property: [SELF]}", "function-arguments", Error, 1},
		{v13, "{token: [a, b]}", "function-arguments", Error, 1},
		{v13, "{get_artifact: [SELF, a, b, true, e]}", "function-arguments", Error, 1},
		{v13, "{concat: [a, [b]]}", "invalid-call", Error, 1},
		{v13, "{concat: [a, null]}", "invalid-call", Error, 1},
		{v13, "{join: [a, b]}", "invalid-call", Error, 1},
		{v13, "{token: ['a:b', ':', 2]}", "invalid-call", Error, 1},
		{v13, "{token: ['a:b', '', 0]}", "invalid-call", Error, 1},
		{v13, "{token: ['a:b', ':', x]}", "invalid-call", Error, 1},
		{v13, "x: {token: ['a::b', '::', 1]}", "token-separator", Warning, 21},
		{v20, "{get_input: x}", "missing-prefix", Warning, 2},
		{v20, "{$get_inptu: x}", "unknown-function", Error, 1},
		{v20, "$nothing", "unknown-function", Error, 1},
		{v20, "{$concat: [a], b: c}", "malformed-function", Error, 2},
		{v20, "{$not: [a]}", "invalid-call", Error, 1},
		{v20, "{$valid_values: [1, 2]}", "invalid-call", Error, 1},
		{v20, "{$matches: [a, '(']}", "invalid-call", Error, 1},
		{v20, "{$less_than: [a, 1]}", "invalid-call", Error, 1},
		{v20, "{$length: [1]}", "invalid-call", Error, 1},
	} {
		v, diags := parseText(t, c.version, c.src)
		require.NotNil(t, v, c.src)
		require.Equal(t, []string{c.code}, codes(diags), c.src)
		require.Equal(t, c.severity, diags[0].Severity, c.src)
		require.Equal(t, Pos{1, c.column}, diags[0].Range.Start, c.src)
		require.NotEmpty(t, diags[0].Detail, c.src)
	}
	_, diags := parseText(t, v20, "{$get_inptu: x}")
	require.Equal(t, "get_input", diags[0].Suggestion)
}

func TestValueKeepsPlaces(t *testing.T) {
	t.Parallel()
	v, _ := parseText(t, v13, "a: 1\nb: [x, {get_input: y}]")
	require.Equal(t, Range{File: "service.yaml", Start: Pos{1, 1}, End: v.Range().End}, v.Range())
	require.Equal(t, Pos{1, 4}, v.child("a").Range().Start)
	calls := v.Calls()
	require.Len(t, calls, 1)
	require.Equal(t, Pos{2, 8}, calls[0].Range.Start)
	require.Equal(t, "get_input", calls[0].Function)
	_, ok := v.Static()
	require.False(t, ok)
	require.Nil(t, v.Call())
}

func TestStaticDataIsTheCallers(t *testing.T) {
	t.Parallel()
	v := Constant(map[string]any{"list": []any{1, 2}})
	first, _ := v.Static()
	first.(map[string]any)["list"].([]any)[0] = "changed"
	second, _ := v.Static()
	require.Equal(t, map[string]any{"list": []any{int64(1), int64(2)}}, second)
}
