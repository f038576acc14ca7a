package tosca

import (
	"fmt"
	"slices"

	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
)

// requirementMappings reads the mappings of requirements, in order.
//
// Source: TOSCA 1.3 section 3.8.11, TOSCA 2.0 section 15.5.
func (b *builder) requirementMappings(s *substitutionDraft) {
	d := s.doc
	var fields []yamlx.Field
	n := s.body.Get("requirements")
	if d.v.v2() {
		for _, item := range d.items(n, "requirements") {
			if f, ok := d.single(item, "a requirement mapping"); ok {
				fields = append(fields, f)
			}
		}
	} else {
		fields = d.filterEntries(n, "requirements")
	}
	total := map[string]int{}
	for _, f := range fields {
		name, _, _, ok := s.countOf(f.Key)
		if ok {
			total[name]++
		}
	}
	unbounded := map[string]bool{}
	for _, f := range fields {
		name, count, counted, ok := s.countOf(f.Key)
		if !ok {
			continue
		}
		if !counted && total[name] == 1 {
			count = Unbounded // the only mapping is for all assignments
		}
		if v := mappingOf(f.Value); !d.v.v2() && v.Kind == yamlx.Sequence && len(v.Items) == 0 {
			// How published VNF descriptors leave a requirement alone.
			d.warnf(codeBadMapping, f.Key, "the requirement %q is mapped to nothing", name).Section = s.section("15.5", "3.8.11")
			continue
		}
		if s.known && s.m.NodeType.Requirement(name) == nil {
			key := *f.Key
			key.Text = name
			s.unknown(&key, "requirement", requirementNames(s.m.NodeType)).Section = s.section("15.5", "3.8.11")
			continue
		}
		if unbounded[name] {
			d.errorf(codeBadMapping, f.Key, "the requirement %q is mapped again behind the mapping of all that are left", name).Section = s.section("15.5", "3.8.11")
			continue
		}
		unbounded[name] = count == Unbounded
		m := &RequirementMapping{Name: name, Count: count, Range: d.rng(f.Key)}
		v := mappingOf(f.Value)
		if f.Value.Kind == yamlx.Mapping && (f.Value.Get("properties") != nil || f.Value.Get("attributes") != nil) {
			d.warnf(codeUnsupported, f.Key, "the properties and attributes in the mapping of the requirement %q have no effect; give them in the node template", name)
		}
		if v.Kind == yamlx.Mapping {
			if v.Get("properties") == nil && v.Get("attributes") == nil {
				d.wrongShape(v, "the mapping of a requirement", "a list of a node template and one of its requirements, or a list of such lists")
			}
			continue
		}
		for _, target := range b.requirementTargets(s, v) {
			if b.checkRequirementTarget(s, f.Key, m, target) {
				m.Targets = append(m.Targets, RequirementTarget{Node: target[0].Text, Requirement: textOf(target[1]), Range: d.rng(target[0])})
			}
		}
		if len(m.Targets) > 0 {
			s.m.Requirements = append(s.m.Requirements, m)
		}
	}
}

func textOf(n *yamlx.Node) string {
	if n == nil {
		return ""
	}
	return n.Text
}

func requirementNames(t *NodeType) []string {
	var names []string
	for _, def := range t.Requirements {
		names = append(names, def.Name)
	}
	return names
}

// requirementTargets reads what a requirement is mapped to: a selectable node,
// a pair of a node and a requirement, or a list that holds both. The second of
// a target is nil for a selectable node.
func (b *builder) requirementTargets(s *substitutionDraft, v *yamlx.Node) [][2]*yamlx.Node {
	const what, want = "the mapping of a requirement", "a list of a node template and one of its requirements, a node template with the directive select, or a list of such"
	scalar := func(n *yamlx.Node) bool { return n.Kind == yamlx.Scalar && !n.IsNull() }
	switch {
	case scalar(v):
		return [][2]*yamlx.Node{{v, nil}}
	case v.Kind != yamlx.Sequence || len(v.Items) == 0:
		s.doc.wrongShape(v, what, want)
		return nil
	case len(v.Items) == 2 && scalar(v.Items[0]) && scalar(v.Items[1]) && !b.bothSelectable(v.Items):
		return [][2]*yamlx.Node{{v.Items[0], v.Items[1]}}
	}
	var targets [][2]*yamlx.Node
	for _, item := range v.Items {
		switch {
		case scalar(item):
			targets = append(targets, [2]*yamlx.Node{item, nil})
		case item.Kind == yamlx.Sequence && len(item.Items) == 2 && scalar(item.Items[0]) && scalar(item.Items[1]):
			targets = append(targets, [2]*yamlx.Node{item.Items[0], item.Items[1]})
		default:
			s.doc.wrongShape(item, what, want)
		}
	}
	return targets
}

// bothSelectable tells two selectable nodes in a list from a node and its
// requirement, which look alike.
func (b *builder) bothSelectable(items []*yamlx.Node) bool {
	first, second := b.drafts[items[0].Text], b.drafts[items[1].Text]
	return first != nil && second != nil && isSelecting(first.node) && isSelecting(second.node) &&
		first.node.Type.Requirement(items[1].Text) == nil
}

// checkRequirementTarget checks that what takes a mapped requirement is there
// and can take it, and notes that it is taken.
//
// Source: TOSCA 2.0 section 15.5.4, rule 1.
func (b *builder) checkRequirementTarget(s *substitutionDraft, key *yamlx.Node, m *RequirementMapping, target [2]*yamlx.Node) bool {
	d := s.doc
	draft := b.mappedNode(s, &yamlx.Node{Text: m.Name}, target[0])
	if draft == nil {
		return false
	}
	if target[1] == nil {
		if !isSelecting(draft.node) {
			d.errorf(codeBadMapping, target[0], "%q is mapped to the node %q, which has no directive select", m.Name, draft.node.Name).Section = s.section("15.5.3", "3.8.11")
			return false
		}
		s.selected[draft.node.Name] = true
		return true
	}
	if draft.broken {
		return true
	}
	def := draft.node.Type.Requirement(target[1].Text)
	if def == nil {
		dia := d.errorf(codeBadMapping, target[1], "the node %q has no requirement %q", draft.node.Name, target[1].Text)
		dia.Suggestion = nearest(target[1].Text, requirementNames(draft.node.Type))
		dia.Section = s.section("15.5", "3.8.11")
		return false
	}
	for _, item := range draft.body.Get("requirements").ItemsOf() {
		if len(item.Fields) == 0 || item.Fields[0].Key.Text != def.Name || b.drafts[assignedNode(item.Fields[0].Value)] == nil {
			continue
		}
		dia := s.lenient(d.errorf(codeBadMapping, target[1], "%q is mapped to the requirement %q of %q, which has a target in the service", m.Name, def.Name, draft.node.Name))
		dia.Detail = "Only a requirement without a target can be mapped. Leave its node out, or the mapping."
		dia.Related = []RelatedRange{{draft.doc.rng(item.Fields[0].Key), "the target is given here"}}
		dia.Section = s.section("15.5.4", "3.8.11")
		return false
	}
	b.mappedTypes(s, target[1], m, def)
	s.taken[[2]string{draft.node.Name, def.Name}] = true
	return true
}

// assignedNode is the name that a requirement assignment gives for its target.
func assignedNode(v *yamlx.Node) string {
	if v.Kind == yamlx.Mapping {
		v = v.Get("node")
	}
	if v != nil && v.Kind == yamlx.Sequence && len(v.Items) > 0 {
		v = v.Items[0]
	}
	return prose(v)
}

// mappedTypes checks that what the substituted node's requirement finds fits
// the requirement that takes it.
func (b *builder) mappedTypes(s *substitutionDraft, at *yamlx.Node, m *RequirementMapping, def *RequirementDefinition) {
	if !s.known {
		return
	}
	outer := s.m.NodeType.Requirement(m.Name)
	if outer.Capability == nil || def.Capability == nil || outer.Capability.isA(def.Capability) {
		return
	}
	dia := s.lenient(s.doc.errorf(codeBadMapping, at, "the requirement %q finds a capability of type %s; %q needs one of type %s",
		m.Name, outer.Capability.Name, def.Name, def.Capability.Name))
	dia.Related = []RelatedRange{{outer.Range, fmt.Sprintf("%q is defined here", m.Name)}, {def.Range, fmt.Sprintf("%q is defined here", def.Name)}}
	dia.Section = s.section("15.5", "3.8.11")
}

// leaves tells that a requirement of a node is left to the node that the
// service substitutes.
func (b *builder) leaves(node, requirement string) bool {
	return b.mapping != nil && b.mapping.taken[[2]string{node, requirement}]
}

// mandatory is how many targets a requirement of a node needs: the lower bound
// of its definition, or the assignments that are not optional.
func (b *builder) mandatory(node, requirement string) int {
	draft := b.drafts[node]
	if draft == nil || draft.node.Type == nil {
		return 0
	}
	needed := 0
	if def := draft.node.Type.Requirement(requirement); def != nil {
		needed = def.Occurrences.Min
	}
	assigned := 0
	for _, item := range draft.body.Get("requirements").ItemsOf() {
		if len(item.Fields) > 0 && item.Fields[0].Key.Text == requirement && !item.Fields[0].Value.Get("optional").IsTrue() {
			assigned++
		}
	}
	return max(needed, assigned)
}

// countMappings holds the mappings of each requirement to the bounds that the
// substituted node's type sets: what the service needs must be sure to come.
// Bounds that the definition leaves to the language make warnings.
//
// Source: TOSCA 2.0 section 15.5.4, rules 2 and 3.
func (b *builder) countMappings(s *substitutionDraft) {
	if !s.known || !s.doc.v.v2() {
		return
	}
	var names []string
	needed, counted := map[string]int{}, map[string]int{}
	for _, m := range s.m.Requirements {
		if !slices.Contains(names, m.Name) {
			names = append(names, m.Name)
		}
		counted[m.Name] += max(m.Count, 0)
		most := 0
		for _, target := range m.Targets {
			min := b.mandatory(target.Node, target.Requirement)
			if target.Requirement != "" && m.Count != Unbounded && min > m.Count {
				min = m.Count
			}
			most = max(most, min)
		}
		needed[m.Name] += most
	}
	for _, name := range names {
		def := s.m.NodeType.Requirement(name)
		var dia *Diagnostic
		switch o := def.Occurrences; {
		case needed[name] > o.Min:
			dia = s.doc.errorf(codeBadMapping, s.body.Get("requirements"), "the service needs the requirement %q %s; nodes of type %s are sure to have it %s",
				name, times(needed[name]), s.m.NodeType.Name, times(o.Min))
		case o.Max != Unbounded && counted[name] > o.Max:
			dia = s.doc.errorf(codeBadMapping, s.body.Get("requirements"), "the requirement %q is mapped %s; nodes of type %s have it at most %s",
				name, times(counted[name]), s.m.NodeType.Name, times(o.Max))
		default:
			continue
		}
		if !def.bounded {
			dia.Severity = Warning
		}
		dia.Related = []RelatedRange{{def.Range, "the requirement is defined here"}}
		dia.Section = s.section("15.5.4", "3.8.11")
	}
}
