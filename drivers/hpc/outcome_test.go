package hpc_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/executor"
)

// Each way to end becomes a state, an error that says what to do, and whether it
// is worth another try.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		job   hpc.Job
		state executor.OperationState
		code  executor.Code
		says  string
		retry bool
	}{
		{"completed", hpc.Job{State: hpc.Completed}, executor.Succeeded, "", "", false},
		{"exit code", hpc.Job{State: hpc.Failed, Cause: hpc.ExitCode, ExitCode: 3, Nodes: []string{"n1"}}, executor.Failed, executor.CodeFailed, "exit code 3 on n1: no such file", false},
		{"signal", hpc.Job{State: hpc.Failed, Cause: hpc.Signal, Signal: 11}, executor.Failed, executor.CodeFailed, "ended by signal 11", false},
		{"time limit", hpc.Job{State: hpc.Failed, Cause: hpc.TimeLimit}, executor.Failed, executor.DeadlineExceeded, "raise the property walltime", false},
		{"out of memory", hpc.Job{State: hpc.Failed, Cause: hpc.OutOfMemory}, executor.Failed, executor.CodeFailed, "set retry_memory_factor", false},
		{"node failure", hpc.Job{State: hpc.Failed, Cause: hpc.NodeFailure, Nodes: []string{"n2"}}, executor.Failed, executor.Unavailable, "a node failed on n2", true},
		{"preempted", hpc.Job{State: hpc.Canceled, Cause: hpc.Preempted}, executor.Failed, executor.Unavailable, "preempted", true},
		{"canceled", hpc.Job{State: hpc.Canceled, Cause: hpc.CanceledByUser, By: "1001"}, executor.Canceled, executor.CodeCanceled, "canceled by 1001", false},
		{"dependency", hpc.Job{State: hpc.Queued, Cause: hpc.DependencyNeverSatisfied, Reason: "DependencyNeverSatisfied"}, executor.Failed, executor.FailedPrecondition, "what it waits for will never happen", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			op, s := f.start(t, map[string]any{"command": "date"})
			require.NoError(t, os.WriteFile(filepath.Join(f.folder(op), "stderr"), []byte("no such file\n"), 0o600))
			f.set(func(j *hpc.Job) {
				id := j.ID
				*j = c.job
				j.ID, j.Index = id, -1
			})
			s = await(t, f.Driver, s)
			require.Equal(t, c.state, s.State)
			require.Equal(t, "101", s.Outputs["job_id"])
			if c.says == "" {
				require.NoError(t, s.Err)
				return
			}
			require.ErrorContains(t, s.Err, c.says)
			require.Equal(t, c.code, executor.CodeOf(s.Err))
			require.Equal(t, c.retry, executor.Retryable(s.Err))
		})
	}
}

// A job that serves has done its part when it runs; it fails when it ends before.
func TestServes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		job   hpc.Job
		state executor.OperationState
	}{
		"runs":      {hpc.Job{State: hpc.Running, Nodes: []string{"n2", "n3"}}, executor.Succeeded},
		"completed": {hpc.Job{State: hpc.Completed, Nodes: []string{"n2"}}, executor.Failed},
		"failed":    {hpc.Job{State: hpc.Failed, Cause: hpc.ExitCode, ExitCode: 1, Nodes: []string{"n2"}}, executor.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			_, s := f.start(t, map[string]any{"command": "serve", "serves": true})
			f.set(func(j *hpc.Job) {
				id := j.ID
				*j = c.job
				j.ID, j.Index = id, -1
			})
			s = await(t, f.Driver, s)
			require.Equal(t, c.state, s.State, "%v", s.Err)
			require.Equal(t, "n2", s.Outputs["private_address"])
			require.Equal(t, string(c.job.State), s.Outputs["job_state"])
			if c.job.State == hpc.Completed {
				require.ErrorContains(t, s.Err, "it was to go on, and has ended")
			}
		})
	}
}

// A job that can never start is left in the queue for a while, and says so; then
// it is canceled and fails.
func TestImpossible(t *testing.T) {
	t.Parallel()
	for _, patience := range []time.Duration{time.Nanosecond, time.Hour} {
		m := &fakeManager{jobs: map[string]*hpc.Job{}}
		f := &fake{fakeManager: m, dir: t.TempDir(), Driver: hpc.New(hpc.Config{MinPeriod: time.Millisecond, MaxPeriod: 2 * time.Millisecond, ImpossiblePatience: patience,
			Managers: []hpc.Factory{{Name: "fake", Detect: func(context.Context, hpc.Shell) (bool, error) { return true, nil },
				New: func(hpc.Shell) (hpc.Manager, error) { return m, nil }}}})}
		_, s := f.start(t, map[string]any{"command": "date"})
		f.set(func(j *hpc.Job) { j.Cause, j.Reason = hpc.Impossible, "PartitionNodeLimit" })
		if patience == time.Hour {
			require.Eventually(t, func() bool {
				all, err := f.Poll(t.Context(), []executor.Handle{s.Handle})
				require.NoError(t, err)
				return len(all) == 1 && all[0].State == executor.Running && strings.Contains(all[0].Detail, "it can never start")
			}, 2*time.Minute, time.Millisecond)
		} else {
			s = await(t, f.Driver, s)
			require.Equal(t, executor.Failed, s.State)
			require.Equal(t, executor.FailedPrecondition, executor.CodeOf(s.Err))
			require.ErrorContains(t, s.Err, "it can never run: PartitionNodeLimit")
			require.Equal(t, hpc.Canceled, m.jobs["101"].State)
		}
		require.NoError(t, f.Close())
	}
}

// What the manager has forgotten is known from the work directory.
func TestForgottenJobs(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	var handles []executor.Handle
	want := map[string]string{"ok": "", "bad": "exit code 4", "killed": "ended by signal 9"}
	for name, exit := range map[string]string{"ok": "0 100 160 n1", "bad": "4 100 160 n1", "killed": "137 100 160 n1"} {
		op := f.operation(name, map[string]any{"command": "date"})
		s, err := f.Start(t.Context(), op)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(f.folder(op), "job.exit"), []byte(exit+"\n"), 0o600))
		handles = append(handles, s.Handle)
	}
	f.mu.Lock()
	clear(f.jobs)
	f.mu.Unlock()
	all, err := f.Poll(t.Context(), handles)
	require.NoError(t, err)
	require.Len(t, all, 3)
	for _, s := range all {
		if says := want[s.Handle.Operation]; says != "" {
			require.Equal(t, executor.Failed, s.State)
			require.ErrorContains(t, s.Err, says)
		} else {
			require.Equal(t, executor.Succeeded, s.State)
		}
		require.InDelta(t, 60, s.Outputs["elapsed"], 0)
		require.Equal(t, []any{"n1"}, s.Outputs["nodes_used"])
	}
}

// Tasks of an array that the manager has forgotten while others ran count: those
// that ended badly were seen, or have left an exit code, and one of which nothing
// is known is no success.
func TestForgottenTasks(t *testing.T) {
	t.Parallel()
	task := func(i int, state hpc.JobState, cause hpc.Cause) *hpc.Job {
		return &hpc.Job{ID: fmt.Sprintf("101_%d", i), Index: i, State: state, Cause: cause, Started: time.Unix(100, 0), Ended: time.Unix(160, 0)}
	}
	for name, c := range map[string]struct {
		seen  *hpc.Job // while the array runs
		exit  string   // what task 0 has left
		state executor.OperationState
		says  string
		tasks int
	}{
		"left an exit code":     {nil, "4 100 130 n1", executor.Failed, "exit code 4 (tasks 0)", 3},
		"completed":             {nil, "0 100 130 n1", executor.Succeeded, "", 3},
		"was seen":              {task(0, hpc.Failed, hpc.TimeLimit), "143 100 130 n1", executor.Failed, "it reached its time limit (tasks 0)", 3},
		"was seen, run anew":    {task(0, hpc.Queued, ""), "0 100 130 n1", executor.Succeeded, "", 3},
		"nobody knows":          {nil, "", executor.Running, "", 0},
		"the accounting sleeps": {task(0, hpc.Unknown, ""), "5 100 130 n1", executor.Failed, "exit code 5 (tasks 0)", 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			op, s := f.start(t, map[string]any{"command": "date", "array": map[string]any{"indexes": "0-2,1"}})
			if c.exit != "" {
				require.NoError(t, os.WriteFile(filepath.Join(f.folder(op), "job.exit.0"), []byte(c.exit+"\n"), 0o600))
			}
			poll := func() executor.Status {
				var all []executor.Status
				require.Eventually(t, func() bool {
					var err error
					all, err = f.Poll(t.Context(), []executor.Handle{s.Handle})
					require.NoError(t, err)
					return len(all) == 1
				}, 2*time.Minute, time.Millisecond)
				return all[0]
			}
			if c.seen != nil {
				f.set(func(j *hpc.Job) {
					j.State, j.Tasks = hpc.Running, []*hpc.Job{c.seen, task(1, hpc.Completed, ""), task(2, hpc.Running, "")}
				})
				require.Equal(t, executor.Running, poll().State)
			}
			f.set(func(j *hpc.Job) {
				j.State, j.Tasks = hpc.Completed, []*hpc.Job{task(1, hpc.Completed, ""), task(2, hpc.Completed, "")}
			})
			if c.state == executor.Running {
				asked := func() int {
					f.mu.Lock()
					defer f.mu.Unlock()
					return len(f.queries)
				}
				for asked() < 3 {
					all, err := f.Poll(t.Context(), []executor.Handle{s.Handle})
					require.NoError(t, err)
					require.Empty(t, all)
				}
				return
			}
			got := poll()
			require.Equal(t, c.state, got.State, "%v", got.Err)
			if c.says != "" {
				require.ErrorContains(t, got.Err, c.says)
			}
			require.Len(t, got.Outputs["tasks_done"], c.tasks)
		})
	}
}
