package slurm_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

func TestHoldAndRelease(t *testing.T) {
	t.Parallel()
	m, dir := real(t)
	id := submit(t, m, &hpc.JobSpec{Script: "true", WorkDir: dir, Hold: true})
	job := await(t, m, id, 20*time.Second, is(hpc.Held))
	require.Equal(t, "JobHeldUser", job.Reason)
	require.Zero(t, job.Started)
	require.NoError(t, m.Release(t.Context(), id))
	require.Equal(t, hpc.Completed, await(t, m, id, time.Minute, ended).State)

	id = submit(t, m, &hpc.JobSpec{Script: "true", WorkDir: dir, Begin: time.Now().Add(time.Hour)})
	job = await(t, m, id, 20*time.Second, func(j *hpc.Job) bool { return j.Reason == "BeginTime" })
	require.Equal(t, hpc.Queued, job.State)
	require.NoError(t, m.Hold(t.Context(), id))
	await(t, m, id, 20*time.Second, is(hpc.Held))
	require.NoError(t, m.Cancel(t.Context(), id))
	require.Equal(t, errs.NotFound, errs.CodeOf(m.Release(t.Context(), "4000000")))
}

func TestSuspendResumeRequeue(t *testing.T) {
	t.Parallel()
	m, dir := real(t)
	id := submit(t, m, &hpc.JobSpec{Script: "exec sleep 60", WorkDir: dir, Requeue: true})
	await(t, m, id, 30*time.Second, is(hpc.Running))
	require.NoError(t, m.Suspend(t.Context(), id))
	await(t, m, id, 20*time.Second, is(hpc.Suspended))
	require.NoError(t, m.Resume(t.Context(), id))
	await(t, m, id, 20*time.Second, is(hpc.Running))
	require.NoError(t, m.Requeue(t.Context(), id))
	job := await(t, m, id, 30*time.Second, func(j *hpc.Job) bool { return j.State == hpc.Queued && j.Requeues == 1 })
	require.Equal(t, id, job.ID)
	require.Zero(t, job.Started, "an expected start is none")
	require.NoError(t, m.Cancel(t.Context(), id))
	require.Equal(t, hpc.Canceled, await(t, m, id, 30*time.Second, ended).State)
}

func TestArray(t *testing.T) {
	t.Parallel()
	m, dir := real(t)
	id := submit(t, m, &hpc.JobSpec{
		Name: "array", Tag: "array-" + filepath.Base(dir), WorkDir: dir,
		Script: "#!/bin/sh\nsleep 1\nexit $SLURM_ARRAY_TASK_ID\n", Array: &hpc.Array{Indexes: "0-4:2", Limit: 1},
	})
	sawWaiting := false
	job := await(t, m, id, time.Minute, func(j *hpc.Job) bool {
		if len(j.Tasks) == 3 && j.State == hpc.Running {
			sawWaiting = sawWaiting || j.Tasks[2].State == hpc.Queued
		}
		return j.State.Ended()
	})
	require.True(t, sawWaiting, "one runs at once")
	require.Len(t, job.Tasks, 3)
	require.Equal(t, hpc.Failed, job.State)
	require.Equal(t, 2, job.ExitCode, "that of the first that failed")
	for i, task := range job.Tasks {
		require.Equal(t, 2*i, task.Index)
		require.Equal(t, 2*i, task.ExitCode)
		require.FileExists(t, filepath.Join(dir, "stdout."+string(rune('0'+2*i))))
	}
	tasks, err := m.Jobs(t.Context(), []string{id + "_4", id + "_0"})
	require.NoError(t, err)
	require.Len(t, tasks, 2)
	require.Equal(t, []int{4, 0}, []int{tasks[0].Index, tasks[1].Index})
	found, err := m.Find(t.Context(), "array-"+filepath.Base(dir))
	require.NoError(t, err)
	require.Equal(t, []string{id}, found)
}

func TestDependencies(t *testing.T) {
	t.Parallel()
	m, dir := real(t)
	bad := submit(t, m, &hpc.JobSpec{Script: "sleep 1; exit 5", WorkDir: dir})
	good := submit(t, m, &hpc.JobSpec{Script: "sleep 1", WorkDir: dir})
	after := func(kind hpc.DependencyKind, job string) *hpc.JobSpec {
		return &hpc.JobSpec{Script: "true", WorkDir: dir, Dependencies: []hpc.Dependency{{Kind: kind, Job: job}}}
	}
	never := submit(t, m, after(hpc.AfterOK, bad))
	ok := submit(t, m, after(hpc.AfterOK, good))
	any := submit(t, m, after(hpc.AfterAny, bad))
	require.Equal(t, hpc.Completed, await(t, m, ok, time.Minute, ended).State)
	require.Equal(t, hpc.Completed, await(t, m, any, time.Minute, ended).State)
	job := await(t, m, never, time.Minute, func(j *hpc.Job) bool { return j.Cause == hpc.DependencyNeverSatisfied })
	require.Equal(t, hpc.Queued, job.State)
	require.NoError(t, m.Cancel(t.Context(), never))

	_, err := m.Submit(t.Context(), after(hpc.AfterOK, bad))
	require.Equal(t, errs.FailedPrecondition, errs.CodeOf(err))
	_, err = m.Submit(t.Context(), after(hpc.AfterOK, "4000000"))
	require.Equal(t, errs.FailedPrecondition, errs.CodeOf(err))
}

func TestImpossible(t *testing.T) {
	t.Parallel()
	m, dir := real(t)
	id := submit(t, m, &hpc.JobSpec{Script: "true", WorkDir: dir, Nodes: 9})
	job := await(t, m, id, 20*time.Second, func(j *hpc.Job) bool { return j.Cause == hpc.Impossible })
	require.Equal(t, hpc.Queued, job.State)
	require.Contains(t, []string{"PartitionNodeLimit", "PartitionConfig"}, job.Reason)
	require.NoError(t, m.Cancel(t.Context(), id))
	for name, spec := range map[string]*hpc.JobSpec{
		"partition": {Script: "true", Queue: "nope"}, "memory": {Script: "true", Memory: 1 << 50}, "node": {Script: "true", NodeList: []string{"x"}},
		"constraint": {Script: "true", Constraint: "x"}, "gpus": {Script: "true", GPUs: 1}, "option": {Script: "true", Options: []string{"--nothing"}},
		"indexes": {Script: "true", Array: &hpc.Array{Indexes: "5-1"}},
	} {
		spec.WorkDir = dir
		_, err := m.Submit(t.Context(), spec)
		require.Equal(t, errs.InvalidArgument, errs.CodeOf(err), "%s: %v", name, err)
	}
	id = submit(t, m, &hpc.JobSpec{Script: "true", WorkDir: filepath.Join(dir, "missing"), Stdout: "/nonexistent/out"})
	job = await(t, m, id, time.Minute, ended)
	require.Equal(t, hpc.NodeFailure, job.Cause, "it could not be launched")
}

func TestFindListAndCluster(t *testing.T) {
	t.Parallel()
	m, dir := real(t)
	tag := "op-" + filepath.Base(dir)
	first := submit(t, m, &hpc.JobSpec{Script: "true", WorkDir: dir, Tag: tag})
	second := submit(t, m, &hpc.JobSpec{Script: "exec sleep 60", WorkDir: dir, Tag: tag, Name: "a|b 'c'", NodeList: []string{"n2"}})
	other := submit(t, m, &hpc.JobSpec{Script: "true", WorkDir: dir, Tag: tag + "x", Hold: true})
	await(t, m, second, time.Minute, is(hpc.Running))
	found, err := m.Find(t.Context(), tag)
	require.NoError(t, err)
	require.Equal(t, []string{first, second}, found)

	byID := map[string]*hpc.Job{}
	jobs, err := m.List(t.Context(), "root")
	require.NoError(t, err)
	for _, j := range jobs {
		byID[j.ID] = j
	}
	require.Equal(t, "a|b 'c'", byID[second].Name)
	require.Equal(t, "root", byID[second].User)
	require.Equal(t, hpc.Held, byID[other].State)

	queues, err := m.Queues(t.Context())
	require.NoError(t, err)
	require.Len(t, queues, 2)
	require.Equal(t, "batch", queues[0].Name)
	require.True(t, queues[0].Default && queues[0].Enabled && queues[0].Started)
	require.GreaterOrEqual(t, queues[0].Running, 1)
	require.GreaterOrEqual(t, queues[0].Queued, 1)
	nodes, err := m.Nodes(t.Context())
	require.NoError(t, err)
	require.Len(t, nodes, 3)
	require.Equal(t, "n2", nodes[1].Name)
	require.Contains(t, nodes[1].Jobs, second)
	require.Equal(t, []string{"batch", "low"}, nodes[1].Queues)
	require.NoError(t, m.Cancel(t.Context(), second, other))
}

// TestRecord submits twice with one record: there is one job.
func TestRecord(t *testing.T) {
	t.Parallel()
	m, dir := real(t)
	spec := &hpc.JobSpec{Script: "true", WorkDir: dir, Tag: "record-" + filepath.Base(dir), Record: filepath.Join(dir, "job", "id")}
	id := submit(t, m, spec)
	require.Equal(t, id, submit(t, m, spec))
	found, err := m.Find(t.Context(), spec.Tag)
	require.NoError(t, err)
	require.Equal(t, []string{id}, found)
}
