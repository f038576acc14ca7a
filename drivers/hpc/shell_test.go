package hpc_test

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/drivers/ssh/transport"
	"github.com/seed-a4fd30b5/orchestrator/internal/lab"
)

// overSSH returns a shell over a real sshd.
func overSSH(t *testing.T, server *lab.Server, options hpc.ShellOptions) hpc.Shell {
	t.Helper()
	pool := transport.NewPool(transport.Config{KeyFiles: []string{server.KeyFile}, KnownHosts: []string{server.KnownHosts}, AgentSocket: "none"})
	t.Cleanup(pool.Close)
	return hpc.SSH(pool, transport.Host{Address: server.Address, Port: server.Port, User: server.User}, options)
}

// eachShell runs a test with every kind of shell.
func eachShell(t *testing.T, env map[string]string, test func(*testing.T, hpc.Shell)) {
	t.Run("local", func(t *testing.T) { test(t, hpc.NewLocal(hpc.ShellOptions{Env: env})) })
	t.Run("ssh", func(t *testing.T) {
		test(t, overSSH(t, lab.SSHD(t, lab.SSHDOptions{}), hpc.ShellOptions{Env: env}))
	})
}

func TestShellRun(t *testing.T) {
	odd := "a 'b' \"c\" $HOME `id` \\ \n!x * ;é"
	dir := t.TempDir()
	cases := []struct {
		name    string
		command hpc.Command
		want    hpc.Result
	}{
		{"words reach it as they are", hpc.Command{Args: []string{"printf", "%s|", odd, "", "-n"}}, hpc.Result{Stdout: []byte(odd + "||-n|")}},
		{"input", hpc.Command{Args: []string{"cat"}, Stdin: []byte("line\n\x00\xffend")}, hpc.Result{Stdout: []byte("line\n\x00\xffend")}},
		{"no input", hpc.Command{Args: []string{"cat"}}, hpc.Result{}},
		{"folder", hpc.Command{Args: []string{"pwd"}, Dir: dir}, hpc.Result{Stdout: []byte(dir + "\n")}},
		{"variables", hpc.Command{Args: []string{"sh", "-c", `printf %s "$A$B"`}, Env: map[string]string{"A": odd}}, hpc.Result{Stdout: []byte(odd + "all")}},
		{"exit code and errors", hpc.Command{Args: []string{"sh", "-c", "echo no >&2; exit 3"}}, hpc.Result{Code: 3, Stderr: []byte("no\n")}},
		{"signal", hpc.Command{Args: []string{"sh", "-c", "kill -9 $$"}}, hpc.Result{Code: 137}},
	}
	eachShell(t, map[string]string{"B": "all"}, func(t *testing.T, shell hpc.Shell) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				got, err := shell.Run(t.Context(), c.command)
				require.NoError(t, err)
				require.Equal(t, c.want.Code, got.Code)
				require.Equal(t, string(c.want.Stdout), string(got.Stdout))
				require.Equal(t, string(c.want.Stderr), string(got.Stderr))
			})
		}
		got, err := shell.Run(t.Context(), hpc.Command{Args: []string{"no-such-program"}})
		require.NoError(t, err)
		require.Equal(t, 127, got.Code)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = shell.Run(ctx, hpc.Command{Args: []string{"true"}})
		require.ErrorIs(t, err, context.Canceled)
	})
}

// A login shell has what the profile sets, and nothing of what it prints.
func TestLoginShell(t *testing.T) {
	home := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(home, ".bash_profile"), []byte("echo welcome; echo news >&2; cat; export FROM_PROFILE=yes\n"), 0o600))
	command := hpc.Command{Args: []string{"sh", "-c", `echo "$FROM_PROFILE"; cat; echo err >&2`}, Stdin: []byte("in")}
	server := lab.SSHD(t, lab.SSHDOptions{Env: map[string]string{"HOME": home}})
	t.Setenv("HOME", home)
	for name, shell := range map[string]hpc.Shell{
		"local": hpc.NewLocal(hpc.ShellOptions{LoginShell: true}),
		"ssh":   overSSH(t, server, hpc.ShellOptions{LoginShell: true}),
	} {
		t.Run(name, func(t *testing.T) {
			r, err := shell.Run(t.Context(), command)
			require.NoError(t, err)
			require.Equal(t, hpc.Result{Stdout: []byte("yes\nin"), Stderr: []byte("err\n")}, r)
		})
	}
}

// What start files print that bash reads whenever sshd runs it, such as .bashrc,
// is no answer of a command.
func TestBanner(t *testing.T) {
	file := filepath.Join(t.TempDir(), "start file")
	require.NoError(t, os.WriteFile(file, []byte("echo 'Welcome to the cluster!'; echo 'quota: 99%' >&2\n"), 0o600))
	shell := overSSH(t, lab.SSHD(t, lab.SSHDOptions{Env: map[string]string{"BASH_ENV": file}}), hpc.ShellOptions{})
	r, err := shell.Run(t.Context(), hpc.Command{Args: []string{"sh", "-c", "cat; echo no >&2; exit 3"}, Stdin: []byte("yes")})
	require.NoError(t, err)
	require.Equal(t, hpc.Result{Code: 3, Stdout: []byte("yes"), Stderr: []byte("no\n")}, r)
	id, err := hpc.Recorded(t.Context(), shell, filepath.Join(t.TempDir(), "none"))
	require.NoError(t, err)
	require.Empty(t, id, "a job that was not submitted has no ID")
}

func TestShellFiles(t *testing.T) {
	eachShell(t, nil, func(t *testing.T, shell hpc.Shell) {
		ctx, dir := t.Context(), t.TempDir()
		file := filepath.Join(dir, "new folder", "a file")
		require.NoError(t, shell.WriteFile(ctx, file, []byte("first"), 0o600))
		require.NoError(t, shell.WriteFile(ctx, file, []byte("0123456789"), 0o755))
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o755), info.Mode())
		content, err := shell.ReadFile(ctx, file)
		require.NoError(t, err)
		require.Equal(t, "0123456789", string(content))
		var part bytes.Buffer
		n, err := shell.ReadAt(ctx, file, 3, 4, &part)
		require.NoError(t, err)
		require.Equal(t, int64(4), n)
		require.Equal(t, "3456", part.String())
		n, err = shell.ReadAt(ctx, file, 10, 0, &part)
		require.NoError(t, err)
		require.Zero(t, n)
		require.NoError(t, shell.WriteFrom(ctx, file, 2, strings.NewReader("xy"), 0o600))
		content, err = shell.ReadFile(ctx, file)
		require.NoError(t, err)
		require.Equal(t, "01xy", string(content))
		other := filepath.Join(dir, "b", "c", "d")
		require.NoError(t, shell.WriteFrom(ctx, other, 0, strings.NewReader("fresh"), 0o640))
		content, err = os.ReadFile(other)
		require.NoError(t, err)
		require.Equal(t, "fresh", string(content))
		_, err = shell.ReadFile(ctx, filepath.Join(dir, "none"))
		require.ErrorIs(t, err, fs.ErrNotExist)
		_, err = shell.ReadAt(ctx, filepath.Join(dir, "none"), 0, 0, &part)
		require.ErrorIs(t, err, fs.ErrNotExist)
		require.NoError(t, shell.Remove(ctx, filepath.Join(dir, "b")))
		require.NoError(t, shell.Remove(ctx, filepath.Join(dir, "b")))
		require.NoDirExists(t, filepath.Join(dir, "b"))
	})
}

// Many submissions of one record run the command once and get the same answer.
func TestSubmitOnce(t *testing.T) {
	lab.Require(t, "flock")
	eachShell(t, nil, func(t *testing.T, shell hpc.Shell) {
		dir := t.TempDir()
		spec := &hpc.JobSpec{Record: filepath.Join(dir, "job 1", "id")}
		id, err := hpc.Recorded(t.Context(), shell, spec.Record)
		require.NoError(t, err)
		require.Empty(t, id)
		command := hpc.Command{Args: []string{"sh", "-c", `cat >>"$1/script"; echo x >>"$1/submitted"; echo "$(wc -l <"$1/submitted");lab"`, "sh", dir}, Stdin: []byte("#!")}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				r, err := hpc.SubmitOnce(t.Context(), shell, spec, command)
				if err != nil || r.Code != 0 || string(r.Stdout) != "1;lab\n" {
					t.Errorf("%v %d %s%s", err, r.Code, r.Stdout, r.Stderr)
				}
			})
		}
		wg.Wait()
		script, err := os.ReadFile(filepath.Join(dir, "script"))
		require.NoError(t, err)
		require.Equal(t, "#!", string(script))
		id, err = hpc.Recorded(t.Context(), shell, spec.Record)
		require.NoError(t, err)
		require.Equal(t, "1", id)
		// A site's own command in place of qsub says more.
		spec.Record = filepath.Join(dir, "job 3", "id")
		_, err = hpc.SubmitOnce(t.Context(), shell, spec, hpc.Command{Args: []string{"sh", "-c", "echo 'Charged to p 7:'; echo '27[].head'; echo 400 hours left"}})
		require.NoError(t, err)
		id, err = hpc.Recorded(t.Context(), shell, spec.Record)
		require.NoError(t, err)
		require.Equal(t, "27[].head", id)
		// A refusal is not recorded.
		spec.Record = filepath.Join(dir, "job 2", "id")
		r, err := hpc.SubmitOnce(t.Context(), shell, spec, hpc.Command{Args: []string{"sh", "-c", "echo bad queue >&2; exit 1"}})
		require.NoError(t, err)
		require.Equal(t, 1, r.Code)
		require.Equal(t, "bad queue\n", string(r.Stderr))
		id, err = hpc.Recorded(t.Context(), shell, spec.Record)
		require.NoError(t, err)
		require.Empty(t, id)
		_, err = hpc.SubmitOnce(t.Context(), shell, &hpc.JobSpec{Record: "relative"}, command)
		require.Error(t, err)
	})
}
