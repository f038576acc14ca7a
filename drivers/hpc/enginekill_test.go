package hpc_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/csar"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/failpoint"
	labslurm "github.com/seed-a4fd30b5/orchestrator/internal/lab/slurm"
	"github.com/seed-a4fd30b5/orchestrator/state/bolt"
)

// killedEngine tells a child process, as JSON, what to deploy.
const killedEngine = "ORCHESTRATOR_TEST_HPC_ENGINE_KILL"

// engineCase is a deployment of three jobs, two of them at once, whose engines
// are killed.
type engineCase struct {
	childCase
	// Failpoint says where to die: "NAME=N"; empty for nowhere.
	Failpoint string
}

const threeJobs = `
tosca_definitions_version: tosca_simple_yaml_1_3
imports: [ { profile: hpc } ]
topology_template:
  inputs:
    dir: { type: string }
    conf: { type: string }
  node_templates:
    cluster:
      type: hpc.nodes.Cluster
      properties:
        work_directory: { concat: [ { get_input: dir }, /jobs ] }
        environment: { SLURM_CONF: { get_input: conf } }
      attributes: { public_address: localhost }
    a: &job
      type: hpc.nodes.Job
      properties: { script: 'echo ran >>"$1/ran"', arguments: [ { get_input: dir } ] }
      requirements: [ { host: cluster } ]
    b: *job
    c:
      type: hpc.nodes.Job
      properties: { script: 'echo ran >>"$1/ran"', arguments: [ { get_input: dir } ] }
      requirements: [ { host: cluster }, { dependency: a } ]
`

// run deploys, or goes on where an earlier process stopped.
func (c engineCase) run(ctx context.Context) (err error) {
	store, err := bolt.Open(filepath.Join(c.Dir, "state.db"), bolt.Config{EndLeases: true, LockTimeout: time.Minute})
	if err != nil {
		return err
	}
	driver := c.driver()
	engine, err := executor.New(executor.Config{Store: store, Drivers: []executor.Driver{driver}, PollInterval: 50 * time.Millisecond})
	if err != nil {
		return errors.Join(err, store.Close())
	}
	defer func() { err = errors.Join(err, engine.Close(), driver.Close(), store.Close()) }()
	if c.Failpoint != "" {
		point, n, err := failpoint.Parse(c.Failpoint)
		if err != nil {
			return err
		}
		failpoint.Arm(point, n, failpoint.Kill)
	}
	record, err := store.Deployment(ctx, c.ID)
	switch {
	case err == nil && record.Run != "":
		_, err = engine.Resume(ctx, c.ID, executor.Options{})
		return err
	case err != nil && executor.CodeOf(err) != executor.NotFound:
		return err
	}
	archive, err := csar.FromFS(fstest.MapFS{"service.yaml": {Data: []byte(threeJobs)}}, "service.yaml")
	if err != nil {
		return err
	}
	_, err = engine.Deploy(ctx, executor.Request{Deployment: c.ID, Archive: archive, Inputs: map[string]any{"dir": c.Dir, "conf": c.Conf}})
	return err
}

func runEngine(what string) int {
	var c engineCase
	err := json.Unmarshal([]byte(what), &c)
	if err == nil {
		fmt.Println("begins")
		err = c.run(context.Background())
	}
	fmt.Println(err)
	return 0
}

// kill runs the case in a child process, which dies at its failpoint or at a
// random moment.
func (c engineCase) kill(t *testing.T) {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	what, err := json.Marshal(c)
	require.NoError(t, err)
	child := exec.Command(exe)
	child.Env = append(os.Environ(), killedEngine+"="+string(what))
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	_, err = io.ReadFull(out, make([]byte, len("begins\n")))
	require.NoError(t, err)
	if c.Failpoint == "" {
		<-time.After(time.Duration(rand.Int64N(int64(2 * time.Second))))
		_ = child.Process.Kill()
	}
	_, err = io.Copy(io.Discard, out)
	require.NoError(t, err)
	_ = child.Wait() // killed, or with its outcome
}

// jobsIn counts the jobs that were ever submitted from below a folder, by the
// operation in their comments.
func jobsIn(t *testing.T, cluster *labslurm.Cluster, dir string) map[string]int {
	t.Helper()
	listed, err := cluster.Command(t.Context(), "sacct", "-nXP", "-S", "now-1hour", "-o", "JobID,Comment,WorkDir")
	require.NoError(t, err)
	jobs := map[string]int{}
	for line := range strings.Lines(listed) {
		if fields := strings.Split(strings.TrimSpace(line), "|"); len(fields) == 3 && strings.HasPrefix(fields[2], dir+"/") {
			jobs[attempts.ReplaceAllString(fields[1], "")]++
		}
	}
	return jobs
}

var attempts = regexp.MustCompile(`-\d+$`)

// An engine that is killed at any moment, while it submits, waits or records,
// and goes on in another process submits no job twice and loses none. With
// -kills N that many processes are killed at random.
func TestKilledEngine(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a cluster")
	}
	cluster := labslurm.Shared(t)
	// Where a process dies: around the submission, its record, and the question after it.
	var deaths []string
	for _, point := range []failpoint.Point{failpoint.BeforeStart, failpoint.AfterStart, failpoint.BeforeCommit, failpoint.AfterCommit, failpoint.AfterPoll} {
		deaths = append(deaths, point.String()+"=2")
	}
	for range *kills {
		deaths = append(deaths, "")
	}
	twice, lost := 0, 0
	for i := 0; len(deaths) > 0; i++ {
		c := engineCase{childCase: childCase{ID: fmt.Sprintf("kill-%d-%d", os.Getpid(), i), Dir: t.TempDir(), Conf: cluster.Conf}}
		for range min(3, len(deaths)) { // the same deployment is killed up to three times
			c.Failpoint, deaths = deaths[0], deaths[1:]
			c.kill(t)
		}
		c.Failpoint = ""
		err := c.run(t.Context())
		if executor.CodeOf(err) != executor.FailedPrecondition { // there was nothing left to resume
			require.NoError(t, err)
		}
		ran, err := os.ReadFile(filepath.Join(c.Dir, "ran"))
		require.NoError(t, err)
		n := strings.Count(string(ran), "ran\n")
		lost += max(0, 3-n)
		twice += max(0, n-3)

		var jobs map[string]int
		require.Eventually(t, func() bool { // the accounting lags behind
			jobs = jobsIn(t, cluster, c.Dir)
			return len(jobs) >= 3
		}, 2*time.Minute, 200*time.Millisecond)
		require.Len(t, jobs, 3)
		for tag, n := range jobs {
			twice += n - 1
			require.Equal(t, 1, n, "jobs of operation %s", tag)
		}
	}
	require.Zero(t, lost, "jobs lost")
	require.Zero(t, twice, "jobs run twice")
}
