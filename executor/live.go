package executor

import (
	"encoding/json"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/internal/redact"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
)

// live is a deployment in memory, with its instances and templates, as one run
// or query sees it.
type live struct {
	id        string
	vault     *vault
	secrets   *redact.Set
	record    *state.Deployment
	service   *service // nil while there is no template
	old       *service // what an update replaces; nil otherwise
	instances map[string]*instance
	order     []*instance // what sorted returns; nil when instances has changed
	functions *functions
}

// service is a service template with what was given to it.
type service struct {
	template *tosca.ServiceTemplate
	files    fs.FS
	origin   origin
	// given are the inputs that the user gave; unstored those which were given
	// once and not stored.
	given    map[string]any
	unstored map[string]bool
	// values are the inputs that have been evaluated.
	values map[string]any
	// sensitive and sensitiveInputs are found when they are first asked for.
	sensitive       []sensitiveValue
	sensitiveInputs []*tosca.Parameter
}

// instance is an instance in memory. Its values are decoded when first asked for.
type instance struct {
	state.Instance
	node *tosca.NodeTemplate // the node template, or the source of a relationship
	// requirement is the relationship's; nil for a node.
	requirement *tosca.Requirement
	outgoing    []*instance // relationships of which the node is the source
	source      *instance   // ends of a relationship
	target      *instance

	// shared tells that a commit has the maps of Instance: they are copied
	// before they change.
	shared bool
	// worked tells that the run in hand did something with it.
	worked bool
	values map[string]stored // what was decoded, by place
}

// stored is a decoded value.
type stored struct {
	value any
	err   error
}

// current is the state of each instance, as planners want it.
func (l *live) current() workflow.Current {
	c := make(workflow.Current, len(l.instances))
	for id, inst := range l.instances {
		c[id] = inst.State
	}
	return c
}

// about is the instance that a step is about: nil where there is none of the ID,
// and one without an ID for the implementation of a workflow.
func (l *live) about(s *workflow.Step) *instance {
	if s.Workflow != "" {
		return &instance{}
	}
	return l.instances[s.Instance]
}

// sorted returns the instances in order of ID. The caller does not change the list.
func (l *live) sorted() []*instance {
	if l.order == nil {
		l.order = slices.SortedFunc(maps.Values(l.instances), func(a, b *instance) int { return strings.Compare(a.ID, b.ID) })
	}
	return l.order
}

// add takes up an instance that is stored or about to be.
func (l *live) add(rec *state.Instance) *instance {
	inst := &instance{Instance: *rec}
	l.instances[rec.ID], l.order = inst, nil
	return inst
}

// link connects the instances with each other and with their templates: those
// of the new one, else of the old one.
func (l *live) link() {
	for _, inst := range l.instances {
		inst.outgoing, inst.source, inst.target = nil, nil, nil
	}
	for _, inst := range l.sorted() {
		for _, s := range []*service{l.service, l.old} {
			if s != nil && inst.bind(s.template) {
				break
			}
		}
		if inst.Kind == state.Relationship {
			inst.source, inst.target = l.instances[inst.Source], l.instances[inst.Target]
			if inst.source != nil {
				inst.source.outgoing = append(inst.source.outgoing, inst)
			}
		}
	}
}

// bind finds what the instance is made of; false if the template has it not.
func (i *instance) bind(t *tosca.ServiceTemplate) bool {
	if i.Kind == state.Node {
		if n := t.Representation(i.Template, i.Index); n != nil {
			i.node = n
			return true
		}
		return false
	}
	node, req := findRequirement(t, i)
	if req != nil {
		i.node, i.requirement = node, req
	}
	return req != nil
}

// findRequirement finds the requirement of a relationship instance in a template.
func findRequirement(t *tosca.ServiceTemplate, i *instance) (*tosca.NodeTemplate, *tosca.Requirement) {
	node := nodeOf(t, i.Source)
	if node == nil {
		return nil, nil
	}
	for _, r := range node.Requirements {
		if r.Name == i.Requirement && r.Index == i.RequirementIndex {
			return node, r
		}
	}
	return node, nil
}

// templateOf is the name of the template of a node instance: "web" of "web_0".
func templateOf(id string) string {
	if i := strings.LastIndexByte(id, '_'); i >= 0 {
		return id[:i]
	}
	return id
}

// nodeOf finds the node of a node instance by its ID: of "web_0" the first
// representation of "web". It is nil where the template does not have it.
func nodeOf(t *tosca.ServiceTemplate, id string) *tosca.NodeTemplate {
	name := templateOf(id)
	index, err := strconv.Atoi(strings.TrimPrefix(id[len(name):], "_"))
	if err != nil {
		return nil
	}
	return t.Representation(name, index)
}

// make makes the instance that a plan asks for.
func (l *live) make(p workflow.Instance) (*instance, error) {
	n := l.service.template.Representation(p.Node, p.Index)
	if n == nil {
		return nil, errs.New(errs.InvalidArgument, "take a plan through", p.ID, "the template has no node %s", workflow.NodeID(p.Node, p.Index))
	}
	rec := &state.Instance{ID: p.ID, Kind: state.Node, Template: p.Node, Index: p.Index, State: workflow.Initial}
	if p.Requirement == "" {
		rec.Type = n.Type.Name
		return l.add(rec), nil
	}
	rec.Kind, rec.Template, rec.Index = state.Relationship, "", 0
	rec.Source, rec.Target = workflow.NodeID(p.Node, p.Index), p.Target
	rec.Requirement, rec.RequirementIndex = p.Requirement, p.RequirementIndex
	for _, r := range n.Requirements {
		if r.Name == p.Requirement && r.Index == p.RequirementIndex {
			if r.Relationship != nil {
				rec.Template = r.Relationship.Name
				if r.Relationship.Type != nil {
					rec.Type = r.Relationship.Type.Name
				}
			}
			return l.add(rec), nil
		}
	}
	return nil, errs.New(errs.InvalidArgument, "take a plan through", p.ID, "node template %q has no requirement %q (%d)",
		p.Node, p.Requirement, p.RequirementIndex)
}

// retype records the type that the instance is of in the template that it is
// linked to; false if that is what is recorded.
func (i *instance) retype() bool {
	template, kind := i.Template, i.Type
	switch {
	case i.Kind == state.Node && i.node != nil:
		kind = i.node.Type.Name
	case i.requirement != nil && i.requirement.Relationship != nil:
		template = i.requirement.Relationship.Name
		if t := i.requirement.Relationship.Type; t != nil {
			kind = t.Name
		}
	}
	if template == i.Template && kind == i.Type {
		return false
	}
	i.Template, i.Type = template, kind
	return true
}

// entity is the instance as the language sees it.
func (i *instance) entity(t *tosca.ServiceTemplate) tosca.Entity {
	if i.Kind == state.Node {
		return tosca.Entity{Service: t, Node: t.Representation(i.Template, i.Index)}
	}
	_, req := findRequirement(t, i)
	if req == nil {
		return tosca.Entity{Service: t}
	}
	return tosca.Entity{Service: t, Relationship: req.Relationship}
}

// The places of values in an instance.
const (
	attributePlace  = "a:"
	capabilityPlace = "c:" // c:capability:attribute
	outputPlace     = "o:" // o:interface.operation:output
)

// load decodes the value raw that stands at a place.
func (i *instance) load(v *vault, place string, raw json.RawMessage) (any, error) {
	if s, ok := i.values[place]; ok {
		return s.value, s.err
	}
	value, _, err := v.load(raw)
	i.remember(place, value, err)
	return value, err
}

func (i *instance) remember(place string, value any, err error) {
	if i.values == nil {
		i.values = map[string]stored{}
	}
	i.values[place] = stored{value, err}
}

// attribute returns an attribute given at run time, of a capability if that is
// not empty.
func (i *instance) attribute(v *vault, capability, name string) (any, bool, error) {
	place, raw, ok := attributePlace+name, i.Attributes[name], false
	if capability != "" {
		place, raw = capabilityPlace+capability+":"+name, i.CapabilityAttributes[capability][name]
	}
	if ok = raw != nil; !ok {
		return nil, false, nil
	}
	value, err := i.load(v, place, raw)
	return value, true, err
}

// output returns what an operation returned.
func (i *instance) output(v *vault, operation, name string) (any, bool, error) {
	raw, ok := i.Outputs[operation][name]
	if !ok {
		return nil, false, nil
	}
	value, err := i.load(v, outputPlace+operation+":"+name, raw)
	return value, true, err
}

// setAttribute gives an attribute a value; false if it has that value already.
func (i *instance) setAttribute(v *vault, capability, name string, value any, secret bool) (changed bool, err error) {
	raw, err := v.store(value, secret)
	if err != nil {
		return false, err
	}
	if old, ok, err := i.attribute(v, capability, name); ok && err == nil && equal(old, value) {
		return false, nil
	}
	i.own()
	if capability == "" {
		i.Attributes = set(i.Attributes, name, raw)
		i.remember(attributePlace+name, value, nil)
		return true, nil
	}
	if i.CapabilityAttributes == nil {
		i.CapabilityAttributes = map[string]map[string]json.RawMessage{}
	}
	i.CapabilityAttributes[capability] = set(i.CapabilityAttributes[capability], name, raw)
	i.remember(capabilityPlace+capability+":"+name, value, nil)
	return true, nil
}

// setOutput keeps what an operation returned.
func (i *instance) setOutput(v *vault, operation, name string, value any, secret bool) error {
	raw, err := v.store(value, secret)
	if err != nil {
		return err
	}
	i.own()
	if i.Outputs == nil {
		i.Outputs = map[string]map[string]json.RawMessage{}
	}
	i.Outputs[operation] = set(i.Outputs[operation], name, raw)
	i.remember(outputPlace+operation+":"+name, value, nil)
	return nil
}

func set(m map[string]json.RawMessage, key string, value json.RawMessage) map[string]json.RawMessage {
	if m == nil {
		m = map[string]json.RawMessage{}
	}
	m[key] = value
	return m
}

func equal(a, b any) bool {
	x, errA := encode(a)
	y, errB := encode(b)
	return errA == nil && errB == nil && string(x) == string(y)
}

// clear forgets what was given at run time; false if there was nothing.
func (i *instance) clear() bool {
	had := i.Attributes != nil || i.CapabilityAttributes != nil || i.Outputs != nil
	i.Attributes, i.CapabilityAttributes, i.Outputs, i.values = nil, nil, nil, nil
	return had
}

// own makes the maps the instance's own again after a snapshot.
func (i *instance) own() {
	if !i.shared {
		return
	}
	i.shared = false
	i.Properties, i.Attributes = maps.Clone(i.Properties), maps.Clone(i.Attributes)
	i.CapabilityAttributes = cloneNested(i.CapabilityAttributes)
	i.Outputs = cloneNested(i.Outputs)
}

func cloneNested(m map[string]map[string]json.RawMessage) map[string]map[string]json.RawMessage {
	m = maps.Clone(m)
	for k, inner := range m {
		m[k] = maps.Clone(inner)
	}
	return m
}

// snapshot is the record for a commit.
func (i *instance) snapshot() *state.Instance {
	i.shared = true
	rec := i.Instance
	return &rec
}

// rerunnable tells that the node template allows operations whose outcome was
// lost to run again: its metadata has "rerunnable: true".
func (i *instance) rerunnable() bool {
	if i.node == nil {
		return false
	}
	switch v := i.node.Metadata["rerunnable"].(type) {
	case bool:
		return v
	case string:
		return v == "true"
	}
	return false
}

// recordProperties keeps the properties as they are evaluated now; false if
// nothing changed. A property that cannot be evaluated is left out.
func (i *instance) recordProperties(l *live) bool {
	if i.node == nil || !i.worked && i.Properties != nil {
		return false
	}
	if i.Kind == state.Node && i.State != workflow.Started {
		return false
	}
	assignments := i.node.Properties
	if i.requirement != nil {
		if i.requirement.Relationship == nil {
			return false
		}
		assignments = i.requirement.Relationship.Properties
	}
	var entity tosca.Entity
	changed := false
	props := make(map[string]json.RawMessage, len(assignments))
	for _, a := range assignments {
		if a.Value == nil {
			continue
		}
		value, static := a.Value.Static()
		if !static {
			if entity.Service == nil {
				entity = i.entity(l.service.template)
			}
			var err error
			if value, err = l.eval(l.service, a.Value, entity); err != nil {
				continue
			}
		}
		secret := a.Sensitive || l.secrets.Contains(value)
		if old, ok := i.Properties[a.Name]; ok {
			if v, wasSecret, err := l.vault.load(old); (err == nil || err == errUnstored) && wasSecret == secret && equal(v, value) {
				props[a.Name] = old
				continue
			}
		}
		raw, err := l.vault.store(value, secret)
		if err != nil {
			continue
		}
		props[a.Name], changed = raw, true
	}
	if !changed && len(props) == len(i.Properties) {
		return false
	}
	i.own()
	if i.Properties = props; len(props) == 0 {
		i.Properties = nil
	}
	return changed || len(props) > 0
}

// status is the phase of the deployment as the states of its nodes tell it.
// Where no run goes on, nodes that are half-way mean that something went wrong.
//
// The order of the rules is xOpera's.
func (l *live) status(last *state.Run) state.Status {
	has := map[string]int{}
	nodes := 0
	for _, inst := range l.instances {
		if inst.Kind == state.Node {
			nodes++
			has[inst.State]++
		}
	}
	if nodes == 0 {
		return l.statusWithoutNodes(last)
	}
	running := last != nil && last.Status == state.RunRunning
	failed := last != nil && (last.Status == state.RunFailed || last.Status == state.RunCanceled)
	any := func(states ...string) bool {
		return slices.ContainsFunc(states, func(s string) bool { return has[s] > 0 })
	}
	switch {
	case !running && failed && !(has[workflow.Started] == nodes || has[workflow.Initial] == nodes):
		return state.Failed
	case any(workflow.Creating, workflow.Created, workflow.Configuring, workflow.Starting):
		return state.Deploying
	case has[workflow.Started] == nodes:
		return state.Deployed
	case any(workflow.Stopping, workflow.Deleting):
		return state.Undeploying
	case has[workflow.Initial] == nodes:
		return state.Undeployed
	case any(workflow.Errored):
		return state.Failed
	}
	return state.Unknown
}

// statusWithoutNodes is the status of a deployment that has no nodes: a
// template may have none, and an undeployed one has none left.
func (l *live) statusWithoutNodes(last *state.Run) state.Status {
	away := last != nil && (last.Kind == "undeploy" || last.Kind == kindRollback)
	switch {
	case last == nil:
		return state.Initialized
	case last.Status == state.RunFailed || last.Status == state.RunCanceled:
		return state.Failed
	case away && last.Status == state.RunSucceeded:
		return state.Undeployed
	case away:
		return state.Undeploying
	case last.Status == state.RunSucceeded:
		return state.Deployed
	}
	return state.Deploying
}
