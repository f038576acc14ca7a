package workflow_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/seed-a4fd30b5/orchestrator/tosca"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
	"github.com/stretchr/testify/require"
)

// evaluated is a service whose values are calculated in every way.
const evaluated = `tosca_definitions_version: tosca_simple_yaml_1_3
node_types:
  my.Server:
    derived_from: tosca.nodes.Root
    properties:
      port: {type: integer, default: 80}
      url: {type: string, default: {concat: ["http://", {get_attribute: [SELF, address]}, ":", {get_property: [SELF, port]}]}}
      main: {type: string, default: {get_attribute: [SELF, endpoints, main]}}
      list: {type: list, entry_schema: string, default: [a, {get_input: marker}]}
      file: {type: string, default: {get_artifact: [SELF, conf]}}
      token: {type: string, default: {get_operation_output: [SELF, Standard, create, token]}}
    attributes:
      address: string
      endpoints: {type: map, entry_schema: string}
      fixed: {type: string, default: here}
    artifacts:
      conf: {type: tosca.artifacts.File, file: conf.txt}
    interfaces:
      Standard:
        type: tosca.interfaces.node.lifecycle.Standard
        operations:
          create:
            implementation: create.sh
            inputs:
              marker: {type: string, default: {get_input: marker}}
              fixed: {type: string, default: {get_attribute: [SELF, fixed]}}
              other: {type: string, default: {get_attribute: [one, address]}}
topology_template:
  inputs:
    marker: {type: string, default: red}
  node_templates:
    one: {type: my.Server}
    two: {type: my.Server, properties: {port: 8080}}
`

func loadText(t *testing.T, text string) *tosca.ServiceTemplate {
	t.Helper()
	template, diagnostics := tosca.Load(fstest.MapFS{
		"service.yaml": {Data: []byte(text)}, "create.sh": {}, "conf.txt": {},
	}, "service.yaml", nil)
	require.Empty(t, diagnostics)
	return template
}

func TestCompareEvaluates(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		old, new string // replaced in the template
		inputs   map[string]any
		want     string
	}{
		{name: "nothing", want: `{}`},
		{
			name:   "an input",
			inputs: map[string]any{"marker": "blue"},
			want: `{"nodes":{"one":{"properties":{"list":[["a","red"],["a","blue"]]},"interfaces":{"Standard":{"operations":{"create":{"inputs":{"marker":["red","blue"]}}}}}},` +
				`"two":{"properties":{"list":[["a","red"],["a","blue"]]},"interfaces":{"Standard":{"operations":{"create":{"inputs":{"marker":["red","blue"]}}}}}}}}`,
		},
		{
			name: "a property in another value", old: "port: 8080", new: "port: 8081",
			want: `{"nodes":{"two":{"properties":{"port":[8080,8081],"url":["http://get_attribute(two, address):8080","http://get_attribute(two, address):8081"]}}}}`,
		},
		{
			name: "the attribute of another node", old: "[one, address]", new: "[two, address]",
			want: `{"nodes":{"one":{"interfaces":{"Standard":{"operations":{"create":{"inputs":{"other":["get_attribute(one, address)","get_attribute(two, address)"]}}}}}},` +
				`"two":{"interfaces":{"Standard":{"operations":{"create":{"inputs":{"other":["get_attribute(one, address)","get_attribute(two, address)"]}}}}}}}}`,
		},
		{
			name: "part of what is not known, as written", old: "endpoints, main", new: "endpoints, spare",
			want: `{"nodes":{"one":{"properties":{"main":[{"get_attribute":["SELF","endpoints","main"]},{"get_attribute":["SELF","endpoints","spare"]}]}},` +
				`"two":{"properties":{"main":[{"get_attribute":["SELF","endpoints","main"]},{"get_attribute":["SELF","endpoints","spare"]}]}}}}`,
		},
		{
			name: "the default of an attribute", old: "default: here", new: "default: there",
			want: `{"nodes":{"one":{"interfaces":{"Standard":{"operations":{"create":{"inputs":{"fixed":["here","there"]}}}}}},` +
				`"two":{"interfaces":{"Standard":{"operations":{"create":{"inputs":{"fixed":["here","there"]}}}}}}}}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			text := evaluated
			if tt.old != "" {
				require.Contains(t, text, tt.old)
				text = strings.ReplaceAll(text, tt.old, tt.new)
			}
			old, new := loadText(t, evaluated), loadText(t, text)
			oldInputs, diagnostics := old.ResolveInputs(nil)
			require.Empty(t, diagnostics)
			newInputs, diagnostics := new.ResolveInputs(tt.inputs)
			require.Empty(t, diagnostics)
			diff, err := workflow.Compare(old, new, workflow.DiffOptions{OldInputs: oldInputs, NewInputs: newInputs})
			require.NoError(t, err)
			got, err := json.Marshal(diff)
			require.NoError(t, err)
			require.Equal(t, tt.want, string(got))
		})
	}
}

func TestCompareWithoutInputs(t *testing.T) {
	t.Parallel()
	diff, err := workflow.Compare(loadText(t, evaluated), loadText(t, strings.ReplaceAll(evaluated, "[a, {get", "[b, {get")), workflow.DiffOptions{})
	require.NoError(t, err)
	require.Equal(t, [2]any{[]any{"a", "get_input(marker)"}, []any{"b", "get_input(marker)"}}, diff.Get("nodes", "one", "properties", "list"))
}
