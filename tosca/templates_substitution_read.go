package tosca

import (
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
)

// substitutionDraft is the substitution mapping of the entry file while it is
// read.
type substitutionDraft struct {
	doc  *document
	body *yamlx.Node
	m    *SubstitutionMapping
	// known tells that the node type is there and sound.
	known bool
	// taken are the requirements of nodes that the mapping fills, by the names
	// of the node and the requirement; selected are the mapped nodes themselves.
	taken    map[[2]string]bool
	selected map[string]bool
}

// section names a section of the specification about substitution: that of 2.0
// below its chapter 15, or that of 1.3.
func (s *substitutionDraft) section(v2, v13 string) string {
	return s.doc.section(v2, v13)
}

// mappedKey tells that a fault is a list as a key of a substitution mapping,
// where TOSCA 2.0 allows it: "[ service, UNBOUNDED ]: ...".
func mappedKey(root *yamlx.Node, f yamlx.Fault) bool {
	n := root.Get("service_template").Get("substitution_mappings")
	if f.Kind != yamlx.BadKey || n == nil || prose(root.Get("tosca_definitions_version")) != "tosca_2_0" {
		return false
	}
	for _, section := range []string{"properties", "attributes"} {
		if listKeyAt(n.Get(section), f.Start) {
			return true
		}
	}
	if list := n.Get("requirements"); list != nil {
		for _, item := range list.Items {
			if listKeyAt(item, f.Start) {
				return true
			}
		}
	}
	return false
}

func listKeyAt(n *yamlx.Node, at yamlx.Pos) bool {
	if n == nil {
		return false
	}
	for _, f := range n.Fields {
		if f.Key.Kind == yamlx.Sequence && f.Key.Start == at {
			return true
		}
	}
	return false
}

// readSubstitution reads the substitution mapping of the entry file: that of an
// imported file belongs to the service that the file is by itself. It comes
// before requirements are resolved, since what is mapped may dangle.
//
// Source: TOSCA 1.3 section 3.8.13, TOSCA 2.0 section 15.1.
func (b *builder) readSubstitution() {
	if len(b.topologies) == 0 || b.topologies[0].doc.name != b.t.File {
		return
	}
	d, n := b.topologies[0].doc, b.topologies[0].item.Get("substitution_mappings")
	if n.IsNull() {
		return
	}
	d.fields(n, "substitution mapping")
	if n.Kind != yamlx.Mapping {
		return
	}
	m := &SubstitutionMapping{NodeType: typeNamed[NodeType](d, nodeKind, n.Get("node_type")), Range: d.rng(n)}
	s := &substitutionDraft{doc: d, body: n, m: m, taken: map[[2]string]bool{}, selected: map[string]bool{}}
	s.known = m.NodeType != nil && !b.types.brokenTypes[m.NodeType]
	if n.Get("node_type").IsNull() {
		d.errorf(codeMissingKeyname, n, "a substitution mapping needs the keyname node_type").Section = s.section("15.1", "3.8.13")
	}
	m.Filter = d.nodeFilter(n.Get("substitution_filter"))
	b.propertyMappings(s)
	b.attributeMappings(s)
	b.capabilityMappings(s)
	b.requirementMappings(s)
	b.interfaceMappings(s)
	b.mapping = s
	b.t.Substitution = m
}

// mappedName reads the key of a property or attribute mapping: a name, or in
// 2.0 a list that leads to a capability or to relationships.
//
// Source: TOSCA 2.0 sections 15.2 and 15.3.
func (d *document) mappedName(key *yamlx.Node) (MappedName, bool) {
	if key.Kind != yamlx.Sequence {
		return MappedName{Name: key.Text}, true
	}
	items := texts(key.Items)
	switch {
	case len(items) == 3 && items[0] == "CAPABILITY":
		return MappedName{Capability: items[1], Name: items[2]}, true
	case len(items) == 3 && items[0] == "RELATIONSHIP":
		return MappedName{Requirement: items[1], Name: items[2]}, true
	case len(items) == 4 && items[0] == "RELATIONSHIP":
		name := MappedName{Requirement: items[1], Index: AllRelationships, Name: items[3]}
		if items[2] == "ALL" {
			return name, true
		}
		if name.Index = d.integer(key.Items[2], "the index of a relationship", 0); name.Index >= 0 {
			return name, true
		}
	case len(items) == 1:
		return MappedName{Name: items[0]}, true
	}
	d.wrongShape(key, "the name of a mapped property or attribute",
		"a name, [ CAPABILITY, capability, name ] or [ RELATIONSHIP, requirement, index or ALL, name ]")
	return MappedName{}, false
}

// String returns the name as in a mapping.
func (n MappedName) String() string {
	switch {
	case n.Capability != "":
		return "CAPABILITY, " + n.Capability + ", " + n.Name
	case n.Requirement != "":
		return "RELATIONSHIP, " + n.Requirement + ", " + n.Name
	}
	return n.Name
}

// mappingOf returns what a mapping of 1.x maps to: the value of its keyname
// "mapping", or what stands there itself.
func mappingOf(n *yamlx.Node) *yamlx.Node {
	if n.Kind == yamlx.Mapping {
		if inner := n.Get("mapping"); inner != nil {
			return inner
		}
	}
	return n
}

// propertyMappings reads the mappings of properties.
//
// Source: TOSCA 1.2 and 1.3 section 3.8.8, TOSCA 2.0 section 15.2.
func (b *builder) propertyMappings(s *substitutionDraft) {
	d := s.doc
	for _, f := range s.fields("properties") {
		name, ok := d.mappedName(f.Key)
		if !ok {
			continue
		}
		p := &PropertyMapping{MappedName: name, Range: d.rng(f.Key)}
		v := mappingOf(f.Value)
		switch {
		case d.v.v2():
			p.Input = s.name(v, "the mapping of a property", "the name of an input")
		case v.Kind == yamlx.Mapping && v.Get("value") != nil:
			p.Value = d.value(v.Get("value"))
		case v.Kind == yamlx.Sequence && len(v.Items) == 1:
			p.Input = s.name(v.Items[0], "the mapping of a property", "the name of an input in a list")
		case v.Kind == yamlx.Sequence && (len(v.Items) == 2 || len(v.Items) == 3) && b.drafts[v.Items[0].Text] != nil:
			p.Path = texts(d.strings(v, "the mapping of a property"))
		case v.Kind == yamlx.Scalar && b.input(v.Text) != nil:
			p.Input = v.Text
		case v != f.Value:
			d.wrongShape(v, "the mapping of a property", "the name of an input in a list")
		default:
			p.Value = d.value(f.Value)
		}
		if p.Input != "" || p.Path != nil || p.Value != nil {
			s.m.Properties = append(s.m.Properties, p)
		}
	}
}

// attributeMappings reads the mappings of attributes.
//
// Source: TOSCA 1.3 section 3.8.9, TOSCA 2.0 section 15.3.
func (b *builder) attributeMappings(s *substitutionDraft) {
	d := s.doc
	for _, f := range s.fields("attributes") {
		name, ok := d.mappedName(f.Key)
		if !ok {
			continue
		}
		a := &AttributeMapping{MappedName: name, Range: d.rng(f.Key)}
		v := mappingOf(f.Value)
		switch {
		case d.v.v2() || v.Kind == yamlx.Scalar:
			a.Output = s.name(v, "the mapping of an attribute", "the name of an output")
		case v.Kind == yamlx.Sequence && len(v.Items) == 1:
			a.Output = s.name(v.Items[0], "the mapping of an attribute", "the name of an output in a list")
		case v.Kind == yamlx.Sequence && (len(v.Items) == 2 || len(v.Items) == 3):
			a.Path = texts(d.strings(v, "the mapping of an attribute"))
		default:
			d.wrongShape(v, "the mapping of an attribute", "the name of an output in a list, or a node, its capability and the attribute")
		}
		if a.Output != "" || len(a.Path) > 1 {
			s.m.Attributes = append(s.m.Attributes, a)
		}
	}
}

// fields returns the mappings of a section. 1.x knows lists of them too.
func (s *substitutionDraft) fields(section string) []yamlx.Field {
	n := s.body.Get(section)
	if s.doc.v.v2() {
		return s.doc.entries(n, section)
	}
	return s.doc.filterEntries(n, section)
}

// name reads a name; it is empty where something else stands there.
func (s *substitutionDraft) name(n *yamlx.Node, what, want string) string {
	if n.Kind != yamlx.Scalar || n.IsNull() {
		s.doc.wrongShape(n, what, want)
		return ""
	}
	return n.Text
}

// capabilityMappings reads the mappings of capabilities.
//
// Source: TOSCA 1.3 section 3.8.10, TOSCA 2.0 section 15.4.
func (b *builder) capabilityMappings(s *substitutionDraft) {
	d := s.doc
	for _, f := range s.fields("capabilities") {
		c := &CapabilityMapping{Name: f.Key.Text, Range: d.rng(f.Key)}
		var def *CapabilityDefinition
		if s.known {
			if def = s.m.NodeType.Capability(c.Name); def == nil {
				s.unknown(f.Key, "capability", b.types.capabilityNames(s.m.NodeType)).Section = s.section("15.4", "3.8.10")
				continue
			}
		}
		v := mappingOf(f.Value)
		if v.Kind == yamlx.Mapping && !d.v.v2() {
			if def != nil {
				sub := subject{what: "the capability \"" + c.Name + "\"", at: f.Key, lenient: true, quiet: true}
				c.Properties = b.properties(d, v.Get("properties"), def.Properties, sub)
				c.Attributes = b.attributes(d, v.Get("attributes"), def.Attributes, def.Properties, sub)
			}
			s.m.Capabilities = append(s.m.Capabilities, c)
			continue
		}
		if v.Kind != yamlx.Sequence || len(v.Items) != 2 {
			d.wrongShape(v, "the mapping of a capability", "a list of a node template and one of its capabilities")
			continue
		}
		items := d.strings(v, "the mapping of a capability")
		if len(items) != 2 {
			continue
		}
		c.Node, c.Capability = items[0].Text, items[1].Text
		if b.checkCapabilityMapping(s, f.Key, items, def) {
			s.m.Capabilities = append(s.m.Capabilities, c)
		}
	}
}

// checkCapabilityMapping checks that the mapped capability is there and of the
// type that the substituted node promises.
func (b *builder) checkCapabilityMapping(s *substitutionDraft, key *yamlx.Node, items []*yamlx.Node, def *CapabilityDefinition) bool {
	d := s.doc
	node := b.mappedNode(s, key, items[0])
	if node == nil {
		return false
	}
	if node.broken {
		return true
	}
	c := node.node.Capability(items[1].Text)
	if c == nil {
		dia := d.errorf(codeBadMapping, items[1], "the node %q has no capability %q", node.node.Name, items[1].Text)
		dia.Suggestion = nearest(items[1].Text, b.types.capabilityNames(node.node.Type))
		dia.Section = s.section("15.4", "3.8.10")
		return false
	}
	if def != nil && def.Type != nil && c.Type != nil && !c.Type.isA(def.Type) {
		dia := d.errorf(codeBadMapping, items[1], "the capability %q of %q is a %s; %q must be a %s", c.Name, node.node.Name, c.Type.Name, key.Text, def.Type.Name)
		dia.Related = []RelatedRange{{def.Range, "it is defined here"}}
		dia.Section = s.section("15.4", "3.8.10")
		if !d.v.v2() {
			dia.Severity = Warning
		}
	}
	return true
}

// mappedNode finds the node template that a mapping names.
func (b *builder) mappedNode(s *substitutionDraft, key, name *yamlx.Node) *nodeDraft {
	draft := b.drafts[name.Text]
	if draft == nil {
		dia := s.doc.errorf(codeUnknownNode, name, "%q is mapped to %q, which is no node template", key.Text, name.Text)
		dia.Suggestion = nearest(name.Text, b.nodeNames())
		dia.Section = s.section("15", "3.8")
	}
	return draft
}

func (s *substitutionDraft) unknown(key *yamlx.Node, what string, names []string) *Diagnostic {
	dia := s.doc.errorf(codeBadMapping, key, "the node type %s has no %s %q", s.m.NodeType.Name, what, key.Text)
	dia.Suggestion = nearest(key.Text, names)
	return dia
}

func (*typeResolver) capabilityNames(t *NodeType) []string {
	var names []string
	for _, def := range t.Capabilities {
		names = append(names, def.Name)
	}
	return names
}

// interfaceMappings reads the mappings of operations to workflows.
//
// Source: TOSCA 1.3 section 3.8.12, TOSCA 2.0 section 15.6.
func (b *builder) interfaceMappings(s *substitutionDraft) {
	d := s.doc
	for _, f := range s.fields("interfaces") {
		for _, o := range d.entries(f.Value, "an interface mapping") {
			m := &InterfaceMapping{Interface: f.Key.Text, Operation: o.Key.Text, Range: d.rng(o.Value)}
			m.Workflow = s.name(o.Value, "the mapping of an operation", "the name of a workflow")
			if m.Workflow != "" {
				s.m.Interfaces = append(s.m.Interfaces, m)
			}
			if !s.known {
				continue
			}
			def := s.m.NodeType.Interface(m.Interface)
			switch {
			case def == nil:
				s.lenient(s.unknown(f.Key, "interface", nil)).Section = s.section("15.6", "3.8.12")
			case def.Operation(m.Operation) == nil:
				dia := s.lenient(d.errorf(codeBadMapping, o.Key, "the interface %q of %s has no operation %q", m.Interface, s.m.NodeType.Name, m.Operation))
				dia.Section = s.section("15.6", "3.8.12")
			}
		}
	}
}

// lenient makes a warning of an error in files of 1.x.
func (s *substitutionDraft) lenient(dia *Diagnostic) *Diagnostic {
	if !s.doc.v.v2() {
		dia.Severity = Warning
	}
	return dia
}

// input returns an input read so far, or nil.
func (b *builder) input(name string) *Parameter { return b.parameterIndex(&b.t.Inputs)[name] }

// countOf reads the key of a requirement mapping: a name, or a list of a name
// and how many assignments are meant. counted tells the second.
//
// Source: TOSCA 2.0 section 15.5 ("[ requirement, count ]").
func (s *substitutionDraft) countOf(key *yamlx.Node) (name string, count int, counted, ok bool) {
	if key.Kind != yamlx.Sequence {
		return key.Text, 1, false, true
	}
	if len(key.Items) == 2 {
		name, upper := key.Items[0].Text, key.Items[1]
		if strings.EqualFold(upper.Text, unboundedWord) {
			return name, Unbounded, true, true
		}
		if n, isInt := upper.Data.(int64); isInt && n >= 0 && n < 1<<31 {
			return name, int(n), true, true
		}
	}
	s.doc.wrongShape(key, "the name of a mapped requirement", "a name, or a list of a name and a count, which is a non-negative integer or UNBOUNDED")
	return "", 0, false, false
}
