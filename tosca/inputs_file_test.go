package tosca

import (
	"bytes"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// TestInputsFile wants faults of inputs where they stand in their file, with the
// place of the definition.
func TestInputsFile(t *testing.T) {
	t.Parallel()
	template := strings.Replace(inputsTemplate, "    size:", "    fixed: { type: integer, default: 1 }\n    size:", 1)
	for _, c := range []struct{ name, text, want, related string }{
		{"wrong type", "name: [ n ]\n", "in.yaml:1:7: error: input name: a string is expected, not the list [\"n\"] [wrong-type]", "service.yaml:7:5"},
		{"JSON", "{\n  \"name\": \"n\",\n  \"count\": 10\n}", "in.yaml:3:12: error: input count: 10 is not in the range [1,9] [constraint-violated]", "service.yaml:8:5"},
		{"deep", "name: n\npairs:\n  - a: 1\n  - a: x\n", "in.yaml:4:8: error: input pairs[1].a: an integer is expected, not the string \"x\" [wrong-type]", "service.yaml:11:5"},
		{"lenient", "name: 5\n", "in.yaml:1:7: warning: input name: the integer 5 stands for a string [lenient-type]", "service.yaml:7:5"},
		{"unknown", "name: n\nconut: 3\n", "in.yaml:2:1: error: there is no input \"conut\" [unknown-input]", ""},
		{"missing", "count: 3\n", "in.yaml: error: the required input name has no value [missing-input]", "service.yaml:7:5"},
		{"empty", "", "in.yaml: error: the required input name has no value [missing-input]", "service.yaml:7:5"},
		{"no call", "name: { get_input: count }\n", "in.yaml:1:7: error: input name: a string is expected, not the map {\"get_input\":\"count\"} [wrong-type]", "service.yaml:7:5"},
	} {
		given, diags := ReadInputs("in.yaml", []byte(c.text))
		require.Empty(t, diags, c.name)
		_, diags = Load(fstest.MapFS{"service.yaml": {Data: []byte(template)}}, "service.yaml", &Options{InputsFile: given, CheckInputs: true})
		require.Len(t, diags, 1, c.name)
		require.Equal(t, c.want, diags[0].String(), c.name)
		if c.related != "" {
			require.Equal(t, c.related, diags[0].Related[len(diags[0].Related)-1].Range.String(), c.name)
		}
	}
}

func TestInputsFileIsUsed(t *testing.T) {
	t.Parallel()
	given, diags := ReadInputs("in.json", []byte(`{"name": "n", "pairs": [{"a": 1}], "size": "1 GB"}`))
	require.Empty(t, diags)
	require.Equal(t, map[string]any{"name": "n", "pairs": []any{map[string]any{"a": int64(1)}}, "size": "1 GB"}, given.Values())
	_, diags = Load(fstest.MapFS{"service.yaml": {Data: []byte(inputsTemplate)}}, "service.yaml", &Options{InputsFile: given, CheckInputs: true})
	require.Empty(t, diags)
}

func TestInputsFileThatIsNone(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"- a\n":        "in.yaml:1:1: error: inputs must be a map of names to values [wrong-shape]",
		"a: 1\na: 2\n": "in.yaml:2:1: error: ",
		"a: [ 1\n":     "in.yaml:",
	} {
		given, diags := ReadInputs("in.yaml", []byte(text))
		require.Nil(t, given, text)
		require.True(t, diags.HasErrors(), text)
		require.Contains(t, diags[0].String(), want)
	}
}

// TestInputsFileIsShown wants the line of a file that is not among those that
// were loaded, and its path without the base of those.
func TestInputsFileIsShown(t *testing.T) {
	t.Parallel()
	write := func(name string, files map[string][]byte) string {
		var out bytes.Buffer
		ds := Diagnostics{{Severity: Error, Code: "wrong-type", Summary: "no", Range: Range{File: name, Start: Pos{1, 4}, End: Pos{1, 5}}}}
		require.NoError(t, WriteDiagnostics(&out, nil, ds, &WriteOptions{Base: "apps", Files: files}))
		return out.String()
	}
	text := []byte("a: 1\n")
	require.Equal(t, "in.yaml:1:4: error: no [wrong-type]\n    1 | a: 1\n      |    ^\n", write("../in.yaml", map[string][]byte{"../in.yaml": text}))
	require.Equal(t, "in.yaml:1:4: error: no [wrong-type]\n", write("../in.yaml", map[string][]byte{"../in.yaml": nil}))
	require.Equal(t, "/etc/in.yaml:1:4: error: no [wrong-type]\n", write("/etc/in.yaml", nil))
}
