package hpc_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/executor"
)

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
