package slurm_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/drivers/slurm"
	"github.com/seed-a4fd30b5/orchestrator/drivers/ssh/transport"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	sshlab "github.com/seed-a4fd30b5/orchestrator/internal/lab"
	lab "github.com/seed-a4fd30b5/orchestrator/internal/lab/slurm"
)

// The tests of this file that are not parallel stop or kill parts of the
// cluster, and run before those that are.

func long(t *testing.T, why string) {
	t.Helper()
	if testing.Short() {
		t.Skip(why)
	}
}

// forgotten waits until slurmctld has forgotten a job.
func forgotten(t *testing.T, cluster *lab.Cluster, id string) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, err := cluster.Command(t.Context(), "scontrol", "show", "job", id)
		return err != nil
	}, 4*time.Minute, 500*time.Millisecond)
}

func TestControllerHangs(t *testing.T) {
	cluster := lab.Shared(t)
	m, err := slurm.New(hpc.Local(), &slurm.Options{Env: cluster.Env(), Timeout: time.Second})
	require.NoError(t, err)
	id := submit(t, managerOf(t, cluster), &hpc.JobSpec{Script: "true", WorkDir: t.TempDir()})
	require.NoError(t, cluster.HangController())
	_, err = m.Jobs(t.Context(), []string{id})
	require.NoError(t, cluster.Continue())
	require.True(t, executor.Retryable(err), "%v", err)
	require.ErrorContains(t, err, "no answer in 1s")
	require.Equal(t, hpc.Completed, await(t, managerOf(t, cluster), id, ended).State)
}

// A database that is down fails nothing.
func TestAccountingIsDown(t *testing.T) {
	cluster := lab.Shared(t)
	m, _ := real(t)
	cluster.StopAccounting()
	jobs, err := m.Jobs(t.Context(), []string{"4000000"})
	require.NoError(t, cluster.StartAccounting(context.WithoutCancel(t.Context())))
	require.NoError(t, err)
	require.Len(t, jobs, 1)
	require.Equal(t, hpc.Unknown, jobs[0].State)
}

func TestWithoutAccounting(t *testing.T) {
	long(t, "it starts a cluster of its own")
	lab.Require(t)
	dir, err := os.MkdirTemp("", "slurm-lab-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	cluster, err := lab.Start(t.Context(), dir, lab.Options{Nodes: 1, NoAccounting: true, NoREST: true, MinJobAge: 20})
	require.NoError(t, err)
	defer cluster.Stop()
	m := managerOf(t, cluster)
	id := submit(t, m, &hpc.JobSpec{Script: "exit 3", WorkDir: t.TempDir(), Tag: "tag"})
	job := await(t, m, id, ended)
	require.Equal(t, [2]any{hpc.ExitCode, 3}, [2]any{job.Cause, job.ExitCode}, "the queue knows for a while")
	found, err := m.Find(t.Context(), "tag")
	require.NoError(t, err)
	require.Equal(t, []string{id}, found)
	forgotten(t, cluster, id)
	jobs, err := m.Jobs(t.Context(), []string{id})
	require.NoError(t, err)
	require.Empty(t, jobs)
	_, err = m.Submit(t.Context(), &hpc.JobSpec{Script: "true", Dependencies: []hpc.Dependency{{Kind: hpc.AfterOK, Job: id}}})
	require.Equal(t, executor.FailedPrecondition, executor.CodeOf(err))
}

func TestPreempted(t *testing.T) {
	m, dir := real(t)
	whole := func(queue string, requeue bool) *hpc.JobSpec {
		return &hpc.JobSpec{Script: "exec sleep 600", WorkDir: dir, Queue: queue, Requeue: requeue, NodeList: []string{"n3"}, Exclusive: true}
	}
	low := submit(t, m, whole("low", false))
	await(t, m, low, is(hpc.Running))
	high := submit(t, m, whole("batch", false))
	job := await(t, m, low, ended)
	require.Equal(t, hpc.Failed, job.State, "%+v", job)
	require.Equal(t, hpc.Preempted, job.Cause)
	require.NoError(t, m.Cancel(t.Context(), high))

	low = submit(t, m, whole("low", true))
	await(t, m, low, is(hpc.Running))
	high = submit(t, m, whole("batch", false))
	job = await(t, m, low, func(j *hpc.Job) bool { return j.State == hpc.Queued && j.Requeues == 1 })
	require.Empty(t, job.Cause)
	require.NoError(t, m.Cancel(t.Context(), high, low))
}

func TestNodeIsLost(t *testing.T) {
	long(t, "the controller takes half a minute to notice")
	cluster := lab.Shared(t)
	m, dir := real(t)
	id := submit(t, m, &hpc.JobSpec{Script: "exec sleep 600", WorkDir: dir, NodeList: []string{"n2"}})
	await(t, m, id, is(hpc.Running))
	require.NoError(t, cluster.KillNode("n2"))
	job := await(t, m, id, ended)
	require.Equal(t, hpc.NodeFailure, job.Cause)
	require.Equal(t, "NODE_FAIL", job.Raw)
	nodes, err := m.Nodes(t.Context())
	require.NoError(t, err)
	require.Equal(t, hpc.NodeDown, nodes[1].State)
	require.NotEmpty(t, nodes[1].Reason)
	require.NoError(t, cluster.StartNode(t.Context(), "n2"))
}

// A heterogeneous job is known by its parts, also when only the accounting has it;
// a work directory may be called as patterns are.
func TestHeterogeneous(t *testing.T) {
	long(t, "the controller takes a minute to forget a job")
	t.Parallel()
	m, dir := real(t)
	dir = filepath.Join(dir, "a%j %%x")
	require.NoError(t, os.Mkdir(dir, 0o755))
	id := submit(t, m, &hpc.JobSpec{Script: "#!/bin/sh\n#SBATCH -n1\n#SBATCH hetjob\n#SBATCH -n2\necho parts; exit 4", WorkDir: dir})
	require.Equal(t, 4, await(t, m, id, ended).ExitCode)
	printed, err := os.ReadFile(filepath.Join(dir, "stdout"))
	require.NoError(t, err)
	require.Equal(t, "parts\n", string(printed))
	forgotten(t, lab.Shared(t), id)
	number, err := strconv.Atoi(id)
	require.NoError(t, err)
	jobs, err := m.Jobs(t.Context(), []string{id, strconv.Itoa(number + 1)})
	require.NoError(t, err)
	require.Len(t, jobs, 2)
	for _, j := range jobs {
		require.Equal(t, hpc.ExitCode, j.Cause)
		require.Equal(t, 4, j.ExitCode)
	}
}

func TestOverSSH(t *testing.T) {
	t.Parallel()
	cluster := lab.Shared(t)
	server := sshlab.SSHD(t, sshlab.SSHDOptions{Env: cluster.Env()})
	pool := transport.NewPool(transport.Config{KeyFiles: []string{server.KeyFile}, KnownHosts: []string{server.KnownHosts}, AgentSocket: "none"})
	t.Cleanup(pool.Close)
	for name, options := range map[string]hpc.ShellOptions{"plain": {}, "login shell": {LoginShell: true, Env: cluster.Env()}} {
		shell := hpc.SSH(pool, transport.Host{Address: server.Address, Port: server.Port, User: server.User}, options)
		found, err := slurm.Factory().Detect(t.Context(), shell)
		require.NoError(t, err)
		require.True(t, found)
		m, err := hpc.Open(t.Context(), shell, "auto", slurm.Factory())
		require.NoError(t, err)
		require.Equal(t, "slurm", m.Name())
		dir := t.TempDir()
		id := submit(t, m, &hpc.JobSpec{Name: "it's", Tag: "ssh", Command: []string{"sh", "-c", `echo "$1"; exit 5`, "sh", "a 'b' $c"}, WorkDir: dir})
		job := await(t, m, id, ended)
		require.Equal(t, 5, job.ExitCode, name)
		require.Equal(t, "it's", job.Name)
		printed, err := os.ReadFile(dir + "/stdout")
		require.NoError(t, err)
		require.Equal(t, "a 'b' $c\n", string(printed))
		id = submit(t, m, &hpc.JobSpec{Script: "exec sleep 600", WorkDir: dir, Array: &hpc.Array{Indexes: "1-2"}})
		require.NoError(t, m.Cancel(t.Context(), id))
		require.Equal(t, hpc.Canceled, await(t, m, id, ended).State)
	}
}

// BenchmarkSubmit tells how many jobs a second one caller, and eight at once,
// submit to the lab.
func BenchmarkSubmit(b *testing.B) {
	for _, callers := range []int{1, 8} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			m, dir := real(b)
			ids := make([]string, 0, b.N)
			var mu sync.Mutex
			var group errgroup.Group
			group.SetLimit(callers)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				group.Go(func() error {
					id, err := m.Submit(b.Context(), &hpc.JobSpec{Script: "true", WorkDir: dir, Hold: true, Tag: "bench"})
					mu.Lock()
					defer mu.Unlock()
					ids = append(ids, id)
					return err
				})
			}
			require.NoError(b, group.Wait())
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
			require.NoError(b, m.Cancel(b.Context(), ids...))
		})
	}
}
