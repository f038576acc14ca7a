package tosca

import (
	"fmt"
	"math/big"
	"slices"
)

// pathFunctions are the functions of TOSCA 2.0 that follow a TOSCA path. Where
// the path has the index ALL, they return the list of what all places hold.
//
// Source: TOSCA 2.0 sections 10.2.1.2 to 10.2.1.4, 10.2.1.8 and 10.3.
var pathFunctions = []*function{
	{name: "get_property", asks: true, from: 20, to: 20, min: 2, max: Unbounded, typeOf: typeOfPath, section: "10.2.1.2",
		usage: "get_property: [SELF or node, path ..., property, key or index, ...]", eval: evalPathProperty},
	{name: "get_attribute", asks: true, from: 20, to: 20, min: 2, max: Unbounded, typeOf: typeOfPath, section: "10.2.1.3",
		usage: "get_attribute: [SELF or node, path ..., attribute, key or index, ...]", eval: evalPathAttribute},
	{name: "get_artifact", asks: true, from: 20, to: 20, min: 2, max: Unbounded, gives: "string", section: "10.2.1.4",
		usage: "get_artifact: [SELF or node, path ..., artifact]", eval: evalPathArtifact},
	{name: "available_allocation", asks: true, from: 20, to: 20, min: 3, max: Unbounded, typeOf: typeOfPath, section: "10.2.1.8",
		usage: "available_allocation: [path to a capability ..., property]", eval: evalAvailableAllocation},
}

// stop is where a TOSCA path leads: a node, a relationship, or a capability of
// a node.
type stop struct {
	entity     Entity
	capability *Capability
}

// toscaPath follows the steps of a TOSCA path. It returns all places that the
// path leads to (several where an index is ALL), and how many elements of the
// path it took.
//
// Source: TOSCA 2.0 section 10.3.
type toscaPath struct {
	resolver
	elements []any
	// at is the next element; all tells that an index was ALL.
	at  int
	all bool
}

// follow goes along the path and leaves the name that comes behind it.
func (r resolver) follow(elements []any) (stops []stop, rest []any, all bool, err *pathError) {
	p := &toscaPath{resolver: r, elements: elements}
	if stops, err = p.start(); err != nil {
		return nil, nil, false, err
	}
	for {
		word, _ := p.peek(0).(string)
		if p.at >= len(elements)-1 || !slices.Contains([]string{"RELATIONSHIP", "CAPABILITY", "SOURCE", "TARGET"}, word) {
			break
		}
		if stops, err = p.step(word, stops); err != nil {
			return nil, nil, false, err
		}
	}
	if p.at >= len(elements) {
		return nil, nil, false, &pathError{code: "function-arguments", arg: len(elements) - 1, message: "the path ends before a name"}
	}
	return stops, elements[p.at:], p.all, nil
}

func (p *toscaPath) peek(n int) any {
	if p.at+n < len(p.elements) {
		return p.elements[p.at+n]
	}
	return nil
}

// start finds where the path begins.
func (p *toscaPath) start() ([]stop, *pathError) {
	name, ok := p.elements[0].(string)
	if !ok {
		return nil, &pathError{code: "function-arguments", message: fmt.Sprintf("%s names no entity", show(p.elements[0]))}
	}
	p.at = 1
	switch name {
	case "SELF":
		if p.self.Node == nil && p.self.Relationship == nil && p.self.Policy == nil {
			return nil, misplaced(name, "a node or a relationship template")
		}
		return []stop{{entity: p.self}}, nil
	case "SOURCE", "TARGET", "HOST":
		err := &pathError{code: "misplaced-keyword", message: fmt.Sprintf("a TOSCA path does not begin with %s", name)}
		err.hint = "Write SELF, " + name + "."
		if name == "HOST" {
			err.hint = "Follow the requirement: SELF, RELATIONSHIP, host, TARGET."
		}
		return nil, err
	}
	t := p.service()
	if t == nil {
		return nil, &pathError{code: "unknown-entity", message: fmt.Sprintf("there is no service template to find %s in", show(name))}
	}
	if list := t.Representations(name); list != nil || t.absent[name] != nil {
		if list == nil && p.peek(0) != "ALL" {
			return nil, &pathError{code: codeNoRepresentation, maybe: true,
				message: fmt.Sprintf("the node template %s has the count 0: there is no such node", show(name))}
		}
		return p.pick(len(list), "representations of the node template "+name, func(i int) stop { return stop{entity: p.node(list[i])} })
	}
	if rel := usedRelationship(t, name); rel != nil {
		return []stop{{entity: Entity{Service: t, Relationship: rel}}}, nil
	}
	if pol := t.Policy(name); pol != nil {
		return []stop{{entity: Entity{Service: t, Policy: pol}}}, nil
	}
	return nil, &pathError{code: "unknown-entity",
		message:    fmt.Sprintf("there is no node template or relationship template %s", show(name)),
		suggestion: nearest(name, entityNames(t))}
}

// pick reads an optional index and returns the one of n things that it means,
// or all.
func (p *toscaPath) pick(n int, what string, get func(i int) stop) ([]stop, *pathError) {
	index := int64(0)
	switch x := p.peek(0).(type) {
	case int64:
		index = x
		p.at++
	case string:
		if x == "ALL" && p.at < len(p.elements)-1 {
			p.at++
			p.all = true
			stops := make([]stop, n)
			for i := range stops {
				stops[i] = get(i)
			}
			return stops, nil
		}
	}
	if index < 0 || index >= int64(n) {
		return nil, &pathError{code: codeNoSuchIndex, arg: min(p.at, len(p.elements)) - 1, maybe: true,
			message: fmt.Sprintf("there are %d %s, none with index %d", n, what, index)}
	}
	return []stop{get(int(index))}, nil
}

// step takes one keyword with what belongs to it, from all places at once.
func (p *toscaPath) step(word string, from []stop) ([]stop, *pathError) {
	begin := p.at
	var reached []stop
	end := begin + 1
	for _, s := range from {
		p.at = begin + 1
		stops, err := p.stepFrom(word, s, begin)
		if err != nil {
			return nil, err
		}
		end = max(end, p.at)
		if reached = append(reached, stops...); len(reached) > maxPathStops {
			return nil, &pathError{code: "function-arguments", arg: begin, message: fmt.Sprintf("the path leads to more than %d places", maxPathStops)}
		}
	}
	if len(from) == 0 {
		// Nothing is there to go on from; the elements of the step are skipped.
		if word == "RELATIONSHIP" || word == "CAPABILITY" {
			p.skip(word)
		}
		end = max(end, p.at)
	}
	p.at = end
	return reached, nil
}

// maxPathStops bounds to how many places a path with ALL may lead.
const maxPathStops = 100_000

// skip passes the name and index of a step that starts nowhere.
func (p *toscaPath) skip(string) {
	p.at += 2
	if _, ok := p.peek(0).(int64); ok || p.peek(0) == "ALL" {
		p.at++
	}
	p.at = min(p.at, len(p.elements)-1)
}

func (p *toscaPath) stepFrom(word string, s stop, at int) ([]stop, *pathError) {
	switch {
	case s.capability != nil && word == "RELATIONSHIP":
		return p.incoming(s)
	case s.capability == nil && s.entity.Relationship != nil && word != "RELATIONSHIP":
		return p.fromRelationship(word, s.entity.Relationship, at)
	case s.capability == nil && s.entity.Node != nil && word == "RELATIONSHIP":
		return p.outgoing(s.entity.Node)
	case s.capability == nil && s.entity.Node != nil && word == "CAPABILITY":
		return p.capabilityOf(s.entity)
	}
	return nil, &pathError{code: "misplaced-keyword", arg: at,
		message: fmt.Sprintf("%s does not lead on from %s", word, s.label())}
}

// label names the place for a message.
func (s stop) label() string {
	switch {
	case s.capability != nil:
		return "the capability " + s.capability.Name + " of the node template " + s.entity.Node.Name
	case s.entity.Relationship != nil:
		return "the relationship " + s.entity.Relationship.label()
	case s.entity.Node != nil:
		return "the node template " + s.entity.Node.Name
	case s.entity.Policy != nil:
		return "the policy " + s.entity.Policy.Name
	}
	return "the service"
}

func (p *toscaPath) name(what string) (string, *pathError) {
	name, ok := p.peek(0).(string)
	if !ok {
		return "", &pathError{code: "function-arguments", arg: min(p.at, len(p.elements)-1), message: "the name of " + what + " is missing"}
	}
	p.at++
	return name, nil
}

// outgoing follows a requirement of a node.
func (p *toscaPath) outgoing(n *NodeTemplate) ([]stop, *pathError) {
	name, err := p.name("a requirement")
	if err != nil {
		return nil, err
	}
	var reqs []*Requirement
	for _, r := range n.Requirements {
		if r.Name == name && r.Relationship != nil {
			reqs = append(reqs, r)
		}
	}
	if len(reqs) == 0 && n.Type.Requirement(name) == nil && n.Type.Name != "" {
		var names []string
		for _, def := range n.Type.Requirements {
			names = append(names, def.Name)
		}
		return nil, &pathError{code: codeUnknownRequirement, arg: p.at - 1, suggestion: nearest(name, names),
			message: fmt.Sprintf("the node template %s has no requirement %s", n.Name, show(name))}
	}
	return p.pick(len(reqs), fmt.Sprintf("relationships of the requirement %s of the node template %s", name, n.Name),
		func(i int) stop {
			return stop{entity: Entity{Service: p.service(), Relationship: reqs[i].Relationship}}
		})
}

// incoming follows the relationships that lead to a capability, backwards.
func (p *toscaPath) incoming(s stop) ([]stop, *pathError) {
	var rels []*RelationshipTemplate
	for _, r := range s.entity.Node.Incoming {
		if r.Capability == s.capability && r.Relationship != nil {
			rels = append(rels, r.Relationship)
		}
	}
	return p.pick(len(rels), "relationships to "+s.label(), func(i int) stop {
		return stop{entity: Entity{Service: p.service(), Relationship: rels[i]}}
	})
}

func (p *toscaPath) fromRelationship(word string, rel *RelationshipTemplate, at int) ([]stop, *pathError) {
	req := rel.Requirement
	if req == nil {
		return nil, &pathError{code: "unassigned-requirement", arg: at, maybe: true,
			message: fmt.Sprintf("no requirement uses the relationship %s", rel.label())}
	}
	switch word {
	case "SOURCE":
		return []stop{{entity: p.node(req.Source)}}, nil
	case "TARGET":
		return []stop{{entity: p.node(req.Target)}}, nil
	}
	if req.Capability == nil {
		return nil, &pathError{code: codeUnknownCapability, arg: at, follows: true, message: "the relationship leads to no capability"}
	}
	return []stop{{entity: p.node(req.Target), capability: req.Capability}}, nil
}

func (p *toscaPath) capabilityOf(e Entity) ([]stop, *pathError) {
	name, err := p.name("a capability")
	if err != nil {
		return nil, err
	}
	if c := e.Node.Capability(name); c != nil {
		return []stop{{entity: e, capability: c}}, nil
	}
	var names []string
	for _, c := range e.Node.Capabilities {
		names = append(names, c.Name)
	}
	return nil, &pathError{code: codeUnknownCapability, arg: p.at - 1, suggestion: nearest(name, names), follows: e.Node.Type.Name == "",
		message: fmt.Sprintf("the node template %s has no capability %s", e.Node.Name, show(name))}
}

// places resolves a whole path of $get_property or $get_attribute.
func (r resolver) places(path []any) (places []place, all bool, err *pathError) {
	stops, rest, all, err := r.follow(path)
	if err != nil {
		return nil, false, err
	}
	for _, s := range stops {
		p, err := r.placeAt(s, path, len(path)-len(rest))
		if err != nil {
			return nil, false, err
		}
		places = append(places, p)
	}
	return places, all, nil
}

// placeAt finds a property or attribute of what a path led to.
func (r resolver) placeAt(s stop, path []any, i int) (place, *pathError) {
	name, ok := path[i].(string)
	if !ok {
		return place{}, &pathError{code: "function-arguments", arg: i, message: show(path[i]) + " is no name"}
	}
	if s.capability != nil {
		return r.walkCapability(s.entity, s.capability, path, i)
	}
	if pol := s.entity.Policy; pol != nil {
		p, err := r.policyPlace(pol, append([]any{path[0]}, path[i:]...))
		if err == nil || s.entity.Node == nil {
			return p, err
		}
	}
	if s.entity.Relationship != nil {
		rel := s.entity.Relationship
		if rel.hasProperty(name) || r.attribute && rel.hasAttribute(name) {
			return place{entity: s.entity, name: name, rest: path[i+1:]}, nil
		}
		names := append(assignmentNames(rel.Properties), propertyNames(rel.Type.Properties)...)
		err := r.unknown("relationship "+rel.label(), name, i, names)
		err.follows = rel.Type.Name == ""
		return place{}, err
	}
	n := s.entity.Node
	if n == nil {
		return place{}, &pathError{code: "unknown-entity", arg: max(0, i-1), message: "the requirement has no target", maybe: true}
	}
	if n.hasProperty(name) || r.attribute && n.hasAttribute(name) {
		return place{entity: s.entity, name: name, rest: path[i+1:]}, nil
	}
	err := r.unknownInNode(n, name, i, false)
	if i+1 < len(path) && (n.Type.Requirement(name) != nil || n.Capability(name) != nil) {
		err.suggestion, err.hint = "", fmt.Sprintf("A path to it says SELF, RELATIONSHIP, %s, TARGET, or SELF, CAPABILITY, %s.", name, name)
	}
	return place{}, err
}

// each evaluates something at all places, into a list where the path has ALL.
func each[T any](all bool, list []T, get func(T) (any, error)) (any, error) {
	if !all {
		if len(list) == 0 {
			return nil, nil
		}
		return get(list[0])
	}
	results := []any{}
	for _, item := range list {
		data, err := get(item)
		if err != nil {
			return nil, err
		}
		results = append(results, data)
	}
	return results, nil
}

func evalPathProperty(e *evaluation, _ *Call, args []any) (any, error) {
	places, all, err := e.resolver(false).places(args)
	if err != nil {
		return nil, err
	}
	return each(all, places, e.property)
}

func evalPathAttribute(e *evaluation, _ *Call, args []any) (any, error) {
	places, all, err := e.resolver(true).places(args)
	if err != nil {
		return nil, err
	}
	return each(all, places, e.attribute)
}

// artifactAt finds the artifact of a node that a path leads to.
func artifactAt(s stop, rest []any, i int) (*Artifact, *pathError) {
	name, ok := rest[0].(string)
	if !ok {
		return nil, &pathError{code: "function-arguments", arg: i, message: show(rest[0]) + " is no name"}
	}
	if s.entity.Node == nil || s.capability != nil {
		return nil, &pathError{code: "unknown-artifact", arg: i, message: s.label() + " has no artifacts"}
	}
	if a := s.entity.Node.Artifact(name); a != nil {
		return a, nil
	}
	var names []string
	for _, a := range s.entity.Node.Artifacts {
		names = append(names, a.Name)
	}
	return nil, &pathError{code: "unknown-artifact", arg: i, suggestion: nearest(name, names),
		message: fmt.Sprintf("%s has no artifact %s", s.label(), show(name))}
}

func evalPathArtifact(e *evaluation, _ *Call, args []any) (any, error) {
	stops, rest, all, pathErr := e.resolver(false).follow(args)
	if pathErr != nil {
		return nil, pathErr
	}
	return each(all, stops, func(s stop) (any, error) {
		a, err := artifactAt(s, rest, len(args)-len(rest))
		if err != nil {
			return nil, err
		}
		return e.artifact(s.entity, a, "", false)
	})
}

// evalAvailableAllocation takes what relationships have allocated from what a
// capability has.
func evalAvailableAllocation(e *evaluation, _ *Call, args []any) (any, error) {
	places, all, pathErr := e.resolver(false).places(args)
	if pathErr != nil {
		return nil, pathErr
	}
	return each(all, places, func(p place) (any, error) {
		if p.capability == nil {
			return nil, &pathError{code: "function-arguments", message: "the path leads to no capability"}
		}
		total, err := e.property(p)
		if err != nil || total == nil {
			return nil, err
		}
		return e.unallocated(p, total)
	})
}

func (e *evaluation) unallocated(p place, left any) (any, error) {
	a := assignment(p.capability.Properties, p.name)
	for _, r := range p.entity.Node.Incoming {
		taken := assignment(r.Allocations, p.name)
		if r.Capability != p.capability || taken == nil {
			continue
		}
		amount, err := e.reference(taken.Value, Entity{Service: p.entity.Service, Relationship: r.Relationship}, nil)
		if err != nil {
			return nil, err
		}
		if amount == nil {
			continue
		}
		if a != nil && a.Schema.isScalar() {
			left, err = a.Schema.minus(left, amount)
		} else {
			left, err = evalSum(nil, &Call{Function: "difference"}, []any{left, amount})
		}
		if err != nil {
			return nil, err
		}
	}
	return left, nil
}

// minus subtracts two values of a scalar type.
func (sc *Schema) minus(a, b any) (any, error) {
	x, isText := a.(string)
	y, both := b.(string)
	if !isText || !both {
		return nil, invalidArgument("%s is no scalar", show(b))
	}
	from, err := sc.amount(x)
	if err != nil {
		return nil, invalidArgument("%w", err)
	}
	take, err := sc.amount(y)
	if err != nil {
		return nil, invalidArgument("%w", err)
	}
	if take.factor.Cmp(from.factor) < 0 {
		from.factor, from.unit = take.factor, take.unit
	}
	return from.write(new(big.Rat).Sub(from.base, take.base)), nil
}

// typeOfPath is the type of the property or attribute that a path leads to, or
// a list of it.
func typeOfPath(t typing, c *Call) *Schema {
	args, ok := callChecker{self: t.self}.arguments(c)
	if !ok || len(args) < 2 {
		return nil
	}
	places, all, err := resolver{self: t.self, attribute: c.Function == "get_attribute"}.places(args)
	if err != nil || len(places) == 0 {
		return nil
	}
	sc := places[0].schema()
	if !all || sc == nil {
		return sc
	}
	return &Schema{Type: schemaNamed("list").Type, Entry: sc}
}

// typeOfPlace is the type of the property or attribute that a path of 1.x leads to.
func typeOfPlace(t typing, c *Call) *Schema {
	args, ok := callChecker{self: t.self}.arguments(c)
	if !ok || len(args) < 2 {
		return nil
	}
	p, err := resolver{self: t.self, attribute: c.Function == "get_attribute"}.resolve(args)
	if err != nil {
		return nil
	}
	return p.schema()
}

// schema returns the type of what the place holds; nil where it is not known.
func (p place) schema() *Schema {
	a := assignment(p.attributes(), p.name)
	if a == nil {
		a = assignment(p.properties(), p.name)
	}
	if a != nil {
		return a.Schema.at(p.rest)
	}
	return nil
}

// typeOfInput is the type of an input, or of a part of it.
func typeOfInput(t typing, c *Call) *Schema {
	args, ok := callChecker{self: t.self}.arguments(c)
	if !ok || len(args) == 0 {
		return nil
	}
	name, _ := args[0].(string)
	service := resolver{self: t.self}.service()
	if service == nil {
		return nil
	}
	if p := service.Input(name); p != nil {
		return p.Schema.at(args[1:])
	}
	return nil
}
