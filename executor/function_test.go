package executor_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/csar"
	"github.com/seed-a4fd30b5/orchestrator/drivers/local"
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
	outputs, err := e.Outputs(ctx, "x")
	require.ErrorContains(t, err, "output script: ")
	require.ErrorContains(t, err, "broken")
	require.Equal(t, []executor.Output{{Name: "twice", Value: int64(4)}, {Name: "native", Value: []any{int64(2), "x"}}}, outputs, "the others are there")
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

// withArtifacts has functions that artifacts evaluate.
const withArtifacts = `
tosca_definitions_version: tosca_2_0
functions:
  reverse: { signatures: [ { arguments: [ string ], result: string, implementation: do.sh } ] }
  total: { signatures: [ { arguments: [ integer ], variadic: true, result: integer, implementation: do.sh } ] }
  half: { signatures: [ { arguments: [ integer ], result: float, implementation: do.sh } ] }
  odd: { signatures: [ { arguments: [ integer ], result: boolean, implementation: do.sh } ] }
  parts: { signatures: [ { arguments: [ string ], implementation: do.sh } ] }
node_types:
  Thing: { properties: { name: { type: string } } }
service_template:
  node_templates:
    one: { type: Thing, properties: { name: { $reverse: [ abc ] } } }
    two: { type: Thing, properties: { name: { $reverse: [ abc ] } } }
  outputs:
    one: { value: { $get_property: [ one, name ] } }
    two: { value: { $get_property: [ two, name ] } }
    total: { value: { $total: [ 1, 2, 39 ] } }
    half: { value: { $half: [ 3 ] } }
    odd: { value: { $odd: [ 3 ] } }
    parts: { value: { $parts: [ "4" ] } }
`

// A custom function is evaluated by the artifact that implements its signature:
// the driver gets an operation of no node, once for the same arguments in a query.
func TestImplementedFunctions(t *testing.T) {
	t.Parallel()
	results := map[string]any{"reverse": "cba", "total": "42", "half": "1.5", "odd": "true", "parts": "4"}
	driver := &script{do: func(_ context.Context, op *executor.Operation) (map[string]any, error) {
		return map[string]any{"result": results[op.Name]}, nil
	}}
	e := newEngine(t, executor.Config{Drivers: []executor.Driver{executor.Sync(driver)}})
	_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, withArtifacts)})
	require.NoError(t, err)
	driver.ops = nil
	outputs, err := e.Outputs(t.Context(), "x")
	require.NoError(t, err)
	got, calls := map[string]any{}, map[string]int{}
	for _, o := range outputs {
		got[o.Name] = o.Value
	}
	require.Equal(t, map[string]any{"one": "cba", "two": "cba", "total": int64(42), "half": 1.5, "odd": true, "parts": "4"}, got)
	for _, op := range driver.ops {
		calls[op.Name]++
		require.Equal(t, executor.FunctionInterface, op.Interface)
		require.Equal(t, "do.sh", op.Primary.Path)
		require.Equal(t, []string{"result"}, op.Outputs)
		require.Equal(t, op.Name, op.Context["FUNCTION"])
		require.Empty(t, op.Instance)
		require.True(t, op.Host.Local())
		require.Regexp(t, "^function-[0-9a-f]{20}$", op.ID)
		if op.Name == "total" {
			require.Equal(t, map[string]any{"arguments": []any{int64(1), int64(2), int64(39)},
				"argument_0": int64(1), "argument_1": int64(2), "argument_2": int64(39)}, op.Inputs)
		}
	}
	require.Equal(t, map[string]int{"reverse": 1, "total": 1, "half": 1, "odd": 1, "parts": 1}, calls)
}

// What goes wrong in an artifact of a function is told with the function's name.
func TestImplementedFunctionFails(t *testing.T) {
	t.Parallel()
	jobs := newJobs()
	t.Cleanup(func() {
		for _, j := range jobs.jobs {
			require.Equal(t, executor.Canceled, j.state)
		}
	})
	for name, c := range map[string]struct {
		driver executor.Driver
		want   string
	}{
		"it fails": {executor.Sync(&script{do: func(context.Context, *executor.Operation) (map[string]any, error) {
			return nil, errors.New("exit code 3: oh no")
		}}), "call function $reverse: exit code 3: oh no"},
		"no result": {executor.Sync(&script{}), `call function $reverse: do.sh returned no output "result"`},
		"not of the type": {executor.Sync(&script{do: func(context.Context, *executor.Operation) (map[string]any, error) {
			return map[string]any{"result": int64(3)}, nil
		}}), "the result of $reverse"},
		"in the background": {jobs, "the driver jobs runs it in the background"},
		"it does not end": {executor.Sync(&script{do: func(ctx context.Context, _ *executor.Operation) (map[string]any, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}), "call function $reverse: it did not end within 1ms"},
		"a panic": {executor.Sync(&script{do: func(context.Context, *executor.Operation) (map[string]any, error) {
			panic("oh no")
		}}), "oh no"},
		"no driver": {executor.Sync(&script{accepts: func(*executor.Operation) bool { return false }}), "no driver runs an artifact of type tosca.artifacts.Implementation.Bash"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEngine(t, executor.Config{Drivers: []executor.Driver{c.driver}})
			if name == "it does not end" {
				e.SetFunctionTime(time.Millisecond)
			}
			_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, withArtifacts)})
			require.NoError(t, err)
			_, err = e.Outputs(t.Context(), "x")
			require.ErrorContains(t, err, c.want)
		})
	}
}

// A script evaluates a function by the protocol of all scripts, is stored with
// the template, and leaves nothing behind.
func TestFunctionScript(t *testing.T) {
	t.Parallel()
	const yaml = `
tosca_definitions_version: tosca_2_0
functions: { shout: { signatures: [ { arguments: [ string ], variadic: true, result: string, implementation: shout.sh } ] } }
service_template: { node_templates: {}, outputs: { loud: { value: { $shout: [ a b, c ] } } } }
`
	const shout = `#!/bin/sh
echo "result=$argument_0-$argument_1! $arguments $TOSCA_FUNCTION" >> "$TOSCA_OUTPUTS"
`
	archive, err := csar.FromFS(fstest.MapFS{"service.yaml": {Data: []byte(yaml)}, "shout.sh": {Data: []byte(shout)}}, "service.yaml")
	require.NoError(t, err)
	dir := t.TempDir()
	e := newEngine(t, executor.Config{Drivers: []executor.Driver{local.New(local.Config{WorkDir: dir})}})
	_, err = e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: archive})
	require.NoError(t, err)
	outputs, err := e.Outputs(t.Context(), "x")
	require.NoError(t, err)
	require.Equal(t, `a b-c! ["a b","c"] shout`, outputs[0].Value)
	left, err := filepath.Glob(filepath.Join(dir, "*", "*", "function-*"))
	require.NoError(t, err)
	require.Empty(t, left)
}
