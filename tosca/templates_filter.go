package tosca

import "github.com/seed-a4fd30b5/orchestrator/internal/yamlx"

// nodeFilter reads a node filter.
//
// Source: TOSCA 1.3 section 3.6.5.
func (d *document) nodeFilter(n *yamlx.Node) *NodeFilter {
	if n.IsNull() {
		return nil
	}
	if d.v.v2() {
		d.warnf(codeUnsupported, n, "node filters of TOSCA 2.0 are not evaluated yet")
		return nil
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
	return parseConstraints(n, d.name, d.v, d.s)
}

// passes tells whether a node has values that satisfy the filter. A value that
// is known only at run time satisfies it.
func (f *NodeFilter) passes(n *NodeTemplate) bool {
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
