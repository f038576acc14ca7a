package tosca

import (
	"fmt"
	"slices"

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
	// later is what waits for all types.
	later                []func()
	attributeDefinitions []located[*AttributeDefinition]
	// scalars are the scalar types of TOSCA 2.0, to be checked at the same time.
	scalars []*typeDecl
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
		if kind == dataKind {
			r.dataComplete(docs)
		}
	}
	for _, f := range r.later {
		f()
	}
	r.later = nil
}

// dataComplete does what waited for all data types.
func (r *typeResolver) dataComplete(docs []*document) {
	for _, d := range docs {
		d.dataComplete = true
		for _, f := range d.later {
			f()
		}
		d.later = nil
	}
	r.checkScalars()
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
	t.header.Version = d.typeVersion(t.node.Get("version"))
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

// typeVersion reads the version of a type.
//
// Source: TOSCA 1.3 section 3.7.1, TOSCA 2.0 sections 6.4 and 9.1.2.3.
func (d *document) typeVersion(n *yamlx.Node) string {
	if n.IsNull() {
		return ""
	}
	if _, err := ParseVersion(d.text(n, "version")); err != nil && n.Kind == yamlx.Scalar {
		dia := d.errorf(codeBadVersion, n, "%s", err)
		dia.Detail = "A version is major.minor[.fix[.qualifier[-build]]]."
		if !d.v.v2() {
			dia.Severity = Warning
		}
	}
	return n.Text
}

// dataType reads a data type.
//
// Source: TOSCA 1.3 section 3.7.6, TOSCA 2.0 section 9.2.
func (r *typeResolver) dataType(t *typeDecl, x *DataType) {
	d, n := t.doc, t.node
	x.Parent = parentOf[DataType](r, t)
	var inherited []*PropertyDefinition
	if p := x.Parent; p != nil {
		inherited, x.Constraints, x.Key, x.Entry = p.Properties, p.Constraints, p.Key, p.Entry
	}
	r.scalarType(t, x)
	x.Properties = r.properties(d, n.Get("properties"), inherited, propertyConstruct)
	own := d.parser().constraints(either(n, "constraints", "validation"))
	x.Constraints = append(x.Constraints[:len(x.Constraints):len(x.Constraints)], own...)
	x.Key = d.refinedEntry(n.Get("key_schema"), x.Key, x.Name)
	x.Entry = d.refinedEntry(n.Get("entry_schema"), x.Entry, x.Name)
	if d.builtin || r.brokenTypes[t.typ] {
		return
	}
	d.afterData(func() {
		checkConstraintTypes(own, x, d.s)
		checkClauses(own, &Schema{Type: x, strict: d.v.v2()}, d.s)
		d.checkDataType(t, x)
	})
}

// checkDataType checks which keynames go together in a data type.
func (d *document) checkDataType(t *typeDecl, x *DataType) {
	n, p := t.node, x.primitive()
	strict := func(dia *Diagnostic) {
		dia.Section = "TOSCA 2.0 section 9.2"
		if !d.v.v2() {
			dia.Severity, dia.Section = Warning, d.v.section+" section 3.7.6"
		}
	}
	if primitives[x.Name] != nil && d.primitive(x.Name) != nil {
		strict(d.errorf(codeReservedName, t.key, "%q is the name of a built-in type", x.Name))
	}
	props := fieldOf(n, "properties")
	switch {
	case props != nil && p != complexType && x.Scalar == nil:
		strict(d.misplaced(props.Key, "%q derives from the built-in type %s, so it cannot have properties", x.Name, x.root().Name))
	case props != nil && props.Value.IsNull() && d.v.v2():
		strict(d.wrongShape(props.Value, "properties", "a map"))
	case props != nil && len(props.Value.Fields) == 0 && d.v.v2():
		strict(d.errorf(codeWrongShape, props.Value, "properties must have at least one property"))
	case props == nil && n.Get("derived_from").IsNull():
		strict(d.errorf(codeMissingKeyname, t.key, "the data type %q needs derived_from or properties", x.Name))
	}
	if x.Scalar == nil && p == scalarType {
		return
	}
	d.checkCollection(p, x.Name, x.Key, x.Entry, n, t.key)
}

// root is the type that a type derives from in the end.
func (t *DataType) root() *DataType {
	const deepest = 1000
	for i := 0; t.Parent != nil && i < deepest; i++ {
		t = t.Parent
	}
	return t
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
	x.Properties = r.properties(d, n.Get("properties"), inherited, propertyConstruct)
}

func (r *typeResolver) capabilityType(d *document, n *yamlx.Node, x *CapabilityType) {
	var props []*PropertyDefinition
	var attrs []*AttributeDefinition
	if p := x.Parent; p != nil {
		props, attrs, x.ValidSourceNodeTypes, x.ValidRelationshipTypes = p.Properties, p.Attributes, p.ValidSourceNodeTypes, p.ValidRelationshipTypes
	}
	x.Properties = r.properties(d, n.Get("properties"), props, propertyConstruct)
	x.Attributes = r.attributes(d, n.Get("attributes"), attrs)
	if v := either(n, "valid_source_types", "valid_source_node_types"); v != nil {
		x.ValidSourceNodeTypes = narrowed(r, d, nodeKind, v, d.v.validSourceTypes, x.ValidSourceNodeTypes)
	}
	if v := n.Get("valid_relationship_types"); v != nil {
		x.ValidRelationshipTypes = narrowed(r, d, relationshipKind, v, "valid_relationship_types", x.ValidRelationshipTypes)
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
	x.Properties = r.properties(d, n.Get("properties"), props, propertyConstruct)
	x.Attributes = r.attributes(d, n.Get("attributes"), attrs)
	x.Interfaces = r.interfaces(d, n.Get("interfaces"), ifaces, nil)
	if v := n.Get("valid_target_types"); v != nil {
		x.ValidCapabilityTypes, x.ValidTargetNodeTypes = d.validTargets(v)
	}
	if v := n.Get("valid_capability_types"); v != nil {
		x.ValidCapabilityTypes = narrowed(r, d, capabilityKind, v, "valid_capability_types", x.ValidCapabilityTypes)
	}
	if v := n.Get("valid_target_node_types"); v != nil {
		x.ValidTargetNodeTypes = narrowed(r, d, nodeKind, v, "valid_target_node_types", x.ValidTargetNodeTypes)
	}
	if v := n.Get("valid_source_node_types"); v != nil {
		x.ValidSourceNodeTypes = narrowed(r, d, nodeKind, v, "valid_source_node_types", x.ValidSourceNodeTypes)
	}
}

// narrowed reads a list of types that may only narrow the inherited one: each
// is in it, or derives from one in it. An empty or missing list allows all. In
// TOSCA 1.x, which says so for some lists only, a wider one is a warning.
//
// Source: TOSCA 2.0 sections 7.3, 8.1, 8.2, 16.1 and 16.3.
func narrowed[T interface {
	comparable
	isA(T) bool
}](r *typeResolver, d *document, kind typeKind, n *yamlx.Node, what string, inherited []T) []T {
	var list []T
	var nodes []*yamlx.Node
	for _, item := range d.typeNames(n, what) {
		if t := typeNamedAny(d, kind, item); t != nil {
			list = append(list, t.typ.(T))
			nodes = append(nodes, item)
		}
	}
	if len(inherited) == 0 {
		return list
	}
	r.afterTypes(func() {
		for i, t := range list {
			if !slices.ContainsFunc(inherited, t.isA) {
				dia := d.badRefinement(nodes[i], "%s is not among the inherited %s and derives from none of them", nodes[i].Text, what)
				if !d.v.v2() {
					dia.Severity, dia.Code = Warning, codeLooseRefinement
				}
			}
		}
	})
	return list
}

// typeNames returns a list of names of types, which TOSCA 2.0 wants to be a list.
func (d *document) typeNames(n *yamlx.Node, what string) []*yamlx.Node {
	if d.v.v2() && n.Kind == yamlx.Scalar && !n.IsNull() {
		d.wrongShape(n, what, "a list of names")
		return nil
	}
	return d.strings(n, what)
}

// afterTypes does what needs the derivation of all types.
func (r *typeResolver) afterTypes(f func()) { r.later = append(r.later, f) }

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
	x.Properties = r.properties(d, n.Get("properties"), props, propertyConstruct)
	x.Attributes = r.attributes(d, n.Get("attributes"), attrs)
	if m := n.Get("members"); m != nil {
		x.Members = narrowed(r, d, nodeKind, m, "members", x.Members)
	}
}

func (r *typeResolver) policyType(d *document, n *yamlx.Node, x *PolicyType) {
	var props []*PropertyDefinition
	if p := x.Parent; p != nil {
		props, x.TargetNodes, x.TargetGroups, x.Triggers = p.Properties, p.TargetNodes, p.TargetGroups, p.Triggers
	}
	x.Properties = r.properties(d, n.Get("properties"), props, propertyConstruct)
	if t := n.Get("targets"); t != nil {
		r.policyTargets(d, t, x)
	}
	x.Triggers = d.triggers(n.Get("triggers"), x.Triggers)
}

// policyTargets reads the node and group types that a policy aims at.
func (r *typeResolver) policyTargets(d *document, n *yamlx.Node, x *PolicyType) {
	nodes, groups := x.TargetNodes, x.TargetGroups
	x.TargetNodes, x.TargetGroups = nil, nil
	for _, item := range d.typeNames(n, "targets") {
		var fits func() bool
		if t := d.named(nodeKind, item); t != nil {
			x.TargetNodes = append(x.TargetNodes, t.typ.(*NodeType))
			fits = func() bool { return slices.ContainsFunc(nodes, t.typ.(*NodeType).isA) }
		} else if t := d.named(groupKind, item); t != nil {
			x.TargetGroups = append(x.TargetGroups, t.typ.(*GroupType))
			fits = func() bool { return slices.ContainsFunc(groups, t.typ.(*GroupType).isA) }
		} else {
			d.unknownType(nodeKind, item)
			continue
		}
		if len(nodes)+len(groups) == 0 {
			continue
		}
		r.afterTypes(func() {
			if !fits() {
				dia := d.badRefinement(item, "%s is not among the inherited targets and derives from none of them", item.Text)
				if !d.v.v2() {
					dia.Severity, dia.Code = Warning, codeLooseRefinement
				}
			}
		})
	}
}
