package drivertest

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
)

// The tests of operations: a Manager in the hands of hpc.Driver.

// driver returns a new Driver, which knows nothing of others'.
func (b *jobBench) driver() *hpc.Driver {
	d := hpc.New(hpc.Config{Results: filepath.Join(b.dir, "results"), MinPeriod: 100 * time.Millisecond, MaxPeriod: 300 * time.Millisecond,
		Managers: []hpc.Factory{{Name: "site", Detect: func(context.Context, hpc.Shell) (bool, error) { return true, nil },
			New: func(hpc.Shell) (hpc.Manager, error) { return b.Manager, nil }}}})
	b.Cleanup(func() { require.NoError(b, d.Close()) })
	return d
}

// operation is the start of a job node, as the engine asks for it.
func (b *jobBench) operation(id string, properties map[string]any) *executor.Operation {
	return &executor.Operation{ID: b.unique(id), Deployment: "d1", Attempt: 1, Instance: "job_0", Interface: "Standard", Name: "start", Began: time.Now(),
		Node: &tosca.NodeTemplate{Name: "job", Type: typeNamed("hpc.nodes.Job")}, Log: io.Discard,
		Self: &executor.Resource{ID: "job_0", Properties: properties},
		Hosts: []*executor.Resource{{ID: "cluster_0", Node: &tosca.NodeTemplate{Name: "cluster", Type: typeNamed("hpc.nodes.Cluster")},
			Properties: map[string]any{"work_directory": filepath.Join(b.dir, "jobs")}}}}
}

func typeNamed(name string) *tosca.NodeType {
	t := &tosca.NodeType{}
	t.Name = name
	return t
}

// workDir is the job's folder; jobID is that of its job.
func (b *jobBench) workDir(op *executor.Operation) string {
	return filepath.Join(b.dir, "jobs", "d1", op.ID+"-1")
}

func (b *jobBench) jobID(op *executor.Operation) string {
	b.Helper()
	found, err := b.Manager.Find(b.Context(), op.ID+"-1")
	require.NoError(b, err)
	if len(found) == 1 {
		return found[0]
	}
	data, err := os.ReadFile(filepath.Join(b.workDir(op), "job.id"))
	require.NoError(b, err)
	return strings.TrimSpace(string(data))
}

func (b *jobBench) eventually(what string, done func() bool) {
	b.Helper()
	deadline := time.Now().Add(jobPatience)
	for tick := time.NewTicker(50 * time.Millisecond); !done(); <-tick.C {
		require.True(b, time.Now().Before(deadline), "still waiting for %s", what)
	}
}

func (b *jobBench) awaitFile(name string) {
	b.Helper()
	b.eventually("the file "+name, func() bool { return exists(name) })
}

// end polls until an operation has ended.
func (b *jobBench) end(d *hpc.Driver, s executor.Status) executor.Status {
	b.Helper()
	handle := s.Handle
	b.eventually("the end of the operation", func() bool {
		if s.State == executor.Running {
			all, err := d.Poll(b.Context(), []executor.Handle{handle})
			require.NoError(b, err)
			if len(all) == 1 {
				s = all[0]
			}
		}
		return s.State != executor.Running
	})
	return s
}

func testOperation(b *jobBench) {
	d := b.driver()
	op := b.operation("op", map[string]any{"name": "sim", "walltime": "00:05:00", "environment": map[string]any{"GREETER": "it's me"},
		"script": "echo hello \"$1\" from $GREETER; echo two >&2; echo 1 >'a result.txt'", "arguments": []any{"big  world"},
		"stage_out": []any{map[string]any{"source": "*.txt"}}})
	log := &logBuffer{}
	op.Log = log
	require.True(b, d.Accepts(op))
	s, err := d.Start(b.Context(), op)
	require.NoError(b, err)
	s = b.end(d, s)
	require.NoError(b, s.Err)
	require.Equal(b, executor.Succeeded, s.State)
	out := s.Outputs
	require.Equal(b, []any{"completed", int64(0), "", b.workDir(op), filepath.Join(b.workDir(op), "stdout")},
		[]any{out["job_state"], out["exit_code"], out["cause"], out["work_dir"], out["stdout"]})
	require.Equal(b, b.jobID(op), out["job_id"])
	require.Len(b, out["nodes_used"], 1)
	for _, name := range []string{"started", "ended"} {
		_, err := time.Parse(time.RFC3339, out[name].(string))
		require.NoError(b, err)
	}
	require.Contains(b, log.String(), "hello big  world from it's me\n")
	require.Contains(b, log.String(), "two\n")
	result := filepath.Join(b.dir, "results", "d1", "sim", "a result.txt")
	require.Equal(b, []any{result}, out["results"])
	text, err := os.ReadFile(result)
	require.NoError(b, err)
	require.Equal(b, "1\n", string(text))
}

func testOperationFails(b *jobBench) {
	d := b.driver()
	for name, c := range map[string]struct {
		script string
		says   []string
	}{
		"code":   {"echo the input is missing >&2; exit 3", []string{"exit code 3", "the input is missing"}},
		"signal": {"kill -SEGV $$", []string{"signal 11"}},
	} {
		s, err := d.Start(b.Context(), b.operation(name, map[string]any{"script": c.script}))
		require.NoError(b, err)
		s = b.end(d, s)
		require.Equal(b, executor.Failed, s.State)
		require.False(b, executor.Retryable(s.Err))
		for _, word := range c.says {
			require.ErrorContains(b, s.Err, word)
		}
	}
}

func testOperationCanceled(b *jobBench) {
	for name, cancel := range map[string]func(*hpc.Driver, executor.Handle, string){
		"ours":   func(d *hpc.Driver, h executor.Handle, _ string) { require.NoError(b, d.Cancel(b.Context(), h)) },
		"others": func(_ *hpc.Driver, _ executor.Handle, id string) { b.JobSite.Cancel(b.T, id) },
	} {
		d := b.driver()
		op := b.operation(name, map[string]any{"script": "echo >begun; exec sleep 600"})
		s, err := d.Start(b.Context(), op)
		require.NoError(b, err)
		b.awaitFile(filepath.Join(b.workDir(op), "begun"))
		cancel(d, s.Handle, b.jobID(op))
		s = b.end(d, s)
		require.Equal(b, executor.Canceled, s.State, name)
		require.ErrorContains(b, s.Err, "canceled")
		require.Equal(b, "canceled-by-user", s.Outputs["cause"])
		require.Equal(b, hpc.Canceled, b.awaitEnd(b.jobID(op)).State)
	}
}

func testOperationArray(b *jobBench) {
	d := b.driver()
	op := b.operation("array", map[string]any{"script": "echo task $ARRAY_INDEX; [ $ARRAY_INDEX != 3 ]", "array": map[string]any{"indexes": "1-3", "limit": int64(2)}})
	log := &logBuffer{}
	op.Log = log
	s, err := d.Start(b.Context(), op)
	require.NoError(b, err)
	s = b.end(d, s)
	require.ErrorContains(b, s.Err, "exit code 1 (tasks 3)")
	var states []string
	for _, task := range s.Outputs["tasks_done"].([]any) {
		m := task.(map[string]any)
		states = append(states, m["index"].(string)+" "+m["job_state"].(string))
	}
	require.Equal(b, []string{"1 completed", "2 completed", "3 failed"}, states)
	for _, line := range []string{"[1] task 1\n", "[2] task 2\n", "[3] task 3\n"} {
		require.Contains(b, log.String(), line)
	}
}

// While a job waits its status says for what; what it waits for in vain fails it.
func testOperationWaits(b *jobBench) {
	d := b.driver()
	held := b.operation("held", map[string]any{"command": "true", "hold": true})
	s, err := d.Start(b.Context(), held)
	require.NoError(b, err)
	id := b.jobID(held)
	b.eventually("what it waits for", func() bool {
		all, err := d.Poll(b.Context(), []executor.Handle{s.Handle})
		require.NoError(b, err)
		return len(all) == 1 && strings.HasPrefix(all[0].Detail, "job "+id+" is held")
	})
	bad := b.submit(&hpc.JobSpec{Command: []string{"false"}, Hold: true})
	never := b.operation("never", map[string]any{"command": "true", "dependencies": []any{map[string]any{"kind": "afterok", "job": bad}}})
	waiting, err := d.Start(b.Context(), never)
	require.NoError(b, err)
	require.NoError(b, b.Manager.Release(b.Context(), id, bad))
	require.Equal(b, executor.Succeeded, b.end(d, s).State)
	waiting = b.end(d, waiting)
	require.Equal(b, executor.Failed, waiting.State)
	require.Equal(b, executor.FailedPrecondition, executor.CodeOf(waiting.Err), "%v", waiting.Err)
}

// One operation is one job, however often and by whomever it is begun.
func testOperationOnce(b *jobBench) {
	op := b.operation("once", map[string]any{"script": "echo ran >>" + filepath.Join(b.dir, "ran")})
	first := b.driver()
	s, err := first.Recover(b.Context(), op)
	require.NoError(b, err)
	require.Equal(b, executor.NotStarted, s.State)
	_, err = first.Start(b.Context(), op)
	require.NoError(b, err)
	d := b.driver()
	for range 2 {
		s, err = d.Start(b.Context(), op)
		require.NoError(b, err)
		s, err = d.Recover(b.Context(), op)
		require.NoError(b, err)
		require.Equal(b, executor.Running, s.State)
	}
	require.Equal(b, executor.Succeeded, b.end(d, s).State)
	found, err := b.Manager.Find(b.Context(), op.ID+"-1")
	require.NoError(b, err)
	require.Len(b, found, 1)
	text, err := os.ReadFile(filepath.Join(b.dir, "ran"))
	require.NoError(b, err)
	require.Equal(b, "ran\n", string(text))
}

// An operation that is chained to a job waits for it in the manager, and ends
// with it. Behind one that has completed it does not wait.
func testOperationChain(b *jobBench) {
	d := b.driver()
	for name, code := range map[string]string{"completes": "0", "fails": "3"} {
		first := b.operation("first-"+name, map[string]any{"script": "until [ -e ../" + name + " ]; do sleep 0.1; done; exit " + code,
			"array": map[string]any{"indexes": "1-2"}})
		s, err := d.Start(b.Context(), first)
		require.NoError(b, err)
		require.Equal(b, b.workDir(first), s.Outputs["work_dir"], "it is known from the beginning")
		require.Equal(b, b.jobID(first), s.Outputs["job_id"])
		chained := func(id string) (*executor.Operation, executor.Status) {
			op := b.operation(id, map[string]any{"script": "echo ran >ran"})
			op.Targets = []executor.Target{{Resource: &executor.Resource{ID: "first_0"}, Relationship: map[string]any{"kind": "afterok"}, Running: &s.Handle}}
			status, err := d.Start(b.Context(), op)
			require.NoError(b, err)
			return op, status
		}
		second, waiting := chained("second-" + name)
		jobs, err := b.Manager.Jobs(b.Context(), []string{b.jobID(second)})
		require.NoError(b, err)
		require.Len(b, jobs, 1)
		require.Contains(b, []hpc.JobState{hpc.Queued, hpc.Held}, jobs[0].State)
		require.NoError(b, os.WriteFile(filepath.Join(b.dir, "jobs", "d1", name), nil, 0o600))
		require.Equal(b, code == "0", b.end(d, s).State == executor.Succeeded)
		waiting = b.end(d, waiting)
		require.Equal(b, code == "0", exists(filepath.Join(b.workDir(second), "ran")))
		if code != "0" {
			require.True(b, executor.Dependent(waiting.Err), "%v", waiting.Err)
			op := b.operation("late-"+name, map[string]any{"command": "true"})
			op.Targets = []executor.Target{{Resource: &executor.Resource{ID: "first_0"}, Running: &s.Handle}}
			_, err = d.Start(b.Context(), op)
			require.True(b, executor.Dependent(err), "%v", err)
			continue
		}
		require.Equal(b, executor.Succeeded, waiting.State, "%v", waiting.Err)
		_, late := chained("late-" + name)
		require.Equal(b, executor.Succeeded, b.end(d, late).State)
	}
}
