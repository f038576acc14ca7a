package tosca

import (
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
)

// Function is a custom function that a file defines.
//
// Source: TOSCA 2.0 section 10.4.
type Function struct {
	// Name is the name as declared, without "$" and namespace.
	Name        string
	Description string
	Metadata    map[string]any
	// Signatures are tried in order; the first that fits a call is meant.
	Signatures []*Signature
	Range      Range
}

// Signature is one way to call a Function.
//
// Source: TOSCA 2.0 section 10.4.
type Signature struct {
	// Arguments must all be given, in order; OptionalArguments may follow.
	Arguments, OptionalArguments []*Schema
	// Variadic tells that the last of them may be repeated; without any, the
	// function takes whatever it is given.
	Variadic bool
	// Result is nil where the function may return anything.
	Result *Schema
	// Implementation is nil where the orchestrator is expected to know the function.
	Implementation *Implementation
	Range          Range
}

// argument returns the schema of the argument with index i; ok is false where
// the signature takes none there. A nil schema takes anything.
func (g *Signature) argument(i int) (sc *Schema, ok bool) {
	all := len(g.Arguments) + len(g.OptionalArguments)
	switch {
	case i < len(g.Arguments):
		return g.Arguments[i], true
	case i < all:
		return g.OptionalArguments[i-len(g.Arguments)], true
	case !g.Variadic:
		return nil, false
	case all == 0:
		return nil, true
	case len(g.OptionalArguments) > 0:
		return g.OptionalArguments[len(g.OptionalArguments)-1], true
	}
	return g.Arguments[len(g.Arguments)-1], true
}

// bounds returns how many arguments the signature takes.
func (g *Signature) bounds() (minimum, maximum int) {
	if g.Variadic {
		return len(g.Arguments), Unbounded
	}
	return len(g.Arguments), len(g.Arguments) + len(g.OptionalArguments)
}

// functionDecl is a function where a file defines it.
type functionDecl struct {
	function *Function
	doc      *document
	key      *yamlx.Node
	body     *yamlx.Node
	// refinement is the definition inside the service template, over one of the
	// same name outside.
	refinement *functionDecl
}

// declareFunctions enters the functions that files define, so that calls find
// them. What they take is read when the types are complete. Those inside a
// service template come last, since they may refine any that the file sees.
func declareFunctions(docs []*document) {
	for _, d := range docs {
		d.functions = map[string]*functionDecl{}
		d.eachFunction(d.root.Get("functions"), d.declareFunction)
	}
	for _, d := range docs {
		inside := either(d.root, "service_template", "topology_template")
		d.eachFunction(inside.Get("functions"), func(decl *functionDecl) {
			if outer := d.functionNamed(decl.function.Name); outer != nil && outer.refinement == nil {
				outer.refinement = decl
				return
			}
			d.declareFunction(decl)
		})
	}
}

func (d *document) declareFunction(decl *functionDecl) {
	d.functions[decl.function.Name] = decl
	d.functionOrder = append(d.functionOrder, decl)
}

func (d *document) eachFunction(n *yamlx.Node, visit func(*functionDecl)) {
	if n != nil && n.IsNull() {
		d.wrongShape(n, "functions", "a map of functions by name")
	}
	for _, f := range d.entries(n, "functions") {
		if d.functionName(f.Key) {
			visit(&functionDecl{function: &Function{Name: f.Key.Text, Range: d.rng(f.Key)}, doc: d, key: f.Key, body: f.Value})
		}
	}
}

// functionName checks the name of a function.
func (d *document) functionName(key *yamlx.Node) bool {
	if key.Text == "" || key.IsNull() || strings.ContainsAny(key.Text, "$: \t\n") {
		d.errorf(codeBadFunction, key, "%s is no name of a function", show(key.Text)).Detail =
			"A function's name is a text without \"$\", \":\" and spaces."
		return false
	}
	if functionNamed(key.Text, d.v) != nil {
		d.warnf(codeBadFunction, key, "there is a function $%s in the language, and calls mean that one", key.Text).Section = "TOSCA 2.0 section 10.4"
	}
	return true
}

// functionNamed finds a custom function by a name as the file can write it,
// with the namespaces of its imports, or nil.
func (d *document) functionNamed(name string) *functionDecl {
	var found *functionDecl
	d.search(name, func(in *document, local string) bool {
		found = in.functions[local]
		return found != nil
	})
	return found
}

// functionNames lists the custom functions that a file can call, for a
// suggestion: its own and those of its imports.
func (d *document) functionNames() []string {
	var names []string
	add := func(in *document, prefix string) {
		for _, f := range in.functionOrder {
			names = append(names, prefix+f.function.Name)
		}
	}
	add(d, "")
	for _, imp := range d.imports {
		prefix := ""
		if imp.prefix != "" {
			prefix = imp.prefix + ":"
		}
		add(imp.doc, prefix)
	}
	return names
}

// readFunctions reads what the functions of all files take and return, and
// returns them in order of declaration.
func (r *typeResolver) readFunctions(docs []*document) []*Function {
	var all []*Function
	seen := map[string]*functionDecl{}
	for _, d := range docs {
		for _, decl := range d.functionOrder {
			r.function(decl)
			all = append(all, decl.function)
			if refined := decl.refinement; refined != nil {
				r.refineFunction(decl.function, refined)
			}
		}
		d.overlappingFunctions(seen)
		clear(seen)
	}
	return all
}

// overlappingFunctions reports functions of one name that a file sees without
// a namespace.
func (d *document) overlappingFunctions(seen map[string]*functionDecl) {
	for _, f := range d.functionOrder {
		seen[f.function.Name] = f
	}
	for _, imp := range d.imports {
		if imp.prefix != "" || imp.doc == d {
			continue
		}
		for _, f := range imp.doc.functionOrder {
			if old := seen[f.function.Name]; old != nil && old.doc != f.doc {
				old.doc.duplicate(old.key, "a function", f.function.Range)
				continue
			}
			seen[f.function.Name] = f
		}
	}
}

// function reads a definition.
func (r *typeResolver) function(decl *functionDecl) {
	d, f := decl.doc, decl.function
	d.fields(decl.body, "function definition")
	f.Description, f.Metadata = prose(decl.body.Get("description")), d.metadata(decl.body.Get("metadata"))
	items := d.items(decl.body.Get("signatures"), "signatures")
	for _, item := range items {
		f.Signatures = append(f.Signatures, r.signature(d, item))
	}
	if len(items) == 0 {
		d.errorf(codeMissingKeyname, decl.key, "the function %q has no signatures", f.Name).Section = "TOSCA 2.0 section 10.4"
	}
}

func (r *typeResolver) signature(d *document, n *yamlx.Node) *Signature {
	g := &Signature{Range: d.rng(n)}
	d.fields(n, "function signature")
	for _, item := range d.items(n.Get("arguments"), "arguments") {
		g.Arguments = append(g.Arguments, d.schema(item))
	}
	for _, item := range d.items(n.Get("optional_arguments"), "optional_arguments") {
		g.OptionalArguments = append(g.OptionalArguments, d.schema(item))
	}
	g.Variadic = d.boolean(n.Get("variadic"), "variadic", false)
	g.Result = d.schema(n.Get("result"))
	g.Implementation = d.implementation(n.Get("implementation"), nil)
	if g.Implementation != nil {
		r.implementations = append(r.implementations, located[*Implementation]{d, g.Implementation})
	}
	return g
}

// refineFunction lays a definition inside a service template over the one
// outside: implementations may change, and signatures may be added at the end.
//
// Source: TOSCA 2.0 section 10.4 (refinement rules).
func (r *typeResolver) refineFunction(f *Function, decl *functionDecl) {
	d := decl.doc
	d.fields(decl.body, "function definition")
	if v := decl.body.Get("description"); v != nil {
		f.Description = prose(v)
	}
	if v := decl.body.Get("metadata"); v != nil {
		f.Metadata = d.metadata(v)
	}
	for i, item := range d.items(decl.body.Get("signatures"), "signatures") {
		if i >= len(f.Signatures) {
			f.Signatures = append(f.Signatures, r.signature(d, item))
			continue
		}
		if item.IsNull() {
			continue
		}
		for _, field := range d.fields(item, "function signature") {
			if field.Key.Text != "implementation" {
				d.errorf(codeBadRefinement, field.Key, "only the implementation of a signature can be refined, not %q", field.Key.Text).Related =
					[]RelatedRange{{f.Signatures[i].Range, "the signature is defined here"}}
			}
		}
		if impl := d.implementation(item.Get("implementation"), nil); impl != nil {
			f.Signatures[i].Implementation = impl
			r.implementations = append(r.implementations, located[*Implementation]{d, impl})
		}
	}
}
