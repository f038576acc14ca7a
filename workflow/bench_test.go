package workflow_test

import (
	"fmt"
	"testing"

	"github.com/seed-a4fd30b5/orchestrator/tosca"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
)

// generated is a service of n nodes: every tenth a host, the others on the host before
// them and on the node ten before.
func generated(n int, operations ...string) *tosca.ServiceTemplate {
	s := service()
	for i := range n {
		node := node(fmt.Sprintf("node%d", i), operations...)
		if i%10 != 0 {
			requires(node, "host", s.Nodes[i/10*10])
			if i >= 10 {
				requires(node, "dependency", s.Nodes[i-10])
			}
		}
		s.Nodes = append(s.Nodes, node)
	}
	return s
}

func BenchmarkDeploy(b *testing.B) {
	for _, bench := range []struct {
		nodes      int
		operations []string
	}{
		{1_000, []string{"create", "configure", "start"}},
		{10_000, nil},
		{100_000, nil},
	} {
		if testing.Short() && bench.nodes > 10_000 {
			continue
		}
		b.Run(fmt.Sprintf("%dnodes%dops", bench.nodes, len(bench.operations)), func(b *testing.B) {
			s := generated(bench.nodes, bench.operations...)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := workflow.Deploy(s, nil, workflow.Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkUndeploy(b *testing.B) {
	s := generated(10_000, "stop", "delete")
	current := allStarted(s)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := workflow.Undeploy(s, current, workflow.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUpdate(b *testing.B) {
	old, new := generated(10_000, "create", "delete"), generated(10_000, "create", "delete")
	for i := 0; i < len(new.Nodes); i += 100 {
		setProperty(new.Nodes[i], "p", 1)
	}
	current := allStarted(old)
	b.ReportAllocs()
	for b.Loop() {
		diff, err := workflow.Compare(old, new, workflow.DiffOptions{Current: current})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := workflow.Update(old, new, diff, current, workflow.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
