package tosca

import (
	"fmt"
	"math/big"
)

// allocate adds what a requirement takes from the properties of its capability.
func (c *Capability) allocate(list []*Assignment) {
	for _, a := range list {
		taken, err := a.amount()
		if err != nil {
			continue // reported
		}
		if c.allocated == nil {
			c.allocated = map[string]*big.Rat{}
		}
		if sum := c.allocated[a.Name]; sum != nil {
			taken = new(big.Rat).Add(sum, taken)
		}
		c.allocated[a.Name] = taken
	}
}

// taken returns the sum of what requirements take from a property.
func (c *Capability) taken(property string) *big.Rat {
	if sum := c.allocated[property]; sum != nil {
		return sum
	}
	return new(big.Rat)
}

// amount is the number, or the scalar in its base unit, that an assignment has.
func (a *Assignment) amount() (*big.Rat, error) {
	data, ok := a.Value.Static()
	if !ok {
		return nil, fmt.Errorf("%s is known only later", a.Name)
	}
	return amountOf(data, a.Schema)
}

// amountOf reads a number, or a scalar in its base unit.
func amountOf(data any, sc *Schema) (*big.Rat, error) {
	if sc != nil && sc.Type != nil {
		converted, _, err := sc.Type.convert(data)
		if err != nil {
			return nil, err
		}
		data = converted
	}
	switch x := data.(type) {
	case int64:
		return new(big.Rat).SetInt64(x), nil
	case float64:
		if r := new(big.Rat).SetFloat64(x); r != nil {
			return r, nil
		}
	case ScalarUnit:
		return x.base, nil
	}
	return nil, fmt.Errorf("%s is no amount", show(data))
}

// allocations evaluates what an assignment takes from the capability. Faults
// are reported. There is no capability where a type is broken.
func (b *builder) allocations(w *wanted, c *Capability) []*Assignment {
	if c == nil {
		return nil
	}
	var list []*Assignment
	for _, a := range w.allocations {
		if own, _, err := b.allocation(w, c, a); err != nil {
			b.badAllocation(w, a, err)
		} else {
			list = append(list, own)
		}
	}
	return list
}

func (b *builder) badAllocation(w *wanted, a *Assignment, err error) {
	w.draft.doc.s.errorf(codeBadAllocation, a.Range, "the requirement %q cannot take %q: %s", w.name, a.Name, err).Section = "TOSCA 2.0 section 8.5.5"
}

// allocation evaluates one allocation and tells what is left of the property,
// nil for one without a value that is known by now.
func (b *builder) allocation(w *wanted, c *Capability, a *Assignment) (*Assignment, *big.Rat, error) {
	def := propertyOf(c.Definition.Properties, a.Name)
	if def == nil {
		return nil, nil, fmt.Errorf("the capability %s of %s has no such property", c.Name, c.Node.Name)
	}
	if def.Schema == nil || def.Schema.Type == nil { // which was told
		return a, nil, nil
	}
	self := Entity{}
	if _, static := a.Value.Static(); !static {
		self = w.self()
	}
	data, err := b.evaluate(a.Value, self)
	if err != nil {
		return nil, nil, err
	}
	own := &Assignment{Name: a.Name, Schema: def.Schema, Value: Constant(data), Range: a.Range}
	own.Value.place(a.Value.Range())
	taken, err := own.amount()
	if err != nil {
		return nil, nil, fmt.Errorf("%s is no amount of a property of type %s", show(data), def.Schema.Type.Name)
	}
	if taken.Sign() < 0 {
		return nil, nil, fmt.Errorf("%s is negative", show(data))
	}
	have := c.Property(a.Name)
	if have == nil {
		return own, nil, nil
	}
	value, err := b.evaluate(have.Value, Entity{Service: b.t, Node: c.Node})
	if err != nil || value == nil {
		return own, nil, nil
	}
	capacity, err := amountOf(value, have.Schema)
	if err != nil {
		return own, nil, nil // the value itself is at fault
	}
	left := new(big.Rat).Sub(capacity, c.taken(a.Name))
	return own, left.Sub(left, taken), nil
}

// hasLeft tells whether a capability has enough left for an assignment.
func (b *builder) hasLeft(w *wanted, c *Capability) bool {
	for _, a := range w.allocations {
		if _, left, err := b.allocation(w, c, a); err != nil || left != nil && left.Sign() < 0 {
			return false
		}
	}
	return true
}

// allocatable reports what a named node has too little of. It is false where that,
// or what else is wrong with the node, was told.
func (b *builder) allocatable(w *wanted, n *NodeTemplate) bool {
	c := b.capability(w, n)
	if c == nil {
		return false // its type is at fault, which was told
	}
	for _, a := range w.allocations {
		if _, left, err := b.allocation(w, c, a); err == nil && left != nil && left.Sign() < 0 {
			b.badAllocation(w, a, fmt.Errorf("the capability %s of %s has not so much left", c.Name, n.Name))
			return false
		}
	}
	return true
}

// exhaustedBy tells whether a node has too little left for any relationship
// of an assignment, this one and those to come.
func (b *builder) exhaustedBy(w *wanted, n *NodeTemplate) bool {
	for _, a := range w.allocations {
		if _, static := a.Value.Static(); !static {
			return false
		}
	}
	c := b.capability(w, n)
	return len(w.allocations) > 0 && c != nil && !b.hasLeft(w, c)
}
