package tosca

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/tosca/profile"
)

// versionTable is what differs between the versions of the language. The
// phases ask it instead of asking for a version.
type versionTable struct {
	// name is the value of tosca_definitions_version.
	name string
	// level orders versions: 10, 11, 12, 13, 20.
	level int
	// section is the short name of this version, such as "TOSCA 1.3".
	section string
	// functionPrefix comes before the name of a function in a call: "" or "$".
	functionPrefix string
	// profile is the built-in profile that every file imports by itself; empty
	// where a profile must be imported.
	profile string
	// extension is a further built-in profile that such files see.
	extension string
	// requirementOccurrences is what a requirement definition means that does not say.
	requirementOccurrences Occurrences

	// The keynames that were renamed between 1.3 and 2.0.
	topology         string // topology_template, service_template
	namespace        string // namespace, profile
	importFile       string // file, url
	importPrefix     string // namespace_prefix, namespace
	importOr         string // what an import can name instead of a file
	importSection    string // where imports are specified
	constraints      string // constraints, validation
	occurrences      string // occurrences, count_range
	validSourceTypes string // valid_source_types, valid_source_node_types
	validTargetTypes string // valid_target_types, valid_capability_types
}

var simple = versionTable{
	requirementOccurrences: Occurrences{1, 1},
	topology:               "topology_template",
	namespace:              "namespace",
	importFile:             "file",
	importPrefix:           "namespace_prefix",
	importSection:          "3.6.8",
	constraints:            "constraints",
	occurrences:            "occurrences",
	validSourceTypes:       "valid_source_types",
	validTargetTypes:       "valid_target_types",
}

var versions = []*versionTable{
	simpleVersion(10), simpleVersion(11), simpleVersion(12), simpleVersion(13), nfvVersion(),
	{
		name:                   "tosca_2_0",
		level:                  20,
		section:                "TOSCA 2.0",
		functionPrefix:         "$",
		requirementOccurrences: Occurrences{0, Unbounded},
		topology:               "service_template",
		namespace:              "profile",
		importFile:             "url",
		importPrefix:           "namespace",
		importOr:               " or profile",
		importSection:          "6.8.1",
		constraints:            "validation",
		occurrences:            "count_range",
		validSourceTypes:       "valid_source_node_types",
		validTargetTypes:       "valid_capability_types",
	},
}

func simpleVersion(level int) *versionTable {
	v := simple
	minor := string(rune('0' + level%10))
	v.level = level
	v.name = "tosca_simple_yaml_1_" + minor
	v.section = "TOSCA 1." + minor
	v.profile = v.name
	return &v
}

// nfvVersion is the language of the Simple Profile for NFV 1.0, which is TOSCA
// 1.2 with further types.
func nfvVersion() *versionTable {
	v := simpleVersion(12)
	v.name, v.extension = "tosca_simple_profile_for_nfv_1_0", profile.NFV
	return v
}

// versionNamed returns the table of a tosca_definitions_version, or nil.
func versionNamed(name string) *versionTable {
	name = strings.TrimSpace(name)
	if name == "tosca_simple_yaml_1_0_0" {
		name = "tosca_simple_yaml_1_0" // the name of early drafts
	}
	if name == "tosca_simple_profile_for_nfv_1_0_0" {
		name = "tosca_simple_profile_for_nfv_1_0"
	}
	for _, v := range versions {
		if v.name == name {
			return v
		}
	}
	return nil
}

// numbered is the name of a version: a word, a major and a minor number.
var numbered = regexp.MustCompile(`^(.+?)_(\d{1,4})[_.](\d{1,4})(?:[_.]\d+)?$`)

// nearestVersion returns the tosca_definitions_version that was probably meant,
// or "". The numbers tell more than the letters: 1.4 is meant to be 1.3, not 1.0.
func nearestVersion(name string) string {
	parts := numbered.FindStringSubmatch(strings.TrimSpace(name))
	if parts == nil {
		return nearest(name, versionNames())
	}
	word := strings.ToLower(parts[1])
	words := []string{"tosca", "tosca_simple_yaml", "tosca_simple_profile_for_nfv"}
	if !slices.Contains(words, word) {
		word = nearest(word, words)
	}
	switch word {
	case "":
		return ""
	case words[2]:
		return nfvVersion().name
	}
	major, _ := strconv.Atoi(parts[2])
	minor, _ := strconv.Atoi(parts[3])
	distance := func(v *versionTable) int {
		return 1000*max(major-v.level/10, v.level/10-major) + max(minor-v.level%10, v.level%10-minor)
	}
	best := versions[0]
	for _, v := range versions {
		if v.extension == "" && distance(v) < distance(best) {
			best = v
		}
	}
	return best.name
}

func versionNames() []string {
	var names []string
	for _, v := range versions {
		names = append(names, v.name)
	}
	return names
}

// at names a section of the specification: of 2.0, or of 1.3 for every 1.x, the
// last of which has all that the others have.
func (v *versionTable) at(number string) string {
	if v.v2() {
		return "TOSCA 2.0 section " + number
	}
	return "TOSCA 1.3 section " + number
}

// v2 tells whether this is TOSCA 2.0 or later.
func (v *versionTable) v2() bool { return v.level >= 20 }
