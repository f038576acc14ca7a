package executor_test

import (
	"context"
	"testing"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/stretchr/testify/require"
)

const surveyed = `
tosca_definitions_version: tosca_simple_yaml_1_3
node_types:
  Cluster:
    derived_from: tosca.nodes.Compute
    properties: { queue: { type: string, default: batch } }
  Job:
    derived_from: tosca.nodes.Root
    properties:
      command: { type: string }
      later: { type: string, required: false }
    attributes: { number: { type: integer } }
    requirements:
      - host: { capability: tosca.capabilities.Compute, node: Cluster, relationship: tosca.relationships.HostedOn }
relationship_types:
  After:
    derived_from: tosca.relationships.DependsOn
    properties: { kind: { type: string, default: ok } }
topology_template:
  node_templates:
    cluster:
      type: Cluster
      attributes: { public_address: localhost }
      capabilities: { host: { properties: { num_cpus: 4 } } }
    first:
      type: Job
      properties: { command: make }
      requirements: [ { host: cluster } ]
    second:
      type: Job
      properties: { command: { concat: [ "use ", { get_attribute: [ first, number ] } ] }, later: { get_attribute: [ SELF, number ] } }
      requirements:
        - host: cluster
        - dependency: { node: first, relationship: { type: After } }
`

// surveyor is a driver that claims the start of jobs and works from their values.
type surveyor struct{ executor.Driver }

func (surveyor) Surveys(op *executor.Operation) bool { return op.Instance != "first_0" }

func TestSurveyorKnowsTheValuesAroundAnOperation(t *testing.T) {
	t.Parallel()
	s := &script{
		accepts: func(op *executor.Operation) bool { return op.Node.Type.Name == "Job" && op.Name == "start" },
		do: func(context.Context, *executor.Operation) (map[string]any, error) {
			return map[string]any{"number": 7}, nil
		},
	}
	e := newEngine(t, executor.Config{Drivers: []executor.Driver{surveyor{executor.Sync(s)}}})
	_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, surveyed)})
	require.NoError(t, err)
	require.Equal(t, []string{"first_0.start", "second_0.start"}, s.seen())

	require.Nil(t, s.op("first_0", "start").Self, "it was not asked for")
	op := s.op("second_0", "start")
	require.Equal(t, "second_0", op.Self.ID)
	require.Equal(t, map[string]any{"command": "use 7"}, op.Self.Properties, "a property without a value is absent")
	require.Empty(t, op.Self.Faults)
	require.Len(t, op.Hosts, 1)
	require.Equal(t, "cluster_0", op.Hosts[0].ID)
	require.Equal(t, "started", op.Hosts[0].State)
	require.Equal(t, "batch", op.Hosts[0].Properties["queue"])
	require.EqualValues(t, 4, op.Hosts[0].Capabilities["host"]["num_cpus"])
	queue, err := op.Hosts[0].Value("public_address")
	require.NoError(t, err)
	require.Equal(t, "localhost", queue)
	require.Len(t, op.Targets, 2)
	require.Equal(t, "dependency", op.Targets[1].Requirement.Name)
	require.Equal(t, "first_0", op.Targets[1].ID)
	require.EqualValues(t, 7, op.Targets[1].Attributes["number"])
	require.Equal(t, map[string]any{"kind": "ok"}, op.Targets[1].Relationship)
}

// panics in Surveys fail the operation and nothing else.
type panickingSurveyor struct{ executor.Driver }

func (panickingSurveyor) Surveys(*executor.Operation) bool { panic("no survey") }

func TestPanicInSurveysFailsTheOperation(t *testing.T) {
	t.Parallel()
	s := &script{accepts: func(op *executor.Operation) bool { return op.Node.Type.Name == "Job" && op.Name == "start" }}
	e := newEngine(t, executor.Config{Drivers: []executor.Driver{panickingSurveyor{executor.Sync(s)}}})
	_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, surveyed)})
	require.ErrorContains(t, err, "no survey")
	require.Empty(t, s.seen())
}
