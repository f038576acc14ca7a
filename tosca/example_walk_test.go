package tosca_test

import (
	"encoding/json"
	"fmt"
	"os"
	"testing/fstest"

	"github.com/seed-a4fd30b5/orchestrator/tosca"
)

// A program walks over the nodes, the relationships that their requirements
// make, and the operations that are implemented.
func ExampleLoad_walk() {
	fsys := template(`
tosca_definitions_version: tosca_simple_yaml_1_3
topology_template:
  node_templates:
    server:
      type: tosca.nodes.Compute
    app:
      type: tosca.nodes.SoftwareComponent
      requirements:
        - host: server
      interfaces:
        Standard:
          operations:
            start: start.sh
`)
	fsys["start.sh"] = &fstest.MapFile{Data: []byte("true\n")}
	service, diagnostics := tosca.Load(fsys, "service.yaml", nil)
	if err := diagnostics.Err(); err != nil {
		fmt.Println(err)
		return
	}
	for _, node := range service.Nodes {
		fmt.Println(node.Name)
		for _, r := range node.Requirements {
			fmt.Println("  requirement", r.Name, "to", r.Target.Name, "by", r.Relationship.Type.Name)
		}
		for _, i := range node.Interfaces {
			for _, op := range i.Operations {
				if op.Implementation != nil {
					fmt.Println("  operation", i.Name+"."+op.Name, "by", op.Implementation.Primary.File)
				}
			}
		}
	}
	// Output:
	// server
	// app
	//   requirement host to server by tosca.relationships.HostedOn
	//   operation Standard.start by start.sh
}

// What depends on nothing that runs is known after loading.
func ExampleValue_Static() {
	service, _ := tosca.Load(template(`
tosca_definitions_version: tosca_2_0
service_template:
  node_templates: {}
  outputs:
    total: { value: { $sum: [ 1, 2, 3 ] } }
    greeting: { value: { $concat: [ "hello, ", "world" ] } }
`), "service.yaml", nil)
	for _, output := range service.Outputs {
		value, static := output.Value.Static()
		fmt.Println(output.Name, value, static)
	}
	// Output:
	// total 6 true
	// greeting hello, world true
}

// Diagnostics marshal as they are, for programs.
func ExampleDiagnostics_json() {
	_, diagnostics := tosca.Load(template(`tosca_definitions_version: tosca_simple_yaml_1_3
topology_template:
  node_templates:
    server:
      type: tosca.nodes.Comptue
`), "service.yaml", nil)
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	if err := out.Encode(diagnostics); err != nil {
		fmt.Println(err)
	}
	// Output:
	// [
	//   {
	//     "severity": "error",
	//     "code": "unknown-type",
	//     "summary": "there is no node type \"tosca.nodes.Comptue\"",
	//     "range": {
	//       "file": "service.yaml",
	//       "start": {
	//         "line": 5,
	//         "column": 13
	//       },
	//       "end": {
	//         "line": 5,
	//         "column": 32
	//       }
	//     },
	//     "suggestion": "tosca.nodes.Compute",
	//     "section": "TOSCA 1.3 section 3.7.9"
	//   }
	// ]
}

// A SARIF log is what code hosts show beside the source.
func ExampleWriteSARIF() {
	fsys := template(`tosca_definitions_version: tosca_simple_yaml_1_3
topology_template:
  node_templates:
    server:
      type: tosca.nodes.Comptue
`)
	_, diagnostics := tosca.Load(fsys, "service.yaml", nil)
	if err := tosca.WriteSARIF(os.Stdout, diagnostics, &tosca.SARIFOptions{Tool: "check", Version: "1.0"}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// {
	//   "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
	//   "version": "2.1.0",
	//   "runs": [
	//     {
	//       "tool": {
	//         "driver": {
	//           "name": "check",
	//           "version": "1.0",
	//           "rules": [
	//             {
	//               "id": "unknown-type",
	//               "shortDescription": {
	//                 "text": "There is no such type."
	//               },
	//               "help": {
	//                 "text": "For example: type: tosca.nodes.Comptue"
	//               }
	//             }
	//           ]
	//         }
	//       },
	//       "columnKind": "unicodeCodePoints",
	//       "results": [
	//         {
	//           "ruleId": "unknown-type",
	//           "ruleIndex": 0,
	//           "level": "error",
	//           "message": {
	//             "text": "there is no node type \"tosca.nodes.Comptue\"; did you mean \"tosca.nodes.Compute\"?\nSee TOSCA 1.3 section 3.7.9."
	//           },
	//           "locations": [
	//             {
	//               "physicalLocation": {
	//                 "artifactLocation": {
	//                   "uri": "service.yaml"
	//                 },
	//                 "region": {
	//                   "startLine": 5,
	//                   "startColumn": 13,
	//                   "endLine": 5,
	//                   "endColumn": 32
	//                 }
	//               }
	//             }
	//           ]
	//         }
	//       ]
	//     }
	//   ]
	// }
}
