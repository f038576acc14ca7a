package transport

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// hostKeys returns how the key of a host is verified, and the key algorithms to
// ask it for: those of the keys that are known.
func (p *Pool) hostKeys(h Host) (ssh.HostKeyCallback, []string, error) {
	if p.config.InsecureIgnoreHostKeys {
		return ssh.InsecureIgnoreHostKey(), nil, nil
	}
	db, err := p.knownHosts()
	if err != nil {
		return nil, nil, &errs.Error{Code: errs.FailedPrecondition, Op: "read the known hosts for", Subject: h.String(), Err: err}
	}
	check := db.HostKeyCallback()
	algorithms := db.HostKeyAlgorithms(h.endpoint())
	if len(algorithms) == 0 {
		algorithms = nil // all
	}
	return func(name string, remote net.Addr, key ssh.PublicKey) error {
		err := check(name, remote, key)
		switch {
		case err == nil:
			return nil
		case knownhosts.IsHostUnknown(err) && p.config.AcceptNew:
			if err := p.trust(name, remote, key); err != nil {
				return errs.New(errs.FailedPrecondition, "trust the host key of", h.String(), "%w", err)
			}
			return nil
		}
		return p.untrusted(h, key, err)
	}, algorithms, nil
}

// knownHosts reads the files. They are read for each connection, since others
// add to them, and connections are few.
func (p *Pool) knownHosts() (*knownhosts.HostKeyDB, error) {
	p.trusting.Lock()
	defer p.trusting.Unlock()
	var files []string
	for _, f := range p.config.KnownHosts {
		if _, err := os.Stat(f); err == nil {
			files = append(files, f)
		} else if !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	return knownhosts.NewDB(files...)
}

// trust adds the key of a new host to the first file.
func (p *Pool) trust(name string, remote net.Addr, key ssh.PublicKey) error {
	p.trusting.Lock()
	defer p.trusting.Unlock()
	if len(p.config.KnownHosts) == 0 {
		return errors.New("AcceptNew needs a file in KnownHosts to write to")
	}
	file := p.config.KnownHosts[0]
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(knownhosts.WriteKnownHost(f, name, remote, key), f.Close())
}

// untrusted explains why a host key is refused and how to trust it.
func (p *Pool) untrusted(h Host, key ssh.PublicKey, err error) error {
	e := &errs.Error{Code: errs.PermissionDenied, Op: "verify the host key of", Subject: h.String()}
	file := "~/.ssh/known_hosts"
	if len(p.config.KnownHosts) > 0 {
		file = p.config.KnownHosts[0]
	}
	print := ssh.FingerprintSHA256(key)
	scan := fmt.Sprintf("ssh-keyscan -p %s %s >> %s", strconv.Itoa(h.Port), h.Address, file)
	switch {
	case knownhosts.IsHostKeyChanged(err):
		e.Err = fmt.Errorf("the host shows the key %s %s, which is not the one that is known: somebody may be in between", key.Type(), print)
		e.Hint = fmt.Sprintf("if the host was set up anew, run: ssh-keygen -R %s -f %s; then compare the fingerprint and run: %s",
			Quote(knownhosts.Normalize(h.endpoint())), file, scan)
	case knownhosts.IsHostUnknown(err):
		e.Err = fmt.Errorf("its key %s %s is not known", key.Type(), print)
		e.Hint = "compare the fingerprint with the host's own and run: " + scan
	default:
		e.Err = err
	}
	return e
}
