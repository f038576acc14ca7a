package tosca

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// oneLanguage are the constructs that only one of the languages has, by the
// level of the other.
var oneLanguage = map[string]int{"function definition": 13, "function signature": 13,
	"node filter": 20, "precondition": 20, "target filter": 20, "trigger condition": 20}

// keynamesWithoutCase are keynames that no conformance case uses, with the reason.
var keynamesWithoutCase = map[string]string{
	"capability assignment: occurrences in 2.0": "the standard does not have it; taken as in 1.3",
	"group type: capabilities in 1.x":           "deprecated; group-types/capabilities shows that 2.0 refuses it",
	"group type: interfaces in 1.x":             "deprecated",
	"group type: requirements in 1.x":           "deprecated",
	"implementation: file in 1.x":               "an artifact in place of an implementation, a leniency",
	"implementation: file in 2.0":               "an artifact in place of an implementation, a leniency",
	"implementation: type in 1.x":               "an artifact in place of an implementation, a leniency",
	"implementation: type in 2.0":               "an artifact in place of an implementation, a leniency",
}

// TestKeynamesHaveCases wants each keyname of each construct used by at least
// one conformance case, in each of the languages, 1.x and 2.0, that has it.
func TestKeynamesHaveCases(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	paths, err := filepath.Glob(filepath.Join("testdata", "conformance", "*", "*.txtar"))
	require.NoError(t, err)
	for _, path := range paths {
		c, err := parseConformanceCase(path)
		require.NoError(t, err)
		opts := c.options()
		opts.keyname = func(construct, key string, level int) { used[keynameOf(construct, key, level)] = true }
		Load(c.fsys, c.entry, opts)
	}
	for _, construct := range sortedKeys(keynames) {
		for _, key := range sortedKeys(keynames[construct]) {
			for _, level := range []int{13, 20} {
				s := keynames[construct][key]
				if level == 13 && s.from > 13 || level == 20 && s.to < 20 || oneLanguage[construct] == level {
					continue
				}
				name := keynameOf(construct, key, level)
				if used[name] == (keynamesWithoutCase[name] != "") {
					t.Errorf("%s: used by a case: %v", name, used[name])
				}
			}
		}
	}
}

// keynameOf names a keyname, such as "policy: targets in 2.0".
func keynameOf(construct, key string, level int) string {
	language := "2.0"
	if level < 20 {
		language = "1.x"
	}
	return fmt.Sprintf("%s: %s in %s", construct, key, language)
}
