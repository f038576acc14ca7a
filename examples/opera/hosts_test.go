package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed-a4fd30b5/orchestrator/internal/lab"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
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

// TestJumpHost deploys the SSH blueprint on a host that is reached through another.
func TestJumpHost(t *testing.T) {
	gateway, server := lab.SSHD(t, lab.SSHDOptions{}), lab.SSHD(t, lab.SSHDOptions{})
	text, err := os.ReadFile(server.KeyFile)
	require.NoError(t, err)
	key, err := ssh.ParsePrivateKey(text)
	require.NoError(t, err)
	require.NoError(t, gateway.Authorize(key.PublicKey()))
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("SSH_AUTH_SOCK", "")
	t.Setenv("OPERA_SSH_USER", server.User)
	t.Setenv("OPERA_SSH_IDENTITY_FILE", server.KeyFile)
	var known []byte
	for _, s := range []*lab.Server{gateway, server} {
		line, err := os.ReadFile(s.KnownHosts)
		require.NoError(t, err)
		known = append(known, line...)
	}
	require.NoError(t, os.Mkdir(filepath.Join(home, ".ssh"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(home, ".ssh", "known_hosts"), known, 0o600))
	dir := t.TempDir()
	deploy := []string{"deploy", "../blueprints/ssh/service.yaml", "-p", dir, "-i", hostInputs(t, server)}
	t.Setenv(jumpVariable, "gateway:port")
	code, _, stderr := opera(t, deploy...)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, jumpVariable)
	t.Setenv(jumpVariable, fmt.Sprintf("%s@%s:%d", gateway.User, gateway.Address, gateway.Port))
	succeed(t, append(deploy, "--force")...)
	require.Contains(t, gateway.Log(), "Accepted publickey")
	succeed(t, "undeploy", "-p", dir)
}

// hostInputs writes inputs that name the host only; user and key come from
// elsewhere.
func hostInputs(t *testing.T, server *lab.Server) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "inputs.yaml")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, "host: %s\nport: %d\n", server.Address, server.Port), 0o600))
	return file
}
