package tosca

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

const calledKeys = `tosca_definitions_version: tosca_2_0
functions:
  pick: { signatures: [ { arguments: [ integer ], result: string } ] }
node_types:
  N:
    properties:
      m: { type: map, entry_schema: { type: map, entry_schema: string } }
      s: { type: string, required: false }
    attributes:
      a: { type: string }
service_template:
  inputs:
    name: { type: string }
    other: { type: string }
  node_templates:
    n:
      type: N
      properties:
        m: { { $concat: [ { $get_input: [ name ] }, x ] }: { k: { $get_input: [ other ] } }, plain: { k: v } }
  outputs:
    all: { value: { $get_property: [ n, m ] } }
    deep: { value: { $get_property: [ n, m, webx, k ] } }
    twice: { value: { { $get_input: [ name ] }: 1, { $get_input: [ other ] }: 2 } }
    custom: { value: { { $pick: [ 1 ] }: 3 } }
    attribute: { value: { { $get_attribute: [ n, a ] }: 3 } }
    property: { value: { { $get_property: [ n, s ] }: 3 } }
`

func TestCallsAsKeys(t *testing.T) {
	t.Parallel()
	template := loadSound(t, calledKeys)
	eval := func(output string, inputs mapEnv) (any, error) {
		return template.Output(output).Value.Eval(Entity{Service: template}, inputs)
	}
	env := mapEnv{inputs: map[string]any{"name": "web", "other": "db"}}
	for output, want := range map[string]any{
		"all":   map[string]any{"webx": map[string]any{"k": "db"}, "plain": map[string]any{"k": "v"}},
		"deep":  "db",
		"twice": map[string]any{"web": int64(1), "db": int64(2)},
	} {
		got, err := eval(output, env)
		require.NoError(t, err, output)
		require.Equal(t, want, got, output)
	}
	_, err := eval("twice", mapEnv{inputs: map[string]any{"name": "web", "other": "web"}})
	require.Equal(t, errs.InvalidArgument, errs.CodeOf(err))
	require.ErrorContains(t, err, `the map has the key "web" twice`)
	require.ErrorContains(t, err, "service.yaml:23:52")
	for _, output := range []string{"custom", "attribute", "property"} {
		_, err := eval(output, env)
		require.Equal(t, errs.FailedPrecondition, errs.CodeOf(err), output)
	}

	v := template.Output("twice").Value
	_, static := v.Static()
	require.False(t, static)
	require.Nil(t, v.Call())
	require.Len(t, v.Calls(), 2)
	got, err := template.Output("custom").Value.Eval(Entity{Service: template}, calling{results: map[string]any{"pick": "one"}})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"one": int64(3)}, got)
}
