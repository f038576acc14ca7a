package tosca

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
)

// wanted is a requirement assignment, or an implicit one.
type wanted struct {
	draft *nodeDraft
	name  string
	key   *yamlx.Node
	// order is the place among the assignments of the template.
	order int
	// target, capability and relationship are nil where not given.
	target, capability, relationship *yamlx.Node
	// index is the second entry of the target [template, index]; nil for none.
	index *Value
	// count is how many relationships are wanted; nil for one.
	count     *Value
	countNode *yamlx.Node
	// filters must all be passed.
	filters     []*NodeFilter
	def         *RequirementDefinition
	allocations []*Assignment
	optional    bool
	// distinct wants a node of its own for each relationship.
	distinct bool
	// external wants nodes of other services only.
	external bool
	// exhausted is how many of the first candidates have too little left.
	exhausted int

	// Of one relationship: the node that wants it, and its Requirement.Index.
	source *NodeTemplate
	slot   int
}

// self is the context of the calls in an assignment: the relationship that is
// to be made.
func (w *wanted) self() Entity {
	r := &Requirement{Name: w.name, Index: w.slot, Definition: w.def, Source: w.source, Range: w.draft.doc.rng(w.key)}
	t := &RelationshipType{}
	if w.def != nil && w.def.Relationship != nil {
		t = w.def.Relationship
	}
	r.Relationship = &RelationshipTemplate{Type: t, Requirement: r, Range: r.Range, service: w.source.service}
	return Entity{Service: w.source.service, Relationship: r.Relationship}
}

// requirements finds the targets of all requirements: of those that must be
// fulfilled first, then of the optional ones.
//
// Source: TOSCA 1.3 section 3.8.2, TOSCA 2.0 section 8.5.
func (b *builder) requirements() {
	optional := false
	for _, draft := range b.nodes {
		if draft.chosen == nil {
			b.assignments(draft)
		}
	}
	for _, draft := range b.nodes {
		for _, n := range draft.representations {
			optional = b.assign(draft, n, false) || optional
		}
	}
	if !optional {
		return
	}
	for _, draft := range b.nodes {
		for _, n := range draft.representations {
			if b.assign(draft, n, true) {
				slices.SortStableFunc(n.Requirements, func(r, other *Requirement) int { return cmp.Compare(r.order, other.order) })
			}
		}
	}
}

// assignments reads the requirement assignments of a template.
func (b *builder) assignments(draft *nodeDraft) {
	d := draft.doc
	index := b.requirementIndex(draft.node.Type)
	for i, item := range d.items(draft.body.Get("requirements"), "requirements") {
		if f, ok := d.single(item, "a requirement"); ok {
			w := b.wanted(draft, f, index[f.Key.Text])
			w.order = i
			draft.wants = append(draft.wants, w)
		}
	}
}

// sums are how many relationships the assignments of one name want.
type sums struct {
	all, required, next int
	explicit, failed    bool
}

// assign fulfils the assignments of a node that are optional, or those that are
// not, and tells whether there are optional ones.
func (b *builder) assign(draft *nodeDraft, n *NodeTemplate, optional bool) (hasOptional bool) {
	wanted := make(map[string]*sums, len(n.Type.Requirements))
	for _, w := range draft.wants {
		s := wanted[w.name]
		if s == nil {
			s = &sums{explicit: true}
			wanted[w.name] = s
		}
		count := 1
		if w.count != nil {
			count = b.count(draft.doc, w.countNode, w.count, Entity{Service: b.t, Node: n})
		}
		s.all += count
		if !w.optional {
			s.required += count
		}
		hasOptional = hasOptional || w.optional
		if w.optional == optional && !b.fulfil(w, n, s.next, count) {
			s.failed = true
		}
		s.next += count
	}
	if optional {
		return hasOptional
	}
	for _, def := range n.Type.Requirements {
		s := wanted[def.Name]
		if s == nil {
			s = &sums{}
		}
		switch {
		case s.failed:
		case b.leaves(n.Name, def.Name):
			b.takeRest(draft, n, def, s)
		default:
			b.checkCount(draft, n, def, s)
		}
	}
	return hasOptional
}

// fulfil makes count relationships of an assignment, and tells whether all
// that must be made could be.
func (b *builder) fulfil(w *wanted, n *NodeTemplate, first, count int) bool {
	if b.leaves(n.Name, w.name) && !b.namesTemplate(w) {
		return b.take(w, n, first, count)
	}
	var used, own map[*NodeTemplate]bool
	if count > 1 || len(n.Requirements) > 0 {
		used, own = map[*NodeTemplate]bool{}, map[*NodeTemplate]bool{}
		for _, r := range n.Requirements {
			if r.Name == w.name {
				used[r.Target] = true
			}
		}
	}
	for i := range count {
		each := *w
		each.source, each.slot = n, first+i
		r := b.resolve(&each, used, own)
		w.exhausted = each.exhausted
		if r == nil {
			return w.optional
		}
		r.Index, r.order = each.slot, w.order
		n.Requirements = append(n.Requirements, r)
		r.Target.Incoming = append(r.Target.Incoming, r)
		r.Capability.allocate(r.Allocations)
		if used != nil {
			used[r.Target], own[r.Target] = true, true
		}
	}
	return true
}

func (b *builder) requirementIndex(t *NodeType) map[string]*RequirementDefinition {
	if m, ok := b.index[t].(map[string]*RequirementDefinition); ok {
		return m
	}
	m := make(map[string]*RequirementDefinition, len(t.Requirements))
	for _, def := range t.Requirements {
		m[def.Name] = def
	}
	b.index[t] = m
	return m
}

// wanted reads an assignment: the name of a node, [name, index], or a map.
func (b *builder) wanted(draft *nodeDraft, f yamlx.Field, def *RequirementDefinition) *wanted {
	d := draft.doc
	w := &wanted{draft: draft, name: f.Key.Text, key: f.Key, def: def, distinct: d.v.v2()}
	if def != nil {
		w.filters = append(w.filters, def.filters()...)
	}
	n := f.Value
	switch {
	case n.IsNull():
	case n.Kind == yamlx.Mapping:
		d.fields(n, "requirement assignment")
		b.wantedTarget(w, n.Get("node"))
		w.capability, w.relationship = n.Get("capability"), n.Get("relationship")
		w.optional = d.boolean(n.Get("optional"), "optional", false)
		b.wantedCount(w, n)
		if filter := d.nodeFilter(n.Get("node_filter")); filter != nil {
			if !d.v.v2() {
				w.filters = nil // it replaces that of the definition
			}
			w.filters = append(w.filters, filter)
		}
		for _, a := range d.entries(n.Get("allocation"), "allocation") {
			w.allocations = append(w.allocations, &Assignment{Name: a.Key.Text, Value: d.value(a.Value), Range: d.rng(a.Key)})
		}
		scopes := d.scopes(n.Get("directives"), "a requirement")
		w.external = len(scopes) > 0 && !slices.Contains(scopes, "internal")
	default:
		b.wantedTarget(w, n)
	}
	return w
}

// wantedTarget reads the name of a node template or type, or 2.0's
// [template, index].
func (b *builder) wantedTarget(w *wanted, n *yamlx.Node) {
	d := w.draft.doc
	switch {
	case n.IsNull():
	case n.Kind == yamlx.Scalar:
		w.target = n
	case n.Kind == yamlx.Sequence && len(n.Items) == 2 && d.v.v2():
		w.target, w.index = n.Items[0], d.value(n.Items[1])
	default:
		d.wrongShape(n, "the target of a requirement", "the name of a node template or type, or [template, index]")
	}
}

// wantedCount reads the count of 2.0, or the occurrences of 1.3: their lower
// bound says how many relationships are made, one at least where the upper
// bound is not 0.
func (b *builder) wantedCount(w *wanted, n *yamlx.Node) {
	d := w.draft.doc
	if w.countNode = n.Get("count"); !w.countNode.IsNull() {
		w.count = d.value(w.countNode)
		return
	}
	w.countNode = n.Get("occurrences")
	if w.countNode.IsNull() {
		return
	}
	count := int64(1)
	switch o := d.occurrences(w.countNode, Occurrences{1, 1}); {
	case o.Max == 0:
		count = 0
	case o.Min > 1:
		count = int64(o.Min)
	}
	w.count = Constant(count)
}

// scopes reads the directives "internal" and "external".
//
// Source: TOSCA 2.0 sections 8.3 and 8.5.2.
func (d *document) scopes(n *yamlx.Node, of string) []string {
	valid := []string{"internal", "external"}
	var list []string
	for _, item := range d.strings(n, "directives") {
		if !slices.Contains(valid, item.Text) {
			d.errorf(codeUnknownDirective, item, "%s has no directive %q", of, item.Text).Suggestion = nearest(item.Text, valid)
			continue
		}
		list = append(list, item.Text)
	}
	return list
}

// checkCount checks how often a requirement is assigned, and assigns it where
// TOSCA 2.0 does so by itself. Bounds that the definition leaves to the
// language ([1, 1] in 1.x) are enforced downwards only: published blueprints
// assign several targets to such requirements.
//
// Source: TOSCA 2.0 section 8.5.4.
func (b *builder) checkCount(draft *nodeDraft, n *NodeTemplate, def *RequirementDefinition, s *sums) {
	if draft.broken {
		return
	}
	d, o := draft.doc, def.Occurrences
	related := []RelatedRange{{def.Range, "the requirement is defined here"}}
	switch {
	case s.required < o.Min && !d.v.v2() && b.substitutes(draft):
		// The service that stands for the node brings its own host, and says what else it needs.
	case s.required < o.Min && def.Name == "host" && n.Type.IsA("tosca.nodes.SoftwareComponent"):
		d.warnf(codeMissingHost, draft.key, "the node %q has no host and runs on this machine", n.Name).Related = related
	case s.required < o.Min && d.v.v2() && !s.explicit:
		w := &wanted{draft: draft, name: def.Name, key: draft.key, order: len(draft.wants), def: def, distinct: true}
		w.filters = def.filters()
		b.fulfil(w, n, 0, o.Min)
	case s.required < o.Min:
		summary := fmt.Sprintf("the node %q needs the requirement %q at least %s, and has it %s", n.Name, def.Name, times(o.Min), times(s.required))
		if s.all > s.required {
			summary += " without the optional ones"
		}
		d.errorf(codeMissingRequirement, draft.key, "%s", summary).Related = related
	case o.Max != Unbounded && s.all > o.Max:
		dia := d.errorf(codeTooManyRequirements, draft.key, "the node %q may have the requirement %q at most %s, and has it %s", n.Name, def.Name, times(o.Max), times(s.all))
		dia.Related = related
		if !def.bounded {
			dia.Severity = Warning
		}
	}
}

func times(n int) string {
	switch n {
	case 0:
		return "not at all"
	case 1:
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
