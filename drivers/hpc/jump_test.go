package hpc_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/drivers/ssh/transport"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/lab"
)

// behind is a login node that is reached through two hosts, and a driver that
// does not know the key of one of the three: unknown, nil for none.
type behind struct {
	gateway, inner, login *lab.Server
	dialed                sync.Map
	where                 []string // what the login node says of the connection
	manager               *fakeManager
}

func (b *behind) driver(t *testing.T, unknown *lab.Server) *hpc.Driver {
	keys, known := []string{}, []string{}
	for _, s := range []*lab.Server{b.gateway, b.inner, b.login} {
		keys = append(keys, s.KeyFile)
		if s != unknown {
			known = append(known, s.KnownHosts)
		}
	}
	b.manager = &fakeManager{jobs: map[string]*hpc.Job{}}
	d := hpc.New(hpc.Config{MinPeriod: time.Millisecond, MaxPeriod: time.Millisecond, SubmitPatience: -1,
		Transport: transport.Config{KeyFiles: keys, KnownHosts: known, AgentSocket: "none",
			Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
				b.dialed.Store(address, true)
				return (&net.Dialer{}).DialContext(ctx, network, address)
			}},
		Managers: []hpc.Factory{{Name: "fake", Detect: func(context.Context, hpc.Shell) (bool, error) { return true, nil },
			New: func(shell hpc.Shell) (hpc.Manager, error) {
				r, err := shell.Run(t.Context(), hpc.Command{Args: []string{"sh", "-c", `echo "$LAB" $SSH_CONNECTION`}})
				b.where = strings.Fields(string(r.Stdout))
				return b.manager, err
			}}}})
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

func at(s *lab.Server) string { return fmt.Sprintf("%s@%s:%d", s.User, s.Address, s.Port) }

// A cluster behind gateways is reached through its jump_host, and each of them
// must be known.
func TestJumpHosts(t *testing.T) {
	t.Parallel()
	b := &behind{gateway: lab.SSHD(t, lab.SSHDOptions{}), inner: lab.SSHD(t, lab.SSHDOptions{}), login: lab.SSHD(t, lab.SSHDOptions{Env: map[string]string{"LAB": "login"}})}
	op := func(jump string) *executor.Operation {
		op := operation("op-1", map[string]any{"command": "date"})
		op.Hosts[0].Properties["work_directory"] = t.TempDir()
		op.Hosts[0].Properties["jump_host"] = jump
		op.Host = executor.Host{Name: "login", Address: b.login.Address, Port: b.login.Port, User: b.login.User}
		return op
	}
	for _, jump := range []string{at(b.gateway), at(b.gateway) + "," + at(b.inner), "ssh://" + at(b.gateway) + ", " + at(b.inner)} {
		b.dialed.Clear()
		d := b.driver(t, nil)
		s, err := d.Start(t.Context(), op(jump))
		require.NoError(t, err)
		b.manager.set(func(j *hpc.Job) { j.State = hpc.Completed })
		require.Equal(t, executor.Succeeded, await(t, d, s).State)
		require.Equal(t, "login", b.where[0])
		require.Equal(t, fmt.Sprint(b.login.Port), b.where[4])
		var direct []string
		b.dialed.Range(func(address, _ any) bool {
			direct = append(direct, address.(string))
			return true
		})
		require.Equal(t, []string{fmt.Sprintf("%s:%d", b.gateway.Address, b.gateway.Port)}, direct, "only the first is dialed")

		// Another process, which has only the handle, takes the same way.
		other := b.driver(t, nil)
		b.manager.jobs["101"] = &hpc.Job{ID: "101", State: hpc.Completed}
		require.Equal(t, executor.Succeeded, await(t, other, s).State)
	}
	for _, unknown := range []*lab.Server{b.gateway, b.inner, b.login} {
		_, err := b.driver(t, unknown).Start(t.Context(), op(at(b.gateway)+","+at(b.inner)))
		require.Equal(t, executor.PermissionDenied, executor.CodeOf(err), "%v", err)
		require.ErrorContains(t, err, ssh.FingerprintSHA256(unknown.HostKey))
	}
	_, err := b.driver(t, nil).Start(t.Context(), op(at(b.gateway)+",,"))
	require.Equal(t, executor.InvalidArgument, executor.CodeOf(err), "%v", err)
}

func TestParseJump(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]transport.Host{
		"none":                       {},
		"a":                          {{Address: "a"}},
		"user@a:22,user@b":           {{User: "user", Address: "a", Port: 22}, {User: "user", Address: "b"}},
		"u@realm@a, [::1]:2222,fe::": {{User: "u@realm", Address: "a"}, {Address: "::1", Port: 2222}, {Address: "fe::"}},
		"ssh://u@a:1/,b:2":           {{User: "u", Address: "a", Port: 1}, {Address: "b", Port: 2}},
	} {
		hosts, err := hpc.ParseJump(text)
		require.NoError(t, err, text)
		require.Equal(t, want, hosts, text)
	}
	for _, text := range []string{"", ",", "a,", ",a", "a:0", "a:b,c", "u@", "a:70000"} {
		_, err := hpc.ParseJump(text)
		require.Equal(t, executor.InvalidArgument, executor.CodeOf(err), text)
	}
}
