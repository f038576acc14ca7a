package workflow

import (
	"slices"
	"strconv"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
)

// Workflow plans an imperative workflow of the template.
//
// A step of the workflow begins when all steps that name it in on_success have
// succeeded, or when one that names it in on_failure has failed; a step that no
// other names begins at once. Its activities follow one another, for each
// member at the same time where the target is a group, or a node template of
// several representations:
//
//   - set_state sets the state of the target's instance;
//   - call_operation calls an operation; one that nothing implements or claims
//     takes no step;
//   - delegate runs the node's own life cycle: "deploy" or "install" brings it
//     up, "undeploy" or "uninstall" takes it away, whatever the states are;
//   - inline runs another workflow in its place. What the activity gives as
//     inputs are the inputs of that workflow (Step.Scope).
//
// target_relationship names a requirement of the target: the step is then about
// the relationships of that requirement. A filter becomes a Filter for each
// instance, examined when the step begins, preconditions become Checks. A
// failure that on_failure handles is still a failure of the run.
//
// Inputs that are mapped to attributes are a Store behind the preconditions. A
// workflow that is implemented by an artifact is one Call of that (see
// Step.Workflow), behind its preconditions.
//
// Instances that do not exist yet are made (Plan.Create).
//
// Errors: NotFound where there is no such workflow; InvalidArgument where
// it names steps, targets, operations or workflows that do not exist, or goes in
// circles; Unimplemented for an inline activity under a filter on several nodes.
//
// Source: TOSCA 1.3 sections 3.6.23, 3.6.26, 3.6.27, 3.8.7 and 7.3.
func Workflow(t *tosca.ServiceTemplate, name string, current Current, opts Options) (*Plan, error) {
	w := t.Workflow(name)
	if w == nil {
		return nil, noWorkflow(t, name)
	}
	return makePlan(name, current, opts, func(p *planner) error {
		_, err := newCompiler(p, "plan workflow", t).workflow(w, w.Name+".", nil)
		return err
	})
}

// WorkflowInterface is the interface in Calls of the artifacts that implement
// workflows; their operation is the workflow's name.
const WorkflowInterface = "Workflow"

func noWorkflow(t *tosca.ServiceTemplate, name string) error {
	var names []string
	for _, w := range t.Workflows {
		names = append(names, w.Name)
	}
	return &errs.Error{Code: errs.NotFound, Op: "plan workflow", Subject: name,
		Err: errs.New(errs.NotFound, "", "", "the service template has no such workflow"), Hint: known("workflows", names)}
}

// known lists the names one could have meant.
func known(what string, names []string) string {
	if len(names) == 0 {
		return "it has no " + what
	}
	return "its " + what + ": " + strings.Join(names, ", ")
}

// compiler turns workflows and triggers into steps.
type compiler struct {
	*planner
	// op is what is being done, for errors.
	op     string
	t      *tosca.ServiceTemplate
	nodes  map[string][]*tosca.NodeTemplate // the representations of each template
	groups map[string]*tosca.Group
	// active are the workflows being compiled, outermost first.
	active []*tosca.Workflow
	// lenient leaves out calls of operations that a target does not have.
	lenient bool
	// outer is the node that the service substitutes; nil for none.
	outer *tosca.NodeTemplate
}

func newCompiler(p *planner, op string, t *tosca.ServiceTemplate) *compiler {
	c := &compiler{planner: p, op: op, t: t,
		nodes:  make(map[string][]*tosca.NodeTemplate, len(t.Nodes)),
		groups: make(map[string]*tosca.Group, len(t.Groups)),
		outer:  t.Substitutes(),
	}
	for _, n := range t.Absent() {
		c.nodes[n.Name] = nil // known, but nothing to do
	}
	for _, n := range t.Nodes {
		name := c.local(n)
		c.nodes[name] = append(c.nodes[name], n)
	}
	for _, g := range t.Groups {
		c.groups[g.Name] = g
	}
	return c
}

// fail is an error about a step of a workflow, or a trigger.
func (c *compiler) fail(code errs.Code, where, format string, args ...any) error {
	return errs.New(code, c.op, where, format, args...)
}

// workflow adds the steps of a workflow behind the given ones and returns those
// with which it ends. prefix begins the IDs of its steps.
func (c *compiler) workflow(w *tosca.Workflow, prefix string, after []int) ([]int, error) {
	c.active = append(c.active, w)
	defer func() { c.active = c.active[:len(c.active)-1] }()
	after, err := c.preconditions(w, prefix, after)
	if err != nil {
		return nil, err
	}
	if len(w.Stored) > 0 {
		after = []int{c.add(Step{ID: prefix + "inputs", Kind: Store, Workflow: c.place("workflows", w.Name)}, after)}
	}
	if w.Implementation != nil {
		return []int{c.add(Step{ID: prefix + "implementation", Kind: Call, Workflow: c.place("workflows", w.Name),
			Interface: WorkflowInterface, Operation: w.Name}, after)}, nil
	}
	steps, err := orderSteps(w)
	if err != nil {
		return nil, err
	}
	var ends []int
	for _, s := range steps {
		from := after
		if !s.initial() {
			if from, s.never = s.waitsFor(c.planner, prefix); s.never {
				continue
			}
		}
		s.first = len(c.plan.Steps)
		if s.ends, err = c.step(w, s.WorkflowStep, prefix+s.Name+".", from); err != nil {
			return nil, err
		}
		s.last = len(c.plan.Steps)
		if s.success && len(s.OnSuccess) == 0 {
			ends = append(ends, s.ends...)
		}
	}
	return ends, nil
}

// preconditions adds a check for each instance that a precondition is about.
func (c *compiler) preconditions(w *tosca.Workflow, prefix string, after []int) ([]int, error) {
	var checks []int
	for i, pre := range w.Preconditions {
		if pre.Condition == nil {
			continue
		}
		n := strconv.Itoa(i)
		if pre.Target == "" && pre.Condition.Op == "expression" {
			checks = append(checks, c.add(Step{ID: prefix + "precondition." + n, Kind: Check, When: c.place("workflows", w.Name, "preconditions", n)}, after))
			continue
		}
		targets, err := c.targets(w.Name, pre.Target, pre.TargetRelationship)
		if err != nil {
			return nil, err
		}
		for _, on := range targets {
			checks = append(checks, c.add(Step{ID: prefix + "precondition." + n + "." + on.id, Kind: Check,
				Instance: on.id, When: c.place("workflows", w.Name, "preconditions", n)}, after))
		}
	}
	if checks == nil {
		return after, nil
	}
	return c.joined(prefix+"preconditions", checks), nil
}

// joined returns at most one step that waits for all the given ones.
func (c *compiler) joined(id string, steps []int) []int {
	if len(ascending(steps)) < 2 {
		return steps
	}
	return []int{c.add(Step{ID: id, Kind: Join}, steps)}
}

// step adds the activities of one step of a workflow.
func (c *compiler) step(w *tosca.Workflow, s *tosca.WorkflowStep, prefix string, after []int) ([]int, error) {
	where := w.Name + "." + s.Name
	targets, err := c.targets(where, s.Target, s.TargetRelationship)
	if err != nil {
		return nil, err
	}
	filter := ""
	if s.Filter != nil {
		filter = c.place("workflows", w.Name, "steps", s.Name, "filter")
	}
	activities := make([]placed, len(s.Activities))
	for i, a := range s.Activities {
		activities[i] = placed{a, c.place("workflows", w.Name, "steps", s.Name, "activities", strconv.Itoa(i))}
	}
	tails := make([][]int, len(targets))
	for i := range tails {
		tails[i] = after
	}
	after, err = c.activities(where, prefix, s.OperationHost, filter, activities, targets, tails, after)
	if err != nil || len(targets) == 0 {
		return after, err
	}
	return c.joined(prefix+"end", slices.Concat(tails...)), nil
}

// target is a node or relationship instance that a step is about.
type target struct {
	id   string
	node *tosca.NodeTemplate
	rel  *relationship
}

// targets finds what a step is about: the representations of a node template,
// the members of a group, or the relationships of one requirement of these.
func (c *compiler) targets(where, name, requirement string) ([]target, error) {
	var nodes []*tosca.NodeTemplate
	if n, ok := c.nodes[name]; ok {
		nodes = n
	} else if g, ok := c.groups[name]; ok {
		nodes = g.Members
	} else if n := c.t.Node(name); n != nil {
		nodes = []*tosca.NodeTemplate{n} // the one that was selected for the template
	} else {
		return nil, c.fail(errs.InvalidArgument, where, "its target %q is neither a node template nor a group", name)
	}
	var targets []target
	for _, n := range nodes {
		c.ensure(n)
		if requirement == "" {
			targets = append(targets, target{id: NodeID(n.Name, n.Index), node: n})
			continue
		}
		for _, r := range relationships(n) {
			if r.Name == requirement && r.Relationship != nil {
				targets = append(targets, target{id: r.id, node: n, rel: &r})
			}
		}
	}
	if requirement != "" && len(nodes) > 0 && len(targets) == 0 {
		return nil, c.fail(errs.InvalidArgument, where, "its target %q has no requirement %q", name, requirement)
	}
	return targets, nil
}

// ensure makes the instances of a node and its relationships where they do not exist.
func (c *compiler) ensure(n *tosca.NodeTemplate) {
	if !c.created[n] {
		c.create(n, NodeID(n.Name, n.Index), relationships(n))
	}
}

// graphStep is a step of a workflow with its place in the graph of steps.
type graphStep struct {
	*tosca.WorkflowStep
	// successOf and failureOf are the steps that name this one.
	successOf, failureOf []*graphStep
	// success tells that the step is reached when nothing fails.
	success bool
	// never tells that the step cannot be reached: it handles failures of steps
	// that do nothing.
	never bool
	// first and last bound the plan's steps made of it; ends are those with
	// which it ends.
	first, last int
	ends        []int
}

func (s *graphStep) initial() bool { return len(s.successOf) == 0 && len(s.failureOf) == 0 }

// waitsFor returns what the step begins behind, or that it never does. A step
// that handles failures gets a Join of its own for that.
func (s *graphStep) waitsFor(p *planner, prefix string) (after []int, never bool) {
	var failing []int
	for _, before := range s.failureOf {
		for i := before.first; i < before.last; i++ {
			failing = append(failing, i)
		}
	}
	bySuccess := len(s.successOf) > 0
	for _, before := range s.successOf {
		after = append(after, before.ends...)
		bySuccess = bySuccess && !before.never
	}
	switch {
	case !bySuccess && failing == nil:
		return nil, true
	case bySuccess && (failing == nil || len(after) == 0):
		return after, false
	case !bySuccess:
		after = nil
	}
	i := p.add(Step{ID: prefix + s.Name + ".begin", Kind: Join}, after)
	p.plan.Steps[i].OnFailure = ascending(failing)
	return []int{i}, false
}

// orderSteps returns the steps so that each comes behind those that name it.
func orderSteps(w *tosca.Workflow) ([]*graphStep, error) {
	steps := make([]*graphStep, len(w.Steps))
	byName := make(map[string]*graphStep, len(w.Steps))
	for i, s := range w.Steps {
		steps[i] = &graphStep{WorkflowStep: s}
		byName[s.Name] = steps[i]
	}
	for _, s := range steps {
		for _, name := range append(slices.Clone(s.OnSuccess), s.OnFailure...) {
			if byName[name] == nil {
				return nil, errs.New(errs.InvalidArgument, "plan workflow", w.Name+"."+s.Name, "it goes on to the step %q, which does not exist", name)
			}
		}
		for _, name := range s.OnSuccess {
			byName[name].successOf = append(byName[name].successOf, s)
		}
		for _, name := range s.OnFailure {
			byName[name].failureOf = append(byName[name].failureOf, s)
		}
	}
	var ordered []*graphStep
	placed := make(map[*graphStep]bool, len(steps))
	for len(ordered) < len(steps) {
		before := len(ordered)
		for _, s := range steps {
			ready := func(s *graphStep) bool { return placed[s] }
			if !placed[s] && all(s.successOf, ready) && all(s.failureOf, ready) {
				placed[s] = true
				s.success = s.initial() || slices.ContainsFunc(s.successOf, func(b *graphStep) bool { return b.success })
				ordered = append(ordered, s)
			}
		}
		if len(ordered) == before {
			return nil, errs.New(errs.InvalidArgument, "plan workflow", w.Name, "its steps go in a circle; a step must not lead back to itself")
		}
	}
	return ordered, nil
}

func all[T any](list []T, holds func(T) bool) bool {
	return !slices.ContainsFunc(list, func(x T) bool { return !holds(x) })
}
