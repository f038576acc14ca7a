package tosca

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

func at(file string, line, column, end int) Range {
	return Range{file, Pos{line, column}, Pos{line, end}}
}

func TestDiagnosticString(t *testing.T) {
	t.Parallel()
	d := &Diagnostic{Severity: Error, Code: "unknown-type", Summary: "there is no type", Range: at("a.yaml", 3, 7, 9)}
	require.Equal(t, "a.yaml:3:7: error: there is no type [unknown-type]", d.String())
	d.Range = Range{File: "a.yaml"}
	d.Severity = Warning
	require.Equal(t, "a.yaml: warning: there is no type [unknown-type]", d.String())
	d.Range = Range{}
	require.Equal(t, "warning: there is no type [unknown-type]", d.String())
}

func TestDiagnosticsErr(t *testing.T) {
	t.Parallel()
	warning := &Diagnostic{Severity: Warning, Code: "w", Summary: "odd"}
	fault := &Diagnostic{Severity: Error, Code: "e", Summary: "wrong"}
	require.NoError(t, Diagnostics{warning}.Err())
	require.False(t, Diagnostics{warning}.HasErrors())
	err := Diagnostics{warning, fault}.Err()
	require.EqualError(t, err, "check service template: error: wrong [e]")
	var e *errs.Error
	require.True(t, errors.As(err, &e))
	require.Equal(t, errs.InvalidArgument, e.Code)

	var many Diagnostics
	for range 30 {
		many = append(many, fault)
	}
	require.Equal(t, 21, strings.Count(many.Err().Error(), "\n")+1, "twenty and the rest in a word")
}

func TestDiagnosticsSort(t *testing.T) {
	t.Parallel()
	a := &Diagnostic{Range: at("a", 2, 1, 2), Severity: Error, Code: "x"}
	b := &Diagnostic{Range: at("a", 10, 1, 2), Severity: Error, Code: "x"}
	c := &Diagnostic{Range: at("a", 10, 1, 2), Severity: Warning, Code: "a"}
	d := &Diagnostic{Range: at("b", 1, 1, 2), Severity: Error, Code: "x"}
	list := Diagnostics{d, c, b, a}
	list.Sort()
	require.Equal(t, Diagnostics{a, b, c, d}, list)
}

func TestDiagnosticJSON(t *testing.T) {
	t.Parallel()
	d := &Diagnostic{Severity: Warning, Code: "c", Summary: "s", Range: at("f", 1, 2, 3), Suggestion: "g",
		Related: []RelatedRange{{at("f", 4, 5, 6), "here"}}}
	text, err := json.Marshal(d)
	require.NoError(t, err)
	require.JSONEq(t, `{"severity":"warning","code":"c","summary":"s","suggestion":"g",
		"range":{"file":"f","start":{"line":1,"column":2},"end":{"line":1,"column":3}},
		"related":[{"message":"here","range":{"file":"f","start":{"line":4,"column":5},"end":{"line":4,"column":6}}}]}`, string(text))
	var back Diagnostic
	require.NoError(t, json.Unmarshal(text, &back))
	require.Equal(t, d, &back)
	require.Error(t, json.Unmarshal([]byte(`{"severity":"grave"}`), &back))
}

func TestWriteDiagnostics(t *testing.T) {
	t.Parallel()
	fsys := files("a.yaml", "first\nkey: wörth\n\tx\x1b[31m: y\n"+strings.Repeat("a", 300)+"END\n")
	for _, c := range []struct {
		name string
		d    *Diagnostic
		opts *WriteOptions
		want string
	}{
		{"all parts", &Diagnostic{Severity: Error, Code: "c", Summary: "wrong", Detail: "Do this.\nThen that.", Section: "TOSCA 1.3, 3.8",
			Range: at("a.yaml", 2, 6, 11), Related: []RelatedRange{{at("a.yaml", 1, 1, 6), "see here"}}}, nil,
			`a.yaml:2:6: error: wrong [c]
    2 | key: wörth
      |      ^^^^^
      Do this.
      Then that.
      See TOSCA 1.3, 3.8.
      a.yaml:1:1: see here
    1 | first
      | ^^^^^
`},
		{"no such file", &Diagnostic{Severity: Warning, Code: "c", Summary: "odd", Range: at("b.yaml", 2, 6, 11)}, nil, "b.yaml:2:6: warning: odd [c]\n"},
		{"line beyond the end", &Diagnostic{Severity: Warning, Code: "c", Summary: "odd", Range: at("a.yaml", 99, 6, 11)}, nil, "a.yaml:99:6: warning: odd [c]\n"},
		{"several lines", &Diagnostic{Severity: Error, Code: "c", Summary: "s", Range: Range{"a.yaml", Pos{1, 3}, Pos{2, 4}}}, nil,
			"a.yaml:1:3: error: s [c]\n    1 | first\n      |   ^^^\n"},
		{"column beyond the end", &Diagnostic{Severity: Error, Code: "c", Summary: "s", Range: at("a.yaml", 1, 50, 60)}, nil,
			"a.yaml:1:50: error: s [c]\n    1 | first\n      |      ^\n"},
		{"control characters", &Diagnostic{Severity: Error, Code: "c", Summary: "s", Range: at("a.yaml", 3, 2, 3)}, nil,
			"a.yaml:3:2: error: s [c]\n    3 |  x\uFFFD[31m: y\n      |  ^\n"},
		{"long line", &Diagnostic{Severity: Error, Code: "c", Summary: "s", Range: at("a.yaml", 4, 301, 304)}, &WriteOptions{Width: 20},
			"a.yaml:4:301: error: s [c]\n    4 | aaaaaaaaaaEND\n      |           ^^^\n"},
		{"colour", &Diagnostic{Severity: Warning, Code: "c", Summary: "s", Range: at("a.yaml", 1, 1, 3)}, &WriteOptions{Color: true},
			"\x1b[1ma.yaml:1:1\x1b[0m: \x1b[1;33mwarning:\x1b[0m s [c]\n    1 | first\n      | \x1b[1;33m^^\x1b[0m\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var b strings.Builder
			require.NoError(t, WriteDiagnostics(&b, fsys, Diagnostics{c.d}, c.opts))
			require.Equal(t, c.want, b.String())
		})
	}
	require.NoError(t, WriteDiagnostics(&strings.Builder{}, nil, Diagnostics{{Range: at("a", 1, 1, 1)}}, nil))
}

// The excerpt of a file that is UTF-16, or whose lines end with CR, is text as
// the places in it are.
func TestWriteDiagnosticsOfOtherText(t *testing.T) {
	t.Parallel()
	text := "tosca_definitions_version: tosca_simple_yaml_1_3\r\ntopology_templat: {}\r\n"
	wide := []byte("\xff\xfe")
	for _, b := range []byte(text) {
		wide = append(wide, b, 0)
	}
	for _, src := range [][]byte{[]byte(text), wide, []byte(strings.ReplaceAll(text, "\r\n", "\r"))} {
		fsys := fstest.MapFS{"service.yaml": {Data: src}}
		_, diags := Load(fsys, "service.yaml", nil)
		var b strings.Builder
		require.NoError(t, WriteDiagnostics(&b, fsys, diags, nil))
		require.True(t, strings.HasPrefix(b.String(), "service.yaml:2:1: error: a service template has no keyname \"topology_templat\" [unknown-keyname]\n"+
			"    2 | topology_templat: {}\n"+
			"      | ^^^^^^^^^^^^^^^^\n"), b.String())
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		from []string
		want string
	}{
		{"create", []string{"creat", "delete"}, "creat"},
		{"databse", []string{"database", "data"}, "database"},
		{"crate", []string{"create", "crete"}, "create"},
		{"ab", []string{"ba"}, "ba"}, // neighbours swapped is one edit
		{"x", []string{"completely", "different"}, ""},
		{"same", []string{"same"}, ""},
		{"", []string{"a"}, "a"},
	} {
		require.Equal(t, c.want, nearest(c.name, c.from), c.name)
	}
}

// User names and passwords of URLs are printed neither in what is said nor in the
// source line, whose other characters stay in their columns.
func TestDiagnosticsHideUsersOfURLs(t *testing.T) {
	t.Parallel()
	fsys := fstest.MapFS{"a.yaml": {Data: []byte(`tosca_definitions_version: tosca_2_0
repositories: { own: { url: "https://hunter1:hunter2@example.org/", hunter: "https://hunter1@example.org" } }
imports:
  - { url: b.yaml, repository: own }
  - "https://hunter1:hunter2@example.org/c.yaml"
  - "https://hunter1:hunter/2@example.org/c.yaml"
  - "https://example.org/d.yaml"
node_types: { A: { derived_from: "https://hunter1@example.org" } }
`)}}
	fetch := func(url string) ([]byte, error) {
		return nil, errors.New("Get \"https://hunter1:hunter2@example.org/d.yaml\": refused")
	}
	_, diags := Load(fsys, "a.yaml", &Options{Fetch: fetch})
	var b strings.Builder
	require.NoError(t, WriteDiagnostics(&b, fsys, diags, nil))
	for _, d := range diags {
		b.WriteString(d.String())
	}
	require.NotContains(t, b.String(), "hunter1")
	require.NotContains(t, b.String(), "hunter2")
	require.NotContains(t, b.String(), "hunter/2")
	require.Contains(t, b.String(), `the URL "https://***@example.org/" cannot be used: it holds a user name`)
	require.Contains(t, b.String(), `
    5 |   - "https://***************@example.org/c.yaml"
      |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
`)
	require.Contains(t, b.String(), `"https://example.org/d.yaml" cannot be fetched: Get "https://***@example.org/d.yaml": refused`)
}
