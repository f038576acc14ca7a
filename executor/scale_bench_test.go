//go:build unix

package executor_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/csar"
	"github.com/seed-a4fd30b5/orchestrator/drivers/local"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/state/bolt"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// What the benchmarks report beside the time: cpu-ms/op, the time that
// processors worked for this process and for its children, which other
// programs on the machine change little; peak-MB, the most memory that the
// process had resident; commits and syncs of the disk for each run.

// cpuTime is how long processors have worked for this process and its children.
func cpuTime(b *testing.B) time.Duration {
	var sum time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return sum
}

// resetPeak makes the peak of memory what is used now, on Linux.
func resetPeak() {
	debug.FreeOSMemory()
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
}

// reportPeak reports the peak of memory, on Linux.
func reportPeak(b *testing.B) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var kilobytes float64
	if _, err := fmt.Sscan(rest, &kilobytes); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(kilobytes/1024, "peak-MB")
}

// measured is a bolt store whose work is counted from start on.
type measured struct {
	*counting
	bolt  *bolt.Store
	cpu   time.Duration
	begin bolt.Stats
}

func newMeasured(b *testing.B) *measured {
	s, err := bolt.Open(b.TempDir()+"/state.db", bolt.Config{})
	require.NoError(b, err)
	b.Cleanup(func() { _ = s.Close() })
	return &measured{counting: &counting{Store: s}, bolt: s}
}

func (m *measured) start(b *testing.B) {
	resetPeak()
	m.commits.Store(0)
	m.begin, m.cpu = m.bolt.Stats(), cpuTime(b)
}

func (m *measured) report(b *testing.B) {
	cpu, stats, n := cpuTime(b)-m.cpu, m.bolt.Stats(), float64(b.N)
	b.ReportMetric(float64(cpu.Microseconds())/1000/n, "cpu-ms/op")
	b.ReportMetric(float64(m.commits.Load())/n, "commits/op")
	b.ReportMetric(float64(stats.Syncs-m.begin.Syncs)/n, "syncs/op")
	reportPeak(b)
}

// wide is a tree of nodes: each depends on two earlier ones.
func wide(i int) []int {
	if i < 10 {
		return nil
	}
	return []int{i - 10, i / 2}
}

// BenchmarkScaleNodes deploys nodes without operations on the bolt store, each
// with relationships to two others, from a template that is loaded before. The
// peak of memory includes the loaded template; that of the load itself is with
// BenchmarkLoad100000 in package tosca.
func BenchmarkScaleNodes(b *testing.B) {
	for _, n := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("nodes=%d", n), func(b *testing.B) {
			if testing.Short() && n > 10_000 {
				b.Skip("it needs a gigabyte")
			}
			archive := template(b, things(n, nil, wide))
			began := cpuTime(b)
			loaded := load(b, archive)
			loading := cpuTime(b) - began
			store := newMeasured(b)
			e := newEngine(b, executor.Config{Store: store})
			store.start(b)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := e.Deploy(b.Context(), executor.Request{Deployment: fmt.Sprint("d", i), Archive: archive, Template: loaded}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(loading.Microseconds())/1000, "load-cpu-ms")
			store.report(b)
		})
	}
}

// BenchmarkScaleDeployments has 1,000 deployments of 20 nodes, two of them with
// an operation, in one engine at once.
func BenchmarkScaleDeployments(b *testing.B) {
	const n = 1000
	archive := template(b, things(20, func(i int) string {
		if i%10 == 0 {
			return creates(i)
		}
		return ""
	}, chain))
	loaded := load(b, archive)
	store := newMeasured(b)
	var mu sync.Mutex
	most := 0
	driver := &script{do: func(context.Context, *executor.Operation) (map[string]any, error) {
		mu.Lock()
		defer mu.Unlock()
		most = max(most, runtime.NumGoroutine())
		return nil, nil
	}}
	e := newEngine(b, executor.Config{Store: store, Drivers: []executor.Driver{executor.Sync(driver)}, Workers: 32})
	store.start(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		var group errgroup.Group
		for j := range n {
			group.Go(func() error {
				_, err := e.Deploy(b.Context(), executor.Request{Deployment: fmt.Sprintf("d%d-%d", i, j), Archive: archive, Template: loaded})
				return err
			})
		}
		if err := group.Wait(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(most), "goroutines")
	store.report(b)
}

// BenchmarkScaleWaiting has 10,000 operations waiting at once in the outside
// world. B/waiting is the memory that each of them takes in the engine, its
// node and its part of the plan included.
func BenchmarkScaleWaiting(b *testing.B) {
	const n = 10_000
	archive := template(b, things(n, creates, nil))
	loaded := load(b, archive)
	store := newMeasured(b)
	var before, waiting runtime.MemStats
	goroutines := 0
	store.start(b)
	b.ReportAllocs()
	polls := 0
	for i := 0; b.Loop(); i++ {
		runtime.GC()
		runtime.ReadMemStats(&before)
		driver := newParked(n, func() bool {
			goroutines = runtime.NumGoroutine()
			runtime.GC()
			runtime.ReadMemStats(&waiting)
			return true
		})
		e, err := executor.New(executor.Config{Store: store, Drivers: []executor.Driver{driver}, Workers: 32, PollInterval: time.Second})
		require.NoError(b, err)
		_, err = e.Deploy(b.Context(), executor.Request{Deployment: fmt.Sprint("d", i), Archive: archive, Template: loaded})
		require.NoError(b, err)
		require.NoError(b, e.Close())
		polls += driver.polls
	}
	b.ReportMetric(float64(waiting.HeapAlloc-before.HeapAlloc)/n, "B/waiting")
	b.ReportMetric(float64(goroutines), "goroutines")
	b.ReportMetric(float64(polls)/float64(b.N), "polls/op")
	store.report(b)
}

// forks runs n bare processes of /bin/true, 4 at a time.
func forks(n int) error {
	var group errgroup.Group
	group.SetLimit(4)
	for range n {
		group.Go(func() error { return exec.Command("/bin/true").Run() })
	}
	return group.Wait()
}

// BenchmarkScaleForks runs 200 operations of /bin/true with 4 workers, and in
// turn with them 200 bare processes, 4 at a time. "times" is how much longer
// the operations take, "cpu-times" how much more processor time.
//
// driver=exec runs the bare process as its operation: what the engine and the
// store cost. driver=local is drivers/local, which also keeps what it takes to
// find the script again after a crash.
func BenchmarkScaleForks(b *testing.B) {
	const n = 200
	bare := executor.Sync(&script{do: func(ctx context.Context, _ *executor.Operation) (map[string]any, error) {
		return nil, exec.CommandContext(ctx, "/bin/true").Run()
	}})
	archive, err := csar.FromFS(fstest.MapFS{
		"service.yaml": {Data: []byte(things(n, func(int) string { return "create: run" }, nil))},
		"run":          {Data: []byte("#!/bin/true\n")},
	}, "service.yaml")
	require.NoError(b, err)
	loaded := load(b, archive)
	for _, driver := range []executor.Driver{bare, local.New(local.Config{WorkDir: b.TempDir()})} {
		name := driver.Name()
		if name == "script" {
			name = "exec"
		}
		b.Run("driver="+name, func(b *testing.B) {
			store := newMeasured(b)
			e := newEngine(b, executor.Config{Store: store, Drivers: []executor.Driver{driver}, Workers: 4})
			var wall, cpu [2]time.Duration
			store.start(b)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				for k, work := range []func() error{
					func() error { return forks(n) },
					func() error {
						_, err := e.Deploy(b.Context(), executor.Request{Deployment: fmt.Sprint("d", i), Archive: archive, Template: loaded})
						return err
					},
				} {
					began, worked := time.Now(), cpuTime(b)
					if err := work(); err != nil {
						b.Fatal(err)
					}
					wall[k] += time.Since(began)
					cpu[k] += cpuTime(b) - worked
				}
			}
			store.report(b)
			b.ReportMetric(float64(wall[1])/float64(wall[0]), "times")
			b.ReportMetric(float64(cpu[1])/float64(cpu[0]), "cpu-times")
			b.ReportMetric(float64(wall[0].Microseconds())/1000/float64(b.N), "forks-ms")
			b.ReportMetric(float64(cpu[0].Microseconds())/1000/float64(b.N), "forks-cpu-ms")
		})
	}
}
