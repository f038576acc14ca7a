package tosca

import "slices"

// UsedFiles returns the paths of the files and folders that the template needs,
// sorted: itself, its imports, and the artifacts of its nodes, operations,
// workflows and custom functions that are no URLs; the same of the services that
// substitute its nodes. Those that begin with ImportsFolder may lie in External.
func (t *ServiceTemplate) UsedFiles() []string {
	used := t.appendFiles(nil)
	slices.Sort(used)
	return slices.Compact(used)
}

func (t *ServiceTemplate) appendFiles(used []string) []string {
	used = append(used, t.Files...)
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
		if n.Substitution != nil {
			used = n.Substitution.appendFiles(used)
		}
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
	for _, f := range t.Functions {
		for _, g := range f.Signatures {
			implementation(g.Implementation)
		}
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
	return used
}
