package torque_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/drivers/ssh/transport"
	"github.com/seed-a4fd30b5/orchestrator/drivers/torque"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/internal/lab"
	"github.com/seed-a4fd30b5/orchestrator/internal/lab/pbs"
)

func TestMain(m *testing.M) {
	pbs.Main() // this binary is also the commands of the imitated managers
	goleak.VerifyTestMain(m)
}

// site is an imitated cluster with a Manager that reaches it over a real sshd.
type site struct {
	*torque.Manager
	flavour pbs.Flavour
	cluster *pbs.Cluster
	shell   hpc.Shell
}

// eachSite runs a test with Torque and with OpenPBS. Each case has a cluster of
// its own; the sshd is one.
func eachSite(t *testing.T, options pbs.Options, test func(*testing.T, *site)) {
	t.Parallel()
	server := lab.SSHD(t, lab.SSHDOptions{})
	pool := transport.NewPool(transport.Config{KeyFiles: []string{server.KeyFile}, KnownHosts: []string{server.KnownHosts}, AgentSocket: "none"})
	t.Cleanup(pool.Close)
	for _, flavour := range []pbs.Flavour{pbs.Torque, pbs.OpenPBS} {
		t.Run(string(flavour), func(t *testing.T) {
			options.Flavour = flavour
			cluster := pbs.Start(t, options)
			shell := hpc.SSH(pool, transport.Host{Address: server.Address, Port: server.Port, User: server.User}, hpc.ShellOptions{Env: cluster.Env()})
			manager, err := torque.New(shell, &torque.Options{Period: 50 * time.Millisecond, CancelTimeout: 10 * time.Second})
			require.NoError(t, err)
			test(t, &site{Manager: manager, flavour: flavour, cluster: cluster, shell: shell})
		})
	}
}

func (s *site) submit(t *testing.T, spec *hpc.JobSpec) string {
	t.Helper()
	if spec.WorkDir == "" {
		spec.WorkDir = t.TempDir()
	}
	id, err := s.Submit(t.Context(), spec)
	require.NoError(t, err)
	return id
}

func (s *site) job(t *testing.T, id string) *hpc.Job {
	t.Helper()
	jobs, err := s.Jobs(t.Context(), []string{id})
	require.NoError(t, err)
	require.Len(t, jobs, 1, "job %s", id)
	return jobs[0]
}

// await asks after a job until it is as wanted.
func (s *site) await(t *testing.T, id string, wanted func(*hpc.Job) bool) *hpc.Job {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for tick := time.NewTicker(50 * time.Millisecond); ; <-tick.C {
		j := s.job(t, id)
		if wanted(j) {
			tick.Stop()
			return j
		}
		require.True(t, time.Now().Before(deadline), "job %s is still %s: %+v", id, j.State, j)
	}
}

func ended(j *hpc.Job) bool { return j.State.Ended() }

func in(state hpc.JobState) func(*hpc.Job) bool {
	return func(j *hpc.Job) bool { return j.State == state }
}

func script(lines ...string) string { return "#!/bin/sh\n" + strings.Join(lines, "\n") + "\n" }

// running submits a job that does not end by itself, and waits until its script
// has begun and has made a file to say so.
func (s *site) running(t *testing.T, spec *hpc.JobSpec) string {
	t.Helper()
	spec.WorkDir = t.TempDir()
	if spec.Script == "" {
		spec.Script = script("echo >begun", "sleep 60 & wait")
	}
	id := s.submit(t, spec)
	s.await(t, id, func(j *hpc.Job) bool {
		_, err := os.Stat(filepath.Join(spec.WorkDir, "begun"))
		return j.State == hpc.Running && err == nil
	})
	return id
}

func TestOutcomes(t *testing.T) {
	eachSite(t, pbs.Options{Slots: 8}, func(t *testing.T, s *site) {
		dir := t.TempDir()
		ids := map[string]string{}
		for name, spec := range map[string]*hpc.JobSpec{
			"ok": {Name: "ok", Tag: "op-1.1", WorkDir: dir, Env: map[string]string{"GREETING": "it's, \"quoted\" $HOME"},
				Command: []string{"sh", "-c", `echo "$GREETING"; echo bad >&2; pwd`}, Walltime: time.Minute},
			"exit":   {Script: script("#PBS -N fromdirective", "exit 3")},
			"signal": {Script: script("kill -SEGV $$")},
			"limit":  {Script: script("sleep 60 & wait"), Walltime: time.Second},
			"python": {Script: "#!/usr/bin/env cat\nnot a shell script\n", Stdout: "text"},
		} {
			ids[name] = s.submit(t, spec)
		}
		ok := s.await(t, ids["ok"], ended)
		require.Equal(t, hpc.Completed, ok.State)
		require.Equal(t, "ok", ok.Name)
		require.Equal(t, "op-1.1", ok.Tag)
		require.Equal(t, "batch", ok.Queue)
		require.Equal(t, dir, ok.WorkDir)
		require.Equal(t, []string{"vm"}, ok.Nodes)
		require.WithinRange(t, ok.Ended, ok.Started, time.Now().Add(time.Second))
		require.WithinRange(t, ok.Submitted, time.Now().Add(-time.Minute), time.Now())
		stdout, err := os.ReadFile(filepath.Join(dir, "stdout"))
		require.NoError(t, err)
		require.Equal(t, "it's, \"quoted\" $HOME\n"+dir+"\n", string(stdout))
		stderr, err := os.ReadFile(filepath.Join(dir, "stderr"))
		require.NoError(t, err)
		require.Equal(t, "bad\n", string(stderr))

		exit := s.await(t, ids["exit"], ended)
		require.Equal(t, []any{hpc.Failed, hpc.ExitCode, 3, "fromdirective"}, []any{exit.State, exit.Cause, exit.ExitCode, exit.Name})
		signal := s.await(t, ids["signal"], ended)
		require.Equal(t, []any{hpc.Failed, hpc.Signal, 11}, []any{signal.State, signal.Cause, signal.Signal})
		limit := s.await(t, ids["limit"], ended)
		require.Equal(t, []any{hpc.Failed, hpc.TimeLimit}, []any{limit.State, limit.Cause})
		require.Equal(t, hpc.Completed, s.await(t, ids["python"], ended).State)

		found, err := s.Find(t.Context(), "op-1.1")
		require.NoError(t, err)
		require.Equal(t, []string{ids["ok"]}, found)
		found, err = s.Find(t.Context(), "op-1")
		require.NoError(t, err)
		require.Empty(t, found)
	})
}

func TestNamesTellTheManagers(t *testing.T) {
	eachSite(t, pbs.Options{}, func(t *testing.T, s *site) {
		is, err := torque.Detect(t.Context(), s.shell)
		require.NoError(t, err)
		require.True(t, is)
		_, err = s.List(t.Context(), "")
		require.NoError(t, err)
		require.Equal(t, map[pbs.Flavour]string{pbs.Torque: "torque", pbs.OpenPBS: "pbs"}[s.flavour], s.Name())
		m, err := hpc.Open(t.Context(), s.shell, "auto", torque.Factory())
		require.NoError(t, err)
		require.NotNil(t, m)
	})
	is, err := torque.Detect(t.Context(), hpc.NewLocal(hpc.ShellOptions{Env: map[string]string{"PATH": "/usr/bin:/bin"}}))
	require.NoError(t, err)
	require.False(t, is, "no qstat is no error")
}

func TestCancel(t *testing.T) {
	eachSite(t, pbs.Options{Slots: 2, KillDelay: 200 * time.Millisecond}, func(t *testing.T, s *site) {
		running := s.running(t, &hpc.JobSpec{})
		trap := s.running(t, &hpc.JobSpec{Script: script("trap 'exit 7' TERM", "echo >begun", "while :; do sleep 0.05; done")})
		queued := s.submit(t, &hpc.JobSpec{Command: []string{"true"}})
		require.Equal(t, hpc.Queued, s.job(t, queued).State)
		require.NoError(t, s.Cancel(t.Context(), queued, running, trap, "99999."+"vm"))
		for _, id := range []string{running, trap, queued} {
			j := s.job(t, id)
			require.Equal(t, []any{hpc.Canceled, hpc.CanceledByUser}, []any{j.State, j.Cause}, id)
		}
		require.NoError(t, s.Cancel(t.Context(), running), "what has ended is no error")
		require.NoError(t, s.Cancel(t.Context()))

		if s.flavour == pbs.Torque {
			s.cluster.Change(t, func(o *pbs.Options) { o.QdelFailures = 2 })
			again := s.running(t, &hpc.JobSpec{})
			require.NoError(t, s.Cancel(t.Context(), again), "qdel that fails now and then is tried again")
			require.Equal(t, hpc.Canceled, s.job(t, again).State)
		}
	})
}

// A job that does not end is told as an error that is worth another try.
func TestCancelThatDoesNotHelp(t *testing.T) {
	eachSite(t, pbs.Options{KillDelay: time.Minute}, func(t *testing.T, s *site) {
		id := s.running(t, &hpc.JobSpec{Script: script("trap '' TERM", "echo >begun", "while :; do sleep 0.05; done")})
		m, err := torque.New(s.shell, &torque.Options{Period: 50 * time.Millisecond, CancelTimeout: 100 * time.Millisecond})
		require.NoError(t, err)
		err = m.Cancel(t.Context(), id)
		require.Equal(t, errs.Unavailable, errs.CodeOf(err))
		require.ErrorContains(t, err, "has not ended")
	})
}

func TestHoldAndRelease(t *testing.T) {
	eachSite(t, pbs.Options{}, func(t *testing.T, s *site) {
		id := s.submit(t, &hpc.JobSpec{Command: []string{"true"}, Hold: true})
		require.Equal(t, hpc.Held, s.job(t, id).State)
		require.NoError(t, s.Release(t.Context(), id))
		require.Equal(t, hpc.Completed, s.await(t, id, ended).State)
		later := s.submit(t, &hpc.JobSpec{Command: []string{"true"}, Begin: time.Now().Add(time.Hour)})
		j := s.job(t, later)
		require.Equal(t, hpc.Queued, j.State)
		require.Contains(t, j.Reason, "waits until")
		require.NoError(t, s.Hold(t.Context(), later))
		require.Equal(t, hpc.Held, s.job(t, later).State)
		err := s.Release(t.Context(), id)
		require.Equal(t, errs.FailedPrecondition, errs.CodeOf(err), "%v", err)
		soon := s.submit(t, &hpc.JobSpec{Command: []string{"true"}, Begin: time.Now().Add(time.Second)})
		require.Equal(t, hpc.Completed, s.await(t, soon, ended).State)
	})
}

func TestSuspendResumeRequeue(t *testing.T) {
	eachSite(t, pbs.Options{KillDelay: 100 * time.Millisecond}, func(t *testing.T, s *site) {
		id := s.running(t, &hpc.JobSpec{Requeue: true})
		require.NoError(t, s.Suspend(t.Context(), id))
		require.Equal(t, hpc.Suspended, s.job(t, id).State)
		require.NoError(t, s.Resume(t.Context(), id))
		require.Equal(t, hpc.Running, s.job(t, id).State)
		require.NoError(t, s.Requeue(t.Context(), id))
		s.await(t, id, func(j *hpc.Job) bool { return j.State == hpc.Running && j.Requeues == 1 })
		fixed := s.running(t, &hpc.JobSpec{})
		require.Equal(t, errs.FailedPrecondition, errs.CodeOf(s.Requeue(t.Context(), fixed)), "submitted with -r n")
	})
}

func TestArray(t *testing.T) {
	eachSite(t, pbs.Options{}, func(t *testing.T, s *site) {
		dir := t.TempDir()
		other := s.submit(t, &hpc.JobSpec{Command: []string{"true"}}) // not to be mixed up with the array
		id := s.submit(t, &hpc.JobSpec{Name: "arr", Tag: "op-2.1", WorkDir: dir, Array: &hpc.Array{Indexes: "0-4:2", Limit: 2},
			Script: script(`i=${PBS_ARRAYID:-$PBS_ARRAY_INDEX}`, `echo "task $i"`, `[ "$i" -ne 2 ] || exit 9`)})
		require.Contains(t, id, "[]")
		array := s.await(t, id, ended)
		require.Equal(t, id, array.ID)
		require.Equal(t, "op-2.1", array.Tag)
		require.Equal(t, []any{hpc.Failed, hpc.ExitCode, 9}, []any{array.State, array.Cause, array.ExitCode})
		require.Len(t, array.Tasks, 3)
		for i, task := range array.Tasks {
			require.Equal(t, 2*i, task.Index)
			require.Equal(t, "arr", task.Name)
			require.Equal(t, map[bool]hpc.JobState{true: hpc.Failed, false: hpc.Completed}[i == 1], task.State)
		}
		text, err := os.ReadFile(filepath.Join(dir, "stdout.4"))
		require.NoError(t, err)
		require.Equal(t, "task 4\n", string(text))
		task := s.job(t, array.Tasks[1].ID)
		require.Equal(t, []any{2, 9}, []any{task.Index, task.ExitCode})
		jobs, err := s.Jobs(t.Context(), []string{id, "77.vm", other})
		require.NoError(t, err)
		require.Len(t, jobs, 2)
		require.Equal(t, []string{id, other}, []string{jobs[0].ID, jobs[1].ID}, "in the order of the question")
		found, err := s.Find(t.Context(), "op-2.1")
		require.NoError(t, err)
		require.Equal(t, []string{id}, found)

		all := s.submit(t, &hpc.JobSpec{Command: []string{"sleep", "60"}, Array: &hpc.Array{Indexes: "1-6"}})
		s.await(t, all, in(hpc.Running))
		require.NoError(t, s.Cancel(t.Context(), all))
		canceled := s.job(t, all)
		require.Equal(t, hpc.Canceled, canceled.State)
		for _, task := range canceled.Tasks {
			require.Equal(t, hpc.Canceled, task.State)
		}
	})
}

func TestDependencies(t *testing.T) {
	eachSite(t, pbs.Options{}, func(t *testing.T, s *site) {
		first := s.submit(t, &hpc.JobSpec{Command: []string{"true"}, Hold: true})
		bad := s.submit(t, &hpc.JobSpec{Command: []string{"false"}, Hold: true})
		array := s.submit(t, &hpc.JobSpec{Command: []string{"true"}, Array: &hpc.Array{Indexes: "0-1"}, Hold: true})
		after := func(kind hpc.DependencyKind, job string) string {
			return s.submit(t, &hpc.JobSpec{Command: []string{"true"}, Dependencies: []hpc.Dependency{{Kind: kind, Job: job}}})
		}
		good, never, anyway, behind := after(hpc.AfterOK, first), after(hpc.AfterOK, bad), after(hpc.AfterAny, bad), after(hpc.AfterOK, array)
		waiting := s.job(t, good)
		require.Equal(t, hpc.Queued, waiting.State, "nobody needs to release it")
		require.Contains(t, waiting.Reason, "waits for afterok:"+first)
		require.NoError(t, s.Release(t.Context(), first, bad, array))
		require.Equal(t, hpc.Completed, s.await(t, good, ended).State)
		require.Equal(t, hpc.Completed, s.await(t, anyway, ended).State)
		require.Equal(t, hpc.Completed, s.await(t, behind, ended).State)
		j := s.await(t, never, ended)
		require.Equal(t, []any{hpc.Failed, hpc.DependencyNeverSatisfied}, []any{j.State, j.Cause})

		before := s.cluster.Submitted(t)
		_, err := s.Submit(t.Context(), &hpc.JobSpec{Command: []string{"true"}, Dependencies: []hpc.Dependency{{Kind: hpc.AfterOK, Job: "99999.vm"}}})
		require.Equal(t, errs.NotFound, errs.CodeOf(err), "%v", err)
		require.ErrorContains(t, err, "99999.vm, which the manager does not know")
		require.Equal(t, before, s.cluster.Submitted(t), "OpenPBS would have taken it")
	})
}

func TestRefused(t *testing.T) {
	eachSite(t, pbs.Options{}, func(t *testing.T, s *site) {
		_, err := s.Submit(t.Context(), &hpc.JobSpec{Command: []string{"true"}, Queue: "nope"})
		require.Equal(t, errs.InvalidArgument, errs.CodeOf(err))
		require.ErrorContains(t, err, "Unknown queue")
		big := &hpc.JobSpec{Command: []string{"true"}, Nodes: 9, TasksPerNode: 9}
		if s.flavour == pbs.Torque {
			_, err := s.Submit(t.Context(), big)
			require.Equal(t, errs.InvalidArgument, errs.CodeOf(err))
			require.ErrorContains(t, err, "cannot locate feasible nodes")
		} else {
			id := s.submit(t, big)
			j := s.job(t, id)
			require.Equal(t, []any{hpc.Queued, hpc.Impossible}, []any{j.State, j.Cause})
			require.Contains(t, j.Reason, "Can Never Run")
		}
		require.Equal(t, errs.NotFound, errs.CodeOf(s.Hold(t.Context(), "99999.vm")))
		_, err = s.Jobs(t.Context(), []string{"-x; reboot"})
		require.Equal(t, errs.InvalidArgument, errs.CodeOf(err))
		jobs, err := s.Jobs(t.Context(), []string{"99999.vm"})
		require.NoError(t, err)
		require.Empty(t, jobs)
	})
}

func TestForgotten(t *testing.T) {
	eachSite(t, pbs.Options{KeepCompleted: time.Millisecond, NoHistory: true}, func(t *testing.T, s *site) {
		dir := t.TempDir()
		id := s.submit(t, &hpc.JobSpec{Command: []string{"sh", "-c", "echo $? >outcome"}, WorkDir: dir})
		require.Eventually(t, func() bool {
			jobs, err := s.Jobs(t.Context(), []string{id})
			return err == nil && len(jobs) == 0
		}, 20*time.Second, 50*time.Millisecond, "what the manager does not know any more is left out")
		require.FileExists(t, filepath.Join(dir, "outcome"))
		require.NoError(t, s.Cancel(t.Context(), id))
	})
}

func TestClusterDown(t *testing.T) {
	eachSite(t, pbs.Options{}, func(t *testing.T, s *site) {
		id := s.submit(t, &hpc.JobSpec{Command: []string{"true"}})
		s.cluster.Change(t, func(o *pbs.Options) { o.Down = true })
		_, err := s.Jobs(t.Context(), []string{id})
		require.Equal(t, errs.Unavailable, errs.CodeOf(err), "%v", err)
		_, err = s.Submit(t.Context(), &hpc.JobSpec{Command: []string{"true"}})
		require.Equal(t, errs.Unavailable, errs.CodeOf(err), "%v", err)
		require.Equal(t, errs.Unavailable, errs.CodeOf(s.Cancel(t.Context(), id)))
		s.cluster.Change(t, func(o *pbs.Options) { o.Down = false })
		require.Equal(t, hpc.Completed, s.await(t, id, ended).State)
	})
}

// Old releases of PBS print JSON that is none; the text form has it all.
func TestBrokenJSON(t *testing.T) {
	eachSite(t, pbs.Options{BrokenJSON: true}, func(t *testing.T, s *site) {
		id := s.submit(t, &hpc.JobSpec{Command: []string{"false"}, Tag: "op-3.1"})
		j := s.await(t, id, ended)
		require.Equal(t, []any{hpc.Failed, 1, "op-3.1"}, []any{j.State, j.ExitCode, j.Tag})
	})
}

func TestSubmittedOnce(t *testing.T) {
	eachSite(t, pbs.Options{}, func(t *testing.T, s *site) {
		spec := &hpc.JobSpec{Command: []string{"true"}, Record: filepath.Join(t.TempDir(), "job")}
		first, again := s.submit(t, spec), s.submit(t, spec)
		require.Equal(t, first, again)
		require.Equal(t, 1, s.cluster.Submitted(t))
	})
}

func TestQueuesNodesAndLists(t *testing.T) {
	eachSite(t, pbs.Options{Slots: 3}, func(t *testing.T, s *site) {
		id := s.running(t, &hpc.JobSpec{})
		queues, err := s.Queues(t.Context())
		require.NoError(t, err)
		require.Equal(t, &hpc.Queue{Name: "batch", Default: true, Enabled: true, Started: true, Running: 1}, queues[0])
		nodes, err := s.Nodes(t.Context())
		require.NoError(t, err)
		require.Equal(t, []*hpc.Node{{Name: "vm", State: hpc.NodeMixed, Raw: "free", CPUs: 3, Memory: 24684092 << 10, Jobs: []string{id}}}, nodes)
		jobs, err := s.List(t.Context(), "")
		require.NoError(t, err)
		require.Len(t, jobs, 1)
		jobs, err = s.List(t.Context(), "nobody-else")
		require.NoError(t, err)
		require.Empty(t, jobs)
	})
}
