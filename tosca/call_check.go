package tosca

import "fmt"

// checkCalls reports calls in a value that can be seen to fail, in the context
// of self: an unknown input, entity, property, attribute, artifact, operation
// or type, a keyword where it means nothing, and an argument of a type that the
// function does not take. What a running deployment decides is left to the
// evaluation.
func checkCalls(t *ServiceTemplate, v *Value, self Entity, s *sink) {
	callChecker{self: self, sink: s}.in(t).check(v, nil)
}

// callChecker checks the calls of values in one context.
type callChecker struct {
	self Entity
	sink *sink
	// inputs are those of the workflow that the value belongs to; they win over
	// those of the service.
	inputs []*Parameter
	// subject is the type of $value in a validation clause; nil elsewhere.
	subject *Schema
	// env answers what validation clauses ask; nil where nothing is known yet.
	// secret keeps the values out of what is reported.
	env    Env
	secret bool
}

func (k callChecker) in(t *ServiceTemplate) callChecker {
	if k.self.Service == nil {
		k.self.Service = t
	}
	return k
}

// check reports what is wrong with the calls in a value, and a call whose
// result is not of the wanted type; want is nil for any.
func (k callChecker) check(v *Value, want *Schema) {
	if v == nil {
		return
	}
	v.eachCall(k.call)
	k.result(v, want)
}

// call checks one call, without its arguments.
func (k callChecker) call(c *Call) {
	if !c.complete() {
		return // reported when it was parsed
	}
	err := k.takes(c)
	if err == nil {
		if args, ok := k.arguments(c); ok {
			err = k.names(c, args)
		}
	}
	k.report(c, err)
}

// complete tells whether the function is known and has as many arguments as it takes.
func (c *Call) complete() bool {
	f := c.function
	return f != nil && len(c.Args) >= f.min && (f.max == Unbounded || len(c.Args) <= f.max)
}

// takes checks the types of the arguments.
func (k callChecker) takes(c *Call) *pathError {
	t := typing{self: k.self, subject: k.subject}
	err := checkArguments(t, c)
	if err == nil {
		err = checkCustom(t, c)
	}
	if err == nil && c.function.alike {
		err = checkUnits(t, c)
	}
	if err == nil {
		err = checkLiterals(t, c)
	}
	return err
}

// declared checks a call of a validation clause where a type or definition
// declares the clause. What asks other entities is checked with the values
// that have the clause.
//
// Source: TOSCA 2.0 sections 9.2 and 9.11.
func (k callChecker) declared(c *Call) {
	if !c.complete() {
		return
	}
	err := k.takes(c)
	if args, ok := staticArgs(c); ok && err == nil && c.function == valueFunction {
		err = checkKeys(k.subject, args, 0)
	}
	k.report(c, err)
}

// report makes a Diagnostic of a fault.
func (k callChecker) report(c *Call, err *pathError) {
	if err == nil || err.follows {
		return
	}
	rng := c.Range
	if err.arg < len(c.Args) {
		rng = c.Args[err.arg].Range()
	}
	var d *Diagnostic
	if err.maybe {
		d = k.sink.warnf(err.code, rng, "%s: %s", c.Function, err.message)
		d.Detail = "The call fails if it is evaluated."
	} else {
		d = k.sink.errorf(err.code, rng, "%s: %s", c.Function, err.message)
	}
	if err.hint != "" {
		d.Detail = err.hint
	}
	d.Suggestion = err.suggestion
	if c.function.section != "" {
		d.Section = c.function.version() + " section " + c.function.section
	}
}

// version names the specification that has the function.
func (f *function) version() string {
	if f.from >= 20 {
		return "TOSCA 2.0"
	}
	return "TOSCA 1.3"
}

// arguments returns the data of arguments that need no deployment: without
// calls, or with those that only depend on where they stand.
func (k callChecker) arguments(c *Call) ([]any, bool) {
	args := make([]any, len(c.Args))
	for i, arg := range c.Args {
		data, ok := arg.Static()
		if !ok {
			if !arg.placed() {
				return nil, false
			}
			var err error
			if data, err = (&evaluation{self: k.self}).value(arg); err != nil {
				return nil, false
			}
		}
		args[i] = data
	}
	return args, true
}

// placed tells whether all calls in a value depend on nothing but their
// arguments and where they stand.
func (v *Value) placed() bool {
	ok := true
	v.eachCall(func(c *Call) { ok = ok && c.function != nil && (c.function.pure || c.function.placed) })
	return ok
}

// checkArguments checks the kinds of the arguments, as far as they are known.
func checkArguments(t typing, c *Call) *pathError {
	f := c.function
	if _, static := staticArgs(c); len(f.takes) == 0 || f.pure && static {
		return nil // where they are wrong, it was found when the call was folded
	}
	common := anyKind
	for i, arg := range c.Args {
		have := t.kinds(arg)
		if takes := f.takes[min(i, len(f.takes)-1)]; have&takes == 0 {
			return &pathError{code: codeArgumentType, arg: i, message: fmt.Sprintf("argument %d is %s, not %s", i+1, have.plain(), takes)}
		}
		if have&(textKind|unitKind) == textKind|unitKind && have&^(textKind|unitKind) == 0 {
			have |= textKind // a text may be read as what the others are
		}
		if have == unitKind && f.gives == "boolean" {
			have |= numberKind // it is compared with a number in its canonical unit
		}
		if f.alike && have != nullKind {
			if common &= have; common == 0 {
				return &pathError{code: codeArgumentType, arg: i, message: fmt.Sprintf("argument %d is %s; all arguments are of one type", i+1, have.plain())}
			}
			if have&integerKind != 0 {
				common |= numberKind & have
			}
		}
	}
	return nil
}

// checkUnits checks that scalars which are compared, added or subtracted are of
// one type, as far as their types are known.
//
// Source: TOSCA 2.0 sections 10.2.2.2 and 10.2.5.
func checkUnits(t typing, c *Call) *pathError {
	var one *Schema
	for i, arg := range c.Args {
		sc := t.of(arg)
		if !sc.isScalar() {
			continue
		}
		if one != nil && !one.sameUnits(sc) {
			return &pathError{code: codeArgumentType, arg: i, message: fmt.Sprintf("argument %d is of the scalar type %s; all arguments are of one type, and %s is another", i+1, sc.Type.Name, one.Type.Name)}
		}
		one = sc
	}
	return nil
}

// sameUnits tells whether the amounts of two scalar types can be compared.
func (sc *Schema) sameUnits(other *Schema) bool {
	a, b := sc.Type.Scalar, other.Type.Scalar
	if a == nil || b == nil {
		return sc.primitive() == other.primitive()
	}
	return a.Name == b.Name
}

// checkLiterals checks that what is written out for a comparison can be a value
// of the type that it is compared with: "soon" is no timestamp.
func checkLiterals(t typing, c *Call) *pathError {
	if !c.function.alike && c.function.name != "valid_values" {
		return nil
	}
	sc := t.common(c.Args, 0)
	if c.function.name == "valid_values" {
		sc = t.of(c.Args[0])
	}
	if sc == nil || !sc.primitive().ordered() || sc.primitive() == rangeType {
		return nil
	}
	for i, arg := range c.Args {
		literals := []*Value{arg}
		if list, ok := arg.content.([]*Value); ok && c.function.name == "valid_values" {
			literals = list
		}
		for _, v := range literals {
			data, static := v.Static()
			if !static || data == nil {
				continue
			}
			_, err := compareAs(data, data, sc)
			if kinds := sc.kinds(); err == nil && kinds&unitKind == 0 && kinds&kindsOfData(data) == 0 {
				err = notA(sc.Type.noun(sc.primitive()), data)
			}
			if err != nil {
				return &pathError{code: codeArgumentType, arg: i, message: fmt.Sprintf("argument %d: %s", i+1, err)}
			}
		}
	}
	return nil
}

// kinds returns what a value may be taken for.
func (t typing) kinds(v *Value) kindSet {
	if v.Call() == nil {
		return kindsOfData(v.content)
	}
	if sc := t.of(v); sc != nil {
		return sc.kinds()
	}
	return anyKind
}

// result reports calls whose result is not of the type that is wanted, to any
// depth of the value.
func (k callChecker) result(v *Value, want *Schema) {
	if want == nil || want.Type == nil {
		return
	}
	switch content := v.content.(type) {
	case *Call:
		got := typing{self: k.self, subject: k.subject}.of(v)
		if message := assignable(got, want); message != "" && (content.function.strict() || !converts(got, want)) {
			d := k.sink.errorf("wrong-type", v.Range(), "the result of %s: %s", content.Function, message)
			d.Section = content.function.version() + " section " + content.function.section
			if !content.function.strict() {
				d.Severity = Warning
			}
		}
	case []*Value:
		for _, item := range content {
			k.result(item, want.entry())
		}
	case []mapEntry:
		for _, e := range content {
			k.result(e.value, want.under(want.property(e.key)))
		}
	case []calledEntry:
		for _, e := range content {
			k.result(e.key, want.keyOrString())
			k.result(e.value, want.entry())
		}
	}
}

// converts tells whether values of both are single ones, of which 1.x makes
// each other: published blueprints give texts for numbers and the other way round.
func converts(got, want *Schema) bool {
	return (got.kinds()|want.kinds())&(listOrMap|nullKind) == 0
}

// strict tells whether a result of another type is an error, and not only a
// warning.
func (f *function) strict() bool { return f.version() == "TOSCA 2.0" }

func staticArgs(c *Call) ([]any, bool) {
	args := make([]any, len(c.Args))
	for i, arg := range c.Args {
		data, ok := arg.Static()
		if !ok {
			return nil, false
		}
		args[i] = data
	}
	return args, true
}

// names checks the names that a call leads to.
func (k callChecker) names(c *Call, args []any) *pathError {
	self := k.self
	r := resolver{self: self, attribute: c.Function == "get_attribute"}
	switch c.Function {
	case "get_input":
		return checkGetInput(self.Service, k.inputs, args)
	case "value":
		if k.subject == nil {
			return misplaced("$value", "a validation clause")
		}
	case "node_index", "relationship_index":
		if _, err := c.function.eval(&evaluation{self: self}, c, nil); err != nil {
			return err.(*pathError)
		}
	case "available_allocation":
		return k.pathNames(c, args)
	case "get_property", "get_attribute":
		if c.function.from >= 20 {
			return k.pathNames(c, args)
		}
		p, err := r.resolve(args)
		if err != nil {
			return err
		}
		return p.checkKeys(len(args) - len(p.rest))
	case "get_operation_output":
		_, _, err := r.operationOf(args)
		return err
	case "get_artifact":
		if c.function.from >= 20 {
			return k.pathArtifact(args)
		}
		_, _, err := r.artifactOf(args)
		return err
	case "get_nodes_of_type":
		name, ok := args[0].(string)
		if !ok {
			return &pathError{code: "function-arguments", message: show(args[0]) + " is no name of a node type"}
		}
		if self.Service.nodeType(name) == nil {
			return unknownNodeType(self.Service, name)
		}
	}
	return nil
}

func checkGetInput(t *ServiceTemplate, inputs []*Parameter, args []any) *pathError {
	name, ok := args[0].(string)
	if !ok {
		return &pathError{code: "function-arguments", message: show(args[0]) + " is no name of an input"}
	}
	p := first(inputs, func(p *Parameter) bool { return p.Name == name })
	if p == nil {
		p = t.Input(name)
	}
	if p == nil {
		return unknownInput(t, name)
	}
	return checkKeys(p.Schema, args[1:], 1)
}

// checkKeys checks the keys behind a property or attribute against its data type.
func (p place) checkKeys(arg int) *pathError {
	a := assignment(p.attributes(), p.name)
	if a == nil {
		a = assignment(p.properties(), p.name)
	}
	if a == nil {
		return nil
	}
	return checkKeys(a.Schema, p.rest, arg)
}

// checkKeys follows keys into the data types of a schema; where none is known
// anything may come.
func checkKeys(sc *Schema, rest []any, arg int) *pathError {
	for i, key := range rest {
		if sc == nil || sc.Type == nil {
			return nil
		}
		if index, ok := key.(int64); ok && index < 0 && sc.Type.primitive() == listType {
			return &pathError{code: "unknown-key", arg: arg + i, message: fmt.Sprintf("%d is no index of a list, which begins with 0", index)}
		}
		var def *PropertyDefinition
		if sc.Type.primitive() == complexType && len(sc.Type.Properties) > 0 {
			name, _ := text(key)
			if def = sc.property(name); def == nil {
				return &pathError{code: "unknown-key", arg: arg + i,
					message:    fmt.Sprintf("the data type %s has no property %s", sc.Type.Name, show(key)),
					suggestion: nearest(name, propertyNames(sc.Type.Properties))}
			}
		}
		sc = sc.under(def)
	}
	return nil
}

// pathNames checks a TOSCA path and what it leads to.
func (k callChecker) pathNames(c *Call, args []any) *pathError {
	places, _, err := resolver{self: k.self, attribute: c.Function == "get_attribute"}.places(args)
	if err != nil {
		return err
	}
	for _, p := range places {
		if c.Function == "available_allocation" {
			if err := allocatable(p, len(args)-len(p.rest)-1); err != nil {
				return err
			}
		}
		if err := p.checkKeys(len(args) - len(p.rest)); err != nil {
			return err
		}
	}
	return nil
}

// allocatable checks that a place is a property of a capability whose values
// are numbers or scalars.
func allocatable(p place, arg int) *pathError {
	if p.capability == nil {
		return &pathError{code: "function-arguments", arg: arg, message: "the path does not lead to a capability"}
	}
	if sc := p.schema(); sc != nil && sc.kinds()&amountKind == 0 {
		return &pathError{code: codeArgumentType, arg: arg, message: fmt.Sprintf("the property %s is a %s, from which nothing can be allocated", p.name, sc.Type.Name)}
	}
	return nil
}

func (k callChecker) pathArtifact(args []any) *pathError {
	stops, rest, _, err := resolver{self: k.self}.follow(args)
	if err != nil {
		return err
	}
	for _, s := range stops {
		if _, err := artifactAt(s, rest, len(args)-len(rest)); err != nil {
			return err
		}
	}
	return nil
}
