package tosca

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// corpus is the community's conformance suite of TOSCA 2.0, where it lies
// beside the project. It is not part of the project.
const corpus = "../../shared/corpus/tosca_2_0"

// corpusRight is how many of its verdicts Load agrees with, or disputes: all.
const corpusRight = 209

// disputed are verdicts of the corpus that contradict the OASIS standard of
// July 2025, with the section and the reason.
var disputed = map[string]string{
	"dsl-definitions/dsl_definitions-valid.yaml":                           "9.1: scalar-unit.size is a built-in type of 1.x and is neither defined in this file nor imported",
	"node-template/node-template-filter.yaml":                              "7.2: the node template node_filter has no type, and has the keyname $and",
	"profiles/profiles-profile-tree.yaml":                                  "6.4.2, 6.8.4: a type without derived_from inherits nothing, and a namespace is parted by a colon; so two properties are not defined",
	"requirement-assignment-grammar/requirement-assignment-attribute.yaml": "8.5.2, 9.7: the attribute uptime is an integer and is assigned a map",
	"schema-definition/schema-defintion-short.yaml":                        "9.4: entry_schema is mandatory for a property of type list",
}

// corpusCase is what a case needs beside the files of its folder: many were cut
// out of larger documents, with names of files that are not there.
type corpusCase struct {
	// root is the folder that is loaded from. Default: the case's own.
	root string
	// files are laid over the folder: a text, or "=" and a file of the corpus.
	files map[string]string
	// profiles is a folder on the search path of profiles.
	profiles string
	// fetched is the text of every file that is fetched.
	fetched string
}

const (
	emptyFile  = "tosca_definitions_version: tosca_2_0\n"
	myNodeFile = emptyFile + "node_types: { MyNode: { properties: { first-property: { type: integer } } } }\n"
)

var corpusCases = map[string]corpusCase{
	"examples/s25a.yaml":                                 {fetched: emptyFile},
	"examples/s26a.yaml":                                 {root: ".", files: map[string]string{"types/examples-mytypes1.yaml": emptyFile}},
	"examples/s28a.yaml":                                 {files: map[string]string{"types/examples-mytypes1.yaml": emptyFile}},
	"examples/s30a.yaml":                                 {fetched: emptyFile},
	"examples/types/examples-mytypes.yaml":               {files: map[string]string{"k8s.yaml": emptyFile}},
	"namespaces/namespaces-repo-root.yaml":               {files: map[string]string{"s31.yaml": myNodeFile}},
	"namespaces/namespaces-duplicate-repo-root-inv.yaml": {files: map[string]string{"s31.yaml": myNodeFile}},
	"namespaces/s33.yaml":                                {files: map[string]string{"TOSCAFileB.yaml": myNodeFile}},
	"namespaces/s34.yaml":                                {files: map[string]string{"TOSCAFileB.yaml": myNodeFile}},
	"namespaces/s35.yaml":                                {profiles: "namespaces"},
	"profiles/profiles-profile-tree.yaml":                {profiles: "profiles"},
	"profiles/profiles-profile2.yaml":                    {profiles: "profiles"},
	"mapping-a-requirement-multiple-times/s141a.yaml": {files: map[string]string{
		"mapping-a-requirement-multiple-times-types.yaml": "=mapping-a-requirement-multiple-times/types10.yaml"}},
	"one-to-many-relationships/s127a.yaml": {files: map[string]string{
		"one-to-many-relationships-types.yaml": "=one-to-many-relationships/types5.yaml"}},
	"random-pairs/s130a.yaml": {files: map[string]string{
		"random-pairs-types.yaml": "=random-pairs/types6.yaml"}},
	"requirement-count/s59a.yaml": {files: map[string]string{
		"requirement-count-types.yaml": "=requirement-count/s58.yaml"}},
	"requirement-mapping-and-selectable-nodes/s143a.yaml": {files: map[string]string{
		"requirement-mapping-and-selectable-nodes-types.yaml": "=mapping-a-requirement-multiple-times/types10.yaml"}},
	"requirement-mapping-and-selectable-nodes/s144a.yaml": {files: map[string]string{
		"requirement-mapping-and-selectable-nodes-types.yaml": "=mapping-a-requirement-multiple-times/types10.yaml"}},
	"requirement-mapping-rules/s147a.yaml": {files: map[string]string{
		"requirement-mapping-rules-types.yaml": "=requirement-mapping-rules/types9.yaml"}},
}

// TestCorpus holds Load to the verdicts of the corpus.
func TestCorpus(t *testing.T) {
	t.Parallel()
	verdicts, err := os.ReadFile(filepath.Join(corpus, "verdicts.tsv"))
	if err != nil {
		t.Skip("the corpus is not there")
	}
	lines := strings.Split(strings.TrimSpace(string(verdicts)), "\n")[1:]
	right, seen := 0, map[string]bool{}
	for _, line := range lines {
		name, verdict, _ := strings.Cut(line, "\t")
		seen[name] = true
		ds := loadCorpus(t, name)
		if ds.HasErrors() == (verdict == "invalid") {
			right++
			require.NotContains(t, disputed, name, "the case is right; it is not disputed any more")
		} else if disputed[name] == "" {
			t.Logf("%s is %s\n%s", name, verdict, report(ds))
		}
	}
	require.Equal(t, corpusRight, right+len(disputed), "of %d", len(lines))
	for name := range disputed {
		require.True(t, seen[name], name)
	}
	for name := range corpusCases {
		require.True(t, seen[name], name)
	}
}

func loadCorpus(t *testing.T, name string) Diagnostics {
	t.Helper()
	c := corpusCases[name]
	if c.root == "" {
		c.root = path.Dir(name)
	}
	under := overlayFS{FS: os.DirFS(filepath.Join(corpus, c.root)), files: map[string]string{}}
	for file, text := range c.files {
		if copied, ok := strings.CutPrefix(text, "="); ok {
			data, err := os.ReadFile(filepath.Join(corpus, copied))
			require.NoError(t, err)
			text = string(data)
		}
		under.files[file] = text
	}
	opts := &Options{SkipArtifactFiles: true}
	if c.profiles != "" {
		opts.Profiles = []fs.FS{os.DirFS(filepath.Join(corpus, c.profiles))}
	}
	if c.fetched != "" {
		opts.Fetch = func(string) ([]byte, error) { return []byte(c.fetched), nil }
	}
	entry, err := filepath.Rel(c.root, name)
	require.NoError(t, err)
	_, ds := Load(under, filepath.ToSlash(entry), opts)
	return ds
}

// overlayFS is a file system with further files.
type overlayFS struct {
	fs.FS
	files map[string]string
}

func (o overlayFS) Open(name string) (fs.File, error) {
	if text, ok := o.files[name]; ok {
		return fstest.MapFS{name: {Data: []byte(text)}}.Open(name)
	}
	return o.FS.Open(name)
}
