package tosca

import (
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
)

// builtin returns the schema of a built-in type.
func builtin(name string) *Schema {
	return &Schema{Type: &DataType{TypeHeader: TypeHeader{Name: name, Normative: true}}}
}

func constraintsOf(t testing.TB, version, src string) ([]*Constraint, Diagnostics) {
	t.Helper()
	n, faults := yamlx.Parse([]byte(src), yamlx.Limits{Depth: 100, Nodes: 100000})
	require.Empty(t, faults, src)
	s := &sink{}
	return parseConstraints(n, "service.yaml", versionNamed(version), s), s.list
}

func checkText(t testing.TB, sc *Schema, src string) Diagnostics {
	t.Helper()
	v, diags := parseText(t, v13, src)
	require.Empty(t, diags, src)
	s := &sink{}
	sc.check(v, s, "property p")
	return s.list
}

func TestCheckOfBuiltInTypes(t *testing.T) {
	t.Parallel()
	const lenient, wrong = "lenient-type", "wrong-type"
	for _, c := range []struct{ typ, src, code string }{
		{"string", "abc", ""},
		{"string", "12", lenient},
		{"string", "1.5", lenient},
		{"string", "true", lenient},
		{"string", "[a]", wrong},
		{"string", "{a: b}", wrong},
		{"string", "~", ""},
		{"string", "{get_input: x}", ""},
		{"integer", "12", ""},
		{"integer", "0x1F", ""},
		{"integer", "'12'", lenient},
		{"integer", "12.0", lenient},
		{"integer", "12.5", wrong},
		{"integer", "twelve", wrong},
		{"integer", "true", wrong},
		{"integer", "[1]", wrong},
		{"float", "1.5", ""},
		{"float", "1", ""},
		{"float", "'1.5'", lenient},
		{"float", "x", wrong},
		{"boolean", "true", ""},
		{"boolean", "yes", lenient},
		{"boolean", "'False'", lenient},
		{"boolean", "maybe", wrong},
		{"boolean", "1", wrong},
		{"timestamp", "2026-01-31T12:00:00Z", ""},
		{"timestamp", "noon", wrong},
		{"timestamp", "12", wrong},
		{"null", "~", ""},
		{"null", "x", wrong},
		{"version", "'1.0'", ""},
		{"version", "6.5", ""},
		{"version", "7", lenient},
		{"version", "'7'", lenient},
		{"version", "new", wrong},
		{"version", "-1", wrong},
		{"version", "[1]", wrong},
		{"range", "[1, 2]", ""},
		{"range", "[1, UNBOUNDED]", ""},
		{"range", "[2, 1]", wrong},
		{"range", "[1]", wrong},
		{"range", "[a, 2]", wrong},
		{"range", "[1, b]", wrong},
		{"range", "5", wrong},
		{"list", "[1, a, {b: c}]", ""},
		{"list", "a", wrong},
		{"list", "{a: b}", wrong},
		{"map", "{a: 1}", ""},
		{"map", "[a]", wrong},
		{"map", "a", wrong},
		{"scalar-unit.size", "12 MB", ""},
		{"scalar-unit.size", "12 bananas", wrong},
		{"scalar-unit.size", "12", wrong},
		{"scalar-unit.size", "[1]", wrong},
		{"scalar-unit.time", "12 s", ""},
		{"scalar-unit.time", "12 MB", wrong},
		{"scalar-unit.frequency", "0.1 GHz", ""},
		{"scalar-unit.frequency", "0.1 Gz", wrong},
		{"scalar-unit.bitrate", "10 Mbps", ""},
		{"scalar-unit.bitrate", "10 Mb", wrong},
		{"bytes", "aGVsbG8=", ""},
		{"bytes", "hello!", wrong},
		{"bytes", "1", wrong},
		{"scalar", "1 m", ""},
		{"scalar", "1", wrong},
		{"any", "[1, {a: b}]", ""},
	} {
		got := checkText(t, builtin(c.typ), c.src)
		if c.code == "" {
			require.Empty(t, got, "%s %s", c.typ, c.src)
			continue
		}
		require.Equal(t, []string{c.code}, codes(got), "%s %s", c.typ, c.src)
		want := Error
		if c.code == lenient {
			want = Warning
		}
		require.Equal(t, want, got[0].Severity, "%s %s", c.typ, c.src)
		require.Contains(t, got[0].Summary, "property p: ")
	}
}

const schemaTemplate = `
tosca_definitions_version: tosca_simple_yaml_1_3
data_types:
  Port: { derived_from: integer, constraints: [ in_range: [ 1, 65535 ] ] }
  Names: { derived_from: list, entry_schema: { type: string } }
  Point:
    derived_from: tosca.datatypes.Root
    properties:
      x: { type: integer }
      y: { type: integer, default: 0 }
      label: { type: string, required: false, constraints: [ max_length: 3 ] }
      next: { type: Point, required: false }
node_types:
  N:
    derived_from: tosca.nodes.Root
    properties:
      port: { type: Port, required: false }
      names: { type: Names, required: false }
      point: { type: Point, required: false }
      ports: { type: map, required: false, key_schema: { type: string, constraints: [ pattern: "[a-z]+" ] }, entry_schema: { type: Port } }
      matrix: { type: list, required: false, entry_schema: { type: list, entry_schema: { type: integer, constraints: [ greater_than: 0 ] } } }
      anything: { type: tosca.datatypes.Root, required: false }
      credential: { type: tosca.datatypes.Credential, required: false }
      sizes: { type: map, required: false, key_schema: { type: integer }, entry_schema: { type: scalar-unit.size } }
topology_template:
  node_templates:
    n:
      type: N
      properties:
        `

func TestCheckToAnyDepth(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		property string
		// want is code:column; all faults are in line 30.
		want []string
		part string
	}{
		{"port: 80", nil, ""},
		{"port: 0", []string{"constraint-violated:15"}, "0 is not in the range [1,65535]"},
		{"port: web", []string{"wrong-type:15"}, ""},
		{"names: [a, {get_input: i}]", nil, ""},
		{"names: [a, [b]]", []string{"wrong-type:20"}, "[1]"},
		{"point: {x: 1}", nil, ""},
		{"point: {y: 1}", []string{"missing-property:16"}, "the required property x of Point is missing"},
		{"point: {x: 1, lable: a}", []string{"unknown-property:30"}, `Point has no property "lable"`},
		{"point: {x: 1, label: long}", []string{"constraint-violated:30"}, ".label"},
		{"point: {x: 1, next: {x: 2, next: {x: no}}}", []string{"wrong-type:46"}, ".next.next.x"},
		{"point: 5", []string{"wrong-type:16"}, ""},
		{"point: [5]", []string{"wrong-type:16"}, "a map (Point) is expected"},
		{"ports: {web: 80, admin: 8080}", nil, ""},
		{"ports: {Web: 80}", []string{"constraint-violated:22"}, ".Web"},
		{"ports: {web: 70000}", []string{"constraint-violated:22"}, ".web"},
		{"matrix: [[1, 2], [3, {get_input: i}]]", []string{"wrong-type:30"}, "[1][1]"},
		{"matrix: [[1, 2], [3, 0]]", []string{"constraint-violated:30"}, "[1][1]"},
		{"matrix: [1]", []string{"wrong-type:18"}, "[0]"},
		{"anything: {a: [b]}", nil, ""},
		{"anything: [b]", []string{"wrong-type:19"}, ""},
		{"credential: {token: abc}", nil, ""},
		{"credential: {user: abc}", []string{"missing-property:21"}, ""},
		{"sizes: {1: 1 GB}", nil, ""},
		{"sizes: {one: 1 GB}", []string{"wrong-type:22"}, ".one"},
	} {
		_, diags := loadText(t, schemaTemplate+c.property+"\n  inputs: { i: { type: string, default: x } }\n")
		// The integer keys of sizes are understood all the same.
		diags = slices.DeleteFunc(diags, func(d *Diagnostic) bool { return d.Code == codeBadKeySchema })
		var got []string
		for _, d := range diags {
			require.Equal(t, 30, d.Range.Start.Line, "%s: %s", c.property, d.Summary)
			got = append(got, d.Code+":"+strconv.Itoa(d.Range.Start.Column))
		}
		require.Equal(t, c.want, got, c.property)
		if c.part != "" {
			require.Contains(t, diags[0].Summary, c.part, c.property)
		}
	}
}

func TestCheckDefaultWarns(t *testing.T) {
	t.Parallel()
	list := builtin("list")
	for src, want := range map[string][]string{
		"''":     {"default-mismatch"},
		"[]":     {},
		"~":      {},
		"1":      {"default-mismatch"},
		"{a: b}": {"default-mismatch"},
	} {
		v, _ := parseText(t, v13, src)
		s := &sink{}
		list.checkDefault(v, s, "command")
		require.Equal(t, want, codes(s.list), src)
		for _, d := range s.list {
			require.Equal(t, Warning, d.Severity)
		}
	}
	// A lenient default is as good as any.
	s := &sink{}
	builtin("string").checkDefault(Constant(false), s, "restart")
	require.Empty(t, s.list)
}

func TestConstraints(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		typ, constraint, value string
		ok                     bool
	}{
		{"integer", "equal: 3", "3", true},
		{"integer", "equal: 3", "4", false},
		{"integer", "greater_than: 3", "4", true},
		{"integer", "greater_than: 3", "3", false},
		{"integer", "greater_or_equal: 3", "3", true},
		{"integer", "greater_or_equal: 3", "2", false},
		{"integer", "less_than: 3", "2", true},
		{"integer", "less_than: 3", "3", false},
		{"integer", "less_or_equal: 3", "3", true},
		{"integer", "less_or_equal: 3", "4", false},
		{"integer", "less_or_equal: 3", "'2'", true},
		{"integer", "in_range: [1, 3]", "1", true},
		{"integer", "in_range: [1, 3]", "3", true},
		{"integer", "in_range: [1, 3]", "0", false},
		{"integer", "in_range: [1, 3]", "4", false},
		{"integer", "in_range: [1, UNBOUNDED]", "999999", true},
		{"integer", "in_range: [UNBOUNDED, 3]", "-5", true},
		{"integer", "in_range: [UNBOUNDED, 3]", "5", false},
		{"integer", "valid_values: [1, 2]", "2", true},
		{"integer", "valid_values: [1, 2]", "3", false},
		{"float", "greater_than: 1", "1.5", true},
		{"float", "greater_than: 1.5", "1", false},
		{"string", "valid_values: [a, b]", "b", true},
		{"string", "valid_values: [a, b]", "c", false},
		{"string", "greater_than: a", "b", true},
		{"string", "length: 3", "häh", true},
		{"string", "length: 3", "four", false},
		{"string", "min_length: 2", "ab", true},
		{"string", "min_length: 2", "a", false},
		{"string", "max_length: 2", "ab", true},
		{"string", "max_length: 2", "abc", false},
		{"string", "pattern: 'a|ab'", "ab", true},
		{"string", "pattern: 'a'", "ab", false},
		{"string", "pattern: '[0-9]+'", "12", true},
		{"list", "min_length: 1", "[]", false},
		{"list", "length: 2", "[1, 2]", true},
		{"list", "equal: [1, 2]", "[1, 2]", true},
		{"list", "equal: [1, 2]", "[2, 1]", false},
		{"list", "valid_values: [[1], [2]]", "[2]", true},
		{"map", "max_length: 1", "{a: 1, b: 2}", false},
		{"map", "equal: {a: 1}", "{a: 1}", true},
		{"boolean", "equal: true", "true", true},
		{"boolean", "equal: true", "false", false},
		{"boolean", "valid_values: [true]", "true", true},
		{"scalar-unit.size", "greater_or_equal: 1 GB", "1000 MB", true},
		{"scalar-unit.size", "greater_or_equal: 1 GB", "999 MB", false},
		{"scalar-unit.size", "equal: 1 GB", "1000MB", true},
		{"scalar-unit.size", "in_range: [1 MB, 1 GB]", "1 GiB", false},
		{"scalar-unit.size", "valid_values: [1 GB, 2 GB]", "2000 MB", true},
		{"scalar-unit.time", "less_than: 1 h", "59 m", true},
		{"version", "greater_than: '1.9'", "'1.10'", true},
		{"version", "less_than: '1.0'", "'1.0.0.alpha-1'", true},
		{"version", "less_than: '2.0'", "1.5", true},
		{"timestamp", "less_than: '2026-01-01'", "2025-12-31T23:59:59Z", true},
		{"timestamp", "less_than: '2026-01-01'", "2026-01-01T00:00:00Z", false},
		{"range", "in_range: [1, 10]", "[2, 9]", true},
		{"range", "in_range: [1, 10]", "[2, 11]", false},
		{"range", "in_range: [1, 10]", "[2, UNBOUNDED]", false},
		{"range", "in_range: [1, UNBOUNDED]", "[2, UNBOUNDED]", true},
		{"string", "schema: '{}'", "anything", true},
		// without a type
		{"", "greater_than: 1", "1.5", true},
		{"", "greater_than: 1 GB", "1500 MB", true},
		{"", "greater_than: 2 GB", "1500 MB", false},
		{"", "equal: running", "running", true},
		{"", "equal: running", "stopped", false},
		{"", "greater_than: b", "a", false},
		{"", "greater_than: 1", "text", false},
		{"", "length: 1", "5", false},
	} {
		constraints, diags := constraintsOf(t, v13, c.constraint)
		require.Empty(t, diags, c.constraint)
		require.Len(t, constraints, 1)
		v, _ := parseText(t, v13, c.value)
		data, _ := v.Static()
		var sc *Schema
		if c.typ != "" {
			sc = builtin(c.typ)
		}
		err := constraints[0].Check(data, sc)
		if c.ok {
			require.NoError(t, err, "%s %s for %s", c.typ, c.constraint, c.value)
		} else {
			require.Error(t, err, "%s %s for %s", c.typ, c.constraint, c.value)
		}
	}
}

func TestParseConstraints(t *testing.T) {
	t.Parallel()
	list, diags := constraintsOf(t, v13, "[greater_than: 1, less_than: 5]")
	require.Empty(t, diags)
	require.Len(t, list, 2)
	require.Equal(t, "greater_than", list[0].Op)
	require.Equal(t, Range{"service.yaml", Pos{1, 2}, Pos{1, 17}}, list[0].Range)
	list, diags = constraintsOf(t, v13, "{greater_than: 1, less_than: 5}")
	require.Empty(t, diags)
	require.Len(t, list, 2)
	list, diags = constraintsOf(t, v13, "~")
	require.Empty(t, diags)
	require.Empty(t, list)

	for _, c := range []struct {
		version, src, code string
		severity           Severity
	}{
		{v13, "[greater_then: 1]", "unknown-constraint", Error},
		{"tosca_simple_yaml_1_2", "[schema: x]", "unknown-constraint", Error},
		{v13, "[5]", "constraint-shape", Error},
		{v13, "[{}]", "constraint-shape", Error},
		{v13, "5", "constraint-shape", Error},
		{v13, "[in_range: 5]", "constraint-operand", Error},
		{v13, "[in_range: [1, 2, 3]]", "constraint-operand", Error},
		{v13, "[valid_values: a]", "constraint-operand", Error},
		{v13, "[min_length: -1]", "constraint-operand", Error},
		{v13, "[max_length: a]", "constraint-operand", Error},
		{v13, "[pattern: 5]", "constraint-operand", Error},
		{v13, "[pattern: '[a-z']", "constraint-operand", Error},
		{v13, "[pattern: 'a)|(b']", "constraint-operand", Error},
		{v13, "[pattern: 'a++']", "unsupported-pattern", Warning},
		{v13, "[pattern: '(?=x)']", "unsupported-pattern", Warning},
		{v20, "{a: 1}", "constraint-shape", Error},
	} {
		list, diags := constraintsOf(t, c.version, c.src)
		require.Empty(t, list, c.src)
		require.Equal(t, []string{c.code}, codes(diags), c.src)
		require.Equal(t, c.severity, diags[0].Severity, c.src)
	}
	_, diags = constraintsOf(t, v13, "[greater_then: 1]")
	require.Equal(t, "greater_than", diags[0].Suggestion)
}

func TestConstraintTypes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ typ, src, code string }{
		{"integer", "[in_range: [1, UNBOUNDED]]", ""},
		{"integer", "[min_length: 1]", "constraint-type"},
		{"string", "[min_length: 1, pattern: a, greater_than: a]", ""},
		{"list", "[greater_than: 1]", "constraint-type"},
		{"map", "[pattern: a]", "constraint-type"},
		{"boolean", "[less_than: true]", "constraint-type"},
		{"range", "[in_range: [1, 5]]", ""},
		{"range", "[equal: [1, 5]]", ""},
		{"range", "[less_than: 5]", "constraint-type"},
		{"integer", "[greater_than: x]", "constraint-operand"},
		{"integer", "[valid_values: [1, x]]", "constraint-operand"},
		{"scalar-unit.size", "[greater_or_equal: 0 MB]", ""},
		{"scalar-unit.size", "[greater_or_equal: 0 s]", "constraint-operand"},
		{"version", "[equal: x]", "constraint-operand"},
		{"integer", "[greater_than: {get_input: x}]", ""},
	} {
		list, diags := constraintsOf(t, v13, c.src)
		require.Empty(t, diags, c.src)
		s := &sink{}
		checkConstraintTypes(list, builtin(c.typ).Type, s)
		if c.code == "" {
			require.Empty(t, s.list, "%s %s", c.typ, c.src)
		} else {
			require.Equal(t, []string{c.code}, codes(s.list), "%s %s", c.typ, c.src)
		}
	}
}

func TestValidationClauses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		src   string
		value any
		ok    bool
	}{
		{"{$greater_or_equal: [$value, 1]}", 1, true},
		{"{$greater_or_equal: [$value, 1]}", 0, false},
		{"{$and: [{$greater_than: [{$length: [$value]}, 1]}, {$has_prefix: [$value, a]}]}", "ab", true},
		{"{$and: [{$greater_than: [{$length: [$value]}, 1]}, {$has_prefix: [$value, a]}]}", "bb", false},
		{"{$equal: [{$value: [a, 0]}, x]}", map[string]any{"a": []any{"x"}}, true},
		{"{$equal: [{$value: [b]}, x]}", map[string]any{"a": 1}, false},
		{"{$equal: [1, 1]}", 1, true},
		{"{$equal: [1, 2]}", 1, false},
		{"{$equal: [{$get_input: x}, $value]}", 1, true}, // only a deployment can tell
	} {
		list, diags := constraintsOf(t, v20, c.src)
		require.Empty(t, diags, c.src)
		require.Len(t, list, 1, c.src)
		err := list[0].Check(c.value, nil)
		require.Equal(t, c.ok, err == nil, "%s %v: %v", c.src, c.value, err)
	}
	// Outside of a validation clause there is no value.
	v, diags := parseText(t, v20, "$value")
	require.Empty(t, diags)
	_, err := v.Eval(Entity{}, nil)
	require.ErrorContains(t, err, "only in a validation clause")
}

func TestSatisfies(t *testing.T) {
	t.Parallel()
	eval := func(v *Value) (any, error) {
		return v.Eval(Entity{}, givenInputs{map[string]any{"least": 4, "yes": true}})
	}
	for _, c := range []struct {
		version, src string
		value        any
		ok           bool
	}{
		{v13, "[greater_or_equal: {get_input: least}, less_than: 10]", 4, true},
		{v13, "[greater_or_equal: {get_input: least}, less_than: 10]", 3, false},
		{v13, "[greater_or_equal: {get_input: least}, less_than: 10]", 10, false},
		{v13, "[valid_values: [1, {get_input: least}]]", 4, true},
		{v13, "[greater_or_equal: {get_input: lost}]", 4, false},
		{v13, "[schema: {get_input: least}]", 4, true},
		{v20, "{$equal: [{$get_input: least}, 4]}", 1, true},
		{v20, "{$equal: [{$get_input: least}, 5]}", 1, false},
	} {
		list, diags := constraintsOf(t, c.version, c.src)
		require.Empty(t, diags, c.src)
		err := Satisfies(c.value, builtin("integer"), list, eval)
		require.Equal(t, c.ok, err == nil, "%s %v: %v", c.src, c.value, err)
	}
	require.NoError(t, Satisfies("anything", nil, nil, eval))
}

func FuzzConstraint(f *testing.F) {
	for _, s := range []string{"[in_range: [1, 2]]", "{pattern: 'a+'}", "[valid_values: [a, {get_input: b}]]", "[min_length: 1]"} {
		f.Add(s, "3")
	}
	f.Fuzz(func(t *testing.T, src, value string) {
		n, _ := yamlx.Parse([]byte(src), yamlx.Limits{Depth: 20, Nodes: 1000})
		m, _ := yamlx.Parse([]byte(value), yamlx.Limits{Depth: 20, Nodes: 1000})
		if n == nil || m == nil {
			return
		}
		for _, version := range versions {
			for _, c := range parseConstraints(n, "f", version, &sink{}) {
				for _, typ := range []string{"string", "integer", "range", "scalar-unit.size", "version", "list"} {
					checkConstraintTypes([]*Constraint{c}, builtin(typ).Type, &sink{})
					_ = c.Check(m.Value(), builtin(typ))
				}
			}
		}
	})
}
