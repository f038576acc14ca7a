//go:build unix

package ansible_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/drivers/ansible"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/lab"
)

// onHost runs a playbook that tells how it got to its host.
func onHost(t *testing.T, host executor.Host) *executor.Operation {
	op := operation(files("p.yml", playbook(`
    - name: Look around
      command: sh -c 'echo $SSH_CONNECTION'
      register: connection
    - copy: {src: data.txt, dest: "{{ dir }}/copied.txt"}
    - set_stats: {data: {port: "{{ connection.stdout.split()[3] }}", user: "{{ ansible_user }}"}}
`), "data.txt", "from the archive"), "p.yml")
	op.Artifacts = []*executor.File{{Path: "data.txt"}}
	op.Inputs = map[string]any{"dir": t.TempDir()}
	op.Host = host
	return op
}

func requireOnHost(t *testing.T, d *ansible.Driver, server *lab.Server, host executor.Host) {
	t.Helper()
	op := onHost(t, host)
	got, err := d.Run(t.Context(), op)
	require.NoError(t, err)
	require.Equal(t, map[string]any{"port": int64(server.Port), "user": server.User}, normal(got))
	copied, err := os.ReadFile(filepath.Join(op.Inputs["dir"].(string), "copied.txt"))
	require.NoError(t, err)
	require.Equal(t, "from the archive", string(copied))
}

// normal makes the port a number: Ansible renders it as text.
func normal(outputs map[string]any) map[string]any {
	if text, ok := outputs["port"].(string); ok {
		var n int64
		for _, digit := range text {
			n = 10*n + int64(digit-'0')
		}
		outputs["port"] = n
	}
	return outputs
}

func TestHostByConfiguration(t *testing.T) {
	bothModes(t, func(t *testing.T, cfg ansible.Config) {
		server := lab.SSHD(t, lab.SSHDOptions{})
		cfg.User, cfg.KeyFile, cfg.KnownHosts = server.User, server.KeyFile, server.KnownHosts
		d := newDriver(t, cfg)
		requireOnHost(t, d, server, executor.Host{Name: "vm_0", Address: server.Address, Port: server.Port})
	})
}

func TestHostsOwnLoginWinsOverConfiguration(t *testing.T) {
	t.Parallel()
	server := lab.SSHD(t, lab.SSHDOptions{})
	key, err := os.ReadFile(server.KeyFile)
	require.NoError(t, err)
	blanks := filepath.Join(t.TempDir(), "known hosts")
	known, err := os.ReadFile(server.KnownHosts)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(blanks, known, 0o600))
	d := newDriver(t, ansible.Config{User: "nobody", KeyFile: "/nonexistent/key", KnownHosts: blanks})
	requireOnHost(t, d, server, executor.Host{Address: server.Address, Port: server.Port, User: server.User, Identity: string(key)})
	requireOnHost(t, d, server, executor.Host{Address: server.Address, Port: server.Port, User: server.User, KeyFile: server.KeyFile})
}

func TestHostKeys(t *testing.T) {
	t.Parallel()
	t.Run("unknown", func(t *testing.T) {
		t.Parallel()
		server := lab.SSHD(t, lab.SSHDOptions{})
		empty := filepath.Join(t.TempDir(), "known_hosts")
		require.NoError(t, os.WriteFile(empty, nil, 0o600))
		d := newDriver(t, ansible.Config{KnownHosts: empty})
		_, err := d.Run(t.Context(), onHost(t, executor.Host{
			Address: server.Address, Port: server.Port, User: server.User, KeyFile: server.KeyFile}))
		require.Equal(t, executor.PermissionDenied, executor.CodeOf(err))
		require.False(t, executor.Retryable(err))
		require.ErrorContains(t, err, "Host key verification failed")
		require.ErrorContains(t, err, "add the host's key to known_hosts")
	})
	// Ansible keeps connections open; this one must not help a careful driver.
	t.Run("unknown after ignored", func(t *testing.T) {
		t.Parallel()
		server := lab.SSHD(t, lab.SSHDOptions{})
		host := executor.Host{Address: server.Address, Port: server.Port, User: server.User, KeyFile: server.KeyFile}
		careless := newDriver(t, ansible.Config{KnownHosts: filepath.Join(t.TempDir(), "known_hosts"), InsecureIgnoreHostKey: true})
		requireOnHost(t, careless, server, host)
		empty := filepath.Join(t.TempDir(), "known_hosts")
		require.NoError(t, os.WriteFile(empty, nil, 0o600))
		careful := newDriver(t, ansible.Config{KnownHosts: empty})
		_, err := careful.Run(t.Context(), onHost(t, host))
		require.ErrorContains(t, err, "Host key verification failed")
	})
	t.Run("ignored", func(t *testing.T) {
		t.Parallel()
		server := lab.SSHD(t, lab.SSHDOptions{})
		known := filepath.Join(t.TempDir(), "known_hosts")
		d := newDriver(t, ansible.Config{KnownHosts: known, InsecureIgnoreHostKey: true})
		requireOnHost(t, d, server, executor.Host{
			Address: server.Address, Port: server.Port, User: server.User, KeyFile: server.KeyFile})
	})
}

func TestRefusedLogin(t *testing.T) {
	t.Parallel()
	server := lab.SSHD(t, lab.SSHDOptions{})
	key := filepath.Join(t.TempDir(), "id")
	_, err := lab.WriteKey(key, "")
	require.NoError(t, err)
	d := newDriver(t, ansible.Config{KnownHosts: server.KnownHosts, SSHArgs: []string{"-o", "IdentitiesOnly=yes"}})
	_, err = d.Run(t.Context(), onHost(t, executor.Host{
		Address: server.Address, Port: server.Port, User: server.User, KeyFile: key}))
	require.Equal(t, executor.PermissionDenied, executor.CodeOf(err))
	require.ErrorContains(t, err, "check the user and the key")
}
