package torque_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
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
	goleak.VerifyTestMain(closing{m})
}

// closing ends the shared sshd behind the tests.
type closing struct{ *testing.M }

func (c closing) Run() int {
	defer closeGate()
	return c.M.Run()
}

// site is an imitated cluster with a Manager that reaches it over a real sshd.
type site struct {
	*torque.Manager
	flavour pbs.Flavour
	cluster *pbs.Cluster
	shell   hpc.Shell
}

// eachSite runs a test with Torque and with OpenPBS. Each case has a cluster of
// its own; the sshd is one for all.
func eachSite(t *testing.T, options pbs.Options, test func(*testing.T, *site)) {
	t.Parallel()
	for _, flavour := range []pbs.Flavour{pbs.Torque, pbs.OpenPBS} {
		t.Run(string(flavour), func(t *testing.T) { test(t, newSite(t, flavour, options)) })
	}
}

// gate is the sshd of all sites, with the connections to it.
var gate struct {
	once   sync.Once
	dir    string
	server *lab.Server
	pool   *transport.Pool
	err    error
}

func newSite(t *testing.T, flavour pbs.Flavour, options pbs.Options) *site {
	t.Helper()
	program := lab.Require(t, "sshd")
	gate.once.Do(func() {
		if gate.dir, gate.err = os.MkdirTemp("", "sshd-"); gate.err == nil {
			gate.server, gate.err = lab.StartSSHD(program, gate.dir, lab.SSHDOptions{})
		}
		if gate.err == nil {
			gate.pool = transport.NewPool(transport.Config{KeyFiles: []string{gate.server.KeyFile}, KnownHosts: []string{gate.server.KnownHosts}, AgentSocket: "none"})
		}
	})
	require.NoError(t, gate.err)
	options.Flavour = flavour
	cluster := pbs.Start(t, options)
	shell := hpc.SSH(gate.pool, transport.Host{Address: gate.server.Address, Port: gate.server.Port, User: gate.server.User}, hpc.ShellOptions{Env: cluster.Env()})
	manager, err := torque.New(shell, &torque.Options{Period: 50 * time.Millisecond, CancelTimeout: 2 * time.Minute})
	require.NoError(t, err)
	return &site{Manager: manager, flavour: flavour, cluster: cluster, shell: shell}
}

// closeGate ends the shared sshd.
func closeGate() {
	if gate.pool != nil {
		gate.pool.Close()
	}
	if gate.server != nil {
		gate.server.Close()
	}
	if gate.dir != "" {
		_ = os.RemoveAll(gate.dir)
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
	deadline := time.Now().Add(2 * time.Minute)
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

func script(lines ...string) string { return "#!/bin/sh\n" + strings.Join(lines, "\n") + "\n" }

// running submits a job that does not end by itself, and waits until its script
// has begun and has made a file to say so.
func (s *site) running(t *testing.T, spec *hpc.JobSpec) string {
	t.Helper()
	spec.WorkDir = t.TempDir()
	if spec.Script == "" {
		spec.Script = script("echo >begun", "sleep 600 & wait")
	}
	id := s.submit(t, spec)
	s.await(t, id, func(j *hpc.Job) bool {
		_, err := os.Stat(filepath.Join(spec.WorkDir, "begun"))
		return j.State == hpc.Running && err == nil
	})
	return id
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

// A job that answers SIGTERM with an exit code was canceled all the same.
func TestCancel(t *testing.T) {
	eachSite(t, pbs.Options{Slots: 2, KillDelay: 200 * time.Millisecond}, func(t *testing.T, s *site) {
		trap := s.running(t, &hpc.JobSpec{Script: script("trap 'exit 7' TERM", "echo >begun", "while :; do sleep 0.05; done")})
		require.NoError(t, s.Cancel(t.Context(), trap))
		j := s.job(t, trap)
		require.Equal(t, []any{hpc.Canceled, hpc.CanceledByUser}, []any{j.State, j.Cause})

		if s.flavour == pbs.Torque {
			s.cluster.Change(t, func(o *pbs.Options) { o.QdelFailures = 2 })
			again := s.running(t, &hpc.JobSpec{})
			require.NoError(t, s.Cancel(t.Context(), again), "qdel that fails now and then is tried again")
			require.Equal(t, hpc.Canceled, s.job(t, again).State)
		}
	})
}

// Of two jobs one is deleted at once and the other only by another try, while the
// first is still ending: Torque complains of that one then.
func TestCancelOfWhatIsEnding(t *testing.T) {
	eachSite(t, pbs.Options{Slots: 2, QdelFailures: 1, KillDelay: 2 * time.Second}, func(t *testing.T, s *site) {
		deaf := &hpc.JobSpec{Script: script("trap '' TERM", "echo >begun", "while :; do sleep 0.05; done")}
		one, other := s.running(t, deaf), s.running(t, deaf)
		require.NoError(t, s.Cancel(t.Context(), one, other))
		require.Equal(t, []hpc.JobState{hpc.Canceled, hpc.Canceled}, []hpc.JobState{s.job(t, one).State, s.job(t, other).State})
	})
}

// A PBS that keeps no history, as it comes: running jobs are known all the same,
// and ended ones are left out.
func TestNoHistory(t *testing.T) {
	s := newSite(t, pbs.OpenPBS, pbs.Options{NoHistory: true})
	ended := s.submit(t, &hpc.JobSpec{Command: []string{"true"}})
	id := s.running(t, &hpc.JobSpec{Tag: "op-1"})
	require.Equal(t, hpc.Running, s.job(t, id).State)
	require.Eventually(t, func() bool {
		jobs, err := s.Jobs(t.Context(), []string{ended, id})
		return err == nil && len(jobs) == 1 && jobs[0].ID == id
	}, 2*time.Minute, 50*time.Millisecond)
	found, err := s.Find(t.Context(), "op-1")
	require.NoError(t, err)
	require.Equal(t, []string{id}, found)
	require.NoError(t, s.Cancel(t.Context(), id))
}

// What has failed already would be waited for for ever.
func TestDependencyOnWhatHasEnded(t *testing.T) {
	eachSite(t, pbs.Options{}, func(t *testing.T, s *site) {
		good, bad := s.submit(t, &hpc.JobSpec{Command: []string{"true"}}), s.submit(t, &hpc.JobSpec{Command: []string{"false"}})
		s.await(t, good, ended)
		s.await(t, bad, ended)
		before := s.cluster.Submitted(t)
		for kind, job := range map[hpc.DependencyKind]string{hpc.AfterOK: bad, hpc.AfterNotOK: good} {
			_, err := s.Submit(t.Context(), &hpc.JobSpec{Command: []string{"true"}, Dependencies: []hpc.Dependency{{Kind: kind, Job: job}}})
			require.Equal(t, errs.FailedPrecondition, errs.CodeOf(err), "%s: %v", kind, err)
		}
		require.Equal(t, before, s.cluster.Submitted(t))
		for kind, job := range map[hpc.DependencyKind]string{hpc.AfterOK: good, hpc.AfterNotOK: bad, hpc.AfterAny: bad} {
			id := s.submit(t, &hpc.JobSpec{Command: []string{"true"}, Dependencies: []hpc.Dependency{{Kind: kind, Job: job}}})
			require.Equal(t, hpc.Completed, s.await(t, id, ended).State, kind)
		}
	})
}

// A node alone, and a script's own start, which is in the time of the cluster.
func TestExclusiveAndDeferred(t *testing.T) {
	eachSite(t, pbs.Options{}, func(t *testing.T, s *site) {
		id := s.submit(t, &hpc.JobSpec{Command: []string{"true"}, Exclusive: true})
		require.Equal(t, hpc.Completed, s.await(t, id, ended).State)
		tokyo := time.FixedZone("", 9*60*60)
		env := s.cluster.Env()
		env["TZ"] = "Asia/Tokyo"
		m, err := torque.New(hpc.NewLocal(hpc.ShellOptions{Env: env}), nil)
		require.NoError(t, err)
		tomorrow := time.Now().In(tokyo).Add(24 * time.Hour).Truncate(time.Minute)
		id, err = m.Submit(t.Context(), &hpc.JobSpec{Script: "#PBS -a " + tomorrow.Format("200601021504") + "\ntrue\n", WorkDir: t.TempDir()})
		require.NoError(t, err)
		require.Equal(t, "waits until "+tomorrow.UTC().Format(time.RFC3339), s.job(t, id).Reason)
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

// What the managers do in their own way beside what drivertest.Jobs holds them to.
func TestOwnWays(t *testing.T) {
	eachSite(t, pbs.Options{}, func(t *testing.T, s *site) {
		id := s.submit(t, &hpc.JobSpec{Script: script("#PBS -N fromdirective", "exit 3")})
		j := s.await(t, id, ended)
		require.Equal(t, []any{hpc.ExitCode, 3, "fromdirective"}, []any{j.Cause, j.ExitCode, j.Name})
		require.Equal(t, errs.FailedPrecondition, errs.CodeOf(s.Release(t.Context(), id)))
		later := s.submit(t, &hpc.JobSpec{Command: []string{"true"}, Begin: time.Now().Add(time.Hour)})
		require.Contains(t, s.job(t, later).Reason, "waits until")
		fixed := s.running(t, &hpc.JobSpec{})
		require.Equal(t, errs.FailedPrecondition, errs.CodeOf(s.Requeue(t.Context(), fixed)), "submitted with -r n")
		before := s.cluster.Submitted(t)
		_, err := s.Submit(t.Context(), &hpc.JobSpec{Command: []string{"true"}, Dependencies: []hpc.Dependency{{Kind: hpc.AfterOK, Job: "99999.vm"}}})
		require.ErrorContains(t, err, "99999.vm, which the manager does not know")
		require.Equal(t, before, s.cluster.Submitted(t), "OpenPBS would have taken it")
	})
}

// The tasks of an array wait as the array does, whatever PBS shows of them.
func TestWaitingArrays(t *testing.T) {
	eachSite(t, pbs.Options{}, func(t *testing.T, s *site) {
		held := s.submit(t, &hpc.JobSpec{Command: []string{"true"}, Array: &hpc.Array{Indexes: "0-1"}, Hold: true})
		behind := s.submit(t, &hpc.JobSpec{Command: []string{"true"}, Array: &hpc.Array{Indexes: "0-1"}, Dependencies: []hpc.Dependency{{Kind: hpc.AfterOK, Job: held}}})
		j := s.job(t, held)
		require.Equal(t, []hpc.JobState{hpc.Held, hpc.Held, hpc.Held}, []hpc.JobState{j.State, j.Tasks[0].State, j.Tasks[1].State})
		require.Equal(t, "held by the user", j.Reason)
		j = s.job(t, behind)
		require.Equal(t, []hpc.JobState{hpc.Queued, hpc.Queued}, []hpc.JobState{j.State, j.Tasks[0].State})
		require.Contains(t, j.Reason, "waits for after")
		require.NoError(t, s.Cancel(t.Context(), held))
		require.Equal(t, hpc.Canceled, s.job(t, held).State)
		require.Equal(t, hpc.DependencyNeverSatisfied, s.await(t, behind, ended).Cause)
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

// Old releases of PBS print JSON that is none; the text form has it all.
func TestBrokenJSON(t *testing.T) {
	eachSite(t, pbs.Options{BrokenJSON: true}, func(t *testing.T, s *site) {
		id := s.submit(t, &hpc.JobSpec{Command: []string{"false"}, Tag: "op-3.1"})
		j := s.await(t, id, ended)
		require.Equal(t, []any{hpc.Failed, 1, "op-3.1"}, []any{j.State, j.ExitCode, j.Tag})
		nodes, err := s.Nodes(t.Context())
		require.NoError(t, err)
		require.Equal(t, "vm", nodes[0].Name)
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

// A drained node keeps its jobs and takes no others.
func TestDrain(t *testing.T) {
	eachSite(t, pbs.Options{Slots: 3}, func(t *testing.T, s *site) {
		node := func() []any {
			nodes, err := s.Nodes(t.Context())
			require.NoError(t, err)
			return []any{nodes[0].State, nodes[0].Reason}
		}
		runs := s.running(t, &hpc.JobSpec{})
		require.NoError(t, s.Drain(t.Context(), "new disk:\n it's <full> & -old", "vm"))
		require.Equal(t, []any{hpc.NodeDraining, "new disk: it's <full> & -old"}, node())
		waits := s.submit(t, &hpc.JobSpec{Command: []string{"true"}})
		require.Equal(t, hpc.Queued, s.job(t, waits).State)
		require.Equal(t, hpc.Running, s.job(t, runs).State)
		require.NoError(t, s.Cancel(t.Context(), runs))
		require.Equal(t, hpc.NodeDrained, node()[0])
		require.NoError(t, s.Undrain(t.Context(), "vm"))
		require.Equal(t, hpc.Completed, s.await(t, waits, ended).State)
		require.Equal(t, []any{hpc.NodeIdle, ""}, node())

		require.Equal(t, errs.InvalidArgument, errs.CodeOf(s.Drain(t.Context(), " ", "vm")))
		err := s.Drain(t.Context(), "disk", "n9")
		require.Equal(t, errs.NotFound, errs.CodeOf(err), "%v", err)
		require.ErrorContains(t, err, "Error marking node n9 - Unknown node")
		require.Equal(t, errs.NotFound, errs.CodeOf(s.Undrain(t.Context(), "-a")))
		s.cluster.Change(t, func(o *pbs.Options) { o.Unprivileged = true })
		require.Equal(t, errs.PermissionDenied, errs.CodeOf(s.Drain(t.Context(), "disk", "vm")))
		require.Equal(t, errs.PermissionDenied, errs.CodeOf(s.Undrain(t.Context(), "vm")))
		s.cluster.Change(t, func(o *pbs.Options) { o.Down = true })
		require.Equal(t, errs.Unavailable, errs.CodeOf(s.Undrain(t.Context(), "vm")))
	})
}

// A file of the cluster is read before the job's script, whatever its shell.
func TestEnvironmentFile(t *testing.T) {
	eachSite(t, pbs.Options{}, func(t *testing.T, s *site) {
		dir := t.TempDir()
		file := filepath.Join(dir, "environment")
		require.NoError(t, os.WriteFile(file, []byte("words=(from the file)\nexport FILE=\"${words[*]}\"\n"), 0o600))
		for i, spec := range []*hpc.JobSpec{{Script: "#!/bin/sh\necho \"$FILE $1\"", Arguments: []string{"a  b"}}, {Command: []string{"sh", "-c", `echo "$FILE a  b"`}}} {
			spec.WorkDir, spec.EnvironmentFile = filepath.Join(dir, strconv.Itoa(i)), file
			require.NoError(t, os.Mkdir(spec.WorkDir, 0o755))
			require.Equal(t, hpc.Completed, s.await(t, s.submit(t, spec), ended).State)
			text, err := os.ReadFile(filepath.Join(spec.WorkDir, "stdout"))
			require.NoError(t, err)
			require.Equal(t, "from the file a  b\n", string(text))
		}
	})
}
