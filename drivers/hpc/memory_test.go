package hpc_test

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/csar"
	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/state/memory"
)

// BenchmarkWaitingJobs tells what an engine holds for each of 2,000 jobs of 100
// deployments that wait at one cluster, the store in memory included, and how
// many jobs are asked after in one query.
func BenchmarkWaitingJobs(b *testing.B) {
	if testing.Short() {
		b.Skip("it submits 2,000 jobs to an imitation: 12 s")
	}
	const deployments, jobs = 100, 20
	text := &strings.Builder{}
	text.WriteString("tosca_definitions_version: tosca_simple_yaml_1_3\nimports: [ { profile: hpc } ]\n" +
		"topology_template:\n  inputs: { work: { type: string } }\n  node_templates:\n    cluster:\n      type: hpc.nodes.Cluster\n" +
		"      properties: { work_directory: { get_input: work } }\n      attributes: { public_address: localhost }\n")
	for i := range jobs {
		fmt.Fprintf(text, "    job%d:\n      type: hpc.nodes.Job\n      properties: { command: \"true\" }\n      requirements: [ { host: cluster } ]\n", i)
	}
	archive, err := csar.FromFS(fstest.MapFS{"service.yaml": {Data: []byte(text.String())}}, "service.yaml")
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		before := heap()
		m := &fakeManager{jobs: map[string]*hpc.Job{}}
		dir := b.TempDir()
		driver := hpc.New(hpc.Config{Results: filepath.Join(dir, "results"), MinPeriod: 500 * time.Millisecond, MaxPeriod: 500 * time.Millisecond,
			Managers: []hpc.Factory{{Name: "fake", Detect: func(context.Context, hpc.Shell) (bool, error) { return true, nil },
				New: func(hpc.Shell) (hpc.Manager, error) { return m, nil }}}})
		engine, err := executor.New(executor.Config{Store: memory.New(memory.Config{}), Drivers: []executor.Driver{driver}, PollInterval: 100 * time.Millisecond})
		require.NoError(b, err)
		ended := make(chan error, deployments)
		for i := range deployments {
			go func() {
				_, err := engine.Deploy(b.Context(), executor.Request{Deployment: fmt.Sprintf("d%d", i), Archive: archive, Inputs: map[string]any{"work": dir}})
				ended <- err
			}()
		}
		// All wait when one query has asked after all of them, twice.
		full := func() int {
			m.mu.Lock()
			defer m.mu.Unlock()
			n := 0
			for _, ids := range m.queries {
				if len(ids) == deployments*jobs {
					n++
				}
			}
			return n
		}
		require.Eventually(b, func() bool { return full() >= 2 }, 3*time.Minute, 100*time.Millisecond)
		b.ReportMetric(float64(heap()-before)/(deployments*jobs), "B/job")
		b.ReportMetric(float64(runtime.NumGoroutine()), "goroutines")
		m.set(func(j *hpc.Job) { j.State = hpc.Completed })
		for range deployments {
			require.NoError(b, <-ended)
		}
		engine.Close()
		require.NoError(b, driver.Close())
	}
}

// heap is what is reachable, in bytes.
func heap() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
