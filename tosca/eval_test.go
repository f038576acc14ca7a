package tosca

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// loadText loads a service template that needs no other file.
func loadText(t testing.TB, src string) (*ServiceTemplate, Diagnostics) {
	t.Helper()
	return Load(fstest.MapFS{"service.yaml": {Data: []byte(src)}}, "service.yaml", &Options{SkipArtifactFiles: true})
}

// loadSound loads a service template without a fault.
func loadSound(t testing.TB, src string) *ServiceTemplate {
	t.Helper()
	template, diags := loadText(t, src)
	for _, d := range diags {
		require.NotEqual(t, Error, d.Severity, "%s %s at %v", d.Code, d.Summary, d.Range.Start)
	}
	return template
}

// mapEnv is an Env of maps. Attributes are named "owner.attribute" or
// "owner.capability.attribute"; a relationship is named by its requirement.
type mapEnv struct {
	inputs, attributes, outputs, artifacts map[string]any
	err                                    error
}

func ownerName(of Entity) string {
	if of.Relationship != nil {
		return of.Relationship.Requirement.Source.Name + "/" + of.Relationship.Requirement.Name
	}
	return of.Node.Name
}

func (m mapEnv) Input(name string) (any, bool, error) {
	data, ok := m.inputs[name]
	return data, ok, m.err
}

func (m mapEnv) Attribute(of Entity, capability, name string) (any, bool, error) {
	key := ownerName(of) + "."
	if capability != "" {
		key += capability + "."
	}
	data, ok := m.attributes[key+name]
	return data, ok, m.err
}

func (m mapEnv) OperationOutput(of Entity, iface, operation, output string) (any, bool, error) {
	data, ok := m.outputs[ownerName(of)+"."+iface+"."+operation+"."+output]
	return data, ok, m.err
}

func (m mapEnv) Artifact(of Entity, a *Artifact, location string, _ bool) (any, bool, error) {
	data, ok := m.artifacts[ownerName(of)+"."+a.Name]
	if s, isText := data.(string); isText {
		data = location + s
	}
	return data, ok, m.err
}

// evalTemplate has an app on a runtime on a machine, connected to a database.
const evalTemplate = `
tosca_definitions_version: tosca_simple_yaml_1_3
data_types:
  Config:
    derived_from: tosca.datatypes.Root
    properties:
      port: { type: integer, default: 80 }
      name: { type: string, required: false }
      more: { type: map, required: false, entry_schema: { type: Config } }
capability_types:
  Api:
    derived_from: tosca.capabilities.Root
    properties:
      path: { type: string, default: /api }
      url: { type: string, required: false }
    attributes:
      state: { type: string, default: down }
relationship_types:
  Uses:
    derived_from: tosca.relationships.Root
    properties:
      role: { type: string, default: reader }
      database: { type: string, default: { get_property: [TARGET, dbname] } }
    attributes:
      session: { type: string }
node_types:
  Machine:
    derived_from: tosca.nodes.Compute
    properties:
      region: { type: string, default: north }
  Runtime:
    derived_from: tosca.nodes.SoftwareComponent
    properties:
      version: { type: string, default: "11" }
    attributes:
      home: { type: string, default: /opt/run }
    capabilities:
      host: { type: tosca.capabilities.Container }
      api: { type: Api }
  App:
    derived_from: tosca.nodes.Root
    properties:
      config: { type: Config, required: false }
      list: { type: list, required: false, entry_schema: { type: string } }
      greeting: { type: string, default: { concat: [hello, " ", { get_input: who }] } }
      nothing: { type: string, required: false }
      empty: { type: string, required: false, default: ~ }
      db: { type: string, default: from-property }
    attributes:
      url: { type: string, default: { concat: ["http://", { get_attribute: [HOST, public_address] }, ":", { get_property: [SELF, config, port] }] } }
      id: { type: string }
      info: { type: map, entry_schema: { type: string } }
    capabilities:
      db: { type: Api }
    requirements:
      - host: { capability: tosca.capabilities.Container, node: Runtime, relationship: tosca.relationships.HostedOn }
      - db: { capability: tosca.capabilities.Node, node: Database, relationship: Uses }
      - backup: { capability: tosca.capabilities.Node, node: Database, relationship: Uses, occurrences: [0, 1] }
    artifacts:
      site: { type: tosca.artifacts.File, file: site.tar }
    interfaces:
      Standard:
        operations:
          create: { implementation: { primary: create.sh } }
  Database:
    derived_from: tosca.nodes.Root
    properties:
      dbname: { type: string }
      owner: { type: string, default: { get_property: [SELF, dbname] } }
    attributes:
      address: { type: string }
policy_types:
  Limit:
    derived_from: tosca.policies.Root
    properties:
      most: { type: integer, default: { get_input: most } }
      twice: { type: string, default: { concat: [ { get_property: [ SELF, word ] }, { get_property: [ SELF, word ] } ] } }
      word: { type: string, default: ab }
topology_template:
  inputs:
    who: { type: string, default: world }
    most: { type: integer }
    settings: { type: Config, default: { name: x, more: { inner: { port: 8 } } } }
    optional: { type: string, required: false }
  node_templates:
    vm:
      type: Machine
      attributes: { public_address: 10.0.0.9 }
      capabilities:
        host: { properties: { num_cpus: 4 } }
    vm2:
      type: Machine
    runtime:
      type: Runtime
      requirements: [ host: vm ]
      capabilities:
        api:
          properties:
            url: { concat: [{ get_property: [SELF, version] }, { get_property: [SELF, api, path] }] }
    app:
      type: App
      properties:
        config: { name: { get_input: who }, more: { a: { port: 1 }, b: { name: { get_property: [SELF, config, more, a, port] } } } }
        list: [zero, { get_input: who }, two]
      requirements:
        - host: runtime
        - db: { node: data, relationship: link }
    data:
      type: Database
      properties: { dbname: main }
  relationship_templates:
    link: { type: Uses, properties: { role: writer } }
    spare: { type: Uses, properties: { role: nobody, database: none } }
  policies:
    - limit: { type: Limit }
  outputs:
    unused: { value: { get_attribute: [ spare, session ] } }
    url: { value: { get_attribute: [app, url] } }
`

func evalIn(t *testing.T, template *ServiceTemplate, self, src string, env Env) (any, error) {
	t.Helper()
	v, diags := parseText(t, template.Version, src)
	require.Empty(t, diags, src)
	return v.Eval(selfOf(t, template, self), env)
}

// selfOf finds "app" or, for a relationship, "app/db".
func selfOf(t *testing.T, template *ServiceTemplate, self string) Entity {
	t.Helper()
	if self == "" {
		return Entity{Service: template}
	}
	for _, n := range template.Nodes {
		if n.Name == self {
			return Entity{Service: template, Node: n}
		}
		for _, req := range n.Requirements {
			if n.Name+"/"+req.Name == self {
				return Entity{Service: template, Relationship: req.Relationship}
			}
		}
	}
	require.Fail(t, "no entity "+self)
	return Entity{}
}

func TestEval(t *testing.T) {
	t.Parallel()
	template := loadSound(t, evalTemplate)
	env := mapEnv{
		inputs: map[string]any{"most": 7, "who": "you", "settings": map[string]any{"list": []any{"a", 2}}},
		attributes: map[string]any{
			"app.id": "i-1", "app.info": map[string]any{"k": []string{"x", "y"}}, "runtime.api.state": "up",
			"app/db.session": "s-1", "vm.private_address": nil,
		},
		outputs:   map[string]any{"app.Standard.create.out": map[string]any{"code": 3}},
		artifacts: map[string]any{"app.site": "site.tar"},
	}
	for _, c := range []struct {
		self, src string
		want      any
	}{
		// inputs, with nested keys and indices
		{"", "{get_input: who}", "you"},
		{"", "{get_input: [who]}", "you"},
		{"", "{get_input: most}", int64(7)},
		{"", "{get_input: [settings, list, 1]}", int64(2)},
		{"", "{get_input: [settings, port]}", int64(80)}, // the data type's default
		{"", "{get_input: optional}", nil},
		// properties of nodes, whose calls are evaluated where they stand
		{"app", "{get_property: [SELF, greeting]}", "hello you"},
		{"", "{get_property: [app, greeting]}", "hello you"},
		{"app", "{get_property: [SELF, list, 1]}", "you"},
		{"app", "{get_property: [SELF, list]}", []any{"zero", "you", "two"}},
		{"app", "{get_property: [SELF, config, name]}", "you"},
		{"app", "{get_property: [SELF, config, more, b, name]}", int64(1)},
		{"app", "{get_property: [SELF, config, port]}", int64(80)},          // the data type's default
		{"app", "{get_property: [SELF, config, more, b, port]}", int64(80)}, // also in an entry
		{"app", "{get_property: [SELF, nothing]}", nil},
		{"app", "{get_property: [SELF, empty]}", nil},
		{"", "{get_property: [data, owner]}", "main"},
		// types, the first node template of the type
		{"", "{get_property: [Machine, region]}", "north"},
		{"", "{get_attribute: [tosca.nodes.Compute, public_address]}", "10.0.0.9"},
		// capabilities: assignment, then type default
		{"", "{get_property: [vm, host, num_cpus]}", int64(4)},
		{"", "{get_property: [vm, scalable, min_instances]}", int64(1)},
		{"runtime", "{get_property: [SELF, api, path]}", "/api"},
		{"", "{get_property: [runtime, api, url]}", "11/api"},
		{"", "{get_attribute: [runtime, api, state]}", "up"},
		{"", "{get_attribute: [runtime, api, path]}", "/api"},
		{"", "{get_attribute: [app, db, path]}", "/api"}, // neither the requirement's target nor its capability has a path
		// requirements, several hops, preferred over a capability of the same name
		{"app", "{get_property: [SELF, db, dbname]}", "main"},
		{"app", "{get_property: [SELF, host, host, region]}", "north"},
		{"app", "{get_property: [SELF, host, host, host, num_cpus]}", int64(4)},
		{"app", "{get_property: [SELF, db]}", "from-property"},
		// HOST, up the chain until a host has it
		{"app", "{get_property: [HOST, version]}", "11"},
		{"app", "{get_property: [HOST, region]}", "north"},
		{"app", "{get_attribute: [HOST, public_address]}", "10.0.0.9"},
		{"app", "{get_attribute: [HOST, home]}", "/opt/run"},
		// attributes: run time, assignment or default, property, null
		{"app", "{get_attribute: [SELF, id]}", "i-1"},
		{"app", "{get_attribute: [SELF, info, k, 1]}", "y"},
		{"", "{get_attribute: [app, url]}", "http://10.0.0.9:80"},
		{"", "{get_attribute: [app, greeting]}", "hello you"},
		{"", "{get_attribute: [data, address]}", nil},
		{"", "{get_attribute: [data, address, deep, 1]}", nil},
		{"", "{get_attribute: [vm, private_address]}", nil},
		{"", "{get_attribute: [vm, tosca_name]}", "vm"},
		{"", "{get_attribute: [vm, state]}", "initial"},
		// relationships
		{"app/db", "{get_property: [SELF, role]}", "writer"},
		{"app/db", "{get_property: [SELF, database]}", "main"},
		{"app/db", "{get_property: [SOURCE, greeting]}", "hello you"},
		{"app/db", "{get_property: [TARGET, dbname]}", "main"},
		{"app/db", "{get_attribute: [SELF, session]}", "s-1"},
		{"app/db", "{get_property: [SELF, host, version]}", "11"}, // the requirement of its source
		{"app/db", "{get_property: [SELF, host, host, region]}", "north"},
		{"", "{get_property: [link, role]}", "writer"},
		{"", "{get_attribute: [link, session]}", "s-1"},
		// the other functions
		{"", "{get_property: [limit, most]}", int64(7)},
		{"", "{get_property: [limit, twice]}", "abab"},
		{"", "{get_property: [Limit, word]}", "ab"},
		{"", "{get_property: [spare, role]}", "nobody"},
		{"", "{get_attribute: [spare, session]}", nil},
		{"", "{get_nodes_of_type: tosca.nodes.Compute}", []any{"vm", "vm2"}},
		{"", "{get_nodes_of_type: Database}", []any{"data"}},
		{"app", "{get_operation_output: [SELF, Standard, create, out]}", map[string]any{"code": int64(3)}},
		{"app", "{get_operation_output: [SELF, Standard, create, out, code]}", int64(3)},
		{"app", "{get_artifact: [SELF, site]}", "site.tar"},
		{"", "{get_artifact: [app, site, /tmp/, true]}", "/tmp/site.tar"},
		// nesting to any depth
		{"app", "{a: [{b: {get_input: who}}], c: {join: [[{get_input: who}, {token: [{get_attribute: [SELF, id]}, '-', 1]}, 1.5, true], ',']}}",
			map[string]any{"a": []any{map[string]any{"b": "you"}}, "c": "you,1,1.5,true"}},
		{"app", "{get_property: [{concat: [SE, LF]}, list, {get_property: [SELF, config, more, a, port]}]}", "you"},
	} {
		got, err := evalIn(t, template, c.self, c.src, env)
		require.NoError(t, err, c.src)
		require.Equal(t, c.want, got, c.src)
	}
}

func TestEvalWithoutEnv(t *testing.T) {
	t.Parallel()
	template := loadSound(t, evalTemplate)
	for src, want := range map[string]any{
		"{get_input: who}":                                  "world",
		"{get_input: [settings, more, inner, port]}":        int64(8),
		"{get_input: [settings, port]}":                     int64(80),
		"{get_property: [app, greeting]}":                   "hello world",
		"{get_attribute: [vm, public_address]}":             "10.0.0.9",
		"{get_attribute: [vm, networks, first, addresses]}": nil,
	} {
		got, err := evalIn(t, template, "", src, nil)
		require.NoError(t, err, src)
		require.Equal(t, want, got, src)
	}
}

func TestEvalFaults(t *testing.T) {
	t.Parallel()
	template := loadSound(t, evalTemplate)
	failing := mapEnv{err: &errs.Error{Code: errs.Unavailable, Op: "read", Err: errors.New("the store is away")}}
	for _, c := range []struct {
		self, src string
		env       Env
		code      errs.Code
		message   string
	}{
		{"", "{get_input: most}", nil, errs.FailedPrecondition, `evaluate get_input at service.yaml:1:1: the input "most" has no value yet`},
		{"", "{get_input: whom}", nil, errs.NotFound, `there is no input "whom"; did you mean "who"?`},
		{"", "{get_input: [who, x]}", nil, errs.InvalidArgument, `"x" leads into the string "world", which has no parts`},
		{"", "{get_input: [[who]]}", nil, errs.InvalidArgument, `is no name of an input`},
		{"", "{get_property: [SELF, x]}", nil, errs.InvalidArgument, "SELF has a meaning only in a node or a relationship template"},
		{"app", "{get_property: [SOURCE, x]}", nil, errs.InvalidArgument, "SOURCE has a meaning only in a relationship"},
		{"app/db", "{get_property: [HOST, x]}", nil, errs.InvalidArgument, "HOST has a meaning only in a node template"},
		{"vm", "{get_property: [HOST, x]}", nil, errs.FailedPrecondition, "the node template vm is hosted on nothing"},
		{"app", "{get_property: [HOST, regoin]}", nil, errs.NotFound, `the node template runtime has no property "regoin"`},
		{"", "{get_property: [ap, greeting]}", nil, errs.NotFound, `there is no node template, relationship template or policy "ap"; did you mean "app"?`},
		{"", "{get_property: [app, greting]}", nil, errs.NotFound, `no property "greting"; did you mean "greeting"?`},
		{"", "{get_property: [app, id]}", nil, errs.NotFound, `"id" is an attribute of the node template app, not a property; use get_attribute`},
		{"", "{get_property: [app, backup, dbname]}", nil, errs.FailedPrecondition, "the requirement backup of the node template app has no target"},
		{"", "{get_property: [app, host, verson]}", nil, errs.NotFound, `the node template runtime has no property "verson"; did you mean "version"?`},
		{"", "{get_property: [runtime, api, pth]}", nil, errs.NotFound, `the capability api of the node template runtime has no property "pth"; did you mean "path"?`},
		{"", "{get_property: [link, rol]}", nil, errs.NotFound, `the relationship link has no property "rol"; did you mean "role"?`},
		{"", "{get_property: [limit, mst]}", nil, errs.NotFound, `the policy limit has no property "mst"; did you mean "most"?`},
		{"", "{get_property: [app, list, 3]}", nil, errs.NotFound, "the list has 3 entries, none with index 3"},
		{"", "{get_property: [app, list, x]}", nil, errs.InvalidArgument, `"x" is no index of a list`},
		{"", "{get_property: [app, config, nme]}", nil, errs.NotFound, `there is no key "nme"; did you mean "name"?`},
		{"", "{get_property: [app, 1]}", nil, errs.InvalidArgument, "1 is no name"},
		{"", "{get_attribute: [app, idd]}", nil, errs.NotFound, `no attribute "idd"; did you mean "id"?`},
		{"", "{get_attribute: [app, id]}", failing, errs.Unavailable, "the store is away"},
		{"", "{get_input: who}", failing, errs.Unavailable, "the store is away"},
		{"", "{concat: [a, {get_attribute: [app, id]}]}", nil, errs.FailedPrecondition, "evaluate concat at service.yaml:1:1: argument 2 has no value yet"},
		{"", "{concat: [{get_property: [app, list]}]}", nil, errs.InvalidArgument, "argument 1 is a list, not text"},
		{"", "{join: [{get_attribute: [app, info]}]}", nil, errs.FailedPrecondition, "argument 1 has no value yet"},
		{"", "{token: [{get_input: who}, '-', 1]}", nil, errs.InvalidArgument, `"world" has 1 parts, none with index 1`},
		{"", "{get_nodes_of_type: Databse}", nil, errs.NotFound, `there is no node type "Databse"; did you mean "Database"?`},
		{"app", "{get_operation_output: [SELF, Standard, create, out]}", nil, errs.FailedPrecondition, `the output "out" of Standard.create has no value yet`},
		{"app", "{get_operation_output: [SELF, Standard, creat, out]}", nil, errs.NotFound, `the interface Standard has no operation "creat"; did you mean "create"?`},
		{"app", "{get_operation_output: [SELF, Standrd, create, out]}", nil, errs.NotFound, `there is no interface "Standrd"; did you mean "Standard"?`},
		{"", "{get_operation_output: [limit, Standard, create, out]}", nil, errs.NotFound, `"limit" is a policy`},
		{"app", "{get_artifact: [SELF, site]}", nil, errs.FailedPrecondition, `the artifact "site" has no value yet`},
		{"app", "{get_artifact: [SELF, sit]}", nil, errs.NotFound, `"SELF" has no artifact "sit"; did you mean "site"?`},
		{"app", "{get_artifact: [SELF, site, 1]}", nil, errs.InvalidArgument, "argument 3, the location, is an integer, not text"},
		{"app", "{get_artifact: [SELF, site, x, 1]}", nil, errs.InvalidArgument, "argument 4, remove, is an integer, not a boolean"},
	} {
		got, err := evalIn(t, template, c.self, c.src, c.env)
		require.Error(t, err, c.src)
		require.Nil(t, got, c.src)
		require.Contains(t, err.Error(), c.message, c.src)
		require.Equal(t, c.code, errs.CodeOf(err), c.src)
	}
}

func TestEvalNamesTheCallThatFailed(t *testing.T) {
	t.Parallel()
	template := loadSound(t, evalTemplate)
	// The policy's default asks for an input without a value: the error is at
	// the default, not at the call that led there.
	_, err := evalIn(t, template, "", "{concat: [{get_property: [limit, most]}]}", nil)
	require.EqualError(t, err, `evaluate get_input at service.yaml:76:39: the input "most" has no value yet`)
	var e *errs.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "evaluate get_input", e.Op)
	require.Equal(t, "at service.yaml:76:39", e.Subject)
}

// TestEvalOfRelationships wants what is assigned with a requirement found by its
// name, where neither the target nor its capability has it.
func TestEvalOfRelationships(t *testing.T) {
	t.Parallel()
	template := loadSound(t, `
tosca_definitions_version: tosca_simple_yaml_1_3
relationship_types:
  Uses:
    derived_from: tosca.relationships.Root
    properties: { role: { type: string }, name: { type: string }, ports: { type: list, entry_schema: integer } }
    attributes: { session: { type: string } }
node_types:
  App: { derived_from: tosca.nodes.Root, requirements: [ data: { capability: tosca.capabilities.Node, relationship: Uses, occurrences: [ 0, UNBOUNDED ] } ] }
  Data: { derived_from: tosca.nodes.Root, properties: { name: { type: string } } }
topology_template:
  node_templates:
    data: { type: Data, properties: { name: main } }
    app:
      type: App
      requirements:
        - data: { node: data, relationship: { type: Uses, properties: { role: reader, name: hidden, ports: [ 1, 2 ] } } }
        - data: { node: data, relationship: { type: Uses, properties: { role: writer, name: hidden, ports: [] } } }
`)
	env := mapEnv{attributes: map[string]any{"app/data.session": "s-1"}}
	for src, want := range map[string]any{
		"{get_property: [app, data, role]}":     "reader", // of the first
		"{get_property: [app, data, ports, 1]}": int64(2),
		"{get_property: [app, data, name]}":     "main", // the target's
		"{get_attribute: [app, data, session]}": "s-1",
		"{get_attribute: [app, data, role]}":    "reader",
	} {
		got, err := evalIn(t, template, "", src, env)
		require.NoError(t, err, src)
		require.Equal(t, want, got, src)
	}
	_, err := evalIn(t, template, "", "{get_property: [app, data, session]}", env)
	require.ErrorContains(t, err, `the node template data has no property "session"`)
}

func TestEvalOfLoops(t *testing.T) {
	t.Parallel()
	template, diags := loadText(t, `
tosca_definitions_version: tosca_simple_yaml_1_3
node_types:
  Loop:
    derived_from: tosca.nodes.Root
    properties:
      a: { type: string }
      b: { type: string }
      up: { type: string, default: { get_property: [SELF, dependency, up] } }
      double: { type: string, default: { concat: [{ get_property: [SELF, dependency, double] }, { get_property: [SELF, dependency, double] }] } }
topology_template:
  node_templates:
    one:
      type: Loop
      properties: { a: { get_property: [SELF, b] }, b: { get_property: [SELF, a] }, up: top, double: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx }
    two: { type: Loop, properties: { a: x, b: y }, requirements: [ dependency: one ] }
    three: { type: Loop, properties: { a: x, b: y }, requirements: [ dependency: two ] }
`)
	require.Equal(t, []string{"invalid-call", "invalid-call"}, codes(diags))
	require.Contains(t, diags[0].Summary, "refers to itself")
	_, err := evalIn(t, template, "one", "{get_property: [SELF, a]}", nil)
	require.ErrorContains(t, err, "refers to itself")
	require.Equal(t, errs.InvalidArgument, errs.CodeOf(err))
	// The same default evaluated for another node each time is no loop.
	got, err := evalIn(t, template, "three", "{get_property: [SELF, up]}", nil)
	require.NoError(t, err)
	require.Equal(t, "top", got)
	got, err = evalIn(t, template, "three", "{get_property: [SELF, double]}", nil)
	require.NoError(t, err)
	require.Len(t, got, 4*32)
}

// TestEvalIsBounded doubles a text and a list 40 times: a small template whose
// values would fill any memory.
func TestEvalIsBounded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ first, step, message string }{
		{strings.Repeat("a", 1<<20), "{ concat: [ { get_property: [ n, %s ] }, { get_property: [ n, %s ] } ] }", "the result is longer than"},
		{"[" + strings.Repeat("a, ", 100) + "a]", "[ { get_property: [ n, %s ] }, { get_property: [ n, %s ] } ]", "the result has more than"},
		{"{ concat: [ { get_property: [ n, p99 ] } ] }", "[ { get_property: [ n, %s ] }, { get_property: [ n, %s ] } ]", "more than 262144 calls"},
	} {
		var types, values strings.Builder
		previous := c.first
		for i := range 40 {
			name := fmt.Sprintf("p%02d", i)
			fmt.Fprintf(&types, "      %s: { type: any }\n", name)
			fmt.Fprintf(&values, "        %s: %s\n", name, previous)
			previous = fmt.Sprintf(c.step, name, name)
		}
		template, diags := loadText(t, `
tosca_definitions_version: tosca_simple_yaml_1_3
node_types:
  N:
    derived_from: tosca.nodes.Root
    properties:
      p99: { type: string, default: "" }
`+types.String()+`
topology_template:
  node_templates:
    n:
      type: N
      properties:
`+values.String())
		for _, d := range diags {
			require.Equal(t, "invalid-call", d.Code)
			require.Contains(t, d.Summary, c.message)
		}
		_, err := evalIn(t, template, "", "{get_property: [n, p39]}", nil)
		require.ErrorContains(t, err, c.message)
		require.Equal(t, errs.InvalidArgument, errs.CodeOf(err))
	}
}

func TestEvalInThePolicyOfATrigger(t *testing.T) {
	t.Parallel()
	template := loadSound(t, evalTemplate)
	self := Entity{Service: template, Policy: template.Policies[0], Node: template.Node("app")}
	for src, want := range map[string]any{
		"{get_property: [SELF, word]}":     "ab",
		"{get_property: [SELF, greeting]}": "hello world", // the target's
		"{get_property: [HOST, version]}":  "11",
	} {
		v, _ := parseText(t, v13, src)
		got, err := v.Eval(self, nil)
		require.NoError(t, err, src)
		require.Equal(t, want, got, src)
	}
	v, _ := parseText(t, v13, "{get_property: [SELF, wrd]}")
	_, err := v.Eval(Entity{Policy: template.Policies[0]}, nil)
	require.ErrorContains(t, err, `the policy limit has no property "wrd"; did you mean "word"?`)
	v, _ = parseText(t, v13, "{get_artifact: [SELF, site]}")
	_, err = v.Eval(Entity{Policy: template.Policies[0]}, nil)
	require.ErrorContains(t, err, `"SELF" is a policy`)
	got, err := v.Eval(self, mapEnv{artifacts: map[string]any{"app.site": "s"}})
	require.NoError(t, err)
	require.Equal(t, "s", got)
}

func TestEvalReturnsDataOfItsOwn(t *testing.T) {
	t.Parallel()
	template := loadSound(t, evalTemplate)
	first, err := evalIn(t, template, "", "{get_property: [app, config, more]}", nil)
	require.NoError(t, err)
	first.(map[string]any)["a"].(map[string]any)["port"] = "changed"
	second, err := evalIn(t, template, "", "{get_property: [app, config, more, a, port]}", nil)
	require.NoError(t, err)
	require.Equal(t, int64(1), second)
}
