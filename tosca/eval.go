package tosca

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// The bounds of one evaluation. They are far above what templates need and
// keep a hostile one from taking the machine.
const (
	maxEvaluationDepth = 200
	maxEvaluationCalls = 1 << 18
	maxEvaluationText  = 16 << 20
	maxEvaluationParts = 2_000_000
)

// Eval returns the data that the Value stands for in the context of self: its
// calls are evaluated, to any depth. What a call of get_property leads to is
// evaluated in the context of the entity that has the property. The data are
// the caller's to change. A nil env stands for a service where nothing ran and
// no input was given.
//
// An attribute, or a property that is not required, without a value is nil.
// Errors are of the module's error model and name the call by file, line and
// column: NotFound for a name that does not exist, FailedPrecondition for what
// has no value yet, InvalidArgument for arguments of the wrong kind.
//
// Source: TOSCA 1.3 section 4, TOSCA 2.0 section 10.
func (v *Value) Eval(self Entity, env Env) (any, error) {
	if data, ok := v.Static(); ok {
		return data, nil
	}
	e := evaluation{self: self, env: env}
	return e.value(v)
}

// evaluation is one run of Eval.
type evaluation struct {
	self Entity
	env  Env
	// calls and parts count what was evaluated: calls, and the entries of the
	// values that they led to; texts counts the bytes of the texts that calls made.
	calls, parts, texts int
	active              []reference
	// subject is what $value stands for; nil outside of a validation clause.
	subject *any
	// subjectSchema is the type of the subject; nil where it is not known.
	subjectSchema *Schema
}

// reference is a value being evaluated, to notice loops: a value of a type is
// shared by many entities, so the owner belongs to it.
type reference struct {
	value        *Value
	node         *NodeTemplate
	relationship *RelationshipTemplate
	capability   *Capability
	policy       *Policy
}

// evaluationError is the error of one call, so that it is not wrapped again on
// the way out.
type evaluationError struct{ err *errs.Error }

func (e evaluationError) Error() string { return e.err.Error() }
func (e evaluationError) Unwrap() error { return e.err }

func (e *evaluation) value(v *Value) (any, error) {
	switch c := v.content.(type) {
	case *Call:
		return e.call(c)
	case []*Value:
		list := make([]any, len(c))
		for i, item := range c {
			data, err := e.value(item)
			if err != nil {
				return nil, err
			}
			list[i] = data
		}
		return list, nil
	case []mapEntry:
		m := make(map[string]any, len(c))
		for _, entry := range c {
			data, err := e.value(entry.value)
			if err != nil {
				return nil, err
			}
			m[entry.key] = data
		}
		return m, nil
	case []calledEntry:
		return e.calledEntries(c)
	}
	return v.content, nil
}

func (e *evaluation) call(c *Call) (any, error) {
	if e.calls++; e.calls > maxEvaluationCalls {
		return nil, e.failed(c, &errs.Error{Code: errs.InvalidArgument, Err: fmt.Errorf("more than %d calls are needed for one value", maxEvaluationCalls)})
	}
	if c.function == nil {
		return nil, e.failed(c, &errs.Error{Code: errs.Unimplemented, Err: errors.New("there is no such function")})
	}
	args := make([]any, len(c.Args))
	for i, arg := range c.Args {
		data, err := e.value(arg)
		if err != nil {
			return nil, err
		}
		args[i] = data
	}
	if n := len(args); n < c.function.min || c.function.max != Unbounded && n > c.function.max {
		return nil, e.failed(c, invalidArgument("it takes %s, not %d", argumentCount(c.function.min, c.function.max), n))
	}
	result, err := c.function.eval(e, c, args)
	if err != nil {
		return nil, e.failed(c, err)
	}
	s, _ := result.(string)
	if e.texts += len(s); len(s) > maxEvaluationText {
		return nil, e.failed(c, invalidArgument("the result is longer than %d bytes", maxEvaluationText))
	}
	return result, nil
}

// failed says which call failed; an error of an inner call stays as it is.
func (e *evaluation) failed(c *Call, err error) error {
	var inner evaluationError
	if errors.As(err, &inner) {
		return err
	}
	code := errs.CodeOf(err)
	var path *pathError
	if errors.As(err, &path) {
		code = path.errorCode()
	}
	return evaluationError{&errs.Error{Code: code, Op: "evaluate " + c.Function, Subject: "at " + c.Range.place(), Err: err}}
}

// place returns file:line:column.
func (r Range) place() string {
	if r.Start.Line == 0 {
		if r.File == "" {
			return "an unknown place"
		}
		return r.File
	}
	return r.File + ":" + strconv.Itoa(r.Start.Line) + ":" + strconv.Itoa(r.Start.Column)
}

// reference evaluates the value that an entity has, in its context.
func (e *evaluation) reference(v *Value, owner Entity, capability *Capability) (any, error) {
	if v == nil {
		return nil, nil
	}
	if e.parts += v.parts(); e.parts > maxEvaluationParts {
		return nil, invalidArgument("the result has more than %d entries", maxEvaluationParts)
	}
	if data, ok := v.Static(); ok {
		return data, nil
	}
	ref := reference{v, owner.Node, owner.Relationship, capability, owner.Policy}
	for _, a := range e.active {
		if a == ref {
			return nil, invalidArgument("the value at %s refers to itself", v.Range().place())
		}
	}
	if len(e.active) >= maxEvaluationDepth {
		return nil, invalidArgument("values refer to each other more than %d deep", maxEvaluationDepth)
	}
	e.active = append(e.active, ref)
	self := e.self
	e.self = owner
	data, err := e.value(v)
	e.self = self
	e.active = e.active[:len(e.active)-1]
	return data, err
}

// parts counts the scalars, lists, maps and calls that a value consists of.
func (v *Value) parts() int {
	n := 1
	switch c := v.content.(type) {
	case []*Value:
		for _, item := range c {
			n += item.parts()
		}
	case []mapEntry:
		for _, entry := range c {
			n += entry.value.parts()
		}
	case []calledEntry:
		for _, entry := range c {
			n += entry.key.parts() + entry.value.parts()
		}
	}
	return n
}

// within evaluates the part of a value that keys and indices lead to. Only
// that part is evaluated, so that a map's entries may refer to each other.
func (e *evaluation) within(v *Value, sc *Schema, rest []any, owner Entity, capability *Capability) (any, error) {
	for i, key := range rest {
		if v == nil {
			return nil, nil
		}
		var next *Value
		switch c := v.content.(type) {
		case []mapEntry:
			name, ok := text(key)
			if !ok {
				return nil, invalidArgument("%s is no key of a map", show(key))
			}
			next = v.child(name)
			def := sc.property(name)
			if next == nil {
				if def == nil || def.Default == nil {
					return nil, missingKey(name, entryKeys(c))
				}
				next = def.Default
			}
			sc = sc.under(def)
		case []*Value:
			index, err := indexOf(key, len(c))
			if err != nil {
				return nil, err
			}
			next, sc = c[index], sc.under(nil)
		default:
			data, err := e.reference(v, owner, capability)
			if err != nil {
				return nil, err
			}
			return dig(data, rest[i:])
		}
		v = next
	}
	return e.reference(v, owner, capability)
}

// property returns the definition of a key of a data type's value, or nil.
func (sc *Schema) property(name string) *PropertyDefinition {
	if sc == nil || sc.Type == nil {
		return nil
	}
	return propertyOf(sc.Type.Properties, name)
}

// under returns the schema of a data type's property, or else of the entries
// of a list or map; nil where none is known.
func (sc *Schema) under(def *PropertyDefinition) *Schema {
	switch {
	case def != nil:
		return def.Schema
	case sc == nil || sc.Type == nil:
		return nil
	}
	return sc.entry()
}

// dig follows keys and indices into data. What is below null is null: it has
// no value yet.
func dig(data any, rest []any) (any, error) {
	for _, key := range rest {
		switch d := data.(type) {
		case nil:
			return nil, nil
		case map[string]any:
			name, ok := text(key)
			if !ok {
				return nil, invalidArgument("%s is no key of a map", show(key))
			}
			next, ok := d[name]
			if !ok {
				return nil, missingKey(name, sortedKeys(d))
			}
			data = next
		case []any:
			index, err := indexOf(key, len(d))
			if err != nil {
				return nil, err
			}
			data = d[index]
		default:
			return nil, invalidArgument("%s leads into the %s %s, which has no parts", show(key), kindOf(data), show(data))
		}
	}
	return data, nil
}

func missingKey(name string, keys []string) error {
	message := fmt.Sprintf("there is no key %s", show(name))
	if near := nearest(name, keys); near != "" {
		message += "; did you mean " + show(near) + "?"
	}
	return &errs.Error{Code: errs.NotFound, Err: errors.New(message)}
}

func entryKeys(entries []mapEntry) []string {
	keys := make([]string, len(entries))
	for i, e := range entries {
		keys[i] = e.key
	}
	return keys
}

// indexOf reads the index of a list: an integer, or the text of one.
func indexOf(key any, length int) (int, error) {
	index, ok := key.(int64)
	if s, isText := key.(string); isText {
		i, err := strconv.ParseInt(s, 10, 64)
		index, ok = i, err == nil
	}
	if !ok {
		return 0, invalidArgument("%s is no index of a list", show(key))
	}
	if index < 0 || index >= int64(length) {
		return 0, &errs.Error{Code: errs.NotFound, Err: fmt.Errorf("the list has %d entries, none with index %d", length, index)}
	}
	return int(index), nil
}
