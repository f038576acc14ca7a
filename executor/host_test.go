package executor_test

import (
	"testing"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/stretchr/testify/require"
)

const hosts = `
tosca_definitions_version: tosca_simple_yaml_1_3
node_types:
  Server:
    derived_from: tosca.nodes.Compute
    properties:
      credential: { type: tosca.datatypes.Credential, required: false }
    attributes:
      ssh_port: { type: integer }
  Engine:
    derived_from: tosca.nodes.SoftwareComponent
    capabilities:
      host: { type: tosca.capabilities.Compute }
  App:
    derived_from: tosca.nodes.Root
    requirements:
      - host: { capability: tosca.capabilities.Compute, relationship: tosca.relationships.HostedOn, occurrences: [0, 1] }
      - other: { capability: tosca.capabilities.Node, relationship: tosca.relationships.DependsOn, occurrences: [0, UNBOUNDED] }
topology_template:
  inputs:
    password: { type: string, default: hunter22 }
  node_templates:
    one:
      type: Server
      attributes: { public_address: 192.0.2.1, private_address: 10.0.0.1, ssh_port: 2222 }
      properties: { credential: { user: admin, token_type: password, token: { get_input: password } } }
      interfaces: { Standard: { operations: { create: do.sh, configure: { implementation: { primary: do.sh, operation_host: HOST } } } } }
    two:
      type: Server
      attributes: { private_address: 10.0.0.2 }
      properties: { credential: { user: root, token: keys/id } }
    near:
      type: Server
      attributes: { public_address: localhost }
    blank:
      type: Server
    engine:
      type: Engine
      requirements: [ host: one ]
    app:
      type: App
      requirements:
        - host: engine
        - other:
            node: far
            relationship:
              type: tosca.relationships.DependsOn
              interfaces: { Configure: { operations: { pre_configure_source: do.sh, pre_configure_target: do.sh } } }
      interfaces:
        Standard:
          operations:
            create: do.sh
            configure: { implementation: { primary: do.sh, operation_host: ORCHESTRATOR } }
            start: { implementation: { primary: do.sh, operation_host: two } }
    far:
      type: App
      requirements: [ host: two ]
      interfaces: { Standard: { operations: { create: do.sh } } }
    here:
      type: App
      interfaces: { Standard: { operations: { create: do.sh } } }
    beside:
      type: App
      requirements: [ host: near ]
      interfaces: { Standard: { operations: { create: do.sh } } }
    idle:
      type: App
      requirements: [ host: blank ]
`

func TestWhereOperationsRun(t *testing.T) {
	t.Parallel()
	driver := &script{}
	e := newEngine(t, executor.Config{Drivers: []executor.Driver{executor.Sync(driver)}})
	_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, hosts)})
	require.NoError(t, err)
	one := executor.Host{Name: "one_0", Address: "192.0.2.1", Port: 2222, User: "admin", Password: "hunter22"}
	two := executor.Host{Name: "two_0", Address: "10.0.0.2", User: "root", KeyFile: "keys/id"}
	for _, c := range []struct {
		instance, operation string
		host                executor.Host
	}{
		{"app_0", "create", one},
		{"app_0", "configure", executor.Host{}},
		{"app_0", "start", two},
		{"far_0", "create", two},
		{"here_0", "create", executor.Host{}},
		{"beside_0", "create", executor.Host{Address: "localhost"}},
		{"one_0", "create", executor.Host{}},
		{"one_0", "configure", one},
		{"app_0--far_0--other.0", "pre_configure_source", one},
		{"app_0--far_0--other.0", "pre_configure_target", two},
	} {
		op := driver.op(c.instance, c.operation)
		require.NotNil(t, op, "%s.%s", c.instance, c.operation)
		host := op.Host
		host.Node = nil
		require.Equal(t, c.host, host, "%s.%s", c.instance, c.operation)
	}
	op := driver.op("app_0--far_0--other.0", "pre_configure_target")
	require.Equal(t, map[string]string{
		"DEPLOYMENT": "x", "INSTANCE": "app_0--far_0--other.0", "INTERFACE": "Configure", "OPERATION": "pre_configure_target",
		"HOST": "10.0.0.2", "NODE": "app", "SOURCE_NODE": "app", "SOURCE_INSTANCE": "app_0", "TARGET_NODE": "far", "TARGET_INSTANCE": "far_0",
	}, op.Context)
	require.Contains(t, driver.op("app_0", "create").Secrets, "hunter22")
	require.LessOrEqual(t, len(op.ID), 63)
	require.Regexp(t, `^[A-Za-z0-9._-]+$`, op.ID)
}

// A host without an address is an error only where something is to run there.
func TestUnknownAddress(t *testing.T) {
	t.Parallel()
	yaml := hosts + `
    lost:
      type: App
      requirements: [ host: blank ]
      interfaces: { Standard: { operations: { create: do.sh } } }
`
	e := newEngine(t, executor.Config{Drivers: []executor.Driver{executor.Sync(&script{})}, OnFailure: executor.Continue})
	result, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, yaml)})
	require.ErrorContains(t, err, "the attributes public_address and private_address of blank have no value")
	require.Len(t, result.Failures, 1)
	require.Equal(t, "lost_0", result.Failures[0].Instance)
}

// Computes that are hosted on others, as containers and simulated machines are.
const stacked = `
tosca_definitions_version: tosca_simple_yaml_1_3
node_types:
  Part:
    derived_from: tosca.nodes.Compute
    requirements:
      - host: { capability: tosca.capabilities.Compute, relationship: tosca.relationships.HostedOn, occurrences: [0, 1] }
      - other: { capability: tosca.capabilities.Node, relationship: Touching, occurrences: [0, UNBOUNDED] }
relationship_types:
  Touching:
    derived_from: tosca.relationships.DependsOn
    interfaces: { Configure: { operations: { pre_configure_source: do.sh, pre_configure_target: do.sh } } }
topology_template:
  node_templates:
    near:
      type: Part
      attributes: { public_address: localhost }
    far:
      type: Part
      attributes: { private_address: 10.0.0.2 }
    blank: { type: Part }
    in_near:
      type: Part
      requirements: [ host: near, other: in_far, other: deep ]
    in_far:
      type: Part
      requirements: [ host: far ]
      interfaces: { Standard: { operations: { create: do.sh } } }
    deep:
      type: Part
      requirements: [ host: in_far, other: own ]
    own:
      type: Part
      attributes: { public_address: 192.0.2.9 }
      requirements: [ host: far, other: in_blank ]
    in_blank:
      type: Part
      requirements: [ host: blank, other: blank ]
      interfaces: { Standard: { operations: { create: do.sh, configure: { implementation: { primary: do.sh, operation_host: HOST } } } } }
`

// A Compute without an address is where its host is, and so are its own
// operations; without any host that has one, it is this machine for these and
// those of its relationships.
func TestComputeWithoutAddress(t *testing.T) {
	t.Parallel()
	driver := &script{}
	e := newEngine(t, executor.Config{Drivers: []executor.Driver{executor.Sync(driver)}})
	_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, stacked)})
	require.NoError(t, err)
	far := executor.Host{Name: "far_0", Address: "10.0.0.2"}
	own := executor.Host{Name: "own_0", Address: "192.0.2.9"}
	for _, c := range []struct {
		instance, operation string
		host                executor.Host
	}{
		{"in_near_0--in_far_0--other.0", "pre_configure_source", executor.Host{Address: "localhost"}},
		{"in_near_0--in_far_0--other.0", "pre_configure_target", far},
		{"in_near_0--deep_0--other.1", "pre_configure_target", far},
		{"deep_0--own_0--other.0", "pre_configure_source", far},
		{"deep_0--own_0--other.0", "pre_configure_target", own},
		{"own_0--in_blank_0--other.0", "pre_configure_source", own},
		{"own_0--in_blank_0--other.0", "pre_configure_target", executor.Host{}},
		{"in_blank_0--blank_0--other.0", "pre_configure_source", executor.Host{}},
		{"in_blank_0--blank_0--other.0", "pre_configure_target", executor.Host{}},
		{"in_blank_0", "configure", executor.Host{}},
		{"in_blank_0", "create", executor.Host{}},
		{"in_far_0", "create", far},
	} {
		op := driver.op(c.instance, c.operation)
		require.NotNil(t, op, "%s.%s", c.instance, c.operation)
		host := op.Host
		host.Node = nil
		require.Equal(t, c.host, host, "%s.%s", c.instance, c.operation)
	}
}

// An operation that names a Compute from elsewhere never runs on this machine instead.
func TestNamedComputeWithoutAddress(t *testing.T) {
	t.Parallel()
	yaml := stacked + `
    stranger:
      type: Part
      interfaces: { Standard: { operations: { create: { implementation: { primary: do.sh, operation_host: in_blank } } } } }
`
	driver := &script{}
	e := newEngine(t, executor.Config{Drivers: []executor.Driver{executor.Sync(driver)}, OnFailure: executor.Continue})
	_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, yaml)})
	require.ErrorContains(t, err, "the attributes public_address and private_address of in_blank have no value")
	require.Nil(t, driver.op("stranger_0", "create"))
}
