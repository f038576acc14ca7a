package tosca

import (
	"fmt"

	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
)

// wanted is a requirement assignment.
type wanted struct {
	draft *nodeDraft
	name  string
	key   *yamlx.Node
	// target, capability and relationship are nil where not given.
	target, capability, relationship *yamlx.Node
	filter                           *NodeFilter
	def                              *RequirementDefinition
	optional                         bool
}

// requirements resolves the requirements of a node to their targets.
//
// Source: TOSCA 1.3 section 3.8.2.
func (b *builder) requirements(draft *nodeDraft) {
	if draft.chosen != nil {
		return
	}
	d, n := draft.doc, draft.node
	index := b.requirementIndex(n.Type)
	items := d.items(draft.body.Get("requirements"), "requirements")
	counts := make(map[string]int, len(index))
	broken := map[string]bool{}
	for _, item := range items {
		f, ok := d.single(item, "a requirement")
		if !ok {
			continue
		}
		w := b.wanted(draft, f, index[f.Key.Text])
		count := 1
		if f.Value.Kind == yamlx.Mapping {
			if o := d.occurrences(either(f.Value, "occurrences", "count"), Occurrences{1, 1}); o.Max == 0 {
				count = 0
			}
		}
		if count == 0 {
			continue
		}
		if r := b.resolve(w); r != nil {
			r.Index = counts[r.Name]
			n.Requirements = append(n.Requirements, r)
			r.Target.Incoming = append(r.Target.Incoming, r)
		} else {
			broken[w.name] = true
		}
		counts[w.name]++
	}
	for _, def := range n.Type.Requirements {
		b.count(draft, def, counts[def.Name], broken[def.Name])
	}
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

// wanted reads an assignment: the name of a node, or a map.
func (b *builder) wanted(draft *nodeDraft, f yamlx.Field, def *RequirementDefinition) *wanted {
	d := draft.doc
	w := &wanted{draft: draft, name: f.Key.Text, key: f.Key, def: def}
	n := f.Value
	switch {
	case n.IsNull():
	case n.Kind == yamlx.Scalar:
		w.target = n
	default:
		d.fields(n, "requirement assignment")
		w.target, w.capability, w.relationship = n.Get("node"), n.Get("capability"), n.Get("relationship")
		w.filter = d.nodeFilter(n.Get("node_filter"))
		w.optional = d.boolean(n.Get("optional"), "optional", false)
		if w.target != nil && w.target.Kind == yamlx.Sequence && len(w.target.Items) > 0 {
			w.target = w.target.Items[0] // 2.0's [template, index]
		}
	}
	if w.target.IsNull() {
		w.target = nil
	}
	if w.filter == nil && def != nil {
		w.filter = def.NodeFilter
	}
	return w
}

// resolve finds the target and makes the requirement; nil where there is none.
func (b *builder) resolve(w *wanted) *Requirement {
	d := w.draft.doc
	target := b.target(w)
	if target == nil {
		return nil
	}
	if w.def == nil && !w.draft.broken && !b.undeclaredRequirement(w, target) {
		return nil
	}
	r := &Requirement{Name: w.name, Definition: w.def, Source: w.draft.node, Target: target, Range: d.rng(w.key)}
	r.Capability = b.capability(w, target)
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
	return r
}

func (b *builder) broken(n *NodeTemplate) bool {
	draft := b.drafts[n.Name]
	return draft != nil && draft.broken
}

// target finds the node that a requirement names, or selects one by type and
// node filter, in order of declaration.
func (b *builder) target(w *wanted) *NodeTemplate {
	d := w.draft.doc
	var want *NodeType
	if w.target != nil {
		name := d.text(w.target, "node")
		if draft := b.drafts[name]; draft != nil {
			if draft.chosen != nil {
				return draft.chosen
			}
			return draft.node
		}
		decl := d.named(nodeKind, w.target)
		if decl == nil {
			dia := d.errorf(codeUnknownNode, w.target, "the requirement %q names %q, which is neither a node template nor a node type", w.name, name)
			dia.Suggestion = nearest(name, b.nodeNames())
			return nil
		}
		want = decl.typ.(*NodeType)
	} else if w.def != nil {
		want = w.def.Node
	}
	if w.target == nil && w.def == nil {
		b.undeclaredRequirement(w, nil)
		return nil
	}
	for _, n := range b.candidates(want) {
		b.s.spend(1, w.draft.doc.rng(w.key))
		if n != w.draft.node && b.fits(n, want, w.filter) && (b.capability(w, n) != nil) {
			return n
		}
	}
	if w.optional {
		return nil
	}
	at := w.key
	if w.target != nil {
		at = w.target
	}
	dia := d.errorf(codeNoMatchingNode, at, "no node template fits the requirement %q of %q", w.name, w.draft.node.Name)
	if want != nil {
		dia.Detail = fmt.Sprintf("Wanted is a node of type %s", want.Name)
		if w.filter != nil {
			dia.Detail += " that passes the node filter"
		}
		dia.Detail += "."
	}
	return nil
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

// fits tells whether a node is of a type and passes a filter.
func (b *builder) fits(n *NodeTemplate, want *NodeType, filter *NodeFilter) bool {
	return (want == nil || n.Type.isA(want)) && (filter == nil || filter.passes(n))
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

// capability finds the capability of a node that fulfils a requirement: the
// one that the assignment names (by name or type), else the one that the
// definition wants. Of several that fit by type, one with the requirement's
// own name is preferred.
func (b *builder) capability(w *wanted, n *NodeTemplate) *Capability {
	if !w.capability.IsNull() {
		if c := n.Capability(w.capability.Text); c != nil {
			return c
		}
		if t := w.draft.doc.lookup(capabilityKind, w.capability.Text); t != nil {
			return capabilityOfType(n, t.typ.(*CapabilityType), w.name)
		}
		return nil
	}
	switch {
	case w.def == nil:
		return n.Capability(w.name)
	case w.def.Capability != nil:
		return capabilityOfType(n, w.def.Capability, w.name)
	case w.def.CapabilityName != "":
		return n.Capability(w.def.CapabilityName)
	case len(n.Capabilities) > 0:
		return n.Capabilities[0]
	}
	return nil
}

func capabilityOfType(n *NodeTemplate, t *CapabilityType, name string) *Capability {
	if c := n.Capability(name); c != nil && c.Type.isA(t) {
		return c
	}
	return first(n.Capabilities, func(c *Capability) bool { return c.Type.isA(t) })
}

func (b *builder) noCapability(w *wanted, n *NodeTemplate) {
	d, at, want := w.draft.doc, w.key, ""
	var names []string
	for _, c := range n.Capabilities {
		names = append(names, c.Name)
	}
	switch {
	case !w.capability.IsNull():
		at, want = w.capability, "named or of type "+w.capability.Text
	case w.def != nil && w.def.Capability != nil:
		want = "of type " + w.def.Capability.Name
	case w.def != nil && w.def.CapabilityName != "":
		want = "named " + w.def.CapabilityName
	default:
		want = "at all"
	}
	if w.target != nil && w.capability.IsNull() {
		at = w.target
	}
	dia := d.errorf(codeNoMatchingCapability, at, "the node %q has no capability %s, which the requirement %q needs", n.Name, want, w.name)
	if !w.capability.IsNull() {
		dia.Suggestion = nearest(w.capability.Text, names)
	}
	dia.Related = []RelatedRange{{n.Range, fmt.Sprintf("%q is a %s", n.Name, n.Type.Name)}}
	if w.def != nil {
		dia.Related = append(dia.Related, RelatedRange{w.def.Range, "the requirement is defined here"})
	}
}

// checkTarget checks the type of the target, and warns where the capability
// does not expect the source.
func (b *builder) checkTarget(w *wanted, r *Requirement) {
	d, at := w.draft.doc, w.key
	if w.target != nil {
		at = w.target
	}
	if w.def != nil && w.def.Node != nil && !r.Target.Type.isA(w.def.Node) && !b.broken(r.Target) {
		d.errorf(codeWrongTarget, at, "the requirement %q needs a node of type %s; %q is a %s", w.name, w.def.Node.Name, r.Target.Name, r.Target.Type.Name).Related =
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
		d.warnf(codeInvalidSource, at, "the capability %q of %q does not list %s among its valid source types", r.Capability.Name, r.Target.Name, r.Source.Type.Name).Related =
			[]RelatedRange{{r.Capability.Definition.Range, "they are listed here"}}
	}
}

// count checks how often a requirement is assigned. Bounds that the definition
// leaves to the language ([1, 1] in 1.x) are enforced downwards only:
// published blueprints assign several targets to such requirements.
func (b *builder) count(draft *nodeDraft, def *RequirementDefinition, count int, broken bool) {
	if draft.broken || broken {
		return
	}
	d, o := draft.doc, def.Occurrences
	switch {
	case count < o.Min && def.Name == "host" && draft.node.Type.IsA("tosca.nodes.SoftwareComponent"):
		d.warnf(codeMissingHost, draft.key, "the node %q has no host and runs on this machine", draft.node.Name).Related =
			[]RelatedRange{{def.Range, "the requirement is defined here"}}
	case count < o.Min:
		if b.implicit(draft, def, o.Min-count) {
			return
		}
		d.errorf(codeMissingRequirement, draft.key, "the node %q needs the requirement %q at least %s, and has it %s", draft.node.Name, def.Name, times(o.Min), times(count)).Related =
			[]RelatedRange{{def.Range, "the requirement is defined here"}}
	case o.Max != Unbounded && count > o.Max:
		dia := d.errorf(codeTooManyRequirements, draft.key, "the node %q may have the requirement %q at most %s, and has it %s", draft.node.Name, def.Name, times(o.Max), times(count))
		dia.Related = []RelatedRange{{def.Range, "the requirement is defined here"}}
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

// implicit fulfils a requirement that TOSCA 2.0 assigns by itself.
//
// Source: TOSCA 2.0 section 8.5.4.
func (b *builder) implicit(draft *nodeDraft, def *RequirementDefinition, missing int) bool {
	if !draft.doc.v.v2() {
		return false
	}
	for i := range missing {
		w := &wanted{draft: draft, name: def.Name, key: draft.key, def: def, filter: def.NodeFilter, optional: true}
		r := b.resolve(w)
		if r == nil {
			return false
		}
		r.Index = i
		draft.node.Requirements = append(draft.node.Requirements, r)
		r.Target.Incoming = append(r.Target.Incoming, r)
	}
	return true
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
			draft.chosen = chosen
			b.t.nodes[draft.node.Name] = chosen
			continue
		}
		kept = append(kept, draft.node)
	}
	b.t.Nodes = kept
}

func (b *builder) selected(draft *nodeDraft) *NodeTemplate {
	if !isSelecting(draft.node) || draft.broken {
		return nil
	}
	for _, n := range b.t.Nodes {
		b.s.spend(1, draft.node.Range)
		if n != draft.node && !isSelecting(n) && b.fits(n, draft.node.Type, draft.node.NodeFilter) {
			return n
		}
	}
	draft.doc.warnf(codeNothingSelected, draft.key, "no other node template fits the selection of %q; it is deployed itself", draft.node.Name)
	return nil
}

func isSelecting(n *NodeTemplate) bool {
	for _, directive := range n.Directives {
		if isSelect(directive) {
			return true
		}
	}
	return false
}
