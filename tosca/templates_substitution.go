package tosca

import "github.com/seed-a4fd30b5/orchestrator/internal/yamlx"

// substitution reads the first substitution mapping; that of an imported file
// belongs to the service that the file is by itself.
//
// Source: TOSCA 1.3 section 3.8.13, TOSCA 2.0 section 14.
func (b *builder) substitution() {
	if len(b.topologies) == 0 || b.topologies[0].doc.name != b.t.File {
		return
	}
	d, n := b.topologies[0].doc, b.topologies[0].item.Get("substitution_mappings")
	if n.IsNull() {
		return
	}
	d.fields(n, "substitution mapping")
	m := &SubstitutionMapping{NodeType: typeNamed[NodeType](d, nodeKind, n.Get("node_type")), Range: d.rng(n)}
	if n.Get("node_type").IsNull() {
		d.errorf(codeMissingKeyname, n, "a substitution mapping needs the keyname node_type")
	}
	if !d.v.v2() {
		m.Filter = d.nodeFilter(n.Get("substitution_filter"))
	}
	m.Properties = d.mappings(n.Get("properties"), "properties")
	m.Attributes = d.mappings(n.Get("attributes"), "attributes")
	m.Capabilities = d.mappings(n.Get("capabilities"), "capabilities")
	m.Requirements = d.mappings(n.Get("requirements"), "requirements")
	m.Interfaces = map[string]map[string]string{}
	for _, f := range d.entries(n.Get("interfaces"), "interfaces") {
		ops := map[string]string{}
		for _, o := range d.entries(f.Value, "an interface mapping") {
			ops[o.Key.Text] = d.text(o.Value, "the workflow")
			if w := ops[o.Key.Text]; w != "" && b.flows[w] == nil {
				d.errorf(codeUnknownWorkflow, o.Value, "there is no workflow %q", w)
			}
		}
		m.Interfaces[f.Key.Text] = ops
	}
	b.checkMapped(d, n, m)
	b.t.Substitution = m
}

// mappings reads mappings of names to paths: a list, or a map with the keyname
// "mapping", or a name.
func (d *document) mappings(n *yamlx.Node, what string) map[string][]string {
	fields := d.filterEntries(n, what)
	if len(fields) == 0 {
		return nil
	}
	m := make(map[string][]string, len(fields))
	for _, f := range fields {
		v := f.Value
		if inner := v.Get("mapping"); v.Kind == yamlx.Mapping && inner != nil {
			v = inner
		}
		if v.Kind == yamlx.Mapping {
			d.warnf(codeUnsupported, f.Key, "the mapping of %q gives properties in place, which is not supported yet", f.Key.Text)
			continue
		}
		m[f.Key.Text] = texts(d.strings(v, "a mapping"))
	}
	return m
}

// checkMapped checks that mapped capabilities and requirements are those of
// nodes, and that the substituted type has what is mapped.
func (b *builder) checkMapped(d *document, n *yamlx.Node, m *SubstitutionMapping) {
	for _, section := range []string{"capabilities", "requirements"} {
		for _, f := range d.filterEntries(n.Get(section), section) {
			items := d.strings(f.Value, section)
			if f.Value.Kind != yamlx.Sequence || len(items) == 0 {
				continue
			}
			node := b.t.nodes[items[0].Text]
			if node == nil {
				d.errorf(codeUnknownNode, items[0], "%q is mapped to %q, which is no node template", f.Key.Text, items[0].Text).Suggestion = nearest(items[0].Text, b.nodeNames())
				continue
			}
			if len(items) > 1 && !b.broken(node) && (section == "capabilities" && node.Capability(items[1].Text) == nil || section == "requirements" && node.Type.Requirement(items[1].Text) == nil) {
				d.errorf(codeBadMapping, items[1], "the node %q has no such part of its %s: %q", node.Name, section, items[1].Text)
			}
			if m.NodeType != nil && !b.types.brokenTypes[m.NodeType] && (section == "capabilities" && m.NodeType.Capability(f.Key.Text) == nil || section == "requirements" && m.NodeType.Requirement(f.Key.Text) == nil) {
				d.errorf(codeBadMapping, f.Key, "the node type %s has no such part of its %s: %q", m.NodeType.Name, section, f.Key.Text)
			}
		}
	}
}
