package tosca

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// importTree makes n files: each imports a hub, the hub imports all, and each
// declares a type that derives from the one of the file before.
func importTree(n int) fstest.MapFS {
	fsys := fstest.MapFS{}
	var hub strings.Builder
	hub.WriteString("tosca_definitions_version: tosca_simple_yaml_1_3\nimports:\n")
	for i := range n {
		fmt.Fprintf(&hub, "  - f%d.yaml\n", i)
		parent := "tosca.nodes.Root"
		if i > 0 && i%10 != 0 {
			parent = fmt.Sprintf("T%d", i-1)
		}
		fsys[fmt.Sprintf("f%d.yaml", i)] = &fstest.MapFile{Data: fmt.Appendf(nil, `tosca_definitions_version: tosca_simple_yaml_1_3
imports: [ f%d.yaml, hub.yaml ]
node_types:
  T%d:
    derived_from: %s
    properties: { p%d: { type: integer, default: 1 } }
`, max(i-1, 0), i, parent, i)}
	}
	fsys["hub.yaml"] = &fstest.MapFile{Data: []byte(hub.String())}
	fsys["service.yaml"] = &fstest.MapFile{Data: fmt.Appendf(nil, `tosca_definitions_version: tosca_simple_yaml_1_3
imports: [ hub.yaml ]
topology_template:
  node_templates:
    a: { type: T%d }
`, n-1)}
	return fsys
}

func TestImportTree(t *testing.T) {
	t.Parallel()
	st := mustLoad(t, importTree(100), "service.yaml")
	require.Len(t, st.Files, 102)
	require.Equal(t, "T99", st.Nodes[0].Type.Name)
}

// BenchmarkImports loads trees of files; the time should be that of their
// number.
func BenchmarkImports(b *testing.B) {
	for _, n := range []int{100, 900} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			fsys := importTree(n)
			b.ReportAllocs()
			for b.Loop() {
				if _, ds := Load(fsys, "service.yaml", nil); ds.HasErrors() {
					b.Fatal(ds)
				}
			}
		})
	}
}
