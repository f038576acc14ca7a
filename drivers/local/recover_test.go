package local_test

import (
	"context"
	"fmt"
	"io"
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

	"github.com/seed-a4fd30b5/orchestrator/drivers/local"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/lab"
)

// folders lists those of the operations.
func folders(t *testing.T, work string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(work, "orchestrator-local-*", "boot-*", "*.*"))
	require.NoError(t, err)
	return list
}

// killedChild is the folder of a child process of TestFoundAfterKill.
const killedChild = "ORCHESTRATOR_TEST_LOCAL_KILL_DIR"

// slow says that it has begun, waits for a file and returns an output.
const slow = `echo $$ > "$dir/began"
while [ -d "$dir" ] && [ ! -e "$dir/go" ]; do sleep 0.02; done
echo "url=found" >> "$TOSCA_OUTPUTS"
echo "no luck" >&2
exit "$(cat "$dir/go")"`

func slowScript(dir string, began time.Time) *executor.Operation {
	return &executor.Operation{ID: "op-1", Attempt: 1, Interface: "Standard", Name: "create", Began: began,
		Files: fstest.MapFS{"create.sh": {Data: []byte(slow)}}, Primary: &executor.File{Path: "create.sh"},
		Inputs: map[string]any{"dir": dir, "password": "s3cr3t"}, Log: io.Discard}
}

func inWork(dir string) *local.Driver {
	return local.New(local.Config{WorkDir: filepath.Join(dir, "work"), Grace: time.Second})
}

func runChild(dir string) {
	_, err := inWork(dir).Start(context.Background(), slowScript(dir, time.Now()))
	fmt.Println("the child was not killed:", err)
	os.Exit(3)
}

// await waits for what must happen soon.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for tick := time.NewTicker(5 * time.Millisecond); !done(); <-tick.C {
		require.True(t, time.Now().Before(deadline), "still waiting for %s", what)
	}
}

// startAndKill runs a script in a process that is killed while the script runs;
// it returns the script's process number.
func startAndKill(t *testing.T, dir string) int {
	t.Helper()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "work"), 0o700))
	exe, err := os.Executable()
	require.NoError(t, err)
	child := exec.Command(exe)
	child.Env = append(os.Environ(), killedChild+"="+dir)
	require.NoError(t, child.Start())
	var pid int
	await(t, "the script", func() bool {
		text, _ := os.ReadFile(filepath.Join(dir, "began"))
		pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		return pid > 0
	})
	require.NoError(t, child.Process.Kill())
	require.Error(t, child.Wait())
	return pid
}

// A script whose process was killed is found: while it runs, after it has
// ended, and when it was killed too.
func TestFoundAfterKill(t *testing.T) {
	t.Parallel()
	lab.Require(t, "bash")
	began := time.Now().Add(-time.Second)
	poll := func(t *testing.T, d *local.Driver, s executor.Status) executor.Status {
		t.Helper()
		h := s.Handle
		await(t, "the end of the script", func() bool {
			all, err := d.Poll(t.Context(), []executor.Handle{h})
			require.NoError(t, err)
			require.Len(t, all, 1)
			s = all[0]
			return s.State != executor.Running
		})
		return s
	}
	finish := func(t *testing.T, dir, code string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "go.new"), []byte(code+"\n"), 0o600))
		require.NoError(t, os.Rename(filepath.Join(dir, "go.new"), filepath.Join(dir, "go")))
	}
	found := func(t *testing.T) (string, *local.Driver, int, executor.Status) {
		dir := t.TempDir()
		pid := startAndKill(t, dir)
		d := inWork(dir)
		s, err := d.Recover(t.Context(), slowScript(dir, began))
		require.NoError(t, err)
		require.Equal(t, executor.Running, s.State)
		return dir, d, pid, s
	}
	t.Run("running", func(t *testing.T) {
		t.Parallel()
		dir, d, _, s := found(t)
		finish(t, dir, "0")
		s = poll(t, d, s)
		require.NoError(t, s.Err)
		require.Equal(t, map[string]any{"url": "found"}, s.Outputs)
		require.NoFileExists(t, filepath.Join(folders(t, filepath.Join(dir, "work"))[0], "inputs.json"))
		// It is found as long as nobody has recorded it.
		s, err := inWork(dir).Recover(t.Context(), slowScript(dir, began))
		require.NoError(t, err)
		require.Equal(t, executor.Succeeded, s.State)
		d.Forget(slowScript(dir, began))
		require.Empty(t, folders(t, filepath.Join(dir, "work")))
	})
	t.Run("failed", func(t *testing.T) {
		t.Parallel()
		dir, d, _, s := found(t)
		finish(t, dir, "4")
		poll(t, d, s)
		s, err := inWork(dir).Recover(t.Context(), slowScript(dir, began))
		require.NoError(t, err)
		require.Equal(t, executor.Failed, s.State)
		require.ErrorContains(t, s.Err, "exit code 4: no luck")
	})
	t.Run("canceled", func(t *testing.T) {
		t.Parallel()
		_, d, pid, s := found(t)
		require.NoError(t, d.Cancel(t.Context(), s.Handle))
		await(t, "the end of the script", func() bool { return syscall.Kill(pid, 0) != nil || zombie(pid) })
		require.Equal(t, executor.Failed, poll(t, d, s).State)
	})
	t.Run("started again", func(t *testing.T) {
		t.Parallel()
		dir, d, _, _ := found(t)
		finish(t, dir, "0")
		s, err := d.Start(t.Context(), slowScript(dir, began)) // waits for the one that runs
		require.NoError(t, err)
		require.Equal(t, map[string]any{"url": "found"}, s.Outputs)
	})
	t.Run("vanished", func(t *testing.T) {
		t.Parallel()
		dir, d, _, s := found(t)
		text, err := os.ReadFile(filepath.Join(folders(t, filepath.Join(dir, "work"))[0], "lock"))
		require.NoError(t, err)
		leader, err := strconv.Atoi(strings.TrimSpace(string(text)))
		require.NoError(t, err)
		require.NoError(t, syscall.Kill(-leader, syscall.SIGKILL))
		s = poll(t, d, s)
		require.Equal(t, executor.Lost, s.State)
		require.ErrorContains(t, s.Err, "ended without saying how")
	})
}

// waited is a context that tells when somebody begins to wait for its end.
type waited struct {
	context.Context
	once  sync.Once
	waits chan struct{}
}

func (w *waited) Done() <-chan struct{} {
	w.once.Do(func() { close(w.waits) })
	return w.Context.Done()
}

// Whoever waits for a script that another process was about to begin, and did
// not, begins it.
func TestBegunByTheNext(t *testing.T) {
	t.Parallel()
	lab.Require(t, "bash")
	dir := t.TempDir()
	d := local.New(local.Config{WorkDir: dir})
	boot, err := filepath.Glob(filepath.Join(dir, "orchestrator-local-*", "boot-*"))
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(filepath.Join(boot[0], "op-1.0"), 0o700))
	lock, err := os.Create(filepath.Join(boot[0], "op-1.0", "lock"))
	require.NoError(t, err)
	require.NoError(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX))

	ctx := &waited{Context: t.Context(), waits: make(chan struct{})}
	outcome := make(chan executor.Status, 1)
	go func() {
		s, _ := d.Start(ctx, script(`echo "by=me" >> "$TOSCA_OUTPUTS"`))
		outcome <- s
	}()
	<-ctx.waits
	require.NoError(t, lock.Close())
	s := <-outcome
	require.NoError(t, s.Err)
	require.Equal(t, map[string]any{"by": "me"}, s.Outputs)
}

func zombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(stat), ") ")
	return err != nil || strings.HasPrefix(rest, "Z")
}

// What is not there means that it never began only where the folder has been
// there all the time.
func TestAbsence(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	before := time.Now().Add(-time.Minute)
	d := local.New(local.Config{WorkDir: dir})
	cases := []struct {
		name  string
		began time.Time
		want  executor.OperationState
	}{
		{"behind the folder", time.Now(), executor.NotStarted},
		{"in front of it", before, executor.Lost},
		{"nobody knows when", time.Time{}, executor.Lost},
	}
	for _, c := range cases {
		s, err := d.Recover(t.Context(), slowScript(dir, c.began))
		require.NoError(t, err)
		require.Equal(t, c.want, s.State, c.name)
	}
	account, err := filepath.Glob(filepath.Join(dir, "orchestrator-local-*"))
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(account[0])) // as a restart does
	s, err := d.Recover(t.Context(), slowScript(dir, time.Now()))
	require.NoError(t, err)
	require.Equal(t, executor.Lost, s.State)
}

// What killed processes have left is removed by the next one.
func TestSweep(t *testing.T) {
	t.Parallel()
	lab.Require(t, "bash")
	dir := t.TempDir()
	local.New(local.Config{WorkDir: dir})
	boot, err := filepath.Glob(filepath.Join(dir, "orchestrator-local-*", "boot-*"))
	require.NoError(t, err)
	age := func(path string, age time.Duration) {
		when := time.Now().Add(-age)
		require.NoError(t, os.Chtimes(path, when, when))
	}
	left := func(path string, how time.Duration, files ...string) {
		require.NoError(t, os.MkdirAll(filepath.Join(path, "work"), 0o700))
		for _, f := range append(files, "lock", "inputs.json", "work/a.sh") {
			require.NoError(t, os.WriteFile(filepath.Join(path, f), []byte("0\n"), 0o600))
		}
		age(path, how)
	}
	ended, ancient := filepath.Join(boot[0], "ended.1"), filepath.Join(boot[0], "ancient.1")
	fresh, earlier := filepath.Join(boot[0], "fresh.1"), filepath.Join(filepath.Dir(boot[0]), "boot-0")
	left(ended, time.Hour, "outputs")
	left(ancient, 8*24*time.Hour)
	left(fresh, 0)
	left(earlier, time.Hour)
	d := local.New(local.Config{WorkDir: dir})
	op := script("true")
	_, err = d.Start(t.Context(), op)
	require.NoError(t, err)
	d.Forget(op)
	require.FileExists(t, filepath.Join(ended, "lock"), "somebody may ask for it")
	require.FileExists(t, filepath.Join(ended, "outputs"))
	require.NoFileExists(t, filepath.Join(ended, "inputs.json"))
	require.NoDirExists(t, filepath.Join(ended, "work"))
	require.NoDirExists(t, ancient)
	require.NoDirExists(t, earlier)
	require.FileExists(t, filepath.Join(fresh, "inputs.json"), "another process may be at it")
}

// A folder that others have made first is not used.
func TestForeignFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	account := filepath.Join(dir, "orchestrator-local-"+strconv.Itoa(os.Geteuid()))
	require.NoError(t, os.Mkdir(account, 0o700))
	require.NoError(t, os.Chmod(account, 0o777))
	// Not even where it looks as if it had been used.
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err == nil {
		made := filepath.Join(account, "boot-"+strings.TrimSpace(string(boot)))
		require.NoError(t, os.Mkdir(made, 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(made, "since"), []byte("2026-01-01T00:00:00Z\n"), 0o600))
	}
	s, err := local.New(local.Config{WorkDir: dir}).Start(t.Context(), script("true"))
	require.NoError(t, err)
	require.Equal(t, executor.FailedPrecondition, executor.CodeOf(s.Err))
	require.ErrorContains(t, s.Err, "is not a folder of this account alone")
	require.NoError(t, os.RemoveAll(account))
	require.NoError(t, os.Symlink(t.TempDir(), account))
	s, err = local.New(local.Config{WorkDir: dir}).Start(t.Context(), script("true"))
	require.NoError(t, err)
	require.ErrorContains(t, s.Err, "is not a folder of this account alone")
}
