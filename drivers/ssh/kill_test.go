package ssh_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/drivers/ssh"
	"github.com/seed-a4fd30b5/orchestrator/drivers/ssh/transport"
	"github.com/seed-a4fd30b5/orchestrator/executor"
)

// killedChild tells a child process, as JSON, what to run.
const killedChild = "ORCHESTRATOR_TEST_SSH_KILL"

type childCase struct {
	KeyFile, KnownHosts, WorkDir, Dir, Script string
	Host                                      executor.Host
}

func (c childCase) config() ssh.Config {
	return ssh.Config{WorkDir: c.WorkDir, Grace: 500 * time.Millisecond,
		Transport: transport.Config{KeyFiles: []string{c.KeyFile}, KnownHosts: []string{c.KnownHosts}, AgentSocket: "none"}}
}

func (c childCase) operation() *executor.Operation {
	return &executor.Operation{ID: "op-1", Attempt: 1, Interface: "Standard", Name: "create", Began: time.Now(),
		Files: fstest.MapFS{"create.sh": {Data: []byte(c.Script)}}, Primary: &executor.File{Path: "create.sh"},
		Inputs: map[string]any{"dir": c.Dir, "password": "s3cr3t-w0rd"}, Secrets: []string{"s3cr3t-w0rd"}, Host: c.Host, Log: io.Discard}
}

// runChild runs the script, and says so when it has ended; then it waits for
// its death.
func runChild(what string) int {
	var c childCase
	if err := json.Unmarshal([]byte(what), &c); err != nil {
		fmt.Println(err)
		return 1
	}
	s, err := ssh.New(c.config()).Start(context.Background(), c.operation())
	fmt.Println(s.State, s.Err, err)
	if err := os.WriteFile(filepath.Join(c.Dir, "returned"), []byte("yes\n"), 0o600); err != nil {
		return 1
	}
	select {}
}

// startAndKill runs a script over the real sshd in a process that is killed
// when a file is there.
func startAndKill(b *bench, script, until string) childCase {
	b.Helper()
	c := childCase{KeyFile: b.server.KeyFile, KnownHosts: b.server.KnownHosts, WorkDir: b.config.WorkDir, Dir: b.dir,
		Script: script, Host: host(b.server)}
	what, err := json.Marshal(c)
	require.NoError(b, err)
	exe, err := os.Executable()
	require.NoError(b, err)
	child := exec.Command(exe)
	child.Env = append(os.Environ(), killedChild+"="+string(what))
	require.NoError(b, child.Start())
	b.await(until)
	require.NoError(b, child.Process.Kill())
	require.Error(b, child.Wait())
	return c
}

// A script whose orchestrator was killed while it ran goes on, and is found: as
// running, and when it has ended with its exit code, outputs and last words.
func TestFoundAfterKill(t *testing.T) {
	for _, code := range []string{"0", "3"} {
		t.Run("exit "+code, func(t *testing.T) {
			b := newBench(t, nil)
			c := startAndKill(b, `echo x >> "$dir/began"
`+waitForGo+`echo "url=found" >> "$TOSCA_OUTPUTS"
echo "$password is wrong" >&2
exit `+code, "began")
			s, err := b.driver.Recover(t.Context(), c.operation())
			require.NoError(t, err)
			require.Equal(t, executor.Running, s.State)
			b.touch("go")
			h := s.Handle
			require.Eventually(t, func() bool {
				all, err := b.driver.Poll(t.Context(), []executor.Handle{h})
				require.NoError(t, err)
				require.Len(t, all, 1)
				s = all[0]
				return s.State != executor.Running
			}, 2*time.Minute, 10*time.Millisecond)
			requireFound(t, code, s)
			require.Equal(t, "x", b.await("began"), "once")
			require.NotContains(t, b.left(c.operation()), "inputs.json")
			// Nobody has recorded it yet.
			s, err = open(t, b.config).Recover(t.Context(), c.operation())
			require.NoError(t, err)
			requireFound(t, code, s)
			b.driver.Forget(c.operation())
			require.NoError(t, b.driver.Close())
			require.Nil(t, b.left(c.operation()))
		})
	}
}

func requireFound(t *testing.T, code string, s executor.Status) {
	t.Helper()
	if code == "0" {
		require.NoError(t, s.Err)
		require.Equal(t, executor.Succeeded, s.State)
		require.Equal(t, map[string]any{"url": "found"}, s.Outputs)
		return
	}
	require.Equal(t, executor.Failed, s.State)
	require.ErrorContains(t, s.Err, "exit code 3: *** is wrong")
}

// One that had ended when the orchestrator was killed, and whose outcome was not
// recorded, is found too.
func TestFoundAfterItsEnd(t *testing.T) {
	b := newBench(t, nil)
	c := startAndKill(b, `echo x >> "$dir/began"; echo "url=found" >> "$TOSCA_OUTPUTS"`, "returned")
	s, err := b.driver.Recover(t.Context(), c.operation())
	require.NoError(t, err)
	requireFound(t, "0", s)
	s, err = b.driver.Start(t.Context(), c.operation())
	require.NoError(t, err)
	requireFound(t, "0", s)
	require.Equal(t, "x", b.await("began"), "once")
}

// What is there of an old operation says nothing once the host may have removed it.
func TestOldAbsence(t *testing.T) {
	b := newBench(t, nil)
	op := b.operation("true")
	for began, want := range map[time.Duration]executor.OperationState{time.Hour: executor.NotStarted, 6 * 24 * time.Hour: executor.Lost} {
		op.Began = time.Now().Add(-began)
		s, err := b.driver.Recover(t.Context(), op)
		require.NoError(t, err)
		require.Equal(t, want, s.State)
	}
}

// What killed orchestrators have left on a host goes when a later one removes
// its own; what runs, is younger or somebody else's stays.
func TestOldFoldersAreRemoved(t *testing.T) {
	b := newBench(t, nil)
	left := func(name string, days int, files ...string) {
		dir := filepath.Join(b.config.WorkDir, name)
		require.NoError(t, os.Mkdir(dir, 0o700))
		for _, f := range files {
			require.NoError(t, os.WriteFile(filepath.Join(dir, f), []byte("0\n"), 0o600))
		}
		when := time.Now().Add(-time.Duration(days) * 24 * time.Hour)
		require.NoError(t, os.Chtimes(dir, when, when))
	}
	left("old.1", 9, "stdout", "stderr", "outputs", "exit")
	left("never-launched.1", 9, "stdout", "outputs", "inputs.json")
	left("young.1", 2, "stdout", "outputs", "exit")
	left("my.photos", 99, "a.jpg")
	op := b.operation("true")
	require.NoError(t, (<-b.start(t.Context(), op)).Err)
	b.driver.Forget(op)
	require.NoError(t, b.driver.Close())
	entries, err := os.ReadDir(b.config.WorkDir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	require.Equal(t, []string{"my.photos", "young.1"}, names)
}
