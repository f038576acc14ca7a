package tosca_test

import (
	"fmt"
	"os"
	"testing/fstest"

	"github.com/seed-a4fd30b5/orchestrator/tosca"
)

func template(text string) fstest.MapFS {
	return fstest.MapFS{"service.yaml": &fstest.MapFile{Data: []byte(text)}}
}

func Example() {
	fsys := template(`
tosca_definitions_version: tosca_simple_yaml_1_3
topology_template:
  inputs:
    address: { type: string, default: localhost }
  node_templates:
    server:
      type: tosca.nodes.Compute
      attributes: { public_address: { get_input: address } }
    database:
      type: tosca.nodes.DBMS
      properties: { port: 5432 }
      requirements:
        - host: server
`)
	service, diagnostics := tosca.Load(fsys, "service.yaml", nil)
	if err := diagnostics.Err(); err != nil {
		fmt.Println(err)
		return
	}
	for _, node := range service.Nodes {
		fmt.Println(node.Name, "is a", node.Type.Name)
	}
	database := service.Node("database")
	port, _ := database.Property("port").Value.Static()
	fmt.Println("port", port, "on", database.ComputeHost().Name)
	// Output:
	// server is a tosca.nodes.Compute
	// database is a tosca.nodes.DBMS
	// port 5432 on server
}

func ExampleWriteDiagnostics() {
	fsys := template(`tosca_definitions_version: tosca_simple_yaml_1_3
topology_template:
  node_templates:
    server:
      type: tosca.nodes.Comptue
    app:
      type: tosca.nodes.SoftwareComponent
      requirements:
        - host: sever
`)
	_, diagnostics := tosca.Load(fsys, "service.yaml", nil)
	_ = tosca.WriteDiagnostics(os.Stdout, fsys, diagnostics, nil)
	// Output:
	// service.yaml:5:13: error: there is no node type "tosca.nodes.Comptue" [unknown-type]
	//     5 |       type: tosca.nodes.Comptue
	//       |             ^^^^^^^^^^^^^^^^^^^
	//       Did you mean "tosca.nodes.Compute"?
	//       See TOSCA 1.3 section 3.7.9.
	// service.yaml:9:17: error: the requirement "host" names "sever", which is neither a node template nor a node type [unknown-node]
	//     9 |         - host: sever
	//       |                 ^^^^^
	//       Did you mean "server"?
	//       See TOSCA 1.3 section 3.8.2.
}
