package executor_test

import (
	"context"
	"errors"
	"testing"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
)

const returning = `
tosca_definitions_version: tosca_simple_yaml_1_3
node_types:
  Thing:
    derived_from: tosca.nodes.Root
    attributes:
      plain: { type: string }
      deep: { type: map, entry_schema: { type: string } }
      passwd: { type: string, metadata: { sensitive: true } }
    capabilities:
      api:
        type: tosca.capabilities.Endpoint
        attributes: { path: { type: string } }
topology_template:
  node_templates:
    db:
      type: Thing
    web:
      type: Thing
      requirements:
        - dependency:
            node: db
            relationship:
              type: tosca.relationships.DependsOn
              interfaces:
                Configure:
                  operations:
                    pre_configure_target:
                      implementation: do.sh
                      outputs:
                        a: [TARGET, plain]
                        b: [SOURCE, deep, key]
      interfaces:
        Standard:
          operations:
            create:
              implementation: do.sh
              outputs:
                first: [SELF, plain]
                nested: [SELF, deep, one]
                where: [SELF, api, path]
  outputs:
    plain: { value: { get_attribute: [web, plain] } }
    deep: { value: { get_attribute: [web, deep] } }
    path: { value: { get_attribute: [web, api, path] } }
    target: { value: { get_attribute: [db, plain] } }
    output: { value: { get_operation_output: [web, Standard, create, extra] } }
`

func TestOutputsOfOperations(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, store state.Store) {
		driver := &script{do: returns(map[string]map[string]any{
			"web_0.create": {"first": "x", "nested": "y", "where": "/api", "extra": []string{"a"}, "state": "deleted"},
			"web_0--db_0--dependency.0.pre_configure_target": {"a": "t", "b": "z"},
		})}
		w := &watcher{}
		e := newEngine(t, executor.Config{Store: store, Drivers: []executor.Driver{executor.Sync(driver)}, Observe: w.observe})
		_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, returning)})
		require.NoError(t, err)
		outputs, err := e.Outputs(t.Context(), "x")
		require.NoError(t, err)
		values := map[string]any{}
		for _, o := range outputs {
			values[o.Name] = o.Value
		}
		require.Equal(t, map[string]any{
			"plain": "x", "deep": map[string]any{"one": "y", "key": "z"}, "path": "/api", "target": "t", "output": []any{"a"},
		}, values)
		require.Equal(t, []string{"warning web_0.create "}, w.kinds(executor.Warning), "extra is no attribute, state is nobody's business")
	})
}

const returning20 = `
tosca_definitions_version: tosca_2_0
artifact_types: { Sh: { file_ext: [ sh ] } }
interface_types: { Run: { operations: { create: { outputs: { a: { type: string }, b: { type: string }, c: { type: string } } } } } }
capability_types: { Place: { attributes: { taken: { type: string } } } }
relationship_types: { On: {} }
node_types:
  N:
    attributes: { plain: { type: string }, list: { type: list, entry_schema: string } }
    capabilities: { host: Place }
    requirements: [ host: { capability: Place, relationship: On } ]
    interfaces: { Standard: { type: Run, operations: { create: { implementation: do.sh, outputs: { a: [ SELF, plain ] } } } } }
service_template:
  node_templates:
    m: { type: N, interfaces: { Standard: { operations: { create: { outputs: { b: [ SELF, list, 0 ] } } } } } }
    n: { type: N, requirements: [ host: m ], interfaces: { Standard: { operations: { create: { outputs: { b: [ SELF, list, 0 ], c: [ SELF, CAPABILITY, host, taken ] } } } } } }
  outputs:
    plain: { value: { $get_attribute: [ n, plain ] } }
    list: { value: { $get_attribute: [ n, list ] } }
    own: { value: { $get_attribute: [ n, CAPABILITY, host, taken ] } }
    host: { value: { $get_attribute: [ m, CAPABILITY, host, taken ] } }
`

// A path of TOSCA 2.0 says that a capability is meant, where a requirement has
// the same name, and an index makes a list. What the type maps stays mapped.
func TestOutputsByPaths(t *testing.T) {
	t.Parallel()
	driver := &script{do: returns(map[string]map[string]any{
		"m_0.create": {"a": "1", "b": "2"}, "n_0.create": {"a": "3", "b": "4", "c": "5"},
	})}
	e := newEngine(t, executor.Config{Drivers: []executor.Driver{executor.Sync(driver)}})
	_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, returning20)})
	require.NoError(t, err)
	outputs, err := e.Outputs(t.Context(), "x")
	require.NoError(t, err)
	values := map[string]any{}
	for _, o := range outputs {
		values[o.Name] = o.Value
	}
	require.Equal(t, map[string]any{"plain": "3", "list": []any{"4"}, "own": "5", "host": nil}, values)
}

func TestMissingOutput(t *testing.T) {
	t.Parallel()
	driver := &script{do: returns(map[string]map[string]any{"web_0.create": {"first": "x"}})}
	e := newEngine(t, executor.Config{Drivers: []executor.Driver{executor.Sync(driver)}})
	_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, returning)})
	require.EqualError(t, err, "deploy x: web_0: Standard.create: take output nested: the operation declares it and did not return it")
}

// What an operation returned before it failed is kept.
func TestOutputsOfFailures(t *testing.T) {
	t.Parallel()
	driver := &script{do: func(_ context.Context, op *executor.Operation) (map[string]any, error) {
		return map[string]any{"first": "half"}, errors.New("broken")
	}}
	e := newEngine(t, executor.Config{Drivers: []executor.Driver{executor.Sync(driver)}})
	_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, returning)})
	require.ErrorContains(t, err, "broken")
	outputs, err := e.Outputs(t.Context(), "x")
	require.NoError(t, err)
	require.Equal(t, "half", outputs[0].Value)
	require.Nil(t, outputs[2].Value)
}
