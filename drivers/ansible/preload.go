//go:build unix

package ansible

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// startTime is how long Ansible may take to load.
const startTime = 2 * time.Minute

// preload is the process that has Ansible loaded: python/preload.py, which
// tells the protocol.
type preload struct {
	cmd  *exec.Cmd
	conn *net.UnixConn
	// version is Ansible's.
	version string
	stderr  *tail
	// gone is closed when the process is no longer there.
	gone chan struct{}

	mu      sync.Mutex
	last    int
	running map[int]*forked
	dead    bool
}

// forked is a playbook in a fork of the preloaded process.
type forked struct {
	// started is closed when pid is known, done when code or err are. Both are
	// closed in the end, whatever happens.
	started, done chan struct{}
	pid, code     int
	err           error
}

// answer is a line that the process writes.
type answer struct {
	Ready   string `json:"ready"`
	Refused string `json:"refused"`
	Started int    `json:"started"`
	PID     int    `json:"pid"`
	Ended   int    `json:"ended"`
	Status  int    `json:"status"`
}

// startPreload starts the process and waits until Ansible is loaded.
func startPreload(ctx context.Context, in *installation, env []string, cfg Config) (*preload, error) {
	home, err := os.MkdirTemp(in.plugins, "home-")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(home, "ansible.cfg"), settings(cfg), 0o600); err != nil {
		return nil, err
	}
	conn, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	p := &preload{conn: conn, stderr: &tail{}, gone: make(chan struct{}), running: map[int]*forked{}}
	args := append(append([]string{}, in.flags...), filepath.Join(in.plugins, "preload.py"), in.command)
	p.cmd = exec.Command(in.interpreter, args...)
	p.cmd.Dir, p.cmd.Env, p.cmd.Stderr = home, in.environ(env), p.stderr
	p.cmd.ExtraFiles = []*os.File{theirs} // descriptor 3
	// A session of its own: what a terminal sends to this program is not for it.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	// Playbooks inherit its standard error; their end is not waited for.
	p.cmd.WaitDelay = time.Second
	err = p.cmd.Start()
	theirs.Close() // so that the end of the process shows
	if err != nil {
		conn.Close()
		return nil, err
	}
	lines := bufio.NewReader(conn)
	if err := p.waitReady(ctx, lines); err != nil {
		conn.Close()
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait() // and for what it said
		if why := p.stderr.String(); why != "" {
			err = fmt.Errorf("%w: %s", err, why)
		}
		return nil, err
	}
	go p.follow(lines)
	return p, nil
}

// socketPair makes a connected pair: one end to use here, one to pass on.
func socketPair() (*net.UnixConn, *os.File, error) {
	syscall.ForkLock.RLock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "preload"), os.NewFile(uintptr(fds[1]), "preload")
	defer ours.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return conn.(*net.UnixConn), theirs, nil
}

func (p *preload) waitReady(ctx context.Context, lines *bufio.Reader) error {
	stop := context.AfterFunc(ctx, func() { p.conn.SetReadDeadline(time.Unix(1, 0)) })
	p.conn.SetReadDeadline(time.Now().Add(startTime))
	line, err := lines.ReadBytes('\n')
	if !stop() {
		return ctxError(ctx)
	}
	p.conn.SetReadDeadline(time.Time{})
	var a answer
	if err == nil {
		err = json.Unmarshal(line, &a)
	}
	switch {
	case err != nil:
		return fmt.Errorf("the process ended before Ansible was loaded: %w", err)
	case a.Ready == "":
		return errors.New(a.Refused)
	}
	p.version = a.Ready
	return nil
}

// follow reads answers until the process is gone.
func (p *preload) follow(lines *bufio.Reader) {
	defer close(p.gone)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break
		}
		var a answer
		if json.Unmarshal(line, &a) == nil {
			p.take(a)
		}
	}
	p.conn.Close() // the process ends with it
	_ = p.cmd.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = true
	for id, f := range p.running {
		// It ends its playbooks itself where it can; it may have been killed.
		if f.pid != 0 {
			_ = syscall.Kill(-f.pid, syscall.SIGKILL)
		}
		f.err = errs.New(errs.Failed, "run", "playbook", "the process in which Ansible is loaded ended: %s", p.stderr)
		p.finish(id, f)
	}
}

func (p *preload) take(a answer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f := p.running[a.Started]; f != nil {
		f.pid = a.PID
		close(f.started)
	}
	if f := p.running[a.Ended]; f != nil {
		f.code = a.Status
		p.finish(a.Ended, f)
	}
}

// finish is called with mu held.
func (p *preload) finish(id int, f *forked) {
	delete(p.running, id)
	if f.pid == 0 {
		close(f.started)
	}
	close(f.done)
}

// run starts a playbook. An error means that it was not started.
func (p *preload) run(dir string, args, env []string, output, report *os.File) (process, error) {
	vars := map[string]string{}
	for _, pair := range env {
		name, value, _ := strings.Cut(pair, "=")
		vars[name] = value
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return nil, net.ErrClosed
	}
	p.last++
	request, err := json.Marshal(map[string]any{"id": p.last, "args": args, "cwd": dir, "env": vars})
	if err != nil {
		return nil, err
	}
	request = append(request, '\n')
	rights := syscall.UnixRights(int(output.Fd()), int(report.Fd()))
	n, _, err := p.conn.WriteMsgUnix(request, rights, nil)
	if err == nil && n < len(request) {
		_, err = p.conn.Write(request[n:])
	}
	if err != nil {
		return nil, err
	}
	f := &forked{started: make(chan struct{}), done: make(chan struct{})}
	p.running[p.last] = f
	return f, nil
}

// close ends the process with its playbooks and waits for it.
func (p *preload) close() {
	// Only this end is shut: what the process still says is read.
	_ = p.conn.CloseWrite()
	<-p.gone
}

func (f *forked) ended() <-chan struct{} { return f.done }

func (f *forked) status() (int, error) { return f.code, f.err }

func (f *forked) signal(s syscall.Signal) {
	<-f.started
	if f.pid != 0 {
		_ = syscall.Kill(-f.pid, s)
	}
}

// tail keeps the end of what is written to it. It is safe for concurrent use.
type tail struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b.Write(p)
	if t.b.Len() > 2*maxPrinted {
		t.b.Next(t.b.Len() - maxPrinted)
	}
	return len(p), nil
}

// String is the last line, which says why in Python.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return lastLine(t.b.String())
}
