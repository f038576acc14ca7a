package hpc_test

import (
	"bufio"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
)

// A signal that a job is sent reaches its program, and how that ends then is how
// the job ends, an interrupt too.
func TestWrapperPassesSignalsOn(t *testing.T) {
	t.Parallel()
	// Where the tests run in the background, interrupts are ignored, and so in what
	// they start. What is caught here is not ignored there.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, os.Interrupt)
	defer signal.Stop(caught)
	f := newFake(t)
	const program = `#!/usr/bin/perl
$SIG{$ARGV[0]} = sub { exit 3 };
$| = 1; print "ready\n";
sleep 60 while 1;
`
	for _, name := range []string{"INT", "TERM", "USR1"} {
		op := f.operation("op-"+name, map[string]any{"script": program, "arguments": []any{name}})
		_, err := f.Start(t.Context(), op)
		require.NoError(t, err)
		for range 3 {
			// Not as a program in the background, which starts without interrupts.
			cmd := exec.CommandContext(t.Context(), "bash")
			cmd.Stdin = strings.NewReader(f.specs[len(f.specs)-1].Script)
			cmd.Env = append(os.Environ(), "PBS_JOBID=12.server")
			out, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			line, err := bufio.NewReader(out).ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, "ready\n", line)
			require.NoError(t, cmd.Process.Signal(signals[name]))
			_ = cmd.Wait()
			require.Equal(t, 3, cmd.ProcessState.ExitCode(), name)
		}
	}
}

var signals = map[string]os.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "USR1": syscall.SIGUSR1}

// The wrapper runs as a job does: it leaves how the program ended, and lets no
// second job run in the same directory.
func TestWrapper(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	op, _ := f.start(t, map[string]any{"script": "#!/bin/sh\n#PBS -l feature\necho \"$1 $X\"\nexit 5\n#PBS late\n", "arguments": []any{"a  'b'"},
		"environment": map[string]any{"X": "$HOME `id`"}})
	script := f.specs[0].Script
	require.True(t, strings.HasPrefix(script, "#!/bin/bash\n#PBS -l feature\n"), script)
	require.NotContains(t, script, "late")
	run := func(id string) hpc.Result {
		r, err := hpc.Local().Run(t.Context(), hpc.Command{Args: []string{"bash"}, Stdin: []byte(script), Env: map[string]string{"PBS_JOBID": id + ".server", "SLURM_JOB_ID": "", "SLURM_ARRAY_JOB_ID": ""}})
		require.NoError(t, err)
		return r
	}
	r := run("12")
	require.Equal(t, 5, r.Code)
	require.Equal(t, "a  'b' $HOME `id`\n", string(r.Stdout))
	left, err := os.ReadFile(filepath.Join(f.folder(op), "job.exit"))
	require.NoError(t, err)
	require.Regexp(t, `^5 \d+ \d+ \S+\n$`, string(left))
	r = run("13")
	require.Equal(t, 71, r.Code)
	require.Contains(t, string(r.Stderr), "another job runs this operation")
	require.Equal(t, 5, run("12").Code, "queued anew by the manager")
	left, err = os.ReadFile(filepath.Join(f.folder(op), "job.exit"))
	require.NoError(t, err)
	require.Regexp(t, `^5 \d+ \d+ \S+\n$`, string(left), "the job that was turned away leaves nothing")
}
