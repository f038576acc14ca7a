package hpc_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/executor"
)

// fakeManager is a workload manager in memory, with faults.
type fakeManager struct {
	hpc.Manager // nil: what the driver must not use

	mu      sync.Mutex
	specs   []*hpc.JobSpec
	jobs    map[string]*hpc.Job
	queries [][]string
	fault   error         // of Jobs
	hang    chan struct{} // Jobs waits for it
	submit  func(*hpc.JobSpec) error
}

func (f *fakeManager) Name() string { return "fake" }

func (f *fakeManager) Submit(_ context.Context, spec *hpc.JobSpec) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.submit != nil {
		if err := f.submit(spec); err != nil {
			return "", err
		}
	}
	copied := *spec
	f.specs = append(f.specs, &copied)
	id := fmt.Sprint(100 + len(f.specs))
	f.jobs[id] = &hpc.Job{ID: id, Tag: spec.Tag, State: hpc.Queued, Reason: "Priority", Index: -1}
	return id, nil
}

func (f *fakeManager) Find(_ context.Context, tag string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(f.jobs)) {
		if f.jobs[id].Tag == tag {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (f *fakeManager) Jobs(ctx context.Context, ids []string) ([]*hpc.Job, error) {
	f.mu.Lock()
	hang := f.hang
	f.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queries = append(f.queries, ids)
	if f.fault != nil {
		return nil, f.fault
	}
	var jobs []*hpc.Job
	for _, id := range ids {
		if j := f.jobs[id]; j != nil {
			copied := *j
			jobs = append(jobs, &copied)
		}
	}
	return jobs, nil
}

func (f *fakeManager) Cancel(_ context.Context, ids ...string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range ids {
		if j := f.jobs[id]; j != nil && !j.State.Ended() {
			j.State, j.Cause, j.By = hpc.Canceled, hpc.CanceledByUser, "me"
		}
	}
	return nil
}

// set changes the one job.
func (f *fakeManager) set(change func(*hpc.Job)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, j := range f.jobs {
		change(j)
	}
}

// fake is a driver over a fakeManager on this machine.
type fake struct {
	*fakeManager
	*hpc.Driver
	dir string
}

func newFake(t *testing.T) *fake { return newFakeWith(t, func(*hpc.Config) {}) }

// newPatient waits so long for a cluster that takes no job.
func newPatient(t *testing.T, patience time.Duration) *fake {
	return newFakeWith(t, func(c *hpc.Config) { c.SubmitPatience = patience })
}

func newFakeWith(t *testing.T, change func(*hpc.Config)) *fake {
	t.Helper()
	m := &fakeManager{jobs: map[string]*hpc.Job{}}
	dir := t.TempDir()
	config := hpc.Config{Results: filepath.Join(dir, "results"), MinPeriod: time.Millisecond, MaxPeriod: 2 * time.Millisecond, SubmitPatience: 100 * time.Millisecond,
		Managers: []hpc.Factory{{Name: "fake", Detect: func(context.Context, hpc.Shell) (bool, error) { return true, nil },
			New: func(hpc.Shell) (hpc.Manager, error) { return m, nil }}}}
	change(&config)
	d := hpc.New(config)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return &fake{fakeManager: m, Driver: d, dir: dir}
}

func (f *fake) operation(id string, properties map[string]any) *executor.Operation {
	op := operation(id, properties)
	op.Hosts[0].Properties["work_directory"] = filepath.Join(f.dir, "jobs")
	return op
}

func (f *fake) folder(op *executor.Operation) string {
	return filepath.Join(f.dir, "jobs", "d1", fmt.Sprintf("%s-%d", op.ID, op.Attempt))
}

func (f *fake) start(t *testing.T, properties map[string]any) (*executor.Operation, executor.Status) {
	t.Helper()
	op := f.operation("op-1", properties)
	s, err := f.Start(t.Context(), op)
	require.NoError(t, err)
	require.Equal(t, executor.Running, s.State)
	return op, s
}

func TestBadProperties(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	for want, properties := range map[string]map[string]any{
		"the job has nothing to run":     {},
		"give one of script":             {"script": "date", "command": "date"},
		`"soon" is no walltime`:          {"command": "date", "walltime": "soon"},
		`"much" is no amount of memory`:  {"command": "date", "memory": "much"},
		"-1 is no whole number":          {"command": "date", "nodes": int64(-1)},
		`"a b" is no name of a variable`: {"command": "date", "environment": map[string]any{"a b": "c"}},
		"the indexes":                    {"command": "date", "array": map[string]any{"indexes": "all"}},
		"it names no image":              {"command": "date", "container": map[string]any{"runtime": "apptainer"}},
		"leads out of the folder":        {"command": "date", "stage_out": []any{map[string]any{"source": "../x"}}},
		"a dependency of kind afterok":   {"command": "date", "dependencies": []any{map[string]any{"kind": "afterok"}}},
		"it is neither true nor false":   nil,
		"is no number between 1 and 100": {"command": "date", "retry_memory_factor": 0.5},
		`"tomorrow" is no time`:          {"command": "date", "begin": "tomorrow"},
		"there is no memory to multiply": {"command": "date", "retry_memory_factor": 1.5},
	} {
		if properties == nil {
			properties, want = map[string]any{"command": "date", "hold": "maybe"}, "maybe is neither true nor false"
		}
		_, err := f.Start(t.Context(), f.operation("op-1", properties))
		require.ErrorContains(t, err, want)
		require.Equal(t, executor.InvalidArgument, executor.CodeOf(err), want)
	}
	op := f.operation("op-1", map[string]any{"command": "date"})
	op.Hosts[0].Properties["work_directory"] = "/a\nb"
	_, err := f.Start(t.Context(), op)
	require.ErrorContains(t, err, "has a control character")
	require.Empty(t, f.specs)
}

// Whoever names an address is told of the end.
func TestMail(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.start(t, map[string]any{"command": "date", "mail": "me@example.org"})
	require.Equal(t, []string{"end", "fail"}, f.specs[0].MailOn)
}

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
			}, 10*time.Second, time.Millisecond)
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
				}, 10*time.Second, time.Millisecond)
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

// A manager that does not answer fails nothing, and tells the outcome later.
func TestManagerDoesNotAnswer(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	_, s := f.start(t, map[string]any{"command": "date"})
	f.mu.Lock()
	f.fault = executor.MarkRetryable(errors.New("slurmctld: connection refused"))
	f.mu.Unlock()
	f.set(func(j *hpc.Job) { j.State = hpc.Completed })
	for range 3 {
		all, err := f.Poll(t.Context(), []executor.Handle{s.Handle})
		require.NoError(t, err)
		require.Empty(t, all)
	}
	f.mu.Lock()
	f.fault = nil
	f.mu.Unlock()
	require.Equal(t, executor.Succeeded, await(t, f.Driver, s).State)
}

// A submission without an answer is looked for, not done again.
func TestSubmissionWithoutAnswer(t *testing.T) {
	t.Parallel()
	t.Run("carried out", func(t *testing.T) {
		f := newFake(t)
		f.submit = func(spec *hpc.JobSpec) error {
			f.jobs["7"] = &hpc.Job{ID: "7", Tag: spec.Tag, State: hpc.Completed}
			return &executor.Error{Code: executor.Unavailable, Err: errors.New("timeout")}
		}
		s, err := f.Start(t.Context(), f.operation("op-1", map[string]any{"command": "date"}))
		require.NoError(t, err)
		s = await(t, f.Driver, s)
		require.Equal(t, "7", s.Outputs["job_id"])
	})
	t.Run("not carried out", func(t *testing.T) {
		f := newPatient(t, time.Hour)
		tries := 0
		f.submit = func(*hpc.JobSpec) error {
			if tries++; tries == 1 {
				return &executor.Error{Code: executor.Unavailable, Err: errors.New("no more jobs allowed")}
			}
			return nil
		}
		s, err := f.Start(t.Context(), f.operation("op-1", map[string]any{"command": "date"}))
		require.NoError(t, err)
		require.Equal(t, executor.Running, s.State)
		require.Equal(t, 2, tries)
	})
	t.Run("not carried out for long", func(t *testing.T) {
		f := newPatient(t, time.Nanosecond)
		f.submit = func(*hpc.JobSpec) error {
			return &executor.Error{Code: executor.Unavailable, Err: errors.New("no more jobs allowed")}
		}
		_, err := f.Start(t.Context(), f.operation("op-1", map[string]any{"command": "date"}))
		require.ErrorContains(t, err, "no more jobs allowed")
		require.True(t, executor.Retryable(err))
	})
	t.Run("refused", func(t *testing.T) {
		f := newFake(t)
		f.submit = func(*hpc.JobSpec) error {
			return &executor.Error{Code: executor.InvalidArgument, Err: errors.New("invalid partition")}
		}
		_, err := f.Start(t.Context(), f.operation("op-1", map[string]any{"command": "date"}))
		require.ErrorContains(t, err, "invalid partition")
		require.False(t, executor.Retryable(err))
	})
}

// Start and Recover of what was submitted find it again, in another process too.
func TestFoundAgain(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	op, _ := f.start(t, map[string]any{"command": "date"})
	for range 2 {
		s, err := f.Start(t.Context(), op)
		require.NoError(t, err)
		require.Equal(t, executor.Running, s.State)
		s, err = f.Recover(t.Context(), op)
		require.NoError(t, err)
		require.Contains(t, string(s.Handle.Data), `"job":"101"`)
	}
	require.Len(t, f.specs, 1)
	s, err := f.Recover(t.Context(), f.operation("op-2", map[string]any{"command": "date"}))
	require.NoError(t, err)
	require.Equal(t, executor.NotStarted, s.State)
}

// A job that ran out of memory is tried again with more, where the property says so.
func TestMoreMemory(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	op, s := f.start(t, map[string]any{"command": "date", "memory": "1 GiB", "retry_memory_factor": int64(2)})
	for attempt := 2; attempt <= 3; attempt++ {
		f.set(func(j *hpc.Job) { j.State, j.Cause = hpc.Failed, hpc.OutOfMemory })
		s = await(t, f.Driver, s)
		require.True(t, executor.Retryable(s.Err))
		op.Attempt = attempt
		var err error
		s, err = f.Start(t.Context(), op)
		require.NoError(t, err)
	}
	require.Equal(t, int64(1<<30), f.specs[0].Memory)
	require.Equal(t, int64(2<<30), f.specs[1].Memory)
	require.Equal(t, int64(4<<30), f.specs[2].Memory)
}

// What a job prints is followed, and its phases are shown.
func TestFollowed(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	op := f.operation("op-1", map[string]any{"command": "date"})
	log := &logs{}
	op.Log = log
	s, err := f.Start(t.Context(), op)
	require.NoError(t, err)
	all, err := f.Poll(t.Context(), []executor.Handle{s.Handle})
	require.NoError(t, err)
	require.Equal(t, "job 101 is queued: Priority", all[0].Detail)
	out := filepath.Join(f.folder(op), "stdout")
	require.NoError(t, os.WriteFile(out, []byte("one\n"), 0o600))
	f.set(func(j *hpc.Job) { j.State, j.Started, j.Nodes = hpc.Running, time.Now(), []string{"n1", "n2"} })
	require.Eventually(t, func() bool {
		all, err = f.Poll(t.Context(), []executor.Handle{s.Handle})
		return err == nil && len(all) == 1 && all[0].Detail == "job 101 is running on n1, n2"
	}, 10*time.Second, 5*time.Millisecond)
	const waited = "submitted job 101 to localhost\njob 101 is queued: Priority\n"
	require.Equal(t, waited+"one\n", log.String())
	require.NoError(t, os.WriteFile(out, []byte("one\ntwo"), 0o600))
	f.set(func(j *hpc.Job) { j.State = hpc.Completed })
	require.Equal(t, executor.Succeeded, await(t, f.Driver, s).State)
	require.Equal(t, waited+"one\ntwo", log.String())
}

// A job that the manager starts anew begins its files anew, and what is called
// like them is the user's.
func TestFollowedAnew(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	op := f.operation("op-1", map[string]any{"command": "date"})
	log := &logs{}
	op.Log = log
	s, err := f.Start(t.Context(), op)
	require.NoError(t, err)
	out := filepath.Join(f.folder(op), "stdout")
	require.NoError(t, os.WriteFile(out+".1", []byte("of the user\n"), 0o600))
	require.NoError(t, os.WriteFile(out, []byte("the first run\n"), 0o600))
	f.set(func(j *hpc.Job) { j.State, j.Started = hpc.Running, time.Now() })
	require.Eventually(t, func() bool {
		_, err = f.Poll(t.Context(), []executor.Handle{s.Handle})
		return err == nil && strings.Contains(log.String(), "the first run\n")
	}, 10*time.Second, time.Millisecond)
	require.NoError(t, os.WriteFile(out, []byte("again\n"), 0o600))
	f.set(func(j *hpc.Job) { j.State = hpc.Completed })
	require.Equal(t, executor.Succeeded, await(t, f.Driver, s).State)
	require.Equal(t, "submitted job 101 to localhost\nthe first run\nagain\n", log.String())
}

// A signal that a job is sent reaches its program, and how that ends then is how
// the job ends, an interrupt too.
func TestWrapperPassesSignalsOn(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	const program = `#!/usr/bin/perl
$SIG{$ARGV[0]} = sub { exit 3 };
$| = 1; print "ready\n";
sleep 60 while 1;
`
	for _, name := range []string{"INT", "TERM", "USR1"} {
		op := f.operation("op-"+name, map[string]any{"script": program, "arguments": []any{name}})
		_, err := f.Start(t.Context(), op)
		require.NoError(t, err)
		for range 3 {
			// Not as a program in the background, which starts without interrupts.
			cmd := exec.CommandContext(t.Context(), "bash")
			cmd.Stdin = strings.NewReader(f.specs[len(f.specs)-1].Script)
			cmd.Env = append(os.Environ(), "PBS_JOBID=12.server")
			out, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			line, err := bufio.NewReader(out).ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, "ready\n", line)
			require.NoError(t, cmd.Process.Signal(signals[name]))
			_ = cmd.Wait()
			require.Equal(t, 3, cmd.ProcessState.ExitCode(), name)
		}
	}
}

var signals = map[string]os.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "USR1": syscall.SIGUSR1}

// The environment of a cluster may hold secrets: no handle has it, and a process
// that resumes takes it from the operation.
func TestNoSecretsInHandles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	m := &fakeManager{jobs: map[string]*hpc.Job{}}
	var tokens []string
	driver := func() *hpc.Driver {
		d := hpc.New(hpc.Config{MinPeriod: time.Millisecond, MaxPeriod: time.Millisecond,
			Managers: []hpc.Factory{{Name: "fake", Detect: func(context.Context, hpc.Shell) (bool, error) { return true, nil },
				New: func(shell hpc.Shell) (hpc.Manager, error) {
					r, err := shell.Run(t.Context(), hpc.Command{Args: []string{"sh", "-c", "printf %s \"$TOKEN\""}})
					tokens = append(tokens, string(r.Stdout))
					return m, err
				}}}})
		t.Cleanup(func() { require.NoError(t, d.Close()) })
		return d
	}
	op := operation("op-1", map[string]any{"command": "date", "environment": map[string]any{"PASSWORD": "of-the-job"}})
	op.Hosts[0].Properties["work_directory"] = dir
	op.Hosts[0].Properties["environment"] = map[string]any{"TOKEN": "of-the-cluster"}
	stop := *op
	stop.ID, stop.Name = "op-2", "stop"
	first := driver()
	s, err := first.Start(t.Context(), op)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "d1", "op-1-1", "job.id"), []byte("101\n"), 0o600))
	stopping, err := first.Start(t.Context(), &stop)
	require.NoError(t, err)
	require.Equal(t, executor.Running, stopping.State)
	for _, h := range []executor.Handle{s.Handle, stopping.Handle} {
		require.NotContains(t, string(h.Data), "of-the-")
		require.NotContains(t, string(h.Data), "TOKEN")
	}
	second := driver()
	second.Resume(op, s.Handle)
	require.Equal(t, executor.Canceled, await(t, second, s).State)
	require.Equal(t, []string{"of-the-cluster", "of-the-cluster"}, tokens)
}

// Many jobs of many deployments are asked after with one query.
func TestOneQueryForAll(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	var handles []executor.Handle
	_, first := f.start(t, map[string]any{"command": "date"})
	var data map[string]any
	require.NoError(t, json.Unmarshal(first.Handle.Data, &data))
	for i := range 2000 {
		id := fmt.Sprint(1000 + i)
		f.jobs[id] = &hpc.Job{ID: id, State: hpc.Queued}
		data["job"], data["dir"] = id, fmt.Sprintf("%s/jobs/d%d/op-%d-1", f.dir, i%100, i)
		text, err := json.Marshal(data)
		require.NoError(t, err)
		handles = append(handles, executor.Handle{Driver: "hpc", Operation: "op-" + id, Data: text})
	}
	all, err := f.Poll(t.Context(), handles)
	require.NoError(t, err)
	require.Len(t, all, 2000)
	require.Len(t, f.queries, 1)
	require.Len(t, f.queries[0], 2000)
}

func TestStopAndDelete(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	op, _ := f.start(t, map[string]any{"command": "date"})
	do := func(name string) (executor.Status, error) {
		other := f.operation("op-"+name, map[string]any{})
		other.Name = name
		require.True(t, f.Accepts(other))
		return f.Start(t.Context(), other)
	}
	require.NoError(t, os.WriteFile(filepath.Join(f.folder(op), "job.id"), []byte("101\n"), 0o600))
	_, err := do("delete")
	require.ErrorContains(t, err, "job 101 has not ended")
	s, err := do("stop")
	require.NoError(t, err)
	require.Equal(t, executor.Succeeded, await(t, f.Driver, s).State)
	require.Equal(t, hpc.Canceled, f.jobs["101"].State)
	s, err = do("stop")
	require.NoError(t, err)
	require.Equal(t, executor.Succeeded, s.State)
	s, err = do("delete")
	require.NoError(t, err)
	require.Equal(t, executor.Succeeded, s.State)
	require.NoDirExists(t, filepath.Dir(f.folder(op)))
}

// The wrapper runs as a job does: it leaves how the program ended, and lets no
// second job run in the same directory.
func TestWrapper(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	op, _ := f.start(t, map[string]any{"script": "#!/bin/sh\n#PBS -l feature\necho \"$1 $X\"\nexit 5\n#PBS late\n", "arguments": []any{"a  'b'"},
		"environment": map[string]any{"X": "$HOME `id`"}})
	script := f.specs[0].Script
	require.True(t, strings.HasPrefix(script, "#!/bin/bash\n#PBS -l feature\n"), script)
	require.NotContains(t, script, "late")
	run := func(id string) hpc.Result {
		r, err := hpc.Local().Run(t.Context(), hpc.Command{Args: []string{"bash"}, Stdin: []byte(script), Env: map[string]string{"PBS_JOBID": id + ".server", "SLURM_JOB_ID": "", "SLURM_ARRAY_JOB_ID": ""}})
		require.NoError(t, err)
		return r
	}
	r := run("12")
	require.Equal(t, 5, r.Code)
	require.Equal(t, "a  'b' $HOME `id`\n", string(r.Stdout))
	left, err := os.ReadFile(filepath.Join(f.folder(op), "job.exit"))
	require.NoError(t, err)
	require.Regexp(t, `^5 \d+ \d+ \S+\n$`, string(left))
	r = run("13")
	require.Equal(t, 71, r.Code)
	require.Contains(t, string(r.Stderr), "another job runs this operation")
	require.Equal(t, 5, run("12").Code, "queued anew by the manager")
	left, err = os.ReadFile(filepath.Join(f.folder(op), "job.exit"))
	require.NoError(t, err)
	require.Regexp(t, `^5 \d+ \d+ \S+\n$`, string(left), "the job that was turned away leaves nothing")
}
