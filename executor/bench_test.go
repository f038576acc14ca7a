package executor_test

import (
	"context"
	"fmt"
	"os/exec"
	"sync/atomic"
	"testing"

	"github.com/seed-a4fd30b5/orchestrator/csar"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/bolt"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
	"github.com/stretchr/testify/require"
)

// counting counts commits.
type counting struct {
	state.Store
	commits atomic.Int64
}

func (c *counting) Commit(ctx context.Context, id string, commit *state.Commit) (uint64, error) {
	c.commits.Add(1)
	return c.Store.Commit(ctx, id, commit)
}

func benchStore(b *testing.B, kind string) state.Store {
	if kind == "memory" {
		return newMemory(b)
	}
	s, err := bolt.Open(b.TempDir()+"/state.db", bolt.Config{})
	require.NoError(b, err)
	b.Cleanup(func() { _ = s.Close() })
	return s
}

// BenchmarkDeploy deploys nodes without operations: what the engine itself
// costs. The template is loaded before.
func BenchmarkDeploy(b *testing.B) {
	for _, kind := range []string{"memory", "bolt"} {
		for _, n := range []int{1000, 10_000} {
			if testing.Short() && n > 1000 {
				continue
			}
			b.Run(fmt.Sprintf("store=%s/nodes=%d", kind, n), func(b *testing.B) {
				store := &counting{Store: benchStore(b, kind)}
				e := newEngine(b, executor.Config{Store: store})
				// Undeployed again, so that the engine knows the template.
				archive := template(b, things(n, nil, func(i int) []int {
					if i < 10 {
						return nil
					}
					return []int{i - 10, i / 2}
				}))
				if _, err := e.Deploy(b.Context(), executor.Request{Deployment: "warm", Archive: archive}); err != nil {
					b.Fatal(err)
				}
				if _, err := e.Undeploy(b.Context(), "warm", executor.Options{}); err != nil {
					b.Fatal(err)
				}
				before := store.commits.Load()
				b.ReportAllocs()
				for b.Loop() {
					if _, err := e.Deploy(b.Context(), executor.Request{Deployment: "warm"}); err != nil {
						b.Fatal(err)
					}
					b.StopTimer()
					if _, err := e.Undeploy(b.Context(), "warm", executor.Options{}); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
				b.ReportMetric(float64(store.commits.Load()-before)/float64(2*b.N), "commits/run")
			})
		}
	}
}

// BenchmarkOperations runs 200 operations of /bin/true with 4 workers, and
// BenchmarkForks 200 bare forks, 4 at a time, to compare with.
func BenchmarkOperations(b *testing.B) {
	for _, kind := range []string{"memory", "bolt"} {
		b.Run("store="+kind, func(b *testing.B) {
			driver := &script{do: func(ctx context.Context, _ *executor.Operation) (map[string]any, error) {
				return nil, exec.CommandContext(ctx, "/bin/true").Run()
			}}
			store := &counting{Store: benchStore(b, kind)}
			e := newEngine(b, executor.Config{Store: store, Drivers: []executor.Driver{executor.Sync(driver)}, Workers: 4})
			archive := template(b, things(200, creates, nil))
			id := 0
			b.ReportAllocs()
			for b.Loop() {
				id++
				if _, err := e.Deploy(b.Context(), executor.Request{Deployment: fmt.Sprint("x", id), Archive: archive}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(store.commits.Load())/float64(b.N), "commits/run")
		})
	}
}

func BenchmarkForks(b *testing.B) {
	for b.Loop() {
		work := make(chan int)
		done := make(chan error, 4)
		for range 4 {
			go func() {
				var failed error
				for range work {
					if err := exec.Command("/bin/true").Run(); err != nil {
						failed = err
					}
				}
				done <- failed
			}()
		}
		for i := range 200 {
			work <- i
		}
		close(work)
		for range 4 {
			if err := <-done; err != nil {
				b.Fatal(err)
			}
		}
	}
}

// load loads the service template of an archive.
func load(t testing.TB, archive *csar.Archive) *tosca.ServiceTemplate {
	t.Helper()
	loaded, diags := tosca.Load(archive.FS(), archive.Entry(), nil)
	require.False(t, diags.HasErrors(), "%v", diags)
	return loaded
}
