package tosca

import (
	"slices"

	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
)

// group reads a group.
//
// Source: TOSCA 1.3 section 3.8.5.
func (b *builder) group(d *document, f yamlx.Field) {
	if old := b.groups[f.Key.Text]; old != nil {
		d.duplicate(f.Key, "a group", old.Range)
		return
	}
	n := f.Value
	d.fields(n, "group")
	g := &Group{Name: f.Key.Text, Type: typeNamed[GroupType](d, groupKind, n.Get("type")), Description: prose(n.Get("description")),
		Metadata: d.metadata(n.Get("metadata")), Range: d.rng(f.Key)}
	sub := subject{what: "the group \"" + g.Name + "\"", at: f.Key}
	if g.Type == nil {
		if n.Get("type").IsNull() {
			d.errorf(codeMissingKeyname, f.Key, "the group %q has no type", g.Name)
		}
		g.Type, sub.quiet = &GroupType{}, true
	}
	g.Properties = b.properties(d, n.Get("properties"), g.Type.Properties, sub)
	g.Attributes = b.attributes(d, n.Get("attributes"), g.Type.Attributes, g.Type.Properties, sub)
	g.Interfaces = b.interfaces(d, n.Get("interfaces"), nil, nil, nil, sub.quiet)
	b.members = append(b.members, groupMembers{d, g, d.strings(n.Get("members"), "members")})
	b.groups[g.Name] = g
	b.t.Groups = append(b.t.Groups, g)
}

// groupMembers are the names of a group's members, until all groups are known.
type groupMembers struct {
	doc   *document
	group *Group
	names []*yamlx.Node
}

// linkMembers finds the members of the groups. A member of TOSCA 2.0 may be a
// group, which stands for its members.
func (b *builder) linkMembers() {
	byGroup := map[*Group]groupMembers{}
	for _, m := range b.members {
		byGroup[m.group] = m
	}
	for _, m := range b.members {
		seen := map[*NodeTemplate]bool{}
		b.linkGroup(m, m, byGroup, map[*Group]bool{m.group: true}, func(n *NodeTemplate) {
			if !seen[n] {
				seen[n] = true
				m.group.Members = append(m.group.Members, n)
			}
		})
	}
}

// linkGroup adds the members of a group to those of the outer one. open are the
// groups on the way.
func (b *builder) linkGroup(outer, m groupMembers, byGroup map[*Group]groupMembers, open map[*Group]bool, add func(*NodeTemplate)) {
	d, g := m.doc, outer.group
	for _, item := range m.names {
		b.s.spend(1, g.Range)
		nodes, ok := b.named(item.Text)
		if !ok {
			inner := b.groups[item.Text]
			switch {
			case inner == nil || !d.v.v2():
				d.errorf(codeUnknownNode, item, "the group %q names the member %q, which is no node template", m.group.Name, item.Text).Suggestion = nearest(item.Text, b.nodeNames())
			case open[inner]:
				d.errorf(codeInvalidMember, item, "the group %q is among its own members", inner.Name).Section = "TOSCA 2.0 section 16.2"
			default:
				open[inner] = true
				b.linkGroup(outer, byGroup[inner], byGroup, open, add)
				delete(open, inner)
			}
		}
		for _, member := range nodes {
			if !b.broken(member) && len(g.Type.Members) > 0 && !isAny(member.Type, g.Type.Members) {
				d.strictf(codeInvalidMember, item, "the group type %s does not list %s among its members", g.Type.Name, member.Type.Name).Section = d.section("16.2", "3.8.5")
			}
			add(member)
		}
	}
}

func isAny(t *NodeType, list []*NodeType) bool {
	for _, other := range list {
		if t.isA(other) {
			return true
		}
	}
	return false
}

// policy reads a policy.
//
// Source: TOSCA 1.3 section 3.8.6.
func (b *builder) policy(d *document, f yamlx.Field) {
	if b.policies[f.Key.Text] {
		d.duplicate(f.Key, "a policy", b.t.Policy(f.Key.Text).Range)
		return
	}
	b.policies[f.Key.Text] = true
	n := f.Value
	d.fields(n, "policy")
	p := &Policy{Name: f.Key.Text, Type: typeNamed[PolicyType](d, policyKind, n.Get("type")), Description: prose(n.Get("description")),
		Metadata: d.metadata(n.Get("metadata")), Range: d.rng(f.Key), service: b.t}
	sub := subject{what: "the policy \"" + p.Name + "\"", at: f.Key, policy: true}
	if p.Type == nil {
		if n.Get("type").IsNull() {
			d.errorf(codeMissingKeyname, f.Key, "the policy %q has no type", p.Name)
		}
		p.Type, sub.quiet = &PolicyType{}, true
	}
	sub.quiet = sub.quiet || b.types.brokenTypes[p.Type]
	p.Properties = b.properties(d, n.Get("properties"), p.Type.Properties, sub)
	p.Triggers = d.triggers(n.Get("triggers"), p.Type.Triggers)
	b.policyTargets(d, p, n.Get("targets"))
	b.t.Policies = append(b.t.Policies, p)
}

// policyTargets resolves the named targets; a policy that names none is meant
// for all nodes and groups of the types that its type lists.
func (b *builder) policyTargets(d *document, p *Policy, n *yamlx.Node) {
	if n.IsNull() {
		if same, ok := b.untargeted[p.Type]; ok {
			p.Targets, p.TargetGroups = same.Targets, same.TargetGroups
			return
		}
		b.untargeted[p.Type] = p
	}
	seen := map[*NodeTemplate]bool{}
	add := func(node *NodeTemplate) {
		b.s.spend(1, p.Range)
		if !seen[node] {
			seen[node] = true
			p.Targets = append(p.Targets, node)
		}
	}
	if n.IsNull() {
		for _, t := range p.Type.TargetNodes {
			for _, node := range b.candidates(t) {
				add(node)
			}
		}
		for _, t := range p.Type.TargetGroups {
			for _, g := range b.t.Groups {
				if g.Type.isA(t) {
					p.TargetGroups = append(p.TargetGroups, g)
				}
			}
		}
	}
	for _, item := range d.strings(n, "targets") {
		if nodes, ok := b.named(item.Text); ok {
			for _, node := range nodes {
				if valid := p.Type.TargetNodes; len(valid) > 0 && !b.broken(node) && !isAny(node.Type, valid) {
					d.strictf(codeInvalidMember, item, "the policy type %s does not list %s among its targets", p.Type.Name, node.Type.Name).Section = d.section("16.4", "3.8.6")
				}
				add(node)
			}
		} else if g := b.groups[item.Text]; g != nil {
			if valid := p.Type.TargetGroups; len(valid)+len(p.Type.TargetNodes) > 0 && g.Type.Name != "" && !slices.ContainsFunc(valid, g.Type.isA) && d.v.v2() {
				d.errorf(codeInvalidMember, item, "the policy type %s does not list %s among its targets", p.Type.Name, g.Type.Name).Section = "TOSCA 2.0 section 16.4"
			}
			p.TargetGroups = append(p.TargetGroups, g)
		} else {
			names := append(sortedKeys(b.groups), b.nodeNames()...)
			d.errorf(codeUnknownNode, item, "the policy %q names the target %q, which is neither a node template nor a group", p.Name, item.Text).Suggestion = nearest(item.Text, names)
		}
	}
	for _, g := range p.TargetGroups {
		for _, node := range g.Members {
			add(node)
		}
	}
}

// triggers reads triggers over the inherited ones.
//
// Source: TOSCA 1.3 section 3.6.22.
func (d *document) triggers(n *yamlx.Node, inherited []*Trigger) []*Trigger {
	fields := d.filterEntries(n, "triggers")
	if len(fields) == 0 {
		return inherited
	}
	all := newOrdered(inherited, func(t *Trigger) string { return t.Name })
	for _, f := range fields {
		old, _ := all.get(f.Key.Text)
		all.set(f.Key.Text, d.trigger(f, old))
	}
	return all.list
}

func (d *document) trigger(f yamlx.Field, old *Trigger) *Trigger {
	t := &Trigger{Name: f.Key.Text}
	if old != nil {
		*t = *old
	}
	t.Range = d.rng(f.Key)
	n := f.Value
	d.fields(n, "trigger")
	if v := n.Get("description"); v != nil {
		t.Description = prose(v)
	}
	if v := either(n, "event", "event_type"); v != nil {
		if v.Kind == yamlx.Mapping {
			v = v.Get("type") // the extended form of 1.1
		}
		t.Event = d.text(v, "event")
	}
	if t.Event == "" {
		d.strictf(codeMissingKeyname, f.Key, "the trigger %q has no event and never fires", t.Name).Section = d.section("16.5", "3.6.22")
	}
	if d.v.v2() && n.Get("action").IsNull() && t.Action == nil {
		d.errorf(codeMissingKeyname, f.Key, "the trigger %q has no action", t.Name).Section = "TOSCA 2.0 section 16.5"
	}
	if d.v.v2() && old != nil {
		d.errorf(codeBadRefinement, f.Key, "the trigger %q is one of the policy type already, which cannot be changed", t.Name).Section = "TOSCA 2.0 section 16.3"
	}
	if v := n.Get("schedule"); v != nil {
		t.Schedule = d.value(v)
	}
	if v := n.Get("target_filter"); !v.IsNull() {
		d.fields(v, "target filter")
		t.TargetNode, t.TargetRequirement, t.TargetCapability = prose(v.Get("node")), prose(v.Get("requirement")), prose(v.Get("capability"))
	}
	d.triggerCondition(t, n)
	if v := n.Get("action"); v != nil {
		t.Action, t.Operations = d.action(v)
	}
	return t
}

// action reads what a trigger does: activities, or up to 1.2 a map of
// operations that are defined in place.
//
// Source: TOSCA 1.2 section 3.5.16, TOSCA 1.3 section 3.6.22.
func (d *document) action(n *yamlx.Node) (list []*Activity, ops []*Operation) {
	for _, f := range d.activityEntries(n) {
		if !isActivity(f.Key.Text) && (f.Value.Get("implementation") != nil || d.v.level <= 12 && n.Kind == yamlx.Mapping) {
			op := d.triggerOperation(f)
			ops = append(ops, op)
			if op.Implementation != nil {
				called := *op
				called.Inputs = nil // they are the activity's
				list = append(list, &Activity{Kind: CallOperation, Name: op.Name, Inputs: op.Inputs, Operation: &called, Range: op.Range})
			}
			continue
		}
		if a := d.activity(f); a != nil {
			list = append(list, a)
		}
	}
	return list, ops
}

func (d *document) triggerOperation(f yamlx.Field) *Operation {
	op := &Operation{Name: f.Key.Text, Range: d.rng(f.Key)}
	impl := f.Value
	if impl.Kind == yamlx.Mapping && !d.isImplementation(impl) {
		d.fields(impl, "operation")
		op.Description = prose(impl.Get("description"))
		for _, in := range d.entries(impl.Get("inputs"), "inputs") {
			op.Inputs = append(op.Inputs, d.inputAssignment(in, nil))
		}
		impl = impl.Get("implementation")
	}
	op.Implementation = d.implementation(impl, nil)
	return op
}

// triggerCondition reads the condition, alone or in the extended form.
func (d *document) triggerCondition(t *Trigger, n *yamlx.Node) {
	c := either(n, "condition", "constraint")
	extended := n
	if c != nil && c.Kind == yamlx.Mapping && (c.Get("constraint") != nil || c.Get("period") != nil || c.Get("evaluations") != nil || c.Get("method") != nil) {
		d.fields(c, "trigger condition")
		extended, c = c, c.Get("constraint")
	}
	if !c.IsNull() {
		t.Condition = d.condition(c)
	}
	if v := extended.Get("period"); v != nil {
		t.Period = prose(v)
	}
	if v := extended.Get("evaluations"); v != nil {
		t.Evaluations = d.integer(v, "evaluations", 0)
	}
	if v := extended.Get("method"); v != nil {
		t.Method = prose(v)
	}
}
