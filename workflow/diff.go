package workflow

import (
	"bytes"
	"encoding/json"
)

// Diff is what differs between two collections of named things: those only in
// the new one, those only in the old one, and those in both that differ. The
// zero Diff says that nothing differs.
//
// The Diff of two service templates has one change, "nodes", whose value is the
// Diff of their node templates; Compare describes what is below.
type Diff struct {
	// Added are in the order of the new collection, Deleted and Changed in that
	// of the old one.
	Added, Deleted []string
	Changed        []Change
}

// Change is a named thing that differs.
type Change struct {
	Name string
	// Value is one of
	//   - a *Diff, which is not empty,
	//   - a [2]any, the old and the new value,
	//   - a string such as "file playbooks/create.yaml", a file with another content,
	//   - a []string, names of node templates.
	Value any
}

// Empty tells that nothing differs.
func (d *Diff) Empty() bool {
	return d == nil || len(d.Added) == 0 && len(d.Deleted) == 0 && len(d.Changed) == 0
}

// Get returns the value found by the names of changes, one for each level, as
// in Get("nodes", "web", "properties", "port"); nil where there is no such change.
func (d *Diff) Get(names ...string) any {
	var value any = d
	for _, name := range names {
		sub, _ := value.(*Diff)
		if value = sub.change(name); value == nil {
			return nil
		}
	}
	return value
}

func (d *Diff) change(name string) any {
	if d == nil {
		return nil
	}
	for _, c := range d.Changed {
		if c.Name == name {
			return c.Value
		}
	}
	return nil
}

// changes returns the values of all changes by name.
func (d *Diff) changes() map[string]any {
	if d == nil {
		return nil
	}
	all := make(map[string]any, len(d.Changed))
	for _, c := range d.Changed {
		all[c.Name] = c.Value
	}
	return all
}

// put adds a change unless there is nothing in it.
func (d *Diff) put(name string, value any) {
	if sub, ok := value.(*Diff); ok && sub.Empty() {
		return
	}
	d.Changed = append(d.Changed, Change{name, value})
}

// MarshalJSON writes xOpera's shape:
//
//	{"added": [...], "deleted": [...], "changed": {name: value, ...}}
//
// without the keys that have nothing; where nothing was added or deleted, the
// object under "changed" stands for the whole. Keys keep the order of the Diff.
func (d *Diff) MarshalJSON() ([]byte, error) {
	changed, err := marshalChanges(d.Changed)
	if err != nil || len(d.Added) == 0 && len(d.Deleted) == 0 {
		return changed, err
	}
	var b bytes.Buffer
	b.WriteByte('{')
	for _, part := range []struct {
		key   string
		names []string
	}{{"added", d.Added}, {"deleted", d.Deleted}} {
		if len(part.names) == 0 {
			continue
		}
		names, err := json.Marshal(part.names)
		if err != nil {
			return nil, err
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.WriteString(`"` + part.key + `":`)
		b.Write(names)
	}
	if len(d.Changed) > 0 {
		b.WriteString(`,"changed":`)
		b.Write(changed)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// marshalChanges writes an object with the changes in order.
func marshalChanges(changes []Change) ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, c := range changes {
		name, err := json.Marshal(c.Name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(c.Value)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// compareNamed compares two lists of named things. difference returns what
// differs between two things of the same name, nil or an empty *Diff for nothing.
func compareNamed[T any](old, new []T, name func(T) string, difference func(old, new T) any) *Diff {
	d := &Diff{}
	inNew := make(map[string]T, len(new))
	for _, n := range new {
		inNew[name(n)] = n
	}
	inOld := make(map[string]bool, len(old))
	for _, o := range old {
		key := name(o)
		inOld[key] = true
		n, ok := inNew[key]
		if !ok {
			d.Deleted = append(d.Deleted, key)
			continue
		}
		if value := difference(o, n); value != nil {
			d.put(key, value)
		}
	}
	for _, n := range new {
		if key := name(n); !inOld[key] {
			d.Added = append(d.Added, key)
		}
	}
	return d
}
