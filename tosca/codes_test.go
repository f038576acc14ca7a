package tosca

import (
	"fmt"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// TestCodesAreComplete wants each code that the sources use in the catalogue,
// and each of the catalogue used.
func TestCodesAreComplete(t *testing.T) {
	t.Parallel()
	listed := map[string]bool{}
	for _, c := range Codes() {
		require.False(t, listed[c.Code], "%s is listed twice", c.Code)
		require.NotEmpty(t, c.Meaning, c.Code)
		require.NotEmpty(t, c.Example, c.Code)
		require.Regexp(t, regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`), c.Code)
		listed[c.Code] = true
	}
	used := usedCodes(t)
	for code := range used {
		require.True(t, listed[code], "%s is not in the catalogue", code)
	}
	for code := range listed {
		require.True(t, used[code], "%s is in the catalogue and never used", code)
	}
	require.True(t, slices.IsSortedFunc(Codes(), func(a, b CodeInfo) int { return strings.Compare(a.Code, b.Code) }), "the catalogue is not sorted")
}

// usedCodes reads the sources: the constants code*, and what is given to
// errorf, warnf, fault and pathError as a literal.
func usedCodes(t *testing.T) map[string]bool {
	used := map[string]bool{"unknown-property": true, "unknown-attribute": true} // made of "unknown-" and a word
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	add := func(e ast.Expr) {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == gotoken.STRING {
			if code, _ := strconv.Unquote(lit.Value); code != "" && !strings.HasSuffix(code, "-") {
				used[code] = true
			}
		}
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") || e.Name() == "diagnostic_catalog.go" {
			continue
		}
		file, err := parser.ParseFile(gotoken.NewFileSet(), e.Name(), nil, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				if strings.HasPrefix(n.Names[0].Name, "code") && len(n.Values) > 0 {
					add(n.Values[0])
				}
			case *ast.CallExpr:
				if sel, ok := n.Fun.(*ast.SelectorExpr); ok && len(n.Args) > 0 && slices.Contains([]string{"errorf", "warnf", "fault"}, sel.Sel.Name) {
					add(n.Args[0])
				}
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && key.Name == "code" {
					add(n.Value)
				}
			}
			return true
		})
	}
	return used
}

// withoutSection are the codes about which no section of the specification is:
// files that cannot be read as YAML, the bounds of this implementation, shapes
// that each construct has its own section for, and what the orchestrator adds.
var withoutSection = map[string]bool{codeDuplicateKey: true, codeSyntax: true, codeTooLarge: true, codeUnreadable: true, codeUnknownTag: true,
	codeRequirementCycle: true, codeUnsupported: true}

// TestCodesAreProduced wants each code of the catalogue from at least one case,
// with the section of the specification in at least one of them.
func TestCodesAreProduced(t *testing.T) {
	t.Parallel()
	produced, cited := map[string]bool{}, map[string]bool{}
	section := regexp.MustCompile(`^TOSCA (2\.0|1\.3) sections? \d`)
	add := func(ds Diagnostics) {
		for _, d := range ds {
			produced[d.Code] = true
			if d.Section != "" {
				require.Regexp(t, section, d.Section, d.Code)
				cited[d.Code] = true
			}
		}
	}
	for _, c := range loadCases(t) {
		_, ds := Load(c.fsys, c.entry, nil)
		add(ds)
	}
	paths, err := filepath.Glob(filepath.Join("testdata", "conformance", "*", "*.txtar"))
	require.NoError(t, err)
	for _, path := range paths {
		c, err := parseConformanceCase(path)
		require.NoError(t, err)
		_, ds := Load(c.fsys, c.entry, &Options{CheckInputs: c.inputs != nil, Inputs: c.inputs})
		add(ds)
	}
	text := "tosca_definitions_version: tosca_simple_yaml_1_3\ntopology_template: { inputs: { a: { type: string }, b: { type: integer, value: 1 } } }\n"
	fsys := fstest.MapFS{"service.yaml": &fstest.MapFile{Data: []byte(text)}}
	_, ds := Load(fsys, "service.yaml", &Options{Limits: Limits{FileSize: 10}})
	add(ds)
	_, ds = Load(fsys, "service.yaml", &Options{CheckInputs: true, Inputs: map[string]any{"b": 2}})
	add(ds)
	for _, c := range Codes() {
		if !produced[c.Code] {
			t.Errorf("no case produces %s", c.Code)
		}
		if cited[c.Code] == withoutSection[c.Code] {
			t.Errorf("%s names a section: %v", c.Code, cited[c.Code])
		}
	}
}

// TestSectionsAreOfCodes wants the tables of sections to have codes and
// constructs that there are.
func TestSectionsAreOfCodes(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, c := range Codes() {
		known[c.Code] = true
	}
	for code := range sections {
		require.True(t, known[code], code)
	}
	require.ElementsMatch(t, sortedKeys(keynames), sortedKeys(constructSections))
}

// codesPage is the page that documents every code.
func codesPage() string {
	var b strings.Builder
	b.WriteString("# Diagnostic codes\n\n" +
		"What `tosca.Load` and `opera validate` report, by the code in brackets at the end of each message. An error means that\n" +
		"the template cannot be used, a warning that it is used, but probably not as meant; some codes are both, where a fault\n" +
		"is graver in one place than in another. The examples show the fault. The sections are where the specification speaks\n" +
		"of it in general; a message may name a more precise one.\n\n" +
		"This page is generated from `tosca.Codes`: `UPDATE_CODES_PAGE=1 go test ./tosca -run TestCodesPage`.\n")
	for _, c := range Codes() {
		fmt.Fprintf(&b, "\n## %s\n\n%s", c.Code, c.Meaning)
		if len(c.Sections) > 0 {
			fmt.Fprintf(&b, " See %s.", strings.Join(c.Sections, ", "))
		}
		fmt.Fprintf(&b, "\n\n```yaml\n%s\n```\n", c.Example)
	}
	return b.String()
}

// TestCodesPage wants the page as it would be generated; where
// UPDATE_CODES_PAGE is set it writes it.
func TestCodesPage(t *testing.T) {
	t.Parallel()
	if os.Getenv("UPDATE_CODES_PAGE") != "" {
		require.NoError(t, os.WriteFile("CODES.md", []byte(codesPage()), 0o644))
	}
	page, err := os.ReadFile("CODES.md")
	require.NoError(t, err)
	require.Equal(t, codesPage(), string(page), "run UPDATE_CODES_PAGE=1 go test ./tosca -run TestCodesPage")
}
