package hpc_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
)

// Jobs are chained where the blueprint asks for it and the later one takes no
// more of the earlier one than is known when that is submitted.
func TestChains(t *testing.T) {
	t.Parallel()
	const asked = "{ type: hpc.relationships.After, properties: { native: true } }"
	for name, c := range map[string]struct {
		relationship, cluster, argument string
		want                            bool
	}{
		"asked":                        {asked, "here", "none", true},
		"with a kind":                  {"{ type: hpc.relationships.After, properties: { native: true, kind: aftercorr } }", "here", "none", true},
		"of a derived type":            {"{ type: Behind, properties: { native: true } }", "here", "none", true},
		"not asked":                    {"hpc.relationships.After", "here", "none", false},
		"asked not to":                 {"{ type: hpc.relationships.After, properties: { native: false } }", "here", "none", false},
		"asked by an input":            {"{ type: hpc.relationships.After, properties: { native: { get_input: native } } }", "here", "none", false},
		"another relationship":         {"tosca.relationships.DependsOn", "here", "none", false},
		"another cluster":              {asked, "there", "none", false},
		"takes the folder":             {asked, "here", "{ get_attribute: [ first, work_dir ] }", true},
		"takes the number of the job":  {asked, "here", "{ concat: [ n, { get_attribute: [ SELF, dependency, job_id ] } ] }", true},
		"takes the exit code":          {asked, "here", "{ get_attribute: [ first, exit_code ] }", false},
		"takes it by its requirement":  {asked, "here", "{ concat: [ n, { get_attribute: [ SELF, dependency, exit_code ] } ] }", false},
		"takes an output":              {asked, "here", "{ get_operation_output: [ first, Standard, start, job_id ] }", false},
		"takes a property":             {asked, "here", "{ get_property: [ first, command ] }", true},
		"takes the cluster's address":  {asked, "here", "{ get_attribute: [ SELF, host, public_address ] }", true},
		"takes something of its own":   {asked, "here", "{ get_attribute: [ SELF, work_dir ] }", true},
		"takes the other's exit code":  {asked, "here", "{ get_attribute: [ other, exit_code ] }", true},
		"takes what an input would be": {asked, "here", "{ get_input: [ who ] }", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := strings.NewReplacer("RELATIONSHIP", c.relationship, "CLUSTER", c.cluster, "ARGUMENT", c.argument).Replace(`
tosca_definitions_version: tosca_simple_yaml_1_3
imports: [ { profile: hpc } ]
relationship_types:
  Behind: { derived_from: hpc.relationships.After }
topology_template:
  inputs:
    native: { type: boolean, default: true }
    who: { type: string, default: first }
  node_templates:
    here: { type: hpc.nodes.Cluster }
    there: { type: hpc.nodes.Cluster }
    first:
      type: hpc.nodes.Job
      properties: { command: hostname }
      requirements: [ { host: here } ]
    other:
      type: hpc.nodes.Job
      properties: { command: hostname }
      requirements: [ { host: here } ]
    second:
      type: hpc.nodes.Job
      properties: { command: echo, arguments: [ ARGUMENT ] }
      requirements:
        - host: CLUSTER
        - dependency: { node: first, relationship: RELATIONSHIP }
`)
			service, diags := tosca.Load(fstest.MapFS{"service.yaml": {Data: []byte(text)}}, "service.yaml", nil)
			require.NoError(t, diags.Err())
			d := hpc.New(hpc.Config{})
			defer d.Close()
			op := func(node string) *executor.Operation {
				return &executor.Operation{Node: service.Node(node), Interface: "Standard", Name: "start"}
			}
			second := service.Node("second")
			require.Equal(t, c.want, d.Chains(op("second"), op("first"), second.Requirements[len(second.Requirements)-1]))
		})
	}
}
