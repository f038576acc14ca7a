package hpc_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	labslurm "github.com/seed-a4fd30b5/orchestrator/internal/lab/slurm"
)

// onCluster is the beginning of a template, with the cluster as its first node.
const onCluster = `
tosca_definitions_version: tosca_simple_yaml_1_3
imports: [ { profile: hpc } ]
topology_template:
  inputs:
    work: { type: string }
    conf: { type: string }
  node_templates:
    cluster:
      type: hpc.nodes.Cluster
      properties: { work_directory: { get_input: work }, environment: { SLURM_CONF: { get_input: conf } } }
      attributes: { public_address: localhost }
`

// chainOf is three jobs in a row that the manager puts in order; the first one
// waits for a file and ends with what it holds.
const chainOf = onCluster + `    first:
      type: hpc.nodes.Job
      properties:
        script: "until [ -s ../go ]; do sleep 0.1; done; exit $(cat ../go)"
      requirements: [ { host: cluster } ]
    tasks:
      type: hpc.nodes.Job
      properties:
        array: { indexes: 1-2 }
        script: "echo $ARRAY_INDEX >task.$ARRAY_INDEX"
      requirements:
        - host: cluster
        - dependency: { node: first, relationship: { type: hpc.relationships.After, properties: { native: true } } }
    last:
      type: hpc.nodes.Job
      properties:
        command: cat
        arguments: [ { concat: [ { get_attribute: [ tasks, work_dir ] }, /task.1 ] }, { concat: [ { get_attribute: [ tasks, work_dir ] }, /task.2 ] } ]
      requirements:
        - host: cluster
        - dependency: { node: tasks, relationship: { type: hpc.relationships.After, properties: { native: true } } }
  outputs:
    last: { value: { get_attribute: [ last, stdout ] } }
    state: { value: { get_attribute: [ last, job_state ] } }
`

// deployChain deploys the chain, and does something when all three jobs are in
// the queue; queue is what squeue said then.
func deployChain(ctx context.Context, t *testing.T, b *bench, then func()) (queue string, err error) {
	t.Helper()
	cluster := labslurm.Shared(t)
	done := make(chan error, 1)
	go func() {
		_, err := b.engine.Deploy(ctx, executor.Request{Deployment: "chain", Archive: b.archive, Inputs: b.inputs})
		done <- err
	}()
	require.Eventually(t, func() bool {
		queue, err = cluster.Command(t.Context(), "squeue", "-h", "-r", "-o", "%j %T %E")
		return err == nil && strings.Count(queue, "PENDING") == 3 && strings.Contains(queue, "RUNNING")
	}, 2*time.Minute, 100*time.Millisecond, "%s", b.log)
	then()
	return queue, <-done
}

// end has the first job end with an exit code.
func (b *bench) end(t *testing.T, code string) func() {
	return func() {
		require.NoError(t, os.WriteFile(filepath.Join(b.work, "jobs", "chain", "go"), []byte(code+"\n"), 0o644))
	}
}

// requireEmptyQueue makes sure that nothing waits or runs.
func requireEmptyQueue(t *testing.T) {
	t.Helper()
	left, err := labslurm.Shared(t).Command(t.Context(), "squeue", "-h", "-r", "-t", "PENDING,RUNNING", "-o", "%j %T %E")
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestChainOnSlurm(t *testing.T) {
	b := newBench(t, chainOf, nil, hpc.Config{})
	queue, err := deployChain(t.Context(), t, b, b.end(t, "0"))
	require.NoError(t, err)
	require.Regexp(t, `(?m)^tasks_0 PENDING afterok:\d+`, queue)
	require.Regexp(t, `(?m)^last_0 PENDING afterok:\d+`, queue)
	outputs, err := b.engine.Outputs(t.Context(), "chain")
	require.NoError(t, err)
	values := map[string]any{}
	for _, o := range outputs {
		values[o.Name] = o.Value
	}
	require.Equal(t, "completed", values["state"])
	printed, err := os.ReadFile(values["last"].(string))
	require.NoError(t, err)
	require.Equal(t, "1\n2\n", string(printed))
}

// The jobs behind one that fails never run, and are no failures of their own.
func TestBrokenChainOnSlurm(t *testing.T) {
	b := newBench(t, chainOf, nil, hpc.Config{})
	_, err := deployChain(t.Context(), t, b, b.end(t, "3"))
	require.ErrorContains(t, err, "exit code 3")
	require.NotContains(t, err.Error(), "tasks_0")
	require.NotContains(t, err.Error(), "last_0")
	requireEmptyQueue(t)
	_, err = b.engine.Undeploy(t.Context(), "chain", executor.Options{})
	require.NoError(t, err)
}

// A cancel ends all jobs of a chain.
func TestCancelChainOnSlurm(t *testing.T) {
	b := newBench(t, chainOf, nil, hpc.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := deployChain(ctx, t, b, cancel)
	require.Equal(t, executor.CodeCanceled, executor.CodeOf(err))
	require.NotContains(t, err.Error(), "unknown")
	requireEmptyQueue(t)
}
