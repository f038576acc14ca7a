package tosca

import (
	"fmt"
	"strconv"
	"strings"
)

// span says in which versions a keyname exists, by versionTable.level.
type span struct{ from, to int }

// String returns "1.1", "1.1 to 1.3" or "2.0".
func (s span) String() string {
	name := func(l int) string { return fmt.Sprintf("%d.%d", l/10, l%10) }
	if s.from == s.to {
		return name(s.from)
	}
	return name(s.from) + " to " + name(s.to)
}

type keynameTable map[string]span

// names lists the keynames of a version, sorted.
func (t keynameTable) names(level int) []string {
	var list []string
	for _, name := range sortedKeys(t) {
		if s := t[name]; s.from <= level && level <= s.to {
			list = append(list, name)
		}
	}
	return list
}

// keynames are the keynames of each construct. "name@12" exists from 1.2 on,
// "name@10-13" up to 1.3.
//
// Source: the keyname tables of TOSCA Simple Profile 1.0 to 1.3, section 3,
// and of TOSCA 2.0, sections 5 to 15.
var keynames = parseKeynames(map[string]string{
	"service template": `tosca_definitions_version metadata description dsl_definitions repositories imports
		artifact_types data_types capability_types interface_types relationship_types node_types group_types policy_types
		namespace@12-13 tosca_default_namespace@10-11 template_name@10-13 template_author@10-13 template_version@10-13
		topology_template@10-13 service_template@20 profile@20 functions@20`,
	"topology template": `description inputs node_templates relationship_templates groups policies outputs
		substitution_mappings workflows@11 metadata@20 functions@20`,
	"function definition": `signatures description metadata`,
	"function signature":  `arguments optional_arguments variadic result implementation`,
	"import":              `file@10-13 url@20 profile@20 repository namespace_uri@10-13 namespace_prefix@10-13 namespace@20 description@20 metadata@20`,
	"repository":          `description url credential@10-13 metadata@20`,
	"artifact type":       typeKeynames + `mime_type file_ext properties`,
	"data type":           typeKeynames + `properties constraints@10-13 validation@20 key_schema@13 entry_schema@13 data_type@20 units@20 canonical_unit@20 prefixes@20`,
	"capability type":     typeKeynames + `properties attributes valid_source_types@10-13 valid_source_node_types@20 valid_relationship_types@20`,
	"interface type":      typeKeynames + `inputs operations@13 notifications@13`,
	"relationship type":   typeKeynames + `properties attributes interfaces valid_target_types@10-13 valid_capability_types@20 valid_target_node_types@20 valid_source_node_types@20`,
	"node type":           typeKeynames + `properties attributes capabilities requirements interfaces artifacts`,
	"group type":          typeKeynames + `properties attributes capabilities@10-13 requirements@10-13 interfaces@10-13 members`,
	"policy type":         typeKeynames + `properties targets triggers@11`,
	"schema":              `type description metadata@20 constraints@10-13 validation@20 key_schema@13 entry_schema`,
	"property definition": `type description required default value@20 status constraints@10-13 validation@20 key_schema@13 entry_schema external-schema@13-13 metadata@13`,
	"attribute definition": `type description default status@10-13 constraints@10-13 validation@20 key_schema@13 entry_schema
		metadata@13`,
	"parameter definition": `type description required default value status constraints@10-13 validation@20 key_schema@13 entry_schema
		external-schema@13-13 metadata@13 mapping@20`,
	"capability definition":    `type description metadata@20 properties attributes valid_source_types@10-13 valid_source_node_types@20 valid_relationship_types@20 occurrences`,
	"capability assignment":    `properties attributes occurrences@13 directives@20`,
	"requirement definition":   `capability node relationship occurrences@10-13 count_range@20 description@13 metadata@20 node_filter@13`,
	"requirement assignment":   `capability node relationship node_filter occurrences@13-13 count@20 directives@20 optional@20 allocation@20`,
	"requirement relationship": `type description@20 metadata@20 properties attributes@20 interfaces`,
	"interface":                `type description@20 metadata@20 inputs operations notifications@13`,
	"interface assignment":     `type@10-13 description@20 metadata@20 inputs operations notifications@13`,
	"operation":                `description metadata@20 implementation inputs outputs@13`,
	"notification":             `description metadata@20 implementation inputs@20 outputs@13`,
	"implementation":           `primary dependencies timeout@12-13 operation_host@12-13 file type`,
	"artifact":                 `type file repository description deploy_path@10-13 artifact_version@13 checksum@13 checksum_algorithm@13 properties@11 metadata@20`,
	"node template":            `type description metadata directives properties attributes requirements capabilities interfaces artifacts node_filter copy count@20`,
	"relationship template":    `type description metadata properties attributes interfaces copy`,
	"node filter":              `properties capabilities`,
	"group":                    `type description metadata properties attributes@20 members interfaces@10-12`,
	"policy":                   `type description metadata properties targets triggers@11`,
	"trigger": `description event event_type@10-13 schedule@10-13 target_filter@10-13 condition constraint@10-12
		period@10-12 evaluations@10-12 method@10-12 action`,
	"target filter":        `node requirement capability`,
	"trigger condition":    `constraint period evaluations method`,
	"substitution mapping": `node_type substitution_filter@13 properties@12 attributes@13 capabilities requirements interfaces@12`,
	"workflow":             `description metadata inputs preconditions@10-13 precondition@20 steps implementation@13 outputs@13`,
	"precondition":         `target target_relationship condition`,
	"workflow step":        `target target_relationship operation_host@10-13 filter activities on_success on_failure`,
	"call of a workflow":   `workflow inputs`,
	"call of an operation": `operation inputs`,
})

const typeKeynames = "derived_from version metadata description "

func parseKeynames(texts map[string]string) map[string]keynameTable {
	tables := make(map[string]keynameTable, len(texts))
	for construct, text := range texts {
		t := keynameTable{}
		for _, word := range strings.Fields(text) {
			name, versions, _ := strings.Cut(word, "@")
			from, to, _ := strings.Cut(versions, "-")
			s := span{10, 20}
			if n, err := strconv.Atoi(from); err == nil {
				s.from = n
			}
			if n, err := strconv.Atoi(to); err == nil {
				s.to = n
			}
			t[name] = s
		}
		tables[construct] = t
	}
	return tables
}
