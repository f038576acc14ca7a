package tosca

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
)

// document is one file of a service template, or one built-in profile.
type document struct {
	// name is the path in the file system that is loaded from, or
	// "profile/x.yaml" for a built-in profile.
	name    string
	builtin bool
	// base is the folder that a leading slash means: the root of the archive,
	// or of the repository or search path that the file comes from.
	base string
	src  *sources
	// profile is the name of the profile that the file's types belong to.
	profile string
	v       *versionTable
	root    *yamlx.Node
	s       *sink

	// decls are the types declared here, order the same in order.
	decls [kinds]map[string]*typeDecl
	order [kinds][]*typeDecl
	// imports are what the file imports; profiles are the built-in ones that
	// it sees without an import.
	imports  []docImport
	linked   map[docImport]bool // the same as a set
	profiles []*document
	// declared are the types of all files of a Load.
	declared declared
	// memo remembers look-ups of a file that belongs to one Load. Built-in
	// profiles are shared and have none.
	memo map[nameKey]*typeDecl
	// entry is the entry file, in the others; borrowed are the types that a
	// file names without importing them, though the entry file sees them.
	entry      *document
	borrowed   map[nameKey]bool
	extensions map[string]*ArtifactType
	// dataComplete tells that all data types are complete; later is what waits
	// for it.
	dataComplete bool
	later        []func()
	repositories map[string]*Repository
	// functions are the custom functions defined here; known are those that the
	// orchestrator knows (Options.Functions).
	functions map[string]*functionDecl
	// called are the entries of mappings whose keys may be calls.
	called        map[*yamlx.Node][]*calledKey
	functionOrder []*functionDecl
	known         map[string]bool
}

type docImport struct {
	doc    *document
	prefix string
}

type nameKey struct {
	kind typeKind
	name string
}

func (d *document) rng(n *yamlx.Node) Range {
	if n == nil {
		return Range{File: d.name}
	}
	return Range{File: d.name, Start: Pos(n.Start), End: Pos(n.End)}
}

func (d *document) errorf(code string, n *yamlx.Node, format string, args ...any) *Diagnostic {
	return d.s.errorf(code, d.rng(n), format, args...)
}

// strictf reports what TOSCA 2.0 forbids: an Error there, and a Warning in 1.x,
// where published templates do it.
func (d *document) strictf(code string, n *yamlx.Node, format string, args ...any) *Diagnostic {
	if d.v.v2() {
		return d.errorf(code, n, format, args...)
	}
	return d.warnf(code, n, format, args...)
}

// section names a section of TOSCA 2.0, or of 1.3 for a file of 1.x.
func (d *document) section(v2, v13 string) string {
	if d.v.v2() {
		return d.v.at(v2)
	}
	return d.v.at(v13)
}

func (d *document) warnf(code string, n *yamlx.Node, format string, args ...any) *Diagnostic {
	return d.s.warnf(code, d.rng(n), format, args...)
}

// wrongShape reports that n is not what was expected there.
func (d *document) wrongShape(n *yamlx.Node, what, want string) *Diagnostic {
	got := n.Kind.String()
	if n.Kind == yamlx.Scalar {
		got = "a single value"
		if n.IsNull() {
			got = "empty"
		}
	} else {
		got = "a " + got
	}
	return d.errorf(codeWrongShape, n, "%s must be %s, not %s", what, want, got)
}

// article puts the indefinite article before a word.
func article(word string) string {
	if word == "" {
		return word
	}
	if strings.ContainsRune("aeioAEIO", rune(word[0])) {
		return "an " + word
	}
	return "a " + word
}

// fields returns the entries of a construct and reports those whose keyname
// the version does not know. It is nil for anything but a map.
func (d *document) fields(n *yamlx.Node, construct string) []yamlx.Field {
	list := d.entries(n, article(construct))
	for _, f := range list {
		d.keyname(f.Key, construct)
	}
	return list
}

// keyname reports a keyname that the construct does not have.
func (d *document) keyname(key *yamlx.Node, construct string) bool {
	if d.src != nil && d.src.keyname != nil {
		d.src.keyname(construct, key.Text, d.v.level)
	}
	table := keynames[construct]
	span, ok := table[key.Text]
	if !ok {
		dia := d.errorf(codeUnknownKeyname, key, "%s has no keyname %q", article(construct), key.Text)
		dia.Section = d.constructSection(construct)
		valid := table.names(d.v.level)
		dia.Suggestion = nearest(key.Text, valid)
		dia.Detail = "The keynames are " + strings.Join(valid, ", ") + "."
		return false
	}
	if d.v.level < span.from || d.v.level > span.to {
		dia := d.warnf(codeKeynameVersion, key, "%q is a keyname of another version, taken as meant", key.Text)
		dia.Section = d.constructSection(construct)
		// xOpera's blueprints of its early 2.0 have a topology_template.
		if d.v.v2() && construct != "service template" {
			dia.Severity, dia.Summary = Error, fmt.Sprintf("%s has no keyname %q in TOSCA 2.0", article(construct), key.Text)
		}
		dia.Detail = "It belongs to TOSCA " + span.String() + "; this file says " + d.v.name + "."
	}
	return true
}

// constructSection names where the keynames of a construct are specified.
func (d *document) constructSection(construct string) string {
	at := constructSections[construct]
	if at.v2 == "" || at.v13 == "" {
		return ""
	}
	return d.section(at.v2, at.v13)
}

// entries returns the entries of a map with free names.
func (d *document) entries(n *yamlx.Node, what string) []yamlx.Field {
	if n.IsNull() {
		return nil
	}
	if n.Kind != yamlx.Mapping {
		d.wrongShape(n, what, "a map")
		return nil
	}
	switch what {
	case "properties", "attributes", "inputs", "outputs":
		return d.unescaped(n.Fields)
	}
	return n.Fields
}

// unescaped undoes "$$" at the beginning of the names of values, as it is undone
// where calls name them.
//
// Source: TOSCA 2.0 section 10.1.
func (d *document) unescaped(fields []yamlx.Field) []yamlx.Field {
	escaped := func(f yamlx.Field) bool { return strings.HasPrefix(f.Key.Text, "$$") }
	if !d.v.v2() || !slices.ContainsFunc(fields, escaped) {
		return fields
	}
	fields = slices.Clone(fields)
	for i, f := range fields {
		if escaped(f) {
			key := *f.Key
			key.Text = key.Text[1:]
			fields[i].Key = &key
		}
	}
	return fields
}

// namedEntries returns the entries of a map whose keys are names, such as
// definitions and types. TOSCA 2.0 wants names to be text; none may be empty.
func (d *document) namedEntries(n *yamlx.Node, what string) []yamlx.Field {
	list := d.entries(n, what)
	for _, f := range list {
		switch {
		case f.Key.Text == "":
			d.errorf(codeBadName, f.Key, "a name in %s is empty", what)
		case d.v.v2() && f.Key.Type != yamlx.String:
			d.errorf(codeBadName, f.Key, "the name %s in %s must be a string", f.Key.Text, what).Detail = "Put it in quotes."
		}
	}
	return list
}

// items returns the entries of a list.
func (d *document) items(n *yamlx.Node, what string) []*yamlx.Node {
	if n.IsNull() {
		return nil
	}
	if n.Kind != yamlx.Sequence {
		d.wrongShape(n, what, "a list")
		return nil
	}
	return n.Items
}

// single returns the only entry of a list's item such as "- name: {...}".
func (d *document) single(n *yamlx.Node, what string) (yamlx.Field, bool) {
	if n.Kind != yamlx.Mapping || len(n.Fields) == 0 {
		d.wrongShape(n, what, `a map with one entry, such as "- name: ..."`)
		return yamlx.Field{}, false
	}
	if len(n.Fields) > 1 {
		d.errorf(codeWrongShape, n.Fields[1].Key, "%s has one entry; %q belongs to an item of its own", what, n.Fields[1].Key.Text)
	}
	return n.Fields[0], true
}

// text returns a scalar as written, "" for null and nil.
func (d *document) text(n *yamlx.Node, what string) string {
	if n.IsNull() {
		return ""
	}
	if n.Kind != yamlx.Scalar {
		d.wrongShape(n, what, "a string")
		return ""
	}
	return n.Text
}

// prose is text that may be anything in practice, such as a description.
func prose(n *yamlx.Node) string {
	if n.IsNull() || n.Kind != yamlx.Scalar {
		return ""
	}
	return n.Text
}

func (d *document) boolean(n *yamlx.Node, what string, otherwise bool) bool {
	if n.IsNull() {
		return otherwise
	}
	b, ok := n.Data.(bool)
	if !ok {
		d.wrongShape(n, what, "true or false")
		return otherwise
	}
	return b
}

func (d *document) integer(n *yamlx.Node, what string, otherwise int) int {
	if n.IsNull() {
		return otherwise
	}
	i, ok := n.Data.(int64)
	if !ok || i < -1<<31 || i > 1<<31-1 {
		d.wrongShape(n, what, "a small integer")
		return otherwise
	}
	return int(i)
}

func (d *document) metadata(n *yamlx.Node) map[string]any {
	if n.IsNull() || d.entries(n, "metadata") == nil {
		return nil
	}
	m, _ := n.Value().(map[string]any)
	return m
}

// strings returns a list of strings; a single string stands for a list of one.
func (d *document) strings(n *yamlx.Node, what string) []*yamlx.Node {
	if n.IsNull() {
		return nil
	}
	if n.Kind == yamlx.Scalar {
		// The grammar of a step gives on_success and on_failure one name.
		if d.v.v2() && what != "on_success" && what != "on_failure" {
			d.wrongShape(n, what, "a list of strings")
		}
		return []*yamlx.Node{n}
	}
	var out []*yamlx.Node
	for _, item := range d.items(n, what) {
		if item.Kind != yamlx.Scalar || item.IsNull() {
			d.wrongShape(item, what, "a list of strings")
			continue
		}
		out = append(out, item)
	}
	return out
}

func texts(nodes []*yamlx.Node) []string {
	var out []string
	for _, n := range nodes {
		out = append(out, n.Text)
	}
	return out
}

// value parses a property, attribute or input value.
func (d *document) value(n *yamlx.Node) *Value {
	if n == nil {
		return nil
	}
	return d.parser().value(n)
}

// parser parses the values of a file.
func (d *document) parser() *valueParser {
	return &valueParser{file: d.name, version: d.v, sink: d.s, doc: d}
}

// occurrences reads "[0, UNBOUNDED]".
func (d *document) occurrences(n *yamlx.Node, otherwise Occurrences) Occurrences {
	if n.IsNull() {
		return otherwise
	}
	if n.Kind == yamlx.Scalar {
		if i := d.integer(n, "occurrences", -2); i >= 0 {
			return Occurrences{i, i}
		}
		return otherwise
	}
	if len(n.Items) != 2 {
		d.wrongShape(n, "occurrences", "a list of a lower and an upper bound, such as [0, UNBOUNDED]")
		return otherwise
	}
	o := Occurrences{Min: d.integer(n.Items[0], "the lower bound", 0), Max: Unbounded}
	if up := n.Items[1]; up.Text != "UNBOUNDED" || up.Kind != yamlx.Scalar {
		o.Max = d.integer(up, "the upper bound", 0)
	}
	if o.Min < 0 || o.Max < o.Min && o.Max != Unbounded {
		d.errorf(codeBadOccurrences, n, "the bounds [%s, %s] are no range of occurrences", n.Items[0].Text, n.Items[1].Text)
		return otherwise
	}
	return o
}
