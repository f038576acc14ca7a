package tosca_test

import (
	"fmt"
	"testing/fstest"

	"github.com/seed-a4fd30b5/orchestrator/tosca"
)

const greeting = `
tosca_definitions_version: tosca_simple_yaml_1_3
topology_template:
  inputs:
    port: { type: integer, default: 8080, constraints: [ in_range: [ 1024, 65535 ] ] }
  node_templates:
    server:
      type: tosca.nodes.Compute
  outputs:
    url:
      value: { concat: [ "http://", { get_attribute: [ server, public_address ] }, ":", { get_input: port } ] }
`

// running is an Env of two maps.
type running struct {
	inputs, attributes map[string]any
}

func (r running) Input(name string) (any, bool, error) {
	value, ok := r.inputs[name]
	return value, ok, nil
}

func (r running) Attribute(of tosca.Entity, capability, name string) (any, bool, error) {
	value, ok := r.attributes[of.Node.Name+"."+name]
	return value, ok && capability == "", nil
}

func (running) OperationOutput(of tosca.Entity, iface, operation, output string) (any, bool, error) {
	return nil, false, nil
}

func (running) Artifact(of tosca.Entity, a *tosca.Artifact, location string, remove bool) (any, bool, error) {
	return a.File, true, nil
}

func ExampleValue_Eval() {
	files := fstest.MapFS{"service.yaml": {Data: []byte(greeting)}}
	service, diagnostics := tosca.Load(files, "service.yaml", nil)
	if len(diagnostics) > 0 {
		fmt.Println(diagnostics[0].Summary)
		return
	}
	url := service.Outputs[0].Value
	env := running{inputs: map[string]any{"port": 8080}}
	_, err := url.Eval(tosca.Entity{Service: service}, env)
	fmt.Println(err)

	env.attributes = map[string]any{"server.public_address": "192.0.2.7"}
	value, err := url.Eval(tosca.Entity{Service: service}, env)
	fmt.Println(value, err)
	// Output:
	// evaluate concat at service.yaml:11:14: argument 2 has no value yet
	// http://192.0.2.7:8080 <nil>
}

func ExampleServiceTemplate_ResolveInputs() {
	files := fstest.MapFS{"service.yaml": {Data: []byte(greeting)}}
	service, _ := tosca.Load(files, "service.yaml", nil)
	inputs, _ := service.ResolveInputs(nil)
	fmt.Println(inputs)
	_, diagnostics := service.ResolveInputs(map[string]any{"prot": 80})
	for _, d := range diagnostics {
		fmt.Println(d.Code, d.Summary, d.Suggestion)
	}
	_, diagnostics = service.ResolveInputs(map[string]any{"port": 80})
	for _, d := range diagnostics {
		fmt.Println(d.Code, d.Summary)
	}
	// Output:
	// map[port:8080]
	// unknown-input there is no input "prot" port
	// constraint-violated input port: 80 is not in the range [1024,65535]
}

func ExampleParseScalarUnit() {
	memory, _ := tosca.ParseScalarUnit(tosca.Size, "2 gib")
	limit, _ := tosca.ParseScalarUnit(tosca.Size, "2 GB")
	order, _ := memory.Compare(limit)
	mebibytes, _ := memory.In("MiB")
	fmt.Println(memory, memory.Base(), mebibytes, order)
	_, err := tosca.ParseScalarUnit(tosca.Size, "12 bananas")
	fmt.Println(err)
	// Output:
	// 2 GiB 2.147483648e+09 2048 1
	// "bananas" is no unit of size, which is one of B, kB, KiB, MB, MiB, GB, GiB, TB, TiB
}
