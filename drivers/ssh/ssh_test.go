package ssh_test

import (
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed-a4fd30b5/orchestrator/drivers/drivertest"
	"github.com/seed-a4fd30b5/orchestrator/drivers/ssh"
	"github.com/seed-a4fd30b5/orchestrator/drivers/ssh/transport"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/lab"
)

func TestMain(m *testing.M) {
	if what := os.Getenv(killedChild); what != "" {
		os.Exit(runChild(what))
	}
	goleak.VerifyTestMain(m)
}

// config returns how to reach server.
func config(t testing.TB, server *lab.Server) ssh.Config {
	return ssh.Config{WorkDir: t.TempDir(), Grace: 500 * time.Millisecond,
		Transport: transport.Config{KeyFiles: []string{server.KeyFile}, KnownHosts: []string{server.KnownHosts}, AgentSocket: "none"}}
}

// host returns server as an operation has it.
func host(server *lab.Server) executor.Host {
	return executor.Host{Name: "vm_0", Address: server.Address, Port: server.Port, User: server.User}
}

// open returns a driver that is closed at the end of the test.
func open(t testing.TB, c ssh.Config) *ssh.Driver {
	d := ssh.New(c)
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func TestConformance(t *testing.T) {
	server := lab.SSHD(t, lab.SSHDOptions{})
	c := config(t, server)
	drivertest.Run(t, drivertest.Harness{
		New:      func(t *testing.T) executor.Driver { return open(t, c) },
		Host:     host(server),
		Recovers: true,
	})
}
