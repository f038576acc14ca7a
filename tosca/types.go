package tosca

import (
	"slices"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
)

// typeKind is a kind of types. The order is the order of resolution: a kind
// needs only complete types of kinds before it, and bare pointers to others.
type typeKind int

const (
	dataKind typeKind = iota
	artifactKind
	capabilityKind
	interfaceKind
	relationshipKind
	nodeKind
	groupKind
	policyKind
	kinds
)

var kindInfo = [kinds]struct{ name, section, prefix string }{
	dataKind:         {"data type", "data_types", "tosca.datatypes."},
	artifactKind:     {"artifact type", "artifact_types", "tosca.artifacts."},
	capabilityKind:   {"capability type", "capability_types", "tosca.capabilities."},
	interfaceKind:    {"interface type", "interface_types", "tosca.interfaces."},
	relationshipKind: {"relationship type", "relationship_types", "tosca.relationships."},
	nodeKind:         {"node type", "node_types", "tosca.nodes."},
	groupKind:        {"group type", "group_types", "tosca.groups."},
	policyKind:       {"policy type", "policy_types", "tosca.policies."},
}

func (k typeKind) String() string { return kindInfo[k].name }

// typeDecl is a declared type. Its typ is allocated at once, so that types can
// point at each other in cycles, and filled later.
type typeDecl struct {
	doc    *document
	kind   typeKind
	name   string
	key    *yamlx.Node
	node   *yamlx.Node
	header *TypeHeader
	typ    any // *DataType, *NodeType, ...
	state  resolveState
	depth  int
	// broken tells that the type lacks something that was reported, so that
	// what misses it need not be reported.
	broken bool
}

type resolveState int

const (
	unresolved resolveState = iota
	resolving
	resolved
)

func newDecl(d *document, kind typeKind, key, node *yamlx.Node) *typeDecl {
	t := &typeDecl{doc: d, kind: kind, name: key.Text, key: key, node: node}
	switch kind {
	case dataKind:
		x := &DataType{}
		t.typ, t.header = x, &x.TypeHeader
	case artifactKind:
		x := &ArtifactType{}
		t.typ, t.header = x, &x.TypeHeader
	case capabilityKind:
		x := &CapabilityType{}
		t.typ, t.header = x, &x.TypeHeader
	case interfaceKind:
		x := &InterfaceType{}
		t.typ, t.header = x, &x.TypeHeader
	case relationshipKind:
		x := &RelationshipType{}
		t.typ, t.header = x, &x.TypeHeader
	case nodeKind:
		x := &NodeType{}
		t.typ, t.header = x, &x.TypeHeader
	case groupKind:
		x := &GroupType{}
		t.typ, t.header = x, &x.TypeHeader
	case policyKind:
		x := &PolicyType{}
		t.typ, t.header = x, &x.TypeHeader
	}
	*t.header = TypeHeader{Name: key.Text, Range: d.rng(key), Normative: d.builtin, Profile: d.profile}
	return t
}

// dslDefinitions checks the keyname that holds nothing but YAML anchors.
//
// Source: TOSCA 1.3 section 3.10.3.6, TOSCA 2.0 section 6.6.
func (d *document) dslDefinitions() {
	f := fieldOf(d.root, "dsl_definitions")
	if f == nil || !d.v.v2() {
		return
	}
	const section = "TOSCA 2.0 section 6.6"
	if f.Value.Kind != yamlx.Mapping {
		d.wrongShape(f.Value, "dsl_definitions", "a map").Section = section
		return
	}
	for _, e := range f.Value.Fields {
		if e.Value.IsNull() {
			d.errorf(codeWrongShape, e.Key, "the DSL definition %q is empty; it must be something that an alias can repeat", e.Key.Text).Section = section
		}
	}
}

// declare enters the types that a file declares.
func (d *document) declare() {
	d.dslDefinitions()
	for kind := range kinds {
		d.decls[kind] = map[string]*typeDecl{}
		info := kindInfo[kind]
		section := fieldOf(d.root, info.section)
		if section == nil {
			continue
		}
		if section.Value.IsNull() && d.v.v2() {
			d.wrongShape(section.Value, info.section, "a map").Section = "TOSCA 2.0 section 6.1"
		}
		for _, f := range d.namedEntries(section.Value, info.section) {
			t := newDecl(d, kind, f.Key, f.Value)
			d.decls[kind][t.name] = t
			d.order[kind] = append(d.order[kind], t)
		}
	}
}

// lookup finds a type by a name as the file can write it, or nil.
func (d *document) lookup(kind typeKind, name string) *typeDecl {
	if d.memo == nil {
		return d.find(kind, name)
	}
	key := nameKey{kind, name}
	if t, ok := d.memo[key]; ok {
		return t
	}
	t := d.find(kind, name)
	if t == nil && d.entry != nil && !d.v.v2() {
		if t = d.entry.lookup(kind, name); t != nil {
			d.borrowed[key] = true
		}
	}
	d.memo[key] = t
	return t
}

// named is lookup for a name that stands somewhere. Published libraries use
// types that only the entry file imports: a warning, once for each file.
func (d *document) named(kind typeKind, n *yamlx.Node) *typeDecl {
	t := d.lookup(kind, n.Text)
	if key := (nameKey{kind, n.Text}); d.borrowed[key] {
		delete(d.borrowed, key)
		d.warnf(codeUnimportedType, n, "the %s %q is not imported here, only in %s", kind, n.Text, d.entry.name).Detail =
			"Import " + t.doc.name + " so that the file can be used by itself."
	}
	return t
}

// find looks for a type in this file and what it imports, then in the profiles
// that need no import, then in those that imported files so see.
func (d *document) find(kind typeKind, name string) *typeDecl {
	if t := d.decls[kind][name]; t != nil {
		return t
	}
	var found *typeDecl
	if d.declared == nil || d.declared.can(kind, name) {
		d.search(name, func(in *document, local string) bool {
			found = in.decls[kind][local]
			return found != nil
		})
	}
	if found != nil {
		return found
	}
	for _, p := range d.profiles {
		if t := p.decls[kind][name]; t != nil {
			return t
		}
	}
	if t := d.primitive(name); t != nil && kind == dataKind {
		return t
	}
	d.search(name, func(in *document, local string) bool {
		for _, p := range in.profiles {
			if found = p.decls[kind][local]; found != nil {
				return true
			}
		}
		return false
	})
	return found
}

// primitive returns the built-in type of that name in the file's version, or nil.
func (d *document) primitive(name string) *typeDecl {
	if d.v.v2() && !slices.Contains(primitives2, name) || !d.v.v2() && name == "scalar" {
		return nil
	}
	return primitives[name]
}

// visible calls f for each type that the file can name, with that name: its
// own first. A name is told once, and at most limit names where limit is not 0.
func (d *document) visible(kind typeKind, limit int, f func(name string, t *typeDecl)) {
	told := map[string]bool{}
	tell := func(name string, t *typeDecl) bool {
		if !told[name] {
			told[name] = true
			f(name, t)
		}
		return limit == 0 || len(told) < limit
	}
	d.walk(kind, tell)
}

// maxNamespaces is how deep namespaces nest that are listed, maxPlaces how many
// files under how many namespaces: files that import each other under
// namespaces have endlessly many names.
const (
	maxNamespaces = 8
	maxPlaces     = 10_000
)

// walk goes through the file and its imports, nearest first, then the profiles
// that need no import.
func (d *document) walk(kind typeKind, tell func(string, *typeDecl) bool) {
	type place struct {
		doc    *document
		prefix string
	}
	queue := []place{{d, ""}}
	seen := map[place]bool{queue[0]: true}
	add := func(p place) {
		if !seen[p] && len(seen) < maxPlaces && strings.Count(p.prefix, ":") <= maxNamespaces {
			seen[p] = true
			queue = append(queue, p)
		}
	}
	for i := 0; i < len(queue); i++ {
		at := queue[i]
		for _, t := range at.doc.order[kind] {
			if !tell(at.prefix+t.name, t) {
				return
			}
		}
		if at.doc.builtin {
			for _, name := range sortedKeys(at.doc.decls[kind]) {
				if !tell(at.prefix+name, at.doc.decls[kind][name]) {
					return
				}
			}
		}
		for _, imp := range at.doc.imports {
			p := at.prefix
			if imp.prefix != "" {
				p += imp.prefix + ":"
			}
			add(place{imp.doc, p})
		}
	}
	for _, p := range d.profiles {
		p.walk(kind, tell)
	}
	if kind == dataKind {
		for _, name := range primitiveNames {
			if t := d.primitive(name); t != nil && !tell(name, t) {
				return
			}
		}
	}
}

// typeNamed returns the type that n names, and reports where there is none.
func typeNamed[T any](d *document, kind typeKind, n *yamlx.Node) *T {
	t := typeNamedAny(d, kind, n)
	if t == nil {
		return nil
	}
	return t.typ.(*T)
}

// typeNamedAny is typeNamed for a kind that is told at run time.
func typeNamedAny(d *document, kind typeKind, n *yamlx.Node) *typeDecl {
	if n.IsNull() || d.text(n, "the name of "+article(kind.String())) == "" {
		return nil
	}
	t := d.named(kind, n)
	if t == nil {
		d.unknownType(kind, n)
	}
	return t
}

// removedType says what stands for a built-in type of 1.x in TOSCA 2.0.
func removedType(name string) string {
	switch {
	case strings.HasPrefix(name, "scalar-unit"):
		return "TOSCA 2.0 has no " + name + ": define a data type that derives from scalar and has units."
	case name == "range":
		return "TOSCA 2.0 has no ranges: use a list of two integers."
	}
	return "TOSCA 2.0 has no type " + name + "."
}

func (d *document) unknownType(kind typeKind, n *yamlx.Node) {
	dia := d.errorf(codeUnknownType, n, "there is no %s %q", kind, n.Text)
	dia.Section = d.constructSection(kind.String())
	if d.v.v2() && kind == dataKind && primitives[n.Text] != nil {
		dia.Detail, dia.Section = removedType(n.Text), "TOSCA 2.0 section 9.1"
		if n.Text == "null" {
			dia.Suggestion = "nil"
		}
		return
	}
	for other := range kinds {
		if other != kind && d.lookup(other, n.Text) != nil {
			dia.Detail = n.Text + " is " + article(other.String()) + "."
			return
		}
	}
	var names []string
	d.visible(kind, maxCandidates, func(name string, _ *typeDecl) {
		names = append(names, name)
		if strings.HasSuffix(name, ":"+n.Text) && dia.Suggestion == "" {
			dia.Suggestion = name // the prefix was forgotten
		}
	})
	if near := nearest(n.Text, names); near != "" {
		dia.Suggestion = near
	}
	if dia.Suggestion == "" {
		dia.Detail = "Declare it under " + kindInfo[kind].section + " or import the file that does."
	}
}

// nameNormative gives the types of a built-in profile their other names.
//
// Source: TOSCA 1.3 section 3.1 and the tables of section 5: a normative type
// has a type URI, a shorthand name and a qualified name. The profile of 2.0
// has short names only; its types take the URIs of 1.3 as aliases, so that one
// question, such as IsA("tosca.nodes.Compute"), fits both.
func (d *document) nameNormative() {
	for kind := range kinds {
		for _, t := range d.order[kind] {
			short := strings.TrimPrefix(t.name, kindInfo[kind].prefix)
			if s, ok := t.header.Metadata["shorthand"].(string); ok {
				short = s
			}
			if d.v.v2() {
				if uri := simpleProfile("tosca_simple_yaml_1_3").lookup(kind, short); uri != nil {
					t.header.aliases = append(t.header.aliases, uri.name)
				}
				continue
			}
			for _, alias := range []string{short, "tosca:" + short} {
				if d.decls[kind][alias] == nil && alias != t.name {
					d.decls[kind][alias] = t
					t.header.aliases = append(t.header.aliases, alias)
				}
			}
		}
	}
}

// primitives are the types built into the language.
//
// Source: TOSCA 1.3 section 3.3, TOSCA 2.0 section 9.1.
var primitives, primitiveNames = makePrimitives(
	"string", "integer", "float", "boolean", "timestamp", "null", "nil", "bytes", "version", "range", "list", "map",
	"scalar-unit", "scalar-unit.size", "scalar-unit.time", "scalar-unit.frequency", "scalar-unit.bitrate",
	"scalar", "any",
)

// primitives2 are those of TOSCA 2.0.
//
// Source: TOSCA 2.0 section 9.1.
var primitives2 = []string{
	"string", "integer", "float", "boolean", "bytes", "nil", "timestamp", "scalar", "version", "list", "map",
}

func makePrimitives(names ...string) (map[string]*typeDecl, []string) {
	m := make(map[string]*typeDecl, len(names))
	for _, name := range names {
		x := &DataType{TypeHeader: TypeHeader{Name: name, Normative: true}}
		m[name] = &typeDecl{kind: dataKind, name: name, typ: x, header: &x.TypeHeader, state: resolved}
	}
	return m, names
}
