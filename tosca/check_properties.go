package tosca

import (
	"fmt"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// CheckProperties checks what the calls in properties come to with the inputs
// that ResolveInputs returned: properties of nodes and their capabilities, of
// relationships and of groups. What only the running deployment knows is left
// out.
//
// It reports the faults of a value (constraint-violated, wrong-type, ...) and
// calls that fail (invalid-call), at the place of the value. Values of another
// type are warnings in 1.x, where published templates have them.
//
// Source: TOSCA 1.3 sections 3.6.3 and 3.6.10, TOSCA 2.0 sections 9.5 and 9.11.
func (t *ServiceTemplate) CheckProperties(inputs map[string]any) Diagnostics {
	return t.checkProperties(inputs, false)
}

// The bounds of one check of all properties: it ends where it is too much work,
// or has told enough.
const (
	maxPropertyWork   = 1_000_000
	maxPropertyFaults = 1000
)

// checkProperties is CheckProperties; assumed tells that the inputs are only the
// defaults, and others may be given yet, which makes warnings of faults that
// come from them.
func (t *ServiceTemplate) checkProperties(inputs map[string]any, assumed bool) Diagnostics {
	c := propertyChecker{t: t, env: &readInputs{givenInputs: givenInputs{inputs}, t: t}, assumed: assumed}
	for _, n := range t.Nodes {
		at := Entity{Service: n.service, Node: n}
		c.properties(at, n.Properties, func() string { return fmt.Sprintf("the node %q", n.Name) })
		for _, k := range n.Capabilities {
			c.properties(at, k.Properties, func() string { return fmt.Sprintf("the capability %q of the node %q", k.Name, n.Name) })
		}
		for _, r := range n.Requirements {
			rel := r.Relationship
			c.properties(Entity{Service: n.service, Relationship: rel}, rel.Properties, func() string { return "the relationship " + rel.label() })
		}
	}
	for _, g := range t.Groups {
		c.properties(Entity{Service: t}, g.Properties, func() string { return fmt.Sprintf("the group %q", g.Name) })
	}
	return c.faults
}

type propertyChecker struct {
	t       *ServiceTemplate
	env     *readInputs
	assumed bool
	work    int
	faults  Diagnostics
}

// readInputs is an Env that notes which kinds of inputs were asked for.
type readInputs struct {
	givenInputs
	t              *ServiceTemplate
	any, sensitive bool
}

func (r *readInputs) Input(name string) (any, bool, error) {
	r.any = true
	if p := r.t.Input(name); p != nil && p.Sensitive {
		r.sensitive = true
	}
	return r.givenInputs.Input(name)
}

// properties checks those of one owner, which only messages name.
func (c *propertyChecker) properties(self Entity, list []*Assignment, owner func() string) {
	for _, a := range list {
		if _, static := a.Value.Static(); static && !a.Schema.anyAsks(0) || c.work > maxPropertyWork || len(c.faults) > maxPropertyFaults {
			continue
		}
		c.property(self, fmt.Sprintf("the property %q of %s", a.Name, owner()), a)
	}
}

func (c *propertyChecker) property(self Entity, what string, a *Assignment) {
	c.env.any, c.env.sensitive = false, a.Sensitive
	s := &sink{}
	e := evaluation{self: self, env: c.env}
	v, err := e.known(a.Value)
	c.work += 1 + e.calls + e.parts + e.texts/64
	if err != nil {
		reason := err.Error()
		if c.env.sensitive {
			reason = "its arguments are not what it takes"
		}
		s.errorf("invalid-call", a.Value.Range(), "%s cannot be evaluated: %s", what, reason)
	} else if data, static := v.Static(); !static || data != nil {
		check := valueChecker{sink: s, what: what, external: true, secret: c.env.sensitive}
		check.value(a.Schema, v)
		k := callChecker{self: self, sink: s, env: c.env, secret: c.env.sensitive}
		k.validate(a.Value, a.Schema)
	}
	for _, d := range s.list {
		c.fault(d, a)
	}
}

// known returns a value with the calls replaced by what they stand for, each at
// its place. One that only the running deployment can answer stays.
func (e *evaluation) known(v *Value) (*Value, error) {
	switch content := v.content.(type) {
	case *Call, []calledEntry:
		data, err := e.value(v)
		if err == nil {
			known := Constant(data)
			known.place(v.Range())
			return known, nil
		}
		if code := errs.CodeOf(err); code == errs.InvalidArgument || code == errs.NotFound {
			return nil, err
		}
	case []*Value:
		list := make([]*Value, len(content))
		for i, item := range content {
			var err error
			if list[i], err = e.known(item); err != nil {
				return nil, err
			}
		}
		return &Value{content: list, extent: v.extent}, nil
	case []mapEntry:
		entries := make([]mapEntry, len(content))
		for i, entry := range content {
			known, err := e.known(entry.value)
			if err != nil {
				return nil, err
			}
			entries[i] = entry
			entries[i].value = known
		}
		return &Value{content: entries, extent: v.extent}, nil
	}
	return v, nil
}

// fault keeps a fault of a value. Those of other codes are about the calls
// themselves, and were told when the template was loaded.
func (c *propertyChecker) fault(d *Diagnostic, a *Assignment) {
	switch d.Code {
	case "constraint-violated", "invalid-call":
	case "wrong-type", "unknown-property", "missing-property":
		if a.Schema != nil && !a.Schema.strict {
			d.Severity = Warning
		}
	default:
		return
	}
	if c.assumed && c.env.any {
		d.Severity = Warning
		d.Detail = "That is so with the defaults of the inputs."
	}
	c.faults = append(c.faults, d)
}
