package drivertest

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
)

// JobHarness is a kind of workload manager under test.
type JobHarness struct {
	// Name names it in the tests.
	Name string
	// Site returns a cluster for one test, which may share it with others.
	Site func(t *testing.T) *JobSite
	// Slow are the tests, by name, that wait for minutes on this manager. They are
	// skipped with -short.
	Slow []string
}

// JobSite is a cluster with its Manager. The files of its jobs lie on this machine.
type JobSite struct {
	Manager hpc.Manager
	// Cancel ends a job as somebody else does: by a command of the manager's.
	Cancel func(t *testing.T, id string)
	// Down stops the manager's server, Up starts it again.
	Down, Up func(t *testing.T)
	// Forget waits until the manager's queue has forgotten ended jobs. Accounting
	// tells that Jobs knows of them even then.
	Forget     func(t *testing.T, ids ...string)
	Accounting bool
	// NoRecord tells that Submit ignores JobSpec.Record.
	NoRecord bool
	// OutOfMemory is a job that uses more than it asked for; nil where the manager
	// cannot tell.
	OutOfMemory *hpc.JobSpec
}

// Jobs runs the suite of workload managers, by itself and through hpc.Driver, for
// each harness. What stops a manager's server comes first and alone; then Jobs
// calls t.Parallel.
func Jobs(t *testing.T, harnesses ...JobHarness) {
	type test struct {
		name string
		test func(*jobBench)
	}
	run := func(t *testing.T, h JobHarness, c test, parallel bool) {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() && slices.Contains(h.Slow, c.name) {
				t.Skip("it takes minutes with " + h.Name)
			}
			if parallel {
				t.Parallel()
			}
			c.test(&jobBench{T: t, JobSite: h.Site(t), dir: t.TempDir()})
		})
	}
	require.NotEmpty(t, harnesses)
	for _, h := range harnesses {
		t.Run(h.Name+" is down", func(t *testing.T) {
			run(t, h, test{"ServerDown", testServerDown}, false)
		})
	}
	t.Parallel()
	for _, h := range harnesses {
		t.Run(h.Name, func(t *testing.T) {
			t.Parallel()
			for _, c := range []test{
				{"TimeLimit", testTimeLimit}, // the slow ones first
				{"Forgotten", testForgotten},
				{"OutOfMemory", testOutOfMemory},
				{"Outcomes", testOutcomes},
				{"Cancel", testCancel},
				{"HoldAndRelease", testHoldAndRelease},
				{"SuspendResumeRequeue", testSuspendResumeRequeue},
				{"Array", testArray},
				{"ArrayCanceled", testArrayCanceled},
				{"Dependencies", testDependencies},
				{"Impossible", testImpossible},
				{"Unknown", testUnknown},
				{"FindListQueuesNodes", testFindListQueuesNodes},
				{"SubmittedOnce", testSubmittedOnce},
				{"Operation", testOperation},
				{"OperationFails", testOperationFails},
				{"OperationCanceled", testOperationCanceled},
				{"OperationArray", testOperationArray},
				{"OperationWaits", testOperationWaits},
				{"OperationOnce", testOperationOnce},
				{"OperationChain", testOperationChain},
			} {
				run(t, h, c, true)
			}
		})
	}
}

// jobBench is one test at a cluster.
type jobBench struct {
	*testing.T
	*JobSite
	dir string
}

// jobPatience is how long the real managers may take for what they do at once.
const jobPatience = 3 * time.Minute

func shell(text string) string { return "#!/bin/sh\n" + text + "\n" }

func (b *jobBench) submit(spec *hpc.JobSpec) string {
	b.Helper()
	if spec.WorkDir == "" {
		spec.WorkDir = b.TempDir()
	}
	id, err := b.Manager.Submit(b.Context(), spec)
	require.NoError(b, err)
	require.NotEmpty(b, id)
	return id
}

// await asks after a job until it is as wanted.
func (b *jobBench) await(id string, wanted func(*hpc.Job) bool) *hpc.Job {
	b.Helper()
	return b.awaitLong(id, jobPatience, wanted)
}

func (b *jobBench) awaitLong(id string, patience time.Duration, wanted func(*hpc.Job) bool) *hpc.Job {
	b.Helper()
	var last *hpc.Job
	deadline := time.Now().Add(patience)
	for tick := time.NewTicker(200 * time.Millisecond); ; <-tick.C {
		jobs, err := b.Manager.Jobs(b.Context(), []string{id})
		require.NoError(b, err)
		if len(jobs) == 1 {
			if last = jobs[0]; wanted(last) {
				tick.Stop()
				return last
			}
		}
		require.True(b, time.Now().Before(deadline), "job %s is %+v after %s", id, last, patience)
	}
}

func (b *jobBench) awaitEnd(id string) *hpc.Job {
	b.Helper()
	return b.await(id, func(j *hpc.Job) bool { return j.State.Ended() })
}

func (b *jobBench) awaitState(id string, state hpc.JobState) *hpc.Job {
	b.Helper()
	return b.await(id, func(j *hpc.Job) bool { return j.State == state })
}

// running submits a job that does not end by itself, and waits until it has begun.
func (b *jobBench) running(spec *hpc.JobSpec) string {
	b.Helper()
	spec.WorkDir = b.TempDir()
	spec.Script = shell("echo >begun; exec sleep 600")
	id := b.submit(spec)
	b.await(id, func(j *hpc.Job) bool { return j.State == hpc.Running && exists(filepath.Join(spec.WorkDir, "begun")) })
	return id
}

// unique makes a name of this test's own: tests share clusters.
func (b *jobBench) unique(name string) string {
	folder := filepath.Base(filepath.Dir(b.dir))
	return name + "." + folder[max(0, len(folder)-24):]
}

func (b *jobBench) cancel(ids ...string) {
	b.Helper()
	require.NoError(b, b.Manager.Cancel(b.Context(), ids...))
}
