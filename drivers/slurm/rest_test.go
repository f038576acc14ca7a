package slurm_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/drivers/slurm"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	lab "github.com/seed-a4fd30b5/orchestrator/internal/lab/slurm"
)

func restOf(t *testing.T, commands *slurm.Manager) (*slurm.REST, string) {
	t.Helper()
	cluster := lab.Shared(t)
	r, err := slurm.NewREST(slurm.RESTOptions{URL: cluster.REST, User: "root", Token: cluster.Token, Commands: commands})
	require.NoError(t, err)
	return r, t.TempDir()
}

func TestRESTRefuses(t *testing.T) {
	t.Parallel()
	m, dir := restOf(t, nil)
	for name, spec := range map[string]*hpc.JobSpec{
		"partition":  {Script: "true", WorkDir: dir, Queue: "nope"},
		"directives": {Script: "#!/bin/sh\n#SBATCH -N 2\ntrue", WorkDir: dir},
		"options":    {Script: "true", WorkDir: dir, Options: []string{"--nice"}},
		"no folder":  {Script: "true"},
		"empty":      {WorkDir: dir},
	} {
		_, err := m.Submit(t.Context(), spec)
		require.Equal(t, executor.InvalidArgument, executor.CodeOf(err), "%s: %v", name, err)
	}
	_, err := m.Submit(t.Context(), &hpc.JobSpec{Script: "true", WorkDir: dir, Dependencies: []hpc.Dependency{{Kind: hpc.AfterOK, Job: "4000000"}}})
	require.Equal(t, executor.FailedPrecondition, executor.CodeOf(err))
	for _, do := range []func(context.Context, ...string) error{m.Hold, m.Release, m.Suspend, m.Resume, m.Requeue} {
		require.Equal(t, executor.Unimplemented, executor.CodeOf(do(t.Context(), "1")))
	}
	bad, err := slurm.NewREST(slurm.RESTOptions{URL: lab.Shared(t).REST, Token: func(context.Context) (string, error) { return "bad", nil }})
	require.NoError(t, err)
	_, err = bad.Jobs(t.Context(), []string{"1"})
	require.Error(t, err)
	require.NotContains(t, err.Error(), "bad")
	for _, url := range []string{"", "head:6820", "ftp://head", "unix://"} {
		_, err := slurm.NewREST(slurm.RESTOptions{URL: url})
		require.Equal(t, executor.InvalidArgument, executor.CodeOf(err), url)
	}
}

func TestRESTWithCommands(t *testing.T) {
	t.Parallel()
	commands, _ := real(t)
	m, dir := restOf(t, commands)
	id := submit(t, m, &hpc.JobSpec{Script: "true", WorkDir: dir, NodeList: []string{"n1"}, Hold: true})
	await(t, m, id, is(hpc.Held))
	require.NoError(t, m.Release(t.Context(), id))
	require.Equal(t, hpc.Completed, await(t, m, id, ended).State)

	want, err := commands.Queues(t.Context())
	require.NoError(t, err)
	got, err := m.Queues(t.Context())
	require.NoError(t, err)
	for i, q := range got {
		q.Queued, q.Running = want[i].Queued, want[i].Running // of other tests
	}
	require.Equal(t, want, got)
	nodes, err := m.Nodes(t.Context())
	require.NoError(t, err)
	require.Len(t, nodes, 3)
	require.Equal(t, "n1", nodes[0].Name)
	require.Equal(t, []string{"batch", "low"}, nodes[0].Queues)
	require.Equal(t, int64(4000<<20), nodes[0].Memory)
}

// TestRESTLaterVersions reads answers as v0.0.40 writes them, over a socket.
func TestRESTLaterVersions(t *testing.T) {
	t.Parallel()
	answers := map[string]string{
		"/slurm/v0.0.40/jobs": `{"jobs": [
			{"job_id": 7, "job_state": ["FAILED", "COMPLETING"], "exit_code": {"status": ["ERROR"], "return_code": {"set": true, "infinite": false, "number": 2}},
			 "array_job_id": {"set": true, "number": 0}, "array_task_id": {"set": false, "number": 0}, "start_time": {"set": true, "number": 1795470351}},
			{"job_id": 8, "job_state": ["FAILED"], "exit_code": {"status": ["SIGNALED"], "signal": {"id": {"set": true, "number": 9}}}},
			{"job_id": 9, "job_state": ["PENDING"], "state_reason": "Resources", "array_job_id": {"set": true, "number": 9}, "array_task_id": {"set": false}, "array_task_string": "0-1%1"}
		], "errors": [], "warnings": []}`,
		"/slurm/v0.0.40/nodes":      `{"nodes": [{"name": "n1", "state": ["IDLE", "DRAIN"], "features": ["a", "b"], "gres": "gpu:2", "cpus": 8, "real_memory": 1000}]}`,
		"/slurm/v0.0.40/partitions": `{"partitions": [{"name": "p", "nodes": {"total": 5}, "maximums": {"time": {"set": true, "number": 60}}, "partition": {"state": ["UP"]}}]}`,
	}
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(answers[r.URL.Path]))
	}))
	server.Listener = listener
	server.Start()
	defer server.Close()
	m, err := slurm.NewREST(slurm.RESTOptions{URL: "unix://" + socket, Version: "v0.0.40"})
	require.NoError(t, err)
	jobs, err := m.Jobs(t.Context(), []string{"7", "8", "9"})
	require.NoError(t, err)
	require.Len(t, jobs, 3)
	require.Equal(t, []any{hpc.Completing, 2}, []any{jobs[0].State, jobs[0].ExitCode})
	require.Equal(t, []any{hpc.Signal, 9}, []any{jobs[1].Cause, jobs[1].Signal})
	require.Equal(t, []any{hpc.Queued, 2}, []any{jobs[2].State, len(jobs[2].Tasks)})
	nodes, err := m.Nodes(t.Context())
	require.NoError(t, err)
	require.Equal(t, []*hpc.Node{{Name: "n1", State: hpc.NodeDrained, Raw: "IDLE+DRAIN", CPUs: 8, Memory: 1000 << 20, GPUs: 2, Features: []string{"a", "b"}}}, nodes)
	queues, err := m.Queues(t.Context())
	require.NoError(t, err)
	require.Equal(t, []*hpc.Queue{{Name: "p", Enabled: true, Started: true, MaxWalltime: time.Hour, Nodes: 5}}, queues)
}

// A gateway in front of slurmrestd says when it is worth another try.
func TestRESTRetryAfter(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer server.Close()
	m, err := slurm.NewREST(slurm.RESTOptions{URL: server.URL})
	require.NoError(t, err)
	_, err = m.Nodes(t.Context())
	require.Equal(t, executor.Unavailable, executor.CodeOf(err))
	require.Equal(t, 7*time.Second, executor.RetryAfter(err))
}
