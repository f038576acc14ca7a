package ssh_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/drivers/internal/script"
	"github.com/seed-a4fd30b5/orchestrator/drivers/ssh"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/lab"
)

// wire makes connections that a test can cut.
type wire struct {
	mu    sync.Mutex
	conns []net.Conn
	down  bool
}

func (w *wire) dial(ctx context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		return nil, errors.New("the wire is cut")
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err == nil {
		w.conns = append(w.conns, conn)
	}
	return conn, err
}

// cut ends all connections; while down there are no new ones.
func (w *wire) cut(down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = down
	for _, c := range w.conns {
		_ = c.Close()
	}
	w.conns = nil
}

// bench is a server, a driver with a wire, and a folder that scripts share with the test.
type bench struct {
	*testing.T
	server *lab.Server
	config ssh.Config
	driver *ssh.Driver
	wire   *wire
	dir    string
}

func newBench(t *testing.T, change func(*ssh.Config)) *bench {
	t.Parallel()
	b := &bench{T: t, server: lab.SSHD(t, lab.SSHDOptions{}), wire: &wire{}, dir: t.TempDir()}
	b.config = config(t, b.server)
	b.config.Transport.Dial = b.wire.dial
	if change != nil {
		change(&b.config)
	}
	b.driver = open(t, b.config)
	return b
}

// operation returns an operation that runs text with Bash.
func (b *bench) operation(text string) *executor.Operation {
	return &executor.Operation{ID: "op-1", Attempt: 1, Interface: "Standard", Name: "create",
		Files:   fstest.MapFS{"create.sh": {Data: []byte(text)}},
		Primary: &executor.File{Path: "create.sh"},
		Inputs:  map[string]any{"dir": b.dir}, Host: host(b.server), Log: io.Discard}
}

// start runs Start in a goroutine.
func (b *bench) start(ctx context.Context, op *executor.Operation) <-chan executor.Status {
	ended := make(chan executor.Status, 1)
	go func() {
		s, err := b.driver.Start(ctx, op)
		if err != nil {
			s.Err = err
		}
		ended <- s
	}()
	return ended
}

func (b *bench) await(name string) string {
	b.Helper()
	var text string
	require.Eventually(b, func() bool {
		data, _ := os.ReadFile(filepath.Join(b.dir, name))
		text = string(data)
		return strings.HasSuffix(text, "\n")
	}, 2*time.Minute, 5*time.Millisecond, "the file %s", name)
	return strings.TrimSpace(text)
}

func (b *bench) touch(name string) {
	require.NoError(b, os.WriteFile(filepath.Join(b.dir, name), []byte("\n"), 0o600))
}

// left returns what is left of an operation's folder, of the first attempt.
func (b *bench) left(op *executor.Operation) []string {
	entries, err := os.ReadDir(filepath.Join(b.config.WorkDir, op.ID+".1"))
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

const waitForGo = `while [ -d "$dir" ] && [ ! -e "$dir/go" ]; do sleep 0.02; done
`

type safeLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *safeLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *safeLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestBrokenConnection(t *testing.T) {
	b := newBench(t, nil)
	log := &safeLog{}
	op := b.operation("echo one\necho x >> \"$dir/started\"\n" + waitForGo + "echo two\necho \"url=here\" >> \"$TOSCA_OUTPUTS\"\n")
	op.Log = log
	ended := b.start(t.Context(), op)
	b.await("started")
	b.wire.cut(false)
	b.touch("go")
	s := <-ended
	require.NoError(t, s.Err)
	require.Equal(t, executor.Succeeded, s.State)
	require.Equal(t, map[string]any{"url": "here"}, s.Outputs)
	require.Equal(t, "x", b.await("started"), "it ran once")
	require.Equal(t, "one\ntwo\n", log.String(), "each line is there, and once")
}

func TestHostOutOfReach(t *testing.T) {
	b := newBench(t, func(c *ssh.Config) { c.Reconnect = time.Millisecond })
	op := b.operation("echo x > \"$dir/started\"\n" + waitForGo + "echo \"the $word\" >&2\nexit 7\n")
	op.Inputs["word"] = "s3cr3t-w0rd"
	op.Secrets = []string{"s3cr3t-w0rd"}
	op.Host.Identity = readFile(t, b.server.KeyFile)
	ended := b.start(t.Context(), op)
	b.await("started")
	b.wire.cut(true)
	s := <-ended
	require.NoError(t, s.Err)
	require.Equal(t, executor.Running, s.State, "it is left to Poll")
	require.NotContains(t, string(s.Handle.Data), "PRIVATE KEY")

	handles := []executor.Handle{s.Handle}
	all, err := b.driver.Poll(t.Context(), handles)
	require.NoError(t, err)
	require.Empty(t, all, "nothing is known of a host that does not answer")
	b.wire.cut(false)
	all, err = b.driver.Poll(t.Context(), handles)
	require.NoError(t, err)
	require.Equal(t, []executor.Status{{Handle: s.Handle, State: executor.Running}}, all)
	b.touch("go")
	require.Eventually(t, func() bool {
		all, err = b.driver.Poll(t.Context(), handles)
		require.NoError(t, err)
		return all[0].State != executor.Running
	}, 2*time.Minute, 20*time.Millisecond)
	require.Equal(t, executor.Failed, all[0].State)
	require.ErrorContains(t, all[0].Err, "exit code 7: the ***")
}

// Another process that takes the operation up again has its handle and the
// operation: where the blueprint gives the key, it is in the latter only.
func TestResumeKnowsTheKeyOfTheBlueprint(t *testing.T) {
	b := newBench(t, func(c *ssh.Config) {
		c.Reconnect = time.Millisecond
		c.Transport.KeyFiles = []string{"/nonexistent"}
	})
	op := b.operation("echo x > \"$dir/started\"\n" + waitForGo + "echo \"the s3cr3t-w0rd\" >&2\nexit 7\n")
	op.Secrets = []string{"s3cr3t-w0rd"}
	op.Host.Identity = readFile(t, b.server.KeyFile)
	ended := b.start(t.Context(), op)
	b.await("started")
	b.wire.cut(true)
	s := <-ended
	require.Equal(t, executor.Running, s.State)
	b.wire.cut(false)

	other := open(t, b.config)
	other.Resume(op, s.Handle)
	all, err := other.Poll(t.Context(), []executor.Handle{s.Handle})
	require.NoError(t, err)
	require.Equal(t, []executor.Status{{Handle: s.Handle, State: executor.Running}}, all)
	b.touch("go")
	require.Eventually(t, func() bool {
		all, err = other.Poll(t.Context(), []executor.Handle{s.Handle})
		require.NoError(t, err)
		return all[0].State != executor.Running
	}, 2*time.Minute, 20*time.Millisecond)
	require.ErrorContains(t, all[0].Err, "exit code 7: the ***")
}

// watched is a connection that says when it is closed.
type watched struct {
	net.Conn
	closed func()
}

func (w *watched) Close() error {
	defer w.closed()
	return w.Conn.Close()
}

// A host that does not answer does not keep those behind it from being asked.
func TestPollBesideDeadHost(t *testing.T) {
	b := newBench(t, func(c *ssh.Config) { c.Reconnect = time.Millisecond })
	op := b.operation("echo x > \"$dir/started\"\n" + waitForGo)
	ended := b.start(t.Context(), op)
	b.await("started")
	b.wire.cut(true)
	s := <-ended
	b.wire.cut(false)
	defer b.touch("go")

	// The connection to the living host is closed when that has answered; then
	// nobody waits for the dead ones any longer.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := b.config
	c.Transport.IdleTimeout, c.Transport.ConnectTimeout = time.Nanosecond, 2*time.Minute
	c.Transport.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if strings.HasPrefix(address, "192.0.2.") {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		conn, err := b.wire.dial(ctx, network, address)
		return &watched{conn, cancel}, err
	}
	var handles []executor.Handle
	for _, dead := range []string{"192.0.2.1", "192.0.2.2"} {
		handles = append(handles, executor.Handle{Operation: dead,
			Data: json.RawMessage(`{"address":"` + dead + `","dir":"/x","script":"x"}`)})
	}
	all, err := open(t, c).Poll(ctx, append(handles, s.Handle))
	require.Error(t, err)
	require.Equal(t, []executor.Status{{Handle: s.Handle, State: executor.Running}}, all)
}

// A script whose process number cannot be written, as on a full disk, is not
// run: it could neither be found again nor stopped.
func TestNoRunWithoutTrace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "work"), 0o700))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "pid.new"), 0o700)) // nothing can be written to it
	job := &script.Job{Command: []string{"touch", filepath.Join(dir, "ran")}}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "run"), ssh.RunProgram(dir, job, nil, false), 0o600))
	require.NoError(t, exec.Command("sh", filepath.Join(dir, "run")).Run())
	require.NoFileExists(t, filepath.Join(dir, "ran"))
	require.Equal(t, "126\n", readFile(t, filepath.Join(dir, "exit")))
	require.Contains(t, readFile(t, filepath.Join(dir, "stderr")), "cannot write to "+dir)
}

func TestCancelByHandle(t *testing.T) {
	b := newBench(t, func(c *ssh.Config) { c.Reconnect = time.Millisecond })
	op := b.operation("echo $$ > \"$dir/pid\"\nsleep 300\n")
	ended := b.start(t.Context(), op)
	pid, err := strconv.Atoi(b.await("pid"))
	require.NoError(t, err)
	b.wire.cut(true)
	s := <-ended
	require.Equal(t, executor.Running, s.State)
	require.Equal(t, executor.Unavailable, executor.CodeOf(b.driver.Cancel(t.Context(), s.Handle)))

	b.wire.cut(false)
	other := open(t, b.config) // another process, which has only the handle
	require.NoError(t, other.Cancel(t.Context(), s.Handle))
	var all []executor.Status
	require.Eventually(t, func() bool {
		all, err = other.Poll(t.Context(), []executor.Handle{s.Handle})
		require.NoError(t, err)
		return all[0].State != executor.Running
	}, 2*time.Minute, 20*time.Millisecond)
	require.Equal(t, executor.Canceled, all[0].State)
	requireEnded(t, pid)
	require.NoError(t, other.Cancel(t.Context(), s.Handle), "cancel of an ended operation is no error")
}

func TestLost(t *testing.T) {
	b := newBench(t, nil)
	op := b.operation("echo x > \"$dir/started\"\nsleep 300\n")
	ended := b.start(t.Context(), op)
	b.await("started")
	pid, err := strconv.Atoi(strings.TrimSpace(readFile(t, filepath.Join(b.config.WorkDir, "op-1.1", "pid"))))
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(-pid, syscall.SIGKILL)) // as a restart of the host does
	s := <-ended
	require.Equal(t, executor.Lost, s.State)
	require.ErrorContains(t, s.Err, "without saying how it ended")
	s, err = open(t, b.config).Recover(t.Context(), op)
	require.NoError(t, err)
	require.Equal(t, executor.Lost, s.State)
}

func TestCleaning(t *testing.T) {
	b := newBench(t, nil)
	op := b.operation("mkdir -p a/b; touch a/b/c")
	s, err := b.driver.Start(t.Context(), op)
	require.NoError(t, err)
	require.NoError(t, s.Err)
	require.Equal(t, []string{"exit", "launched", "outputs", "pid", "stderr", "stdout"}, b.left(op), "neither files nor inputs")
	b.driver.Forget(op) // the outcome is recorded
	require.NoError(t, b.driver.Close())
	require.Nil(t, b.left(op))

	failed := newDriverOperation(b, "exit 1", "op-2", func(c *ssh.Config) {})
	require.Equal(t, executor.Failed, failed.State)
	left, err := os.ReadDir(b.config.WorkDir)
	require.NoError(t, err)
	require.Empty(t, left)

	newDriverOperation(b, "true", "op-3", func(c *ssh.Config) { c.KeepFiles = true })
	require.FileExists(t, filepath.Join(b.config.WorkDir, "op-3.1", "work", "create.sh"))
	require.FileExists(t, filepath.Join(b.config.WorkDir, "op-3.1", "inputs.json"))
}

// newDriverOperation runs text with a driver that is closed behind it.
func newDriverOperation(b *bench, text, id string, change func(*ssh.Config)) executor.Status {
	c := b.config
	change(&c)
	d := ssh.New(c)
	op := b.operation(text)
	op.ID = id
	s, err := d.Start(b.Context(), op)
	require.NoError(b, err)
	d.Forget(op) // the outcome is recorded
	require.NoError(b, d.Close())
	return s
}

func TestAttempts(t *testing.T) {
	b := newBench(t, nil)
	op := b.operation(`echo x >> "$dir/count"; [ $TOSCA_ATTEMPT = 2 ]`)
	for range 2 { // the same attempt twice runs once
		s, err := b.driver.Start(t.Context(), op)
		require.NoError(t, err)
		require.Equal(t, executor.Failed, s.State)
	}
	op.Attempt = 2
	s, err := b.driver.Start(t.Context(), op)
	require.NoError(t, err)
	require.NoError(t, s.Err)
	require.Equal(t, "x\nx", b.await("count"))
}

func TestTakesOverWhatWasNotLaunched(t *testing.T) {
	b := newBench(t, nil)
	half := filepath.Join(b.config.WorkDir, "op-1.1", "work")
	require.NoError(t, os.MkdirAll(half, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(half, "create.sh"), []byte("half of it"), 0o600))
	op := b.operation(`echo "ran=yes" >> "$TOSCA_OUTPUTS"`)
	s, err := b.driver.Recover(t.Context(), op)
	require.NoError(t, err)
	require.Equal(t, executor.NotStarted, s.State)
	s, err = b.driver.Start(t.Context(), op)
	require.NoError(t, err)
	require.NoError(t, s.Err)
	require.Equal(t, map[string]any{"ran": "yes"}, s.Outputs)
}

func TestStartWhileItRuns(t *testing.T) {
	b := newBench(t, nil)
	op := b.operation("echo x >> \"$dir/started\"\n" + waitForGo)
	ended := b.start(t.Context(), op)
	b.await("started")
	s, err := open(t, b.config).Start(t.Context(), op)
	require.NoError(t, err)
	require.Equal(t, executor.Running, s.State)
	b.touch("go")
	require.NoError(t, (<-ended).Err)
	require.Equal(t, "x", b.await("started"))
}

func TestConfig(t *testing.T) {
	b := newBench(t, func(c *ssh.Config) {
		c.Env = map[string]string{"SITE": "it's north", "dir": "inputs win"}
		c.WorkDir = filepath.Join(c.WorkDir, `it's a "folder" $HOME`)
	})
	op := b.operation(`echo "site=$SITE" >> "$TOSCA_OUTPUTS"; echo "dir=$dir" >> "$TOSCA_OUTPUTS"; echo "here=$PWD" >> "$TOSCA_OUTPUTS"`)
	s, err := b.driver.Start(t.Context(), op)
	require.NoError(t, err)
	require.NoError(t, s.Err)
	require.Equal(t, map[string]any{"site": "it's north", "dir": b.dir, "here": filepath.Join(b.config.WorkDir, "op-1.1", "work")}, s.Outputs)
}

func TestWorkDirThatCannotBeMade(t *testing.T) {
	b := newBench(t, func(c *ssh.Config) { c.WorkDir = "/dev/null/folder" })
	_, err := b.driver.Start(t.Context(), b.operation("true"))
	require.Equal(t, executor.FailedPrecondition, executor.CodeOf(err))
	require.ErrorContains(t, err, "/dev/null")
}

func TestUnreachableHost(t *testing.T) {
	b := newBench(t, nil)
	b.wire.cut(true)
	op := b.operation("true")
	_, err := b.driver.Start(t.Context(), op)
	require.True(t, executor.Retryable(err), "%v", err)
	_, err = b.driver.Recover(t.Context(), op)
	require.True(t, executor.Retryable(err), "%v", err)
}

// requireEnded fails while a process lives. One that nobody has waited for, as
// in a container without an init process, has ended too.
func requireEnded(t *testing.T, pid int) {
	t.Helper()
	require.Eventually(t, func() bool {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		return err == nil && strings.Contains(string(stat), ") Z ") || syscall.Kill(pid, 0) != nil
	}, 2*time.Minute, 10*time.Millisecond)
}

func readFile(t *testing.T, name string) string {
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(data)
}

func BenchmarkScript(b *testing.B) {
	server := lab.SSHD(b, lab.SSHDOptions{})
	d := open(b, config(b, server))
	op := &executor.Operation{Attempt: 1, Log: io.Discard, Primary: &executor.File{Path: "run"},
		Files:  fstest.MapFS{"run": {Data: []byte("#!/bin/true\n")}},
		Inputs: map[string]any{"port": int64(8080), "name": "web", "tags": []any{"a", "b"}}, Host: host(server)}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		op.ID = "op-" + strconv.Itoa(n)
		if s, err := d.Start(b.Context(), op); err != nil || s.Err != nil {
			b.Fatal(err, s.Err)
		}
	}
}
