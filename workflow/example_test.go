package workflow_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing/fstest"

	"github.com/seed-a4fd30b5/orchestrator/tosca"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
)

// shop is a service of a web server and its database on one machine.
const shop = `tosca_definitions_version: tosca_simple_yaml_1_3
node_types:
  shop.Database:
    derived_from: tosca.nodes.SoftwareComponent
    capabilities:
      access: tosca.capabilities.Endpoint
    interfaces:
      Standard:
        type: tosca.interfaces.node.lifecycle.Standard
        operations: {create: install.sh, start: start.sh, stop: stop.sh}
  shop.Web:
    derived_from: tosca.nodes.SoftwareComponent
    requirements:
      - database: {capability: tosca.capabilities.Endpoint, relationship: shop.Uses}
    interfaces:
      Standard:
        type: tosca.interfaces.node.lifecycle.Standard
        operations: {configure: configure.sh, start: start.sh, stop: stop.sh}
      Care:
        type: shop.Care
        operations: {reload: reload.sh}
interface_types:
  shop.Care:
    operations: {reload: {}}
relationship_types:
  shop.Uses:
    derived_from: tosca.relationships.ConnectsTo
    interfaces:
      Configure:
        type: tosca.interfaces.relationship.Configure
        operations: {pre_configure_target: grant.sh}
topology_template:
  node_templates:
    machine:
      type: tosca.nodes.Compute
    web:
      type: shop.Web
      requirements: [{host: machine}, {database: db}]
    db:
      type: shop.Database
      requirements: [{host: machine}]
  policies:
    - care:
        type: tosca.policies.Root
        targets: [web]
        triggers:
          changed:
            event: config.changed
            action: [{call_operation: Care.reload}]
  workflows:
    restart:
      steps:
        down:
          target: web
          activities: [{set_state: stopping}, {call_operation: Standard.stop}]
          on_success: [up]
        up:
          target: web
          activities: [{call_operation: Standard.start}, {set_state: started}]
`

// load loads a service template and prints what is wrong with it.
func load(text string) *tosca.ServiceTemplate {
	files := fstest.MapFS{"service.yaml": {Data: []byte(text)}}
	for _, name := range []string{"install.sh", "setup.sh", "start.sh", "stop.sh", "configure.sh", "grant.sh", "reload.sh"} {
		files[name] = &fstest.MapFile{Data: []byte("#!/bin/sh\n")}
	}
	template, diagnostics := tosca.Load(files, "service.yaml", nil)
	for _, d := range diagnostics {
		fmt.Println(d)
	}
	return template
}

func Example() {
	plan, err := workflow.Deploy(load(shop), nil, workflow.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	plan.WriteTable(os.Stdout)
	// Output:
	// #  INSTANCE                 ACTION                                    STATE                    AFTER
	// 0  machine_0                set state                                 started                  -
	// 1  db_0                     Standard.create                           creating, created        0
	// 2  db_0                     Standard.start                            starting, started        1
	// 3  web_0--db_0--database.0  Configure.pre_configure_target (on db_0)  -                        0, 2
	// 4  web_0                    Standard.configure                        configuring, configured  3
	// 5  web_0                    Standard.start                            starting, started        4
	// deploy: 6 steps, 5 calls, at least 5 one after the other; makes 6 instances
}

func ExampleUndeploy() {
	// The database was being configured when the machine lost its power.
	current := workflow.Current{"machine_0": "started", "db_0": "configuring", "web_0": "initial"}
	plan, err := workflow.Undeploy(load(shop), current, workflow.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	plan.WriteTable(os.Stdout)
	// Output:
	// #  INSTANCE   ACTION     STATE    AFTER
	// 0  db_0       set state  initial  -
	// 1  machine_0  set state  initial  0
	// undeploy: 2 steps, 0 calls, at least 0 one after the other; removes 3 instances
}

func ExampleWorkflow() {
	current := workflow.Current{"machine_0": "started", "db_0": "started", "web_0": "started", "web_0--machine_0--host.0": "initial", "web_0--db_0--database.0": "initial"}
	plan, err := workflow.Workflow(load(shop), "restart", current, workflow.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	plan.WriteMermaid(os.Stdout)
	// Output:
	// flowchart LR
	//   subgraph b0["web_0"]
	//     s0["stopping"]
	//     s1["Standard.stop"]
	//     s2["Standard.start"]
	//     s3["started"]
	//   end
	//   s0 --> s1
	//   s1 --> s2
	//   s2 --> s3
}

func ExampleNotify() {
	plan, err := workflow.Notify(load(shop), "config.changed", workflow.Current{"web_0": "started"}, workflow.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, step := range plan.Steps {
		fmt.Println(step.ID, "for", step.Activity)
	}
	// Output:
	// care.changed.0.web_0.Care.reload for /policies/care/triggers/changed/action/0
}

func ExampleUpdate() {
	old, new := load(shop), load(strings.Replace(shop, "create: install.sh", "create: setup.sh", 1))
	current := workflow.Current{"machine_0": "started", "db_0": "started", "web_0": "started"}
	diff, err := workflow.Compare(old, new, workflow.DiffOptions{Current: current})
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := json.Marshal(diff)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(text))
	plan, err := workflow.Update(old, new, diff, current, workflow.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	plan.WriteTable(os.Stdout)
	// Output:
	// {"nodes":{"db":{"interfaces":{"Standard":{"operations":{"create":{"primary":"file install.sh"}}}}},"web":{"dependencies":["db"]}}}
	// #  INSTANCE                 ACTION                                    STATE                    AFTER
	// 0  web_0                    Standard.stop (old)                       stopping, configured     -
	// 1  web_0                    set state (old)                           initial                  0
	// 2  db_0                     Standard.stop (old)                       stopping, configured     1
	// 3  db_0                     set state (old)                           initial                  2
	// 4  -                        wait undeployed                           -                        3
	// 5  db_0                     Standard.create                           creating, created        4
	// 6  db_0                     Standard.start                            starting, started        5
	// 7  web_0--db_0--database.0  Configure.pre_configure_target (on db_0)  -                        6
	// 8  web_0                    Standard.configure                        configuring, configured  7
	// 9  web_0                    Standard.start                            starting, started        8
	// update: 10 steps, 7 calls, at least 7 one after the other; makes 3 instances
}
