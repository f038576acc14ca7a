package hpc_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/csar"
	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/drivers/slurm"
	"github.com/seed-a4fd30b5/orchestrator/drivers/ssh/transport"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/lab"
	labslurm "github.com/seed-a4fd30b5/orchestrator/internal/lab/slurm"
	"github.com/seed-a4fd30b5/orchestrator/state/memory"
)

func TestMain(m *testing.M) {
	if what := os.Getenv(killedChild); what != "" {
		os.Exit(runChild(what))
	}
	if what := os.Getenv(killedEngine); what != "" {
		os.Exit(runEngine(what))
	}
	os.Exit(labslurm.Main(m))
}

// logs keeps what operations print.
type logs struct {
	mu   sync.Mutex
	data bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.data.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.data.String()
}

// service is a template with one job on the lab's cluster.
func service(cluster, properties string) string {
	return `
tosca_definitions_version: tosca_simple_yaml_1_3
imports: [ { profile: hpc } ]
topology_template:
  inputs:
    work: { type: string }
    conf: { type: string }
    port: { type: integer, default: 22 }
    user: { type: string, default: "" }
  node_templates:
    cluster:
      type: hpc.nodes.Cluster
      properties:
        work_directory: { get_input: work }
        environment: { SLURM_CONF: { get_input: conf } }
` + cluster + `
    simulation:
      type: hpc.nodes.Job
      properties:
` + properties + `
      requirements: [ { host: cluster } ]
      artifacts: { input: { file: data, type: tosca.artifacts.File } }
  outputs:
    id: { value: { get_attribute: [ simulation, job_id ] } }
    state: { value: { get_attribute: [ simulation, job_state ] } }
    results: { value: { get_attribute: [ simulation, results ] } }
    tasks: { value: { get_attribute: [ simulation, tasks_done ] } }
    work_dir: { value: { get_attribute: [ simulation, work_dir ] } }
`
}

const here = `      attributes: { public_address: localhost }`

const overThere = `        ssh_port: { get_input: port }
        username: { get_input: user }
      attributes: { public_address: 127.0.0.1 }`

// bench is an engine with the driver, and a folder.
type bench struct {
	engine  *executor.Engine
	driver  *hpc.Driver
	work    string
	inputs  map[string]any
	log     *logs
	archive *csar.Archive
}

func newBench(t *testing.T, text string, files fstest.MapFS, config hpc.Config) *bench {
	t.Helper()
	if testing.Short() {
		t.Skip("it takes a cluster")
	}
	cluster := labslurm.Shared(t)
	work := t.TempDir()
	require.NoError(t, os.Chmod(work, 0o755))
	config.Managers = []hpc.Factory{slurm.Factory()}
	config.MinPeriod, config.MaxPeriod = 200*time.Millisecond, time.Second
	config.Results = filepath.Join(work, "results")
	driver := hpc.New(config)
	log := &logs{}
	engine, err := executor.New(executor.Config{Store: memory.New(memory.Config{}), Drivers: []executor.Driver{driver},
		PollInterval: 100 * time.Millisecond,
		Observe: func(e executor.Event) {
			if e.Kind == executor.OperationLog {
				_, _ = log.Write([]byte(e.Log))
			}
		}})
	require.NoError(t, err)
	t.Cleanup(func() {
		engine.Close()
		require.NoError(t, driver.Close())
	})
	if files == nil {
		files = fstest.MapFS{}
	}
	if files["data/names.txt"] == nil {
		files["data/names.txt"] = &fstest.MapFile{Data: []byte("bob\nada\n")}
	}
	files["service.yaml"] = &fstest.MapFile{Data: []byte(text)}
	archive, err := csar.FromFS(files, "service.yaml")
	require.NoError(t, err)
	return &bench{engine: engine, driver: driver, work: work, log: log, archive: archive,
		inputs: map[string]any{"work": filepath.Join(work, "jobs"), "conf": cluster.Conf}}
}

func (b *bench) deploy(ctx context.Context) error {
	_, err := b.engine.Deploy(ctx, executor.Request{Deployment: "d1", Archive: b.archive, Inputs: b.inputs})
	return err
}

func (b *bench) outputs(t *testing.T) map[string]any {
	t.Helper()
	all, err := b.engine.Outputs(t.Context(), "d1")
	require.NoError(t, err)
	values := map[string]any{}
	for _, o := range all {
		values[o.Name] = o.Value
	}
	return values
}

// TestJob runs a job of a blueprint on the real Slurm, from this machine and
// over SSH, and takes it away again.
func TestJob(t *testing.T) {
	t.Parallel()
	const properties = `
        script: |
          #!/bin/bash
          #SBATCH --comment=overruled
          echo "hello $1 from $GREETER"
          sort input/names.txt > "sorted names.txt"
        arguments: [ "big world" ]
        environment: { GREETER: "it's me" }
        tasks: 1
        memory: 100 MiB
        walltime: "00:02:00"
        stage_in: [ { source: input, target: input } ]
        stage_out: [ { source: "sorted*" } ]`
	run := func(t *testing.T, b *bench) {
		require.NoError(t, b.deploy(t.Context()))
		out := b.outputs(t)
		require.Equal(t, "completed", out["state"])
		require.NotEmpty(t, out["id"])
		want := filepath.Join(b.work, "results", "d1", "simulation_0", "sorted names.txt")
		require.Equal(t, []any{want}, out["results"])
		content, err := os.ReadFile(want)
		require.NoError(t, err)
		require.Equal(t, "ada\nbob\n", string(content))
		require.Contains(t, b.log.String(), "hello big world from it's me\n")
		require.DirExists(t, out["work_dir"].(string))
		_, err = b.engine.Undeploy(t.Context(), "d1", executor.Options{})
		require.NoError(t, err)
		require.NoDirExists(t, filepath.Dir(out["work_dir"].(string)))
	}
	files := func() fstest.MapFS { return fstest.MapFS{"data/names.txt": {Data: []byte("bob\nada\n")}} }
	t.Run("local", func(t *testing.T) {
		t.Parallel()
		run(t, newBench(t, service(here, properties), files(), hpc.Config{}))
	})
	t.Run("ssh", func(t *testing.T) {
		t.Parallel()
		server := lab.SSHD(t, lab.SSHDOptions{})
		b := newBench(t, service(overThere, properties), files(), hpc.Config{
			Transport: transport.Config{KeyFiles: []string{server.KeyFile}, KnownHosts: []string{server.KnownHosts}, AgentSocket: "none"}})
		b.inputs["port"], b.inputs["user"] = server.Port, server.User
		run(t, b)
	})
}

// The ways in which jobs end on the real Slurm, as the engine tells them.
func TestFailures(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		properties string
		says       []string
	}{
		"exit code": {`
        script: "echo the input is missing >&2; exit 3"`, []string{"exit code 3 on n", "the input is missing", "its files are in"}},
		"signal": {`
        script: "kill -SEGV $$"`, []string{"signal 11"}},
		"refused": {`
        command: hostname
        queue: nowhere`, []string{"nowhere"}},
		"results are missing": {`
        command: "true"
        stage_out: [ { source: "*.csv" } ]`, []string{"*.csv of job", "there is no such file"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, service(here, c.properties), nil, hpc.Config{})
			err := b.deploy(t.Context())
			for _, says := range c.says {
				require.ErrorContains(t, err, says)
			}
			_, err = b.engine.Undeploy(t.Context(), "d1", executor.Options{})
			require.NoError(t, err)
			require.NoDirExists(t, filepath.Join(b.work, "jobs", "d1"))
		})
	}
}

// The tasks of an array are visible one by one.
func TestArray(t *testing.T) {
	t.Parallel()
	b := newBench(t, service(here, `
        script: "echo task $ARRAY_INDEX; [ $ARRAY_INDEX != 3 ]"
        array: { indexes: 1-3, limit: 2 }`), nil, hpc.Config{})
	err := b.deploy(t.Context())
	require.ErrorContains(t, err, "exit code 1 (tasks 3)")
	var states []string
	for _, task := range b.outputs(t)["tasks"].([]any) {
		m := task.(map[string]any)
		states = append(states, m["index"].(string)+" "+m["job_state"].(string))
	}
	require.Equal(t, []string{"1 completed", "2 completed", "3 failed"}, states)
	for _, line := range []string{"[1] task 1\n", "[2] task 2\n", "[3] task 3\n"} {
		require.Contains(t, b.log.String(), line)
	}
}

// A task that failed counts when slurmctld has forgotten it while others ran, and
// the accounting does not answer.
func TestTaskIsForgotten(t *testing.T) {
	if testing.Short() {
		t.Skip("the controller takes a minute to forget a task")
	}
	cluster := labslurm.Shared(t)
	b := newBench(t, service(here, `
        script: |
          [ $ARRAY_INDEX != 1 ] || exit 4
          echo begun; until [ -e "$1/go" ]; do sleep 0.1; done
        arguments: [ { get_input: work } ]
        array: { indexes: 1-2 }`), nil, hpc.Config{})
	cluster.StopAccounting()
	defer func() { require.NoError(t, cluster.StartAccounting(context.WithoutCancel(t.Context()))) }()
	ended := make(chan error, 1)
	go func() { ended <- b.deploy(t.Context()) }()
	b.awaitBegun(t)
	require.Eventually(t, func() bool {
		out, err := cluster.Command(t.Context(), "squeue", "-h", "-a", "-t", "all", "-n", "simulation_0", "-o", "%K %T")
		return err == nil && !strings.Contains(out, "1 ") && strings.Contains(out, "2 RUNNING")
	}, 3*time.Minute, 500*time.Millisecond)
	require.NoError(t, os.WriteFile(filepath.Join(b.inputs["work"].(string), "go"), nil, 0o600))
	require.ErrorContains(t, <-ended, "exit code 4 (tasks 1)")
	require.Len(t, b.outputs(t)["tasks"], 2)
}

// Canceling a run reaches the manager; so does undeploying.
func TestCancel(t *testing.T) {
	cluster := labslurm.Shared(t)
	b := newBench(t, service(here, `
        script: "echo begun; exec sleep 600"`), nil, hpc.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.deploy(ctx) }()
	b.awaitBegun(t)
	cancel()
	require.Error(t, <-ended)
	out, err := cluster.Command(t.Context(), "squeue", "-h", "-t", "R,PD", "-n", "simulation_0", "-o", "%i %T")
	require.NoError(t, err)
	require.Empty(t, out)
}

// awaitBegun waits until the job has printed that it has begun.
func (b *bench) awaitBegun(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(b.log.String(), "begun\n") }, 2*time.Minute, 50*time.Millisecond)
}

// endJob ends the job that waits for it, and waits until it has left its exit code.
func (b *bench) endJob(t *testing.T) {
	t.Helper()
	work := b.inputs["work"].(string)
	require.NoError(t, os.WriteFile(filepath.Join(work, "go"), nil, 0o600))
	require.Eventually(t, func() bool {
		left, err := filepath.Glob(filepath.Join(work, "d1", "*", "job.exit"))
		return err == nil && len(left) == 1
	}, 2*time.Minute, 50*time.Millisecond)
}

// A controller that is away while a job runs fails nothing.
func TestControllerAway(t *testing.T) {
	cluster := labslurm.Shared(t)
	b := newBench(t, service(here, `
        script: 'echo begun; until [ -e "$1/go" ]; do sleep 0.1; done'
        arguments: [ { get_input: work } ]`), nil, hpc.Config{})
	ended := make(chan error, 1)
	go func() { ended <- b.deploy(t.Context()) }()
	b.awaitBegun(t)
	cluster.StopController()
	b.endJob(t)
	require.NoError(t, cluster.StartController(t.Context()))
	require.NoError(t, <-ended)
	require.Equal(t, "completed", b.outputs(t)["state"])
}

// A controller that hangs while a job runs and ends delays, and fails nothing.
func TestControllerHangs(t *testing.T) {
	cluster := labslurm.Shared(t)
	b := newBench(t, service(here, `
        script: 'echo begun; until [ -e "$1/go" ]; do sleep 0.1; done'
        arguments: [ { get_input: work } ]`), nil, hpc.Config{Timeout: time.Second})
	ended := make(chan error, 1)
	go func() { ended <- b.deploy(t.Context()) }()
	b.awaitBegun(t)
	require.NoError(t, cluster.HangController())
	b.endJob(t)
	<-time.After(3 * time.Second) // for whoever takes it for ended
	select {
	case err := <-ended:
		t.Errorf("it ended without the controller: %v", err)
	default:
	}
	require.NoError(t, cluster.Continue())
	require.NoError(t, <-ended)
	require.Equal(t, "completed", b.outputs(t)["state"])
}

// A job whose node is lost is tried again, because of the cause.
func TestNodeIsLost(t *testing.T) {
	if testing.Short() {
		t.Skip("the controller takes half a minute to notice")
	}
	cluster := labslurm.Shared(t)
	b := newBench(t, service(here, `
        script: |
          if [ -e "$1/first" ]; then exit 0; fi
          echo >"$1/first"; echo begun; exec sleep 600
        arguments: [ { get_input: work } ]
        node_list: [ n2 ]`), nil, hpc.Config{})
	ended := make(chan error, 1)
	go func() { ended <- b.deploy(t.Context()) }()
	b.awaitBegun(t)
	require.NoError(t, cluster.KillNode("n2"))
	require.Eventually(t, func() bool {
		out, err := cluster.Command(t.Context(), "sacct", "-nXP", "-S", "now-1hour", "--name", "simulation_0", "-o", "State")
		return err == nil && strings.Contains(out, "NODE_FAIL")
	}, 2*time.Minute, time.Second)
	require.NoError(t, cluster.StartNode(t.Context(), "n2"))
	require.NoError(t, <-ended)
	require.Equal(t, "completed", b.outputs(t)["state"])
	require.Contains(t, b.outputs(t)["work_dir"], "-2", "the second attempt")
}
