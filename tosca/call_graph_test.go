package tosca

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckCalls(t *testing.T) {
	t.Parallel()
	template := loadSound(t, evalTemplate)
	for _, c := range []struct {
		self, src, code string
		// column is where the wrong argument stands.
		column     int
		suggestion string
	}{
		{"app", "{get_input: who}", "", 0, ""},
		{"app", "{get_input: whom}", "unknown-input", 13, "who"},
		{"app", "{concat: [a, {get_input: whom}]}", "unknown-input", 26, "who"},
		{"app", "{a: [{get_input: [settings, nme]}]}", "unknown-key", 29, "name"},
		{"app", "{get_input: [settings, more, x, port]}", "", 0, ""},
		{"app", "{get_input: [settings, more, x, prt]}", "unknown-key", 33, "port"},
		{"app", "{get_property: [SELF, greeting]}", "", 0, ""},
		{"app", "{get_property: [SELF, greting]}", "unknown-property", 23, "greeting"},
		{"app", "{get_property: [SELF, config, prt]}", "unknown-key", 31, "port"},
		{"app", "{get_property: [SELF, host, verson]}", "unknown-property", 29, "version"},
		{"app", "{get_property: [SELF, host, host, regin]}", "unknown-property", 35, "region"},
		{"app", "{get_property: [SELF, hosts, host, region]}", "unknown-property", 23, "host"},
		{"app", "{get_property: [ap, greeting]}", "unknown-entity", 17, "app"},
		{"app", "{get_property: [SELFF, greeting]}", "unknown-entity", 17, "SELF"},
		{"app", "{get_property: [SELF, backup, dbname]}", "unassigned-requirement", 23, ""},
		{"app", "{get_property: [SELF, {get_input: who}]}", "", 0, ""},
		{"app", "{get_attribute: [HOST, public_adress]}", "unknown-attribute", 24, ""},
		{"app", "{get_attribute: [SELF, greeting]}", "", 0, ""},
		{"app", "{get_attribute: [SELF, grating]}", "unknown-attribute", 24, "greeting"},
		{"app", "{get_attribute: [SELF, 5]}", "function-arguments", 24, ""},
		{"app", "{get_attribute: [[SELF], id]}", "function-arguments", 18, ""},
		{"app", "{get_attribute: [SOURCE, id]}", "misplaced-keyword", 18, ""},
		{"vm", "{get_attribute: [HOST, id]}", "no-host", 18, ""},
		{"", "{get_attribute: [SELF, id]}", "misplaced-keyword", 18, ""},
		{"app/db", "{get_attribute: [TARGET, addres]}", "unknown-attribute", 26, "address"},
		{"app/db", "{get_attribute: [SOURCE, id]}", "", 0, ""},
		{"app/db", "{get_attribute: [HOST, id]}", "misplaced-keyword", 18, ""},
		{"app/db", "{get_property: [SELF, host, version]}", "", 0, ""},
		{"app/db", "{get_property: [SELF, host, nothing]}", "unknown-property", 23, ""},
		{"app", "{get_operation_output: [SELF, Standard, create, x]}", "", 0, ""},
		{"app", "{get_operation_output: [SELF, tosca.interfaces.node.lifecycle.Standard, create, x]}", "", 0, ""},
		{"app", "{get_operation_output: [SELF, Standard, crate, x]}", "unknown-operation", 41, "create"},
		{"app", "{get_operation_output: [SELF, Standart, create, x]}", "unknown-operation", 31, "Standard"},
		{"app", "{get_operation_output: [SELF, Standard, create, 1]}", "function-arguments", 49, ""},
		{"app", "{get_artifact: [SELF, site]}", "", 0, ""},
		{"app", "{get_artifact: [SELF, sites]}", "unknown-artifact", 23, "site"},
		{"app", "{get_artifact: [SELF, 1]}", "function-arguments", 23, ""},
		{"app", "{get_artifact: [limit, site]}", "unknown-entity", 17, ""},
		{"app", "{get_nodes_of_type: Databas}", "unknown-type", 21, "Database"},
		{"app", "{get_nodes_of_type: 5}", "function-arguments", 21, ""},
		{"app", "{get_nodes_of_type: Database}", "", 0, ""},
	} {
		v, diags := parseText(t, v13, c.src)
		require.Empty(t, diags, c.src)
		s := &sink{}
		checkCalls(template, v, selfOf(t, template, c.self), s)
		if c.code == "" {
			require.Empty(t, s.list, c.src)
			continue
		}
		require.Equal(t, []string{c.code}, codes(s.list), c.src)
		d := s.list[0]
		require.Equal(t, Pos{1, c.column}, d.Range.Start, c.src)
		require.Equal(t, c.suggestion, d.Suggestion, c.src)
		want := Error
		if c.code == "no-host" || c.code == "unassigned-requirement" {
			want = Warning
		}
		require.Equal(t, want, d.Severity, c.src)
	}
	checkCalls(template, nil, Entity{}, &sink{})
}

func TestCheckCallsIsQuietAboutUnknownTypes(t *testing.T) {
	t.Parallel()
	_, diags := loadText(t, `
tosca_definitions_version: tosca_simple_yaml_1_3
topology_template:
  node_templates:
    a: { type: Nowhere, properties: { x: { get_property: [SELF, y] } } }
    b: { type: tosca.nodes.Root, requirements: [ dependency: a ], attributes: { state: { get_property: [SELF, dependency, y] } } }
  relationship_templates:
    r: { type: Gone }
  policies:
    - p: { type: Lost, properties: { a: { get_property: [SELF, b] } } }
  outputs:
    o: { value: [ { get_property: [p, x] }, { get_property: [r, x] }, { get_attribute: [a, x] } ] }
`)
	require.Equal(t, []string{"unknown-type", "unknown-type", "unknown-type"}, codes(diags))
}

// FuzzValue wants that no text makes parsing, checking or evaluating a value
// panic or hang, and that an error has a place and a code.
func FuzzValue(f *testing.F) {
	for _, s := range []string{
		"{get_property: [SELF, config, more, a, port]}", "{concat: [a, {get_input: who}]}", "{token: [a-b, '-', 1]}",
		"{$concat: [[1], [2]]}", "$$x", "{get_attribute: [HOST, public_address]}", "[{join: [[a], ',']}, ~, 1.5]",
		"{get_artifact: [SELF, site, x, true]}", "{get_operation_output: [SELF, Standard, create, out]}",
	} {
		f.Add(s)
	}
	for _, s := range []string{
		"{$get_property: [SELF, RELATIONSHIP, host, ALL, TARGET, zone]}", "{$get_property: [web, 1, title]}",
		"{$available_allocation: [m1, CAPABILITY, host, memory]}", "{$sum: ['1 MB', {$get_property: [m1, CAPABILITY, host, memory]}]}",
		"{$get_attribute: [db, CAPABILITY, data, RELATIONSHIP, ALL, SOURCE, RELATIONSHIP, host, 1, slot]}", "$relationship_index",
		"{$has_all_entries: [{$get_attribute: [db, CAPABILITY, data, users]}, [a]]}", "{$round: [{$quotient: [7, 2]}]}",
		"{$contains: [[1, 2], [2]]}", "{$union: [[1], [1.0, .nan]]}", "{$remainder: ['7 GB', 2]}", "{$matches: [a, '(']}",
	} {
		f.Add(s)
	}
	template := loadSound(f, evalTemplate)
	paths := loadSound(f, graph)
	web := paths.Node("web")
	f.Fuzz(func(t *testing.T, src string) {
		n, _ := yamlxParse(src)
		if n == nil {
			return
		}
		for _, version := range versions {
			s := &sink{}
			v := parseValue(n, "service.yaml", version, s)
			require.NotNil(t, v)
			for _, self := range []string{"", "app", "app/db"} {
				of := selfOf(t, template, self)
				checkCalls(template, v, of, s)
				if _, err := v.Eval(of, mapEnv{}); err != nil {
					require.Contains(t, err.Error(), "service.yaml:")
				}
			}
			for _, of := range []Entity{{Service: paths}, {Service: paths, Node: web}, {Service: paths, Relationship: web.Requirements[0].Relationship}} {
				checkCalls(paths, v, of, s)
				if _, err := v.Eval(of, mapEnv{}); err != nil {
					require.Contains(t, err.Error(), "service.yaml:")
				}
			}
			builtin("string").check(v, s, "p")
			builtin("map").check(v, s, "p")
			for _, d := range s.list {
				require.NotEmpty(t, d.Code)
				require.NotEmpty(t, d.Summary)
			}
		}
	})
}

func BenchmarkEval(b *testing.B) {
	template := loadSound(b, evalTemplate)
	env := mapEnv{inputs: map[string]any{"who": "you"}}
	for name, src := range map[string]string{
		"constant": "{a: [1, 2, {b: c}]}",
		"input":    "{get_input: who}",
		"property": "{get_property: [SELF, greeting]}",
		"hops":     "{get_property: [SELF, host, host, region]}",
		"url":      "{get_attribute: [SELF, url]}",
	} {
		b.Run(name, func(b *testing.B) {
			v, _ := parseText(b, v13, src)
			self := Entity{Service: template, Node: template.Node("app")}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Eval(self, env); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParseValue(b *testing.B) {
	n, _ := yamlxParse("{name: web, ports: [80, 443], url: {concat: ['http://', {get_attribute: [HOST, public_address]}]}}")
	b.ReportAllocs()
	for b.Loop() {
		parseValue(n, "service.yaml", versionNamed(v13), &sink{})
	}
}
