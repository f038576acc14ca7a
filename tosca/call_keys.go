package tosca

import (
	"fmt"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
)

// calledEntry is an entry of a map of which some keys are calls, such as
// "{ $concat: [...] }: 34"; the other keys are texts.
//
// Source: TOSCA 2.0 section 10.1.
type calledEntry struct{ key, value *Value }

// calledKey is an entry whose key is a map. Where it is read as part of a value
// it is taken; everywhere else it remains a fault of the file.
type calledKey struct {
	fault yamlx.Fault
	taken bool
}

// keepCalledKeys keeps the entries whose keys may be calls, and reports the
// others whose keys are maps.
func (d *document) keepCalledKeys(faults []yamlx.Fault) {
	for _, f := range faults {
		if f.Entry == nil {
			continue
		}
		if !d.mayCall(f.Entry.Key) {
			d.s.fault(d.name, f)
			continue
		}
		if d.called == nil {
			d.called = map[*yamlx.Node][]*calledKey{}
		}
		key := &calledKey{fault: f}
		for _, n := range f.In {
			d.called[n] = append(d.called[n], key)
		}
	}
}

// mayCall tells whether a key that is a map has the shape of a call.
func (d *document) mayCall(key *yamlx.Node) bool {
	if !d.v.v2() || len(key.Fields) != 1 {
		return false
	}
	name := key.Fields[0].Key.Text
	return strings.HasPrefix(name, "$") && !strings.HasPrefix(name, "$$")
}

// refuseKeys reports the keys that are maps and belong to no value. The service
// of an imported file is not read, so what is in it may be a value.
func refuseKeys(entry *document, docs []*document) {
	for _, d := range docs {
		var unread *yamlx.Node
		if d != entry {
			unread = d.root.Get("service_template")
		}
		for _, keys := range d.called {
			for _, key := range keys {
				if !key.taken && !unread.Holds(key.fault.Start) {
					d.s.fault(d.name, key.fault)
					key.taken = true // told
				}
			}
		}
	}
}

// calledKeys are the entries of a map whose keys are calls.
func (p *valueParser) calledKeys(n *yamlx.Node) []*calledKey {
	if p.doc == nil || len(p.doc.called) == 0 {
		return nil
	}
	return p.doc.called[n]
}

// calledEntries reads a map of which some keys are calls. Where these need
// nothing of the deployment it is a map like any other.
func (p *valueParser) calledEntries(v *Value, n *yamlx.Node, called []*calledKey) {
	all := make([]calledEntry, 0, len(n.Fields)+len(called))
	for _, f := range n.Fields {
		all = append(all, calledEntry{&Value{content: p.unescape(f.Key.Text), extent: extentOf(f.Key, p.file)}, p.value(f.Value)})
	}
	for _, key := range called {
		key.taken = true
		all = append(all, calledEntry{p.value(key.fault.Entry.Key), p.value(key.fault.Entry.Value)})
	}
	v.content = all
	var entries []mapEntry
	for _, e := range all {
		data, static := e.key.Static()
		if !static {
			return
		}
		key, ok := data.(string)
		if !ok {
			d := p.sink.errorf("wrong-type", e.key.Range(), "the key of a map is a string, not %s", aKind(data))
			d.Section = p.version.at("9.1.3.2")
			return
		}
		entries = append(entries, mapEntry{key, e.value})
	}
	first := map[string]*Value{}
	for i, e := range entries {
		at := all[i].key
		if earlier := first[e.key]; earlier != nil {
			d := p.sink.errorf(codeDuplicateKey, at.Range(), "the key %q stands here for the second time", e.key)
			d.Related = append(d.Related, RelatedRange{earlier.Range(), "the first is here"})
			return
		}
		first[e.key] = at
	}
	v.content = entries
}

// calledEntries evaluates a map of which some keys are calls.
func (e *evaluation) calledEntries(entries []calledEntry) (any, error) {
	m := make(map[string]any, len(entries))
	for _, entry := range entries {
		data, err := e.value(entry.key)
		if err != nil {
			return nil, err
		}
		key, ok := data.(string)
		_, double := m[key]
		switch {
		case data == nil:
			return nil, entry.failed(&errs.Error{Code: errs.FailedPrecondition, Err: fmt.Errorf("the key has no value yet")})
		case !ok:
			return nil, entry.failed(invalidArgument("the key of a map is a string, not %s", aKind(data)))
		case double:
			return nil, entry.failed(invalidArgument("the map has the key %s twice", show(key)))
		}
		if m[key], err = e.value(entry.value); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// failed says which key failed.
func (e calledEntry) failed(err error) error {
	return evaluationError{&errs.Error{Code: errs.CodeOf(err), Op: "evaluate a key", Subject: "at " + e.key.Range().place(), Err: err}}
}

// called checks a map of which some keys are calls, as far as they are known.
func (c *valueChecker) called(sc *Schema, p primitive, v *Value, entries []calledEntry) {
	switch p {
	case mapType, anyType:
	case complexType:
		return // its keys tell the types of its values
	default:
		c.fault("wrong-type", v, fmt.Sprintf("%s is expected, not a map", article(sc.Type.noun(p))), sc)
		return
	}
	for _, e := range entries {
		c.value(sc.key(), e.key)
		c.value(sc.entry(), e.value)
	}
}
