package tosca

import (
	"fmt"
	"io/fs"
	"testing"
	"testing/fstest"
)

// FuzzLoad loads any two files that may import each other: whatever they hold,
// Load ends without a panic, and gives the same answer twice.
func FuzzLoad(f *testing.F) {
	for _, c := range loadCases(f) {
		other := ""
		for name, file := range c.fsys {
			if name != c.entry && len(file.Data) > 0 {
				other = string(file.Data)
			}
		}
		if entry := c.fsys[c.entry]; entry != nil {
			f.Add(string(entry.Data), other)
		}
	}
	f.Add(shop, shopTypes)
	f.Fuzz(func(t *testing.T, entry, other string) {
		fsys := fstest.MapFS{
			"service.yaml":   &fstest.MapFile{Data: []byte(entry)},
			"a.yaml":         &fstest.MapFile{Data: []byte(other)},
			"lib/types.yaml": &fstest.MapFile{Data: []byte(other)},
		}
		opts := &Options{Limits: Limits{FileSize: 1 << 16, Depth: 50, Nodes: 10_000, Imports: 10}, CheckInputs: true}
		if fault := checkLoad(fsys, "service.yaml", opts); fault != "" {
			t.Fatal(fault)
		}
	})
}

// checkLoad tells what is wrong with how a template, sound or not, is loaded.
func checkLoad(fsys fs.FS, entry string, opts *Options) string {
	st, ds := Load(fsys, entry, opts)
	if st == nil && !ds.HasErrors() {
		return "neither a service template nor an error"
	}
	if _, again := Load(fsys, entry, opts); report(again) != report(ds) {
		return fmt.Sprintf("loaded twice:\n%s\n%s", report(ds), report(again))
	}
	if st == nil {
		return ""
	}
	for _, n := range st.Nodes {
		n.ComputeHost()
		for _, r := range n.Requirements {
			if r.Target == nil || r.Relationship == nil || r.Relationship.Type == nil {
				return "a requirement without a target or relationship"
			}
		}
	}
	return ""
}
