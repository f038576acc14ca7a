package tosca

import (
	"fmt"
	"slices"

	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
)

// declareNode enters a node template with its type.
//
// Source: TOSCA 1.3 section 3.8.3.
func (b *builder) declareNode(d *document, f yamlx.Field) {
	if old := b.drafts[f.Key.Text]; old != nil {
		d.duplicate(f.Key, "a node template", old.node.Range)
		return
	}
	n := &NodeTemplate{Name: f.Key.Text, Count: 1, Range: d.rng(f.Key), service: b.t}
	draft := &nodeDraft{doc: d, key: f.Key, body: f.Value, node: n}
	b.drafts[n.Name] = draft
	b.nodes = append(b.nodes, draft)
}

// copyNodes replaces the body of templates with "copy" by the copied one with
// their own entries laid over it.
func (b *builder) copyNodes() {
	bodies := make([]*yamlx.Node, len(b.nodes))
	bad := func(draft *nodeDraft, at *yamlx.Node, format string, args ...any) *Diagnostic {
		draft.broken = true
		return draft.doc.errorf(codeBadCopy, at, format, args...)
	}
	for i, draft := range b.nodes {
		bodies[i] = draft.body
		c := draft.body.Get("copy")
		if c.IsNull() {
			continue
		}
		source := b.drafts[c.Text]
		switch {
		case source == nil:
			bad(draft, c, "there is no node template %q to copy", c.Text).Suggestion = nearest(c.Text, b.nodeNames())
		case !source.body.Get("copy").IsNull():
			bad(draft, c, "%q is itself a copy; copy what it copies", c.Text)
		default:
			bodies[i] = overlay(source.body, draft.body, 1)
		}
	}
	for i, draft := range b.nodes {
		draft.body = bodies[i]
	}
}

// overlay lays the entries of a map over those of another. Maps of named
// things are merged by name, and their entries too, up to a depth; anything
// else is replaced. Requirements of a name replace the copied ones of it.
func overlay(base, over *yamlx.Node, depth int) *yamlx.Node {
	if base.IsNull() || base.Kind != yamlx.Mapping || over.Kind != yamlx.Mapping {
		return over
	}
	all := newOrdered(base.Fields, func(f yamlx.Field) string { return f.Key.Text })
	for _, f := range over.Fields {
		old, ok := all.get(f.Key.Text)
		switch {
		case ok && f.Key.Text == "requirements" && depth == 1:
			f.Value = overlayRequirements(old.Value, f.Value)
		case ok && depth < 4:
			f.Value = overlay(old.Value, f.Value, depth+1)
		}
		all.set(f.Key.Text, f)
	}
	merged := *over
	merged.Fields = all.list
	return &merged
}

func overlayRequirements(base, over *yamlx.Node) *yamlx.Node {
	if base.Kind != yamlx.Sequence || over.Kind != yamlx.Sequence {
		return over
	}
	own := map[string]bool{}
	for _, item := range over.Items {
		for _, f := range item.Fields {
			own[f.Key.Text] = true
		}
	}
	merged := *over
	merged.Items = nil
	for _, item := range base.Items {
		if len(item.Fields) != 1 || !own[item.Fields[0].Key.Text] {
			merged.Items = append(merged.Items, item)
		}
	}
	merged.Items = append(merged.Items, over.Items...)
	return &merged
}

// nodeBody fills a node template but for its requirements.
func (b *builder) nodeBody(draft *nodeDraft) {
	d, n, body := draft.doc, draft.node, draft.body
	if body.IsNull() || body.Kind != yamlx.Mapping {
		d.errorf(codeWrongShape, draft.key, "the node template %q must be a map with a type", n.Name)
		n.Type, draft.broken = &NodeType{}, true
		return
	}
	d.fields(body, "node template")
	n.Type = typeNamed[NodeType](d, nodeKind, body.Get("type"))
	if n.Type == nil {
		if body.Get("type").IsNull() && !draft.broken {
			d.errorf(codeMissingKeyname, draft.key, "the node template %q has no type", n.Name)
		}
		n.Type, draft.broken = &NodeType{}, true
	}
	draft.broken = draft.broken || b.types.brokenTypes[n.Type]
	n.Description = prose(body.Get("description"))
	n.Metadata = d.metadata(body.Get("metadata"))
	n.Directives = texts(d.strings(body.Get("directives"), "directives"))
	b.directives(d, body.Get("directives"))
	sub := subject{what: "the node \"" + n.Name + "\"", at: draft.key, quiet: draft.broken, node: n.Name}
	if slices.ContainsFunc(n.Directives, isSelect) {
		sub.quiet = true // its values are those of the node that it stands for
	}
	n.Properties = b.properties(d, body.Get("properties"), n.Type.Properties, sub)
	n.Attributes = b.attributes(d, body.Get("attributes"), n.Type.Attributes, n.Type.Properties, sub)
	n.Attributes = b.withMappedInputs(n.Attributes, n.Type.Attributes, sub)
	n.Artifacts = d.artifactDefinitions(body.Get("artifacts"), n.Type.Artifacts, func(*Artifact) {})
	n.NodeFilter = d.nodeFilter(body.Get("node_filter"))
	b.capabilities(draft)
	n.Interfaces = b.interfaces(d, body.Get("interfaces"), n.Type.Interfaces, n.Type.Artifacts, n.Artifacts, draft.broken)
}

var directives = []string{"create", "select", "selectable", "substitute", "substitutable"}

// directives20 are the directives of TOSCA 2.0.
var directives20 = []string{"create", "select", "substitute"}

func (b *builder) directives(d *document, n *yamlx.Node) {
	for _, item := range d.strings(n, "directives") {
		valid := directives
		if d.v.v2() {
			valid = directives20
		}
		if slices.Contains(valid, item.Text) {
			continue
		}
		dia := d.warnf(codeUnknownDirective, item, "there is no directive %q; it has no effect", item.Text)
		dia.Suggestion = nearest(item.Text, valid)
		if d.v.v2() {
			dia.Severity, dia.Section = Error, "TOSCA 2.0 section 7.2.1"
			dia.Summary = fmt.Sprintf("there is no directive %q in TOSCA 2.0", item.Text)
		}
	}
}

func isSelect(directive string) bool { return directive == "select" || directive == "selectable" }

// capabilities makes the capabilities of a node, with the defaults of their
// types.
//
// Source: TOSCA 1.3 section 3.8.1.
func (b *builder) capabilities(draft *nodeDraft) {
	d, n := draft.doc, draft.node
	given := map[string]yamlx.Field{}
	fields := d.entries(draft.body.Get("capabilities"), "capabilities")
	for _, f := range fields {
		given[f.Key.Text] = f
	}
	n.Capabilities = make([]*Capability, 0, len(n.Type.Capabilities))
	caps := make([]Capability, len(n.Type.Capabilities))
	for i, def := range n.Type.Capabilities {
		c := &caps[i]
		*c = Capability{Name: def.Name, Type: def.Type, Definition: def, Node: n, Occurrences: def.Occurrences, Range: n.Range}
		sub := subject{what: "the capability \"" + def.Name + "\"", at: draft.key, lenient: !d.v.v2(), quiet: !d.v.v2() || draft.broken, node: n.Name, capability: def.Name}
		var props, attrs *yamlx.Node
		if f, ok := given[def.Name]; ok {
			c.Range = d.rng(f.Key)
			sub.at, sub.quiet = f.Key, draft.broken
			d.fields(f.Value, "capability assignment")
			props, attrs = f.Value.Get("properties"), f.Value.Get("attributes")
			if o := f.Value.Get("occurrences"); !o.IsNull() {
				c.Occurrences = d.occurrences(o, c.Occurrences)
			}
			c.Directives = d.scopes(f.Value.Get("directives"), "a capability")
			delete(given, def.Name)
		}
		c.Properties = b.properties(d, props, def.Properties, sub)
		c.Attributes = b.attributes(d, attrs, def.Attributes, def.Properties, sub)
		c.Attributes = b.withMappedInputs(c.Attributes, def.Attributes, sub)
		n.Capabilities = append(n.Capabilities, c)
	}
	for _, f := range fields {
		if _, left := given[f.Key.Text]; left && !draft.broken {
			var names []string
			for _, def := range n.Type.Capabilities {
				names = append(names, def.Name)
			}
			d.errorf(codeUnknownCapability, f.Key, "the node type %s has no capability %q", n.Type.Name, f.Key.Text).Suggestion = nearest(f.Key.Text, names)
		}
	}
}
