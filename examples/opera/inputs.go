package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/seed-a4fd30b5/orchestrator/tosca"
)

// readInputs reads the file of inputs, YAML or JSON (which is YAML), and prints
// what is wrong with it. Where none is named it gives nil: the inputs that are
// stored.
func (f *instanceFlags) readInputs() (inputs map[string]any, err error) {
	if f.inputs == "" {
		return nil, nil
	}
	if f.text, err = os.ReadFile(f.inputs); err != nil {
		return nil, err
	}
	given, diags := tosca.ReadInputs(filepath.ToSlash(f.inputs), f.text)
	if given == nil {
		return nil, errors.Join(errReported, f.printDiagnostics(nil, "", diags))
	}
	f.given = given
	return given.Values(), nil
}

// nameUnder names a file so that it is what the user wrote once base is put
// before it, or by its absolute path where that cannot be.
func nameUnder(base, file string) string {
	if base == "" {
		return filepath.ToSlash(file)
	}
	name, err := filepath.Rel(filepath.FromSlash(base), file)
	if err != nil {
		if name, err = filepath.Abs(file); err != nil {
			name = file
		}
	}
	return filepath.ToSlash(name)
}

// showable is what may be shown of the file of inputs: nothing where the
// template has a secret among its inputs, which may stand on any line. It is
// said even then, since the file may lie among those of the template.
func (f *instanceFlags) showable(t *tosca.ServiceTemplate) map[string][]byte {
	if f.given == nil {
		return nil
	}
	if slices.ContainsFunc(t.Inputs, func(p *tosca.Parameter) bool { return p.Sensitive }) {
		return map[string][]byte{f.given.Name: nil}
	}
	return map[string][]byte{f.given.Name: f.text}
}
