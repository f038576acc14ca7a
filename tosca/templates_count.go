package tosca

import (
	"errors"
	"math"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
)

// representNodes makes the representations of all node templates.
//
// Source: TOSCA 2.0 section 14.1.
func (b *builder) representNodes() {
	for _, draft := range b.nodes {
		n := draft.node
		n.Count = b.nodeCount(draft)
		if n.Count == 0 {
			b.t.absent[n.Name] = n
			continue
		}
		draft.representations = []*NodeTemplate{n}
		for i := 1; i < n.Count; i++ {
			draft.representations = append(draft.representations, n.representation(i))
		}
		b.t.enter(draft.representations)
		b.t.Nodes = append(b.t.Nodes, draft.representations...)
	}
}

// enter makes the representations of one template known by its name.
func (t *ServiceTemplate) enter(representations []*NodeTemplate) {
	name := representations[0].Name
	t.nodes[name] = representations[0]
	if len(representations) > 1 {
		t.representations[name] = representations
	}
}

// named returns the nodes that the template of a name stands for, and whether
// there is such a template.
func (b *builder) named(name string) ([]*NodeTemplate, bool) {
	list := b.t.Representations(name)
	return list, list != nil || b.t.absent[name] != nil
}

// representation copies a node that has no requirements yet. What says the same
// of all representations is shared.
func (n *NodeTemplate) representation(index int) *NodeTemplate {
	c := *n
	c.Index = index
	c.Capabilities = make([]*Capability, len(n.Capabilities))
	capabilities := make([]Capability, len(n.Capabilities))
	for i, have := range n.Capabilities {
		capabilities[i] = *have
		capabilities[i].Node = &c
		c.Capabilities[i] = &capabilities[i]
	}
	return &c
}

// nodeCount is how many representations a template has. A node that is
// selected is one, whatever its count.
func (b *builder) nodeCount(draft *nodeDraft) int {
	n := draft.body.Get("count")
	if n.IsNull() || isSelecting(draft.node) {
		return 1
	}
	count := b.count(draft.doc, n, draft.doc.value(n), Entity{Service: b.t})
	if limit := b.opts.Limits.orDefault().Representations; count > limit-b.represented {
		draft.doc.errorf(codeTooLarge, n, "the node templates have more than %d representations with the %d of %q", limit, count, draft.node.Name).Detail =
			"Limits.Representations bounds them."
		return 1
	}
	b.represented += count
	return count
}

// count evaluates a count of nodes or relationships. It is 1 where it follows
// from an input that has no value yet.
func (b *builder) count(d *document, n *yamlx.Node, v *Value, self Entity) int {
	data, err := b.evaluate(v, self)
	switch {
	case errors.Is(err, errReported):
		return 1
	case err == nil && data == nil && !n.IsNull(), errs.CodeOf(err) == errs.FailedPrecondition:
		if b.opts.CheckInputs {
			d.errorf(codeBadCount, n, "the count has no value")
		}
		return 1
	case err != nil:
		d.errorf(codeBadCount, n, "the count cannot be evaluated: %s", err)
		return 1
	}
	count, ok := data.(int64)
	if f, isFloat := data.(float64); isFloat && f == math.Trunc(f) && math.Abs(f) < 1<<31 && v.Call() != nil {
		count, ok = int64(f), true // an input may come from a program that knows no integers
	}
	if !ok || count < 0 || count > 1<<31-1 {
		d.errorf(codeBadCount, n, "a count is a whole number from 0 on, not %s", show(data))
		return 1
	}
	return int(count)
}

// errReported stands for faults that were reported as diagnostics.
var errReported = errors.New("faults were reported")

// evaluate evaluates what decides which nodes and relationships there are. The
// inputs that it asks for become ShapeInputs.
func (b *builder) evaluate(v *Value, self Entity) (any, error) {
	if data, ok := v.Static(); ok {
		return data, nil
	}
	before := b.s.errors
	checkCalls(b.t, v, self, b.s)
	if b.s.errors > before {
		return nil, errReported
	}
	return v.Eval(self, b.env())
}

// shapeEnv is an Env that knows inputs only, and remembers which were asked for.
type shapeEnv struct {
	givenInputs
	asked map[string]bool
}

func (e shapeEnv) Input(name string) (any, bool, error) {
	e.asked[name] = true
	return e.givenInputs.Input(name)
}
