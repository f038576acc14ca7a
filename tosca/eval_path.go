package tosca

import (
	"fmt"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// place is what a path such as [SELF, host, config, port] leads to: a property
// or attribute of one owner, and the nested keys and indices behind it. The
// owner is the capability or policy where there is one, else the entity.
type place struct {
	entity     Entity
	capability *Capability
	policy     *Policy
	name       string
	rest       []any
}

// pathError says why a path leads nowhere.
type pathError struct {
	// code is that of a Diagnostic.
	code string
	// arg is the number of the path's element that is wrong, from 0.
	arg        int
	message    string
	suggestion string
	// hint says what to write instead.
	hint string
	// maybe tells that the path may be right although it leads nowhere now.
	maybe bool
	// follows tells that the owner's type could not be read, which is reported
	// where it is named.
	follows bool
}

func (e *pathError) Error() string {
	if e.suggestion != "" {
		return e.message + "; did you mean " + show(e.suggestion) + "?"
	}
	return e.message
}

// errorCode is the code of the error that an evaluation returns.
func (e *pathError) errorCode() errs.Code {
	switch {
	case e.maybe:
		return errs.FailedPrecondition
	case e.code == "misplaced-keyword" || e.code == "function-arguments":
		return errs.InvalidArgument
	}
	return errs.NotFound
}

// resolver follows the paths of get_property and get_attribute.
//
// Source: TOSCA 1.3 sections 4.4.2 and 4.5.1. Beyond them, a path may go
// through any number of requirements, and names a node type for the first node
// template of it, as xOpera has it. The property or attribute after a
// requirement is the target node's, else that of the capability that fulfils
// the requirement, else, where nothing else has one, that of the relationship.
type resolver struct {
	self      Entity
	attribute bool
}

// resolve follows a whole path.
func (r resolver) resolve(path []any) (place, *pathError) {
	if len(path) < 2 {
		return place{}, &pathError{code: "function-arguments", message: "the path needs an entity and a name"}
	}
	starts, policy, err := r.starts(path[0])
	if err != nil {
		return place{}, err
	}
	var first *pathError
	if policy != nil {
		p, err := r.policyPlace(policy, path)
		if err == nil {
			return p, nil
		}
		first = err
	}
	for _, start := range starts {
		if start.Node == nil && start.Relationship == nil {
			continue // a policy alone
		}
		p, err := r.walk(start, path, 1)
		if err == nil {
			return p, nil
		}
		if first == nil {
			first = err
		}
	}
	return place{}, first
}

// starts returns the policy and the entities that a path may begin at: several
// entities only for HOST, where the first that has what is looked for counts,
// and a policy beside an entity only for SELF in the action of a trigger.
func (r resolver) starts(name any) ([]Entity, *Policy, *pathError) {
	word, ok := name.(string)
	if !ok {
		return nil, nil, &pathError{code: "function-arguments", message: fmt.Sprintf("%s names no entity", show(name))}
	}
	switch word {
	case "SELF":
		if r.self.Node == nil && r.self.Relationship == nil && r.self.Policy == nil {
			return nil, nil, misplaced(word, "a node or a relationship template")
		}
		return []Entity{r.self}, r.self.Policy, nil
	case "SOURCE", "TARGET":
		if r.self.Relationship == nil || r.self.Relationship.Requirement == nil {
			return nil, nil, misplaced(word, "a relationship")
		}
		requirement := r.self.Relationship.Requirement
		if word == "SOURCE" {
			return []Entity{r.node(requirement.Source)}, nil, nil
		}
		return []Entity{r.node(requirement.Target)}, nil, nil
	case "HOST":
		return r.hosts()
	}
	return r.named(word)
}

func misplaced(word, where string) *pathError {
	return &pathError{code: "misplaced-keyword", message: word + " has a meaning only in " + where}
}

// hosts returns the hosts of the node up the chain of HostedOn.
func (r resolver) hosts() ([]Entity, *Policy, *pathError) {
	if r.self.Node == nil {
		return nil, nil, misplaced("HOST", "a node template")
	}
	var chain []Entity
	seen := map[*NodeTemplate]bool{r.self.Node: true}
	for host := r.self.Node.Host(); host != nil && !seen[host]; host = host.Host() {
		seen[host] = true
		chain = append(chain, r.node(host))
	}
	if chain == nil {
		return nil, nil, &pathError{code: "no-host", message: "the node template " + r.self.Node.Name + " is hosted on nothing", maybe: true}
	}
	return chain, nil, nil
}

// named finds an entity by its name, then by the name of its type.
func (r resolver) named(name string) ([]Entity, *Policy, *pathError) {
	t := r.service()
	if t == nil {
		return nil, nil, &pathError{code: "unknown-entity", message: fmt.Sprintf("there is no service template to find %s in", show(name))}
	}
	if n := t.Node(name); n != nil {
		return []Entity{r.node(n)}, nil, nil
	}
	if t.absent[name] != nil {
		return nil, nil, &pathError{code: codeNoRepresentation, message: fmt.Sprintf("the node template %s has the count 0: there is no such node", show(name)), maybe: true}
	}
	if rel := usedRelationship(t, name); rel != nil {
		return []Entity{{Service: t, Relationship: rel}}, nil, nil
	}
	if nt := t.nodeType(name); nt != nil {
		for _, n := range t.Nodes {
			if n.of(t) && n.Type.isA(nt) {
				return []Entity{r.node(n)}, nil, nil
			}
		}
	}
	for _, p := range t.Policies {
		if p.Name == name || p.Type.IsA(name) {
			return nil, p, nil
		}
	}
	return nil, nil, &pathError{
		code:       "unknown-entity",
		message:    fmt.Sprintf("there is no node template, relationship template or policy %s", show(name)),
		suggestion: nearest(name, entityNames(t)),
	}
}

// usedRelationship returns the relationship of the last requirement that uses
// the relationship template of that name, or the template itself where none
// does, or nil.
func usedRelationship(t *ServiceTemplate, name string) *RelationshipTemplate {
	var found *RelationshipTemplate
	for _, rel := range t.Relationships {
		if rel.Name == name {
			found = rel
		}
	}
	if found == nil {
		return nil
	}
	for _, n := range t.Nodes {
		for _, req := range n.Requirements {
			if n.of(t) && req.Relationship != nil && req.Relationship.Name == name {
				found = req.Relationship
			}
		}
	}
	return found
}

func entityNames(t *ServiceTemplate) []string {
	names := []string{"SELF", "SOURCE", "TARGET", "HOST"}
	for _, n := range t.Nodes {
		names = append(names, n.Name)
	}
	for _, rel := range t.Relationships {
		names = append(names, rel.Name)
	}
	for _, p := range t.Policies {
		names = append(names, p.Name)
	}
	return names
}

// nodeType returns a node type by any of its names, or nil.
func (t *ServiceTemplate) nodeType(name string) *NodeType {
	if t.Types == nil {
		return nil
	}
	return t.Types.Node[name]
}

func (r resolver) service() *ServiceTemplate {
	switch {
	case r.self.Node != nil && r.self.Node.service != nil:
		return r.self.Node.service
	case r.self.Relationship != nil && r.self.Relationship.service != nil:
		return r.self.Relationship.service
	case r.self.Service == nil && r.self.Policy != nil:
		return r.self.Policy.service
	}
	return r.self.Service
}

// node returns the entity of another node, which may belong to the service
// around this one.
func (r resolver) node(n *NodeTemplate) Entity {
	if n != nil && n.service != nil {
		return Entity{Service: n.service, Node: n}
	}
	return Entity{Service: r.service(), Node: n}
}

// of tells whether a node is one of the service itself, not one of those that
// substitute its nodes.
func (n *NodeTemplate) of(t *ServiceTemplate) bool { return n.service == nil || n.service == t }

// walk follows path from its element i on, beginning at an entity.
func (r resolver) walk(at Entity, path []any, i int) (place, *pathError) {
	if i >= len(path) {
		return place{}, &pathError{code: "function-arguments", arg: len(path) - 1, message: "the path ends before a property or attribute"}
	}
	name, ok := path[i].(string)
	if !ok {
		return place{}, &pathError{code: "function-arguments", arg: i, message: show(path[i]) + " is no name"}
	}
	if at.Relationship != nil {
		return r.walkRelationship(at, name, path, i)
	}
	if at.Node == nil {
		return place{}, &pathError{code: "unknown-entity", arg: i - 1, message: "the requirement has no target", maybe: true}
	}
	return r.walkNode(at, name, path, i)
}

// walkNode takes a name for a requirement, else a capability, where more comes
// behind it, else for a property or attribute of the node.
func (r resolver) walkNode(at Entity, name string, path []any, i int) (place, *pathError) {
	n := at.Node
	var inside *pathError
	if i+1 < len(path) {
		for _, req := range n.Requirements {
			if req.Name != name {
				continue
			}
			p, err := r.walkRequirement(req, path, i+1)
			if err == nil {
				return p, nil
			}
			if inside == nil {
				inside = err
			}
		}
		if c := n.Capability(name); c != nil {
			p, err := r.walkCapability(at, c, path, i+1)
			if err == nil {
				return p, nil
			}
			if inside == nil {
				inside = err
			}
		}
	}
	if n.hasProperty(name) || r.attribute && n.hasAttribute(name) {
		return place{entity: at, name: name, rest: path[i+1:]}, nil
	}
	if inside != nil {
		if p, ok := r.inRelationship(n, path, i); ok {
			return p, nil
		}
		return place{}, inside
	}
	if i+1 < len(path) && n.Type.Requirement(name) != nil {
		return place{}, &pathError{code: "unassigned-requirement", arg: i, maybe: true,
			message: fmt.Sprintf("the requirement %s of the node template %s has no target", name, n.Name)}
	}
	return place{}, r.unknownInNode(n, name, i, i+1 < len(path))
}

// walkRequirement looks in the target node, then in the capability that
// fulfils the requirement.
func (r resolver) walkRequirement(req *Requirement, path []any, i int) (place, *pathError) {
	target := r.node(req.Target)
	p, err := r.walk(target, path, i)
	if err == nil || req.Capability == nil {
		return p, err
	}
	if p, err := r.walkCapability(target, req.Capability, path, i); err == nil {
		return p, nil
	}
	return place{}, err
}

// inRelationship looks in the relationships of a requirement, which is where the
// properties lie that are assigned with the requirement itself.
func (r resolver) inRelationship(n *NodeTemplate, path []any, i int) (place, bool) {
	name, _ := path[i+1].(string)
	for _, req := range n.Requirements {
		rel := req.Relationship
		if req.Name != path[i] || rel == nil || rel.Type == nil {
			continue
		}
		if rel.hasProperty(name) || r.attribute && rel.hasAttribute(name) {
			return place{entity: Entity{Service: r.node(n).Service, Relationship: rel}, name: name, rest: path[i+2:]}, true
		}
	}
	return place{}, false
}

func (r resolver) walkCapability(at Entity, c *Capability, path []any, i int) (place, *pathError) {
	name, ok := path[i].(string)
	if !ok {
		return place{}, &pathError{code: "function-arguments", arg: i, message: show(path[i]) + " is no name"}
	}
	names := assignmentNames(c.Properties)
	known := assignment(c.Properties, name) != nil
	if c.Type != nil {
		known = known || propertyOf(c.Type.Properties, name) != nil
		names = append(names, propertyNames(c.Type.Properties)...)
	}
	if c.Definition != nil {
		known = known || propertyOf(c.Definition.Properties, name) != nil
		names = append(names, propertyNames(c.Definition.Properties)...)
	}
	if !known && r.attribute {
		known, names = capabilityAttribute(c, name, names)
	}
	if known {
		return place{entity: at, capability: c, name: name, rest: path[i+1:]}, nil
	}
	return place{}, r.unknown("capability "+c.Name+" of the node template "+at.Node.Name, name, i, names)
}

func capabilityAttribute(c *Capability, name string, names []string) (bool, []string) {
	known := assignment(c.Attributes, name) != nil
	names = append(names, assignmentNames(c.Attributes)...)
	if c.Type != nil {
		known = known || attributeNamed(c.Type.Attributes, name) != nil
		names = append(names, attributeNames(c.Type.Attributes)...)
	}
	if c.Definition != nil {
		known = known || attributeNamed(c.Definition.Attributes, name) != nil
		names = append(names, attributeNames(c.Definition.Attributes)...)
	}
	return known, names
}

// walkRelationship looks in the relationship, then along the requirements of
// its source, which published relationship types rely on.
func (r resolver) walkRelationship(at Entity, name string, path []any, i int) (place, *pathError) {
	rel := at.Relationship
	if rel.hasProperty(name) || r.attribute && rel.hasAttribute(name) {
		return place{entity: at, name: name, rest: path[i+1:]}, nil
	}
	if req := rel.Requirement; req != nil && req.Source != nil && i+1 < len(path) {
		if p, err := r.walk(r.node(req.Source), path, i); err == nil {
			return p, nil
		}
	}
	names := append(assignmentNames(rel.Properties), propertyNames(rel.Type.Properties)...)
	if r.attribute {
		names = append(names, attributeNames(rel.Type.Attributes)...)
	}
	err := r.unknown("relationship "+rel.label(), name, i, names)
	err.follows = rel.Type.Name == ""
	return place{}, err
}

// label names a relationship for a message.
func (rel *RelationshipTemplate) label() string {
	switch {
	case rel.Name != "":
		return rel.Name
	case rel.Requirement != nil && rel.Requirement.Source != nil:
		return "of the requirement " + rel.Requirement.Name + " of " + rel.Requirement.Source.Name
	}
	return "of type " + rel.Type.Name
}

func (r resolver) policyPlace(p *Policy, path []any) (place, *pathError) {
	name, ok := path[1].(string)
	if !ok {
		return place{}, &pathError{code: "function-arguments", arg: 1, message: show(path[1]) + " is no name"}
	}
	if assignment(p.Properties, name) != nil || propertyOf(p.Type.Properties, name) != nil {
		return place{entity: Entity{Service: r.service(), Policy: p}, policy: p, name: name, rest: path[2:]}, nil
	}
	err := r.unknown("policy "+p.Name, name, 1, propertyNames(p.Type.Properties))
	err.follows = p.Type.Name == ""
	return place{}, err
}

func (r resolver) unknownInNode(n *NodeTemplate, name string, arg int, more bool) *pathError {
	names := append(assignmentNames(n.Properties), propertyNames(n.Type.Properties)...)
	if r.attribute {
		names = append(names, assignmentNames(n.Attributes)...)
		names = append(names, attributeNames(n.Type.Attributes)...)
	} else if n.hasAttribute(name) {
		return &pathError{code: "unknown-property", arg: arg,
			message: fmt.Sprintf("%s is an attribute of the node template %s, not a property; use get_attribute", show(name), n.Name)}
	}
	if more {
		for _, req := range n.Requirements {
			names = append(names, req.Name)
		}
		for _, c := range n.Capabilities {
			names = append(names, c.Name)
		}
	}
	err := r.unknown("node template "+n.Name, name, arg, names)
	err.follows = n.Type.Name == ""
	return err
}

func (r resolver) unknown(owner, name string, arg int, names []string) *pathError {
	what := "property"
	if r.attribute {
		what = "attribute"
	}
	return &pathError{
		code: "unknown-" + what, arg: arg,
		message:    fmt.Sprintf("the %s has no %s %s", owner, what, show(name)),
		suggestion: nearest(name, names),
	}
}
