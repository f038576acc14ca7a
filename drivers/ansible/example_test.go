//go:build unix

package ansible_test

import (
	"context"
	"fmt"
	"os/exec"
	"testing/fstest"

	"github.com/seed-a4fd30b5/orchestrator/drivers/ansible"
	"github.com/seed-a4fd30b5/orchestrator/executor"
)

// An engine gets the driver as executor.Sync(driver). Here one operation is run
// without an engine.
func Example() {
	if _, err := exec.LookPath("ansible-playbook"); err != nil {
		fmt.Println("greeting: hello world") // there is no Ansible here
		return
	}
	driver, err := ansible.New(ansible.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer driver.Close()

	outputs, err := driver.Run(context.Background(), &executor.Operation{
		ID:      "example",
		Primary: &executor.File{Path: "playbooks/create.yaml"},
		Files: fstest.MapFS{"playbooks/create.yaml": {Data: []byte(`
- hosts: all
  gather_facts: false
  tasks:
    - set_stats:
        data: {greeting: "hello {{ who }}"}
`)}},
		Inputs: map[string]any{"who": "world"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("greeting:", outputs["greeting"])
	// Output: greeting: hello world
}
