package drivertest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/executor"
)

// waitFor is a line of Bash that waits until the test makes a file.
const waitFor = `while [ -d "$dir" ] && [ ! -e "$dir/go" ]; do sleep 0.02; done
`

func testLogStreams(b *bench) {
	op, log := b.operation("log.sh", `
echo "first line"; echo "an error line" >&2
`+waitFor+`
printf "the end"`)
	ended := b.background(b.Context(), op)
	b.eventually("the first lines in the log", func() bool {
		return strings.Contains(log.String(), "first line\n") && strings.Contains(log.String(), "an error line\n")
	})
	require.NotContains(b, log.String(), "the end")
	b.touch("go")
	require.NoError(b, b.receive(ended).Err)
	require.Contains(b, log.String(), "the end")
}

func testBigOutput(b *bench) {
	const size = 10 << 20
	op, log := b.operation("big.py", fmt.Sprintf(`
import sys
for _ in range(%d): sys.stdout.write("x" * (1 << 20))
print()
for i in range(20000): print("line", i, file=sys.stderr)
sys.exit(4)`, size>>20))
	err := b.fail(op)
	require.Less(b, len(err.Error()), 8<<10, "an error has the last words only")
	require.ErrorContains(b, err, "line 19999")
	text := log.String()
	require.Equal(b, size, strings.Count(text, "x"))
	require.Equal(b, 20000, strings.Count(text, "line "))
	require.LessOrEqual(b, log.longest, 1<<20, "the log gets pieces, so that memory is bounded")
}

func testBinaryOutput(b *bench) {
	op, log := b.operation("binary.py", `
import sys
sys.stdout.buffer.write(bytes(range(256)) * 4)
sys.stderr.buffer.write(b"caf\xe9 \xff\xfe\n")
sys.exit(1)`)
	err := b.fail(op)
	require.ErrorContains(b, err, "caf")
	require.True(b, strings.Contains(err.Error(), "\uFFFD"), "what is not UTF-8 is marked")
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	// The line feed in the middle may be where the other stream comes between.
	require.Equal(b, 4, bytes.Count([]byte(log.String()), all[11:]))
}

func testFailure(b *bench) {
	op, log := b.operation("fail.sh", `
echo "some progress"
echo "cannot reach the repository: žádná odpověď" >&2
echo "url=half" >> "$TOSCA_OUTPUTS"
exit 3`)
	err := b.fail(op)
	require.Equal(b, executor.CodeFailed, executor.CodeOf(err))
	require.False(b, executor.Retryable(err))
	require.ErrorContains(b, err, "fail.sh")
	require.ErrorContains(b, err, "exit code 3")
	require.ErrorContains(b, err, "cannot reach the repository: žádná odpověď")
	require.NotContains(b, err.Error(), "some progress")
	require.Contains(b, log.String(), "some progress\n")

	op, _ = b.operation("fail.sh", `echo "said on standard output"; exit 1`)
	require.ErrorContains(b, b.fail(op), "said on standard output")
}

func testFailureBySignal(b *bench) {
	op, _ := b.operation("killed.sh", `kill -9 $$`)
	err := b.fail(op)
	require.Equal(b, executor.CodeFailed, executor.CodeOf(err))
	require.ErrorContains(b, err, "killed by signal SIGKILL")
}

func testRetryable(b *bench) {
	op, _ := b.operation("later.sh", `echo "not yet" >&2; exit 75`)
	err := b.fail(op)
	require.True(b, executor.Retryable(err))
	require.Equal(b, executor.Unavailable, executor.CodeOf(err))
	require.ErrorContains(b, err, "not yet")
}

func testUnknownInterpreter(b *bench) {
	for _, shebang := range []string{"#!/opt/no-such/interpreter", "#!/usr/bin/env no-such-interpreter"} {
		op, _ := b.operation("strange", shebang+"\nhello\n")
		err := b.fail(op)
		require.Contains(b, []executor.Code{executor.FailedPrecondition, executor.CodeFailed}, executor.CodeOf(err))
		require.ErrorContains(b, err, strings.TrimPrefix(shebang[strings.LastIndexAny(shebang, "/ ")+1:], "/"))
	}
}

func testSecrets(b *bench) {
	key := "-----BEGIN KEY-----\nc2VjcmV0IGtleQ==\n-----END KEY-----\n"
	op, log := b.operation("secret.sh", `
echo "password is $password"; echo "$key"
echo "login with $password failed" >&2
exit 1`)
	op.Inputs["password"], op.Inputs["key"] = "s3cr3t-w0rd", key
	op.Secrets = []string{"s3cr3t-w0rd", key}
	err := b.fail(op)
	for _, text := range []string{err.Error(), log.String()} {
		require.NotContains(b, text, "s3cr3t-w0rd")
		require.NotContains(b, text, "c2VjcmV0IGtleQ==")
	}
	require.ErrorContains(b, err, "login with *** failed")
	require.Contains(b, log.String(), "password is ***\n")
}

// family prints the process numbers of a script, its child and its grandchild.
const family = `
bash -c 'sleep 300 & echo $! > "$dir/grandchild"; wait' &
echo $! > "$dir/child"
echo $$ > "$dir/script"
`

func testCancelKillsChildren(b *bench) {
	op, _ := b.operation("family.sh", `trap 'echo "asked to stop" >&2; exit 0' TERM`+family+`wait`)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	ended := b.background(ctx, op)
	pids := []int{b.awaitPID("grandchild"), b.awaitPID("child"), b.awaitPID("script")}
	for _, pid := range pids {
		require.True(b, alive(pid))
	}
	cancel()
	s := b.receive(ended)
	require.Equal(b, executor.Canceled, s.State)
	require.Equal(b, executor.CodeCanceled, executor.CodeOf(s.Err))
	for _, pid := range pids {
		b.eventually("the end of the process", func() bool { return !alive(pid) })
	}
}

// testTimeoutKillsTheDeaf needs a driver whose grace period is a second or so.
func testTimeoutKillsTheDeaf(b *bench) {
	op, _ := b.operation("deaf.sh", `trap '' TERM`+family+`
while true; do sleep 0.1; done`)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	// The deadline is set when the script is known to run.
	expired, expire := context.WithCancelCause(ctx)
	defer expire(nil)
	timed := &deadline{Context: expired, done: make(chan struct{})}
	ended := b.background(timed, op)
	pids := []int{b.awaitPID("grandchild"), b.awaitPID("child"), b.awaitPID("script")}
	close(timed.done)
	s := b.receive(ended)
	require.Equal(b, executor.DeadlineExceeded, executor.CodeOf(s.Err))
	for _, pid := range pids {
		b.eventually("the end of the process", func() bool { return !alive(pid) })
	}
}

// deadline is a context whose deadline passes when the test says so.
type deadline struct {
	context.Context
	done chan struct{}
}

func (d *deadline) Done() <-chan struct{}       { return d.done }
func (d *deadline) Deadline() (time.Time, bool) { return time.Time{}, false }
func (d *deadline) Err() error {
	select {
	case <-d.done:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

func testCanceledBefore(b *bench) {
	op, _ := b.operation("a.sh", `echo ran > "$dir/ran"`)
	ctx, cancel := context.WithCancel(b.Context())
	cancel()
	s, err := b.driver.Start(ctx, op)
	if err == nil {
		err = s.Err
	}
	require.ErrorIs(b, err, context.Canceled)
	require.NoFileExists(b, b.path("ran"))
}

func testBackground(b *bench) {
	op, log := b.operation("daemon.sh", `
setsid bash -c 'echo $$ > "$dir/daemon"; `+strings.TrimSpace(waitFor)+`; echo "still writing"; echo "as before" > "$dir/wrote"; exec sleep 300' &
while [ ! -s "$dir/daemon" ]; do sleep 0.02; done
echo "started"`)
	b.succeed(op) // does not wait for the daemon, which holds the script's output
	pid := b.awaitPID("daemon")
	defer func() { _ = syscall.Kill(pid, syscall.SIGKILL) }()
	require.True(b, alive(pid))
	b.touch("go")
	require.Equal(b, "as before", b.awaitFile("wrote"), "its output did not break")
	require.Contains(b, log.String(), "started\n")
}

func testTwoAtOnce(b *bench) {
	text := `touch "$dir/$me"; while [ -d "$dir" ] && [ ! -e "$dir/$other" ]; do sleep 0.02; done; echo "me=$me" >> "$TOSCA_OUTPUTS"`
	one, _ := b.operation("a.sh", text)
	two, _ := b.operation("a.sh", text)
	one.Inputs["me"], one.Inputs["other"] = "one", "two"
	two.Inputs["me"], two.Inputs["other"] = "two", "one"
	first, second := b.background(b.Context(), one), b.background(b.Context(), two)
	require.Equal(b, map[string]any{"me": "one"}, b.receive(first).Outputs)
	require.Equal(b, map[string]any{"me": "two"}, b.receive(second).Outputs)
}

func testUnknownHandles(b *bench) {
	unknown := executor.Handle{Driver: b.driver.Name(), Operation: "never-started"}
	all, err := b.driver.Poll(b.Context(), []executor.Handle{unknown})
	require.NoError(b, err)
	require.LessOrEqual(b, len(all), 1)
	for _, s := range all {
		require.Contains(b, []executor.OperationState{executor.Lost, executor.NotStarted}, s.State)
	}
	require.NoError(b, b.driver.Cancel(b.Context(), unknown))
	all, err = b.driver.Poll(b.Context(), nil)
	require.NoError(b, err)
	require.Empty(b, all)
}

func testRecover(b *bench) {
	op, _ := b.operation("slow.sh", `
echo started >> "$dir/started"
`+waitFor+`
echo "url=found again" >> "$TOSCA_OUTPUTS"`)
	s, err := b.driver.Recover(b.Context(), op)
	require.NoError(b, err)
	if !b.harness.Recovers {
		require.Contains(b, []executor.OperationState{executor.Lost, executor.NotStarted}, s.State)
		return
	}
	require.Equal(b, executor.NotStarted, s.State)

	ended := b.background(b.Context(), op)
	b.awaitFile("started")
	other := b.harness.New(b.T) // as another process would
	s, err = other.Recover(b.Context(), op)
	require.NoError(b, err)
	require.Equal(b, executor.Running, s.State)
	b.touch("go")
	s = b.await(other, s)
	require.NoError(b, s.Err)
	require.Equal(b, executor.Succeeded, s.State)
	require.Equal(b, map[string]any{"url": "found again"}, s.Outputs)
	b.receive(ended)
	require.Equal(b, "started", b.awaitFile("started"))
}

func testStartTwice(b *bench) {
	if !b.harness.Recovers {
		b.Skip("the driver does not find its work again")
	}
	op, _ := b.operation("once.sh", `echo x >> "$dir/count"; echo "n=1" >> "$TOSCA_OUTPUTS"`)
	require.Equal(b, map[string]any{"n": "1"}, b.succeed(op))
	b.driver = b.harness.New(b.T)
	require.Equal(b, map[string]any{"n": "1"}, b.succeed(op))
	count, err := os.ReadFile(b.path("count"))
	require.NoError(b, err)
	require.Equal(b, "x\n", string(count))
}
