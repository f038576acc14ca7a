package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/internal/lab"
	"github.com/seed-a4fd30b5/orchestrator/internal/lab/pbs"
	"github.com/seed-a4fd30b5/orchestrator/internal/lab/slurm"
)

func TestMain(m *testing.M) {
	pbs.Main() // this binary is also the commands of the imitated Torque
	os.Exit(slurm.Main(m))
}

// hpcjob runs the program and returns what it printed.
func hpcjob(t *testing.T, code int, args ...string) (out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	require.Equal(t, code, run(t.Context(), args, &o, &e), "%s%s", &o, &e)
	return o.String(), e.String()
}

func TestJobs(t *testing.T) {
	t.Setenv("SLURM_CONF", slurm.Shared(t).Conf)
	dir := t.TempDir()
	script := filepath.Join(dir, "job.sh")
	require.NoError(t, os.WriteFile(script, []byte("echo \"$WHO was here with $*\"; exit 3\n"), 0o600))
	out, _ := hpcjob(t, 0, "submit", "--chdir", dir, "--env", "WHO=it's me, a=b", "--env", "NONE=", "--walltime", "00:02:00", script, "a  b", "--name")
	id := strings.TrimSpace(out)
	out, errOut := hpcjob(t, 1, "watch", "--period", "200ms", id)
	require.Regexp(t, id+` .* failed +exit-code +3 `, out)
	require.Equal(t, "hpcjob: job "+id+" has not completed\n", errOut)
	out, _ = hpcjob(t, 0, "logs", id)
	require.Equal(t, "it's me, a=b was here with a  b --name\n", out)
	out, _ = hpcjob(t, 0, "status", id)
	require.Regexp(t, id+` +job.sh +batch +failed `, out)

	out, _ = hpcjob(t, 0, "submit", "--after", "afterany:"+id, "--begin", "1s", "--output", "out", "--", "sh", "-c", "pwd; sleep 1; echo end")
	id = strings.TrimSpace(out)
	out, _ = hpcjob(t, 0, "logs", "--follow", "--period", "200ms", "--output", "out", id)
	require.Regexp(t, `/\.orchestrator/jobs/job\.\w{8}\nend\n$`, out)

	out, _ = hpcjob(t, 0, "--json", "submit", "--chdir", dir, "--hold", "--", "sleep", "1000")
	var submitted struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(out), &submitted))
	hpcjob(t, 0, "release", submitted.ID)
	hpcjob(t, 0, "cancel", submitted.ID)
	hpcjob(t, 1, "watch", "--period", "200ms", submitted.ID)
	var jobs []*hpc.Job
	out, _ = hpcjob(t, 0, "--json", "status", submitted.ID)
	require.NoError(t, json.Unmarshal([]byte(out), &jobs))
	require.Len(t, jobs, 1)
	require.Equal(t, hpc.Canceled, jobs[0].State)
}

// awaitNodes asks for the nodes until they are as wanted.
func awaitNodes(t *testing.T, wanted string) (out string) {
	t.Helper()
	require.Eventually(t, func() bool {
		out, _ = hpcjob(t, 0, "nodes")
		return regexp.MustCompile(wanted).MatchString(out)
	}, 2*time.Minute, 200*time.Millisecond)
	return out
}

func TestCluster(t *testing.T) {
	t.Setenv("SLURM_CONF", slurm.Shared(t).Conf)
	out, _ := hpcjob(t, 0, "queues")
	require.Regexp(t, `(?m)^batch +true `, out)
	out = awaitNodes(t, `(?m)^n1 +idle .* 4 +4000 MiB (?s:.*)^n2 +idle (?s:.*)^n3 +idle `)
	hpcjob(t, 1, "status", "999999")

	endpoint := slurm.Shared(t).REST
	served, _ := hpcjob(t, 0, "--endpoint", endpoint, "nodes")
	require.Equal(t, out, served)
	t.Setenv("SLURM_JWT", "not-a-token")
	_, errOut := hpcjob(t, 1, "--endpoint", endpoint, "nodes")
	require.Contains(t, errOut, "the token is refused")
	require.NotContains(t, errOut, "not-a-token")
}

// What a task of an array has printed is in a file of its own.
func TestTasks(t *testing.T) {
	t.Setenv("SLURM_CONF", slurm.Shared(t).Conf)
	dir := t.TempDir()
	out, _ := hpcjob(t, 0, "submit", "--chdir", dir, "--array", "1-2", "--", "sh", "-c", "echo task $SLURM_ARRAY_TASK_ID")
	id := strings.TrimSpace(out)
	hpcjob(t, 0, "watch", "--period", "200ms", id)
	out, _ = hpcjob(t, 0, "logs", id+"_2")
	require.Equal(t, "task 2\n", out)
	_, errOut := hpcjob(t, 1, "logs", id)
	require.Equal(t, "hpcjob: job "+id+" is an array: name a task, such as "+id+"_1\n", errOut)

	file := filepath.Join(t.TempDir(), "a file")
	out, _ = hpcjob(t, 0, "submit", "--chdir", dir, "--output", file, "--", "echo", "elsewhere")
	out, _ = hpcjob(t, 0, "logs", "--follow", "--period", "200ms", "--output", file, strings.TrimSpace(out))
	require.Equal(t, "elsewhere\n", out)
}

// Nodes are drained and come back, by commands and beside slurmrestd.
func TestDrain(t *testing.T) {
	cluster := slurm.Shared(t)
	t.Setenv("SLURM_CONF", cluster.Conf)
	for _, where := range [][]string{nil, {"--endpoint", cluster.REST}} {
		hpcjob(t, 0, append(where, "drain", "--reason", "new disk: state=down", "n3")...)
		awaitNodes(t, `(?m)^n3 +drained .* new disk: state=down`) // what an earlier job left is cleared away first
		hpcjob(t, 0, append(where, "undrain", "n3")...)
		awaitNodes(t, `(?m)^n3 +idle `) // the node reports back first
	}
	_, errOut := hpcjob(t, 1, "undrain", "n3")
	require.Contains(t, errOut, "Invalid node state")
	_, errOut = hpcjob(t, 1, "drain", "--reason", "x", "n9")
	require.Contains(t, errOut, "Invalid node name")
	hpcjob(t, 1, "drain", "--reason", "x", "n1 state=down")
}

// The login node is reached through any number of hosts.
func TestJump(t *testing.T) {
	first, second, login := lab.SSHD(t, lab.SSHDOptions{}), lab.SSHD(t, lab.SSHDOptions{}),
		lab.SSHD(t, lab.SSHDOptions{Env: pbs.Start(t, pbs.Options{}).Env()})
	key, err := os.ReadFile(login.KeyFile)
	require.NoError(t, err)
	signer, err := ssh.ParsePrivateKey(key)
	require.NoError(t, err)
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("SSH_AUTH_SOCK", "")
	require.NoError(t, os.Mkdir(filepath.Join(home, ".ssh"), 0o700))
	var hosts []string
	for _, s := range []*lab.Server{first, second, login} {
		require.NoError(t, s.Authorize(signer.PublicKey()))
		hosts = append(hosts, fmt.Sprintf("%s@%s:%d", s.User, s.Address, s.Port))
	}
	args := []string{"--host", hosts[2], "--key", login.KeyFile, "--jump", hosts[0] + "," + hosts[1], "--manager", "torque", "nodes"}
	for _, s := range []*lab.Server{first, second, login} {
		_, errOut := hpcjob(t, 1, args...)
		require.Contains(t, errOut, ssh.FingerprintSHA256(s.HostKey))
		file, err := os.OpenFile(filepath.Join(home, ".ssh", "known_hosts"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		require.NoError(t, err)
		known, err := os.ReadFile(s.KnownHosts)
		require.NoError(t, err)
		_, err = file.Write(known)
		require.NoError(t, errors.Join(err, file.Close()))
	}
	out, _ := hpcjob(t, 0, args...)
	require.Regexp(t, `(?m)^vm +idle `, out)
	require.Contains(t, second.Log(), "Accepted publickey")
	args[5] = hosts[0] + ","
	hpcjob(t, 2, args...)
}

func TestDrainTorque(t *testing.T) {
	for name, value := range pbs.Start(t, pbs.Options{}).Env() {
		t.Setenv(name, value)
	}
	hpcjob(t, 0, "--manager", "torque", "drain", "--reason", "new disk", "vm")
	out, _ := hpcjob(t, 0, "--manager", "torque", "nodes")
	require.Regexp(t, `(?m)^vm +drained .* new disk$`, out)
	hpcjob(t, 0, "--manager", "torque", "undrain", "vm")
	out, _ = hpcjob(t, 0, "--manager", "torque", "nodes")
	require.Regexp(t, `(?m)^vm +idle `, out)
	_, errOut := hpcjob(t, 1, "--manager", "torque", "undrain", "n9")
	require.Contains(t, errOut, "Unknown node")
}

func TestInterrupted(t *testing.T) {
	t.Setenv("SLURM_CONF", slurm.Shared(t).Conf)
	id, _ := hpcjob(t, 0, "submit", "--chdir", t.TempDir(), "--hold", "--", "true")
	ctx, cancel := context.WithCancel(t.Context())
	var out writerFunc = func(p []byte) (int, error) {
		cancel() // when the first line of the job is there
		return len(p), nil
	}
	var errOut bytes.Buffer
	require.Equal(t, 130, run(ctx, []string{"watch", strings.TrimSpace(id)}, out, &errOut))
	require.Equal(t, "hpcjob: interrupted; jobs go on\n", errOut.String())
	hpcjob(t, 0, "cancel", strings.TrimSpace(id))
}

type writerFunc func([]byte) (int, error)

func (w writerFunc) Write(p []byte) (int, error) { return w(p) }

// JSON has lists also where there is nothing, and nothing where there is an error.
func TestJSON(t *testing.T) {
	t.Setenv("SLURM_CONF", slurm.Shared(t).Conf)
	out, _ := hpcjob(t, 0, "--json", "list", "--user", "nobody")
	require.Equal(t, "[]\n", out)
	out, _ = hpcjob(t, 1, "--json", "status", "999999")
	require.Equal(t, "[]\n", out)
	t.Setenv("SLURM_JWT", "none")
	for _, what := range []string{"queues", "nodes"} {
		out, _ = hpcjob(t, 1, "--endpoint", "http://127.0.0.1:1", what)
		require.Empty(t, out)
	}
}

func TestWrongUse(t *testing.T) {
	for want, args := range map[string][]string{
		"name a job script": {"submit"},
		"is no walltime":    {"submit", "--walltime", "soon", "--", "true"},
		"is no amount":      {"submit", "--memory", "much", "--", "true"},
		"name a job":        {"cancel"},
		"name one job":      {"logs", "1", "2"},
		"--begin soon is":   {"submit", "--begin", "soon", "--", "true"},
		"unknown flag":      {"--colour", "list"},
		"is no port":        {"--host", "me@there:ssh", "list"},
		"no command":        {"lists"},
		"takes no arg":      {"queues", "batch"},
		"--reason":          {"drain", "n1"},
		"--env A b is not":  {"submit", "--env", "A b", "--", "true"},
		"name a node":       {"undrain"},
	} {
		_, errOut := hpcjob(t, 2, args...)
		require.Contains(t, errOut, want)
	}
}
