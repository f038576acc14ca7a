package transport_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skeema/knownhosts"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/seed-a4fd30b5/orchestrator/drivers/ssh/transport"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/lab"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// config trusts the server and has its user's key.
func config(server *lab.Server) transport.Config {
	return transport.Config{KeyFiles: []string{server.KeyFile}, KnownHosts: []string{server.KnownHosts}, AgentSocket: "none"}
}

func host(server *lab.Server) transport.Host {
	return transport.Host{Address: server.Address, Port: server.Port, User: server.User}
}

// pool returns a pool that is closed at the end of the test.
func pool(t testing.TB, c transport.Config) *transport.Pool {
	p := transport.NewPool(c)
	t.Cleanup(p.Close)
	return p
}

// get returns a connection that is released at the end of the test.
func get(t testing.TB, p *transport.Pool, h transport.Host) *transport.Client {
	t.Helper()
	client, err := p.Get(t.Context(), h)
	require.NoError(t, err)
	t.Cleanup(client.Release)
	return client
}

// output runs a command that must succeed.
func output(t testing.TB, client *transport.Client, line string) string {
	t.Helper()
	var out, errors bytes.Buffer
	exit, err := client.Exec(t.Context(), transport.Command{Line: line, Stdout: &out, Stderr: &errors})
	require.NoError(t, err)
	require.Equal(t, transport.Exit{}, exit, errors.String())
	return out.String()
}

func TestExec(t *testing.T) {
	t.Parallel()
	server := lab.SSHD(t, lab.SSHDOptions{})
	client := get(t, pool(t, config(server)), host(server))

	require.Equal(t, "hello\n", output(t, client, "echo hello"))
	var out, errOut bytes.Buffer
	exit, err := client.Exec(t.Context(), transport.Command{Line: "tr a-z A-Z; echo problem >&2; exit 3",
		Stdin: strings.NewReader("text"), Stdout: &out, Stderr: &errOut})
	require.NoError(t, err)
	require.Equal(t, transport.Exit{Code: 3}, exit)
	require.Equal(t, "TEXT", out.String())
	require.Equal(t, "problem\n", errOut.String())

	exit, err = client.Exec(t.Context(), transport.Command{Line: "kill -9 $$"})
	require.NoError(t, err)
	require.Equal(t, "KILL", exit.Signal)
	require.Equal(t, 137, exit.Code)

	ftp, err := client.SFTP(t.Context())
	require.NoError(t, err)
	again, err := client.SFTP(t.Context())
	require.NoError(t, err)
	require.Same(t, ftp, again)
	data := filepath.Join(t.TempDir(), "data")
	f, err := ftp.Create(data)
	require.NoError(t, err)
	_, err = f.Write([]byte("by sftp"))
	require.NoError(t, errors.Join(err, f.Close()))
	require.Equal(t, "by sftp", output(t, client, "cat "+transport.Quote(data)))
}

func TestExecEndsWithItsContext(t *testing.T) {
	t.Parallel()
	server := lab.SSHD(t, lab.SSHDOptions{})
	client := get(t, pool(t, config(server)), host(server))
	ctx, cancel := context.WithCancel(t.Context())
	_, err := client.Exec(ctx, transport.Command{Line: "echo started; sleep 300", Stdout: writerFunc(func([]byte) { cancel() })})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, executor.CodeCanceled, executor.CodeOf(err))
	require.Equal(t, "fine\n", output(t, client, "echo fine"), "the connection is still good")
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) { f(p); return len(p), nil }

func TestQuote(t *testing.T) {
	t.Parallel()
	sh := lab.Require(t, "sh")
	words := []string{"", "plain", "it's", `"`, "$HOME", "`id`", "a b", "a\nb", `\`, "!!", "*", "-n", "~", "é\xff", "'\\''", "#", "a;b&c|d>e"}
	out, err := exec.Command(sh, "-c", `for w in `+transport.Quote(words...)+`; do printf '%s\0' "$w"; done`).Output()
	require.NoError(t, err)
	require.Equal(t, words, strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"))
}

func TestHostKeys(t *testing.T) {
	t.Parallel()
	server := lab.SSHD(t, lab.SSHDOptions{})
	dir := t.TempDir()
	endpoint := net.JoinHostPort(server.Address, fmt.Sprint(server.Port))
	otherKey, err := lab.WriteKey(filepath.Join(dir, "other"), "")
	require.NoError(t, err)
	changed := filepath.Join(dir, "changed")
	require.NoError(t, os.WriteFile(changed, []byte(knownhosts.Line([]string{endpoint}, otherKey)+"\n"), 0o600))
	damaged := filepath.Join(dir, "damaged")
	require.NoError(t, os.WriteFile(damaged, []byte("host ssh-ed25519 nonsense\n"), 0o600))
	missing := filepath.Join(dir, "new", "known_hosts")

	cases := []struct {
		name   string
		change func(*transport.Config)
		code   executor.Code // "" for success
		texts  []string
	}{
		{"known", func(c *transport.Config) {}, "", nil},
		{"known in the second file", func(c *transport.Config) { c.KnownHosts = []string{missing + "2", server.KnownHosts} }, "", nil},
		{"unknown", func(c *transport.Config) { c.KnownHosts = []string{missing + "3"} }, executor.PermissionDenied,
			[]string{ssh.FingerprintSHA256(server.HostKey), fmt.Sprintf("ssh-keyscan -p %d 127.0.0.1 >> %s3", server.Port, missing)}},
		{"changed", func(c *transport.Config) { c.KnownHosts = []string{changed} }, executor.PermissionDenied,
			[]string{"somebody may be in between", fmt.Sprintf("ssh-keygen -R '[127.0.0.1]:%d' -f %s", server.Port, changed), "ssh-keyscan"}},
		{"changed, new ones accepted", func(c *transport.Config) { c.KnownHosts, c.AcceptNew = []string{changed}, true }, executor.PermissionDenied,
			[]string{"somebody may be in between"}},
		{"damaged file", func(c *transport.Config) { c.KnownHosts = []string{damaged} }, executor.FailedPrecondition, []string{damaged}},
		{"none verified", func(c *transport.Config) { c.KnownHosts, c.InsecureIgnoreHostKeys = []string{changed}, true }, "", nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conf := config(server)
			c.change(&conf)
			client, err := pool(t, conf).Get(t.Context(), host(server))
			if c.code == "" {
				require.NoError(t, err)
				client.Release()
				return
			}
			require.Equal(t, c.code, executor.CodeOf(err))
			require.False(t, executor.Retryable(err))
			for _, text := range c.texts {
				require.ErrorContains(t, err, text)
			}
		})
	}

	conf := config(server)
	conf.KnownHosts, conf.AcceptNew = []string{missing}, true
	get(t, pool(t, conf), host(server))
	conf.AcceptNew = false
	get(t, pool(t, conf), host(server)) // the key was remembered
}

func TestLogin(t *testing.T) {
	t.Parallel()
	server := lab.SSHD(t, lab.SSHDOptions{})
	dir := t.TempDir()
	key := func(name, passphrase string, authorized bool) string {
		file := filepath.Join(dir, name)
		public, err := lab.WriteKey(file, passphrase)
		require.NoError(t, err)
		if authorized {
			require.NoError(t, server.Authorize(public))
		}
		return file
	}
	good, stranger, encrypted := key("good", "", true), key("stranger", "", false), key("encrypted", "open sesame", true)
	inline, err := os.ReadFile(good)
	require.NoError(t, err)
	socket := startAgent(t, good)

	cases := []struct {
		name   string
		config transport.Config
		host   transport.Host
		code   executor.Code
		text   string
	}{
		{name: "configured key", config: transport.Config{KeyFiles: []string{stranger, good}}},
		{name: "key file of the host", config: transport.Config{KeyFiles: []string{stranger}}, host: transport.Host{KeyFile: good}},
		{name: "key of the host", host: transport.Host{Identity: string(inline)}},
		{name: "path as identity", host: transport.Host{Identity: good}},
		{name: "agent", config: transport.Config{AgentSocket: socket, KeyFiles: []string{}}},
		{name: "encrypted", config: transport.Config{KeyFiles: []string{encrypted}, Passphrase: func(string) (string, error) { return "open sesame\n", nil }}},

		{name: "a stranger's key", config: transport.Config{KeyFiles: []string{stranger}}, code: executor.PermissionDenied, text: "tried: the key " + stranger},
		{name: "the host's key only", config: transport.Config{AgentSocket: socket}, host: transport.Host{KeyFile: stranger}, code: executor.PermissionDenied, text: "tried: the host's key"},
		{name: "nothing", config: transport.Config{KeyFiles: []string{}}, code: executor.PermissionDenied, text: "neither a key, nor an agent, nor a password"},
		{name: "dead agent", config: transport.Config{KeyFiles: []string{}, AgentSocket: "/nowhere"}, code: executor.PermissionDenied, text: "neither a key"},
		{name: "no such file", config: transport.Config{KeyFiles: []string{"/nowhere/key"}}, code: executor.FailedPrecondition, text: "/nowhere/key"},
		{name: "no such file of the host", host: transport.Host{KeyFile: "/nowhere/key"}, code: executor.FailedPrecondition, text: "/nowhere/key"},
		{name: "no key", host: transport.Host{Identity: "-----BEGIN NONSENSE-----"}, code: executor.InvalidArgument, text: "parse the private key"},
		{name: "no passphrase", host: transport.Host{KeyFile: encrypted}, code: executor.PermissionDenied, text: "ssh-add"},
		{name: "wrong passphrase", host: transport.Host{KeyFile: encrypted}, code: executor.PermissionDenied, text: "decrypt",
			config: transport.Config{Passphrase: func(string) (string, error) { return "wrong", nil }}},
		{name: "no passphrase given", host: transport.Host{KeyFile: encrypted}, code: executor.PermissionDenied, text: "nobody there",
			config: transport.Config{Passphrase: func(string) (string, error) { return "", errors.New("nobody there") }}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.config.KnownHosts = []string{server.KnownHosts}
			if c.config.AgentSocket == "" {
				c.config.AgentSocket = "none"
			}
			c.host.Address, c.host.Port = server.Address, server.Port
			client, err := pool(t, c.config).Get(t.Context(), c.host)
			if c.code == "" {
				require.NoError(t, err)
				client.Release()
				return
			}
			require.Equal(t, c.code, executor.CodeOf(err), "%v", err)
			require.ErrorContains(t, err, c.text)
		})
	}
}

// startAgent serves a key as ssh-agent does and returns the socket.
func startAgent(t *testing.T, file string) string {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	key, err := ssh.ParseRawPrivateKey(text)
	require.NoError(t, err)
	ring := agent.NewKeyring()
	require.NoError(t, ring.Add(agent.AddedKey{PrivateKey: key}))
	socket := filepath.Join(t.TempDir(), "agent")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				_ = agent.ServeAgent(ring, conn)
				_ = conn.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		wg.Wait()
	})
	return socket
}

// TestPassword needs a server that knows passwords of its own: the real one
// asks the system's accounts.
func TestPassword(t *testing.T) {
	t.Parallel()
	for _, interactive := range []bool{false, true} {
		t.Run(fmt.Sprintf("interactive %v", interactive), func(t *testing.T) {
			t.Parallel()
			h := passwordServer(t, "s3cr3t", interactive)
			for _, password := range []string{"s3cr3t", "wrong"} {
				h.Password = password
				client, err := pool(t, transport.Config{InsecureIgnoreHostKeys: true}).Get(t.Context(), h)
				if password == "s3cr3t" {
					require.NoError(t, err)
					client.Release()
					continue
				}
				require.Equal(t, executor.PermissionDenied, executor.CodeOf(err))
				require.NotContains(t, err.Error(), password)
			}
			h.Password = ""
			client, err := pool(t, transport.Config{InsecureIgnoreHostKeys: true, Password: "s3cr3t", KeyFiles: []string{}, AgentSocket: "none"}).Get(t.Context(), h)
			require.NoError(t, err)
			client.Release()
		})
	}
}

func passwordServer(t *testing.T, password string, interactive bool) transport.Host {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKey(private, "")
	require.NoError(t, err)
	signer, err := ssh.ParsePrivateKey(pem.EncodeToMemory(block))
	require.NoError(t, err)
	check := func(given string) (*ssh.Permissions, error) {
		if given != password {
			return nil, errors.New("wrong password")
		}
		return nil, nil
	}
	server := &ssh.ServerConfig{}
	server.AddHostKey(signer)
	if interactive {
		server.KeyboardInteractiveCallback = func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			answers, err := ask("", "", []string{"Password: "}, []bool{false})
			if err != nil {
				return nil, err
			}
			return check(answers[0])
		}
	} else {
		server.PasswordCallback = func(_ ssh.ConnMetadata, given []byte) (*ssh.Permissions, error) { return check(string(given)) }
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				c, channels, requests, err := ssh.NewServerConn(conn, server)
				if err != nil {
					return
				}
				go ssh.DiscardRequests(requests)
				for channel := range channels {
					_ = channel.Reject(ssh.Prohibited, "")
				}
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		wg.Wait()
	})
	return transport.Host{Address: "127.0.0.1", Port: listener.Addr().(*net.TCPAddr).Port, User: "ada"}
}

func TestJump(t *testing.T) {
	t.Parallel()
	first, second, target := lab.SSHD(t, lab.SSHDOptions{}), lab.SSHD(t, lab.SSHDOptions{}), lab.SSHD(t, lab.SSHDOptions{Env: map[string]string{"LAB": "target"}})
	conf := config(target)
	conf.KnownHosts = []string{first.KnownHosts, second.KnownHosts, target.KnownHosts}
	jump := func(s *lab.Server) transport.Host { h := host(s); h.KeyFile = s.KeyFile; return h }
	conf.Jump = []transport.Host{jump(first), jump(second)}
	p := pool(t, conf)
	client := get(t, p, host(target))
	require.Equal(t, "target", output(t, client, `printf %s "$LAB"`))
	require.Equal(t, fmt.Sprint(target.Port), strings.Fields(output(t, client, `echo $SSH_CONNECTION`))[3])

	// Each hop is verified.
	for _, unknown := range []*lab.Server{first, second, target} {
		conf := conf
		conf.KnownHosts = nil
		for _, s := range []*lab.Server{first, second, target} {
			if s != unknown {
				conf.KnownHosts = append(conf.KnownHosts, s.KnownHosts)
			}
		}
		_, err := pool(t, conf).Get(t.Context(), host(target))
		require.Equal(t, executor.PermissionDenied, executor.CodeOf(err))
		require.ErrorContains(t, err, ssh.FingerprintSHA256(unknown.HostKey))
	}

	// A host's own list wins, and the empty one means directly.
	direct := host(target)
	direct.Jump = []transport.Host{}
	require.NotEqual(t, output(t, client, "echo $SSH_CONNECTION"), output(t, get(t, p, direct), "echo $SSH_CONNECTION"))
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	silent := transport.Host{Address: "127.0.0.1", Port: listener.Addr().(*net.TCPAddr).Port}
	conf := transport.Config{KnownHosts: []string{}, KeyFiles: []string{}, AgentSocket: "none", ConnectTimeout: 50 * time.Millisecond}

	_, err = pool(t, conf).Get(t.Context(), silent)
	require.Equal(t, executor.Unavailable, executor.CodeOf(err))
	require.True(t, executor.Retryable(err))
	require.ErrorContains(t, err, "no answer in 50ms")
	require.NotErrorIs(t, err, context.DeadlineExceeded, "the operation's own deadline has not passed")

	conf.ConnectTimeout = 0
	ctx, cancel := context.WithCancel(t.Context())
	conf.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		defer cancel()
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	_, err = pool(t, conf).Get(ctx, silent)
	require.ErrorIs(t, err, context.Canceled)

	require.NoError(t, listener.Close())
	conf.Dial = nil
	_, err = pool(t, conf).Get(t.Context(), silent)
	require.Equal(t, executor.Unavailable, executor.CodeOf(err))
	require.True(t, executor.Retryable(err))
}

// counted counts and keeps the connections that are made.
type counted struct {
	dials atomic.Int32
	mu    sync.Mutex
	conns []*frozen
}

func (c *counted) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c.dials.Add(1)
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	f := &frozen{Conn: conn}
	c.mu.Lock()
	c.conns = append(c.conns, f)
	c.mu.Unlock()
	return f, nil
}

// frozen is a connection that loses what is sent when it is frozen.
type frozen struct {
	net.Conn
	ice atomic.Bool
}

func (f *frozen) Write(p []byte) (int, error) {
	if f.ice.Load() {
		return len(p), nil
	}
	return f.Conn.Write(p)
}

func TestPoolSharesConnections(t *testing.T) {
	t.Parallel()
	server := lab.SSHD(t, lab.SSHDOptions{MaxSessions: 3})
	count := &counted{}
	conf := config(server)
	conf.MaxSessions, conf.Dial = 3, count.dial
	p := pool(t, conf)
	var wg sync.WaitGroup
	failures := make(chan error, 12)
	for range 12 {
		wg.Go(func() {
			client, err := p.Get(t.Context(), host(server))
			if err == nil {
				defer client.Release()
				_, err = client.Exec(t.Context(), transport.Command{Line: "true"})
			}
			failures <- err
		})
	}
	wg.Wait()
	for range 12 {
		require.NoError(t, <-failures)
	}
	require.EqualValues(t, 1, count.dials.Load(), "twelve commands, three at a time, on one connection")

	other := host(server)
	other.KeyFile = server.KeyFile
	get(t, p, other)
	require.EqualValues(t, 2, count.dials.Load(), "another identity has another connection")
}

func TestPoolReconnects(t *testing.T) {
	t.Parallel()
	server := lab.SSHD(t, lab.SSHDOptions{})
	count := &counted{}
	conf := config(server)
	conf.Dial = count.dial
	p := pool(t, conf)
	client := get(t, p, host(server))
	started := make(chan struct{})
	var once sync.Once
	go func() {
		<-started
		_ = count.conns[0].Close()
	}()
	_, err := client.Exec(t.Context(), transport.Command{Line: "echo; sleep 300", Stdout: writerFunc(func([]byte) { once.Do(func() { close(started) }) })})
	require.Equal(t, executor.Unavailable, executor.CodeOf(err))
	require.True(t, executor.Retryable(err))
	<-client.Ended()
	require.Equal(t, "again\n", output(t, get(t, p, host(server)), "echo again"))
	require.EqualValues(t, 2, count.dials.Load())
}

func TestPoolClosesTheIdle(t *testing.T) {
	t.Parallel()
	server := lab.SSHD(t, lab.SSHDOptions{})
	conf := config(server)
	conf.IdleTimeout = time.Millisecond
	client := get(t, pool(t, conf), host(server))
	client.Release()
	client.Release() // harmless
	<-client.Ended()
}

func TestKeepAliveEndsTheDead(t *testing.T) {
	t.Parallel()
	server := lab.SSHD(t, lab.SSHDOptions{})
	count := &counted{}
	conf := config(server)
	conf.KeepAlive, conf.Dial = 4*time.Second, count.dial
	client := get(t, pool(t, conf), host(server))
	require.Equal(t, "alive\n", output(t, client, "sleep 5; echo alive"), "it lives while the server answers")
	count.conns[0].ice.Store(true)
	<-client.Ended()
}

func TestClosedPool(t *testing.T) {
	t.Parallel()
	server := lab.SSHD(t, lab.SSHDOptions{})
	p := transport.NewPool(config(server))
	client, err := p.Get(t.Context(), host(server))
	require.NoError(t, err)
	p.Close()
	<-client.Ended()
	client.Release()
	_, err = p.Get(t.Context(), host(server))
	require.Equal(t, executor.FailedPrecondition, executor.CodeOf(err))
}

func TestFromEnvironment(t *testing.T) {
	t.Parallel()
	env := map[string]string{"OPERA_SSH_USER": "centos", "OPERA_SSH_IDENTITY_FILE": "/keys/id", "OPERA_SSH_HOST_KEY_CHECKING": "False"}
	get := func(name string) string { return env[name] }
	c := transport.Config{}.FromEnvironment(get)
	require.Equal(t, "centos", c.User)
	require.Equal(t, []string{"/keys/id"}, c.KeyFiles)
	require.True(t, c.InsecureIgnoreHostKeys)

	env["OPERA_SSH_HOST_KEY_CHECKING"] = "true"
	c = transport.Config{User: "ada", KeyFiles: []string{"mine"}}.FromEnvironment(get)
	require.Equal(t, "ada", c.User)
	require.Equal(t, []string{"mine"}, c.KeyFiles)
	require.False(t, c.InsecureIgnoreHostKeys)
}

func BenchmarkExec(b *testing.B) {
	server := lab.SSHD(b, lab.SSHDOptions{})
	client := get(b, pool(b, config(server)), host(server))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.Exec(b.Context(), transport.Command{Line: "true", Stdout: io.Discard}); err != nil {
			b.Fatal(err)
		}
	}
}
