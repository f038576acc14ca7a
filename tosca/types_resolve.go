package tosca

import (
	"fmt"

	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
)

// typeResolver fills the declared types: each after its parent, kind by kind.
type typeResolver struct {
	// brokenTypes are types with a reported fault in their derivation.
	brokenTypes map[any]bool
	// operations are the implementations that types declare, to be checked
	// against the files.
	implementations []located[*Implementation]
	artifacts       []located[*Artifact]
	// definitions are to be checked when all data types are complete.
	definitions []located[*PropertyDefinition]
}

// located is something with the file that declares it.
type located[T any] struct {
	doc  *document
	item T
}

func (r *typeResolver) resolveAll(docs []*document) {
	r.brokenTypes = map[any]bool{}
	for kind := range kinds {
		for _, d := range docs {
			for _, t := range d.order[kind] {
				r.resolve(t, nil)
			}
		}
	}
}

// maxDerivation is how many types may stand between a type and its root: each
// level repeats what the levels above it define.
const maxDerivation = 200

// resolve fills a type, its parents first. The chain of parents is followed
// without recursion: a file may declare many thousands.
func (r *typeResolver) resolve(t *typeDecl, _ *typeDecl) {
	var chain []*typeDecl
	for t != nil && t.state == unresolved {
		t.state = resolving
		chain = append(chain, t)
		parent := r.parent(t)
		if parent != nil && parent.state == resolving {
			r.cycle(chain, parent)
			parent = nil
		}
		if parent != nil && parent.state == unresolved {
			t = parent
			continue
		}
		break
	}
	for i := len(chain) - 1; i >= 0; i-- {
		if p := r.parent(chain[i]); p != nil {
			chain[i].depth = p.depth + 1
		}
		if t := chain[i]; t.depth > maxDerivation {
			t.doc.errorf(codeTooLarge, t.key, "the %s %q derives over more than %d levels", t.kind, t.name, maxDerivation)
			t.broken, t.depth = true, 0
			r.brokenTypes[t.typ] = true
		}
		r.fill(chain[i])
		chain[i].state = resolved
	}
}

// parent finds the type that a type derives from.
func (r *typeResolver) parent(t *typeDecl) *typeDecl {
	n := t.node.Get("derived_from")
	if n.IsNull() || t.broken {
		return nil
	}
	if n.Kind != yamlx.Scalar {
		return nil // reported when the type is filled
	}
	return t.doc.lookup(t.kind, n.Text)
}

func (r *typeResolver) cycle(chain []*typeDecl, first *typeDecl) {
	last := chain[len(chain)-1]
	dia := last.doc.errorf(codeDerivationCycle, last.node.Get("derived_from"), "the %s %q derives from itself", last.kind, first.name)
	last.broken = true
	r.brokenTypes[last.typ] = true
	for i := len(chain) - 1; i >= 0 && len(dia.Related) < 20; i-- {
		t := chain[i]
		if t != last {
			dia.Related = append(dia.Related, RelatedRange{t.header.Range, fmt.Sprintf("%s derives from %s", t.name, t.node.Get("derived_from").Text)})
		}
		if t == first {
			break
		}
	}
}

// parentOf returns the resolved parent of a type that is being filled.
func parentOf[T any](r *typeResolver, t *typeDecl) *T {
	d := t.doc
	n := t.node.Get("derived_from")
	if t.broken {
		return nil
	}
	if n.IsNull() {
		// The specification wants derived_from in all but the root types; files
		// that leave it out mean the root.
		root := kindInfo[t.kind].prefix + "Root"
		if t.kind == dataKind || d.builtin || t.name == root {
			return nil
		}
		if p := d.lookup(t.kind, root); p != nil && p != t && p.state == resolved {
			return p.typ.(*T)
		}
		return nil
	}
	p := typeNamed[T](d, t.kind, n)
	if p == nil {
		r.brokenTypes[t.typ] = true
		if root := d.lookup(t.kind, kindInfo[t.kind].prefix+"Root"); root != nil && root.state == resolved && root != t {
			return root.typ.(*T)
		}
		return nil
	}
	if r.brokenTypes[p] {
		r.brokenTypes[t.typ] = true
	}
	return p
}

func (r *typeResolver) fill(t *typeDecl) {
	d := t.doc
	if t.kind == interfaceKind {
		d.entries(t.node, "an interface type")
		d.interfaceKeys(t.node, "interface type")
	} else {
		d.fields(t.node, t.kind.String())
	}
	t.header.Version = prose(t.node.Get("version"))
	t.header.Description = prose(t.node.Get("description"))
	t.header.Metadata = d.metadata(t.node.Get("metadata"))
	switch x := t.typ.(type) {
	case *DataType:
		r.dataType(t, x)
	case *ArtifactType:
		x.Parent = parentOf[ArtifactType](r, t)
		r.artifactType(d, t.node, x)
	case *CapabilityType:
		x.Parent = parentOf[CapabilityType](r, t)
		r.capabilityType(d, t.node, x)
	case *InterfaceType:
		x.Parent = parentOf[InterfaceType](r, t)
		r.interfaceType(d, t.node, x)
	case *RelationshipType:
		x.Parent = parentOf[RelationshipType](r, t)
		r.relationshipType(d, t.node, x)
	case *NodeType:
		x.Parent = parentOf[NodeType](r, t)
		r.nodeType(d, t.node, x)
	case *GroupType:
		x.Parent = parentOf[GroupType](r, t)
		r.groupType(d, t.node, x)
	case *PolicyType:
		x.Parent = parentOf[PolicyType](r, t)
		r.policyType(d, t.node, x)
	}
}

func (r *typeResolver) dataType(t *typeDecl, x *DataType) {
	d, n := t.doc, t.node
	x.Parent = parentOf[DataType](r, t)
	var inherited []*PropertyDefinition
	if p := x.Parent; p != nil {
		inherited, x.Constraints, x.Key, x.Entry = p.Properties, p.Constraints, p.Key, p.Entry
	}
	x.Properties = r.properties(d, n.Get("properties"), inherited, "property definition")
	if c := either(n, "constraints", "validation"); c != nil {
		x.Constraints = append(x.Constraints[:len(x.Constraints):len(x.Constraints)], parseConstraints(c, d.name, d.v, d.s)...)
	}
	if k := n.Get("key_schema"); k != nil {
		x.Key = d.schema(k)
	}
	if e := n.Get("entry_schema"); e != nil {
		x.Entry = d.schema(e)
	}
}

func (r *typeResolver) artifactType(d *document, n *yamlx.Node, x *ArtifactType) {
	var inherited []*PropertyDefinition
	if p := x.Parent; p != nil {
		inherited, x.MimeType, x.FileExt = p.Properties, p.MimeType, p.FileExt
	}
	if m := n.Get("mime_type"); m != nil {
		x.MimeType = d.text(m, "mime_type")
	}
	if e := n.Get("file_ext"); e != nil {
		x.FileExt = texts(d.strings(e, "file_ext"))
	}
	x.Properties = r.properties(d, n.Get("properties"), inherited, "property definition")
}

func (r *typeResolver) capabilityType(d *document, n *yamlx.Node, x *CapabilityType) {
	var props []*PropertyDefinition
	var attrs []*AttributeDefinition
	if p := x.Parent; p != nil {
		props, attrs, x.ValidSourceNodeTypes, x.ValidRelationshipTypes = p.Properties, p.Attributes, p.ValidSourceNodeTypes, p.ValidRelationshipTypes
	}
	x.Properties = r.properties(d, n.Get("properties"), props, "property definition")
	x.Attributes = d.attributes(n.Get("attributes"), attrs)
	if v := either(n, "valid_source_types", "valid_source_node_types"); v != nil {
		x.ValidSourceNodeTypes = typesNamed[NodeType](d, nodeKind, v, "valid_source_types")
	}
	if v := n.Get("valid_relationship_types"); v != nil {
		x.ValidRelationshipTypes = typesNamed[RelationshipType](d, relationshipKind, v, "valid_relationship_types")
	}
}

func (r *typeResolver) relationshipType(d *document, n *yamlx.Node, x *RelationshipType) {
	var props []*PropertyDefinition
	var attrs []*AttributeDefinition
	var ifaces []*InterfaceDefinition
	if p := x.Parent; p != nil {
		props, attrs, ifaces = p.Properties, p.Attributes, p.Interfaces
		x.ValidCapabilityTypes, x.ValidTargetNodeTypes, x.ValidSourceNodeTypes = p.ValidCapabilityTypes, p.ValidTargetNodeTypes, p.ValidSourceNodeTypes
	}
	x.Properties = r.properties(d, n.Get("properties"), props, "property definition")
	x.Attributes = d.attributes(n.Get("attributes"), attrs)
	x.Interfaces = r.interfaces(d, n.Get("interfaces"), ifaces, nil)
	if v := n.Get("valid_target_types"); v != nil {
		x.ValidCapabilityTypes, x.ValidTargetNodeTypes = d.validTargets(v)
	}
	if v := n.Get("valid_capability_types"); v != nil {
		x.ValidCapabilityTypes = typesNamed[CapabilityType](d, capabilityKind, v, "valid_capability_types")
	}
	if v := n.Get("valid_target_node_types"); v != nil {
		x.ValidTargetNodeTypes = typesNamed[NodeType](d, nodeKind, v, "valid_target_node_types")
	}
	if v := n.Get("valid_source_node_types"); v != nil {
		x.ValidSourceNodeTypes = typesNamed[NodeType](d, nodeKind, v, "valid_source_node_types")
	}
}

// validTargets reads valid_target_types of 1.x, which the specification
// defines as capability types and whose own examples fill with node types.
func (d *document) validTargets(n *yamlx.Node) (caps []*CapabilityType, nodes []*NodeType) {
	for _, item := range d.strings(n, "valid_target_types") {
		if t := d.named(capabilityKind, item); t != nil {
			caps = append(caps, t.typ.(*CapabilityType))
		} else if t := d.named(nodeKind, item); t != nil {
			nodes = append(nodes, t.typ.(*NodeType))
		} else {
			d.unknownType(capabilityKind, item)
		}
	}
	return caps, nodes
}

func (r *typeResolver) groupType(d *document, n *yamlx.Node, x *GroupType) {
	var props []*PropertyDefinition
	var attrs []*AttributeDefinition
	if p := x.Parent; p != nil {
		props, attrs, x.Members = p.Properties, p.Attributes, p.Members
	}
	x.Properties = r.properties(d, n.Get("properties"), props, "property definition")
	x.Attributes = d.attributes(n.Get("attributes"), attrs)
	if m := n.Get("members"); m != nil {
		x.Members = typesNamed[NodeType](d, nodeKind, m, "members")
	}
}

func (r *typeResolver) policyType(d *document, n *yamlx.Node, x *PolicyType) {
	var props []*PropertyDefinition
	if p := x.Parent; p != nil {
		props, x.TargetNodes, x.TargetGroups, x.Triggers = p.Properties, p.TargetNodes, p.TargetGroups, p.Triggers
	}
	x.Properties = r.properties(d, n.Get("properties"), props, "property definition")
	if t := n.Get("targets"); t != nil {
		x.TargetNodes, x.TargetGroups = nil, nil
		for _, item := range d.strings(t, "targets") {
			if t := d.named(nodeKind, item); t != nil {
				x.TargetNodes = append(x.TargetNodes, t.typ.(*NodeType))
			} else if t := d.named(groupKind, item); t != nil {
				x.TargetGroups = append(x.TargetGroups, t.typ.(*GroupType))
			} else {
				d.unknownType(nodeKind, item)
			}
		}
	}
	x.Triggers = d.triggers(n.Get("triggers"), x.Triggers)
}
