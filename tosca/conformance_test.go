package tosca

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"
)

// conformanceCase is a case of testdata/conformance: one clause or keyname of
// the language. Its comment begins with lines that start with "#":
//
//	# TOSCA 2.0 section 9.1.2.2: the clause
//	# valid | invalid CODE[ LINE] ... | warning CODE[ LINE] ...
//	# inputs {"n": 3}
//
// "invalid" lists exactly the errors, "warning" exactly the warnings of a valid
// template, and "valid" wants neither. A code is followed by its line in the
// entry file, where given. The first file is the entry. Files below profiles/
// are on the search path of profiles, those below web/ are what is fetched for
// https: URLs.
type conformanceCase struct {
	clause string
	kind   string
	// wanted are codes, or codes with a line.
	wanted []string
	inputs map[string]any
	entry  string
	fsys   fstest.MapFS
}

var conformanceClause = regexp.MustCompile(`^TOSCA (1\.[0-3]|2\.0|1\.0 to 1\.3)[^:]*: \S`)

func parseConformanceCase(file string) (*conformanceCase, error) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		return nil, err
	}
	c := &conformanceCase{fsys: fstest.MapFS{}}
	for i, line := range strings.Split(strings.TrimSpace(string(archive.Comment)), "\n") {
		text, ok := strings.CutPrefix(line, "# ")
		if !ok {
			return nil, fmt.Errorf("line %d does not begin with %q", i+1, "# ")
		}
		word, rest, _ := strings.Cut(text, " ")
		switch {
		case i == 0:
			c.clause = text
		case word == "inputs":
			numbers := json.NewDecoder(strings.NewReader(rest))
			numbers.UseNumber() // an integer stays one
			if err := numbers.Decode(&c.inputs); err != nil {
				return nil, err
			}
		case word == "valid" || word == "invalid" || word == "warning":
			c.kind = word
			for _, w := range strings.Fields(rest) {
				if _, err := strconv.Atoi(w); err == nil && len(c.wanted) > 0 {
					c.wanted[len(c.wanted)-1] += " " + w
					continue
				}
				c.wanted = append(c.wanted, w)
			}
		default:
			return nil, fmt.Errorf("line %d says %q", i+1, word)
		}
	}
	switch {
	case !conformanceClause.MatchString(c.clause):
		return nil, fmt.Errorf("the first line %q does not name a section", c.clause)
	case c.kind == "":
		return nil, fmt.Errorf("it does not say what is wanted")
	case (c.kind == "valid") != (len(c.wanted) == 0):
		return nil, fmt.Errorf("codes are wanted with invalid and warning, and only there")
	case len(archive.Files) == 0:
		return nil, fmt.Errorf("it has no file")
	}
	c.entry = archive.Files[0].Name
	for _, f := range archive.Files {
		c.fsys[f.Name] = &fstest.MapFile{Data: f.Data}
	}
	return c, nil
}

// check returns what is not as wanted; empty where all is.
func (c *conformanceCase) check() string {
	_, ds := Load(c.fsys, c.entry, c.options())
	severity := Error
	if c.kind != "invalid" && !ds.HasErrors() {
		severity = Warning
	}
	if (c.kind == "invalid") != ds.HasErrors() {
		return "wanted: " + c.kind + "\n" + report(ds)
	}
	missing := slices.Clone(c.wanted)
	for _, d := range ds {
		if !sectionExists(d.Section) {
			return fmt.Sprintf("there is no %s\n%s", d.Section, report(ds))
		}
		if d.Severity != severity {
			continue
		}
		i := slices.Index(missing, fmt.Sprintf("%s %d", d.Code, d.Range.Start.Line))
		if i < 0 || d.Range.File != c.entry {
			i = slices.Index(missing, d.Code)
		}
		if i < 0 {
			return fmt.Sprintf("not wanted: %s line %d\n%s", d.Code, d.Range.Start.Line, report(ds))
		}
		missing = slices.Delete(missing, i, i+1)
	}
	if len(missing) > 0 {
		return fmt.Sprintf("missing: %s\n%s", strings.Join(missing, ", "), report(ds))
	}
	return ""
}

func (c *conformanceCase) options() *Options {
	opts := &Options{Inputs: c.inputs, SkipArtifactFiles: true}
	if sub, err := fs.Sub(c.fsys, "profiles"); err == nil {
		opts.Profiles = []fs.FS{sub}
	}
	if _, err := fs.Stat(c.fsys, "web"); err == nil {
		opts.Fetch = func(url string) ([]byte, error) {
			return fs.ReadFile(c.fsys, "web/"+strings.TrimPrefix(url, "https://"))
		}
	}
	return opts
}

// TestConformance runs the project's own conformance suite.
func TestConformance(t *testing.T) {
	t.Parallel()
	files := 0
	require.NoError(t, filepath.WalkDir(filepath.Join("testdata", "conformance"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		files++
		t.Run(strings.TrimSuffix(path, ".txtar"), func(t *testing.T) {
			t.Parallel()
			c, err := parseConformanceCase(path)
			require.NoError(t, err)
			require.Empty(t, c.check(), c.clause)
		})
		return nil
	}))
	require.Positive(t, files)
}
