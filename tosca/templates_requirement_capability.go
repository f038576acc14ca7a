package tosca

import (
	"fmt"
	"slices"
)

// capability finds the capability of a node that fulfils a requirement: the
// one that the assignment names (by name or type), else the one that the
// definition wants. Of several that fit by type, one with the requirement's
// own name is preferred.
func (b *builder) capability(w *wanted, n *NodeTemplate) *Capability {
	if !w.capability.IsNull() {
		c := b.namedCapability(w, n)
		if c != nil && !w.allows(c) {
			return nil
		}
		return c
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

// namedCapability finds the capability that an assignment names, by its name or
// type.
func (b *builder) namedCapability(w *wanted, n *NodeTemplate) *Capability {
	if c := n.Capability(w.capability.Text); c != nil {
		return c
	}
	if t := w.draft.doc.lookup(capabilityKind, w.capability.Text); t != nil {
		return capabilityOfType(n, t.typ.(*CapabilityType), w.name)
	}
	return nil
}

// allows tells whether the definition of the requirement lets an assignment
// name the capability: one that it names itself must stay, and one of another
// type than it wants is none. 1.x has such blueprints.
//
// Source: TOSCA 2.0 section 8.5.2.
func (w *wanted) allows(c *Capability) bool {
	switch {
	case w.def == nil || !w.draft.doc.v.v2():
		return true
	case w.def.CapabilityName != "":
		return c.Name == w.def.CapabilityName
	}
	return w.def.Capability == nil || c.Type.isA(w.def.Capability)
}

func capabilityOfType(n *NodeTemplate, t *CapabilityType, name string) *Capability {
	if c := n.Capability(name); c != nil && c.Type.isA(t) {
		return c
	}
	return first(n.Capabilities, func(c *Capability) bool { return c.Type.isA(t) })
}

// impossibleCapability is what a requirement gets in 1.x whose definition
// contradicts itself: it wants a capability that the node type it names does not
// have. Published types do, and xOpera never looks at capabilities: the
// capability "feature" of every node stands in, and a warning tells.
func (b *builder) impossibleCapability(w *wanted, n *NodeTemplate) *Capability {
	if w.draft.doc.v.v2() || !w.capability.IsNull() || w.def == nil || w.def.Node == nil || w.def.Capability == nil ||
		!b.targetIsA(n, w.def.Node) || n.Capability("feature") == nil {
		return nil
	}
	if slices.ContainsFunc(w.def.Node.Capabilities, func(c *CapabilityDefinition) bool { return c.Type.isA(w.def.Capability) }) {
		return nil
	}
	at := w.key
	if w.target != nil {
		at = w.target
	}
	d := w.draft.doc.warnf(codeNoMatchingCapability, at, "the node %q has no capability of type %s, nor has the type %s that the definition names; the requirement %q is taken as one for the node", n.Name, w.def.Capability.Name, w.def.Node.Name, w.name)
	d.Related = []RelatedRange{{w.def.Range, "the requirement is defined here"}}
	return n.Capability("feature")
}

func (b *builder) noCapability(w *wanted, n *NodeTemplate) {
	d, at, want := w.draft.doc, w.key, ""
	var names []string
	for _, c := range n.Capabilities {
		names = append(names, c.Name)
	}
	switch {
	case !w.capability.IsNull() && b.namedCapability(w, n) != nil:
		b.otherCapability(w, b.namedCapability(w, n))
		return
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
	dia.Related = []RelatedRange{{n.Range, fmt.Sprintf("%q is of type %s", n.Name, n.Type.Name)}}
	if w.def != nil {
		dia.Related = append(dia.Related, RelatedRange{w.def.Range, "the requirement is defined here"})
	}
}

// otherCapability reports a capability that the definition does not allow.
func (b *builder) otherCapability(w *wanted, c *Capability) {
	needs := "the capability by the name " + w.def.CapabilityName
	if w.def.CapabilityName == "" {
		needs = "a capability of type " + w.def.Capability.Name + ", not of type " + c.Type.Name
	}
	d := w.draft.doc.errorf(codeNoMatchingCapability, w.capability, "the requirement %q cannot be assigned the capability %q; it needs %s", w.name, c.Name, needs)
	d.Section = "TOSCA 2.0 section 8.5.2"
	d.Related = []RelatedRange{{w.def.Range, "the requirement is defined here"}}
}
