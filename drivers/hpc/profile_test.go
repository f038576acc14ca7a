package hpc_test

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/tosca"
)

// The profile is imported by its name in every version of the language.
func TestProfileByName(t *testing.T) {
	t.Parallel()
	const nodes = `
  node_templates:
    cluster:
      type: hpc.nodes.Cluster
      attributes: { public_address: localhost }
    job:
      type: hpc.nodes.Job
      properties: { command: hostname, array: { indexes: 0-9, limit: 2 }, container: { image: "docker://debian:12" }, memory: 4 GiB }
      requirements: [ { host: cluster } ]
    next:
      type: hpc.nodes.Job
      properties: { script: "date", walltime: "00:10:00" }
      requirements: [ { host: cluster }, { dependency: { node: job, relationship: hpc.relationships.After } } ]
`
	for version, topology := range map[string]string{
		"tosca_simple_yaml_1_0": "topology_template", "tosca_simple_yaml_1_1": "topology_template", "tosca_simple_yaml_1_2": "topology_template",
		"tosca_simple_yaml_1_3": "topology_template", "tosca_2_0": "service_template",
	} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			text := "tosca_definitions_version: " + version + "\nimports: [ { profile: hpc } ]\n" + topology + ":" + nodes
			service, diags := tosca.Load(fstest.MapFS{"service.yaml": {Data: []byte(text)}}, "service.yaml", nil)
			require.NoError(t, diags.Err())
			require.Equal(t, "hpc.nodes.Job", service.Node("job").Type.Name)
			walltime := ""
			for _, p := range service.Node("next").Properties {
				if p.Name == "walltime" {
					v, err := p.Value.Eval(tosca.Entity{}, nil)
					require.NoError(t, err)
					walltime = v.(string)
				}
			}
			require.Equal(t, "00:10:00", walltime)
		})
	}
}
