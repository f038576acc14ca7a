package workflow

import (
	"bytes"
	"errors"
	"io/fs"
	"slices"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/internal/redact"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
)

// interfaces compares the implemented operations of two lists of interfaces.
// The artifacts are those of the nodes, which every operation sees.
func (s scope) interfaces(old, new []*tosca.Interface, oldArtifacts, newArtifacts []*tosca.Artifact) *Diff {
	return compareNamed(withOperations(old), withOperations(new),
		func(i *tosca.Interface) string { return i.Name },
		func(o, n *tosca.Interface) any {
			d := &Diff{}
			d.put("operations", compareNamed(implementedOperations(o), implementedOperations(n),
				func(op *tosca.Operation) string { return op.Name },
				func(o, n *tosca.Operation) any {
					d := s.operation(o, n)
					d.put("artifacts", s.artifacts(oldArtifacts, newArtifacts))
					return d
				}))
			return d
		})
}

// withOperations leaves out interfaces that nothing implements.
func withOperations(interfaces []*tosca.Interface) []*tosca.Interface {
	return slices.DeleteFunc(slices.Clone(interfaces), func(i *tosca.Interface) bool {
		return len(implementedOperations(i)) == 0
	})
}

func implementedOperations(i *tosca.Interface) []*tosca.Operation {
	return slices.DeleteFunc(slices.Clone(i.Operations), func(op *tosca.Operation) bool {
		return op.Implementation == nil
	})
}

// operation compares two implemented operations.
func (s scope) operation(old, new *tosca.Operation) *Diff {
	d := &Diff{}
	o, n := old.Implementation, new.Implementation
	switch {
	case o.Primary == nil && n.Primary == nil:
	case o.Primary == nil || n.Primary == nil:
		d.put("primary", pair(redact.URLs(artifactFile(o.Primary)), redact.URLs(artifactFile(n.Primary))))
	case !s.sameFile(o.Primary, n.Primary):
		d.put("primary", "file "+redact.URLs(o.Primary.File))
	}
	d.put("inputs", s.assignments(old.Inputs, new.Inputs))
	d.put("dependencies", s.artifacts(o.Dependencies, n.Dependencies))
	d.put("outputs", compareNamed(old.Outputs, new.Outputs,
		func(m *tosca.OutputMapping) string { return m.Name },
		func(o, n *tosca.OutputMapping) any {
			if o.Entity == n.Entity && o.Capability == n.Capability && slices.Equal(o.Path, n.Path) {
				return nil
			}
			return pair(mappingPath(o), mappingPath(n))
		}))
	if o.OperationHost != n.OperationHost {
		d.put("operation_host", pair(o.OperationHost, n.OperationHost))
	}
	if o.Timeout != n.Timeout {
		d.put("timeout", pair(o.Timeout.Seconds(), n.Timeout.Seconds()))
	}
	return d
}

// mappingPath is a mapping as a template writes it.
func mappingPath(m *tosca.OutputMapping) []string {
	path := []string{m.Entity}
	if m.Capability != "" {
		path = append(path, "CAPABILITY", m.Capability)
	}
	return append(path, m.Path...)
}

// artifacts compares lists of files.
func (s scope) artifacts(old, new []*tosca.Artifact) *Diff {
	return compareNamed(old, new, artifactFile, func(o, n *tosca.Artifact) any {
		if s.sameFile(o, n) {
			return nil
		}
		return "file " + redact.URLs(o.File)
	})
}

func artifactFile(a *tosca.Artifact) string {
	if a == nil {
		return ""
	}
	return a.File
}

// sameFile tells whether two artifacts have the same type and content, or the
// same name where their content is not at hand.
func (c *comparer) sameFile(old, new *tosca.Artifact) bool {
	if artifactTypeName(old) != artifactTypeName(new) {
		return false
	}
	if c.opts.OldFiles == nil || c.opts.NewFiles == nil || old.Path == "" || new.Path == "" {
		return old.File == new.File
	}
	key := [2]string{old.Path, new.Path}
	if same, ok := c.files[key]; ok {
		return same
	}
	same, err := sameContent(c.opts.OldFiles, old.Path, c.opts.NewFiles, new.Path)
	if err != nil && c.err == nil {
		c.err = &errs.Error{Code: errs.FailedPrecondition, Op: "compare file", Subject: old.File, Err: err}
		if errors.Is(err, fs.ErrNotExist) {
			c.err = &errs.Error{Code: errs.NotFound, Op: "compare file", Subject: old.File, Err: err}
		}
	}
	c.files[key] = same
	return same
}

func artifactTypeName(a *tosca.Artifact) string {
	if a.Type == nil {
		return ""
	}
	return a.Type.Name
}

// sameContent tells whether two files, or two folders with all that is in them,
// have the same content.
func sameContent(oldFiles fs.FS, old string, newFiles fs.FS, new string) (bool, error) {
	oldInfo, err := fs.Stat(oldFiles, old)
	if err != nil {
		return false, err
	}
	newInfo, err := fs.Stat(newFiles, new)
	if err != nil {
		return false, err
	}
	switch {
	case oldInfo.IsDir() != newInfo.IsDir():
		return false, nil
	case oldInfo.IsDir():
		return sameFolder(oldFiles, old, newFiles, new)
	case oldInfo.Size() != newInfo.Size():
		return false, nil
	}
	a, err := fs.ReadFile(oldFiles, old)
	if err != nil {
		return false, err
	}
	b, err := fs.ReadFile(newFiles, new)
	if err != nil {
		return false, err
	}
	return bytes.Equal(a, b), nil
}

// sameFolder compares two folders entry by entry.
func sameFolder(oldFiles fs.FS, old string, newFiles fs.FS, new string) (bool, error) {
	a, err := fs.ReadDir(oldFiles, old)
	if err != nil {
		return false, err
	}
	b, err := fs.ReadDir(newFiles, new)
	if err != nil || len(a) != len(b) {
		return false, err
	}
	for i := range a {
		if a[i].Name() != b[i].Name() {
			return false, nil
		}
		same, err := sameContent(oldFiles, join(old, a[i].Name()), newFiles, join(new, b[i].Name()))
		if err != nil || !same {
			return false, err
		}
	}
	return true, nil
}

// join joins a folder and a name as fs.FS wants it.
func join(folder, name string) string {
	if folder == "." {
		return name
	}
	return folder + "/" + name
}
