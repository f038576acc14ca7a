package transport

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// credentials are how to log in to a host.
type credentials struct {
	methods []ssh.AuthMethod
	agent   net.Conn
	// tried says in words what there is, for the error when nothing of it works.
	tried string
}

func (c *credentials) close() {
	if c.agent != nil {
		_ = c.agent.Close()
	}
}

// credentials collects the host's own key or password, else the keys of the
// configuration and of the agent.
func (p *Pool) credentials(h Host) (*credentials, error) {
	switch {
	case h.Identity != "" && strings.Contains(h.Identity, "-----BEGIN"):
		return p.withKey(h, []byte(h.Identity), "")
	case h.Identity != "":
		return p.withKeyFile(h, h.Identity)
	case h.KeyFile != "":
		return p.withKeyFile(h, h.KeyFile)
	case h.Password != "":
		return &credentials{methods: passwordMethods(h.Password), tried: "the host's password"}, nil
	}
	return p.configured(h)
}

func (p *Pool) withKeyFile(h Host, file string) (*credentials, error) {
	pem, err := os.ReadFile(expandHome(file))
	if err != nil {
		return nil, errs.New(errs.FailedPrecondition, "read the key for", h.String(), "%w", err)
	}
	return p.withKey(h, pem, file)
}

func (p *Pool) withKey(h Host, pem []byte, file string) (*credentials, error) {
	signer, err := p.signer(pem, file)
	if err != nil {
		return nil, errs.Wrap(err, "read the key for", h.String())
	}
	c := &credentials{methods: []ssh.AuthMethod{ssh.PublicKeys(signer)}, tried: "the host's key " + keyName(file, signer)}
	if h.Password != "" {
		c.methods = append(c.methods, passwordMethods(h.Password)...)
		c.tried += " and password"
	}
	return c, nil
}

// configured collects what the configuration and the agent have.
func (p *Pool) configured(h Host) (*credentials, error) {
	c := &credentials{}
	var tried []string
	var signers []ssh.Signer
	if p.config.AgentSocket != "" {
		if conn, err := net.Dial("unix", p.config.AgentSocket); err == nil {
			c.agent = conn
			keys, err := agent.NewClient(conn).Signers()
			if err != nil {
				p.config.Logger.Warn("the SSH agent does not answer", "socket", p.config.AgentSocket, "error", err)
			}
			signers = append(signers, keys...)
			tried = append(tried, "the keys of the SSH agent")
		} else {
			p.config.Logger.Warn("no SSH agent", "socket", p.config.AgentSocket, "error", err)
		}
	}
	files, required := p.keyFiles()
	for _, file := range files {
		pem, err := os.ReadFile(expandHome(file))
		var signer ssh.Signer
		if err == nil {
			signer, err = p.signer(pem, file)
		}
		if err != nil && required {
			c.close()
			return nil, errs.Wrap(errs.New(errs.FailedPrecondition, "read the key", file, "%w", err), "log in to", h.String())
		}
		if err == nil {
			signers = append(signers, signer)
			tried = append(tried, "the key "+keyName(file, signer))
		}
	}
	if len(signers) > 0 {
		c.methods = append(c.methods, ssh.PublicKeys(signers...))
	}
	if p.config.Password != "" {
		c.methods = append(c.methods, passwordMethods(p.config.Password)...)
		tried = append(tried, "the configured password")
	}
	if c.tried = strings.Join(tried, ", "); c.tried == "" {
		c.tried = "nothing, since there is neither a key, nor an agent, nor a password"
	}
	return c, nil
}

// keyFiles returns the key files, and whether each of them must be readable.
func (p *Pool) keyFiles() (files []string, required bool) {
	if p.config.KeyFiles != nil {
		return p.config.KeyFiles, true
	}
	return []string{"~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"}, false
}

// signer parses a private key, with the passphrase where it needs one.
func (p *Pool) signer(pem []byte, file string) (ssh.Signer, error) {
	signer, err := ssh.ParsePrivateKey(pem)
	var encrypted *ssh.PassphraseMissingError
	if !errors.As(err, &encrypted) {
		if err != nil {
			return nil, &errs.Error{Code: errs.InvalidArgument, Op: "parse the private key", Subject: file, Err: err}
		}
		return signer, nil
	}
	if p.config.Passphrase == nil {
		return nil, &errs.Error{Code: errs.PermissionDenied, Op: "decrypt the private key", Subject: file,
			Err: errors.New("it has a passphrase"), Hint: "add it to an SSH agent with ssh-add, or configure its passphrase"}
	}
	passphrase, err := p.config.Passphrase(file)
	if err == nil {
		signer, err = ssh.ParsePrivateKeyWithPassphrase(pem, bytes.TrimRight([]byte(passphrase), "\r\n"))
	}
	if err != nil {
		return nil, &errs.Error{Code: errs.PermissionDenied, Op: "decrypt the private key", Subject: file, Err: err}
	}
	return signer, nil
}

// passwordMethods answers a plain question for the password, and the hidden
// ones of keyboard-interactive login, which many servers use instead.
func passwordMethods(password string) []ssh.AuthMethod {
	answer := func(_, _ string, questions []string, echos []bool) ([]string, error) {
		answers := make([]string, len(questions))
		for i := range questions {
			if !echos[i] {
				answers[i] = password
			}
		}
		return answers, nil
	}
	return []ssh.AuthMethod{ssh.Password(password), ssh.KeyboardInteractive(answer)}
}

func keyName(file string, signer ssh.Signer) string {
	name := ssh.FingerprintSHA256(signer.PublicKey())
	if file != "" {
		name = file + " (" + name + ")"
	}
	return name
}

func expandHome(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	return path
}
