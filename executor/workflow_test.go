package executor_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/fstest"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/csar"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
)

const operated = `
tosca_definitions_version: tosca_simple_yaml_1_3
interface_types:
  Scaling:
    derived_from: tosca.interfaces.Root
    operations: { up: {}, down: {} }
node_types:
  Thing:
    derived_from: tosca.nodes.Root
    attributes: { load: { type: integer, default: 0 } }
    interfaces:
      Scaling: { type: Scaling }
topology_template:
  node_templates:
    web:
      type: Thing
      interfaces:
        Standard: { operations: { create: do.sh } }
        Scaling:
          operations:
            up: { implementation: do.sh, inputs: { by: 1 } }
            down: { implementation: do.sh, inputs: { by: 1 } }
  policies:
    - scale:
        type: tosca.policies.Scaling
        targets: [ web ]
        triggers:
          scale_up:
            event: too_much
            action:
              - call_operation: { operation: Scaling.up, inputs: { by: 5 } }
  workflows:
    backup:
      inputs: { count: { type: integer, default: 2 } }
      steps:
        one:
          target: web
          filter: [ load: [ { greater_than: 3 } ] ]
          activities: [ call_operation: { operation: Scaling.up, inputs: { by: { get_input: count } } } ]
          on_success: [ two ]
        two:
          target: web
          activities: [ call_operation: Scaling.down ]
          on_failure: [ three ]
        three:
          target: web
          activities: [ call_operation: { operation: Scaling.up, inputs: { by: 9 } } ]
`

func TestNotify(t *testing.T) {
	t.Parallel()
	driver := &script{}
	e := newEngine(t, executor.Config{Drivers: []executor.Driver{executor.Sync(driver)}})
	ctx := t.Context()
	_, err := e.Deploy(ctx, executor.Request{Deployment: "x", Archive: template(t, operated)})
	require.NoError(t, err)
	result, err := e.Notify(ctx, "x", "scale_up", executor.Options{Notification: "load is 90"})
	require.NoError(t, err)
	require.Equal(t, "notify", result.Run.Kind)
	require.Equal(t, map[string]any{"by": int64(5), "notification": "load is 90"}, driver.op("web_0", "up").Inputs)
	requireDeployed(t, e, "x")
	_, err = e.Notify(ctx, "x", "too_littel", executor.Options{})
	require.Equal(t, executor.NotFound, executor.CodeOf(err))
}

func TestRunWorkflow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		load  int
		fails string
		seen  []string
		by    int64
	}{
		"a filter that does not hold": {0, "", []string{"web_0.down"}, 0},
		"a filter that holds":         {7, "", []string{"web_0.up", "web_0.down"}, 2},
		"a step on failure":           {0, "web_0.down", []string{"web_0.down", "web_0.up"}, 9},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			driver := &script{do: func(_ context.Context, op *executor.Operation) (map[string]any, error) {
				if op.Name == "create" {
					return map[string]any{"load": c.load}, nil
				}
				if op.Instance+"."+op.Name == c.fails {
					return nil, errors.New("broken")
				}
				return nil, nil
			}}
			e := newEngine(t, executor.Config{Drivers: []executor.Driver{executor.Sync(driver)}})
			ctx := t.Context()
			_, err := e.Deploy(ctx, executor.Request{Deployment: "x", Archive: template(t, operated)})
			require.NoError(t, err)
			result, err := e.RunWorkflow(ctx, "x", "backup", nil, executor.Options{})
			if c.fails == "" {
				require.NoError(t, err)
				require.Equal(t, state.RunSucceeded, result.Run.Status)
			} else {
				require.ErrorContains(t, err, "broken")
			}
			require.Equal(t, c.seen, driver.seen()[1:])
			if up := driver.op("web_0", "up"); c.by != 0 {
				require.Equal(t, c.by, up.Inputs["by"])
			}
			requireDeployed(t, e, "x")
		})
	}
	e := newEngine(t, executor.Config{Drivers: []executor.Driver{executor.Sync(&script{})}})
	_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, operated)})
	require.NoError(t, err)
	_, err = e.RunWorkflow(t.Context(), "x", "backup", map[string]any{"coun": 1}, executor.Options{})
	require.ErrorContains(t, err, `it has no input "coun"`)
	_, err = e.RunWorkflow(t.Context(), "x", "restore", nil, executor.Options{})
	require.Equal(t, executor.NotFound, executor.CodeOf(err))
}

// Two policies of one type, which share its trigger; the second one's name needs
// an escape in the places of a plan.
const adjusted = `
tosca_definitions_version: tosca_simple_yaml_1_3
interface_types:
  Scaling:
    derived_from: tosca.interfaces.Root
    operations: { up: {} }
node_types:
  Thing:
    derived_from: tosca.nodes.Root
    properties: { size: { type: integer }, adjustment: { type: integer, default: 100 } }
    attributes: { load: { type: integer, default: 5 } }
    interfaces:
      Scaling: { type: Scaling, operations: { up: do.sh } }
policy_types:
  Adjusting:
    derived_from: tosca.policies.Scaling
    properties:
      adjustment: { type: integer }
      limit: { type: integer, default: 3 }
    triggers:
      scale_up:
        event: too_much
        condition: [ load: [ { greater_than: { get_property: [SELF, limit] } } ] ]
        action:
          - call_operation:
              operation: Scaling.up
              inputs:
                by: { get_property: [SELF, adjustment] }
                size: { get_property: [SELF, size] }
                load: { get_attribute: [SELF, load] }
          - inline: { workflow: nested, inputs: { count: { get_property: [SELF, adjustment] } } }
topology_template:
  node_templates:
    web: { type: Thing, properties: { size: 7 } }
    api: { type: Thing, properties: { size: 8 } }
    log: { type: Thing, properties: { size: 9 } }
  policies:
    - one: { type: Adjusting, targets: [ web ], properties: { adjustment: 2 } }
    - two/~1: { type: Adjusting, targets: [ api ], properties: { adjustment: 4 } }
    - quiet: { type: Adjusting, targets: [ log ], properties: { adjustment: 6, limit: 5 } }
  workflows:
    nested:
      inputs: { count: { type: integer } }
      steps:
        only:
          target: log
          activities:
            - call_operation:
                operation: Scaling.up
                inputs: { by: { get_input: count }, own: { get_property: [SELF, adjustment] } }
`

// SELF in a trigger is its policy, then the node acted on; in a workflow that the
// trigger runs, it is the node again.
func TestNotifyKnowsThePolicy(t *testing.T) {
	t.Parallel()
	driver := &script{}
	e := newEngine(t, executor.Config{Drivers: []executor.Driver{executor.Sync(driver)}, Workers: 1})
	ctx := t.Context()
	_, err := e.Deploy(ctx, executor.Request{Deployment: "x", Archive: template(t, adjusted)})
	require.NoError(t, err)
	_, err = e.Notify(ctx, "x", "too_much", executor.Options{})
	require.NoError(t, err)
	var calls []map[string]any
	for _, op := range driver.ops {
		if op.Instance != "log_0" {
			calls = append(calls, op.Inputs)
		}
	}
	require.ElementsMatch(t, []map[string]any{
		{"by": int64(2), "size": int64(7), "load": int64(5)},
		{"by": int64(4), "size": int64(8), "load": int64(5)},
	}, calls)
	var inlined []any
	for _, op := range driver.ops {
		if op.Instance == "log_0" {
			require.Equal(t, int64(100), op.Inputs["own"])
			inlined = append(inlined, op.Inputs["by"])
		}
	}
	require.ElementsMatch(t, []any{int64(2), int64(4)}, inlined, "the third policy's condition does not hold")
}

const implemented = `
tosca_definitions_version: tosca_simple_yaml_1_3
node_types:
  Thing:
    derived_from: tosca.nodes.Root
    attributes:
      size: { type: integer }
      place: { type: map, entry_schema: { type: string } }
topology_template:
  inputs: { where: { type: string, default: here } }
  node_templates:
    web:
      type: Thing
      interfaces: { Standard: { operations: { create: do.sh } } }
  workflows:
    measure:
      inputs:
        depth: { type: integer, default: 3 }
        where: { type: string, default: { get_input: where } }
      preconditions:
        - target: web
          condition: [ state: [ { equal: started } ] ]
      implementation: { primary: measure.sh, dependencies: [ lib.sh ], timeout: 60 }
      outputs:
        size: [ web, size ]
        found: [ web, place, at ]
    nightly:
      inputs: { how: { type: integer, default: 7 } }
      steps:
        measure:
          target: web
          activities:
            - inline: { workflow: measure, inputs: { depth: { get_input: how } } }
            - set_state: stopped
`

// A workflow that is implemented by an artifact is one operation of no node,
// which gets the workflow's inputs and returns its outputs.
func TestImplementedWorkflow(t *testing.T) {
	t.Parallel()
	measured := 0
	driver := &script{do: func(_ context.Context, op *executor.Operation) (map[string]any, error) {
		if op.Interface != "Workflow" {
			return nil, nil
		}
		measured++
		require.Nil(t, op.Node)
		require.Equal(t, "measure.sh", op.Primary.Path)
		require.Equal(t, "lib.sh", op.Dependencies[0].Path)
		require.Equal(t, time.Minute, op.Timeout)
		require.Equal(t, map[string]string{"DEPLOYMENT": "x", "WORKFLOW": "measure", "INTERFACE": "Workflow", "OPERATION": "measure", "HOST": "localhost"}, op.Context)
		switch measured {
		case 1:
			require.Equal(t, map[string]any{"depth": int64(3), "where": "there"}, op.Inputs)
		case 2:
			require.Equal(t, map[string]any{"depth": int64(7), "where": "there"}, op.Inputs)
		case 3:
			return nil, errors.New("no ruler")
		}
		return map[string]any{"size": 40 + measured, "found": "shelf", "more": true}, nil
	}}
	w := &watcher{}
	e := newEngine(t, executor.Config{Drivers: []executor.Driver{executor.Sync(driver)}, Observe: w.observe})
	archive, err := csar.FromFS(fstest.MapFS{"service.yaml": {Data: []byte(implemented)}, "do.sh": {}, "measure.sh": {}, "lib.sh": {}}, "service.yaml")
	require.NoError(t, err)
	_, err = e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: archive, Inputs: map[string]any{"where": "there"}})
	require.NoError(t, err)
	attributes := func() string {
		info, err := e.Info(t.Context(), "x")
		require.NoError(t, err)
		require.Len(t, info.Instances, 1)
		text, err := json.Marshal(info.Instances[0].Attributes)
		require.NoError(t, err)
		return string(text)
	}

	_, err = e.RunWorkflow(t.Context(), "x", "measure", nil, executor.Options{})
	require.NoError(t, err)
	require.Contains(t, attributes(), `"place":{"at":"shelf"}`)
	require.Contains(t, attributes(), `"size":41`)
	require.NotContains(t, attributes(), "more")
	_, err = e.RunWorkflow(t.Context(), "x", "nightly", nil, executor.Options{})
	require.NoError(t, err)
	require.Contains(t, attributes(), `"size":42`)

	_, err = e.RunWorkflow(t.Context(), "x", "measure", nil, executor.Options{})
	require.ErrorContains(t, err, "web_0", "the precondition: it is stopped")
	require.Equal(t, 2, measured)
	_, err = e.RunWorkflow(t.Context(), "x", "measure", map[string]any{"deep": 1}, executor.Options{})
	require.ErrorContains(t, err, `it has no input "deep"`)
	_, err = e.Deploy(t.Context(), executor.Request{Deployment: "x"})
	require.NoError(t, err)
	_, err = e.RunWorkflow(t.Context(), "x", "measure", nil, executor.Options{})
	require.ErrorContains(t, err, "Workflow.measure: no ruler")
	require.Contains(t, attributes(), `"size":42`)
}

// Inputs of a workflow that are mapped to attributes are there before its first
// step, also where another workflow runs it.
func TestMappedWorkflowInputs(t *testing.T) {
	t.Parallel()
	const yaml = `
tosca_definitions_version: tosca_2_0
artifact_types: { Sh: { file_ext: [ sh ] } }
interface_types: { Sizing: { operations: { resize: {} } } }
capability_types: { Port: { attributes: { number: { type: integer } } } }
node_types:
  Disk:
    attributes: { size: { type: integer } }
    capabilities: { port: Port }
    interfaces: { Sizing: { type: Sizing } }
service_template:
  node_templates:
    disk:
      type: Disk
      interfaces:
        Sizing: { operations: { resize: { implementation: do.sh, inputs: { to: { $get_attribute: [ SELF, size ] }, port: { $get_attribute: [ SELF, CAPABILITY, port, number ] } } } } }
  workflows:
    grow:
      inputs:
        size: { type: integer, default: 5, mapping: [ disk, size ] }
        number: { type: integer, required: false, mapping: [ disk, CAPABILITY, port, number ] }
      steps: { one: { target: disk, activities: [ call_operation: Sizing.resize ] } }
    twice:
      steps:
        first: { target: disk, activities: [ inline: { workflow: grow, inputs: { size: 6, number: 80 } } ], on_success: [ second ] }
        second: { target: disk, activities: [ inline: grow ] }
`
	driver := &script{}
	w := &watcher{}
	e := newEngine(t, executor.Config{Drivers: []executor.Driver{executor.Sync(driver)}, Observe: w.observe})
	_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, yaml)})
	require.NoError(t, err)
	_, err = e.RunWorkflow(t.Context(), "x", "grow", map[string]any{"size": 9}, executor.Options{})
	require.NoError(t, err)
	_, err = e.RunWorkflow(t.Context(), "x", "twice", nil, executor.Options{})
	require.NoError(t, err)
	var got []any
	for _, op := range driver.ops {
		got = append(got, op.Inputs["to"], op.Inputs["port"])
	}
	require.Equal(t, []any{int64(9), nil, int64(6), int64(80), int64(5), int64(80)}, got)
}
