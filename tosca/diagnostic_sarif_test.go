package tosca

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSARIF(t *testing.T) {
	t.Parallel()
	ds := Diagnostics{
		{Severity: Error, Code: codeUnknownType, Summary: "there is no node type \"A\"", Suggestion: "B", Detail: "Import it.", Section: "TOSCA 2.0 section 7.1",
			Range: Range{File: "sub dir/a.yaml", Start: Pos{3, 5}, End: Pos{3, 6}}},
		{Severity: Warning, Code: "not-in-the-catalogue", Summary: "odd", Related: []RelatedRange{{Range{File: "b.yaml", Start: Pos{1, 1}, End: Pos{1, 2}}, "see here"}}},
		{Severity: Error, Code: codeUnknownType, Summary: "again", Range: Range{File: "whole.yaml"}},
	}
	var out bytes.Buffer
	require.NoError(t, WriteSARIF(&out, ds, &SARIFOptions{Tool: "opera", Version: "1", Base: "apps"}))
	var log sarifLog
	require.NoError(t, json.Unmarshal(out.Bytes(), &log))
	require.Equal(t, "2.1.0", log.Version)
	require.Len(t, log.Runs, 1)
	run := log.Runs[0]
	require.Equal(t, "opera", run.Tool.Driver.Name)
	require.Len(t, run.Tool.Driver.Rules, 2, "each code once")
	require.NotNil(t, run.Tool.Driver.Rules[0].Short)
	require.Len(t, run.Results, 3)
	first := run.Results[0]
	require.Equal(t, "error", first.Level)
	require.Equal(t, "there is no node type \"A\"; did you mean \"B\"?\nImport it.\nSee TOSCA 2.0 section 7.1.", first.Message.Text)
	require.Equal(t, "apps/sub%20dir/a.yaml", first.Locations[0].Physical.Artifact.URI)
	require.Equal(t, &sarifRegion{3, 5, 3, 6}, first.Locations[0].Physical.Region)
	require.Equal(t, "warning", run.Results[1].Level)
	require.Empty(t, run.Results[1].Locations, "it has no file")
	require.Equal(t, "see here", run.Results[1].Related[0].Message.Text)
	require.Equal(t, 0, run.Results[2].RuleIndex)
	require.Nil(t, run.Results[2].Locations[0].Physical.Region, "it is about the whole file")
}

func TestSARIFOfNothing(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, WriteSARIF(&out, nil, nil))
	require.Contains(t, out.String(), `"results": []`)
	require.Contains(t, out.String(), `"name": "orchestrator"`)
}

// A path whose first element has a colon is no URI with a scheme, an absolute
// one is a file URI, and what was fetched has the URI that it was fetched by.
func TestSARIFLocations(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ base, file, want string }{
		{"", "x:y.yaml", "./x:y.yaml"},
		{"../apps", "a b.yaml", "../apps/a%20b.yaml"},
		{"/srv/apps", "é.yaml", "file:///srv/apps/%C3%A9.yaml"},
		{"apps", ImportsFolder + "/https/example.org/t.yaml", "https://example.org/t.yaml"},
	} {
		p := SARIFOptions{Base: tt.base}.physical(Range{File: tt.file})
		require.Equal(t, tt.want, p.Artifact.URI)
	}
	ds := Diagnostics{{Range: Range{File: "a.yaml"}, Related: []RelatedRange{{Range: Range{File: "b.yaml"}}}}}
	under := ds.Under("apps")
	require.Equal(t, "apps/a.yaml", under[0].Range.File)
	require.Equal(t, "apps/b.yaml", under[0].Related[0].Range.File)
	require.Equal(t, "b.yaml", ds[0].Related[0].Range.File, "the original stays as it is")
}
