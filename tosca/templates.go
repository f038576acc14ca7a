package tosca

import (
	"slices"

	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
)

// builder makes the ServiceTemplate of the topology templates of all files.
type builder struct {
	t     *ServiceTemplate
	s     *sink
	types *typeResolver
	opts  Options

	// topologies are the topology templates, the entry file's first.
	topologies []located[*yamlx.Node]
	nodes      []*nodeDraft
	drafts     map[string]*nodeDraft
	relations  map[string]*RelationshipTemplate
	groups     map[string]*Group
	policies   map[string]bool
	untargeted map[*PolicyType]*Policy // the first without targets
	flows      map[string]*Workflow
	// mapping is how the service substitutes nodes of others; nil if it does not.
	mapping *substitutionDraft

	// composer finds services that substitute nodes, among found, once they are
	// asked for. outer makes the service around this one; nil for the outermost.
	// alone tells that the service is only looked at, as a candidate.
	composer *composer
	outer    *builder
	alone    bool
	found    []*candidate
	docs     []*document
	// given are the requirements of the substituted node whose targets go to
	// requirements of nodes, by the names of both; picked are those that go to
	// selected nodes.
	given  map[[2]string][]*Requirement
	picked map[string]*NodeTemplate
	// intakes are the properties of nodes and capabilities that take one of the
	// substituted node, by the names of both.
	intakes map[[2]string][]*Assignment
	// mappedInputs are the attributes of nodes and capabilities that take an
	// input, by the names of both.
	mappedInputs map[[2]string][]*mappedInput

	// inputs are the values of the inputs while loading, once they are asked
	// for; shape are the names of those that decide which nodes there are.
	inputs map[string]any
	shape  map[string]bool
	// members are those of the groups, until all groups are known.
	members []groupMembers
	// anyRelationship is the type of relationships of which none is told.
	anyRelationship *RelationshipType
	// represented counts the representations of templates with a count.
	represented int

	// What templates of one type share.
	assigned map[any][]*Assignment
	plain    map[any][]*Interface
	bare     map[*RelationshipType]*RelationshipTemplate
	index    map[any]any
}

// nodeDraft is a node template while it is made.
type nodeDraft struct {
	doc  *document
	key  *yamlx.Node
	body *yamlx.Node // with what "copy" brings
	node *NodeTemplate
	// broken tells that the type is missing or broken.
	broken bool
	// representations begin with node; a template with count 0 has none.
	representations []*NodeTemplate
	// wants are the requirement assignments.
	wants []*wanted
	// chosen is what a template with the directive "select" stands for.
	chosen *NodeTemplate
}

// build links everything. Nodes come first, since all else names them.
func (b *builder) build(entry *document, docs []*document) {
	b.drafts, b.relations, b.groups = map[string]*nodeDraft{}, map[string]*RelationshipTemplate{}, map[string]*Group{}
	b.assigned, b.plain, b.bare, b.index = map[any][]*Assignment{}, map[any][]*Interface{}, map[*RelationshipType]*RelationshipTemplate{}, map[any]any{}
	b.untargeted = map[*PolicyType]*Policy{}
	b.policies, b.flows, b.shape = map[string]bool{}, map[string]*Workflow{}, map[string]bool{}
	b.docs = docs
	b.header(entry)
	for _, d := range docs {
		d.fields(d.root, "service template")
		if tt := either(d.root, "topology_template", "service_template"); !tt.IsNull() {
			d.topology(tt)
			if d != entry && d.v.v2() {
				continue // an import brings types, repositories and functions: TOSCA 2.0 section 6.8.1
			}
			if d != entry && hasMapping(d) {
				continue // it is a service of its own
			}
			b.topologies = append(b.topologies, located[*yamlx.Node]{d, tt})
			if b.t.Description == "" && d == entry {
				b.t.Description = prose(tt.Get("description"))
			}
		}
	}
	b.each("inputs", func(d *document, f yamlx.Field) { b.parameter(d, f, &b.t.Inputs, "input") })
	b.each("node_templates", b.declareNode)
	b.copyNodes()
	b.readIntakes()
	b.readMappedInputs()
	for _, n := range b.nodes {
		b.nodeBody(n)
	}
	b.unusedMappedInputs()
	b.readSubstitution()
	b.distribute()
	b.representNodes()
	b.each("relationship_templates", b.relationshipTemplate)
	b.selectNodes()
	b.requirements()
	b.each("groups", b.group)
	b.linkMembers()
	b.eachPolicy(b.policy)
	b.each("outputs", func(d *document, f yamlx.Field) { b.parameter(d, f, &b.t.Outputs, "output") })
	b.each("workflows", b.workflow)
	b.linkSubstitution()
	b.substituteNodes()
	b.t.ShapeInputs = sortedKeys(b.shape)
}

// topology checks the keynames of a topology or service template. TOSCA 2.0
// wants the node templates, and sections that are there to have something in them.
//
// Source: TOSCA 2.0 section 6.9.
func (d *document) topology(n *yamlx.Node) {
	fields := d.fields(n, "topology template")
	if !d.v.v2() {
		return
	}
	if n.Kind == yamlx.Mapping && n.Get("node_templates") == nil {
		d.errorf(codeMissingKeyname, n, "the service template has no node_templates").Section = "TOSCA 2.0 section 6.9"
	}
	for _, f := range fields {
		if f.Value.IsNull() && f.Key.Text != "description" {
			want := "a map"
			if f.Key.Text == "policies" {
				want = "a list"
			}
			d.wrongShape(f.Value, f.Key.Text, want).Section = "TOSCA 2.0 section 6.9"
		}
	}
}

// header reads what describes the service template.
func (b *builder) header(d *document) {
	t, root := b.t, d.root
	t.Description = prose(root.Get("description"))
	t.Metadata = d.metadata(root.Get("metadata"))
	t.Profile = prose(either(root, "namespace", "profile"))
	if t.Profile == "" {
		t.Profile = prose(root.Get("tosca_default_namespace"))
	}
	for key, field := range map[string]*string{"template_name": &t.Name, "template_author": &t.Author, "template_version": &t.TemplateVersion} {
		*field = prose(root.Get("metadata").Get(key))
		if *field == "" {
			*field = prose(root.Get(key))
		}
		if n := root.Get("metadata").Get(key); d.v.v2() && key != "template_version" && !n.IsNull() && n.Type != yamlx.String {
			d.wrongShape(n, key, "a string")
		}
	}
	for _, name := range sortedKeys(d.repositories) {
		t.Repositories = append(t.Repositories, d.repositories[name])
	}
}

// each calls f for each entry of a section of all topology templates.
func (b *builder) each(section string, f func(*document, yamlx.Field)) {
	for _, tt := range b.topologies {
		n := tt.item.Get(section)
		if section == "groups" && n != nil && n.Kind == yamlx.Sequence && !tt.doc.v.v2() {
			b.eachItem(tt.doc, n, section, f)
			continue
		}
		for _, field := range tt.doc.namedEntries(n, section) {
			f(tt.doc, field)
		}
	}
}

// eachPolicy is each for policies, a list of maps of one entry. In 1.x a map is
// understood too.
func (b *builder) eachPolicy(f func(*document, yamlx.Field)) {
	for _, tt := range b.topologies {
		n := tt.item.Get("policies")
		if n != nil && n.Kind == yamlx.Mapping && !tt.doc.v.v2() {
			for _, field := range n.Fields {
				f(tt.doc, field)
			}
			continue
		}
		b.eachItem(tt.doc, n, "policies", f)
	}
}

func (b *builder) eachItem(d *document, n *yamlx.Node, section string, f func(*document, yamlx.Field)) {
	for _, item := range d.items(n, section) {
		if field, ok := d.single(item, "an item of "+section); ok {
			f(d, field)
		}
	}
}

func (d *document) duplicate(key *yamlx.Node, what string, first Range) {
	d.errorf(codeDuplicateName, key, "there is already %s %q", what, key.Text).Related = []RelatedRange{{first, "the first is here"}}
}

// parameter reads an input or output.
func (b *builder) parameter(d *document, f yamlx.Field, list *[]*Parameter, what string) {
	index := b.parameterIndex(list)
	if old := index[f.Key.Text]; old != nil {
		d.duplicate(f.Key, "an "+what, old.Range)
		return
	}
	p := d.shortParameter(f, what)
	if p == nil {
		p = d.parameter(f)
	}
	if what == "output" && p.Value == nil {
		d.errorf(codeMissingKeyname, f.Key, "the output %q has no value", p.Name)
	}
	index[p.Name] = p
	*list = append(*list, p)
}

// shortParameter reads the short forms of TOSCA 2.0: the value of an output, and
// the attribute that an input is mapped to. It is nil for a definition.
//
// Source: TOSCA 2.0 section 9.8.
func (d *document) shortParameter(f yamlx.Field, what string) *Parameter {
	n := f.Value
	if !d.v.v2() || n.IsNull() {
		return nil
	}
	p := &Parameter{Name: f.Key.Text, Required: true, Range: d.rng(f.Key)}
	switch {
	case what == "input" && n.Kind == yamlx.Sequence:
		d.mapping(p, n)
	case what == "output" && !d.hasKeyname(n, "parameter definition"):
		p.Value = d.value(n)
	default:
		return nil
	}
	return p
}

// hasKeyname tells a map that has a keyname of a construct from a value.
func (d *document) hasKeyname(n *yamlx.Node, construct string) bool {
	if n.Kind != yamlx.Mapping {
		return false
	}
	return len(n.Fields) == 0 || slices.ContainsFunc(n.Fields, func(f yamlx.Field) bool {
		_, ok := keynames[construct][f.Key.Text]
		return ok
	})
}

func (b *builder) parameterIndex(list *[]*Parameter) map[string]*Parameter {
	if m, ok := b.index[list].(map[string]*Parameter); ok {
		return m
	}
	m := map[string]*Parameter{}
	b.index[list] = m
	return m
}

// parameter reads a parameter definition.
func (d *document) parameter(f yamlx.Field) *Parameter {
	n := f.Value
	p := &Parameter{Name: f.Key.Text, Required: true, Range: d.rng(f.Key)}
	if n.Kind == yamlx.Scalar && !n.IsNull() {
		p.Schema = d.schema(n)
		return p
	}
	d.fields(n, "parameter definition")
	if !n.Get("type").IsNull() {
		p.Schema = d.schemaOf(n, f.Key)
	}
	p.Description = prose(n.Get("description"))
	p.Required = d.boolean(n.Get("required"), "required", true)
	p.Default, p.Value = d.value(n.Get("default")), d.value(n.Get("value"))
	d.mapping(p, n.Get("mapping"))
	p.Status = d.text(n.Get("status"), "status")
	p.Metadata = d.metadata(n.Get("metadata"))
	p.Sensitive = sensitive(p.Metadata, p.Schema)
	if p.Schema != nil {
		p.Schema.checkDefault(p.Default, d.s, p.Name)
		if p.Value != nil {
			p.Schema.check(p.Value, d.s, p.Name)
		}
	}
	return p
}

// mapping reads the attribute into which the value of a parameter goes.
//
// Source: TOSCA 2.0 sections 9.9 and 9.10.
func (d *document) mapping(p *Parameter, m *yamlx.Node) {
	if m.IsNull() {
		return
	}
	switch {
	case m.Kind != yamlx.Sequence || len(m.Items) < 2:
		d.wrongShape(m, "mapping", "a list that leads to an attribute, such as [ SELF, address ]").Section = "TOSCA 2.0 section 9.10"
	case p.Value != nil:
		d.errorf(codeWrongShape, m, "the parameter %q has a value and a mapping; it can have only one of them", p.Name).Section = "TOSCA 2.0 section 9.10"
	default:
		p.Mapping = d.value(m)
	}
}

// sensitive tells whether a value must not be shown, by its definition's
// metadata or because its type is, or holds, a credential.
func sensitive(metadata map[string]any, s *Schema) bool {
	switch metadata["sensitive"] {
	case true, "true":
		return true
	}
	return s != nil && s.holdsSecret(map[*DataType]bool{})
}

// holdsSecret tells whether a value of the schema holds a secret at any depth.
//
// Source: TOSCA 1.3 section 5.3.2 (Credential).
func (s *Schema) holdsSecret(seen map[*DataType]bool) bool {
	if s == nil {
		return false
	}
	if s.Entry.holdsSecret(seen) {
		return true
	}
	t := s.Type
	if t == nil || len(t.Properties) == 0 && t.Entry == nil || seen[t] {
		return false
	}
	seen[t] = true
	if t.IsA("tosca.datatypes.Credential") || t.Entry.holdsSecret(seen) {
		return true
	}
	for _, p := range t.Properties {
		switch p.Metadata["sensitive"] {
		case true, "true":
			return true
		}
		if p.Schema.holdsSecret(seen) {
			return true
		}
	}
	return false
}
