package executor

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/internal/redact"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
)

// serviceOf is the template that a step belongs to.
func (l *live) serviceOf(s *workflow.Step) *service {
	if s.Old && l.old != nil {
		return l.old
	}
	return l.service
}

// templateFor finds what a step operates on in its template: the node (the source
// of a relationship) and the relationship, with the interfaces. The implementation
// of a workflow has neither node nor relationship.
func (l *live) templateFor(s *workflow.Step, inst *instance) (*tosca.NodeTemplate, *tosca.RelationshipTemplate, []*tosca.Interface, error) {
	t := l.serviceOf(s).template
	if s.Workflow != "" {
		w, err := workflow.FindWorkflow(t, s.Workflow)
		if err != nil {
			return nil, nil, nil, err
		}
		op := &tosca.Operation{Name: s.Operation, Implementation: w.Implementation, Outputs: w.Outputs}
		return nil, nil, []*tosca.Interface{{Name: s.Interface, Operations: []*tosca.Operation{op}}}, nil
	}
	if inst.Source == "" {
		n := t.Representation(inst.Template, inst.Index)
		if n == nil {
			return nil, nil, nil, errs.New(errs.InvalidArgument, "find template", inst.ID, "the template has no such node")
		}
		if op := inPlace(t, s); op != nil {
			return n, nil, []*tosca.Interface{{Name: s.Interface, Operations: []*tosca.Operation{op}}}, nil
		}
		return n, nil, n.Interfaces, nil
	}
	n, req := findRequirement(t, inst)
	if req == nil || req.Relationship == nil {
		return nil, nil, nil, errs.New(errs.InvalidArgument, "find template", inst.ID, "the template has no such relationship")
	}
	return n, req.Relationship, req.Relationship.Interfaces, nil
}

// inPlace is the operation that the activity of a step gives itself; nil for none.
func inPlace(t *tosca.ServiceTemplate, s *workflow.Step) *tosca.Operation {
	if s.Activity == "" {
		return nil
	}
	if a, err := workflow.FindActivity(t, s.Activity); err == nil {
		return a.Operation
	}
	return nil
}

// definition finds the operation of a step; nil where the template has none of
// that name.
func definition(interfaces []*tosca.Interface, iface, operation string) *tosca.Operation {
	for _, i := range interfaces {
		if i.Name != iface && (i.Type == nil || i.Type.Name != iface) {
			continue
		}
		for _, op := range i.Operations {
			if op.Name == operation {
				return op
			}
		}
	}
	return nil
}

// operation makes the Operation of a step, as far as it can be known before it
// starts: without inputs and secrets, and with a host only where one is known.
func (l *live) operation(r *run, s *workflow.Step, inst *instance) (*Operation, error) {
	node, rel, interfaces, err := l.templateFor(s, inst)
	if err != nil {
		return nil, err
	}
	op := NewOperation(l.serviceOf(s).files, node, rel, definition(interfaces, s.Interface, s.Operation))
	op.ID = operationID(l.record, r.record.ID, s)
	op.Deployment, op.Run, op.Step, op.Instance = l.id, r.record.ID, s.ID, inst.ID
	op.Interface, op.Name = s.Interface, s.Operation
	// Drivers look at the host to tell whether they are meant. Where it cannot
	// be found, that is an error only if the operation is run: see fill.
	if host, err := l.host(s, inst, env{live: l, service: l.serviceOf(s), arguments: r.arguments}); err == nil {
		op.Host = host
	}
	return op, nil
}

// NewOperation makes the Operation that a template describes, with its files,
// timeout and the names of its outputs, but without what only a run knows: IDs,
// host, inputs, log. A check that runs nothing needs no more. def may be nil:
// an operation that nothing implements. rel is nil for a node's operation, and
// node too for the implementation of a workflow.
func NewOperation(files fs.FS, node *tosca.NodeTemplate, rel *tosca.RelationshipTemplate, def *tosca.Operation) *Operation {
	op := &Operation{Node: node, Relationship: rel, Files: files}
	if def == nil {
		return op
	}
	op.Interface, op.Name = def.Interface, def.Name
	for _, out := range def.Outputs {
		op.Outputs = append(op.Outputs, out.Name)
	}
	impl := def.Implementation
	if impl == nil {
		return op
	}
	op.Timeout = impl.Timeout
	if impl.Primary != nil {
		op.Primary = fileOf(impl.Primary)
	}
	for _, a := range impl.Dependencies {
		op.Dependencies = append(op.Dependencies, fileOf(a))
	}
	if node != nil {
		for _, a := range node.Artifacts {
			op.Artifacts = append(op.Artifacts, fileOf(a))
		}
	}
	return op
}

func fileOf(a *tosca.Artifact) *File {
	f := &File{Name: a.Name, Path: a.Path, Template: a}
	for t := a.Type; t != nil; t = t.Parent {
		f.Types = append(f.Types, t.Name)
	}
	return f
}

// operationID is readable first and unique last: what is done to what, and a
// digest of deployment, run and step. When the deployment was made is part of
// it: another one of the same name, in another store or after this one was
// deleted, has operations of its own.
func operationID(d *state.Deployment, run string, s *workflow.Step) string {
	sum := sha256.Sum256([]byte(d.ID + "\x00" + d.Created.UTC().Format(time.RFC3339Nano) + "\x00" + run + "\x00" + s.ID))
	what := strings.Map(func(c rune) rune {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
			return c
		}
		return '-'
	}, s.Instance+"-"+s.Operation)
	return strings.TrimLeft(what[:min(len(what), 40)], "-._") + "-" + hex.EncodeToString(sum[:10])
}

// fill gives the operation what is known only when it starts: host, inputs,
// secrets and context, and the values around it where its driver wants them.
func (l *live) fill(r *run, s *workflow.Step, op *Operation, driver Driver) error {
	svc, inst := l.serviceOf(s), l.about(s)
	e := env{live: l, service: svc, arguments: r.arguments}
	self := inst.entity(svc.template)
	l.learnSecrets()
	host, err := l.host(s, inst, e)
	if err != nil {
		return err
	}
	op.Host = host
	op.Inputs = map[string]any{}
	_, _, interfaces, err := l.templateFor(s, inst)
	if err != nil {
		return err
	}
	var given []*tosca.Assignment
	if def := definition(interfaces, s.Interface, s.Operation); def != nil {
		given = def.Inputs
	}
	if err := l.inputs(op, given, self, e); err != nil {
		return err
	}
	if s.Workflow != "" {
		if e, err = l.nested(s, tosca.Entity{Service: workflow.ServiceAt(svc.template, s.Workflow)}, e); err != nil {
			return err
		}
		for name, value := range e.arguments {
			op.Inputs[name] = clone(value)
		}
	}
	if r.hasNotify {
		op.Inputs["notification"] = r.notify
	}
	if s.Activity != "" {
		if err := l.activityInputs(op, s, self, e); err != nil {
			return err
		}
	}
	if surveys, err := (contained{driver}).surveys(op); err != nil {
		return err
	} else if surveys && s.Workflow == "" {
		l.survey(op, inst, e)
	}
	op.Secrets = l.secrets.Texts()
	op.Context = l.context(op, inst)
	return nil
}

// inputs evaluates assignments into the operation's inputs.
func (l *live) inputs(op *Operation, list []*tosca.Assignment, self tosca.Entity, e env) error {
	for _, a := range list {
		if a.Value == nil {
			continue
		}
		value, err := a.Value.Eval(self, e)
		if err != nil {
			return &errs.Error{Code: errs.CodeOf(err), Op: "evaluate input", Subject: a.Name, Err: err}
		}
		if a.Sensitive {
			l.secrets.Add(value)
		}
		op.Inputs[a.Name] = clone(value)
	}
	return nil
}

// activityInputs evaluates the inputs that a workflow's or trigger's activity
// gives to the call. SELF in the action of a trigger is its policy, and
// what that does not have is the node's.
func (l *live) activityInputs(op *Operation, s *workflow.Step, self tosca.Entity, e env) error {
	t := l.serviceOf(s).template
	e, err := l.nested(s, self, e)
	if err != nil {
		return err
	}
	activity, err := workflow.FindActivity(t, s.Activity)
	if err != nil {
		return err
	}
	self.Policy = policyAt(t, s.Activity)
	return l.inputs(op, activity.Inputs, self, e)
}

// policyAt is the policy that an activity or condition at a place belongs to;
// nil where that is in a workflow. A place is a path in the manner of a JSON
// pointer, "/policies/NAME/triggers/...": see workflow.Step.
//
// Policies of one type may share its triggers, so only the place tells which.
//
// Source: RFC 6901 sections 3 and 4 (the escapes ~1 and ~0).
func policyAt(t *tosca.ServiceTemplate, at string) *tosca.Policy {
	name, ok := strings.CutPrefix(at, "/policies/")
	if !ok {
		return nil
	}
	name, _, _ = strings.Cut(name, "/")
	return t.Policy(strings.NewReplacer("~1", "/", "~0", "~").Replace(name))
}

// clone copies data, so that a driver that changes its inputs does not change the template.
func clone(value any) any {
	switch v := value.(type) {
	case []any:
		list := slices.Clone(v)
		for i := range list {
			list[i] = clone(list[i])
		}
		return list
	case map[string]any:
		m := maps.Clone(v)
		for k := range m {
			m[k] = clone(m[k])
		}
		return m
	}
	return value
}

// context is what a script may want to know of where it runs.
func (l *live) context(op *Operation, inst *instance) map[string]string {
	c := map[string]string{
		"DEPLOYMENT": l.id, "INSTANCE": inst.ID, "INTERFACE": op.Interface, "OPERATION": op.Name,
		"HOST": op.Host.Address,
	}
	if op.Host.Local() {
		c["HOST"] = "localhost"
	}
	if inst.ID == "" {
		delete(c, "INSTANCE")
		c["WORKFLOW"] = op.Name
		return c
	}
	if inst.Source == "" {
		c["NODE"] = inst.Template
		return c
	}
	c["SOURCE_NODE"], c["SOURCE_INSTANCE"] = templateOf(inst.Source), inst.Source
	c["TARGET_NODE"], c["TARGET_INSTANCE"] = templateOf(inst.Target), inst.Target
	c["NODE"] = c["SOURCE_NODE"]
	return c
}

// driverFor finds the driver of an operation: none where nothing implements it
// and no driver claims it.
func (e *Engine) driverFor(op *Operation) (contained, error) {
	for _, d := range e.cfg.Drivers {
		d := contained{d}
		ok, err := d.accepts(op)
		if err != nil {
			return contained{}, err
		}
		if ok {
			return d, nil
		}
	}
	if op.Primary == nil {
		return contained{}, nil
	}
	what := op.Primary.Path
	if what == "" {
		what = redact.URLs(op.Primary.Template.File)
	}
	kind := "a file of unknown type"
	if len(op.Primary.Types) > 0 {
		kind = "an artifact of type " + op.Primary.Types[0]
	}
	return contained{}, &errs.Error{Code: errs.Unimplemented, Op: "choose a driver for", Subject: what,
		Err:  fmt.Errorf("no driver runs %s", kind),
		Hint: "give the artifact a type that one of the drivers knows: " + strings.Join(e.driverNames(), ", ")}
}

// driverOf is the driver of an operation, of which past is what an earlier process
// has done (nil for nothing): what that may have begun stays with its driver,
// whichever would be chosen now.
func (e *Engine) driverOf(op *Operation, past *stepHistory) (contained, error) {
	if past != nil && past.open {
		if d := e.driverNamed(past.driver); d.Driver != nil {
			return d, nil
		}
	}
	return e.driverFor(op)
}

// driverNamed finds a driver by its name.
func (e *Engine) driverNamed(name string) contained {
	for _, d := range e.cfg.Drivers {
		if d.Name() == name {
			return contained{d}
		}
	}
	return contained{}
}

func (e *Engine) driverNames() []string {
	names := make([]string, len(e.cfg.Drivers))
	for i, d := range e.cfg.Drivers {
		names[i] = d.Name()
	}
	return names
}
