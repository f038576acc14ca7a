package tosca

import (
	"errors"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// graph has two web nodes on two machines each, one of them twice, and a
// database that all use.
const graph = `
tosca_definitions_version: tosca_2_0
data_types:
  Size: { derived_from: scalar, data_type: integer, units: { B: 1, kB: 1000, MB: 1000000 } }
capability_types:
  Host: { properties: { cpus: { type: integer, default: 8 }, memory: { type: Size, default: 2 MB } } }
  Data: { properties: { port: { type: integer, default: 5432 } }, attributes: { users: { type: list, entry_schema: string, default: [ a, b ] } } }
relationship_types:
  On: { properties: { slot: { type: string, default: s } }, attributes: { since: { type: string, default: today } } }
  Uses: { properties: { role: { type: string, default: reader } } }
artifact_types:
  File: {}
node_types:
  Machine:
    properties: { zone: { type: string } }
    attributes: { address: { type: string } }
    capabilities: { host: Host }
  Database:
    properties: { name: { type: string, default: db }, tags: { type: map, entry_schema: string, default: { a: one, b: two } } }
    capabilities: { data: Data }
    artifacts: { dump: { type: File, file: dump.sql } }
  Web:
    properties: { title: { type: string, default: { $concat: [ web-, { $node_index: [] } ] } } }
    requirements:
      - host: { capability: Host, relationship: On, count_range: [ 1, 3 ] }
      - data: { capability: Data, relationship: Uses, count_range: [ 0, 1 ] }
service_template:
  node_templates:
    m1: { type: Machine, properties: { zone: north } }
    m2: { type: Machine, properties: { zone: south } }
    db: { type: Database }
    web:
      type: Web
      count: 2
      requirements:
        - host: { node: m1, allocation: { cpus: 2, memory: 500 kB } }
        - host: { node: m2, relationship: { type: On, properties: { slot: t } } }
        - data: db
`

func evalGraph(t *testing.T, template *ServiceTemplate, self Entity, src string, env Env) (any, error) {
	t.Helper()
	v, diags := parseText(t, v20, src)
	require.Empty(t, diags, src)
	self.Service = template
	return v.Eval(self, env)
}

func TestToscaPaths(t *testing.T) {
	t.Parallel()
	template := loadSound(t, graph)
	web1 := Entity{Node: template.Representation("web", 1)}
	db := Entity{Node: template.Node("db")}
	second := Entity{Relationship: web1.Node.Requirements[1].Relationship}
	env := mapEnv{attributes: map[string]any{"m1.address": "10.0.0.1", "m2.address": "10.0.0.2"}, artifacts: map[string]any{"db.dump": "/files/dump.sql"}}
	for _, c := range []struct {
		self Entity
		src  string
		want any
	}{
		// Starts.
		{web1, "{$get_property: [SELF, title]}", "web-1"},
		{Entity{}, "{$get_property: [web, title]}", "web-0"},
		{Entity{}, "{$get_property: [web, 1, title]}", "web-1"},
		{db, "{$get_property: [web, {$sum: [0, 1]}, title]}", "web-1"},
		{Entity{}, "{$get_property: [web, ALL, title]}", []any{"web-0", "web-1"}},
		{second, "{$get_property: [SELF, slot]}", "t"},
		{second, "{$get_attribute: [SELF, since]}", "today"},
		// From a node along a requirement.
		{web1, "{$get_property: [SELF, RELATIONSHIP, host, slot]}", "s"},
		{web1, "{$get_property: [SELF, RELATIONSHIP, host, 1, slot]}", "t"},
		{web1, "{$get_property: [SELF, RELATIONSHIP, host, ALL, slot]}", []any{"s", "t"}},
		{web1, "{$get_property: [SELF, RELATIONSHIP, host, TARGET, zone]}", "north"},
		{web1, "{$get_property: [SELF, RELATIONSHIP, host, 1, TARGET, zone]}", "south"},
		{web1, "{$get_attribute: [SELF, RELATIONSHIP, host, ALL, TARGET, address]}", []any{"10.0.0.1", "10.0.0.2"}},
		{web1, "{$get_property: [SELF, RELATIONSHIP, data, CAPABILITY, port]}", int64(5432)},
		{web1, "{$get_property: [SELF, RELATIONSHIP, data, 0, SOURCE, title]}", "web-1"},
		// To a capability and back along what leads to it.
		{db, "{$get_property: [SELF, CAPABILITY, data, port]}", int64(5432)},
		{db, "{$get_attribute: [SELF, CAPABILITY, data, users, 1]}", "b"},
		{db, "{$get_property: [SELF, CAPABILITY, data, RELATIONSHIP, role]}", "reader"},
		{db, "{$get_property: [SELF, CAPABILITY, data, RELATIONSHIP, 1, SOURCE, title]}", "web-1"},
		{db, "{$get_property: [SELF, CAPABILITY, data, RELATIONSHIP, ALL, SOURCE, title]}", []any{"web-0", "web-1"}},
		// Two times ALL make one list.
		{db, "{$get_property: [SELF, CAPABILITY, data, RELATIONSHIP, ALL, SOURCE, RELATIONSHIP, host, ALL, TARGET, zone]}", []any{"north", "south", "north", "south"}},
		{Entity{}, "{$get_property: [web, ALL, RELATIONSHIP, host, 1, slot]}", []any{"t", "t"}},
		// From a relationship.
		{second, "{$get_property: [SELF, SOURCE, title]}", "web-1"},
		{second, "{$get_property: [SELF, TARGET, zone]}", "south"},
		{second, "{$get_property: [SELF, CAPABILITY, cpus]}", int64(8)},
		{second, "{$get_property: [SELF, SOURCE, RELATIONSHIP, data, TARGET, name]}", "db"},
		{second, "$relationship_index", int64(1)},
		{second, "{$node_index: []}", int64(1)},
		// What comes behind the name.
		{Entity{}, "{$get_property: [db, tags, b]}", "two"},
		{Entity{}, "{$get_artifact: [db, dump]}", "/files/dump.sql"},
		{web1, "{$get_artifact: [SELF, RELATIONSHIP, data, TARGET, dump]}", "/files/dump.sql"},
		// What two nodes leave of a machine.
		{Entity{}, "{$available_allocation: [m1, CAPABILITY, host, cpus]}", int64(4)},
		{Entity{}, "{$available_allocation: [m1, CAPABILITY, host, memory]}", "1000000 B"},
		{Entity{}, "{$available_allocation: [m2, CAPABILITY, host, cpus]}", int64(8)},
		{second, "{$available_allocation: [SELF, CAPABILITY, cpus]}", int64(8)},
		// Scalars take their units from the type of the property.
		{Entity{}, "{$sum: [{$get_property: [m1, CAPABILITY, host, memory]}, 250 kB]}", "2250000 B"},
		{Entity{}, "{$quotient: [{$get_property: [m1, CAPABILITY, host, memory]}, 3]}", "666666 B"},
		{Entity{}, "{$greater_than: [{$get_property: [m1, CAPABILITY, host, memory]}, 1999 kB]}", true},
		{Entity{}, "{$equal: [2000 kB, {$get_property: [m1, CAPABILITY, host, memory]}]}", true},
		{Entity{}, "{$valid_values: [{$get_property: [m1, CAPABILITY, host, memory]}, [1 MB, 2000 kB]]}", true},
	} {
		got, err := evalGraph(t, template, c.self, c.src, env)
		require.NoError(t, err, c.src)
		require.Equal(t, c.want, got, c.src)
	}
}

func TestToscaPathFaults(t *testing.T) {
	t.Parallel()
	template := loadSound(t, graph)
	web := Entity{Node: template.Node("web")}
	rel := Entity{Relationship: web.Node.Requirements[0].Relationship}
	for _, c := range []struct {
		self    Entity
		src     string
		code    errs.Code
		message string
	}{
		{Entity{}, "{$get_property: [SELF, title]}", errs.InvalidArgument, "SELF has a meaning only in"},
		{rel, "{$get_property: [SOURCE, title]}", errs.InvalidArgument, "a TOSCA path does not begin with SOURCE"},
		{web, "{$get_property: [HOST, zone]}", errs.InvalidArgument, "does not begin with HOST"},
		{Entity{}, "{$get_property: [wbe, title]}", errs.NotFound, `relationship template "wbe"; did you mean "web"?`},
		{Entity{}, "{$get_property: [1, title]}", errs.InvalidArgument, "1 names no entity"},
		{Entity{}, "{$get_property: [web, 2, title]}", errs.FailedPrecondition, "there are 2 representations of the node template web, none with index 2"},
		{Entity{}, "{$get_property: [web, -1, title]}", errs.FailedPrecondition, "none with index -1"},
		{web, "{$get_property: [SELF, SOURCE, title]}", errs.InvalidArgument, "SOURCE does not lead on from the node template web"},
		{rel, "{$get_property: [SELF, RELATIONSHIP, host, title]}", errs.InvalidArgument, "RELATIONSHIP does not lead on from the relationship"},
		{web, "{$get_property: [SELF, RELATIONSHIP, hst, slot]}", errs.NotFound, `no requirement "hst"; did you mean "host"?`},
		{web, "{$get_property: [SELF, RELATIONSHIP, host, 2, slot]}", errs.FailedPrecondition, "there are 2 relationships of the requirement host"},
		{Entity{}, "{$get_property: [db, CAPABILITY, dta, port]}", errs.NotFound, `no capability "dta"; did you mean "data"?`},
		{Entity{}, "{$get_property: [db, CAPABILITY, data, RELATIONSHIP, 2, role]}", errs.FailedPrecondition, "there are 2 relationships to the capability data"},
		{Entity{}, "{$get_property: [db, CAPABILITY, data, prt]}", errs.NotFound, `has no property "prt"; did you mean "port"?`},
		{web, "{$get_property: [SELF, RELATIONSHIP, host, TARGET, zne]}", errs.NotFound, `the node template m1 has no property "zne"`},
		{web, "{$get_property: [SELF, RELATIONSHIP, host, slt]}", errs.NotFound, `has no property "slt"; did you mean "slot"?`},
		{web, "{$get_property: [SELF, host, zone]}", errs.NotFound, `the node template web has no property "host"`},
		{web, "{$get_property: [SELF, RELATIONSHIP]}", errs.NotFound, `no property "RELATIONSHIP"`},
		{Entity{}, "{$get_artifact: [db, dmp]}", errs.NotFound, `no artifact "dmp"; did you mean "dump"?`},
		{rel, "{$get_artifact: [SELF, dump]}", errs.NotFound, "has no artifacts"},
		{Entity{}, "{$get_artifact: [db, dump]}", errs.FailedPrecondition, "has no value yet"},
		{Entity{}, "{$available_allocation: [db, name, x]}", errs.InvalidArgument, "leads to no capability"},
		{Entity{}, "$node_index", errs.InvalidArgument, "has a meaning only in a node template"},
		{web, "$relationship_index", errs.InvalidArgument, "has a meaning only in a requirement"},
		{web, "$value", errs.InvalidArgument, "has a meaning only in a validation clause"},
		{web, "{$sum: [{$get_property: [m1, CAPABILITY, host, memory]}, 1 GB]}", errs.InvalidArgument, `"GB" is no unit of Size`},
		{web, "{$less_than: [{$get_attribute: [m1, address]}, x]}", errs.FailedPrecondition, "argument 1 has no value yet"},
	} {
		_, err := evalGraph(t, template, c.self, c.src, nil)
		require.ErrorContains(t, err, c.message, c.src)
		require.Equal(t, c.code, errs.CodeOf(err), c.src)
	}
}

const custom = `
tosca_definitions_version: tosca_2_0
functions:
  sqrt:
    description: the square root
    signatures:
      - { arguments: [ { type: integer, validation: { $greater_or_equal: [ $value, 0 ] } } ], result: float }
      - { arguments: [ string ], optional_arguments: [ integer ], variadic: true, result: string, implementation: sqrt.sh }
  now: { signatures: [ {} ] }
  any: { signatures: [ { variadic: true } ] }
service_template:
  node_templates: {}
  functions:
    sqrt:
      description: in the service
      signatures:
        -
        - { implementation: other.sh }
        - { arguments: [ boolean ] }
  outputs:
    root: { value: { $sqrt: [ 4 ] } }
    text: { value: { $sqrt: [ a, 1, 2 ] } }
    flag: { value: { $sqrt: [ true ] } }
    now: { value: $now }
    any: { value: { $any: [ 1, [ x ], { $sqrt: [ 9 ] } ] } }
    one: { value: { $any: { a: b } } }
    native: { value: { $known: [ 1 ] } }
`

// calling is a FunctionEnv that says how it was called.
type calling struct {
	mapEnv
	results map[string]any
}

func (c calling) CallFunction(name string, f *Function, g *Signature, args []any) (any, error) {
	if r, ok := c.results[name]; ok {
		return r, nil
	}
	if f == nil {
		return []any{name}, nil
	}
	for i := range f.Signatures {
		if f.Signatures[i] == g {
			return []any{f.Name, i, args}, nil
		}
	}
	return nil, errors.New("a signature of another function")
}

func TestCustomFunctions(t *testing.T) {
	t.Parallel()
	template, diags := Load(fstest.MapFS{"service.yaml": {Data: []byte(custom)}}, "service.yaml", &Options{Functions: []string{"known"}, SkipArtifactFiles: true})
	require.False(t, diags.HasErrors(), diags)
	require.Len(t, template.Functions, 3)
	sqrt := template.Functions[0]
	require.Equal(t, "in the service", sqrt.Description)
	require.Len(t, sqrt.Signatures, 3)
	require.Equal(t, "other.sh", sqrt.Signatures[1].Implementation.Primary.File)
	env := calling{results: map[string]any{"sqrt": 2.0}}
	eval := func(output string, env Env) (any, error) {
		return template.Output(output).Value.Eval(Entity{Service: template}, env)
	}
	got, err := eval("root", env)
	require.NoError(t, err)
	require.Equal(t, 2.0, got)
	_, err = eval("root", calling{results: map[string]any{"sqrt": "two"}})
	require.ErrorContains(t, err, "the result of $sqrt")
	require.Equal(t, errs.InvalidArgument, errs.CodeOf(err))
	_, err = eval("text", calling{results: map[string]any{"sqrt": 1}})
	require.ErrorContains(t, err, "a string is expected")
	env.results = nil
	for output, want := range map[string]any{
		"flag":   []any{"sqrt", int64(2), []any{true}},
		"now":    []any{"now", int64(0), []any{}},
		"one":    []any{"any", int64(0), []any{map[string]any{"a": "b"}}},
		"native": []any{"known"},
	} {
		got, err := eval(output, env)
		require.NoError(t, err, output)
		require.Equal(t, want, got, output)
	}
	_, err = eval("root", mapEnv{})
	require.ErrorContains(t, err, "nothing here evaluates the function $sqrt")
	require.Equal(t, errs.FailedPrecondition, errs.CodeOf(err))
}
