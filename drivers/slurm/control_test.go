package slurm_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

func TestRefused(t *testing.T) {
	t.Parallel()
	m, dir := real(t)
	for name, spec := range map[string]*hpc.JobSpec{
		"partition": {Script: "true", Queue: "nope"}, "memory": {Script: "true", Memory: 1 << 50}, "node": {Script: "true", NodeList: []string{"x"}},
		"constraint": {Script: "true", Constraint: "x"}, "gpus": {Script: "true", GPUs: 1}, "option": {Script: "true", Options: []string{"--nothing"}},
		"indexes": {Script: "true", Array: &hpc.Array{Indexes: "5-1"}},
	} {
		spec.WorkDir = dir
		_, err := m.Submit(t.Context(), spec)
		require.Equal(t, errs.InvalidArgument, errs.CodeOf(err), "%s: %v", name, err)
	}
	id := submit(t, m, &hpc.JobSpec{Script: "true", WorkDir: filepath.Join(dir, "missing"), Stdout: "/nonexistent/out"})
	job := await(t, m, id, ended)
	require.Equal(t, hpc.NodeFailure, job.Cause, "it could not be launched")
}

func TestFindListAndCluster(t *testing.T) {
	t.Parallel()
	m, dir := real(t)
	tag := "op-" + filepath.Base(dir)
	first := submit(t, m, &hpc.JobSpec{Script: "true", WorkDir: dir, Tag: tag})
	second := submit(t, m, &hpc.JobSpec{Script: "exec sleep 600", WorkDir: dir, Tag: tag, Name: "a|b 'c'", NodeList: []string{"n2"}})
	other := submit(t, m, &hpc.JobSpec{Script: "true", WorkDir: dir, Tag: tag + "x", Hold: true})
	await(t, m, second, is(hpc.Running))
	found, err := m.Find(t.Context(), tag)
	require.NoError(t, err)
	require.Equal(t, []string{first, second}, found)

	byID := map[string]*hpc.Job{}
	jobs, err := m.List(t.Context(), "root")
	require.NoError(t, err)
	for _, j := range jobs {
		byID[j.ID] = j
	}
	require.Equal(t, "a|b 'c'", byID[second].Name)
	require.Equal(t, "root", byID[second].User)
	require.Equal(t, hpc.Held, byID[other].State)

	queues, err := m.Queues(t.Context())
	require.NoError(t, err)
	require.Len(t, queues, 2)
	require.Equal(t, "batch", queues[0].Name)
	require.True(t, queues[0].Default && queues[0].Enabled && queues[0].Started)
	require.GreaterOrEqual(t, queues[0].Running, 1)
	require.GreaterOrEqual(t, queues[0].Queued, 1)
	nodes, err := m.Nodes(t.Context())
	require.NoError(t, err)
	require.Len(t, nodes, 3)
	require.Equal(t, "n2", nodes[1].Name)
	require.Contains(t, nodes[1].Jobs, second)
	require.Equal(t, []string{"batch", "low"}, nodes[1].Queues)
	require.NoError(t, m.Cancel(t.Context(), second, other))
}

// A node that the cluster lacks is a wrong option of a submission, but nothing
// that could be drained.
func TestDrainUnknown(t *testing.T) {
	t.Parallel()
	m, _ := real(t)
	require.Equal(t, errs.NotFound, errs.CodeOf(m.Drain(t.Context(), "disk", "n9")))
	require.Equal(t, errs.NotFound, errs.CodeOf(m.Undrain(t.Context(), "n1 state=down")))
}
