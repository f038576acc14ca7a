package executor_test

import (
	"errors"
	"testing"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/stretchr/testify/require"
)

// calculated is of TOSCA 2.0: its conditions are expressions, and it calls
// custom functions, one of which it does not define.
const calculated = `
tosca_definitions_version: tosca_2_0
functions:
  double:
    signatures:
      - { arguments: [ integer ], result: integer }
      - { arguments: [ string ], implementation: { primary: do.sh } }
artifact_types: { Bash: { file_ext: [ sh ] } }
interface_types:
  Life: { operations: { create: {}, grow: { inputs: { by: { type: integer } } } } }
node_types:
  Thing:
    properties: { limit: { type: integer, default: 3 } }
    attributes: { load: { type: integer, default: 0 } }
    interfaces:
      Life: { type: Life }
service_template:
  inputs:
    n: { type: integer, default: 1 }
  node_templates:
    web:
      type: Thing
      interfaces:
        Life:
          operations:
            grow: { implementation: { primary: { file: do.sh, type: Bash } }, inputs: { by: 1 } }
  outputs:
    twice: { value: { $double: [ { $get_input: n } ] } }
    script: { value: { $double: [ a ] } }
    native: { value: { $native: [ { $get_input: n }, x ] } }
  workflows:
    grow:
      inputs: { most: { type: integer, default: 9 } }
      precondition: { $less_than: [ { $get_attribute: [ web, load ] }, { $get_input: most } ] }
      steps:
        one:
          target: web
          filter: [ { $greater_than: [ { $get_property: [ SELF, limit ] }, { $get_input: n } ] } ]
          activities:
            - call_operation: { operation: Life.grow, inputs: { by: { $double: [ { $get_input: most } ] } } }
`

func TestCustomFunctions(t *testing.T) {
	t.Parallel()
	driver := &script{}
	e := newEngine(t, executor.Config{Drivers: []executor.Driver{executor.Sync(driver)}, Functions: map[string]func([]any) (any, error){
		"double": func(args []any) (any, error) {
			if n, ok := args[0].(int64); ok {
				return int(2 * n), nil
			}
			return nil, errors.New("broken")
		},
		"native": func(args []any) (any, error) { return args, nil },
	}})
	ctx := t.Context()
	_, err := e.Deploy(ctx, executor.Request{Deployment: "x", Archive: template(t, calculated), Inputs: map[string]any{"n": 2}})
	require.NoError(t, err)
	_, err = e.Outputs(ctx, "x")
	require.ErrorContains(t, err, "output script: ")
	require.ErrorContains(t, err, "broken")
	_, err = e.RunWorkflow(ctx, "x", "grow", nil, executor.Options{})
	require.NoError(t, err)
	require.Equal(t, int64(18), driver.op("web_0", "grow").Inputs["by"])
	// The precondition does not hold.
	_, err = e.RunWorkflow(ctx, "x", "grow", map[string]any{"most": 0}, executor.Options{})
	require.ErrorContains(t, err, "the condition at line 34 does not hold for the service")
	// The filter does not hold.
	before := len(driver.seen())
	_, err = e.RunWorkflow(ctx, "x", "grow", nil, executor.Options{Inputs: map[string]any{"n": 3}})
	require.NoError(t, err)
	require.Len(t, driver.seen(), before)
}

func TestFunctionThatNothingEvaluates(t *testing.T) {
	t.Parallel()
	e := newEngine(t, executor.Config{
		Drivers:   []executor.Driver{executor.Sync(&script{})},
		Functions: map[string]func([]any) (any, error){"native": func([]any) (any, error) { return 1, nil }},
	})
	ctx := t.Context()
	_, err := e.Deploy(ctx, executor.Request{Deployment: "x", Archive: template(t, calculated)})
	require.NoError(t, err)
	_, err = e.RunWorkflow(ctx, "x", "grow", nil, executor.Options{})
	require.ErrorContains(t, err, "call function $double: nothing here evaluates it")
	// An output that can never be evaluated here is not one without a value yet.
	_, err = e.Outputs(ctx, "x")
	require.ErrorContains(t, err, "output twice: ")
	require.ErrorContains(t, err, "nothing here evaluates it")
	require.Equal(t, executor.Unimplemented, executor.CodeOf(err))
	// Without the name, the template is refused.
	e = newEngine(t, executor.Config{})
	_, err = e.Deploy(ctx, executor.Request{Deployment: "y", Archive: template(t, calculated)})
	require.ErrorContains(t, err, "there is no function $native")
}
