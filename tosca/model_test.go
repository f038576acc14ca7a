package tosca

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
)

func files(pairs ...string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		fsys[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return fsys
}

const shop = `tosca_definitions_version: tosca_simple_yaml_1_3
namespace: urn:shop
metadata: { template_name: shop, template_author: us, template_version: "1.2", extra: [ 1 ] }
description: A shop.
repositories:
  hub: https://hub.example.org
imports:
  - { file: lib/types.yaml, namespace_prefix: lib }
topology_template:
  inputs:
    port: { type: integer, default: 80 }
    password: { type: string, metadata: { sensitive: true } }
  node_templates:
    server:
      type: tosca.nodes.Compute
      capabilities:
        host: { properties: { num_cpus: 4 } }
    db:
      type: tosca.nodes.DBMS
      properties: { admin_credential: { user: root, token: s3cret } }
      requirements: [ { host: server } ]
    shop:
      type: lib:Shop
      metadata: { owner: us }
      properties: { port: { get_input: port }, key: k }
      artifacts:
        seed: files/seed.sql
      requirements:
        - host: server
        - database: { node: db, relationship: link }
        - database:
            node: db
            relationship: { type: lib:Link, properties: { weight: 7 } }
      interfaces:
        Standard:
          inputs: { common: 2 }
          operations:
            configure: { inputs: { own: 3 } }
  relationship_templates:
    link: { type: lib:Link, properties: { weight: 5 } }
  groups:
    all: { type: tosca.groups.Root, members: [ server, shop ] }
  policies:
    - place: { type: tosca.policies.Placement, targets: [ db, all ] }
  outputs:
    url: { description: Where., value: { concat: [ "http://", { get_attribute: [ server, public_address ] } ] } }
`

const shopTypes = `tosca_definitions_version: tosca_simple_yaml_1_3
interface_types:
  Life:
    derived_from: tosca.interfaces.node.lifecycle.Standard
    operations:
      backup: { implementation: backup.sh }
relationship_types:
  Link:
    derived_from: tosca.relationships.DependsOn
    properties: { weight: { type: integer, default: 1 } }
    interfaces:
      Configure:
        operations:
          pre_configure_source: { implementation: { primary: link.py, timeout: 30, operation_host: TARGET } }
node_types:
  Base:
    derived_from: tosca.nodes.SoftwareComponent
    properties:
      port: { type: integer }
      color: { type: string, default: red }
    attributes:
      ready: { type: boolean, default: false }
    interfaces:
      Standard:
        inputs: { common: { type: integer, default: 1 } }
        operations:
          create: { implementation: create.sh }
          configure: { implementation: { primary: setup, dependencies: [ ../common.sh ] }, inputs: { own: { type: integer, default: 1 } }, outputs: { r: [ SELF, ready ] } }
    artifacts:
      setup: { file: setup.yml, type: tosca.artifacts.Implementation.Ansible }
  Shop:
    derived_from: Base
    properties:
      color: { type: string, default: blue }
      key: { type: string, metadata: { sensitive: true } }
    requirements:
      - database: { capability: tosca.capabilities.Node, node: tosca.nodes.DBMS, relationship: Link, occurrences: [ 1, UNBOUNDED ] }
    interfaces:
      Standard:
        type: Life
        operations:
          create: { inputs: { more: { type: string, default: x } } }
`

func shopFiles() fstest.MapFS {
	return files("service.yaml", shop, "lib/types.yaml", shopTypes, "files/seed.sql", "", "common.sh", "",
		"lib/backup.sh", "", "lib/link.py", "", "lib/create.sh", "", "lib/setup.yml", "")
}

func TestModelOfShop(t *testing.T) {
	t.Parallel()
	st := mustLoad(t, shopFiles(), "service.yaml")

	require.Equal(t, "tosca_simple_yaml_1_3", st.Version)
	require.Equal(t, []string{"service.yaml", "lib/types.yaml"}, st.Files)
	require.Equal(t, []string{"urn:shop", "shop", "us", "1.2", "A shop."}, []string{st.Profile, st.Name, st.Author, st.TemplateVersion, st.Description})
	require.Equal(t, []any{int64(1)}, st.Metadata["extra"])
	require.Equal(t, "https://hub.example.org", st.Repositories[0].URL)
	require.Same(t, st.Types.Node["tosca.nodes.Compute"], st.Types.Node["Compute"])
	require.Same(t, st.Types.Node["tosca.nodes.Compute"], st.Types.Node["tosca:Compute"])
	require.NotNil(t, st.Types.Node["lib:Shop"])
	require.Nil(t, st.Types.Node["Shop"])
	require.True(t, st.Input("password").Sensitive)
	require.False(t, st.Input("port").Sensitive)
	require.Nil(t, st.Node("nobody"))
	require.Equal(t, "Where.", st.Output("url").Description)
	require.Equal(t, "concat", st.Output("url").Value.Call().Function)

	var names []string
	for _, n := range st.Nodes {
		names = append(names, n.Name)
	}
	require.Equal(t, []string{"server", "db", "shop"}, names)
}

func TestModelOfNodes(t *testing.T) {
	t.Parallel()
	st := mustLoad(t, shopFiles(), "service.yaml")
	server, db, node := st.Node("server"), st.Node("db"), st.Node("shop")

	require.Equal(t, "Shop", node.Type.Name)
	require.True(t, node.Type.IsA("Base"))
	require.True(t, node.Type.IsA("tosca.nodes.SoftwareComponent"))
	require.True(t, node.Type.IsA("SoftwareComponent"))
	require.True(t, node.Type.IsA("tosca:Root"))
	require.False(t, node.Type.IsA("tosca.nodes.Compute"))
	require.Same(t, st, node.Service())
	require.Equal(t, "us", node.Metadata["owner"])

	// Inherited definitions come first; "color" is refined at its place.
	var props []string
	for _, p := range node.Properties {
		props = append(props, p.Name)
	}
	require.Equal(t, []string{"port", "color", "key"}, props)
	require.Equal(t, "get_input", node.Property("port").Value.Call().Function)
	color, _ := node.Property("color").Value.Static()
	require.Equal(t, "blue", color)
	require.True(t, node.Property("color").Default)
	require.True(t, node.Property("key").Sensitive)
	require.True(t, db.Property("admin_credential").Sensitive)
	require.Nil(t, node.Property("component_version"), "it has no value")
	ready, _ := node.Attribute("ready").Value.Static()
	require.Equal(t, false, ready)

	// Capability type defaults are there beside what is assigned.
	scalable, _ := server.Capability("scalable").Property("min_instances").Value.Static()
	require.Equal(t, int64(1), scalable)
	cpus, _ := server.Capability("host").Property("num_cpus").Value.Static()
	require.Equal(t, int64(4), cpus)
	require.Same(t, server, server.Capability("host").Node)

	require.Same(t, server, node.Host())
	require.Same(t, server, node.ComputeHost())
	require.Same(t, server, server.ComputeHost(), "a Compute is its own")
	require.Nil(t, server.Host())
	require.Len(t, server.Incoming, 2)
}

func TestModelOfRequirements(t *testing.T) {
	t.Parallel()
	st := mustLoad(t, shopFiles(), "service.yaml")
	node := st.Node("shop")
	require.Len(t, node.Requirements, 3)
	first, second := node.Requirements[1], node.Requirements[2]
	require.Equal(t, []int{0, 1}, []int{first.Index, second.Index})
	require.Same(t, first, node.Requirement("database"))
	require.Same(t, st.Node("db"), first.Target)
	require.Equal(t, "feature", first.Capability.Name)
	require.Equal(t, Occurrences{1, Unbounded}, first.Definition.Occurrences)

	require.Equal(t, "link", first.Relationship.Name)
	require.NotSame(t, st.Relationship("link"), first.Relationship, "each requirement has its own")
	require.Same(t, first, first.Relationship.Requirement)
	require.Nil(t, st.Relationship("link").Requirement)
	weight := func(r *Requirement) any { v, _ := r.Relationship.Property("weight").Value.Static(); return v }
	require.Equal(t, []any{int64(5), int64(7)}, []any{weight(first), weight(second)})
	require.Empty(t, second.Relationship.Name)

	op := first.Relationship.Operation("Configure", "pre_configure_source")
	require.Equal(t, 30*time.Second, op.Implementation.Timeout)
	require.Equal(t, "TARGET", op.Implementation.OperationHost)
	require.Equal(t, "tosca.artifacts.Implementation.Python", op.Implementation.Primary.Type.Name)
	require.Equal(t, "lib/link.py", op.Implementation.Primary.Path)
	require.True(t, first.Relationship.Type.IsA("tosca.relationships.DependsOn"))
	require.Same(t, st, first.Relationship.Service())
}

func TestModelOfInterfaces(t *testing.T) {
	t.Parallel()
	st := mustLoad(t, shopFiles(), "service.yaml")
	node := st.Node("shop")
	standard := node.Interface("Standard")
	require.Equal(t, "Life", standard.Type.Name)
	require.Same(t, standard, node.Interface("tosca.interfaces.node.lifecycle.Standard"), "found by its type")

	create := node.Operation("Standard", "create")
	require.Equal(t, "lib/create.sh", create.Implementation.Primary.Path, "adding inputs keeps the implementation")
	require.Equal(t, "tosca.artifacts.Implementation.Bash", create.Implementation.Primary.Type.Name)
	require.NotNil(t, create.Input("more"))

	configure := node.Operation("Standard", "configure")
	data := func(name string) any { v, _ := configure.Input(name).Value.Static(); return v }
	require.Equal(t, []any{int64(2), int64(3)}, []any{data("common"), data("own")})
	setup := configure.Implementation.Primary
	require.Same(t, node.Artifact("setup"), setup, "the name of an artifact")
	require.Equal(t, "lib/setup.yml", setup.Path)
	require.Equal(t, "common.sh", configure.Implementation.Dependencies[0].Path)
	require.Equal(t, "SELF", configure.Outputs[0].Entity)
	require.Equal(t, []string{"ready"}, configure.Outputs[0].Path)

	require.NotNil(t, node.Operation("Standard", "backup").Implementation, "the derived interface type brings it")
	require.Nil(t, node.Operation("Standard", "start").Implementation)
	require.Nil(t, node.Operation("Standard", "nothing"))
	require.Nil(t, node.Operation("Nothing", "start"))
	require.Equal(t, "files/seed.sql", node.Artifact("seed").Path)
}

// TestOperationDefinedAnew takes the inputs that its own definition gives, and
// those that the interface type wants: the playbooks of SODALITE's types for
// Torque leave out "-q" where no queue is given.
func TestOperationDefinedAnew(t *testing.T) {
	t.Parallel()
	const template = `tosca_definitions_version: VERSION
interface_types:
  Life:
    operations: { create: { inputs: { id: { type: string, default: i } } } }
node_types:
  Job:
    properties: { queue: { type: string, default: "" } }
    interfaces:
      life:
        type: Life
        operations:
          create:
            inputs: { name: { type: string, default: n }, queue: { type: string, default: q } }
            implementation: create.sh
  JobOnNode:
    derived_from: Job
    interfaces:
      life: { operations: { create: { inputs: { name: { type: string, default: m } }, implementation: create.sh } } }
  LargeJob:
    derived_from: Job
    interfaces:
      life: { operations: { create: { inputs: { size: { type: integer, default: 5 } } } } }
TEMPLATE:
  node_templates:
    job: { type: Job }
    on_node: { type: JobOnNode }
    large: { type: LargeJob }
`
	inputs := func(version, section, node string) (names []string) {
		text := strings.NewReplacer("VERSION", version, "TEMPLATE", section).Replace(template)
		st := mustLoad(t, files("service.yaml", text, "create.sh", ""), "service.yaml")
		for _, in := range st.Node(node).Operation("life", "create").Inputs {
			names = append(names, in.Name)
		}
		slices.Sort(names)
		return names
	}
	require.Equal(t, []string{"id", "name", "queue"}, inputs("tosca_simple_yaml_1_3", "topology_template", "job"))
	require.Equal(t, []string{"id", "name"}, inputs("tosca_simple_yaml_1_3", "topology_template", "on_node"))
	require.Equal(t, []string{"id", "name", "queue", "size"}, inputs("tosca_simple_yaml_1_3", "topology_template", "large"), "it keeps the implementation and what that takes")
	// Source: TOSCA 2.0 section 11.4: what is not refined stays.
	require.Equal(t, []string{"id", "name", "queue"}, inputs("tosca_2_0", "service_template", "on_node"))
}

func TestModelOfGroupsAndPolicies(t *testing.T) {
	t.Parallel()
	st := mustLoad(t, shopFiles(), "service.yaml")
	require.Len(t, st.Group("all").Members, 2)
	p := st.Policy("place")
	var targets []string
	for _, n := range p.Targets {
		targets = append(targets, n.Name)
	}
	require.Equal(t, []string{"db", "server", "shop"}, targets)
	require.Same(t, st.Group("all"), p.TargetGroups[0])
	require.Same(t, st, p.Service())
}

// TestPolicyWithoutTargets is meant for the nodes of its type's target types.
func TestPolicyWithoutTargets(t *testing.T) {
	t.Parallel()
	st := mustLoad(t, files("service.yaml", `tosca_definitions_version: tosca_simple_yaml_1_3
policy_types:
  p: { derived_from: tosca.policies.Root, targets: [ tosca.nodes.Compute ] }
topology_template:
  node_templates:
    a: { type: tosca.nodes.Root }
    b: { type: tosca.nodes.Compute }
  policies: [ { x: { type: p } } ]
`), "service.yaml")
	require.Equal(t, []*NodeTemplate{st.Node("b")}, st.Policy("x").Targets)
}

func TestSelectedNodeLeadsToItsChoice(t *testing.T) {
	t.Parallel()
	st := mustLoad(t, files("service.yaml", `tosca_definitions_version: tosca_simple_yaml_1_3
topology_template:
  node_templates:
    wanted:
      type: tosca.nodes.Compute
      directives: [ select ]
      node_filter: { capabilities: [ { host: { properties: [ { num_cpus: { greater_or_equal: 4 } } ] } } ] }
    small: { type: tosca.nodes.Compute, capabilities: { host: { properties: { num_cpus: 1 } } } }
    large: { type: tosca.nodes.Compute, capabilities: { host: { properties: { num_cpus: 8 } } } }
    app: { type: tosca.nodes.SoftwareComponent, requirements: [ { host: wanted } ] }
`), "service.yaml")
	require.Len(t, st.Nodes, 3)
	require.Same(t, st.Node("large"), st.Node("wanted"))
	require.Same(t, st.Node("large"), st.Node("app").Host())
}

func TestCopyLaysOverWhatItCopies(t *testing.T) {
	t.Parallel()
	st := mustLoad(t, files("service.yaml", `tosca_definitions_version: tosca_simple_yaml_1_3
node_types:
  a: { derived_from: tosca.nodes.Root, properties: { p: { type: string }, q: { type: string } } }
topology_template:
  node_templates:
    t: { type: tosca.nodes.Root }
    u: { type: tosca.nodes.Root }
    x: { type: a, properties: { p: p, q: q }, requirements: [ { dependency: t } ] }
    y: { copy: x, properties: { q: other }, requirements: [ { dependency: u } ] }
    z: { copy: x }
`), "service.yaml")
	y := st.Node("y")
	value := func(name string) any { v, _ := y.Property(name).Value.Static(); return v }
	require.Equal(t, []any{"p", "other"}, []any{value("p"), value("q")})
	require.Len(t, y.Requirements, 1)
	require.Same(t, st.Node("u"), y.Requirements[0].Target)
	require.Same(t, st.Node("t"), st.Node("z").Requirements[0].Target)
}

// TestTypesOfProfile20 are known by the names of 1.3 too.
func TestTypesOfProfile20(t *testing.T) {
	t.Parallel()
	st := mustLoad(t, files("service.yaml", `tosca_definitions_version: tosca_2_0
imports: [ { profile: "org.oasis-open.tosca.simple:2.0" } ]
service_template:
  node_templates:
    station: { type: Compute }
    app: { type: SoftwareComponent, requirements: [ { host: station } ] }
`), "service.yaml")
	require.Equal(t, "Compute", st.Node("station").Type.Name)
	require.True(t, st.Node("station").Type.IsA("tosca.nodes.Compute"))
	require.Same(t, st.Node("station"), st.Node("app").ComputeHost())
	require.NotNil(t, st.Node("app").Interface("tosca.interfaces.node.lifecycle.Standard"))
}

func TestTriggersConditionsAndWorkflows(t *testing.T) {
	t.Parallel()
	st := mustLoad(t, files("service.yaml", `tosca_definitions_version: tosca_simple_yaml_1_3
topology_template:
  node_templates:
    c: { type: tosca.nodes.Compute }
  policies:
    - p:
        type: tosca.policies.Scaling
        targets: [ c ]
        triggers:
          t:
            event: full
            target_filter: { node: c, capability: host }
            condition:
              constraint: [ { not: [ { and: [ { state: [ { equal: started } ] }, { tosca_id: [ { min_length: 1 } ] } ] } ] } ]
              period: 60 sec
              evaluations: 2
              method: average
            action: [ { call_operation: Standard.stop }, { set_state: stopped } ]
  workflows:
    w:
      steps:
        one: { target: c, activities: [ { inline: v } ], on_success: [ two ] }
        two: { target: c, activities: [ { delegate: { workflow: deploy, inputs: { n: 1 } } } ] }
    v: { inputs: { x: { type: string, default: y } } }
`), "service.yaml")
	tr := st.Policy("p").Triggers[0]
	require.Equal(t, []string{"full", "c", "host", "60 sec", "average"}, []string{tr.Event, tr.TargetNode, tr.TargetCapability, tr.Period, tr.Method})
	require.Equal(t, 2, tr.Evaluations)
	require.Equal(t, "not", tr.Condition.Op)
	and := tr.Condition.Operands[0]
	require.Equal(t, "and", and.Op)
	require.Equal(t, []string{"state", "tosca_id"}, []string{and.Operands[0].Attribute, and.Operands[1].Attribute})
	require.Equal(t, "equal", and.Operands[0].Constraints[0].Op)
	require.Equal(t, []ActivityKind{CallOperation, SetState}, []ActivityKind{tr.Action[0].Kind, tr.Action[1].Kind})
	w := st.Workflow("w")
	require.Equal(t, []string{"two"}, w.Steps[0].OnSuccess)
	require.Equal(t, "n", w.Steps[1].Activities[0].Inputs[0].Name)
	require.Equal(t, "x", st.Workflow("v").Inputs[0].Name)
}

func TestSubstitutionMapping(t *testing.T) {
	t.Parallel()
	st := mustLoad(t, files("service.yaml", `tosca_definitions_version: tosca_simple_yaml_1_3
node_types:
  machine:
    derived_from: tosca.nodes.Compute
    properties: { name: { type: string }, num_cpus: { type: string }, os: { type: string } }
topology_template:
  inputs: { n: { type: string, required: false } }
  node_templates:
    c: { type: tosca.nodes.Compute }
  workflows: { w: { steps: {} } }
  substitution_mappings:
    node_type: machine
    properties: { name: [ n ], num_cpus: { mapping: [ n ] }, os: n }
    capabilities: { host: [ c, host ] }
    requirements: { local_storage: [ c, local_storage ] }
    interfaces: { Standard: { create: w } }
`), "service.yaml")
	m := st.Substitution
	require.True(t, m.NodeType.IsA("machine"))
	inputs := map[string]string{}
	for _, p := range m.Properties {
		inputs[p.Name] = p.Input
	}
	require.Equal(t, map[string]string{"name": "n", "num_cpus": "n", "os": "n"}, inputs)
	require.Equal(t, []string{"host", "c", "host"}, []string{m.Capabilities[0].Name, m.Capabilities[0].Node, m.Capabilities[0].Capability})
	r := m.Requirements[0]
	require.Equal(t, "local_storage", r.Name)
	require.Equal(t, Unbounded, r.Count)
	require.Equal(t, []string{"c", "local_storage"}, []string{r.Targets[0].Node, r.Targets[0].Requirement})
	i := m.Interfaces[0]
	require.Equal(t, []string{"Standard", "create", "w"}, []string{i.Interface, i.Operation, i.Workflow})
}

func TestOptions(t *testing.T) {
	t.Parallel()
	fsys := files("service.yaml", `tosca_definitions_version: tosca_simple_yaml_1_3
topology_template:
  inputs: { n: { type: integer } }
  node_templates:
    c:
      type: tosca.nodes.Root
      artifacts: { a: { file: gone, type: tosca.artifacts.File } }
`)
	for _, c := range []struct {
		opts *Options
		want []string
	}{
		{nil, []string{codeMissingArtifact}},
		{&Options{SkipArtifactFiles: true}, nil},
		{&Options{SkipArtifactFiles: true, CheckInputs: true}, []string{"missing-input"}},
		{&Options{SkipArtifactFiles: true, CheckInputs: true, Inputs: map[string]any{"n": 1}}, nil},
		{&Options{SkipArtifactFiles: true, Inputs: map[string]any{"n": "one"}}, []string{"wrong-type"}},
		{&Options{SkipArtifactFiles: true, Inputs: map[string]any{"m": 1}}, []string{"unknown-input"}},
		{&Options{Limits: Limits{FileSize: 100}}, []string{codeTooLarge}},
		{&Options{Limits: Limits{Depth: 3}}, []string{codeTooLarge}},
		{&Options{Limits: Limits{Nodes: 5}}, []string{codeTooLarge}},
	} {
		_, ds := Load(fsys, "service.yaml", c.opts)
		var got []string
		for _, d := range ds {
			got = append(got, d.Code)
		}
		require.Equal(t, c.want, got, "%+v", c.opts)
	}
}

func TestImportsAreBounded(t *testing.T) {
	t.Parallel()
	header := "tosca_definitions_version: tosca_simple_yaml_1_3\n"
	fsys := files("service.yaml", header+"imports: [ a.yaml, b.yaml, c.yaml ]\n", "a.yaml", header, "b.yaml", header, "c.yaml", header)
	_, ds := Load(fsys, "service.yaml", &Options{Limits: Limits{Imports: 4}})
	require.Empty(t, report(ds))
	_, ds = Load(fsys, "service.yaml", &Options{Limits: Limits{Imports: 3}})
	require.Equal(t, "service.yaml:2:28: error: more than 3 files are imported [too-large]\n", report(ds))
}
