package executor_test

import (
	"context"
	"fmt"
	"log"
	"testing/fstest"

	"github.com/seed-a4fd30b5/orchestrator/csar"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/state/memory"
)

// greeter is a driver whose operations print what they do.
type greeter struct{}

func (greeter) Name() string                        { return "greeter" }
func (greeter) Accepts(op *executor.Operation) bool { return op.Primary != nil }
func (greeter) Run(_ context.Context, op *executor.Operation) (map[string]any, error) {
	fmt.Println(op.Name, op.Instance, op.Inputs["name"])
	return map[string]any{"greeting": fmt.Sprint("hello ", op.Inputs["name"])}, nil
}

func Example() {
	archive, err := csar.FromFS(fstest.MapFS{
		"greet.sh": {},
		"service.yaml": {Data: []byte(`
tosca_definitions_version: tosca_simple_yaml_1_3
topology_template:
  inputs:
    name: { type: string, default: world }
  node_templates:
    greeting:
      type: tosca.nodes.Root
      interfaces:
        Standard:
          operations:
            create: { implementation: greet.sh, inputs: { name: { get_input: name } } }
            delete: { implementation: greet.sh }
  outputs:
    said: { value: { get_operation_output: [greeting, Standard, create, greeting] } }
`)}}, "service.yaml")
	if err != nil {
		log.Fatal(err)
	}
	engine, err := executor.New(executor.Config{
		Store:   memory.New(memory.Config{}),
		Drivers: []executor.Driver{executor.Sync(greeter{})},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer engine.Close()
	ctx := context.Background()
	if _, err := engine.Deploy(ctx, executor.Request{Deployment: "hello", Archive: archive}); err != nil {
		log.Fatal(err)
	}
	outputs, err := engine.Outputs(ctx, "hello")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(outputs[0].Name, "=", outputs[0].Value)
	if _, err := engine.Undeploy(ctx, "hello", executor.Options{}); err != nil {
		log.Fatal(err)
	}
	// Output:
	// create greeting_0 world
	// said = hello world
	// delete greeting_0 <nil>
}
