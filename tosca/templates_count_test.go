package tosca

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// pairsTypes are types for left and right nodes; a right one can be used as
// often as its target_count says.
const pairsTypes = `tosca_definitions_version: tosca_2_0
capability_types:
  Feature: { properties: { target_count: { type: integer, required: false } } }
relationship_types: { Uses: {} }
node_types:
  Left:
    properties: { n: { type: integer, required: false } }
    requirements: [ uses: { capability: Feature, relationship: Uses } ]
  Right: { capabilities: { feature: Feature } }
  Extra: { capabilities: { feature: Feature } }
service_template:
  inputs:
    l: { type: integer, default: 2 }
    r: { type: integer, default: 3 }
    none: { type: integer }
`

func loadPairs(t *testing.T, nodes string, inputs map[string]any) (*ServiceTemplate, Diagnostics) {
	t.Helper()
	text := pairsTypes + "  node_templates:\n" + nodes
	return Load(fstest.MapFS{"service.yaml": &fstest.MapFile{Data: []byte(text)}}, "service.yaml", &Options{Inputs: inputs})
}

// edges lists the relationships as "left_0>right_1".
func edges(t *ServiceTemplate) string {
	var list []string
	for _, n := range t.Nodes {
		for _, r := range n.Requirements {
			list = append(list, fmt.Sprintf("%s%d>%s%d", n.Name, n.Index, r.Target.Name, r.Target.Index))
		}
	}
	return strings.Join(list, " ")
}

func TestRelationshipPatterns(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		nodes  string
		inputs map[string]any
		want   string
		shape  []string
	}{
		"many to one": {
			nodes: "    R: { type: Right }\n    L: { type: Left, count: { $get_input: l }, requirements: [ uses: R ] }\n",
			want:  "L0>R0 L1>R0", shape: []string{"l"},
		},
		"one to many": {
			nodes:  "    R: { type: Right, count: { $get_input: r } }\n    L: { type: Left, requirements: [ uses: { node: Right, count: { $get_input: r } } ] }\n",
			inputs: map[string]any{"r": 4},
			want:   "L0>R0 L0>R1 L0>R2 L0>R3", shape: []string{"r"},
		},
		"full mesh": {
			nodes: "    R: { type: Right, count: { $get_input: r } }\n    L: { type: Left, count: { $get_input: l }, requirements: [ uses: { node: R, count: { $get_input: r } } ] }\n",
			want:  "L0>R0 L0>R1 L0>R2 L1>R0 L1>R1 L1>R2", shape: []string{"l", "r"},
		},
		"one of several": {
			nodes: "    R: { type: Right, count: 3 }\n    L: { type: Left, count: 2, requirements: [ uses: R ] }\n",
			want:  "L0>R0 L1>R0",
		},
		"random pairs": {
			nodes: "    R: { type: Right, count: 3, capabilities: { feature: { properties: { target_count: 1 } } } }\n" +
				"    L: { type: Left, count: 3, requirements: [ uses: { node: Right, allocation: { target_count: 1 } } ] }\n",
			want: "L0>R0 L1>R1 L2>R2",
		},
		"three to two": {
			nodes: "    R: { type: Right, count: 4, capabilities: { feature: { properties: { target_count: 3 } } } }\n" +
				"    L: { type: Left, count: 6, requirements: [ uses: { node: Right, count: 2, allocation: { target_count: 1 } } ] }\n",
			want: "L0>R0 L0>R1 L1>R0 L1>R1 L2>R0 L2>R1 L3>R2 L3>R3 L4>R2 L4>R3 L5>R2 L5>R3",
		},
		"by index": {
			nodes: "    R: { type: Right, count: 3 }\n    L: { type: Left, requirements: [ uses: { node: [ R, 2 ] }, uses: [ R, 0 ] ] }\n",
			want:  "L0>R2 L0>R0",
		},
		"several assignments prefer nodes not used yet": {
			nodes: "    R: { type: Right, count: 2 }\n    L: { type: Left, requirements: [ uses: [ R, 0 ], uses: {}, uses: {} ] }\n",
			want:  "L0>R0 L0>R1 L0>R0",
		},
		"optional ones come last": {
			nodes: "    R: { type: Right, capabilities: { feature: { properties: { target_count: 1 } } } }\n" +
				"    L: { type: Left, requirements: [ uses: { optional: true, allocation: { target_count: 1 } } ] }\n" +
				"    M: { type: Left, requirements: [ uses: { allocation: { target_count: 1 } } ] }\n",
			want: "M0>R0",
		},
		"matched pairs": {
			nodes: "    R: { type: Right, count: { $get_input: r } }\n    L: { type: Left, count: { $get_input: r }, requirements: [ uses: [ R, $node_index ] ] }\n",
			want:  "L0>R0 L1>R1 L2>R2", shape: []string{"r"},
		},
		"mismatched pairs": {
			nodes: "    R: { type: Right, count: { $get_input: l } }\n    L: { type: Left, count: { $get_input: r }, requirements: [ uses: [ R, { $remainder: [ $node_index, { $get_input: l } ] } ] ] }\n",
			want:  "L0>R0 L1>R1 L2>R0", shape: []string{"l", "r"},
		},
		"by the index of the relationship": {
			nodes: "    R: { type: Right, count: 3 }\n    L: { type: Left, requirements: [ uses: [ R, 2 ], uses: { node: [ R, { $difference: [ 2, $relationship_index ] } ], count: 2 } ] }\n",
			want:  "L0>R2 L0>R1 L0>R0",
		},
		"a count by the index of the node": {
			nodes: "    R: { type: Right, count: 3 }\n    L: { type: Left, count: 3, requirements: [ uses: { node: R, count: $node_index } ] }\n",
			want:  "L1>R0 L2>R0 L2>R1",
		},
		"none": {
			nodes: "    R: { type: Right }\n    L: { type: Left, count: 0, requirements: [ uses: R ] }\n    M: { type: Left, requirements: [ uses: { node: R, count: 0 } ] }\n",
			want:  "",
		},
		"an input without a value": {
			nodes: "    R: { type: Right, count: { $get_input: none } }\n    L: { type: Left, requirements: [ uses: R ] }\n",
			want:  "L0>R0", shape: []string{"none"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st, ds := loadPairs(t, c.nodes, c.inputs)
			require.Empty(t, ds)
			require.Equal(t, c.want, edges(st))
			require.Equal(t, c.shape, st.ShapeInputs)
		})
	}
}

func TestRepresentations(t *testing.T) {
	t.Parallel()
	st, ds := loadPairs(t, "    A: { type: Right }\n    B: { type: Left, count: 3 }\n    C: { type: Right, count: 0 }\n", nil)
	require.Empty(t, ds)
	var ids []string
	for _, n := range st.Nodes {
		ids = append(ids, fmt.Sprintf("%s %d of %d", n.Name, n.Index, n.Count))
		for _, c := range n.Capabilities {
			require.Same(t, n, c.Node)
		}
	}
	require.Equal(t, []string{"A 0 of 1", "B 0 of 3", "B 1 of 3", "B 2 of 3"}, ids)
	require.Equal(t, st.Nodes[1:], st.Representations("B"))
	require.Equal(t, st.Nodes[:1], st.Representations("A"))
	require.Empty(t, st.Representations("C"))
	require.Empty(t, st.Representations("no"))
	require.Same(t, st.Nodes[1], st.Node("B"))
	require.Same(t, st.Nodes[3], st.Representation("B", 2))
	require.Same(t, st.Nodes[0], st.Representation("A", 0))
	for _, index := range []int{-1, 3} {
		require.Nil(t, st.Representation("B", index))
	}
	require.Nil(t, st.Representation("C", 0))
	require.Nil(t, st.Node("C"))
}

func TestTooManyRepresentations(t *testing.T) {
	t.Parallel()
	text := pairsTypes + "  node_templates:\n    A: { type: Right, count: 7 }\n    B: { type: Right, count: 4 }\n    C: { type: Right, count: 3 }\n"
	fsys := fstest.MapFS{"service.yaml": &fstest.MapFile{Data: []byte(text)}}
	st, ds := Load(fsys, "service.yaml", &Options{Limits: Limits{Representations: 10}})
	require.Len(t, ds, 1)
	require.Equal(t, "service.yaml:18:30: error: the node templates have more than 10 representations with the 4 of \"B\" [too-large]", ds[0].String())
	require.Len(t, st.Nodes, 7+1+3)
	_, ds = Load(fsys, "service.yaml", nil)
	require.Empty(t, ds)
}

// TestManyPairs wants the work of choosing targets to grow with the nodes only.
func TestManyPairs(t *testing.T) {
	t.Parallel()
	st, ds := loadPairs(t, "    R: { type: Right, count: 20000, capabilities: { feature: { properties: { target_count: 1 } } } }\n"+
		"    L: { type: Left, count: 20000, requirements: [ uses: { node: Right, allocation: { target_count: 1 } } ] }\n", nil)
	require.Empty(t, ds)
	require.Same(t, st.Representation("R", 19999), st.Representation("L", 19999).Requirements[0].Target)
}
