//go:build unix

package ansible_test

import (
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/seed-a4fd30b5/orchestrator/drivers/ansible"
)

// BenchmarkPlaybooks runs 50 trivial playbooks, 4 at a time, each in an
// ansible-playbook of its own and in forks of the preloaded process. The time
// that preloading takes is part of its figure.
//
//	go test -run '^$' -bench Playbooks -benchtime 1x ./drivers/ansible
func BenchmarkPlaybooks(b *testing.B) {
	const playbooks, workers = 50, 4
	fsys := files("p.yml", playbook("    - set_stats: {data: {n: '{{ n }}'}}\n"))
	for _, mode := range []struct {
		name      string
		noPreload bool
	}{{"fresh", true}, {"preloaded", false}} {
		b.Run(mode.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				d := newDriver(b, ansible.Config{NoPreload: mode.noPreload})
				var g errgroup.Group
				g.SetLimit(workers)
				for n := range playbooks {
					g.Go(func() error {
						op := operation(fsys, "p.yml")
						op.Inputs = map[string]any{"n": int64(n)}
						_, err := d.Run(b.Context(), op)
						return err
					})
				}
				if err := g.Wait(); err != nil {
					b.Fatal(err)
				}
				if err := d.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(playbooks*b.N)/b.Elapsed().Seconds(), "playbooks/s")
		})
	}
}
