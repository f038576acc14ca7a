package tosca

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

const compositionTypes = `tosca_definitions_version: tosca_2_0
capability_types: { Host: {}, Service: { properties: { port: { type: integer, default: 80 } } } }
relationship_types:
  On: { properties: { zone: { type: string, default: a } } }
  Uses: {}
  tosca.relationships.HostedOn: {}
node_types:
  tosca.nodes.Compute: { attributes: { ip: { type: string } }, capabilities: { host: Host } }
  Web:
    properties: { size: { type: integer }, name: { type: string, required: false } }
    attributes: { url: { type: string } }
    capabilities: { service: Service, hosting: Host }
    requirements:
      - uses: { capability: Service, relationship: Uses, count_range: [ 0, UNBOUNDED ] }
      - host: { capability: Host, relationship: tosca.relationships.HostedOn, count_range: [ 0, 1 ] }
  Data: { properties: { size: { type: integer, default: 7 } }, attributes: { path: { type: string } }, capabilities: { service: Service } }
  Part:
    properties: { size: { type: integer, default: 0 } }
    attributes: { address: { type: string } }
    capabilities: { service: Service }
    requirements:
      - uses: { capability: Service, relationship: Uses, count_range: [ 0, UNBOUNDED ] }
      - host: { capability: Host, relationship: tosca.relationships.HostedOn, count_range: [ 0, 1 ] }
`

func nodeNamesOf(t *ServiceTemplate) []string {
	var names []string
	for _, n := range t.Nodes {
		names = append(names, fmt.Sprintf("%s_%d", n.Name, n.Index))
	}
	return names
}

// TestComposition composes two levels, with two representations outside and
// a count inside that follows from a property outside.
func TestComposition(t *testing.T) {
	t.Parallel()
	fsys := files(
		"service.yaml", `tosca_definitions_version: tosca_2_0
imports: [ types.yaml ]
service_template:
  inputs: { size: { type: integer, default: 2 } }
  outputs:
    url: { value: { $get_attribute: [ web, url ] } }
    url1: { value: { $get_attribute: [ web, 1, url ] } }
  node_templates:
    store: { type: Part }
    web:
      type: Web
      directives: [ substitute ]
      count: 2
      properties: { size: { $get_input: size }, name: { $token: [ "n0 n1", " ", $node_index ] } }
      requirements: [ uses: store, uses: store ]
    user: { type: Part, requirements: [ uses: [ web, 1 ], host: { node: [ web, 0 ], capability: hosting } ] }
`,
		"types.yaml", compositionTypes,
		"web.yaml", `tosca_definitions_version: tosca_2_0
imports: [ types.yaml ]
service_template:
  inputs: { size: { type: integer }, name: { type: string } }
  outputs: { url: { value: { $concat: [ "http://", { $get_input: name }, "/", { $get_attribute: [ data, path ] } ] } } }
  node_templates:
    machine: { type: tosca.nodes.Compute, attributes: { ip: here } }
    part: { type: Part, count: { $get_input: size }, properties: { size: { $get_input: size } } }
    data: { type: Data, directives: [ substitute ] }
  substitution_mappings:
    node_type: Web
    properties: { size: size, name: name }
    attributes: { url: url }
    capabilities: { hosting: [ machine, host ] }
    requirements: [ uses: [ part, uses ] ]
`,
		"data.yaml", `tosca_definitions_version: tosca_2_0
imports: [ types.yaml ]
service_template:
  inputs: { size: { type: integer } }
  outputs: { path: { value: { $concat: [ p, { $get_property: [ disk, size ] } ] } } }
  node_templates: { disk: { type: Part, properties: { size: { $get_input: size } } } }
  substitution_mappings: { node_type: Data, properties: { size: size }, attributes: { path: path } }
`)
	st, ds := Load(fsys, "service.yaml", &Options{Definitions: []string{"web.yaml", "data.yaml"}, Inputs: map[string]any{"size": 3}})
	require.Empty(t, report(ds))
	require.Equal(t, []string{
		"store_0",
		"web_0.machine_0", "web_0.part_0", "web_0.part_1", "web_0.part_2", "web_0.data_0.disk_0", "web_0.data_0", "web_0",
		"web_1.machine_0", "web_1.part_0", "web_1.part_1", "web_1.part_2", "web_1.data_0.disk_0", "web_1.data_0", "web_1",
		"user_0",
	}, nodeNamesOf(st))
	require.Equal(t, []string{"size"}, st.ShapeInputs)
	require.ElementsMatch(t, []string{"service.yaml", "types.yaml", "web.yaml", "data.yaml"}, st.Files)

	env := givenInputs{map[string]any{"size": int64(3)}}
	url, err := st.Output("url").Value.Eval(Entity{Service: st}, env)
	require.NoError(t, err)
	require.Equal(t, "http://n0/p7", url)
	url, err = st.Output("url1").Value.Eval(Entity{Service: st}, env)
	require.NoError(t, err)
	require.Equal(t, "http://n1/p7", url)

	web := st.Representation("web", 1)
	inner := web.Substitution
	require.Same(t, web, inner.Substitutes())
	part := st.Representation("web_1.part", 2)
	require.Same(t, inner.Representation("part", 2), part)
	require.Same(t, inner, part.Service())
	size, err := part.Property("size").Value.Eval(Entity{Service: st, Node: part}, env)
	require.NoError(t, err)
	require.Equal(t, int64(3), size)
	// Both requirements of the node are mapped to each part.
	require.Len(t, part.Requirements, 2)
	require.Same(t, st.Node("store"), part.Requirements[1].Target)
	require.Equal(t, 1, part.Requirements[1].Index)
	require.Same(t, part, part.Requirements[1].Source)

	name, ok, err := inner.InputValue("name", env)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "n1", name)

	user := st.Node("user")
	require.Same(t, st.Representation("web", 1), user.Requirement("uses").Target)
	require.Equal(t, "web_0.machine", user.Host().Name)
	require.Same(t, user.Host(), user.ComputeHost())
}
