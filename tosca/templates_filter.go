package tosca

import (
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
)

// nodeFilter reads a node filter.
//
// Source: TOSCA 1.3 section 3.6.5, TOSCA 2.0 section 8.6.
func (d *document) nodeFilter(n *yamlx.Node) *NodeFilter {
	if n.IsNull() {
		return nil
	}
	if d.v.v2() {
		expr := d.expression(n, "a node filter")
		if expr == nil {
			return nil
		}
		return &NodeFilter{Expr: expr, Range: d.rng(n)}
	}
	d.fields(n, "node filter")
	f := &NodeFilter{Properties: d.propertyFilters(n.Get("properties")), Range: d.rng(n)}
	caps := n.Get("capabilities")
	for _, c := range d.filterEntries(caps, "capabilities") {
		body := c.Value
		if p := body.Get("properties"); p != nil {
			body = p
		}
		f.Capabilities = append(f.Capabilities, &CapabilityFilter{Name: c.Key.Text, Properties: d.propertyFilters(body), Range: d.rng(c.Key)})
	}
	return f
}

// filterEntries reads a list of maps of one entry, or a map.
func (d *document) filterEntries(n *yamlx.Node, what string) []yamlx.Field {
	if n.IsNull() {
		return nil
	}
	if n.Kind == yamlx.Mapping {
		return n.Fields
	}
	var list []yamlx.Field
	for _, item := range d.items(n, what) {
		if item.Kind != yamlx.Mapping {
			d.wrongShape(item, "an item of "+what, "a map")
			continue
		}
		list = append(list, item.Fields...)
	}
	return list
}

func (d *document) propertyFilters(n *yamlx.Node) []*PropertyFilter {
	var list []*PropertyFilter
	for _, f := range d.filterEntries(n, "properties") {
		list = append(list, &PropertyFilter{Name: f.Key.Text, Constraints: d.constraints(f.Value), Range: d.rng(f.Key)})
	}
	return list
}

// constraints reads a list of constraint clauses, one clause, or a bare value,
// which must be equalled.
func (d *document) constraints(n *yamlx.Node) []*Constraint {
	if n.Kind != yamlx.Sequence {
		item := n
		if n.Kind == yamlx.Scalar {
			key := &yamlx.Node{Text: "equal", Data: "equal", Start: n.Start, End: n.Start}
			item = &yamlx.Node{Kind: yamlx.Mapping, Fields: []yamlx.Field{{Key: key, Value: n}}, Start: n.Start, End: n.End}
		}
		n = &yamlx.Node{Kind: yamlx.Sequence, Items: []*yamlx.Node{item}, Start: n.Start, End: n.End}
	}
	return d.parser().constraints(n)
}

// expression reads a boolean expression of TOSCA 2.0; nil where there is none,
// which is reported.
//
// Source: TOSCA 2.0 section 10.2.2.
func (d *document) expression(n *yamlx.Node, what string) *Value {
	v := d.value(n)
	switch c := v.content.(type) {
	case bool:
		return v
	case *Call:
		if c.function == nil {
			return nil // unknown, which was reported
		}
		if c.function.maybeBoolean() {
			return v
		}
	case []mapEntry:
		if len(n.Fields) == 1 && d.parser().prefixed(n.Fields[0].Key.Text) {
			return nil // a call with a reported fault
		}
	}
	dia := d.errorf(codeNotBoolean, n, "%s is a boolean expression in %s", what, d.v.section)
	dia.Detail = "Write a call of a boolean function, such as \"$greater_or_equal: [ { $get_property: [ SELF, size ] }, 1 ]\"."
	dia.Section = d.v.at("10.2.2")
	return nil
}

// passes tells whether a node has values that satisfy the filter. A value that
// is known only at run time satisfies it. self is what SELF means in a filter
// of TOSCA 2.0: the relationship that would lead to the node, or the node.
func (f *NodeFilter) passes(n *NodeTemplate, self Entity, env Env) bool {
	if f.Expr != nil {
		ok, err := holdsTrue(f.Expr, self, env)
		return ok || errs.CodeOf(err) == errs.FailedPrecondition
	}
	if !passAll(f.Properties, n.Properties) {
		return false
	}
	for _, c := range f.Capabilities {
		found := n.Capability(c.Name)
		if found == nil {
			found = first(n.Capabilities, func(have *Capability) bool { return have.Type.IsA(c.Name) })
		}
		if found == nil || !passAll(c.Properties, found.Properties) {
			return false
		}
	}
	return true
}

func passAll(filters []*PropertyFilter, values []*Assignment) bool {
	for _, f := range filters {
		a := assignment(values, f.Name)
		if a == nil {
			return false
		}
		data, static := a.Value.Static()
		if !static {
			continue
		}
		for _, c := range f.Constraints {
			if c.Check(data, a.Schema) != nil {
				return false
			}
		}
	}
	return true
}

// holdsTrue evaluates a boolean expression. It is false, without an error,
// where the expression evaluates to false.
func holdsTrue(expr *Value, self Entity, env Env) (bool, error) {
	data, err := expr.Eval(self, env)
	if err != nil {
		return false, err
	}
	holds, ok := data.(bool)
	if !ok {
		return false, invalidArgument("the expression at %s is %s, not a boolean", expr.Range().place(), show(data))
	}
	return holds, nil
}

// Holds tells whether a condition of TOSCA 2.0 (Expr) holds in the context of
// self: the node or relationship that it is about, or the policy of a trigger.
// Conditions of 1.x are about attributes of an instance; the engine examines
// them with Satisfies. Errors are those of Value.Eval.
func (c *Condition) Holds(self Entity, env Env) (bool, error) {
	if c.Expr == nil {
		return false, invalidArgument("the condition at %s is no expression", c.Range.place())
	}
	return holdsTrue(c.Expr, self, env)
}

// tentative is the relationship that a requirement would make with a
// capability: what SELF means in the node filter of TOSCA 2.0.
func (b *builder) tentative(w *wanted, c *Capability) Entity {
	self := w.self()
	r := self.Relationship.Requirement
	r.Target, r.Capability = c.Node, c
	return self
}

// env is what can be asked while a template is built: its inputs. Those that
// are asked for decide about the shape of the service.
func (b *builder) env() Env {
	for b.outer != nil {
		b = b.outer
	}
	if b.inputs == nil {
		b.inputs, _ = b.t.ResolveInputs(b.opts.Inputs) // faults are reported in the end
	}
	return shapeEnv{givenInputs{b.inputs}, b.shape}
}
