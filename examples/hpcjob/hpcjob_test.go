package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/internal/lab/slurm"
)

func TestMain(m *testing.M) { os.Exit(slurm.Main(m)) }

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
	out, _ := hpcjob(t, 0, "submit", "--chdir", dir, "--env", "WHO=it's me", "--walltime", "00:02:00", script, "a  b", "--name")
	id := strings.TrimSpace(out)
	out, errOut := hpcjob(t, 1, "watch", "--period", "200ms", id)
	require.Regexp(t, id+` .* failed +exit-code +3 `, out)
	require.Equal(t, "hpcjob: job "+id+" has not completed\n", errOut)
	out, _ = hpcjob(t, 0, "logs", id)
	require.Equal(t, "it's me was here with a  b --name\n", out)
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

func TestCluster(t *testing.T) {
	t.Setenv("SLURM_CONF", slurm.Shared(t).Conf)
	out, _ := hpcjob(t, 0, "queues")
	require.Regexp(t, `(?m)^batch +true `, out)
	out, _ = hpcjob(t, 0, "nodes")
	require.Regexp(t, `(?m)^n1 .* 4 +4000 MiB `, out)
	hpcjob(t, 1, "status", "999999")

	endpoint := slurm.Shared(t).REST
	served, _ := hpcjob(t, 0, "--endpoint", endpoint, "nodes")
	require.Equal(t, out, served)
	t.Setenv("SLURM_JWT", "not-a-token")
	_, errOut := hpcjob(t, 1, "--endpoint", endpoint, "nodes")
	require.Contains(t, errOut, "the token is refused")
	require.NotContains(t, errOut, "not-a-token")
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
	} {
		_, errOut := hpcjob(t, 2, args...)
		require.Contains(t, errOut, want)
	}
}
