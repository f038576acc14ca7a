package drivertest

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// The tests of a Manager by itself.

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// index is the variable of a task's index with each manager.
const index = `${SLURM_ARRAY_TASK_ID:-${PBS_ARRAYID:-$PBS_ARRAY_INDEX}}`

func testOutcomes(b *jobBench) {
	tag := b.unique("op") + "-1"
	begun := time.Now().Truncate(time.Second) // the managers count seconds
	ok := b.submit(&hpc.JobSpec{Name: "ok", Tag: tag, WorkDir: b.dir, Env: map[string]string{"GREETING": `it's, "quoted" $HOME`},
		Command: []string{"sh", "-c", `echo "$GREETING" "$1"; echo bad >&2; pwd`, "sh", "a  'b' *"}, Walltime: time.Minute, Queue: "batch"})
	code := b.submit(&hpc.JobSpec{Script: shell("exit 3")})
	signal := b.submit(&hpc.JobSpec{Script: shell("kill -SEGV $$")})
	other := b.submit(&hpc.JobSpec{Script: "#!/usr/bin/env cat\nno script for a shell\n"})

	job := b.awaitEnd(ok)
	require.Equal(b, []any{ok, hpc.Completed, hpc.Cause(""), 0, "ok", tag, "batch", b.dir, -1},
		[]any{job.ID, job.State, job.Cause, job.ExitCode, job.Name, job.Tag, job.Queue, job.WorkDir, job.Index})
	require.Len(b, job.Nodes, 1)
	require.WithinRange(b, job.Submitted, begun, time.Now())
	require.WithinRange(b, job.Started, job.Submitted, time.Now())
	require.WithinRange(b, job.Ended, job.Started, time.Now().Add(time.Second))
	for name, want := range map[string]string{"stdout": `it's, "quoted" $HOME a  'b' *` + "\n" + b.dir + "\n", "stderr": "bad\n"} {
		text, err := os.ReadFile(filepath.Join(b.dir, name))
		require.NoError(b, err)
		require.Equal(b, want, string(text), name)
	}
	job = b.awaitEnd(code)
	require.Equal(b, []any{hpc.Failed, hpc.ExitCode, 3}, []any{job.State, job.Cause, job.ExitCode})
	job = b.awaitEnd(signal)
	require.Equal(b, []any{hpc.Failed, hpc.Signal, 11}, []any{job.State, job.Cause, job.Signal})
	require.Equal(b, hpc.Completed, b.awaitEnd(other).State)
}

func testTimeLimit(b *jobBench) {
	id := b.submit(&hpc.JobSpec{Script: shell("exec sleep 600"), Walltime: time.Second})
	job := b.awaitLong(id, 3*time.Minute, func(j *hpc.Job) bool { return j.State.Ended() })
	require.Equal(b, []any{hpc.Failed, hpc.TimeLimit}, []any{job.State, job.Cause})
}

func testOutOfMemory(b *jobBench) {
	if b.JobSite.OutOfMemory == nil {
		b.Skip("the manager cannot tell")
	}
	spec := *b.JobSite.OutOfMemory
	job := b.awaitEnd(b.submit(&spec))
	require.Equal(b, []any{hpc.Failed, hpc.OutOfMemory}, []any{job.State, job.Cause}, "%+v", job)
}

func testCancel(b *jobBench) {
	waiting := b.submit(&hpc.JobSpec{Command: []string{"true"}, Hold: true})
	running, others := b.running(&hpc.JobSpec{}), b.running(&hpc.JobSpec{})
	b.JobSite.Cancel(b.T, others)
	b.cancel(waiting, running, "3999999")
	for _, id := range []string{waiting, running, others} {
		job := b.awaitEnd(id)
		require.Equal(b, []any{hpc.Canceled, hpc.CanceledByUser}, []any{job.State, job.Cause}, id)
	}
	b.cancel(waiting, running) // what has ended is no error
	b.cancel()
}

func testHoldAndRelease(b *jobBench) {
	id := b.submit(&hpc.JobSpec{Command: []string{"true"}, Hold: true})
	job := b.awaitState(id, hpc.Held)
	require.Zero(b, job.Started)
	require.NoError(b, b.Manager.Release(b.Context(), id))
	require.Equal(b, hpc.Completed, b.awaitEnd(id).State)

	later := b.submit(&hpc.JobSpec{Command: []string{"true"}, Begin: time.Now().Add(time.Hour)})
	job = b.await(later, func(j *hpc.Job) bool { return j.Reason != "" && j.Reason != "None" })
	require.Equal(b, hpc.Queued, job.State, "and says why: %s", job.Reason)
	require.NoError(b, b.Manager.Hold(b.Context(), later))
	b.awaitState(later, hpc.Held)
	b.cancel(later)
}

func testSuspendResumeRequeue(b *jobBench) {
	id := b.running(&hpc.JobSpec{Requeue: true})
	require.NoError(b, b.Manager.Suspend(b.Context(), id))
	b.awaitState(id, hpc.Suspended)
	require.NoError(b, b.Manager.Resume(b.Context(), id))
	b.awaitState(id, hpc.Running)
	require.NoError(b, b.Manager.Requeue(b.Context(), id))
	b.await(id, func(j *hpc.Job) bool { return j.Requeues == 1 })
	b.cancel(id)
	require.Equal(b, hpc.Canceled, b.awaitEnd(id).State)
}

func testArray(b *jobBench) {
	tag := b.unique("arr") + "-1"
	other := b.submit(&hpc.JobSpec{Command: []string{"true"}}) // not to be mixed up with it
	id := b.submit(&hpc.JobSpec{Name: "arr", Tag: tag, WorkDir: b.dir, Array: &hpc.Array{Indexes: "0-4:2", Limit: 1},
		Script: shell("until [ -e seen ]; do sleep 0.1; done; echo task " + index + "; exit " + index)})
	job := b.await(id, func(j *hpc.Job) bool { // its tasks are seen one by one
		return j.State == hpc.Running && len(j.Tasks) == 3 && j.Tasks[0].State == hpc.Running && !j.Tasks[1].State.Ended() && !j.Tasks[2].State.Ended()
	})
	require.Equal(b, []int{0, 2, 4}, []int{job.Tasks[0].Index, job.Tasks[1].Index, job.Tasks[2].Index})
	require.NoError(b, os.WriteFile(filepath.Join(b.dir, "seen"), nil, 0o600))
	job = b.awaitEnd(id)
	require.Equal(b, []any{id, hpc.Failed, hpc.ExitCode, 2}, []any{job.ID, job.State, job.Cause, job.ExitCode}, "of the first that failed")
	require.Len(b, job.Tasks, 3)
	var ids []string
	for i, task := range job.Tasks {
		require.Equal(b, []any{2 * i, 2 * i}, []any{task.Index, task.ExitCode})
		text, err := os.ReadFile(filepath.Join(b.dir, "stdout."+strconv.Itoa(2*i)))
		require.NoError(b, err)
		require.Equal(b, "task "+strconv.Itoa(2*i)+"\n", string(text))
		ids = append(ids, task.ID)
	}
	tasks, err := b.Manager.Jobs(b.Context(), []string{ids[2], ids[0], other, id})
	require.NoError(b, err)
	require.Len(b, tasks, 4)
	require.Equal(b, []any{4, 0, other, id}, []any{tasks[0].Index, tasks[1].Index, tasks[2].ID, tasks[3].ID}, "in the order of the question")
	found, err := b.Manager.Find(b.Context(), tag)
	require.NoError(b, err)
	require.Equal(b, []string{id}, found)
}

func testArrayCanceled(b *jobBench) {
	id := b.submit(&hpc.JobSpec{Script: shell("exec sleep 600"), Array: &hpc.Array{Indexes: "1-3", Limit: 1}})
	b.awaitState(id, hpc.Running)
	b.cancel(id)
	job := b.awaitEnd(id)
	require.Equal(b, hpc.Canceled, job.State)
	for _, task := range job.Tasks {
		require.Equal(b, hpc.Canceled, task.State)
	}
}

func testDependencies(b *jobBench) {
	good := b.submit(&hpc.JobSpec{Command: []string{"true"}, Hold: true})
	bad := b.submit(&hpc.JobSpec{Command: []string{"false"}, Hold: true})
	array := b.submit(&hpc.JobSpec{Command: []string{"true"}, Array: &hpc.Array{Indexes: "0-1"}, Hold: true})
	after := func(kind hpc.DependencyKind, job string) *hpc.JobSpec {
		return &hpc.JobSpec{Command: []string{"true"}, Dependencies: []hpc.Dependency{{Kind: kind, Job: job}}}
	}
	behind, never := b.submit(after(hpc.AfterOK, good)), b.submit(after(hpc.AfterOK, bad))
	anyway, all := b.submit(after(hpc.AfterAny, bad)), b.submit(after(hpc.AfterOK, array))
	job := b.await(behind, func(j *hpc.Job) bool { return j.Reason != "" && j.Reason != "None" })
	require.Equal(b, hpc.Queued, job.State, "and says why: %s", job.Reason)
	require.NoError(b, b.Manager.Release(b.Context(), good, bad, array))
	for _, id := range []string{behind, anyway, all} {
		require.Equal(b, hpc.Completed, b.awaitEnd(id).State)
	}
	b.await(never, func(j *hpc.Job) bool { return j.Cause == hpc.DependencyNeverSatisfied })
	b.cancel(never)

	_, err := b.Manager.Submit(b.Context(), after(hpc.AfterOK, "3999999"))
	require.Contains(b, []errs.Code{errs.FailedPrecondition, errs.NotFound}, errs.CodeOf(err), "nobody knows how that one ended: %v", err)
}

// A job that can never start is refused, or told apart from one that waits.
func testImpossible(b *jobBench) {
	id, err := b.Manager.Submit(b.Context(), &hpc.JobSpec{Command: []string{"true"}, WorkDir: b.dir, Nodes: 9, TasksPerNode: 2})
	if err != nil {
		require.Equal(b, errs.InvalidArgument, errs.CodeOf(err), "%v", err)
	} else {
		job := b.await(id, func(j *hpc.Job) bool { return j.Cause == hpc.Impossible })
		require.Equal(b, hpc.Queued, job.State)
		require.NotEmpty(b, job.Reason)
		b.cancel(id)
	}
	_, err = b.Manager.Submit(b.Context(), &hpc.JobSpec{Command: []string{"true"}, WorkDir: b.dir, Queue: "nope"})
	require.Equal(b, errs.InvalidArgument, errs.CodeOf(err), "%v", err)
}

func testUnknown(b *jobBench) {
	jobs, err := b.Manager.Jobs(b.Context(), []string{"3999999"})
	require.NoError(b, err)
	require.Empty(b, jobs)
	require.Equal(b, errs.NotFound, errs.CodeOf(b.Manager.Hold(b.Context(), "3999999")))
	require.Equal(b, errs.NotFound, errs.CodeOf(b.Manager.Release(b.Context(), "3999999")))
}

func testFindListQueuesNodes(b *jobBench) {
	tag := b.unique("find") + "-1"
	first := b.submit(&hpc.JobSpec{Command: []string{"true"}, Tag: tag})
	second := b.running(&hpc.JobSpec{Tag: tag})
	other := b.submit(&hpc.JobSpec{Command: []string{"true"}, Tag: tag + "0", Hold: true})
	found, err := b.Manager.Find(b.Context(), tag)
	require.NoError(b, err)
	require.Equal(b, []string{first, second}, found)

	job := b.await(second, func(j *hpc.Job) bool { return j.User != "" })
	jobs, err := b.Manager.List(b.Context(), job.User)
	require.NoError(b, err)
	states := map[string]hpc.JobState{}
	for _, j := range jobs {
		require.Equal(b, job.User, j.User)
		states[j.ID] = j.State
	}
	require.Equal(b, []any{hpc.Running, hpc.Held}, []any{states[second], states[other]})
	jobs, err = b.Manager.List(b.Context(), "daemon")
	require.NoError(b, err)
	require.Empty(b, jobs)

	queues, err := b.Manager.Queues(b.Context())
	require.NoError(b, err)
	require.NotEmpty(b, queues)
	require.Equal(b, "batch", queues[0].Name)
	require.True(b, queues[0].Default && queues[0].Enabled && queues[0].Started)
	require.GreaterOrEqual(b, queues[0].Running, 1)
	nodes, err := b.Manager.Nodes(b.Context())
	require.NoError(b, err)
	require.NotEmpty(b, nodes)
	for _, n := range nodes {
		require.Positive(b, n.CPUs)
		require.Positive(b, n.Memory)
		require.Contains(b, []hpc.NodeState{hpc.NodeIdle, hpc.NodeMixed, hpc.NodeAllocated}, n.State)
	}
	b.cancel(second, other)
}

// Two submissions with one record are one job.
func testSubmittedOnce(b *jobBench) {
	if b.NoRecord {
		b.Skip("it submits without a shell: OperationOnce holds for it")
	}
	spec := hpc.JobSpec{Command: []string{"true"}, Tag: b.unique("record") + "-1", WorkDir: b.dir, Record: filepath.Join(b.dir, "job", "id")}
	first, second := spec, spec
	id := b.submit(&first)
	require.Equal(b, id, b.submit(&second))
	found, err := b.Manager.Find(b.Context(), spec.Tag)
	require.NoError(b, err)
	require.Equal(b, []string{id}, found)
}

// testForgotten asks after jobs that the queue has forgotten.
func testForgotten(b *jobBench) {
	d := b.driver()
	op := b.operation("forgotten", map[string]any{"script": "exit 4"})
	s, err := d.Start(b.Context(), op)
	require.NoError(b, err)
	failed := b.submit(&hpc.JobSpec{Script: shell("exit 3")})
	array := b.submit(&hpc.JobSpec{Script: shell("exit " + index), Array: &hpc.Array{Indexes: "0-1"}})
	canceled := b.running(&hpc.JobSpec{})
	b.cancel(canceled)
	ids := []string{canceled, failed, array}
	for _, id := range ids {
		b.awaitEnd(id)
	}
	b.awaitFile(filepath.Join(b.workDir(op), "job.exit"))
	b.Forget(b.T, append(ids, b.jobID(op))...)
	jobs, err := b.Manager.Jobs(b.Context(), append(ids, "3999999"))
	require.NoError(b, err)
	if b.Accounting {
		require.Len(b, jobs, 3)
		require.Equal(b, hpc.CanceledByUser, jobs[0].Cause)
		require.Equal(b, []any{hpc.ExitCode, 3}, []any{jobs[1].Cause, jobs[1].ExitCode})
		require.Equal(b, hpc.Failed, jobs[2].State)
		require.Len(b, jobs[2].Tasks, 2)
		_, err = b.Manager.Submit(b.Context(), &hpc.JobSpec{Command: []string{"true"}, WorkDir: b.dir, Dependencies: []hpc.Dependency{{Kind: hpc.AfterOK, Job: failed}}})
		require.Equal(b, errs.FailedPrecondition, errs.CodeOf(err), "%v", err)
	} else {
		require.Empty(b, jobs, "what the manager does not know is left out")
	}
	b.cancel(ids...)

	// The driver has not asked before: another source tells how the job ended.
	s = b.end(d, s)
	require.Equal(b, executor.Failed, s.State)
	require.ErrorContains(b, s.Err, "exit code 4")
}

// A server that is away delays, and fails nothing.
func testServerDown(b *jobBench) {
	d := b.driver()
	goAhead := filepath.Join(b.dir, "up")
	until := "until [ -e '" + goAhead + "' ]; do sleep 0.1; done; "
	op := b.operation("down", map[string]any{"script": until + "exit 0"})
	s, err := d.Start(b.Context(), op)
	require.NoError(b, err)
	id := b.submit(&hpc.JobSpec{Script: shell(until + "exit 4")})
	b.Down(b.T)
	up := false
	defer func() {
		if !up {
			b.Up(b.T)
		}
	}()
	// At once: a command without a server may take ten seconds to say so.
	var asking sync.WaitGroup
	refusals := map[string]error{}
	var mu sync.Mutex
	for name, ask := range map[string]func() error{
		"jobs": func() error { _, err := b.Manager.Jobs(b.Context(), []string{id}); return err },
		"submit": func() error {
			_, err := b.Manager.Submit(b.Context(), &hpc.JobSpec{Script: shell("true"), WorkDir: b.dir})
			return err
		},
		"cancel": func() error { return b.Manager.Cancel(b.Context(), id) },
	} {
		asking.Go(func() {
			err := ask()
			mu.Lock()
			defer mu.Unlock()
			refusals[name] = err
		})
	}
	asking.Wait()
	for name, err := range refusals {
		require.True(b, executor.Retryable(err), "%s: %v", name, err)
		require.Equal(b, errs.Unavailable, errs.CodeOf(err), "%s: %v", name, err)
	}
	all, err := d.Poll(b.Context(), []executor.Handle{s.Handle})
	require.NoError(b, err)
	require.Empty(b, all, "nothing is known")

	// One that is to be submitted meanwhile waits until it can be.
	second := b.operation("down-2", map[string]any{"command": "true"})
	log := &logBuffer{}
	second.Log = log
	started := make(chan executor.Status, 1)
	go func() {
		s, err := d.Start(context.WithoutCancel(b.Context()), second)
		if err != nil {
			s = executor.Status{State: executor.Failed, Err: err}
		}
		started <- s
	}()
	b.eventually("the submission to wait", func() bool { return log.String() != "" })
	b.Up(b.T)
	up = true
	require.NoError(b, os.WriteFile(goAhead, nil, 0o600))
	require.Equal(b, executor.Succeeded, b.end(d, s).State)
	s = <-started
	require.NoError(b, s.Err)
	require.Equal(b, executor.Succeeded, b.end(d, s).State)
	job := b.awaitEnd(id)
	require.Equal(b, []any{hpc.ExitCode, 4}, []any{job.Cause, job.ExitCode})
}
