package tosca

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/seed-a4fd30b5/orchestrator/tosca/profile"
	"github.com/stretchr/testify/require"
)

// loadCase is a case of testdata/load: files, of which service.yaml is the
// entry, and the diagnostics wanted, one a line, with "? name" behind one that
// has a suggestion. A case without a file "want" wants none.
type loadCase struct {
	name  string
	fsys  fstest.MapFS
	entry string
	want  string
}

func loadCases(t testing.TB) []loadCase {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "load", "*.txtar"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	var cases []loadCase
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		require.NoError(t, err)
		c := loadCase{name: strings.TrimSuffix(filepath.Base(path), ".txtar"), fsys: fstest.MapFS{}, entry: "service.yaml"}
		for _, f := range archive.Files {
			switch f.Name {
			case "want":
				c.want = string(f.Data)
			default:
				c.fsys[f.Name] = &fstest.MapFile{Data: f.Data}
			}
		}
		cases = append(cases, c)
	}
	return cases
}

func report(ds Diagnostics) string {
	var b strings.Builder
	for _, d := range ds {
		b.WriteString(d.String())
		if d.Suggestion != "" {
			b.WriteString(" ? " + d.Suggestion)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestLoadCases(t *testing.T) {
	t.Parallel()
	for _, c := range loadCases(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, ds := Load(c.fsys, c.entry, nil)
			require.Equal(t, c.want, report(ds))
			require.Equal(t, strings.Contains(c.want, ": error: "), ds.HasErrors())
		})
	}
}

// TestProfilesAreSound loads every built-in profile and wants no fault of any kind.
func TestProfilesAreSound(t *testing.T) {
	t.Parallel()
	for _, name := range profile.Names() {
		d := builtinProfile(name)
		require.NotNil(t, d, name)
		require.Empty(t, report(d.s.list), name)
	}
}

func TestBuiltinProfilesAreParsedOnce(t *testing.T) {
	t.Parallel()
	require.Same(t, builtinProfile("tosca_simple_yaml_1_3"), builtinProfile("tosca_simple_yaml_1_3"))
	require.Nil(t, builtinProfile("no-such-profile"))
}

// TestUpdateLoadCases writes the diagnostics into the cases where
// UPDATE_LOAD_CASES is set; look at each before it is committed.
func TestUpdateLoadCases(t *testing.T) {
	if os.Getenv("UPDATE_LOAD_CASES") == "" {
		t.Skip("UPDATE_LOAD_CASES is not set")
	}
	for _, c := range loadCases(t) {
		_, ds := Load(c.fsys, c.entry, nil)
		if report(ds) == c.want {
			continue
		}
		path := filepath.Join("testdata", "load", c.name+".txtar")
		archive, err := txtar.ParseFile(path)
		require.NoError(t, err)
		var files []txtar.File
		for _, f := range archive.Files {
			if f.Name != "want" {
				files = append(files, f)
			}
		}
		archive.Files = append(files, txtar.File{Name: "want", Data: []byte(report(ds))})
		require.NoError(t, os.WriteFile(path, txtar.Format(archive), 0o644))
		t.Logf("%s\n%s", c.name, report(ds))
	}
}

func mustLoad(t testing.TB, fsys fs.FS, file string) *ServiceTemplate {
	t.Helper()
	st, ds := Load(fsys, file, nil)
	require.Empty(t, report(ds))
	require.NotNil(t, st)
	return st
}

// What was read from elsewhere may be read by several at once: two deployments
// of one template pack it at the same time.
func TestExternalIsShared(t *testing.T) {
	main := fstest.MapFS{"service.yaml": {Data: []byte("tosca_definitions_version: tosca_2_0\n" +
		"imports: [ { profile: org.example }, { url: https://example.org/far.yaml } ]\n" +
		"service_template: { node_templates: { near: { type: Near }, far: { type: Far } } }\n")}}
	near := "tosca_definitions_version: tosca_2_0\nprofile: org.example\nnode_types: { Near: {} }\n"
	far := "tosca_definitions_version: tosca_2_0\nnode_types: { Far: {} }\n"
	template, diags := Load(main, "service.yaml", &Options{
		Profiles: []fs.FS{fstest.MapFS{"org.example/profile.yaml": {Data: []byte(near)}}},
		Fetch:    func(string) ([]byte, error) { return []byte(far), nil },
	})
	require.Empty(t, diags)
	files := template.UsedFiles()
	require.Equal(t, []string{"TOSCA-Imports/https/example.org/far.yaml", "TOSCA-Imports/profiles/0/org.example/profile.yaml", "service.yaml"}, files)
	var wg sync.WaitGroup
	var got [4][]byte
	for i := range got {
		wg.Go(func() {
			for range 100 {
				got[i], _ = fs.ReadFile(template.External, files[1])
			}
		})
	}
	wg.Wait()
	for _, src := range got {
		require.Equal(t, near, string(src))
	}
	src, err := fs.ReadFile(template.External, files[0])
	require.NoError(t, err)
	require.Equal(t, far, string(src))
}

func TestLoadedAs(t *testing.T) {
	t.Parallel()
	substituted := `tosca_definitions_version: tosca_2_0
node_types: { Part: {} }
service_template: { node_templates: { part: { type: Part, directives: [ substitute ] } } }
`
	whole := strings.Replace(substituted, ", directives: [ substitute ]", "", 1)
	for name, c := range map[string]struct {
		yaml     string
		had, has Options
		want     bool
	}{
		"the same":                        {whole, Options{}, Options{}, true},
		"files were not looked for":       {whole, Options{SkipArtifactFiles: true}, Options{}, false},
		"files were looked for":           {whole, Options{}, Options{SkipArtifactFiles: true}, true},
		"no definitions, and none needed": {whole, Options{}, Options{Definitions: []string{}}, true},
		"no definitions, and one needed":  {substituted, Options{}, Options{Definitions: []string{}}, false},
		"other definitions":               {whole, Options{}, Options{Definitions: []string{"part.yaml"}}, false},
		"the same definitions":            {whole, Options{Definitions: []string{"part.yaml"}}, Options{Definitions: []string{"part.yaml"}}, true},
		"a function less":                 {whole, Options{Functions: []string{"f", "g"}}, Options{Functions: []string{"g"}}, false},
		"a function more":                 {whole, Options{Functions: []string{"f"}}, Options{Functions: []string{"g", "f"}}, true},
		"inputs":                          {whole, Options{Inputs: map[string]any{}}, Options{CheckInputs: true}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st, _ := Load(fstest.MapFS{"service.yaml": {Data: []byte(c.yaml)}}, "service.yaml", &c.had)
			require.Equal(t, c.want, st.LoadedAs(&c.has))
		})
	}
}
