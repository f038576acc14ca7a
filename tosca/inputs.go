package tosca

// ResolveInputs checks the inputs given for a deployment and returns them with
// the defaults applied, one entry for each input that has a value. Values are
// kept as given; numbers become int64 or float64.
//
// It reports unknown-input for an input that is not declared, missing-input
// for a required one without a value, and the faults of a value (wrong-type,
// constraint-violated, lenient-type, ...). The places are those of the
// declarations. An explicit null counts as a value.
//
// Source: TOSCA 1.3 section 3.6.14 (parameters).
func (t *ServiceTemplate) ResolveInputs(given map[string]any) (map[string]any, Diagnostics) {
	s := &sink{}
	inputs := make(map[string]any, len(t.Inputs))
	for _, p := range t.Inputs {
		t.resolveInput(p, given, inputs, s)
	}
	for _, name := range sortedKeys(given) {
		if t.Input(name) == nil {
			d := s.errorf("unknown-input", Range{File: t.File}, "there is no input %s", show(name))
			d.Suggestion = nearest(name, t.inputNames())
			d.Detail = "The template declares no such input."
		}
	}
	return inputs, s.list
}

func (t *ServiceTemplate) resolveInput(p *Parameter, given, inputs map[string]any, s *sink) {
	data, ok := given[p.Name]
	switch {
	case ok && p.Value != nil:
		s.errorf("fixed-input", p.Range, "the value of the input %s is fixed by the template", p.Name).
			Detail = "Leave the input out."
	case ok:
		inputs[p.Name] = p.check(data, s)
	case p.Value != nil || p.Default != nil:
		t.defaultInput(p, inputs, s)
	case p.Required:
		s.errorf("missing-input", p.Range, "the required input %s has no value", p.Name).
			Detail = "Give it a value; it has no default."
	}
}

// Check checks a value that is given for the parameter, such as an input of a
// workflow, and returns it with its numbers as int64 or float64. It reports the
// faults of a value (wrong-type, constraint-violated, lenient-type, ...) at the
// place of the declaration.
//
// Source: TOSCA 1.3 section 3.6.14, TOSCA 2.0 section 9.8.
func (p *Parameter) Check(data any) (any, Diagnostics) {
	s := &sink{}
	data = p.check(data, s)
	return data, s.list
}

func (p *Parameter) check(data any, s *sink) any {
	data = normalize(data)
	v := Constant(data)
	v.place(p.Range)
	p.Schema.checkInput(v, s, "input "+p.Name, p.Sensitive)
	return data
}

// defaultInput evaluates what the template itself says, where other inputs may occur.
func (t *ServiceTemplate) defaultInput(p *Parameter, inputs map[string]any, s *sink) {
	v := p.Value
	if v == nil {
		v = p.Default
	}
	data, err := v.Eval(Entity{Service: t}, givenInputs{inputs})
	if err != nil {
		s.errorf("invalid-call", v.Range(), "the input %s cannot be evaluated: %s", p.Name, err)
		return
	}
	inputs[p.Name] = data
}

// place sets the place of a value and of all that is in it.
func (v *Value) place(r Range) {
	v.extent = extent{
		file: r.File,
		line: uint32(r.Start.Line), column: uint32(r.Start.Column),
		endLine: uint32(r.End.Line), endColumn: uint32(r.End.Column),
	}
	switch c := v.content.(type) {
	case []*Value:
		for _, item := range c {
			item.place(r)
		}
	case []mapEntry:
		for _, e := range c {
			e.value.place(r)
		}
	}
}

// givenInputs is an Env that knows inputs only.
type givenInputs struct{ inputs map[string]any }

func (g givenInputs) Input(name string) (any, bool, error) {
	data, ok := g.inputs[name]
	return data, ok, nil
}

func (givenInputs) Attribute(Entity, string, string) (any, bool, error) { return nil, false, nil }

func (givenInputs) OperationOutput(Entity, string, string, string) (any, bool, error) {
	return nil, false, nil
}

func (givenInputs) Artifact(Entity, *Artifact, string, bool) (any, bool, error) {
	return nil, false, nil
}
