package tosca

import "github.com/seed-a4fd30b5/orchestrator/internal/yamlx"

// workflow reads an imperative workflow.
//
// Source: TOSCA 1.3 sections 3.8.7 and 7.
func (b *builder) workflow(d *document, f yamlx.Field) {
	if old := b.flows[f.Key.Text]; old != nil {
		d.duplicate(f.Key, "a workflow", old.Range)
		return
	}
	n := f.Value
	d.fields(n, "workflow")
	w := &Workflow{Name: f.Key.Text, Description: prose(n.Get("description")), Metadata: d.metadata(n.Get("metadata")), Range: d.rng(f.Key)}
	for _, in := range d.entries(n.Get("inputs"), "inputs") {
		p := d.parameter(in)
		w.Inputs = append(w.Inputs, p)
		if p.Mapping == nil {
			continue
		}
		path, ok := mappingPath(p.Mapping)
		if !ok {
			d.s.warnf(codeUnsupported, p.Mapping.Range(), "the value of the input %q is stored only into an attribute of a node or of its capability", p.Name).Detail =
				"Map it to [ node, attribute ] or [ node, CAPABILITY, capability, attribute ]."
			continue
		}
		m := &OutputMapping{Name: p.Name, Entity: path[0], Path: path[len(path)-1:], Range: p.Mapping.Range()}
		if len(path) == 3 {
			m.Capability = path[1]
		}
		w.Stored = append(w.Stored, m)
	}
	if c := n.Get("precondition"); !c.IsNull() {
		w.Preconditions = append(w.Preconditions, &Precondition{Condition: d.condition(c), Range: d.rng(c)})
	}
	for _, item := range d.items(n.Get("preconditions"), "preconditions") {
		w.Preconditions = append(w.Preconditions, b.precondition(d, item))
	}
	for _, s := range d.entries(n.Get("steps"), "steps") {
		w.Steps = append(w.Steps, b.step(d, s))
	}
	b.stepNames(d, w, n.Get("steps"))
	if !n.Get("steps").IsNull() && !n.Get("implementation").IsNull() {
		d.strictf(codeWrongShape, f.Key, "the workflow %q has steps and an implementation; it can have only one of them", w.Name).Detail =
			"The implementation is what runs."
	}
	w.Implementation = d.implementation(n.Get("implementation"), nil)
	w.Outputs = d.workflowOutputs(n.Get("outputs"))
	b.flows[w.Name] = w
	b.t.Workflows = append(b.t.Workflows, w)
}

// workflowOutputs maps outputs of a workflow to attributes, as those of an
// operation, but of named nodes.
func (d *document) workflowOutputs(n *yamlx.Node) []*OutputMapping {
	var out []*OutputMapping
	for _, f := range d.entries(n, "outputs") {
		path := texts(d.strings(f.Value, "an attribute mapping"))
		var m *OutputMapping
		if len(path) >= 2 {
			m = &OutputMapping{Name: f.Key.Text, Entity: path[0], Path: path[1:], Range: d.rng(f.Key)}
		}
		if m == nil || d.v.v2() && !m.follow() {
			d.errorf(codeBadOutput, f.Key, "the output %q must be mapped to an attribute of a node", f.Key.Text)
			continue
		}
		out = append(out, m)
	}
	return out
}

func (b *builder) precondition(d *document, n *yamlx.Node) *Precondition {
	d.fields(n, "precondition")
	p := &Precondition{Target: b.stepTarget(d, n.Get("target")), TargetRelationship: prose(n.Get("target_relationship")), Range: d.rng(n)}
	if c := n.Get("condition"); !c.IsNull() {
		p.Condition = d.condition(c)
	}
	return p
}

// stepTarget checks that a target is a node template or a group.
func (b *builder) stepTarget(d *document, n *yamlx.Node) string {
	name := d.text(n, "target")
	if _, known := b.named(name); name != "" && !known && b.groups[name] == nil {
		names := append(sortedKeys(b.groups), b.nodeNames()...)
		d.errorf(codeUnknownNode, n, "the target %q is neither a node template nor a group", name).Suggestion = nearest(name, names)
	}
	return name
}

func (b *builder) step(d *document, f yamlx.Field) *WorkflowStep {
	n := f.Value
	d.fields(n, "workflow step")
	s := &WorkflowStep{Name: f.Key.Text, Target: b.stepTarget(d, n.Get("target")), TargetRelationship: prose(n.Get("target_relationship")),
		OperationHost: prose(n.Get("operation_host")), Range: d.rng(f.Key)}
	if c := n.Get("filter"); !c.IsNull() {
		s.Filter = d.condition(c)
	}
	s.Activities = d.activities(n.Get("activities"))
	for _, key := range []string{"target", "activities"} {
		if n.Get(key).IsNull() && (d.v.v2() || key == "target") {
			d.strictf(codeMissingKeyname, f.Key, "the step %q has no %s", s.Name, key)
		}
	}
	b.stepRelationship(d, s, n.Get("target_relationship"))
	s.OnSuccess, s.OnFailure = texts(d.strings(n.Get("on_success"), "on_success")), texts(d.strings(n.Get("on_failure"), "on_failure"))
	return s
}

// stepRelationship checks that the targets of a step have the requirement whose
// relationships it is about.
func (b *builder) stepRelationship(d *document, s *WorkflowStep, n *yamlx.Node) {
	if s.TargetRelationship == "" {
		return
	}
	targets, ok := b.named(s.Target)
	if g := b.groups[s.Target]; !ok && g != nil {
		targets = g.Members
	}
	var names []string
	for _, t := range targets {
		if t.Requirement(s.TargetRelationship) != nil || b.broken(t) {
			return
		}
		for _, r := range t.Requirements {
			names = append(names, r.Name)
		}
	}
	if len(targets) > 0 {
		d.errorf(codeUnknownRequirement, n, "the target %q has no requirement %q", s.Target, s.TargetRelationship).Suggestion = nearest(s.TargetRelationship, names)
	}
}

// stepNames checks that the steps that follow exist.
func (b *builder) stepNames(d *document, w *Workflow, steps *yamlx.Node) {
	names := map[string]bool{}
	for _, s := range w.Steps {
		names[s.Name] = true
	}
	for _, f := range d.entriesQuiet(steps) {
		for _, key := range []string{"on_success", "on_failure"} {
			for _, item := range d.strings(f.Value.Get(key), key) {
				if !names[item.Text] {
					d.errorf(codeUnknownStep, item, "the workflow %q has no step %q", w.Name, item.Text).Suggestion = nearest(item.Text, sortedKeys(names))
				}
			}
		}
	}
}

// entriesQuiet returns the fields of a map whose shape was checked before.
func (d *document) entriesQuiet(n *yamlx.Node) []yamlx.Field {
	if n.IsNull() || n.Kind != yamlx.Mapping {
		return nil
	}
	return n.Fields
}

// activities reads the activities of a step: a list of maps of one entry.
//
// Source: TOSCA 1.3 section 3.6.23.
func (d *document) activities(n *yamlx.Node) []*Activity {
	var list []*Activity
	for _, f := range d.activityEntries(n) {
		if a := d.activity(f); a != nil {
			list = append(list, a)
		}
	}
	return list
}

// activityEntries are the activities of a list. In 1.x published blueprints
// write a map too, and several in one item.
func (d *document) activityEntries(n *yamlx.Node) []yamlx.Field {
	if !d.v.v2() {
		return d.filterEntries(n, "activities")
	}
	var list []yamlx.Field
	for _, item := range d.items(n, "activities") {
		if f, ok := d.single(item, "an activity"); ok {
			list = append(list, f)
		}
	}
	return list
}

func isActivity(name string) bool {
	switch ActivityKind(name) {
	case Delegate, SetState, CallOperation, Inline:
		return true
	}
	return false
}

func (d *document) activity(f yamlx.Field) *Activity {
	a := &Activity{Kind: ActivityKind(f.Key.Text), Range: d.rng(f.Key)}
	inner, construct := "", ""
	switch a.Kind {
	case Delegate, Inline:
		inner, construct = "workflow", "call of a workflow"
	case CallOperation:
		inner, construct = "operation", "call of an operation"
	case SetState:
	default:
		d.errorf(codeUnknownActivity, f.Key, "there is no activity %q", f.Key.Text).Suggestion =
			nearest(f.Key.Text, []string{string(Delegate), string(SetState), string(CallOperation), string(Inline)})
		return nil
	}
	n := f.Value
	if n.Kind != yamlx.Mapping || inner == "" {
		a.Name = d.text(n, f.Key.Text)
	} else {
		d.fields(n, construct)
		a.Name = d.text(n.Get(inner), inner)
		for _, in := range d.entries(n.Get("inputs"), "inputs") {
			a.Inputs = append(a.Inputs, d.inputAssignment(in, nil))
		}
	}
	if a.Name == "" {
		d.errorf(codeMissingKeyname, f.Key, "the activity %q names nothing", f.Key.Text)
		return nil
	}
	return a
}

// condition reads a condition clause: a map of clauses or a list of them, all
// of which must hold.
//
// Source: TOSCA 1.3 section 3.6.25.
func (d *document) condition(n *yamlx.Node) *Condition {
	if d.v.v2() {
		return d.conditionExpression(n)
	}
	and := &Condition{Op: "and", Range: d.rng(n)}
	if n.Kind == yamlx.Scalar {
		d.warnf(codeOddCondition, n, "the condition %q is not understood and ignored", n.Text)
		return and
	}
	for _, f := range d.filterEntries(n, "a condition") {
		if c := d.clause(f); c != nil {
			and.Operands = append(and.Operands, c)
		}
	}
	if len(and.Operands) == 1 {
		return and.Operands[0]
	}
	return and
}

// conditionExpression reads a condition of TOSCA 2.0: a boolean expression, or
// for the filter of a step a list of them, all of which must hold.
//
// Source: TOSCA 2.0 sections 13.2.1, 13.2.2 and 16.5.
func (d *document) conditionExpression(n *yamlx.Node) *Condition {
	if n.Kind != yamlx.Sequence {
		if expr := d.expression(n, "a condition"); expr != nil {
			return &Condition{Op: "expression", Expr: expr, Range: d.rng(n)}
		}
		return nil
	}
	and := &Condition{Op: "and", Range: d.rng(n)}
	for _, item := range n.Items {
		if expr := d.expression(item, "a condition"); expr != nil {
			and.Operands = append(and.Operands, &Condition{Op: "expression", Expr: expr, Range: d.rng(item)})
		}
	}
	return and
}

func (d *document) clause(f yamlx.Field) *Condition {
	op := f.Key.Text
	c := &Condition{Op: op, Range: d.rng(f.Key)}
	switch op {
	case "and", "or", "not":
		for _, sub := range d.filterEntries(f.Value, op) {
			if s := d.clause(sub); s != nil {
				c.Operands = append(c.Operands, s)
			}
		}
		return c
	case "assert":
		return d.condition(f.Value)
	}
	switch {
	case f.Value.Kind == yamlx.Scalar && f.Value.IsNull():
		d.warnf(codeOddCondition, f.Key, "the condition on %q has no constraint and always holds", op)
		return nil
	case f.Value.Kind == yamlx.Sequence && len(f.Value.Items) > 0 && f.Value.Items[0].Kind != yamlx.Mapping:
		d.warnf(codeOddCondition, f.Key, "the condition on %q is not understood and ignored", op)
		return nil
	}
	return &Condition{Op: "assert", Attribute: op, Constraints: d.constraints(f.Value), Range: d.rng(f.Key)}
}
