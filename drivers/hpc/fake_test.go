package hpc_test

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"
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
