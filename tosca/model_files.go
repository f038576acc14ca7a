package tosca

import "slices"

// UsedFiles returns the paths of the files and folders that the template needs,
// sorted: itself, its imports, and the artifacts of its nodes and operations
// that are no URLs. Those that begin with ImportsFolder may lie in External.
func (t *ServiceTemplate) UsedFiles() []string {
	used := slices.Clone(t.Files)
	add := func(list ...*Artifact) {
		for _, a := range list {
			if a != nil && a.Path != "" {
				used = append(used, a.Path)
			}
		}
	}
	implementation := func(i *Implementation) {
		if i != nil {
			add(i.Primary)
			add(i.Dependencies...)
		}
	}
	interfaces := func(list []*Interface) {
		for _, i := range list {
			for _, op := range i.Operations {
				implementation(op.Implementation)
			}
		}
	}
	for _, n := range slices.Concat(t.Nodes, t.Absent()) {
		add(n.Artifacts...)
		interfaces(n.Interfaces)
		for _, r := range n.Requirements {
			if r.Relationship != nil {
				interfaces(r.Relationship.Interfaces)
			}
		}
	}
	for _, g := range t.Groups {
		interfaces(g.Interfaces)
	}
	for _, w := range t.Workflows {
		implementation(w.Implementation)
	}
	for _, p := range t.Policies {
		for _, tr := range p.Triggers {
			for _, a := range tr.Action {
				if a.Operation != nil {
					interfaces([]*Interface{{Operations: []*Operation{a.Operation}}})
				}
			}
		}
	}
	slices.Sort(used)
	return slices.Compact(used)
}
