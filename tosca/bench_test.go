package tosca

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/seed-a4fd30b5/orchestrator/tosca/profile"
)

// generated is a service of n nodes of one type, each with three properties
// and a requirement: a tree in which each node depends on an earlier one.
func generated(n int) fstest.MapFS {
	var b bytes.Buffer
	b.WriteString(`tosca_definitions_version: tosca_simple_yaml_1_3
node_types:
  part:
    derived_from: tosca.nodes.Root
    properties:
      name: { type: string }
      size: { type: integer, constraints: [ { greater_or_equal: 0 } ] }
      owner: { type: string }
topology_template:
  inputs:
    owner: { type: string, default: nobody }
  node_templates:
`)
	for i := range n {
		fmt.Fprintf(&b, "    node-%d:\n      type: part\n      properties:\n        name: node-%d\n        size: %d\n        owner: { get_input: owner }\n", i, i, i)
		if i > 0 {
			fmt.Fprintf(&b, "      requirements:\n        - dependency: node-%d\n", i/2)
		}
	}
	return fstest.MapFS{"service.yaml": &fstest.MapFile{Data: b.Bytes()}}
}

func benchmarkLoad(b *testing.B, fsys fstest.MapFS) {
	b.ReportAllocs()
	for b.Loop() {
		_, ds := Load(fsys, "service.yaml", nil)
		if ds.HasErrors() {
			b.Fatal(report(ds))
		}
	}
}

func BenchmarkLoadHello(b *testing.B) { benchmarkLoad(b, generated(2)) }
func BenchmarkLoad1000(b *testing.B)  { benchmarkLoad(b, generated(1000)) }

// BenchmarkLoad10000 also reports the most memory that the process ever had
// resident, in MB: run it alone and once to have that of one Load.
//
//	go test -run '^$' -bench 'Load10000$' -benchtime 1x ./tosca
func BenchmarkLoad10000(b *testing.B) {
	benchmarkLoad(b, generated(10_000))
	reportPeak(b)
}

// BenchmarkLoad100000 shows that the time grows with the number of nodes, not faster.
func BenchmarkLoad100000(b *testing.B) {
	if testing.Short() {
		b.Skip("it needs a gigabyte")
	}
	benchmarkLoad(b, generated(100_000))
	reportPeak(b)
}

func reportPeak(b *testing.B) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Logf("the peak is not reported: %v", err) // not on Linux
		return
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var peak float64
	if _, err := fmt.Sscan(rest, &peak); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(peak*1024/1e6, "peak-MB")
}

// BenchmarkParseProfile is what the first Load of a process pays.
func BenchmarkParseProfile(b *testing.B) {
	b.ReportAllocs()
	file, content, _ := profile.Open("tosca_simple_yaml_1_3")
	for b.Loop() {
		parseProfile("tosca_simple_yaml_1_3", file, content)
	}
}
