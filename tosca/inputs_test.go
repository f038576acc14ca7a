package tosca

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

const inputsTemplate = `
tosca_definitions_version: tosca_simple_yaml_1_3
data_types:
  Pair: { derived_from: tosca.datatypes.Root, properties: { a: { type: integer }, b: { type: integer, default: 2 } } }
topology_template:
  inputs:
    name: { type: string }
    count: { type: integer, default: 3, constraints: [ in_range: [ 1, 9 ] ] }
    size: { type: scalar-unit.size, required: false }
    pairs: { type: list, required: false, entry_schema: { type: Pair } }
    anything: { type: map, default: { x: [ 1 ] } }
`

func TestResolveInputs(t *testing.T) {
	t.Parallel()
	template := loadSound(t, inputsTemplate)
	for _, c := range []struct {
		given, want map[string]any
		codes       []string
	}{
		{
			given: map[string]any{"name": "n"},
			want:  map[string]any{"name": "n", "count": int64(3), "anything": map[string]any{"x": []any{int64(1)}}},
		}, {
			given: map[string]any{"name": "n", "count": 5, "anything": map[string]any{"y": json.Number("1.5")}, "size": "1 GB"},
			want:  map[string]any{"name": "n", "count": int64(5), "anything": map[string]any{"y": 1.5}, "size": "1 GB"},
		}, {
			given: map[string]any{"name": nil, "count": json.Number("7")},
			want:  map[string]any{"name": nil, "count": int64(7), "anything": map[string]any{"x": []any{int64(1)}}},
		}, {
			given: map[string]any{"name": "n", "pairs": []any{map[string]any{"a": 1}}, "count": uint8(2)},
			want: map[string]any{"name": "n", "count": int64(2), "anything": map[string]any{"x": []any{int64(1)}},
				"pairs": []any{map[string]any{"a": int64(1)}}},
		},
		{given: nil, codes: []string{"missing-input"}},
		{given: map[string]any{"nam": "n"}, codes: []string{"missing-input", "unknown-input"}},
		{given: map[string]any{"name": 5}, codes: []string{"lenient-type"}},
		{given: map[string]any{"name": []any{"n"}}, codes: []string{"wrong-type"}},
		{given: map[string]any{"name": "n", "count": 10}, codes: []string{"constraint-violated"}},
		{given: map[string]any{"name": "n", "count": "3"}, codes: []string{"lenient-type"}},
		{given: map[string]any{"name": "n", "size": "12 bananas"}, codes: []string{"wrong-type"}},
		{given: map[string]any{"name": "n", "pairs": []any{map[string]any{"b": 1, "c": 2}}}, codes: []string{"unknown-property", "missing-property"}},
	} {
		got, diags := template.ResolveInputs(c.given)
		if c.codes == nil {
			require.Empty(t, diags, c.given)
			require.Equal(t, c.want, got)
			continue
		}
		require.Equal(t, c.codes, codes(diags), c.given)
		for _, d := range diags {
			require.Equal(t, "service.yaml", d.Range.File)
		}
	}
	_, diags := template.ResolveInputs(map[string]any{"name": "n", "conut": 1})
	require.Equal(t, "count", diags[0].Suggestion)
}

func TestResolveInputsOfTosca2(t *testing.T) {
	t.Parallel()
	template := loadSound(t, `
tosca_definitions_version: tosca_2_0
service_template:
  inputs:
    first: { type: string }
    second: { type: string, default: { $concat: [ { $get_input: first }, "!" ] } }
    fixed: { type: integer, value: 5 }
    third: { type: string, default: { $get_input: later } }
    later: { type: string, default: { $get_input: third } }
  node_templates: {}
`)
	got, diags := template.ResolveInputs(map[string]any{"first": "a", "third": "t"})
	require.Empty(t, diags)
	require.Equal(t, map[string]any{"first": "a", "second": "a!", "fixed": int64(5), "third": "t", "later": "t"}, got)
	_, diags = template.ResolveInputs(map[string]any{"first": "a", "third": "t", "fixed": 6})
	require.Equal(t, []string{"fixed-input"}, codes(diags))
	// Two defaults that ask for each other.
	_, diags = template.ResolveInputs(map[string]any{"first": "a"})
	require.Equal(t, []string{"invalid-call", "invalid-call"}, codes(diags))
}

// TestSecretsAreNotShown wants the faults of sensitive inputs, and of what comes
// from them, without the values.
func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	template := loadSound(t, `
tosca_definitions_version: tosca_simple_yaml_1_3
node_types:
  N:
    derived_from: tosca.nodes.Root
    properties:
      long: { type: string, constraints: [ min_length: 20 ] }
      part: { type: string }
      number: { type: integer }
topology_template:
  inputs:
    password: { type: string, metadata: { sensitive: true }, constraints: [ max_length: 10 ] }
    login: { type: tosca.datatypes.Credential }
  node_templates:
    n:
      type: N
      properties: { long: { get_input: password }, part: { token: [ { get_input: password }, "-", 1 ] }, number: { get_input: password } }
`)
	shown := func(diags Diagnostics) string {
		var all string
		for _, d := range diags {
			all += d.Summary + d.Detail
		}
		return all
	}
	_, diags := template.ResolveInputs(map[string]any{
		"password": secret + secret,
		"login":    map[string]any{"token": []any{secret}, "user": 5},
	})
	require.ElementsMatch(t, []string{"constraint-violated", "wrong-type", "lenient-type"}, codes(diags))
	require.NotContains(t, shown(diags), secret)

	values, diags := template.ResolveInputs(map[string]any{"password": secret, "login": map[string]any{"token": "t"}})
	require.Empty(t, diags)
	diags = template.CheckProperties(values)
	require.Equal(t, []string{"constraint-violated", "invalid-call", "wrong-type"}, codes(diags))
	require.NotContains(t, shown(diags), secret)
}
