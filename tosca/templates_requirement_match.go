package tosca

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
)

// resolve finds the target and makes the requirement; nil where there is none.
// Nodes in own are not taken again, those in used only where there is no other.
func (b *builder) resolve(w *wanted, used, own map[*NodeTemplate]bool) *Requirement {
	if w.target == nil && w.def == nil {
		b.undeclaredRequirement(w, nil)
		return nil
	}
	candidates, want, ok := b.targets(w)
	if !ok {
		return nil
	}
	if want == nil && w.target != nil && len(candidates) == 1 && w.direct(own) {
		return b.connect(w, candidates[0])
	}
	again := false
	for i := w.exhausted; i < len(candidates); i++ {
		n := candidates[i]
		b.s.spend(1, w.draft.doc.rng(w.key))
		switch {
		case n == w.source, own[n] && w.distinct, !b.fits(w, n, want):
			if i == w.exhausted && b.exhaustedBy(w, n) {
				w.exhausted++
			}
		case used[n]:
			again = true
		default:
			return b.connect(w, n)
		}
	}
	for i := 0; again && i < len(candidates); i++ {
		if n := candidates[i]; n != w.source && used[n] && !(own[n] && w.distinct) && b.fits(w, n, want) {
			return b.connect(w, n)
		}
	}
	b.unfulfilled(w, candidates, want)
	return nil
}

// direct tells whether an assignment leads to the only node that it names, and
// faults are told on the way.
func (w *wanted) direct(own map[*NodeTemplate]bool) bool {
	return len(own) == 0 && len(w.allocations) == 0 && !w.external && !(w.draft.doc.v.v2() && len(w.filters) > 0) || !w.distinct
}

// connect makes the requirement for a target.
func (b *builder) connect(w *wanted, target *NodeTemplate) *Requirement {
	if w.def == nil && !w.draft.broken && !b.undeclaredRequirement(w, target) {
		return nil
	}
	r := &Requirement{Name: w.name, Definition: w.def, Source: w.source, Target: target, Range: w.draft.doc.rng(w.key)}
	if r.Capability = b.capability(w, target); r.Capability == nil {
		r.Capability = b.impossibleCapability(w, target)
	}
	if r.Capability == nil && !w.draft.broken && !b.broken(target) {
		b.noCapability(w, target)
		return nil
	}
	b.checkTarget(w, r)
	r.Relationship = b.relationship(w, r)
	if r.Relationship == nil {
		return nil
	}
	b.checkRelationship(w, r)
	r.Allocations = b.allocations(w, r.Capability)
	return r
}

func (b *builder) broken(n *NodeTemplate) bool {
	if !n.of(b.t) {
		return false
	}
	draft := b.drafts[n.Name]
	return draft != nil && draft.broken
}

// targets are the nodes among which the target of a requirement is chosen: the
// representations of a template that it names, or the nodes of a type, which is
// returned too. It is false where a fault was reported.
func (b *builder) targets(w *wanted) (candidates []*NodeTemplate, want *NodeType, ok bool) {
	d := w.draft.doc
	if w.target == nil {
		return b.candidates(w.def.Node), w.def.Node, true
	}
	name := d.text(w.target, "node")
	if draft := b.drafts[name]; draft != nil {
		candidates = draft.representations
		if draft.chosen != nil {
			candidates = []*NodeTemplate{draft.chosen}
		}
		if w.index != nil {
			candidates, ok = b.indexed(w, candidates)
			return candidates, nil, ok
		}
		return candidates, nil, true
	}
	decl := d.named(nodeKind, w.target)
	if decl == nil {
		dia := d.errorf(codeUnknownNode, w.target, "the requirement %q names %q, which is neither a node template nor a node type", w.name, name)
		dia.Section = d.section("8.5.2", "3.8.2")
		dia.Suggestion = nearest(name, b.nodeNames())
		return nil, nil, false
	}
	if w.index != nil {
		d.errorf(codeUnknownNode, w.target, "the requirement %q wants a representation by its index; %q is a type, not a template", w.name, name)
		return nil, nil, false
	}
	want = decl.typ.(*NodeType)
	return b.candidates(want), want, true
}

// indexed picks the candidate with the index that an assignment gives.
func (b *builder) indexed(w *wanted, candidates []*NodeTemplate) ([]*NodeTemplate, bool) {
	self := Entity{}
	if _, static := w.index.Static(); !static {
		self = w.self()
	}
	data, err := b.evaluate(w.index, self)
	index, isInt := data.(int64)
	switch {
	case errors.Is(err, errReported):
		return nil, false
	case err == nil && isInt && index >= 0 && index < int64(len(candidates)):
		return candidates[index : index+1], true
	case err == nil && isInt && index >= 0:
		return nil, true
	}
	if err == nil {
		err = fmt.Errorf("%s is no index", show(data))
	}
	w.draft.doc.s.errorf(codeBadCount, w.index.Range(), "the index of the target of %q cannot be used: %s", w.name, err)
	return nil, false
}

// unfulfilled reports a requirement without a target. In TOSCA 2.0 a
// requirement that leaves the choice may stay so: the template is valid, but
// cannot be deployed.
func (b *builder) unfulfilled(w *wanted, candidates []*NodeTemplate, want *NodeType) {
	d := w.draft.doc
	if w.optional {
		return
	}
	at := w.key
	if w.target != nil {
		at = w.target
	}
	named := want == nil && w.target != nil
	if named && len(candidates) == 1 {
		before := b.s.errors
		if b.connect(w, candidates[0]); b.s.errors > before || !b.allocatable(w, candidates[0]) {
			return // the fault is told more exactly
		}
	}
	dangling := d.v.v2() && (!named || b.onlyFiltered(w, candidates))
	report := d.errorf
	if dangling {
		report = d.warnf
	}
	dia := report(codeNoMatchingNode, at, "no node template fits the requirement %q of %q", w.name, w.draft.node.Name)
	switch {
	case named:
		dia.Summary = fmt.Sprintf("no representation of %q fits the requirement %q of %q", w.target.Text, w.name, w.draft.node.Name)
	case want != nil:
		dia.Detail = fmt.Sprintf("Wanted is a node of type %s", want.Name)
		if w.filters != nil {
			dia.Detail += " that passes the node filter"
		}
		dia.Detail += "."
	}
	if dangling {
		dia.Section = "TOSCA 2.0 section 8.5.4"
		dia.Detail = strings.TrimSpace(dia.Detail + " The service cannot be deployed without it.")
		b.t.Dangling = append(b.t.Dangling, &DanglingRequirement{Name: w.name, Index: w.slot, Source: w.source, Range: d.rng(at)})
	}
}

// candidates returns the nodes of a type, in order of declaration. They are
// gathered once for each type asked for.
func (b *builder) candidates(want *NodeType) []*NodeTemplate {
	if want == nil {
		return b.t.Nodes
	}
	key := candidatesOf{want}
	if list, ok := b.index[key].([]*NodeTemplate); ok {
		return list
	}
	list := []*NodeTemplate{}
	b.s.spend(len(b.t.Nodes), want.Range)
	for _, n := range b.t.Nodes {
		if n.Type.isA(want) {
			list = append(list, n)
		}
	}
	b.index[key] = list
	return list
}

type candidatesOf struct{ t *NodeType }

func (b *builder) nodeNames() []string {
	if names, ok := b.index["names"].([]string); ok {
		return names
	}
	names := sortedKeys(b.drafts)
	b.index["names"] = names
	return names
}

// onlyFiltered tells whether nodes would fit but for the node filters, which
// may depend on what only a deployment knows.
func (b *builder) onlyFiltered(w *wanted, candidates []*NodeTemplate) bool {
	free := *w
	free.filters = nil
	return len(w.filters) > 0 && slices.ContainsFunc(candidates, func(n *NodeTemplate) bool { return b.fits(&free, n, nil) })
}

// fits tells whether a node can be the target of a requirement.
func (b *builder) fits(w *wanted, n *NodeTemplate, want *NodeType) bool {
	if want != nil && !n.Type.isA(want) || w.def != nil && w.def.Node != nil && w.def.Node != want && !n.Type.isA(w.def.Node) {
		return false
	}
	c := b.capability(w, n)
	if c == nil || w.external || len(c.Directives) > 0 && !slices.Contains(c.Directives, "internal") {
		return false
	}
	if w.draft.doc.v.v2() && !b.validPair(w, c) || !b.hasLeft(w, c) {
		return false
	}
	for _, filter := range w.filters {
		if !filter.passes(n, b.tentative(w, c), b.env()) {
			return false
		}
	}
	return true
}

// validPair tells whether the types of relationship and capability allow each
// other, and the nodes.
func (b *builder) validPair(w *wanted, c *Capability) bool {
	if valid := c.Definition.ValidSourceNodeTypes; len(valid) > 0 && !isAny(w.source.Type, valid) {
		return false
	}
	t := b.relationshipType(w)
	if t == nil {
		return true
	}
	return (len(t.ValidSourceNodeTypes) == 0 || isAny(w.source.Type, t.ValidSourceNodeTypes)) &&
		(len(t.ValidTargetNodeTypes) == 0 || isAny(c.Node.Type, t.ValidTargetNodeTypes)) &&
		(len(t.ValidCapabilityTypes) == 0 || slices.ContainsFunc(t.ValidCapabilityTypes, c.Type.isA)) &&
		(len(c.validRelationships()) == 0 || slices.ContainsFunc(c.validRelationships(), t.isA))
}

// relationshipType is the type of the relationship that a requirement makes, as
// far as it is known before the target is; else nil.
func (b *builder) relationshipType(w *wanted) *RelationshipType {
	n := w.relationship
	if !n.IsNull() && n.Kind == yamlx.Mapping {
		n = n.Get("type")
	}
	if !n.IsNull() && n.Kind == yamlx.Scalar {
		if decl := w.draft.doc.lookup(relationshipKind, n.Text); decl != nil {
			return decl.typ.(*RelationshipType)
		}
		if template := b.relations[n.Text]; template != nil {
			return template.Type
		}
		return nil
	}
	if w.def != nil {
		return w.def.Relationship
	}
	return nil
}

// undeclaredRequirement reports a requirement that the type does not declare.
// Where the target has a capability of that name the meaning is clear, and
// published blueprints do it: a warning, and the requirement is kept.
func (b *builder) undeclaredRequirement(w *wanted, target *NodeTemplate) bool {
	d, t := w.draft.doc, w.draft.node.Type
	if target != nil && target.Capability(w.name) != nil {
		d.warnf(codeUnknownRequirement, w.key, "the node type %s has no requirement %q; it is taken as a need for the capability %q of %q", t.Name, w.name, w.name, target.Name)
		return true
	}
	var names []string
	for _, def := range t.Requirements {
		names = append(names, def.Name)
	}
	d.errorf(codeUnknownRequirement, w.key, "the node type %s has no requirement %q", t.Name, w.name).Suggestion = nearest(w.name, names)
	return false
}

// targetIsA tells whether a target is of a type. Of a node of the service
// around this one only the name of the type counts, since two files may declare
// it.
func (b *builder) targetIsA(n *NodeTemplate, t *NodeType) bool {
	return n.Type.isA(t) || !n.of(b.t) && n.Type.IsA(t.Name)
}

// checkTarget checks the type of the target, and warns where the capability
// does not expect the source.
func (b *builder) checkTarget(w *wanted, r *Requirement) {
	d, at := w.draft.doc, w.key
	if w.target != nil {
		at = w.target
	}
	if w.def != nil && w.def.Node != nil && !b.targetIsA(r.Target, w.def.Node) && !b.broken(r.Target) {
		d.errorf(codeWrongTarget, at, "the requirement %q needs a node of type %s; %q is of type %s", w.name, w.def.Node.Name, r.Target.Name, r.Target.Type.Name).Related =
			[]RelatedRange{{w.def.Range, "the requirement is defined here"}}
	}
	if r.Capability == nil || w.draft.broken {
		return
	}
	valid := r.Capability.Definition.ValidSourceNodeTypes
	for _, t := range valid {
		if r.Source.Type.isA(t) {
			return
		}
	}
	if len(valid) > 0 {
		d.strictf(codeInvalidSource, at, "the capability %q of %q does not list %s among its valid source types", r.Capability.Name, r.Target.Name, r.Source.Type.Name).Related =
			[]RelatedRange{{r.Capability.Definition.Range, "they are listed here"}}
	}
}

// selectNodes lets each node template with the directive "select" stand for
// the first other one of its type that passes its filter: it is taken out of
// the nodes, and its name leads to the chosen one. Where there is none it
// stays an ordinary node.
//
// Source: TOSCA 1.3 section 3.4.3, TOSCA 2.0 section 7.4.
func (b *builder) selectNodes() {
	var kept []*NodeTemplate
	for _, draft := range b.nodes {
		if chosen := b.selected(draft); chosen != nil {
			draft.chosen, draft.representations = chosen, nil
			b.t.nodes[draft.node.Name] = chosen
			continue
		}
		kept = append(kept, draft.representations...)
	}
	b.t.Nodes = kept
}

func (b *builder) selected(draft *nodeDraft) *NodeTemplate {
	if !isSelecting(draft.node) || draft.broken {
		return nil
	}
	if picked := b.picked[draft.node.Name]; picked != nil {
		return picked
	}
	for _, n := range b.t.Nodes {
		b.s.spend(1, draft.node.Range)
		if n != draft.node && !isSelecting(n) && n.Type.isA(draft.node.Type) && (draft.node.NodeFilter == nil || draft.node.NodeFilter.passes(n, Entity{Service: b.t, Node: n}, b.env())) {
			return n
		}
	}
	if len(draft.node.Directives) > 1 {
		b.missingSelected(draft)
		return nil // the next directive is tried
	}
	draft.doc.warnf(codeNothingSelected, draft.key, "no other node template fits the selection of %q; it is deployed itself", draft.node.Name)
	return nil
}

// missingSelected reports the required properties that a node lacks which is
// created or substituted because none could be selected.
func (b *builder) missingSelected(draft *nodeDraft) {
	n := draft.node
	given := map[string]*Assignment{}
	for _, a := range n.Properties {
		given[a.Name] = a
	}
	b.missing(draft.doc, n.Type.Properties, given, subject{what: "the node \"" + n.Name + "\"", at: draft.key, node: n.Name})
}

// isSelecting tells whether a node is to be selected before it is created.
func isSelecting(n *NodeTemplate) bool {
	for _, directive := range n.Directives {
		if isSelect(directive) {
			return true
		}
		if directive == "create" {
			return false
		}
	}
	return false
}
