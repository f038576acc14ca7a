package tosca

import (
	"fmt"
	"slices"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// graphFunctions ask the model and the running deployment.
//
// Source: TOSCA 1.3 sections 4.4 to 4.8, TOSCA 2.0 section 10.2.1.
var graphFunctions = []*function{
	{name: "get_input", asks: true, from: 10, to: 13, min: 1, max: Unbounded, typeOf: typeOfInput, section: "4.4.1",
		usage: "get_input: name, or [name, key or index, ...]", eval: evalGetInput},
	{name: "get_input", asks: true, from: 20, to: 20, min: 1, max: Unbounded, typeOf: typeOfInput, section: "10.2.1.1",
		usage: "get_input: name, or [name, key or index, ...]", eval: evalGetInput},
	{name: "get_property", asks: true, from: 10, to: 13, min: 2, max: Unbounded, typeOf: typeOfPlace, section: "4.4.2",
		usage: "get_property: [entity, requirement or capability (optional), property, key or index, ...]", eval: evalGetProperty},
	{name: "get_attribute", asks: true, from: 10, to: 13, min: 2, max: Unbounded, typeOf: typeOfPlace, section: "4.5.1",
		usage: "get_attribute: [entity, requirement or capability (optional), attribute, key or index, ...]", eval: evalGetAttribute},
	{name: "get_operation_output", asks: true, from: 10, to: 13, min: 4, max: Unbounded, section: "4.6.1",
		usage: "get_operation_output: [entity, interface, operation, output]", eval: evalGetOperationOutput},
	{name: "get_nodes_of_type", asks: true, from: 10, to: 13, min: 1, max: 1, gives: "list", section: "4.7.1",
		usage: "get_nodes_of_type: type", eval: evalGetNodesOfType},
	{name: "get_artifact", asks: true, from: 10, to: 13, min: 2, max: 4, gives: "string", section: "4.8.1",
		usage: "get_artifact: [entity, artifact, location (optional), remove (optional)]", eval: evalGetArtifact},
}

// valueFunction is $value, the value that a validation clause of TOSCA 2.0 is
// about. It is apart from the rest of the table, because the checker of schemas
// answers it while a template is loaded.
//
// Source: TOSCA 2.0 section 10.2.1.
var valueFunction = &function{name: "value", from: 20, to: 20, min: 0, max: Unbounded,
	usage: "value, or value: [key or index, ...]", section: "10.2.1.5", eval: evalValue, typeOf: typeOfValue}

// typeOfValue follows the keys of $value into the type that the clause is about.
func typeOfValue(t typing, c *Call) *Schema {
	args, ok := staticArgs(c)
	if !ok {
		return nil
	}
	return t.subject.at(args)
}

// at follows keys and indices into a schema; nil where they lead to no known one.
func (sc *Schema) at(rest []any) *Schema {
	for _, key := range rest {
		if sc == nil || sc.Type == nil {
			return nil
		}
		name, _ := text(key)
		sc = sc.under(sc.property(name))
	}
	return sc
}

// contextFunctions depend on where they stand.
//
// Source: TOSCA 2.0 sections 10.2.1.5 to 10.2.1.7.
var contextFunctions = []*function{
	valueFunction,
	{name: "node_index", asks: true, placed: true, from: 20, to: 20, min: 0, max: 0, gives: "integer",
		usage: "node_index", section: "10.2.1.6", eval: evalNodeIndex},
	{name: "relationship_index", asks: true, placed: true, from: 20, to: 20, min: 0, max: 0, gives: "integer",
		usage: "relationship_index", section: "10.2.1.7", eval: evalRelationshipIndex},
}

// evalNodeIndex is the number of the node among those of its template; in a
// relationship, that of the node that has the requirement.
func evalNodeIndex(e *evaluation, _ *Call, _ []any) (any, error) {
	switch {
	case e.self.Node != nil:
		return int64(e.self.Node.Index), nil
	case e.self.Relationship != nil && e.self.Relationship.Requirement != nil:
		return int64(e.self.Relationship.Requirement.Source.Index), nil
	}
	return nil, misplaced("$node_index", "a node template")
}

func evalRelationshipIndex(e *evaluation, _ *Call, _ []any) (any, error) {
	if r := e.self.Relationship; r != nil && r.Requirement != nil {
		return int64(r.Requirement.Index), nil
	}
	return nil, misplaced("$relationship_index", "a requirement or a relationship")
}

func evalValue(e *evaluation, _ *Call, args []any) (any, error) {
	if e.subject == nil {
		return nil, invalidArgument("it has a meaning only in a validation clause")
	}
	return dig(*e.subject, args)
}

func notFound(format string, args ...any) error {
	return &errs.Error{Code: errs.NotFound, Err: fmt.Errorf(format, args...)}
}

func noValueYet(format string, args ...any) error {
	return &errs.Error{Code: errs.FailedPrecondition, Err: fmt.Errorf(format+" has no value yet", args...)}
}

func (e *evaluation) resolver(attribute bool) resolver {
	return resolver{self: e.self, attribute: attribute}
}

func evalGetInput(e *evaluation, _ *Call, args []any) (any, error) {
	name, ok := args[0].(string)
	if !ok {
		return nil, invalidArgument("%s is no name of an input", show(args[0]))
	}
	t := e.resolver(false).service()
	if w, ok := e.env.(WorkflowEnv); ok && t != nil {
		if data, ok := w.WorkflowInput(t, name); ok {
			return e.givenInput(name, normalize(data), args[1:])
		}
	}
	if t != nil && t.substituted != nil {
		p := t.Input(name)
		if p == nil {
			return nil, unknownInput(t, name)
		}
		return e.substitutingInput(t, p, args[1:])
	}
	if e.env != nil {
		data, ok, err := e.env.Input(name)
		if err != nil {
			return nil, err
		}
		if ok {
			return e.givenInput(name, normalize(data), args[1:])
		}
	}
	if t == nil {
		return nil, notFound("there is no input %s", show(name))
	}
	p := t.Input(name)
	switch {
	case p == nil:
		return nil, unknownInput(t, name)
	case p.Value != nil:
		return e.within(p.Value, p.Schema, args[1:], Entity{Service: t}, nil)
	case p.Default != nil:
		return e.within(p.Default, p.Schema, args[1:], Entity{Service: t}, nil)
	case p.Required:
		return nil, noValueYet("the input %s", show(name))
	}
	return nil, nil
}

// givenInput follows keys into an input; the defaults of its data type fill
// what was not given.
func (e *evaluation) givenInput(name string, data any, rest []any) (any, error) {
	if len(rest) == 0 {
		return data, nil
	}
	var schema *Schema
	t := e.resolver(false).service()
	if t != nil {
		if p := t.Input(name); p != nil {
			schema = p.Schema
		}
	}
	return e.within(Constant(data), schema, rest, Entity{Service: t}, nil)
}

func unknownInput(t *ServiceTemplate, name string) *pathError {
	return &pathError{code: "unknown-input", message: "there is no input " + show(name), suggestion: nearest(name, t.inputNames())}
}

func evalGetProperty(e *evaluation, _ *Call, args []any) (any, error) {
	p, err := e.resolver(false).resolve(args)
	if err != nil {
		return nil, err
	}
	return e.property(p)
}

func (e *evaluation) property(p place) (any, error) {
	a := assignment(p.properties(), p.name)
	if a == nil || a.Value == nil || a.Default {
		if data, ok, err := e.mappedProperty(p); ok || err != nil {
			return data, err
		}
	}
	if a == nil || a.Value == nil {
		return nil, nil
	}
	return e.within(a.Value, a.Schema, p.rest, p.entity, p.capability)
}

// properties returns the assignments of the place's owner.
func (p place) properties() []*Assignment {
	switch {
	case p.capability != nil:
		return p.capability.Properties
	case p.policy != nil:
		return p.policy.Properties
	case p.entity.Relationship != nil:
		return p.entity.Relationship.Properties
	}
	return p.entity.Node.Properties
}

// runs tells whether the place's owner exists in a running deployment: a
// policy does not, nor does a relationship template that no requirement uses.
func (p place) runs() bool {
	return p.policy == nil && (p.entity.Relationship == nil || p.entity.Relationship.Requirement != nil)
}

func (p place) attributes() []*Assignment {
	switch {
	case p.capability != nil:
		return p.capability.Attributes
	case p.policy != nil:
		return nil
	case p.entity.Relationship != nil:
		return p.entity.Relationship.Attributes
	}
	return p.entity.Node.Attributes
}

// evalGetAttribute returns the value given at run time, else the assignment or
// default of the attribute, else the property of the same name, else null.
func evalGetAttribute(e *evaluation, _ *Call, args []any) (any, error) {
	p, err := e.resolver(true).resolve(args)
	if err != nil {
		return nil, err
	}
	return e.attribute(p)
}

// attribute evaluates what an attribute's path leads to. Where the node is
// substituted, what is mapped comes before what the node itself has.
func (e *evaluation) attribute(p place) (any, error) {
	if data, ok, err := e.mappedAttribute(p); ok || err != nil {
		return data, err
	}
	if e.env != nil && p.runs() {
		capability := ""
		if p.capability != nil {
			capability = p.capability.Name
		}
		data, ok, err := e.env.Attribute(p.entity, capability, p.name)
		if err != nil {
			return nil, err
		}
		if ok {
			return dig(normalize(data), p.rest)
		}
	}
	if a := assignment(p.attributes(), p.name); a != nil && a.Value != nil {
		return e.within(a.Value, a.Schema, p.rest, p.entity, p.capability)
	}
	data, err := e.property(p)
	if data == nil && err == nil && p.capability == nil && p.policy == nil && len(p.rest) == 0 && p.name == "tosca_name" {
		return p.entity.templateName(), nil
	}
	return data, err
}

// templateName is what the normative attribute tosca_name reflects.
func (of Entity) templateName() any {
	switch {
	case of.Node != nil:
		return of.Node.Name
	case of.Relationship != nil && of.Relationship.Name != "":
		return of.Relationship.Name
	}
	return nil
}

// entitiesOf resolves the entity of a function that takes no path.
func (r resolver) entitiesOf(name any) ([]Entity, *pathError) {
	starts, policy, err := r.starts(name)
	if err != nil {
		return nil, err
	}
	if policy != nil && (policy != r.self.Policy || r.self.Node == nil) {
		return nil, &pathError{code: "unknown-entity", message: fmt.Sprintf("%s is a policy, not a node or relationship template", show(name))}
	}
	return starts, nil
}

// operation finds the interface and operation that an entity must have, and
// returns the interface's symbolic name.
func (of Entity) operation(iface, operation string) (string, *pathError) {
	var interfaces []*Interface
	if of.Node != nil {
		interfaces = of.Node.Interfaces
	} else if of.Relationship != nil {
		interfaces = of.Relationship.Interfaces
	}
	var names []string
	found := interfaceNamed(interfaces, iface)
	if found == nil {
		for _, i := range interfaces {
			names = append(names, i.Name)
		}
		return "", &pathError{code: codeUnknownOperation, arg: 1,
			message: "there is no interface " + show(iface), suggestion: nearest(iface, names)}
	}
	if found.Operation(operation) != nil {
		return found.Name, nil
	}
	for _, op := range found.Operations {
		names = append(names, op.Name)
	}
	return "", &pathError{code: codeUnknownOperation, arg: 2,
		message: fmt.Sprintf("the interface %s has no operation %s", found.Name, show(operation)), suggestion: nearest(operation, names)}
}

// operationOf resolves the entity and operation of get_operation_output.
func (r resolver) operationOf(args []any) (of Entity, iface string, err *pathError) {
	starts, err := r.entitiesOf(args[0])
	if err != nil {
		return Entity{}, "", err
	}
	for i := 1; i <= 3; i++ {
		if _, ok := args[i].(string); !ok {
			return Entity{}, "", &pathError{code: "function-arguments", arg: i, message: show(args[i]) + " is no name"}
		}
	}
	for _, start := range starts {
		var name string
		if name, err = start.operation(args[1].(string), args[2].(string)); err == nil {
			return start, name, nil
		}
	}
	return Entity{}, "", err
}

func evalGetOperationOutput(e *evaluation, _ *Call, args []any) (any, error) {
	of, iface, pathErr := e.resolver(false).operationOf(args)
	if pathErr != nil {
		return nil, pathErr
	}
	operation, output := args[2].(string), args[3].(string)
	if e.env != nil {
		data, ok, err := e.env.OperationOutput(of, iface, operation, output)
		if err != nil {
			return nil, err
		}
		if ok {
			return dig(normalize(data), args[4:])
		}
	}
	return nil, noValueYet("the output %s of %s.%s", show(output), iface, operation)
}

func evalGetNodesOfType(e *evaluation, _ *Call, args []any) (any, error) {
	name, ok := args[0].(string)
	if !ok {
		return nil, invalidArgument("%s is no name of a node type", show(args[0]))
	}
	t := e.resolver(false).service()
	if t == nil {
		return nil, notFound("there is no service template")
	}
	nt := t.nodeType(name)
	if nt == nil {
		return nil, unknownNodeType(t, name)
	}
	names := []any{}
	for _, n := range t.Nodes {
		if n.of(t) && n.Type.isA(nt) {
			names = append(names, n.Name)
		}
	}
	return names, nil
}

func unknownNodeType(t *ServiceTemplate, name string) *pathError {
	var names []string
	if t.Types != nil {
		for key := range t.Types.Node {
			names = append(names, key)
		}
	}
	slices.Sort(names)
	return &pathError{code: "unknown-type", message: "there is no node type " + show(name), suggestion: nearest(name, names)}
}

// artifactOf finds the artifact that get_artifact names.
func (r resolver) artifactOf(args []any) (Entity, *Artifact, *pathError) {
	starts, err := r.entitiesOf(args[0])
	if err != nil {
		return Entity{}, nil, err
	}
	name, ok := args[1].(string)
	if !ok {
		return Entity{}, nil, &pathError{code: "function-arguments", arg: 1, message: show(args[1]) + " is no name"}
	}
	var names []string
	for _, start := range starts {
		if start.Node == nil {
			continue
		}
		if a := start.Node.Artifact(name); a != nil {
			return start, a, nil
		}
		for _, a := range start.Node.Artifacts {
			names = append(names, a.Name)
		}
	}
	return Entity{}, nil, &pathError{code: "unknown-artifact", arg: 1,
		message: fmt.Sprintf("%s has no artifact %s", show(args[0]), show(name)), suggestion: nearest(name, names)}
}

func evalGetArtifact(e *evaluation, _ *Call, args []any) (any, error) {
	of, artifact, pathErr := e.resolver(false).artifactOf(args)
	if pathErr != nil {
		return nil, pathErr
	}
	location, remove := "", false
	if len(args) > 2 {
		var ok bool
		if location, ok = args[2].(string); !ok {
			return nil, invalidArgument("argument 3, the location, is %s, not text", aKind(args[2]))
		}
	}
	if len(args) > 3 {
		var ok bool
		if remove, ok = args[3].(bool); !ok {
			return nil, invalidArgument("argument 4, remove, is %s, not a boolean", aKind(args[3]))
		}
	}
	return e.artifact(of, artifact, location, remove)
}

func (e *evaluation) artifact(of Entity, artifact *Artifact, location string, remove bool) (any, error) {
	if e.env != nil {
		data, ok, err := e.env.Artifact(of, artifact, location, remove)
		if err != nil {
			return nil, err
		}
		if ok {
			return normalize(data), nil
		}
	}
	return nil, noValueYet("the artifact %s", show(artifact.Name))
}
