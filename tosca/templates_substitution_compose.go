package tosca

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
)

// The bounds of composition: how deep services may substitute nodes of each
// other, and how many may be made in one Load.
const (
	maxCompositionDepth = 20
	maxCompositions     = 20_000
)

// composer finds and makes the services that substitute nodes, for one Load.
type composer struct {
	src  *sources
	opts Options
	lim  Limits
	// candidates are the files that were looked at, by name.
	candidates map[string]*candidate
	made       int
	// told are the diagnostics of substituting services that were reported.
	told map[string]bool
	// unsubstituted tells that a node was found which no service substitutes.
	unsubstituted bool
}

// candidate is a file whose service may substitute nodes.
type candidate struct {
	file string
	read *readService
	// alone is the service as it is by itself, with the mapping.
	alone *ServiceTemplate
	// faults are those of reading and of resolving types.
	faults Diagnostics
}

// readService is a file that was read with all that it imports, with its types
// resolved: what services are built from, any number of times.
type readService struct {
	file  string
	entry *document
	docs  []*document
	types *typeResolver
	all   *Types
	s     *sink

	functions []*Function
}

// read reads a file with all that it imports; nil where it cannot be read.
func (c *composer) read(file string, s *sink) *readService {
	r := &reader{src: c.src, lim: c.lim, s: s, docs: map[string]*document{}}
	file = strings.TrimPrefix(path.Clean(file), "/")
	entry := r.readAll(file)
	if entry == nil {
		return nil
	}
	known := c.opts.knownFunctions()
	for _, d := range r.order {
		d.known = known
	}
	declareFunctions(r.order)
	types := &typeResolver{}
	types.resolveAll(r.order)
	functions := types.readFunctions(r.order)
	checkDuplicateTypes(r.order)
	return &readService{file: file, entry: entry, docs: r.order, types: types, functions: functions, all: visibleTypes(entry), s: s}
}

// build makes the service of a file: by itself where outer is nil, else as what
// stands for a node of the outer one.
func (c *composer) build(r *readService, opts Options, outer *builder, node *NodeTemplate) (*ServiceTemplate, *builder) {
	t := &ServiceTemplate{Version: r.entry.v.name, File: r.file, nodes: map[string]*NodeTemplate{}, substituted: node,
		representations: map[string][]*NodeTemplate{}, absent: map[string]*NodeTemplate{}}
	for _, d := range r.docs {
		t.Files = append(t.Files, d.name)
	}
	t.Types, t.Functions = r.all, r.functions
	b := &builder{t: t, s: r.s, types: r.types, opts: opts, composer: c, outer: outer}
	return t, b
}

// candidate looks at a file; its alone is nil where it has no mapping or
// cannot be used at all.
func (c *composer) candidate(file string) *candidate {
	file = strings.TrimPrefix(path.Clean(file), "/")
	if found := c.candidates[file]; found != nil {
		return found
	}
	k := &candidate{file: file}
	c.candidates[file] = k
	s := &sink{bounded: true}
	k.read = c.read(file, s)
	k.faults = s.list
	if k.read == nil || !hasMapping(k.read.entry) {
		return k
	}
	*s = sink{bounded: true}
	opts := c.opts
	opts.Inputs, opts.CheckInputs = nil, false
	t, b := c.build(k.read, opts, nil, nil)
	b.alone = true
	b.build(k.read.entry, k.read.docs)
	if t.Substitution != nil && t.Substitution.NodeType != nil {
		k.alone = t
	}
	return k
}

// hasMapping tells whether a file has a substitution mapping.
func hasMapping(d *document) bool {
	tt := either(d.root, "topology_template", "service_template")
	return !tt.IsNull() && !tt.Get("substitution_mappings").IsNull()
}

// candidatesFor are the files whose services may substitute nodes of this one:
// those that its files import and the further definitions, in this order, then
// those of the services around it.
func (b *builder) candidatesFor() []*candidate {
	if b.found != nil {
		return b.found
	}
	b.found = []*candidate{}
	seen := map[string]bool{}
	add := func(file string) {
		file = strings.TrimPrefix(path.Clean(file), "/")
		if seen[file] {
			return
		}
		seen[file] = true
		k := b.composer.candidate(file)
		if k.read == nil {
			b.report(k.faults)
		}
		if k.alone != nil {
			b.found = append(b.found, k)
		}
	}
	for _, d := range b.docs[1:] {
		if hasMapping(d) {
			add(d.name)
		}
	}
	for _, file := range b.opts.Definitions {
		add(file)
	}
	if b.outer != nil {
		for _, k := range b.outer.candidatesFor() {
			add(k.file)
		}
	}
	return b.found
}

// report adds diagnostics of other files, each once in a Load.
func (b *builder) report(ds Diagnostics) {
	for _, d := range ds {
		key := d.Range.place() + " " + d.Code + " " + d.Summary
		if b.composer.told[key] {
			continue
		}
		b.composer.told[key] = true
		b.s.list = append(b.s.list, d)
		if d.Severity == Error {
			b.s.errors++
		}
	}
}

// substituteNodes finds for each node template with the directive "substitute"
// a service that stands for it.
//
// Source: TOSCA 1.3 section 3.4.3, TOSCA 2.0 sections 7.2.1 and 15.
func (b *builder) substituteNodes() {
	if b.alone || !slices.ContainsFunc(b.nodes, b.substitutes) {
		return
	}
	before := map[*NodeTemplate][]*NodeTemplate{}
	for _, draft := range b.nodes {
		if draft.broken || !b.substitutes(draft) {
			continue
		}
		for _, n := range draft.representations {
			inner, more := b.substitute(draft, n)
			if inner != nil {
				before[n] = b.embed(n, inner)
			} else if !more {
				break // told for one is told for all
			}
		}
	}
	if len(before) == 0 {
		return
	}
	var nodes []*NodeTemplate
	for _, n := range b.t.Nodes {
		nodes = append(append(nodes, before[n]...), n)
	}
	b.t.Nodes = nodes
}

func isSubstitute(directive string) bool {
	return directive == "substitute" || directive == "substitutable"
}

// substitutes tells whether a template is to be substituted before it is
// created. One of an abstract normative type that brings no implementation is
// without saying so.
//
// Source: TOSCA 1.3 sections 2.9, 3.4.3 and 5.9.2.
func (b *builder) substitutes(draft *nodeDraft) bool {
	if len(draft.node.Directives) == 0 {
		return isAbstract(draft.node)
	}
	for _, directive := range draft.node.Directives {
		switch {
		case isSubstitute(directive):
			return true
		case directive == "create":
			return false
		}
	}
	return false
}

// isAbstract tells whether a node is of a normative type that stands for types
// to come, such as tosca.nodes.Abstract.Compute, and has no implementation.
func isAbstract(n *NodeTemplate) bool {
	if n.Type == nil || !n.Type.Normative || !n.Type.is("tosca.nodes.Abstract.Compute") && !n.Type.is("tosca.nodes.Abstract.Storage") {
		return false
	}
	implemented := func(o *Operation) bool { return o.Implementation != nil }
	return !slices.ContainsFunc(n.Interfaces, func(i *Interface) bool { return slices.ContainsFunc(i.Operations, implemented) })
}

// substitute makes the service that stands for a node; nil where there is
// none. more tells that the other representations may fare better.
func (b *builder) substitute(draft *nodeDraft, n *NodeTemplate) (inner *ServiceTemplate, more bool) {
	var cyclic *candidate
	var best *candidate
	rank := 0
	for _, k := range b.candidatesFor() {
		b.s.spend(1, n.Range)
		r := k.alone.Substitution.ranks(n, b.env())
		if r <= rank {
			continue
		}
		if b.inside(k.file) {
			cyclic = k
			continue
		}
		best, rank = k, r
	}
	if best != nil {
		return b.compose(best, n), true
	}
	if len(n.Directives) > 1 && n.Directives[len(n.Directives)-1] == "create" {
		return nil, true
	}
	at := draft.body.Get("directives")
	if at == nil {
		at = draft.key
	}
	if cyclic != nil {
		chain := b.chain()
		dia := draft.doc.errorf(codeSubstitutionCycle, at, "services would substitute nodes of each other without end: %s", strings.Join(append(chain, cyclic.file), " → "))
		dia.Detail = fmt.Sprintf("Only %s could stand for %q, which is a part of it.", cyclic.file, n.Name)
		dia.Section = draft.doc.section("15", "3.8.13")
		return nil, false
	}
	dia := draft.doc.warnf(codeNotSubstituted, at, "no service substitutes the node %q of type %s", n.Name, n.Type.Name)
	dia.Detail = "A service does so whose substitution_mappings have this node_type: in an imported file, or in one that Options.Definitions name (the Other-Definitions of a CSAR)."
	switch {
	case isAbstract(n) && n.Directives == nil:
		dia.Summary = fmt.Sprintf("the node %q is of the abstract type %s, which nothing creates, and no service substitutes it", n.Name, n.Type.Name)
		dia.Detail = "Take a type that derives from it, give the directive select or the node its operations, or add a service whose substitution_mappings have this node_type."
		dia.Section = draft.doc.section("7.2.1", "5.9.2")
	case !draft.doc.v.v2():
		dia.Detail += " The node is deployed itself."
		dia.Section = "TOSCA 1.3 section 3.8.13"
	default:
		dia.Section = "TOSCA 2.0 section 15"
		b.composer.unsubstituted = true
		if b.opts.Definitions != nil {
			dia.Severity = Error
			b.s.errors++
		}
	}
	return nil, true
}

// ranks tells how well a mapping suits a node: 0 for not at all. Two files that
// declare a type of the same name mean the same type.
func (m *SubstitutionMapping) ranks(n *NodeTemplate, env Env) int {
	switch {
	case m.Filter != nil && !m.Filter.passes(n, Entity{Service: n.service, Node: n}, env):
		return 0
	case sameType(&m.NodeType.TypeHeader, &n.Type.TypeHeader) || m.NodeType.Name == n.Type.Name:
		return 3
	case m.NodeType.isA(n.Type) || m.NodeType.IsA(n.Type.Name):
		return 2
	case n.Type.isA(m.NodeType) || n.Type.IsA(m.NodeType.Name):
		return 1
	}
	return 0
}

// inside tells whether the service of a file is being made around this one.
func (b *builder) inside(file string) bool {
	for ; b != nil; b = b.outer {
		if b.t.File == file {
			return true
		}
	}
	return false
}

// chain are the files of the services from the outermost to this one.
func (b *builder) chain() []string {
	var files []string
	for ; b != nil; b = b.outer {
		files = append(files, b.t.File)
	}
	slices.Reverse(files)
	return files
}

// compose makes the service of a candidate for a node.
func (b *builder) compose(k *candidate, n *NodeTemplate) *ServiceTemplate {
	c := b.composer
	if c.made++; c.made > maxCompositions || len(b.chain()) > maxCompositionDepth {
		b.s.giveUp(n.Range, fmt.Sprintf("more than %d services would substitute nodes, or more than %d inside of each other", maxCompositions, maxCompositionDepth))
	}
	s := k.read.s
	*s = sink{bounded: true, work: b.s.work}
	defer func() {
		b.s.work = s.work
		b.report(k.faults)
		b.report(s.list)
	}()
	opts := c.opts
	opts.Inputs, opts.CheckInputs = nil, false
	t, inner := c.build(k.read, opts, b, n)
	inner.build(k.read.entry, k.read.docs)
	(&checker{builder: inner, fsys: c.src}).check()
	refuseKeys(k.read.entry, k.read.docs)
	return t
}

// embed makes the nodes, policies and workflows of a service parts of the one
// around it, under the node's ID and their own name.
func (b *builder) embed(n *NodeTemplate, inner *ServiceTemplate) []*NodeTemplate {
	n.Substitution = inner
	prefix := fmt.Sprintf("%s_%d.", n.Name, n.Index)
	names, byName := []string{}, map[string][]*NodeTemplate{}
	for _, in := range inner.Nodes {
		in.Name = prefix + in.Name
		if byName[in.Name] == nil {
			names = append(names, in.Name)
		}
		byName[in.Name] = append(byName[in.Name], in)
	}
	for _, name := range names {
		b.t.enter(byName[name])
	}
	for _, p := range inner.Policies {
		p.Name = prefix + p.Name
		b.t.Policies = append(b.t.Policies, p)
	}
	for _, file := range inner.Files {
		if !slices.Contains(b.t.Files, file) {
			b.t.Files = append(b.t.Files, file)
		}
	}
	b.t.Dangling = append(b.t.Dangling, inner.Dangling...)
	return inner.Nodes
}

// distribute gives the targets of the substituted node's requirements to what
// they are mapped to.
//
// Source: TOSCA 2.0 sections 15.5 and 15.5.4.
func (b *builder) distribute() {
	n := b.t.substituted
	if n == nil || b.mapping == nil {
		return
	}
	b.given, b.picked = map[[2]string][]*Requirement{}, map[string]*NodeTemplate{}
	done := map[string]bool{}
	for _, first := range b.mapping.m.Requirements {
		if done[first.Name] {
			continue
		}
		done[first.Name] = true
		var left []*Requirement
		for _, r := range n.Requirements {
			if r.Name == first.Name {
				left = append(left, r)
			}
		}
		for _, m := range b.inOrder(first.Name) {
			take := left
			if m.Count != Unbounded {
				take = left[:min(m.Count, len(left))]
			}
			left = left[len(take):]
			for _, target := range m.Targets {
				key := [2]string{target.Node, target.Requirement}
				if target.Requirement != "" {
					b.given[key] = append(b.given[key], take...)
				} else if len(take) > 0 {
					b.picked[target.Node] = take[0].Target
				}
			}
		}
	}
}

// inOrder returns the mappings of a requirement, those onto what must be
// fulfilled first where there are more than the node is sure to have.
func (b *builder) inOrder(name string) []*RequirementMapping {
	var all, mandatory, others, rest []*RequirementMapping
	total := 0
	for _, m := range b.mapping.m.Requirements {
		if m.Name != name {
			continue
		}
		all = append(all, m)
		total += max(m.Count, 1)
		switch {
		case m.Count == Unbounded:
			rest = append(rest, m) // it stays behind the others
		case slices.ContainsFunc(m.Targets, func(t RequirementTarget) bool { return b.mandatory(t.Node, t.Requirement) > 0 }):
			mandatory = append(mandatory, m)
		default:
			others = append(others, m)
		}
	}
	if def := b.mapping.m.NodeType.Requirement(name); def != nil && total <= def.Occurrences.Min {
		return all
	}
	return slices.Concat(mandatory, others, rest)
}

// namesTemplate tells whether an assignment names a node template.
func (b *builder) namesTemplate(w *wanted) bool {
	return w.target != nil && w.target.Kind == yamlx.Scalar && b.drafts[w.target.Text] != nil
}

// take fulfils a requirement that is left to the substituted node by what that
// node's requirement found. A service by itself leaves it open.
func (b *builder) take(w *wanted, n *NodeTemplate, first, count int) bool {
	given := b.given[[2]string{n.Name, w.name}]
	for i := range count {
		each := *w
		each.source, each.slot = n, first+i
		if each.slot >= len(given) {
			if !w.optional {
				b.dangles(&each)
			}
			continue
		}
		r := b.connectGiven(&each, given[each.slot])
		if r == nil {
			return false
		}
		r.Index, r.order = each.slot, w.order
		n.Requirements = append(n.Requirements, r)
		r.Target.Incoming = append(r.Target.Incoming, r)
		r.Capability.allocate(r.Allocations)
	}
	return true
}

// takeRest fulfils what no assignment asks for: up to the lower bound, and what
// the substituted node gives up to the upper one.
func (b *builder) takeRest(draft *nodeDraft, n *NodeTemplate, def *RequirementDefinition, s *sums) {
	most := max(len(b.given[[2]string{n.Name, def.Name}]), def.Occurrences.Min)
	if def.Occurrences.Max != Unbounded {
		most = min(most, def.Occurrences.Max)
	}
	for slot := s.next; slot < most; slot++ {
		w := &wanted{draft: draft, name: def.Name, key: draft.key, order: len(draft.wants), def: def, optional: slot >= def.Occurrences.Min}
		if !b.take(w, n, slot, 1) {
			return
		}
	}
}

// dangles reports a requirement that must be fulfilled and is not: a service by
// itself may leave it to the node that it will substitute.
func (b *builder) dangles(w *wanted) {
	d := w.draft.doc
	if n := b.t.substituted; n != nil {
		dia := d.errorf(codeMissingRequirement, w.key, "the requirement %q of %q gets no target from the node %q, which the service substitutes", w.name, w.draft.node.Name, n.Name)
		dia.Related = []RelatedRange{{n.Range, "it is declared here"}}
		dia.Section = b.mapping.section("15.5", "3.8.11")
		return
	}
	dia := d.warnf(codeDangling, w.key, "the requirement %q of %q has no target; it is left to the node that the service substitutes", w.name, w.draft.node.Name)
	dia.Section = b.mapping.section("15.5", "3.8.11")
}

// connectGiven makes the requirement for a target that the substituted node's
// requirement found.
func (b *builder) connectGiven(w *wanted, from *Requirement) *Requirement {
	r := &Requirement{Name: w.name, Definition: w.def, Source: w.source, Target: from.Target, Range: w.draft.doc.rng(w.key)}
	if r.Capability = b.capability(w, from.Target); r.Capability == nil {
		c := from.Capability
		if c == nil || w.def == nil || w.def.Capability != nil && !c.Type.IsA(w.def.Capability.Name) {
			b.noCapability(w, from.Target)
			return nil
		}
		r.Capability = c
	}
	b.checkTarget(w, r)
	if r.Relationship = b.relationship(w, r); r.Relationship == nil {
		return nil
	}
	b.checkRelationship(w, r)
	r.Allocations = b.allocations(w, r.Capability)
	return r
}
