package hpc_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/lab"
)

// environmentFile prints, reads its input, has an array of bash, goes elsewhere and
// ends with a code that is not 0.
const environmentFile = "echo loading; echo news >&2; cat\nwords=(from the)\nexport FILE=\"${words[*]} file\" WINS=file\ncd /\n[ -n \"$NONE\" ] && export NONE\n"

// A shell reads the file before each command, and prints nothing of it.
func TestShellEnvironmentFile(t *testing.T) {
	home := t.TempDir()
	file := filepath.Join(home, "it's an environment")
	require.NoError(t, os.WriteFile(file, []byte(environmentFile), 0o600))
	server := lab.SSHD(t, lab.SSHDOptions{Env: map[string]string{"HOME": home}})
	t.Setenv("HOME", home)
	for name, options := range map[string]hpc.ShellOptions{
		"absolute":      {EnvironmentFile: file},
		"in the home":   {EnvironmentFile: "it's an environment"},
		"with a tilde":  {EnvironmentFile: "~/it's an environment"},
		"a login shell": {EnvironmentFile: file, LoginShell: true},
	} {
		options.Env = map[string]string{"WINS": "options"}
		for kind, shell := range map[string]hpc.Shell{"local": hpc.NewLocal(options), "ssh": overSSH(t, server, options)} {
			t.Run(name+", "+kind, func(t *testing.T) {
				r, err := shell.Run(t.Context(), hpc.Command{Args: []string{"sh", "-c", `echo "$FILE $WINS $PWD"; cat; echo err >&2; exit 3`}, Stdin: []byte("in"), Dir: "/tmp"})
				require.NoError(t, err)
				require.Equal(t, hpc.Result{Code: 3, Stdout: []byte("from the file options /tmp\nin"), Stderr: []byte("err\n")}, r)
			})
		}
	}
	for kind, shell := range map[string]hpc.Shell{
		"local":  hpc.NewLocal(hpc.ShellOptions{EnvironmentFile: file + "x"}),
		"folder": hpc.NewLocal(hpc.ShellOptions{EnvironmentFile: home}),
		"ssh":    overSSH(t, server, hpc.ShellOptions{EnvironmentFile: file + "x", LoginShell: true}),
	} {
		r, err := shell.Run(t.Context(), hpc.Command{Args: []string{"echo", "not run"}})
		require.NoError(t, err)
		require.Equal(t, 78, r.Code, kind)
		require.Empty(t, r.Stdout)
		require.Contains(t, string(r.Stderr), "cannot read the environment file "+home)
	}
}

// The jobs of a cluster read its file, and variables of the job win.
func TestEnvironmentFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "environment")
	require.NoError(t, os.WriteFile(file, []byte(environmentFile), 0o600))
	f := newFake(t)
	op := f.operation("op-1", map[string]any{"script": `echo "$FILE $WINS $PWD"`, "environment": map[string]any{"WINS": "job"}})
	op.Hosts[0].Properties["environment_file"] = file
	_, err := f.Start(t.Context(), op)
	require.NoError(t, err)
	run := func() (hpc.Result, string) {
		r, err := hpc.Local().Run(t.Context(), hpc.Command{Args: []string{"bash"}, Stdin: []byte(f.specs[0].Script), Env: map[string]string{"SLURM_JOB_ID": "7", "SLURM_ARRAY_JOB_ID": ""}})
		require.NoError(t, err)
		left, err := os.ReadFile(filepath.Join(f.folder(op), "job.exit"))
		require.NoError(t, err)
		return r, string(left)
	}
	r, left := run()
	require.Equal(t, hpc.Result{Stdout: []byte("loading\nfrom the file job " + f.folder(op) + "\n"), Stderr: []byte("news\n")}, r)
	require.Regexp(t, `^0 `, left)
	require.Empty(t, f.specs[0].EnvironmentFile, "the manager is not to read it again")

	require.NoError(t, os.Remove(file))
	r, left = run()
	require.Equal(t, 70, r.Code)
	require.Contains(t, string(r.Stderr), "cannot read the environment file "+file)
	require.Regexp(t, `^70 `, left)

	// A cluster without the file is no cluster without a workload manager.
	_, err = newFake(t).Start(t.Context(), op)
	require.Equal(t, executor.FailedPrecondition, executor.CodeOf(err))
	require.ErrorContains(t, err, "environment_file")
	require.ErrorContains(t, err, "cannot read the environment file "+file)
}
