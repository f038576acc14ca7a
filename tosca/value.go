package tosca

import (
	"sort"

	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
)

// Value is data or a call of a function, to any depth. It is parsed once,
// while loading, and calls that need nothing of the running deployment are
// folded then.
//
// Data are nil, bool, int64, float64, string, []any and map[string]any; what
// has a type with another form (scalar units, timestamps, versions, ranges) is
// kept as written, a string or list.
//
// Source: TOSCA 1.3 section 3.6.11, TOSCA 2.0 sections 9.5 and 10.1.
type Value struct {
	// content is a scalar (nil, bool, int64, float64, string), a *Call, a
	// []*Value, a []mapEntry or, for a map with calls as keys, a []calledEntry. Collections keep a Value for each entry, so
	// that a fault deep in a value is shown where it stands.
	content any
	extent  extent
}

type mapEntry struct {
	key   string
	value *Value
}

// extent is a Range in half the space: values are what large templates consist of.
type extent struct {
	file                             string
	line, column, endLine, endColumn uint32
}

// Call is a call of a TOSCA function.
//
// Source: TOSCA 1.3 section 4, TOSCA 2.0 section 10.
type Call struct {
	// Function is the name without a leading "$", such as "get_attribute".
	Function string
	Args     []*Value
	Range    Range
	// Custom is the definition of the custom function that is called; nil for a
	// function of the language, or one that only the orchestrator knows.
	Custom *Function

	function *function
}

// Constant returns the Value of data, which is nil, a bool, a number, a
// string, a []any or a map[string]any of such. Anything else becomes its
// JSON-like counterpart where it has one (int becomes int64), else a string.
func Constant(data any) *Value {
	switch d := normalize(data).(type) {
	case []any:
		list := make([]*Value, len(d))
		for i := range d {
			list[i] = Constant(d[i])
		}
		return &Value{content: list}
	case map[string]any:
		keys := make([]string, 0, len(d))
		for key := range d {
			keys = append(keys, key)
		}
		sort.Strings(keys)
		entries := make([]mapEntry, len(keys))
		for i, key := range keys {
			entries[i] = mapEntry{key, Constant(d[key])}
		}
		return &Value{content: entries}
	default:
		return &Value{content: d}
	}
}

// Static returns the data of a Value that holds no call, and whether it is
// one. The data are the caller's to change.
func (v *Value) Static() (any, bool) {
	switch c := v.content.(type) {
	case *Call:
		return nil, false
	case []*Value:
		list := make([]any, len(c))
		for i, item := range c {
			data, ok := item.Static()
			if !ok {
				return nil, false
			}
			list[i] = data
		}
		return list, true
	case []mapEntry:
		m := make(map[string]any, len(c))
		for _, e := range c {
			data, ok := e.value.Static()
			if !ok {
				return nil, false
			}
			m[e.key] = data
		}
		return m, true
	case []calledEntry:
		return nil, false
	}
	return v.content, true
}

// Call returns the call that the Value is, or nil.
func (v *Value) Call() *Call {
	c, _ := v.content.(*Call)
	return c
}

// Calls returns all calls in the Value, outer ones before their arguments, in
// order of the text.
func (v *Value) Calls() []*Call {
	var all []*Call
	v.eachCall(func(c *Call) { all = append(all, c) })
	return all
}

func (v *Value) eachCall(visit func(*Call)) {
	switch c := v.content.(type) {
	case *Call:
		visit(c)
		for _, arg := range c.Args {
			arg.eachCall(visit)
		}
	case []*Value:
		for _, item := range c {
			item.eachCall(visit)
		}
	case []mapEntry:
		for _, e := range c {
			e.value.eachCall(visit)
		}
	case []calledEntry:
		for _, e := range c {
			e.key.eachCall(visit)
			e.value.eachCall(visit)
		}
	}
}

// Range tells where the Value stands.
func (v *Value) Range() Range { return v.extent.Range() }

func (s extent) Range() Range {
	return Range{
		File:  s.file,
		Start: Pos{int(s.line), int(s.column)},
		End:   Pos{int(s.endLine), int(s.endColumn)},
	}
}

func extentOf(n *yamlx.Node, file string) extent {
	return extent{
		file: file,
		line: uint32(n.Start.Line), column: uint32(n.Start.Column),
		endLine: uint32(n.End.Line), endColumn: uint32(n.End.Column),
	}
}

// isNull tells whether the value is an explicit null.
func (v *Value) isNull() bool { return v.content == nil }

// child returns the value of a key in a map, or nil.
func (v *Value) child(key string) *Value {
	entries, _ := v.content.([]mapEntry)
	for _, e := range entries {
		if e.key == key {
			return e.value
		}
	}
	return nil
}

// Entity is a thing of a running deployment in whose context a Value is
// evaluated: an instance of a node or of a relationship, or a policy. The zero
// Entity, with Service only, is the service itself (its outputs).
//
// Source: TOSCA 1.3 section 4.1, TOSCA 2.0 section 10.3.
type Entity struct {
	Service      *ServiceTemplate
	Node         *NodeTemplate
	Relationship *RelationshipTemplate
	// Policy is what SELF means in the inputs of its triggers' actions; Node may
	// be the target that an action is called on.
	Policy *Policy
}

// Env answers what calls ask of a running deployment. Navigation along
// requirements, properties, type defaults and nested keys is the language's
// and is done by Eval; an Env knows only what exists at run time. An Env may
// return (nil, false, nil) for whatever has no value yet.
//
// Source: TOSCA 1.3 sections 4.4 to 4.8, TOSCA 2.0 section 10.2.1.
type Env interface {
	// Input returns the value of an input of the service template, default applied.
	Input(name string) (value any, ok bool, err error)
	// Attribute returns the value that an attribute of a node or relationship
	// instance, or of a capability of it where capability is not empty, was given at run time.
	// A relationship always has a Requirement.
	Attribute(of Entity, capability, name string) (value any, ok bool, err error)
	// OperationOutput returns an output of an operation that ran.
	OperationOutput(of Entity, iface, operation, output string) (value any, ok bool, err error)
	// Artifact returns what get_artifact says of an artifact of the entity:
	// where the running operation finds the file.
	Artifact(of Entity, artifact *Artifact, location string, remove bool) (value any, ok bool, err error)
}

// WorkflowEnv is an Env in which a workflow runs, whose inputs win over those of
// the service that it belongs to.
//
// Source: TOSCA 1.3 section 3.8.7, TOSCA 2.0 section 13.2.
type WorkflowEnv interface {
	Env
	// WorkflowInput returns an input of the workflow, where it is one of the service.
	WorkflowInput(of *ServiceTemplate, name string) (value any, ok bool)
}
