package arrows

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// undocumented returns what a package of Go files lacks: its comment, that of
// an exported name and, where needExample, an Example among its tests.
func undocumented(fset *token.FileSet, files []*ast.File, importPath string, needExample bool) ([]string, error) {
	p, err := doc.NewFromFiles(fset, files, importPath)
	if err != nil {
		return nil, err
	}
	var lacks []string
	lack := func(name, comment string) {
		if strings.TrimSpace(comment) == "" {
			lacks = append(lacks, name+" has no comment")
		}
	}
	lack("package "+p.Name, p.Doc)
	if p.Name == "main" {
		return lacks, nil
	}
	exported := len(p.Funcs) + len(p.Types)
	values := func(list []*doc.Value) {
		for _, v := range list {
			exported++
			lacks = append(lacks, bareValues(v)...)
		}
	}
	funcs := func(receiver string, list []*doc.Func) {
		for _, f := range list {
			lack(receiver+f.Name, f.Doc)
		}
	}
	values(p.Consts)
	values(p.Vars)
	funcs("", p.Funcs)
	for _, t := range p.Types {
		lack(t.Name, t.Doc)
		values(t.Consts)
		values(t.Vars)
		funcs("", t.Funcs)
		funcs(t.Name+".", t.Methods)
	}
	if needExample && exported > 0 && !hasExample(p) {
		lacks = append(lacks, "there is no Example")
	}
	return lacks, nil
}

// bareValues returns the exported constants or variables of a declaration that
// neither the declaration nor their own lines explain.
func bareValues(v *doc.Value) []string {
	if strings.TrimSpace(v.Doc) != "" {
		return nil
	}
	var lacks []string
	for _, spec := range v.Decl.Specs {
		s, ok := spec.(*ast.ValueSpec)
		if !ok || s.Doc != nil || s.Comment != nil {
			continue
		}
		for _, name := range s.Names {
			if name.IsExported() {
				lacks = append(lacks, name.Name+" has no comment")
			}
		}
	}
	return lacks
}

func hasExample(p *doc.Package) bool {
	if len(p.Examples) > 0 {
		return true
	}
	for _, f := range p.Funcs {
		if len(f.Examples) > 0 {
			return true
		}
	}
	for _, t := range p.Types {
		if len(t.Examples) > 0 {
			return true
		}
		for _, f := range append(slices.Clip(t.Funcs), t.Methods...) {
			if len(f.Examples) > 0 {
				return true
			}
		}
	}
	return false
}

// exampleElsewhere are packages whose use the examples of others show: these
// would need an engine with drivers, or a host.
var exampleElsewhere = []string{"executor", "drivers/ssh", "drivers/ssh/transport"}

// TestDocumentation holds every package to its documentation. Packages that
// other modules can import have an Example too.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	root := moduleFolder(t)
	checked := 0
	err := filepath.WalkDir(root, func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); dir != root && (name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")) {
			return filepath.SkipDir
		}
		p, err := build.Default.ImportDir(dir, 0)
		if err != nil || len(p.GoFiles) == 0 {
			return nil // no package here; the compiler tells of broken ones
		}
		rel, err := filepath.Rel(root, dir)
		require.NoError(t, err)
		fset := token.NewFileSet()
		var files []*ast.File
		for _, name := range slices.Concat(p.GoFiles, p.TestGoFiles, p.XTestGoFiles) {
			f, err := parser.ParseFile(fset, filepath.Join(dir, name), nil, parser.ParseComments)
			require.NoError(t, err)
			files = append(files, f)
		}
		rel = filepath.ToSlash(rel)
		private := slices.Contains(strings.Split(rel, "/"), "internal")
		needExample := !private && !within(rel, support) && !slices.Contains(exampleElsewhere, rel)
		lacks, err := undocumented(fset, files, rel, needExample)
		require.NoError(t, err)
		for _, what := range lacks {
			t.Errorf("%s: %s", rel, what)
		}
		checked++
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, checked, 5)
}

// TestMissingDocumentationIsFound makes sure that TestDocumentation can fail.
func TestMissingDocumentationIsFound(t *testing.T) {
	t.Parallel()
	const bare = `package p
const A = 1
var (
	B = 1
	// C has a comment.
	C = 2
	D = 3 // behind it
	e = 4
)
func F() {}
type T struct{}
func (T) M() {}
func NewT() T { return T{} }
func f() {}
`
	const full = `// Package p does nothing.
package p
// A and B are one.
const (
	A = 1
	B = 1
)
// T is a type.
type T struct{}
// M is a method.
func (T) M() {}
func (t) Hidden() {}
type t struct{}
`
	const example = `package p
func ExampleT_M() {
	// Output:
}
`
	tests := []struct {
		sources []string
		want    []string
	}{
		{[]string{bare}, []string{"package p has no comment", "A has no comment", "B has no comment", "F has no comment",
			"T has no comment", "NewT has no comment", "T.M has no comment", "there is no Example"}},
		{[]string{full}, []string{"there is no Example"}},
		{[]string{full, example}, nil},
		{[]string{"// Command p is a program.\npackage main\nfunc F() {}"}, nil},
		{[]string{"package main"}, []string{"package main has no comment"}},
		{[]string{"// Package p is a list of packages.\npackage p"}, nil},
	}
	for _, tt := range tests {
		fset := token.NewFileSet()
		var files []*ast.File
		for i, src := range tt.sources {
			name := fmt.Sprintf("f%d.go", i)
			if src == example {
				name = "f_test.go"
			}
			f, err := parser.ParseFile(fset, name, src, parser.ParseComments)
			require.NoError(t, err)
			files = append(files, f)
		}
		got, err := undocumented(fset, files, "p", true)
		require.NoError(t, err)
		require.Equal(t, tt.want, got)
	}
}
