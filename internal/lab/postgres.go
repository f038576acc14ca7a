package lab

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// PostgresOptions says how a PostgreSQL server is set up. The zero value is good.
type PostgresOptions struct {
	// NoSync leaves it to the operating system when to write to disk: faster,
	// and as good where the machine itself does not stop.
	NoSync bool
	// Config are more settings, such as "max_connections=20".
	Config []string
}

// Postgres is a running PostgreSQL server with a database of its own. It can
// be reached through a socket in a folder of the server's account only.
type Postgres struct {
	// URL is that of the database "postgres", for its superuser.
	URL string

	bin, dir string
	options  PostgresOptions
	log      *os.File
	// account runs the server: root may not.
	account *syscall.SysProcAttr
	// ended is closed when the server has ended; nil before it was started.
	ended chan struct{}
	// alive is held open by this process. The shell around the server stops it
	// when that ends, in whatever way.
	alive io.Closer
}

// SharedPostgres is one server for all tests of a package. It starts with the
// first test that needs it; TestMain stops it:
//
//	var server = lab.SharedPostgres{Options: lab.PostgresOptions{NoSync: true}}
//
//	func TestMain(m *testing.M) {
//		code := m.Run()
//		server.Close()
//		os.Exit(code)
//	}
type SharedPostgres struct {
	Options PostgresOptions

	mu     sync.Mutex
	server *Postgres
}

// Get returns the server. The test is skipped where PostgreSQL is missing: see
// Require.
func (s *SharedPostgres) Get(t testing.TB) *Postgres {
	t.Helper()
	bin := requirePostgres(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil {
		server, err := startPostgres(bin, s.Options)
		if err != nil {
			t.Fatal(err)
		}
		s.server = server
	}
	return s.server
}

// Close stops the server, if it runs, and removes its files.
func (s *SharedPostgres) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil {
		s.server.Close()
		s.server = nil
	}
}

// NewPostgres starts a server for one test and stops it at its end. The test
// is skipped where PostgreSQL is missing: see Require.
func NewPostgres(t testing.TB, options PostgresOptions) *Postgres {
	t.Helper()
	p, err := startPostgres(requirePostgres(t), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// requirePostgres returns the folder of the server's programs. Debian keeps it
// away from PATH, one for each version.
func requirePostgres(t testing.TB) string {
	t.Helper()
	folders, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	slices.SortFunc(folders, func(a, b string) int { return postgresVersion(b) - postgresVersion(a) })
	if path := find("postgres"); path != "" {
		if path, err := filepath.EvalSymlinks(path); err == nil {
			folders = append(folders, filepath.Dir(path))
		}
	}
	for _, folder := range folders {
		if find(filepath.Join(folder, "postgres")) != "" && find(filepath.Join(folder, "initdb")) != "" {
			return folder
		}
	}
	Missing(t, "postgres", "install the package postgresql, or add the folder of postgres and initdb to PATH")
	return ""
}

func postgresVersion(folder string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(folder)))
	return n
}

func startPostgres(bin string, options PostgresOptions) (_ *Postgres, err error) {
	// Not t.TempDir: another account could not enter it.
	dir, err := os.MkdirTemp("", "postgres-")
	if err != nil {
		return nil, err
	}
	p := &Postgres{bin: bin, dir: dir, options: options, URL: "postgres:///postgres?user=postgres&host=" + dir}
	defer func() {
		if err != nil {
			p.Close()
		}
	}()
	if p.account, err = unprivileged(dir); err != nil {
		return nil, err
	}
	if p.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		return nil, err
	}
	initdb := p.command(filepath.Join(bin, "initdb"), "--pgdata="+p.data(), "--username=postgres",
		"--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync")
	initdb.Stdout = p.log
	if err := initdb.Run(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, p.Log())
	}
	return p, p.Start()
}

func (p *Postgres) data() string { return filepath.Join(p.dir, "data") }

func (p *Postgres) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = p.dir
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC", "PATH=/usr/bin:/bin"}
	cmd.SysProcAttr = p.account
	cmd.Stderr = p.log
	return cmd
}

// supervise runs a program until it ends, or file 3 does: then the program
// gets SIGQUIT, at which PostgreSQL ends at once.
const supervise = `"$@" 3<&- & server=$!
(read -r line <&3; kill -QUIT $server) & guard=$!
wait $server
kill $guard`

// Start starts the server again after Stop, on the same data, and waits until
// it takes connections.
func (p *Postgres) Start() error {
	args := []string{"-c", supervise, "sh", filepath.Join(p.bin, "postgres"), "-D", p.data(),
		"-c", "listen_addresses=", "-c", "unix_socket_directories=" + p.dir, "-c", "max_connections=200"}
	if p.options.NoSync {
		args = append(args, "-c", "fsync=off")
	}
	for _, setting := range p.options.Config {
		args = append(args, "-c", setting)
	}
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd := p.command("/bin/sh", args...)
	cmd.ExtraFiles = []*os.File{read}
	err = cmd.Start()
	read.Close()
	if err != nil {
		write.Close()
		return err
	}
	p.alive, p.ended = write, make(chan struct{})
	go func() {
		defer close(p.ended)
		_ = cmd.Wait()
	}()
	return p.await()
}

// await waits until the server says that it is ready.
func (p *Postgres) await() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		// The eighth line of the file is the server's state; see
		// src/include/utils/pidfile.h of PostgreSQL.
		lines := p.pidFile()
		if len(lines) > 7 && strings.TrimSpace(lines[7]) == "ready" && p.answers() {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("PostgreSQL did not start: %s", p.Log())
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL does not answer: %s", p.Log())
		case <-tick.C:
		}
	}
}

func (p *Postgres) answers() bool {
	conn, err := net.Dial("unix", filepath.Join(p.dir, ".s.PGSQL.5432"))
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

func (p *Postgres) pidFile() []string {
	data, _ := os.ReadFile(filepath.Join(p.data(), "postmaster.pid"))
	return strings.Split(string(data), "\n")
}

// Stop ends the server as "pg_ctl stop -m immediate" does: as if it had
// crashed. Start brings it back, with a recovery.
func (p *Postgres) Stop() error {
	select {
	case <-p.ended:
		return fmt.Errorf("the server is not running")
	default:
	}
	pid, err := strconv.Atoi(p.pidFile()[0])
	if err != nil {
		return fmt.Errorf("the server's process is not known: %w", err)
	}
	if err := kill(pid, syscall.SIGQUIT); err != nil {
		return err
	}
	<-p.ended
	return p.alive.Close()
}

// Log returns what the server has logged.
func (p *Postgres) Log() string {
	data, _ := os.ReadFile(filepath.Join(p.dir, "log"))
	return string(bytes.TrimSpace(data))
}

// Close stops the server and removes its files.
func (p *Postgres) Close() {
	if p.alive != nil {
		_ = p.alive.Close() // at which it ends
		<-p.ended
	}
	if p.log != nil {
		_ = p.log.Close()
	}
	_ = os.RemoveAll(p.dir)
}
