package executor

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
)

// What an operation returns.
//
// Each output that the template declares must be there, and becomes the
// attribute that its mapping names. Every other value becomes the attribute of
// the same name of the instance, if it has one; a value that no attribute takes
// is reported as a warning. Every value can be read by get_operation_output.
//
// The outputs of a workflow that is implemented by an artifact are mapped to
// attributes of the nodes that the mappings name; others are not kept.

// takeOutputs keeps what an operation that succeeded returned.
func (r *run) takeOutputs(c *call, outputs map[string]any) error {
	def := r.definition(c)
	if def != nil {
		for _, m := range def.Outputs {
			if _, ok := outputs[m.Name]; !ok {
				return &errs.Error{Code: errs.Failed, Op: "take output", Subject: m.Name,
					Err: fmt.Errorf("the operation declares it and did not return it")}
			}
		}
	}
	return r.storeOutputs(c, def, outputs)
}

// keepOutputs keeps what an operation that failed returned nevertheless.
func (r *run) keepOutputs(c *call, outputs map[string]any) {
	if err := r.storeOutputs(c, r.definition(c), outputs); err != nil {
		r.warn(c, err.Error())
	}
}

func (r *run) definition(c *call) *tosca.Operation {
	_, _, interfaces, err := r.live.templateFor(c.step, c.inst)
	if err != nil {
		return nil
	}
	return definition(interfaces, c.step.Interface, c.step.Operation)
}

func (r *run) storeOutputs(c *call, def *tosca.Operation, outputs map[string]any) error {
	names := make([]string, 0, len(outputs))
	for name := range outputs {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		value, err := normalize(outputs[name])
		if err != nil {
			return errs.Wrap(err, "take output", name)
		}
		secret := r.live.secrets.Contains(value)
		mapped, err := r.mapOutput(c, def, name, value, &secret)
		if err != nil {
			return errs.Wrap(err, "take output", name)
		}
		if c.step.Workflow != "" {
			if !mapped {
				r.warn(c, fmt.Sprintf("the workflow returned %q, which it does not declare as an output: the value is not kept", name))
			}
			continue
		}
		if !mapped {
			if err := r.ownAttribute(c, name, value, &secret); err != nil {
				return errs.Wrap(err, "take output", name)
			}
		}
		if err := c.inst.setOutput(r.live.vault, c.step.Interface+"."+c.step.Operation, name, value, secret); err != nil {
			return errs.Wrap(err, "take output", name)
		}
		r.touch(c.inst)
	}
	return nil
}

// mapOutput gives a declared output to the attribute of its mapping.
func (r *run) mapOutput(c *call, def *tosca.Operation, name string, value any, secret *bool) (bool, error) {
	mapped := false
	if def == nil {
		return false, nil
	}
	for _, m := range def.Outputs {
		if m.Name != name || len(m.Path) == 0 {
			continue
		}
		mapped = true
		inst, err := r.endOf(c, m)
		if err != nil {
			return true, err
		}
		if err := r.setPath(c, inst, m, value, secret); err != nil {
			return true, err
		}
	}
	return mapped, nil
}

// endOf is the instance that a mapping means.
func (r *run) endOf(c *call, m *tosca.OutputMapping) (*instance, error) {
	var inst *instance
	switch m.Entity {
	case "SELF", "":
		inst = c.inst
	case "SOURCE":
		inst = c.inst.source
	case "TARGET":
		inst = c.inst.target
	}
	if c.step.Workflow != "" {
		inst = r.live.mapped(c.step, m)
	}
	if inst == nil {
		return nil, errs.New(errs.InvalidArgument, "", "", "%s has no %s", cmp.Or(c.inst.ID, "the service"), m.Entity)
	}
	return inst, nil
}

// mapped is the instance of the node that a mapping of a workflow names; nil
// where there is none.
func (l *live) mapped(s *workflow.Step, m *tosca.OutputMapping) *instance {
	if n := sibling(workflow.ServiceAt(l.serviceOf(s).template, s.Workflow), &instance{}, m.Entity); n != nil {
		return l.instances[workflow.NodeID(n.Name, n.Index)]
	}
	return nil
}

// storeInputs gives the inputs of a workflow to the attributes that they are
// mapped to. One without a value is left out.
func (r *run) storeInputs(i int) {
	s := r.plan.Steps[i]
	if err := r.storeMapped(i, s); err != nil {
		r.stepFailed(i, err)
		return
	}
	r.emit(Event{Kind: InputsStored, Step: s.ID}, entryData{})
	r.steps.succeed(i, r.skip)
}

func (r *run) storeMapped(i int, s *workflow.Step) error {
	svc := r.live.serviceOf(s)
	w, err := workflow.FindWorkflow(svc.template, s.Workflow)
	if err != nil {
		return err
	}
	e := env{live: r.live, service: svc, arguments: r.arguments}
	if e, err = r.live.nested(s, tosca.Entity{Service: workflow.ServiceAt(svc.template, s.Workflow)}, e); err != nil {
		return err
	}
	c := &call{run: r, index: i, step: s, inst: &instance{}, op: &Operation{Name: w.Name}}
	for _, m := range w.Stored {
		value, ok := e.arguments[m.Name]
		if !ok {
			continue
		}
		inst, err := r.endOf(c, m)
		if err == nil {
			secret := r.live.secrets.Contains(value)
			err = r.setPath(c, inst, m, clone(value), &secret)
		}
		if err != nil {
			return errs.Wrap(err, "store input", m.Name)
		}
	}
	return nil
}

// setPath gives value to what a mapping's path names: an attribute, that of a
// capability, or a part of either.
func (r *run) setPath(c *call, inst *instance, m *tosca.OutputMapping, value any, secret *bool) error {
	path, capability := m.Path, m.Capability
	node := r.nodeOf(c, inst)
	if capability == "" && len(path) > 1 && node != nil {
		if req := requirementOf(node, path[0]); req != nil && req.Target != nil {
			// The requirement's target is meant, by the rule of get_attribute.
			if target := r.targetOf(inst, path[0]); target != nil {
				inst, path = target, path[1:]
				node = r.nodeOf(c, inst)
			}
		} else if hasCapability(node, path[0]) {
			capability, path = path[0], path[1:]
		}
	}
	if node != nil && sensitiveAttribute(node, path[0]) {
		*secret = true
	}
	attribute := path[0]
	if len(path) > 1 {
		whole, _, err := inst.attribute(r.live.vault, capability, attribute)
		if err != nil {
			return err
		}
		if whole == nil && node != nil && listAttribute(node, capability, attribute) {
			whole = []any{}
		}
		if value, err = put(clone(whole), path[1:], value); err != nil {
			return err
		}
		*secret = *secret || r.live.secrets.Contains(value)
	}
	return r.setAttribute(c, inst, capability, attribute, value, *secret)
}

// put sets the part of a value that keys lead to; maps are made where there are
// none, and the entry behind the last one of a list is added.
func put(whole any, keys []string, value any) (any, error) {
	if len(keys) == 0 {
		return value, nil
	}
	if list, ok := whole.([]any); ok {
		return putEntry(list, keys, value)
	}
	m, ok := whole.(map[string]any)
	if whole == nil {
		m, ok = map[string]any{}, true
	}
	if !ok {
		return nil, errs.New(errs.InvalidArgument, "", "", "the attribute is no map, it has no key %q", keys[0])
	}
	part, err := put(m[keys[0]], keys[1:], value)
	if err != nil {
		return nil, err
	}
	m[keys[0]] = part
	return m, nil
}

func putEntry(list []any, keys []string, value any) (any, error) {
	i, err := strconv.Atoi(keys[0])
	if err != nil || i < 0 || i > len(list) {
		return nil, errs.New(errs.InvalidArgument, "", "", "the attribute is a list of %d entries, it has none with the index %q", len(list), keys[0])
	}
	if i == len(list) {
		list = append(list, nil)
	}
	if list[i], err = put(list[i], keys[1:], value); err != nil {
		return nil, err
	}
	return list, nil
}

// listAttribute tells whether an attribute of a node, or of a capability of it,
// is a list.
func listAttribute(n *tosca.NodeTemplate, capability, name string) bool {
	def := n.Type.Attribute(name)
	if c := n.Capability(capability); c != nil && c.Type != nil {
		def = c.Type.Attribute(name)
	}
	return def != nil && def.Schema != nil && def.Schema.Type.IsA("list")
}

// ownAttribute gives a value that the template does not declare as an output to
// the attribute of the same name.
func (r *run) ownAttribute(c *call, name string, value any, secret *bool) error {
	switch name {
	case "state", "tosca_id", "tosca_name":
		return nil // these are the engine's; blueprints return a state all the same
	}
	node := r.nodeOf(c, c.inst)
	known := node != nil && hasAttribute(node, name)
	if c.inst.Kind == state.Relationship {
		known = c.op.Relationship != nil && relationshipHasAttribute(c.op.Relationship, name)
	} else if node != nil && sensitiveAttribute(node, name) {
		*secret = true
	}
	if !known {
		r.warn(c, fmt.Sprintf("the operation returned %q, but %s has no such attribute and no output is declared: the value is kept as an output only", name, c.inst.ID))
		return nil
	}
	return r.setAttribute(c, c.inst, "", name, value, *secret)
}

func (r *run) setAttribute(c *call, inst *instance, capability, name string, value any, secret bool) error {
	changed, err := inst.setAttribute(r.live.vault, capability, name, value, secret)
	if err != nil || !changed {
		return err
	}
	if secret {
		r.live.secrets.Add(value)
		if r.live.vault.aead == nil {
			r.warn(c, fmt.Sprintf("the attribute %q of %s is sensitive and is not stored, since the engine has no Config.Key: it is known until this run ends", name, inst.ID))
		}
	}
	r.touch(inst)
	if capability != "" {
		name = capability + "." + name
	}
	r.emit(Event{Kind: AttributeChanged, Step: c.step.ID, Instance: inst.ID, Attribute: name}, entryData{})
	return nil
}

func (r *run) warn(c *call, text string) {
	ev := c.event(Warning)
	ev.Err = text
	r.emit(ev, entryData{})
}

// nodeOf is the node template of an instance of a node; nil for a relationship.
func (r *run) nodeOf(c *call, inst *instance) *tosca.NodeTemplate {
	if inst.Kind != state.Node {
		return nil
	}
	return r.live.serviceOf(c.step).template.Representation(inst.Template, inst.Index)
}

// targetOf is the target of the instance's first relationship of a requirement.
func (r *run) targetOf(inst *instance, requirement string) *instance {
	for _, rel := range inst.outgoing {
		if rel.Requirement == requirement {
			return rel.target
		}
	}
	return nil
}

func requirementOf(n *tosca.NodeTemplate, name string) *tosca.Requirement {
	for _, r := range n.Requirements {
		if r.Name == name {
			return r
		}
	}
	return nil
}

func hasCapability(n *tosca.NodeTemplate, name string) bool {
	return slices.ContainsFunc(n.Capabilities, func(c *tosca.Capability) bool { return c.Name == name })
}

func named(list []*tosca.Assignment, name string) bool {
	return slices.ContainsFunc(list, func(a *tosca.Assignment) bool { return a.Name == name })
}

func definesAttribute(list []*tosca.AttributeDefinition, name string) bool {
	return slices.ContainsFunc(list, func(d *tosca.AttributeDefinition) bool { return d.Name == name })
}

func definesProperty(list []*tosca.PropertyDefinition, name string) bool {
	return slices.ContainsFunc(list, func(d *tosca.PropertyDefinition) bool { return d.Name == name })
}

// hasAttribute tells that the node has an attribute, or a property, which is
// reflected as one.
func hasAttribute(n *tosca.NodeTemplate, name string) bool {
	return definesAttribute(n.Type.Attributes, name) || definesProperty(n.Type.Properties, name) || named(n.Attributes, name)
}

func relationshipHasAttribute(r *tosca.RelationshipTemplate, name string) bool {
	return r.Type != nil && (definesAttribute(r.Type.Attributes, name) || definesProperty(r.Type.Properties, name)) || named(r.Attributes, name)
}

// sensitiveAttribute tells that an attribute must not be shown: its assignment
// or its definition's metadata says so.
func sensitiveAttribute(n *tosca.NodeTemplate, name string) bool {
	for _, list := range [][]*tosca.Assignment{n.Attributes, n.Properties} {
		for _, a := range list {
			if a.Name == name && a.Sensitive {
				return true
			}
		}
	}
	for _, d := range n.Type.Attributes {
		if d.Name == name {
			return d.Metadata["sensitive"] == true || d.Metadata["sensitive"] == "true"
		}
	}
	return false
}
