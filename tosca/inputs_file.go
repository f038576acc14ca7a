package tosca

import "github.com/seed-a4fd30b5/orchestrator/internal/yamlx"

// InputsFile is a file of inputs that knows where each stands, for
// Options.InputsFile. ReadInputs makes it.
//
// Source: TOSCA 1.3 section 3.6.14 (parameters).
type InputsFile struct {
	// Name is what diagnostics call the file: its path from the root of the file
	// system that the service template is loaded from, or an absolute one.
	Name string

	root *yamlx.Node // nil for an empty file
}

// inputsLimits bound a file of inputs.
var inputsLimits = yamlx.Limits{Depth: 200, Nodes: 1_000_000}

// ReadInputs reads the text of a file of inputs in YAML or JSON: a map of names
// to values. An empty file has none. The InputsFile is nil where there is a
// fault; all faults are Errors.
func ReadInputs(name string, src []byte) (*InputsFile, Diagnostics) {
	s := &sink{}
	root, faults := yamlx.Parse(src, inputsLimits)
	for _, f := range faults {
		s.fault(name, f)
	}
	if root.IsNull() {
		root = nil
	} else if root.Kind != yamlx.Mapping {
		s.errorf(codeWrongShape, Range{File: name, Start: Pos(root.Start), End: Pos(root.End)}, "inputs must be a map of names to values")
	}
	if len(s.list) > 0 {
		return nil, s.sorted()
	}
	return &InputsFile{Name: name, root: root}, nil
}

// Values returns the inputs as data. They are the caller's to change.
func (f *InputsFile) Values() map[string]any {
	if values, ok := f.root.Value().(map[string]any); ok {
		return values
	}
	return map[string]any{}
}

// value returns an input with its places, in which calls are mere data; nil
// where it is not in the file.
func (f *InputsFile) value(name string) *Value {
	if n := f.root.Get(name); n != nil {
		return f.placed(n)
	}
	return nil
}

func (f *InputsFile) placed(n *yamlx.Node) *Value {
	v := &Value{content: n.Data, extent: extentOf(n, f.Name)}
	switch n.Kind {
	case yamlx.Sequence:
		items := make([]*Value, len(n.Items))
		for i, item := range n.Items {
			items[i] = f.placed(item)
		}
		v.content = items
	case yamlx.Mapping:
		entries := make([]mapEntry, len(n.Fields))
		for i, e := range n.Fields {
			entries[i] = mapEntry{e.Key.Text, f.placed(e.Value)}
		}
		v.content = entries
	}
	return v
}

// place is where the name of an input stands, or the whole file.
func (f *InputsFile) place(name string) Range {
	if f.root != nil {
		for _, e := range f.root.Fields {
			if e.Key.Text == name {
				return extentOf(e.Key, f.Name).Range()
			}
		}
	}
	return Range{File: f.Name}
}
