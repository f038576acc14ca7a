package transport

import (
	"context"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Host is whom to log in to. Only Address is required; what is empty comes from
// the Config.
type Host struct {
	Address string
	Port    int
	User    string
	// Identity is a private key in PEM or OpenSSH format, KeyFile the path of
	// one, Password is for password and keyboard-interactive login. Where one is
	// given, no other key and no agent is tried.
	Identity, KeyFile, Password string
	// Jump are the hosts to go through, the nearest first. Default: Config.Jump.
	Jump []Host
}

// Config says how connections are made. The zero value does as ssh(1) does
// without a configuration file, except that it never asks.
type Config struct {
	// User and Port are for hosts that have none. Defaults: the account that
	// runs this process; 22.
	User string
	Port int
	// KeyFiles are the private keys to try. Default: id_ed25519, id_ecdsa and
	// id_rsa in ~/.ssh, those that are there.
	KeyFiles []string
	// Password is for hosts that have neither a key nor a password of their own.
	Password string
	// Passphrase returns the passphrase of an encrypted key. keyFile is empty
	// for a key that came with the host. Without it encrypted keys do not work.
	Passphrase func(keyFile string) (string, error)
	// AgentSocket is the socket of an ssh-agent. Default: what SSH_AUTH_SOCK
	// says; "none" for no agent.
	AgentSocket string
	// KnownHosts are the files with the keys of hosts, in the format of
	// sshd(8). A file that does not exist is empty. Default: ~/.ssh/known_hosts
	// and /etc/ssh/ssh_known_hosts.
	KnownHosts []string
	// AcceptNew trusts a host whose key is not known yet, and adds it to the
	// first file of KnownHosts. A key that has changed is refused all the same.
	AcceptNew bool
	// InsecureIgnoreHostKeys trusts everybody who answers. Only for tests.
	InsecureIgnoreHostKeys bool
	// Jump are the hosts to go through to hosts that name none, the nearest first.
	Jump []Host
	// MaxSessions is how many sessions a connection has at once. Default 10, as
	// MaxSessions of sshd_config(5) has it.
	MaxSessions int
	// ConnectTimeout is for connecting and logging in. Default 15 s.
	ConnectTimeout time.Duration
	// KeepAlive is how often a connection is probed; one that does not answer in
	// the same time is given up. Default 15 s.
	KeepAlive time.Duration
	// IdleTimeout is how long an unused connection is kept. Default 1 min.
	IdleTimeout time.Duration
	// Dial makes the network connection to hosts without a jump host. Default: TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Logger is silent by default.
	Logger hclog.Logger
}

// FromEnvironment returns c with what the variables of xOpera say, where c says
// nothing: OPERA_SSH_USER, OPERA_SSH_IDENTITY_FILE, and
// OPERA_SSH_HOST_KEY_CHECKING, whose values that begin with "f" or "F" ignore
// host keys. getenv is such as os.Getenv.
func (c Config) FromEnvironment(getenv func(string) string) Config {
	if c.User == "" {
		c.User = getenv("OPERA_SSH_USER")
	}
	if file := getenv("OPERA_SSH_IDENTITY_FILE"); file != "" && c.KeyFiles == nil {
		c.KeyFiles = []string{file}
	}
	if strings.HasPrefix(strings.ToLower(getenv("OPERA_SSH_HOST_KEY_CHECKING")), "f") {
		c.InsecureIgnoreHostKeys = true
	}
	return c
}

// withDefaults fills in what is not set.
func (c Config) withDefaults() Config {
	home, _ := os.UserHomeDir()
	if c.User == "" {
		if u, err := user.Current(); err == nil {
			c.User = u.Username
		}
	}
	if c.KnownHosts == nil {
		c.KnownHosts = []string{filepath.Join(home, ".ssh", "known_hosts"), "/etc/ssh/ssh_known_hosts"}
	}
	switch c.AgentSocket {
	case "":
		c.AgentSocket = os.Getenv("SSH_AUTH_SOCK")
	case "none":
		c.AgentSocket = ""
	}
	if c.Dial == nil {
		c.Dial = new(net.Dialer).DialContext
	}
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	orDefault(&c.Port, 22)
	orDefault(&c.MaxSessions, 10)
	orDefault(&c.ConnectTimeout, 15*time.Second)
	orDefault(&c.KeepAlive, 15*time.Second)
	orDefault(&c.IdleTimeout, time.Minute)
	return c
}

func orDefault[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// complete fills in what the host leaves to the configuration.
func (c Config) complete(h Host) Host {
	if h.User == "" {
		h.User = c.User
	}
	if h.Port == 0 {
		h.Port = c.Port
	}
	if h.Jump == nil {
		h.Jump = c.Jump
	}
	return h
}

// endpoint returns "host:port".
func (h Host) endpoint() string { return net.JoinHostPort(h.Address, strconv.Itoa(h.Port)) }

// String prints "user@address:port".
func (h Host) String() string {
	s := h.Address
	if h.Port != 0 {
		s = h.endpoint()
	}
	if h.User != "" {
		s = h.User + "@" + s
	}
	return s
}
