package tosca

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
)

// function is one function of the language. The table of functions has one
// entry for each meaning a function has, with the versions where it has it.
type function struct {
	name string
	// from and to are the first and last level of versionTable that know it.
	from, to int
	// min and max bound the number of arguments; max is Unbounded for any.
	min, max int
	// usage shows the arguments for a message.
	usage string
	// pure tells that the result depends on the arguments only, so that a call
	// with static arguments is folded.
	pure bool
	// listOnly tells that the arguments are always written as a list: a map
	// with the function's name as its key and something else as its value is
	// data, such as a Credential that consists of a token.
	listOnly bool
	// takes are the kinds of the arguments; the last stands for all that follow.
	takes []kindSet
	// alike tells that all arguments are of one type.
	alike bool
	// gives names the type of the result, where it is always the same; same
	// tells that it is that of the arguments, and typeOf finds it otherwise.
	gives  string
	same   bool
	typeOf func(t typing, c *Call) *Schema
	// asks tells that the result depends on the running deployment or on where
	// the call stands, except for $value.
	asks bool
	// placed tells that the result depends on where the call stands only.
	placed bool
	// section is where the specification describes the function.
	section string
	eval    func(e *evaluation, c *Call, args []any) (any, error)
}

// maybeBoolean tells whether a call may result in a boolean.
func (f *function) maybeBoolean() bool { return f.gives == "boolean" || f.typeOf != nil && !f.pure }

// functionsOf returns the functions of a version.
func functionsOf(v *versionTable) []*function {
	all := []*function{}
	for _, f := range slices.Concat(functionTables...) {
		if f.from <= v.level && v.level <= f.to {
			all = append(all, f)
		}
	}
	return all
}

// functionNamed returns the function of that name in a version, or nil.
func functionNamed(name string, v *versionTable) *function {
	known := func(f *function) bool { return f.name == name && f.from <= v.level && v.level <= f.to }
	for _, table := range functionTables {
		if i := slices.IndexFunc(table, known); i >= 0 {
			return table[i]
		}
	}
	return nil
}

// functionTables are the functions built into the language.
var functionTables = [][]*function{
	graphFunctions, pathFunctions, stringFunctions, booleanFunctions, setFunctions, numberFunctions, contextFunctions,
}

// replacedFunctions are functions and constraints of 1.x that TOSCA 2.0 does
// not have, with what to write instead.
var replacedFunctions = map[string]string{
	"in_range":             "Combine $greater_or_equal and $less_or_equal with $and.",
	"min_length":           "Write $greater_or_equal: [ { $length: [ $value ] }, 1 ].",
	"max_length":           "Write $less_or_equal: [ { $length: [ $value ] }, 1 ].",
	"pattern":              "Use $matches; it looks for the pattern anywhere in the text unless that begins with ^ and ends with $.",
	"schema":               "Give the value a data type instead of a schema in another language.",
	"get_operation_output": "Map the output to an attribute under outputs of the operation, and use $get_attribute.",
	"get_nodes_of_type":    "Use a requirement with a count, or name the nodes.",
}

// parseValue reads a value. It reports calls that are wrong in themselves
// (unknown-function, malformed-function, function-arguments, invalid-call) and
// then returns them as data or unfolded, never nil.
//
// Source: TOSCA 1.3 section 4 (a call is a map of one entry whose key is the
// function's name), TOSCA 2.0 section 10 ("$" before the name, "$$" for a
// literal "$").
func parseValue(n *yamlx.Node, file string, v *versionTable, s *sink) *Value {
	if n == nil {
		return &Value{extent: extent{file: file}}
	}
	p := valueParser{file: file, version: v, sink: s}
	return p.value(n)
}

type valueParser struct {
	file    string
	version *versionTable
	sink    *sink
	// doc knows the custom functions; nil for none.
	doc *document
}

func (p *valueParser) value(n *yamlx.Node) *Value {
	v := &Value{extent: extentOf(n, p.file)}
	switch n.Kind {
	case yamlx.Sequence:
		list := make([]*Value, len(n.Items))
		for i, item := range n.Items {
			list[i] = p.value(item)
		}
		v.content = list
	case yamlx.Mapping:
		if call := p.call(n); call != nil {
			p.finish(v, call)
			return v
		}
		if called := p.calledKeys(n); called != nil {
			p.calledEntries(v, n, called)
			return v
		}
		entries := make([]mapEntry, len(n.Fields))
		for i, f := range n.Fields {
			entries[i] = mapEntry{p.unescape(f.Key.Text), p.value(f.Value)}
		}
		v.content = entries
	default:
		v.content = n.Data
		if n.Type == yamlx.Bool && n.Text != "true" && n.Text != "false" && p.version.v2() {
			v.content = n.Text // only these two words are booleans in TOSCA 2.0
		}
		if s, ok := n.Data.(string); ok && p.prefixed(s) {
			p.word(v, s)
		}
		p.yamlType(n, v)
	}
	return v
}

// yamlType reports the types of YAML that TOSCA 2.0 does not accept.
//
// Source: TOSCA 2.0 sections 9.1.1.5 and 9.1.2.1.
func (p *valueParser) yamlType(n *yamlx.Node, v *Value) {
	section, instead := "", ""
	switch {
	case !p.version.v2():
		return
	case n.Tag == "!!binary":
		section, instead = "9.1.1.5", "Write a string in base 64, and bytes as the type in the definition."
	case n.Tag == "!!timestamp":
		section, instead = "9.1.2.1", "Write a string as RFC 3339 has it, and timestamp as the type in the definition."
	default:
		return
	}
	d := p.sink.errorf("wrong-type", v.Range(), "the YAML type %s is not accepted", n.Tag)
	d.Detail, d.Section = instead, p.version.at(section)
}

// prefixed tells whether a text begins as a call of TOSCA 2.0 does.
func (p *valueParser) prefixed(s string) bool {
	prefix := p.version.functionPrefix
	return prefix != "" && strings.HasPrefix(s, prefix)
}

// unescape undoes "$$" at the beginning of a text of TOSCA 2.0.
func (p *valueParser) unescape(s string) string {
	prefix := p.version.functionPrefix
	if prefix != "" && strings.HasPrefix(s, prefix+prefix) {
		return s[len(prefix):]
	}
	return s
}

// word reads a string of TOSCA 2.0 that begins with "$": a call without
// arguments, or an escaped text.
func (p *valueParser) word(v *Value, s string) {
	if plain := p.unescape(s); plain != s {
		v.content = plain
		return
	}
	name := s[len(p.version.functionPrefix):]
	call := p.newCall(name, v.Range())
	if call == nil {
		v.content = &Call{Function: name, Range: v.Range()}
		return
	}
	p.finish(v, call)
}

// newCall makes a call of a function of the language, of a custom one, or of
// one that the orchestrator knows. It is nil for an unknown function, which is
// reported.
func (p *valueParser) newCall(name string, rng Range) *Call {
	if f := functionNamed(name, p.version); f != nil {
		return &Call{Function: f.name, Range: rng, function: f}
	}
	if p.doc != nil && p.version.functionPrefix != "" {
		if decl := p.doc.functionNamed(name); decl != nil {
			return &Call{Function: name, Range: rng, function: customFunction(name), Custom: decl.function}
		}
		if p.doc.known[name] {
			return &Call{Function: name, Range: rng, function: customFunction(name)}
		}
	}
	if p.version.functionPrefix != "" {
		p.unknown(name, rng)
	}
	return nil
}

// call reads a map as a call; nil where it is data, or no valid call.
func (p *valueParser) call(n *yamlx.Node) *Call {
	name, arg, ok := p.callShape(n)
	if !ok {
		return nil
	}
	rng := extentOf(n, p.file).Range()
	call := p.newCall(name, rng)
	if call == nil && p.version.functionPrefix != "" {
		return &Call{Function: name, Range: rng} // unknown, which was reported
	}
	if call == nil {
		p.misspelt(n.Fields[0].Key)
		return nil
	}
	if call.function.listOnly && arg.Kind != yamlx.Sequence {
		return nil
	}
	if p.version.functionPrefix != "" && arg.IsNull() {
		return call // "$value:" has no arguments
	}
	if arg.Kind == yamlx.Sequence {
		call.Args = make([]*Value, len(arg.Items))
		for i, item := range arg.Items {
			call.Args[i] = p.value(item)
		}
	} else {
		call.Args = []*Value{p.value(arg)}
	}
	return call
}

// callShape tells whether a map has the shape of a call, and of which function
// with what argument.
func (p *valueParser) callShape(n *yamlx.Node) (name string, arg *yamlx.Node, ok bool) {
	prefix := p.version.functionPrefix
	if prefix == "" {
		if len(n.Fields) != 1 {
			return "", nil, false
		}
		return n.Fields[0].Key.Text, n.Fields[0].Value, true
	}
	if name, arg, ok := p.unprefixedCall(n); ok {
		return name, arg, true
	}
	for _, f := range n.Fields {
		key := f.Key.Text
		if !p.prefixed(key) || p.unescape(key) != key {
			continue
		}
		if len(n.Fields) > 1 || p.calledKeys(n) != nil {
			d := p.sink.errorf("malformed-function", extentOf(f.Key, p.file).Range(),
				"the call of %s stands among other keys", key)
			d.Detail = "A call is a map with the function's name as its only key. Write \"" + prefix + key + "\" for a key that begins with \"" + prefix + "\"."
			d.Section = p.version.at("10.1")
			return "", nil, false
		}
		name, _, _ = strings.Cut(key[len(prefix):], prefix)
		return name, f.Value, true
	}
	return "", nil, false
}

// unprefixedCall recognizes a graph function that is called without the "$" of
// TOSCA 2.0, as templates do that were only half converted from 1.x.
func (p *valueParser) unprefixedCall(n *yamlx.Node) (name string, arg *yamlx.Node, ok bool) {
	if len(n.Fields) != 1 || p.calledKeys(n) != nil {
		return "", nil, false
	}
	key := n.Fields[0].Key
	for _, f := range slices.Concat(graphFunctions, pathFunctions) {
		if f.name == key.Text && p.version.level <= f.to {
			d := p.sink.warnf("missing-prefix", extentOf(key, p.file).Range(), "%s is taken for a call of %s%s", f.name, p.version.functionPrefix, f.name)
			d.Detail = "In " + p.version.section + " the name of a function begins with \"" + p.version.functionPrefix + "\"."
			d.Section = p.version.at("10.1")
			return f.name, n.Fields[0].Value, true
		}
	}
	return "", nil, false
}

// unknown reports an unknown function of TOSCA 2.0.
func (p *valueParser) unknown(name string, rng Range) {
	var names []string
	if p.doc != nil {
		names = append(p.doc.functionNames(), sortedKeys(p.doc.known)...)
	}
	for _, f := range functionsOf(p.version) {
		names = append(names, f.name)
	}
	prefix := p.version.functionPrefix
	d := p.sink.errorf("unknown-function", rng, "there is no function %s%s in %s", prefix, name, p.version.section)
	d.Suggestion = nearest(name, names)
	d.Section = p.version.at("10.1")
	if instead := replacedFunctions[name]; instead != "" {
		d.Suggestion, d.Detail = "", instead
		d.Section = p.version.at("10.2")
		return
	}
	d.Detail = "Write \"" + prefix + prefix + name + "\" for the literal text \"" + prefix + name + "\"."
}

// misspelt warns of a map of 1.x that was probably meant as a call: data have
// no keys like "get_imput".
func (p *valueParser) misspelt(key *yamlx.Node) {
	const common = "get_"
	if !strings.HasPrefix(key.Text, common) {
		return
	}
	var names []string
	for _, f := range functionsOf(p.version) {
		if strings.HasPrefix(f.name, common) {
			names = append(names, f.name)
		}
	}
	near := nearest(key.Text, names)
	if near == "" {
		return
	}
	d := p.sink.warnf("unknown-function", extentOf(key, p.file).Range(), "there is no function %s in %s; this is a map with that key", key.Text, p.version.section)
	d.Suggestion, d.Section = near, p.version.at("4")
}

// finish checks the number of arguments and folds the call where it can.
func (p *valueParser) finish(v *Value, call *Call) {
	v.content = call
	f := call.function
	if f == nil {
		return
	}
	if n := len(call.Args); n < f.min || f.max != Unbounded && n > f.max {
		d := p.sink.errorf("function-arguments", call.Range, "%s takes %s, not %d", f.name, argumentCount(f.min, f.max), n)
		d.Detail = "Usage: " + p.version.functionPrefix + f.usage + "."
		return
	}
	p.warn(call)
	if !f.pure {
		return
	}
	args := make([]any, len(call.Args))
	for i, arg := range call.Args {
		data, ok := arg.Static()
		if !ok {
			return
		}
		args[i] = data
	}
	result, err := f.eval(nil, call, args)
	if err != nil {
		p.sink.errorf("invalid-call", call.Range, "%s: %s", f.name, err).Detail = "Usage: " + p.version.functionPrefix + f.usage + "."
		return
	}
	extent := v.extent
	*v = *Constant(result)
	v.extent = extent
}

// warn reports a call that means something else in the specification.
func (p *valueParser) warn(call *Call) {
	if call.Function != "token" || p.version.v2() {
		return
	}
	if sep, ok := call.Args[1].content.(string); ok && len([]rune(sep)) > 1 {
		d := p.sink.warnf("token-separator", call.Args[1].Range(), "token separates at %s as a whole", show(sep))
		d.Detail = "The specification separates at each of the characters; published templates rely on the whole text. A separator of one character means the same in both."
		d.Section = p.version.at("4.3.3")
	}
}

func argumentCount(min, max int) string {
	plural := func(n int) string {
		if n == 1 {
			return "1 argument"
		}
		return fmt.Sprintf("%d arguments", n)
	}
	switch {
	case min == max:
		return plural(min)
	case max == Unbounded:
		return "at least " + plural(min)
	}
	return fmt.Sprintf("%d to %s", min, plural(max))
}
