package ssh_test

import (
	"fmt"
	"testing/fstest"

	"github.com/seed-a4fd30b5/orchestrator/drivers/ssh"
	"github.com/seed-a4fd30b5/orchestrator/drivers/ssh/transport"
	"github.com/seed-a4fd30b5/orchestrator/executor"
)

// A driver that reaches all hosts through a gateway, with the keys of the
// user's agent. An engine takes it as one of its drivers.
func Example() {
	driver := ssh.New(ssh.Config{
		Transport: transport.Config{User: "ubuntu"},
		Resolve: func(h executor.Host) transport.Host {
			host := ssh.HostOf(h)
			host.Jump = []transport.Host{{Address: "gateway.example.org", User: "ada"}}
			return host
		},
	})
	defer driver.Close()

	op := &executor.Operation{Primary: &executor.File{Path: "install.sh"}, Files: fstest.MapFS{}}
	fmt.Println(driver.Accepts(op), "on this machine")
	op.Host.Address = "10.0.0.7"
	fmt.Println(driver.Accepts(op), "on", op.Host.Address)
	// Output:
	// false on this machine
	// true on 10.0.0.7
}
