package slurm_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/drivers/slurm"
	lab "github.com/seed-a4fd30b5/orchestrator/internal/lab/slurm"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m)) }

// real returns a Manager of the real cluster that the tests share, and a folder
// where jobs run.
func real(t testing.TB) (*slurm.Manager, string) {
	t.Helper()
	return managerOf(t, lab.Shared(t)), t.TempDir()
}

func managerOf(t testing.TB, cluster *lab.Cluster) *slurm.Manager {
	t.Helper()
	m, err := slurm.New(hpc.Local(), &slurm.Options{Env: cluster.Env()})
	require.NoError(t, err)
	return m
}

func submit(t testing.TB, m hpc.Manager, spec *hpc.JobSpec) string {
	t.Helper()
	id, err := m.Submit(t.Context(), spec)
	require.NoError(t, err)
	require.NotEmpty(t, id)
	return id
}

// patience is how long the real Slurm may take, on a machine that is busy with
// other tests too.
const patience = 3 * time.Minute

// await asks after a job until a condition holds.
func await(t testing.TB, m hpc.Manager, id string, holds func(*hpc.Job) bool) *hpc.Job {
	t.Helper()
	var last *hpc.Job
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		jobs, err := m.Jobs(t.Context(), []string{id})
		require.NoError(t, err)
		if len(jobs) == 1 {
			if last = jobs[0]; holds(last) {
				return last
			}
		}
	}
	require.Failf(t, "not in time", "job %s is %+v after %s", id, last, patience)
	return nil
}

func ended(j *hpc.Job) bool { return j.State.Ended() }

func is(state hpc.JobState) func(*hpc.Job) bool {
	return func(j *hpc.Job) bool { return j.State == state }
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	m, dir := real(t)
	file := filepath.Join(dir, "environment")
	require.NoError(t, os.WriteFile(file, []byte("words=(from the file)\nexport FILE=\"${words[*]}\" A=a\n"), 0o600))
	for name, c := range map[string]struct {
		spec *hpc.JobSpec
		want hpc.Job
		text string
	}{
		"variables": {&hpc.JobSpec{Script: "#!/bin/sh\n#SBATCH --comment=of-the-script\nprintf %s \"$A\"", Env: map[string]string{"A": "it's, a=b"}},
			hpc.Job{State: hpc.Completed, Raw: "COMPLETED"}, "it's, a=b"},
		"environment file": {&hpc.JobSpec{Script: "#!/bin/sh\nprintf %s \"$FILE $A\"", EnvironmentFile: file, Env: map[string]string{"A": "b"}},
			hpc.Job{State: hpc.Completed, Raw: "COMPLETED"}, "from the file b"},
		"all that can be asked for": {&hpc.JobSpec{
			Script: "#!/bin/sh\necho $SLURM_JOB_NUM_NODES $SLURM_NTASKS $SLURM_CPUS_PER_TASK $SLURM_JOB_PARTITION\n", Name: "full.name-1",
			Nodes: 2, Tasks: 4, TasksPerNode: 2, CPUsPerTask: 2, Memory: 100 << 20, Walltime: 90 * time.Second, Queue: "batch",
			NodeList: []string{"n1", "n3"}, Mail: "nobody@example.org", MailOn: []string{"fail"}, Join: true, Requeue: true,
			Begin: time.Now().Add(time.Second), Options: []string{"--nice=1"},
		}, hpc.Job{State: hpc.Completed, Raw: "COMPLETED"}, "2 4 2 batch\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := *c.spec
			spec.WorkDir = filepath.Join(dir, name)
			require.NoError(t, os.Mkdir(spec.WorkDir, 0o755))
			spec.Tag = "tag-" + filepath.Base(t.TempDir())
			id := submit(t, m, &spec)
			job := await(t, m, id, ended)
			require.Equal(t, id, job.ID)
			require.Equal(t, c.want.State, job.State)
			require.Equal(t, c.want.Cause, job.Cause)
			require.Equal(t, c.want.ExitCode, job.ExitCode)
			require.Equal(t, c.want.Signal, job.Signal)
			require.Equal(t, c.want.Raw, job.Raw)
			require.Equal(t, spec.Tag, job.Tag)
			require.Equal(t, spec.WorkDir, job.WorkDir)
			require.Equal(t, "batch", job.Queue)
			require.NotEmpty(t, job.Nodes)
			require.Equal(t, -1, job.Index)
			require.WithinDuration(t, time.Now(), job.Ended, 10*time.Minute)
			printed, err := os.ReadFile(filepath.Join(spec.WorkDir, "stdout"))
			require.NoError(t, err)
			require.Equal(t, c.text, string(printed))
		})
	}
}
