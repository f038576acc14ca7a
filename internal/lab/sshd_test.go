package lab_test

import (
	"net"
	"os"
	"strconv"
	"testing"

	"github.com/skeema/knownhosts"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/seed-a4fd30b5/orchestrator/internal/lab"
)

func TestSSHD(t *testing.T) {
	t.Parallel()
	server := lab.SSHD(t, lab.SSHDOptions{Env: map[string]string{"LAB": "it's a lab"}})
	key, err := os.ReadFile(server.KeyFile)
	require.NoError(t, err)
	signer, err := ssh.ParsePrivateKey(key)
	require.NoError(t, err)
	hosts, err := knownhosts.NewDB(server.KnownHosts)
	require.NoError(t, err)
	client, err := ssh.Dial("tcp", net.JoinHostPort(server.Address, strconv.Itoa(server.Port)), &ssh.ClientConfig{
		User: server.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: hosts.HostKeyCallback(),
	})
	require.NoError(t, err, server.Log())
	defer client.Close()
	session, err := client.NewSession()
	require.NoError(t, err)
	out, err := session.Output(`printf %s "$LAB"`)
	require.NoError(t, err)
	require.Equal(t, "it's a lab", string(out))

	other := lab.SSHD(t, lab.SSHDOptions{})
	require.NotEqual(t, server.Port, other.Port)
	require.NotEqual(t, server.HostKey.Marshal(), other.HostKey.Marshal())
}

func TestSSHDThatDoesNotStart(t *testing.T) {
	t.Parallel()
	_, err := lab.StartSSHD(lab.Require(t, "sshd"), t.TempDir(), lab.SSHDOptions{Config: []string{"NoSuchKeyword yes"}})
	require.ErrorContains(t, err, "NoSuchKeyword")
}
