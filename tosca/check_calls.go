package tosca

import "strings"

// checkClauses checks the calls in validation clauses against the type whose
// values they are about.
//
// Source: TOSCA 2.0 sections 9.2 and 9.11.
func checkClauses(clauses []*Constraint, subject *Schema, s *sink) {
	k := callChecker{sink: s, subject: subject}
	for _, c := range clauses {
		if c.isValidation() {
			c.Value.eachCall(k.declared)
			k.result(c.Value, schemaNamed("boolean"))
		}
	}
}

// validate checks a value against validation clauses of its type that ask
// other values, such as "$less_or_equal: [$value, {$get_property: [SELF, max]}]",
// as far as those are known while loading. Clauses that ask nothing are checked
// with the value's type.
//
// Source: TOSCA 2.0 section 9.11.
func (k callChecker) validate(v *Value, want *Schema) {
	if want == nil || want.Type == nil {
		return
	}
	for _, list := range [][]*Constraint{want.Type.Constraints, want.Constraints} {
		for _, c := range list {
			if c.asks {
				k.clause(v, want, c)
			}
		}
	}
	switch content := v.content.(type) {
	case []*Value:
		if entry := want.entry(); entry.anyAsks(0) {
			for _, item := range content {
				k.validate(item, entry)
			}
		}
	case []mapEntry:
		for _, e := range content {
			if sc := want.under(want.property(e.key)); sc.anyAsks(0) {
				k.validate(e.value, sc)
			}
		}
	case []calledEntry:
		if entry := want.entry(); entry.anyAsks(0) {
			for _, e := range content {
				k.validate(e.value, entry)
			}
		}
	}
}

// anyAsks tells whether a clause of the schema, at any depth, asks other values.
func (sc *Schema) anyAsks(depth int) bool {
	if sc == nil || sc.Type == nil || depth > 20 {
		return false
	}
	for _, list := range [][]*Constraint{sc.Type.Constraints, sc.Constraints} {
		for _, c := range list {
			if c.asks {
				return true
			}
		}
	}
	for _, p := range sc.Type.Properties {
		if p.Schema.anyAsks(depth + 1) {
			return true
		}
	}
	return sc.entry().anyAsks(depth + 1)
}

// clause checks one validation clause.
func (k callChecker) clause(v *Value, want *Schema, c *Constraint) {
	k.subject = want
	k.check(c.Value, nil)
	e := evaluation{self: k.self, env: k.env}
	data, err := e.value(v)
	if err != nil || data == nil {
		return // known at run time only
	}
	e.subject, e.subjectSchema = &data, want
	result, err := e.value(c.Value)
	if err != nil {
		return // reported as a fault of the clause, or known at run time only
	}
	if err := c.isTrue(result, data); err != nil {
		message := err.Error()
		if k.secret {
			message = hiddenViolation
		}
		d := k.sink.errorf("constraint-violated", v.Range(), "%s", message)
		d.Related = append(d.Related, RelatedRange{Range: c.Range, Message: "the constraint"})
	}
}

// selections checks the node filters of templates that select a node. SELF is
// the node to be selected, which has what the type of the template has.
//
// Source: TOSCA 2.0 section 8.6.
func (c *checker) selections() {
	for _, draft := range c.nodes {
		if f := draft.node.NodeFilter; f != nil && !draft.broken {
			c.value(callChecker{self: Entity{Service: c.t, Node: draft.node}, sink: c.s}, f.Expr, schemaNamed("boolean"))
		}
	}
}

// triggerCalls checks the inputs and the condition of a trigger, which are
// evaluated for each target of the policy; one stands for all.
func (c *checker) triggerCalls(p *Policy, t *Trigger) {
	self := Entity{Service: c.t, Policy: p}
	if len(p.Targets) > 0 {
		self.Node = p.Targets[0]
	}
	k := callChecker{self: self, sink: c.s}
	c.condition(k, t.Condition)
	for _, a := range t.Action {
		c.activityCalls(k, []Entity{self}, a)
	}
}

// workflowCalls checks what a workflow evaluates before its steps.
func (c *checker) workflowCalls(w *Workflow) {
	k := callChecker{self: Entity{Service: c.t}, sink: c.s, inputs: w.Inputs}
	for _, in := range w.Inputs {
		c.value(callChecker{sink: c.s}, in.Default, in.Schema)
		c.value(callChecker{sink: c.s}, in.Value, in.Schema)
	}
	for _, p := range w.Preconditions {
		at := k
		if targets := c.stepEntities(p.Target, p.TargetRelationship); len(targets) > 0 {
			at.self = targets[0]
		}
		c.condition(at, p.Condition)
	}
}

// stepCalls checks the filter and the inputs of the activities of a step.
func (c *checker) stepCalls(w *Workflow, s *WorkflowStep) {
	targets := c.stepEntities(s.Target, s.TargetRelationship)
	k := callChecker{self: Entity{Service: c.t}, sink: c.s, inputs: w.Inputs}
	if len(targets) > 0 {
		k.self = targets[0]
	}
	c.condition(k, s.Filter)
	for _, a := range s.Activities {
		c.activityCalls(k, targets, a)
	}
}

// stepEntities are what a step or precondition is about: its target nodes, or
// their relationships of the requirement it names.
func (c *checker) stepEntities(target, requirement string) []Entity {
	nodes := []*NodeTemplate{}
	if n := c.t.nodes[target]; n != nil {
		nodes = append(nodes, n)
	} else if g := c.groups[target]; g != nil {
		nodes = g.Members
	}
	var list []Entity
	for _, n := range nodes {
		if requirement == "" {
			list = append(list, Entity{Service: c.t, Node: n})
			continue
		}
		for _, r := range n.Requirements {
			if r.Name == requirement && r.Relationship != nil {
				list = append(list, Entity{Service: c.t, Relationship: r.Relationship})
			}
		}
	}
	return list
}

// activityCalls checks the inputs of an activity, which have the types of the
// operation or workflow that it calls.
func (c *checker) activityCalls(k callChecker, targets []Entity, a *Activity) {
	for _, in := range a.Inputs {
		want := in.Schema
		if want == nil {
			want = c.activityInput(targets, a, in.Name)
		}
		c.value(k, in.Value, want)
	}
}

// activityInput is the type of an input of what an activity calls, or nil.
func (c *checker) activityInput(targets []Entity, a *Activity, name string) *Schema {
	switch a.Kind {
	case Inline, Delegate:
		if w := c.flows[a.Name]; w != nil {
			if p := first(w.Inputs, func(p *Parameter) bool { return p.Name == name }); p != nil {
				return p.Schema
			}
		}
	case CallOperation:
		for _, t := range targets {
			if op := t.operationNamed(a.Name); op != nil {
				if in := op.Input(name); in != nil {
					return in.Schema
				}
			}
		}
	}
	return nil
}

// operationNamed finds "interface.operation" in the entity, or nil.
func (of Entity) operationNamed(name string) *Operation {
	i := strings.LastIndex(name, ".")
	if i < 0 {
		return nil
	}
	iface, op := name[:i], name[i+1:]
	if of.Node != nil {
		return of.Node.Operation(iface, op)
	}
	if of.Relationship != nil {
		if i := interfaceNamed(of.Relationship.Interfaces, iface); i != nil {
			return i.Operation(op)
		}
	}
	return nil
}

// condition checks the calls of a condition.
func (c *checker) condition(k callChecker, cond *Condition) {
	if cond == nil {
		return
	}
	if cond.Expr != nil {
		c.value(k, cond.Expr, schemaNamed("boolean"))
	}
	for _, o := range cond.Operands {
		c.condition(k, o)
	}
	for _, con := range cond.Constraints {
		c.value(k, con.Value, nil)
	}
}
