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
	return t.resolveInputs(given, nil)
}

// resolveInputs tells faults at their places in the file that the inputs come
// from, where it is not nil.
func (t *ServiceTemplate) resolveInputs(given map[string]any, file *InputsFile) (map[string]any, Diagnostics) {
	s := &sink{}
	inputs := make(map[string]any, len(t.Inputs))
	for _, p := range t.Inputs {
		t.resolveInput(p, given, file, inputs, s)
	}
	for _, name := range sortedKeys(given) {
		if t.Input(name) == nil {
			place := Range{File: t.File}
			if file != nil {
				place = file.place(name)
			}
			d := s.errorf("unknown-input", place, "there is no input %s", show(name))
			d.Suggestion = nearest(name, t.inputNames())
			d.Detail = "The template declares no such input."
		}
	}
	return inputs, s.list
}

func (t *ServiceTemplate) resolveInput(p *Parameter, given map[string]any, file *InputsFile, inputs map[string]any, s *sink) {
	data, ok := given[p.Name]
	place, related := p.Range, []RelatedRange(nil)
	if file != nil {
		place, related = file.place(p.Name), []RelatedRange{{Range: p.Range, Message: "defined here"}}
	}
	told := len(s.list)
	switch {
	case ok && p.Value != nil:
		s.errorf("fixed-input", place, "the value of the input %s is fixed by the template", p.Name).
			Detail = "Leave the input out."
	case ok && file != nil:
		inputs[p.Name] = normalize(data)
		p.checkPlaced(file.value(p.Name), s)
	case ok:
		inputs[p.Name] = p.check(data, s)
	case p.Value != nil || p.Default != nil:
		t.defaultInput(p, inputs, s)
		return // its faults are the template's
	case p.Required:
		s.errorf("missing-input", place, "the required input %s has no value", p.Name).
			Detail = "Give it a value; it has no default."
	}
	for _, d := range s.list[told:] {
		d.Related = append(d.Related, related...)
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
	p.checkPlaced(v, s)
	return data
}

func (p *Parameter) checkPlaced(v *Value, s *sink) {
	p.Schema.checkInput(v, s, "input "+p.Name, p.Sensitive)
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
