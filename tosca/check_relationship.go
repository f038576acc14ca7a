package tosca

import "slices"

// relationshipInputs checks the calls in the inputs of an operation of a
// relationship. What its type says of source or target is a warning: published
// types have operations that nothing ever called, with inputs that no
// deployment could evaluate.
func (c *checker) relationshipInputs(self Entity, op *Operation) {
	for _, in := range op.Inputs {
		for _, f := range c.inputFaults(self, in) {
			if in.Default {
				f.Severity = Warning
			}
			c.s.list = append(c.s.list, f)
		}
	}
}

// inputFaults are what is wrong with the calls in one input.
func (c *checker) inputFaults(self Entity, in *Assignment) []*Diagnostic {
	if _, static := in.Value.Static(); static {
		return nil
	}
	faults := sink{}
	c.value(callChecker{self: self, sink: &faults}, in.Value, in.Schema)
	return faults.list
}

// uncalled are the operations of the Configure interface that xOpera never
// calls. Blueprints made for it declare some that could not work.
var uncalled = []string{"add_target", "add_source", "target_changed", "remove_target", "remove_source"}

// leftOut finds, in 1.x, the operations that the life cycle of a relationship
// leaves out: xOpera never called them, and they would fail, since an input that
// the type gives them cannot be evaluated. With the nodes of a blueprint that
// xOpera deploys it would otherwise fail behind the start of its last node.
func (c *checker) leftOut(self Entity) {
	if c.v2() {
		return
	}
	for _, i := range self.Relationship.Interfaces {
		for _, op := range i.Operations {
			if op.Implementation == nil || !slices.Contains(uncalled, op.Name) || i != self.Relationship.configure() {
				continue
			}
			if in := c.impossibleInput(self, op); in != nil {
				c.leaveOut(self.Relationship, op, in)
			}
		}
	}
}

// configure is the interface that life cycles call.
func (t *RelationshipTemplate) configure() *Interface {
	if i := t.Interface("tosca.interfaces.relationship.Configure"); i != nil {
		return i
	}
	return t.Interface("Configure")
}

// impossibleInput is the first input that the type gives to an operation and
// that can be seen to fail, or nil.
func (c *checker) impossibleInput(self Entity, op *Operation) *Assignment {
	return first(op.Inputs, func(in *Assignment) bool {
		return in.Default && slices.ContainsFunc(c.inputFaults(self, in), func(f *Diagnostic) bool { return f.Severity == Error })
	})
}

func (c *checker) leaveOut(rel *RelationshipTemplate, op *Operation, in *Assignment) {
	rel.LeftOut = append(rel.LeftOut, op.Name)
	d := c.s.warnf(codeLeftOut, op.Range, "the operation %q of the relationship %s is left out, since its input %q cannot be evaluated", op.Name, rel.label(), in.Name)
	d.Detail = "xOpera never calls this operation. Correct the input, and it is called."
	d.Related = []RelatedRange{{in.Value.Range(), "the input is given here"}}
	c.implementation(op.Implementation, Warning) // its file may be missing
}
