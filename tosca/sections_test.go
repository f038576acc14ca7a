package tosca

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// sections20 are the numbers in the table of contents of the OASIS Standard
// TOSCA Version 2.0, 22 July 2025: "8.5.1-2" stands for 8.5.1 and 8.5.2.
const sections20 = `
1 1.1 1.2 1.3 2 2.1-4 3 3.1-6 4 4.1-4 4.2.1-2
5 5.1 5.1.1-4 5.2 5.3 5.3.1-2
6 6.1-9 6.4.1-3 6.4.3.1-8 6.7.1-3 6.8.1-4 6.8.2.1-2 6.9.1-9
7 7.1-4 7.2.1
8 8.1-6 8.2.1 8.4.1 8.5.1-2 8.5.4-5
9 9.1-11 9.1.1-3 9.1.1.1-6 9.1.2.1-3 9.1.3.1-2
10 10.1-4 10.2.1-5 10.2.1.1-8 10.2.2.1-3 10.2.2.1.1-4 10.2.2.2.1-7 10.2.2.3.1-9 10.2.3.1-4 10.2.4.1-2 10.2.5.1-8
11 11.1-8 12 12.1-2 13 13.1-2 13.2.1-3 13.2.3.1-4
14 14.1-3 14.3.1-6 15 15.1-6 15.5.1-5 16 16.1-5
17 17.1-3 17.1.1 17.2.1-2 18 18.1-6`

// sections13 are those of the OASIS Standard TOSCA Simple Profile in YAML
// Version 1.3, 26 February 2020, of the chapters that this package refers to.
// Sections 3.6 to 3.10 are compared with other implementations' citations of the
// text one by one; for chapters 2, 5, 6 and 7 these are bounds.
const sections13 = `
2 2.1-20 3 3.1-10 3.1.1-3 3.2.1-3 3.3.1-6 3.4.1-4 3.5.1
3.6.1-27 3.6.10.1-6 3.6.23.1-4 3.7.1-12 3.8.1-13 3.9.1-3 3.10.1-3 3.10.3.1-19
4 4.1-10 4.1.1 4.2.1 4.3.1-3 4.4.1-2 4.5.1 4.6.1 4.7.1 4.8.1
5 5.1-11 5.3.1-9 5.9.1-12 6 6.1-3 7 7.1-4`

// numbers expands a list of section numbers.
func numbers(list string) map[string]bool {
	known := map[string]bool{}
	for word := range strings.FieldsSeq(list) {
		from, to, isRange := strings.Cut(word, "-")
		known[from] = true
		if !isRange {
			continue
		}
		dot := strings.LastIndex(from, ".")
		first, _ := strconv.Atoi(from[dot+1:])
		last, _ := strconv.Atoi(to)
		for n := first; n <= last; n++ {
			known[from[:dot+1]+strconv.Itoa(n)] = true
		}
	}
	return known
}

var known20, known13 = numbers(sections20), numbers(sections13)

// sectionExists tells whether a diagnostic's section is one, or none is named.
func sectionExists(section string) bool {
	version, list, ok := strings.Cut(section, " section")
	known := map[string]map[string]bool{"TOSCA 2.0": known20, "TOSCA 1.3": known13}[version]
	for n := range strings.SplitSeq(strings.TrimLeft(list, "s "), " and ") {
		ok = ok && known[n]
	}
	return section == "" || ok
}

// TestSectionsExist wants every section that a diagnostic names to be one of
// the specification.
func TestSectionsExist(t *testing.T) {
	t.Parallel()
	v2, v13 := numbers(sections20), numbers(sections13)
	for name, at := range sections {
		require.True(t, at.v2 == "" || v2[at.v2], "%s: 2.0 section %s", name, at.v2)
		require.True(t, at.v13 == "" || v13[at.v13], "%s: 1.3 section %s", name, at.v13)
	}
	for name, at := range constructSections {
		require.True(t, at.v2 == "" || v2[at.v2], "%s: 2.0 section %s", name, at.v2)
		require.True(t, at.v13 == "" || v13[at.v13], "%s: 1.3 section %s", name, at.v13)
	}
}

// TestSectionsOfConstructs holds the numbers to the titles of the sections.
func TestSectionsOfConstructs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ construct, v2, v13 string }{
		// The headings are those of 2.0, then of 1.3.
		{"repository", "6.5", "3.6.6"},             // Repository Definitions; Repository definition
		{"artifact", "12.2", "3.6.7"},              // Artifact Definition; Artifact definition
		{"import", "6.8.1", "3.6.8"},               // Import Definitions; Import definition
		{"schema", "9.3", "3.6.9"},                 // Schema Definition; Schema definition
		{"property definition", "9.4", "3.6.10"},   // Property Definition; Property definition
		{"attribute definition", "9.6", "3.6.12"},  // Attribute Definition; Attribute definition
		{"parameter definition", "9.8", "3.6.14"},  // Parameter Definition; Parameter definition
		{"implementation", "11.8", "3.6.16"},       // Operation and Notification Implementations; Operation implementation definition
		{"trigger", "16.5", "3.6.22"},              // Trigger Definition; Trigger definition
		{"precondition", "13.2.1", "3.6.26"},       // Workflow Precondition Definition; Workflow precondition definition
		{"workflow step", "13.2.2", "3.6.27"},      // Workflow Step Definition; Workflow step definition
		{"capability definition", "8.2", "3.7.2"},  // Capability Definition; Capability definition
		{"requirement definition", "8.4", "3.7.3"}, // Requirement Definition; Requirement definition
		{"interface type", "11.1", "3.7.5"},        // Interface Type; Interface Type
		{"node type", "7.1", "3.7.9"},              // Node Type; Node Type
		{"relationship type", "7.3", "3.7.10"},     // Relationship Type; Relationship Type
		{"capability assignment", "8.3", "3.8.1"},  // Capability Assignment; Capability assignment
		{"node template", "7.2", "3.8.3"},          // Node Template; Node Template
		{"group", "16.2", "3.8.5"},                 // Group Definition; Group definition
		{"policy", "16.4", "3.8.6"},                // Policy Definition; Policy definition
		{"substitution mapping", "15.1", "3.8.13"}, // Substitution Mapping; Substitution mapping
		{"topology template", "6.9", "3.9"},        // Service Template Definition; Topology Template definition
		{"function definition", "10.4", ""},        // Function Definitions; not in 1.3
	} {
		require.Equal(t, struct{ v2, v13 string }{tt.v2, tt.v13}, constructSections[tt.construct], tt.construct)
	}
}

// ownTypes are exported types about which no section of TOSCA is: faults,
// places, and what ties the language to the program around it.
var ownTypes = map[string]bool{
	"Diagnostic": true, "Diagnostics": true, "CodeInfo": true, "Severity": true, "Pos": true, "Range": true, "RelatedRange": true,
	"WriteOptions": true, "SARIFOptions": true, "Options": true, "Limits": true, // of tosca and csar
	"PackOptions": true, "HTTPFetcher": true, "Error": true, "Code": true, "Reason": true, // of csar
}

var citation = regexp.MustCompile(`TOSCA (?:Simple Profile )?(1\.3|2\.0),? (?:sections? |chapters? )?(\d+(?:\.\d+)*(?:,? (?:and|to) \d+(?:\.\d+)*)*)`)

// TestTypesNameTheirSection wants the section of the specification in the
// comment of each exported type that stands for a thing of it, and every
// section named in a comment of tosca and csar to exist.
func TestTypesNameTheirSection(t *testing.T) {
	t.Parallel()
	known := map[string]map[string]bool{"2.0": numbers(sections20), "1.3": numbers(sections13)}
	for _, dir := range []string{".", filepath.Join("..", "csar")} {
		paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
		require.NoError(t, err)
		require.NotEmpty(t, paths)
		for _, path := range slices.DeleteFunc(paths, func(p string) bool { return strings.HasSuffix(p, "_test.go") }) {
			file, err := parser.ParseFile(gotoken.NewFileSet(), path, nil, parser.ParseComments)
			require.NoError(t, err)
			for _, name := range uncitedTypes(file) {
				t.Errorf("%s: the comment of type %s names no section", path, name)
			}
			for _, group := range file.Comments {
				for _, wrong := range wrongCitations(group.Text(), known) {
					t.Errorf("%s: there is no section %s", path, wrong)
				}
			}
		}
	}
}

// uncitedTypes returns the exported types of a file whose comments name no
// section though they should.
func uncitedTypes(file *ast.File) (names []string) {
	for _, d := range file.Decls {
		decl, ok := d.(*ast.GenDecl)
		if !ok || decl.Tok != gotoken.TYPE {
			continue
		}
		for _, spec := range decl.Specs {
			s := spec.(*ast.TypeSpec)
			doc := s.Doc.Text() + decl.Doc.Text()
			if s.Name.IsExported() && !ownTypes[s.Name.Name] && !citation.MatchString(strings.Join(strings.Fields(doc), " ")) {
				names = append(names, s.Name.Name)
			}
		}
	}
	return names
}

// wrongCitations returns the sections that a text names and that there are not.
func wrongCitations(text string, known map[string]map[string]bool) (wrong []string) {
	number := regexp.MustCompile(`\d+(\.\d+)*`)
	for _, c := range citation.FindAllStringSubmatch(strings.Join(strings.Fields(text), " "), -1) {
		for _, n := range number.FindAllString(c[2], -1) {
			if !known[c[1]][n] {
				wrong = append(wrong, c[1]+" "+n)
			}
		}
	}
	return wrong
}

// TestMissingSectionIsFound makes sure that TestTypesNameTheirSection can fail.
func TestMissingSectionIsFound(t *testing.T) {
	t.Parallel()
	const source = "package p\n// A is bare.\ntype A int\n// B is one.\n//\n// Source: TOSCA\n// 1.3 section 3.6.9, TOSCA 2.0 sections 9.3 and 9.99.\ntype B int\n// Limits are.\ntype Limits int\ntype c int\n"
	file, err := parser.ParseFile(gotoken.NewFileSet(), "p.go", source, parser.ParseComments)
	require.NoError(t, err)
	require.Equal(t, []string{"A"}, uncitedTypes(file))
	known := map[string]map[string]bool{"2.0": numbers(sections20), "1.3": numbers(sections13)}
	var wrong []string
	for _, group := range file.Comments {
		wrong = append(wrong, wrongCitations(group.Text(), known)...)
	}
	require.Equal(t, []string{"2.0 9.99"}, wrong)
}
