package lab

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
)

// SSHDOptions says how an sshd is set up. The zero value is good.
type SSHDOptions struct {
	// MaxSessions is how many sessions a connection may have. Default: sshd's own, 10.
	MaxSessions int
	// Env are variables of all sessions. HOME is an empty folder by default, so
	// that the start files of the account that runs the test do not matter.
	Env map[string]string
	// Config are more lines of sshd_config(5). They come first, so they win.
	Config []string
}

// Server is a running sshd on the loopback interface, with a host key and a
// user key of its own.
type Server struct {
	// Address and Port are where it listens; User is whom to log in as: the
	// account that runs the test.
	Address string
	Port    int
	User    string
	// KeyFile is the user's private key, KnownHosts a known_hosts file with
	// this server's key.
	KeyFile, KnownHosts string
	// HostKey is the server's public key.
	HostKey ssh.PublicKey

	dir    string
	ports  *Ports
	cmd    *exec.Cmd
	ended  chan struct{}
	logged string
}

// SSHD starts the machine's real sshd for a test and stops it at its end. The
// test is skipped where sshd is missing: see Require.
func SSHD(t testing.TB, options SSHDOptions) *Server {
	t.Helper()
	s, err := StartSSHD(Require(t, "sshd"), t.TempDir(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// StartSSHD starts the sshd program at path, with its files in dir.
func StartSSHD(path, dir string, options SSHDOptions) (*Server, error) {
	me, err := user.Current()
	if err != nil {
		return nil, err
	}
	if os.Geteuid() == 0 {
		// The folder of privilege separation, which the service's start makes.
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			return nil, err
		}
	}
	s := &Server{Address: "127.0.0.1", User: me.Username, dir: dir,
		KeyFile: filepath.Join(dir, "id_ed25519"), KnownHosts: filepath.Join(dir, "known_hosts"), logged: filepath.Join(dir, "log")}
	if err := os.Mkdir(filepath.Join(dir, "home"), 0o700); err != nil {
		return nil, err
	}
	userKey, err := WriteKey(s.KeyFile, "")
	if err != nil {
		return nil, err
	}
	if s.HostKey, err = WriteKey(filepath.Join(dir, "host_key"), ""); err != nil {
		return nil, err
	}
	if err := s.Authorize(userKey); err != nil {
		return nil, err
	}
	if s.ports, err = ReservePorts(1); err != nil {
		return nil, err
	}
	s.Port = s.ports.Numbers[0]
	if err := s.start(path, options); err != nil {
		s.ports.Close()
		return nil, err
	}
	line := knownhosts.Line([]string{net.JoinHostPort(s.Address, strconv.Itoa(s.Port))}, s.HostKey)
	if err := os.WriteFile(s.KnownHosts, []byte(line+"\n"), 0o600); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Authorize lets the owner of a key log in.
func (s *Server) Authorize(key ssh.PublicKey) error {
	f, err := os.OpenFile(filepath.Join(s.dir, "authorized_keys"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(ssh.MarshalAuthorizedKey(key))
	return errors.Join(err, f.Close())
}

// Log returns what the server has logged.
func (s *Server) Log() string {
	data, _ := os.ReadFile(s.logged)
	return string(data)
}

// Close stops the server. Connections that are open end when their clients do.
func (s *Server) Close() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	<-s.ended
	s.ports.Close()
}

func (s *Server) start(path string, options SSHDOptions) error {
	config := filepath.Join(s.dir, "sshd_config")
	if err := os.WriteFile(config, []byte(s.config(options)), 0o600); err != nil {
		return err
	}
	log, err := os.Create(s.logged)
	if err != nil {
		return err
	}
	defer log.Close()
	s.cmd = exec.Command(path, "-D", "-e", "-f", config)
	s.cmd.Stderr = log
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.ended = make(chan struct{})
	go func() {
		_ = s.cmd.Wait()
		close(s.ended)
	}()
	return s.await()
}

// config returns the text of sshd_config(5), in which the first value of a
// keyword counts.
func (s *Server) config(options SSHDOptions) string {
	lines := slices.Clone(options.Config)
	if options.MaxSessions > 0 {
		lines = append(lines, fmt.Sprintf("MaxSessions %d", options.MaxSessions))
	}
	env := map[string]string{"HOME": filepath.Join(s.dir, "home")}
	maps.Copy(env, options.Env)
	var set []string
	for name, v := range env {
		set = append(set, fmt.Sprintf("%s=%q", name, v))
	}
	slices.Sort(set)
	lines = append(lines,
		"SetEnv "+strings.Join(set, " "),
		fmt.Sprintf("ListenAddress %s:%d", s.Address, s.Port),
		fmt.Sprintf("HostKey %q", filepath.Join(s.dir, "host_key")),
		fmt.Sprintf("AuthorizedKeysFile %q", filepath.Join(s.dir, "authorized_keys")),
		"PidFile none",
		"StrictModes no", // the folder for temporary files is open to all
		"UsePAM no",
		"UseDNS no",
		"PermitRootLogin prohibit-password",
		"PasswordAuthentication no",
		"KbdInteractiveAuthentication no",
		"MaxStartups 200",
		"MaxAuthTries 20",
		"PrintMotd no",
		"LogLevel VERBOSE",
		"Subsystem sftp internal-sftp",
	)
	return strings.Join(lines, "\n") + "\n"
}

// await waits until the server greets, or has ended.
func (s *Server) await() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for tick := time.NewTicker(5 * time.Millisecond); ; {
		if s.greets() {
			return nil
		}
		select {
		case <-s.ended:
			return fmt.Errorf("sshd did not start: %s", bytes.TrimSpace([]byte(s.Log())))
		case <-ctx.Done():
			s.Close()
			return fmt.Errorf("sshd does not answer: %s", bytes.TrimSpace([]byte(s.Log())))
		case <-tick.C:
		}
	}
}

func (s *Server) greets() bool {
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(s.Address, strconv.Itoa(s.Port)), time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	greeting := make([]byte, 4)
	_, err = io.ReadFull(conn, greeting)
	return err == nil && string(greeting) == "SSH-"
}

// WriteKey makes an Ed25519 key, writes its private part to a file in OpenSSH's
// format, encrypted where there is a passphrase, and returns its public part.
func WriteKey(path, passphrase string) (ssh.PublicKey, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	var block *pem.Block
	if passphrase == "" {
		block, err = ssh.MarshalPrivateKey(private, "lab")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "lab", []byte(passphrase))
	}
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		return nil, err
	}
	return ssh.NewPublicKey(public)
}
