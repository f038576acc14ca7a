package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed-a4fd30b5/orchestrator/internal/lab"
	"github.com/stretchr/testify/require"
)

// TestScriptsOnHost deploys the SSH blueprint on a real sshd with nothing but
// what a user configures: xOpera's variables and ~/.ssh/known_hosts.
func TestScriptsOnHost(t *testing.T) {
	server := lab.SSHD(t, lab.SSHDOptions{})
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("OPERA_SSH_USER", server.User)
	t.Setenv("OPERA_SSH_IDENTITY_FILE", server.KeyFile)
	dir, inputs := t.TempDir(), hostInputs(t, server)
	deploy := []string{"deploy", "../blueprints/ssh/service.yaml", "-p", dir, "-i", inputs}

	code, _, stderr := opera(t, deploy...)
	require.Equal(t, 1, code, "a host whose key is not known must be refused")
	require.Contains(t, stderr, "known_hosts")

	known, err := os.ReadFile(server.KnownHosts)
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(filepath.Join(home, ".ssh"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(home, ".ssh", "known_hosts"), known, 0o600))
	succeed(t, append(deploy, "--resume", "--force")...)
	require.Equal(t, "deployed", status(t, dir))
	succeed(t, "undeploy", "-p", dir)
	require.Equal(t, "undeployed", status(t, dir))
}

// TestPlaybooksOnHost deploys the Ansible blueprint on a real sshd as xOpera's
// users do: user, key and no checks of host keys by variables.
func TestPlaybooksOnHost(t *testing.T) {
	lab.Require(t, "ansible-playbook")
	server := lab.SSHD(t, lab.SSHDOptions{})
	t.Setenv("OPERA_SSH_USER", server.User)
	t.Setenv("OPERA_SSH_IDENTITY_FILE", server.KeyFile)
	t.Setenv("OPERA_SSH_HOST_KEY_CHECKING", "False")
	dir := t.TempDir()
	succeed(t, "deploy", "../blueprints/ansible/service.yaml", "-p", dir, "-i", hostInputs(t, server), "-w", "2")
	folder := outputsOf(t, dir)["folder"].(string)
	require.FileExists(t, folder+"/roses.html", "the sshd of the test serves this machine")
	succeed(t, "undeploy", "-p", dir)
	require.NoDirExists(t, folder)
}

// hostInputs writes inputs that name the host only; user and key come from
// elsewhere.
func hostInputs(t *testing.T, server *lab.Server) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "inputs.yaml")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, "host: %s\nport: %d\n", server.Address, server.Port), 0o600))
	return file
}
