package tosca

import (
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestHostileTemplates holds that what grows faster than the file is bounded:
// each of these would take minutes or gigabytes without a bound.
func TestHostileTemplates(t *testing.T) {
	t.Parallel()
	const header = "tosca_definitions_version: tosca_simple_yaml_1_3\n"
	repeat := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(strings.NewReplacer("%N", strconv.Itoa(i+1), "%d", strconv.Itoa(i)).Replace(format))
		}
		return b.String()
	}
	// The small sizes are beyond the bounds, too.
	many, square := 20_000, 8_000
	if testing.Short() {
		many, square = 2_000, 2_500
	}
	for _, c := range []struct {
		name string
		text string
		code string
	}{
		{"derivation", "node_types:\n" + repeat(many, "  t%d: { derived_from: t%N, properties: { p%d: { type: string } } }\n"), codeTooLarge},
		{"unknown nodes", "topology_template:\n  node_templates:\n" + repeat(many, "    n%d: { type: tosca.nodes.Root, requirements: [ { dependency: m%d } ] }\n"), codeTooLarge},
		{"unknown types", "topology_template:\n  node_templates:\n" + repeat(many, "    n%d: { type: tosca.nodes.Rot%d }\n"), codeTooLarge},
		{"selections", "topology_template:\n  node_templates:\n" + repeat(square,
			"    n%d: { type: tosca.nodes.Root, requirements: [ { dependency: { node: tosca.nodes.Root, node_filter: { properties: [ { p: { equal: %d } } ] } } } ] }\n"), codeTooLarge},
		{"imports of itself", "imports:\n" + repeat(12, "  - { file: service.yaml, namespace_prefix: p%d }\n") + "topology_template: { node_templates: { a: { type: nothing } } }\n", codeUnknownType},
		{"cycles", "topology_template:\n  node_templates:\n" + repeat(300, "    n%d: { type: tosca.nodes.Root, requirements: ["+strings.Repeat(" { dependency: n%d },", 200)+" { dependency: n0 } ] }\n"), codeRequirementCycle},
		{"policies", "topology_template:\n  node_templates:\n" +
			repeat(square, "    n%d: { type: tosca.nodes.Root }\n") + "  groups: { all: { type: tosca.groups.Root, members: [" + repeat(square, " n%d,") + " ] } }\n  policies:\n" + repeat(square, "    - p%d: { type: tosca.policies.Root, targets: [ all ] }\n"), codeTooLarge},
		{"aliases", "dsl_definitions:\n  a0: &a0 [ x, x ]\n" + repeat(40, "  a%N: &a%N [ *a%d, *a%d ]\n"), codeTooLarge},
		{"depth", "metadata: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "\n", codeTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			fsys := fstest.MapFS{"service.yaml": &fstest.MapFile{Data: []byte(header + c.text)}}
			begin := time.Now()
			_, ds := Load(fsys, "service.yaml", nil)
			found := false
			for _, d := range ds {
				found = found || d.Code == c.code
			}
			require.True(t, found, "%s is not among %d diagnostics, the last %v", c.code, len(ds), ds[len(ds)-1])
			t.Logf("%v, %d diagnostics", time.Since(begin), len(ds))
		})
	}
}
