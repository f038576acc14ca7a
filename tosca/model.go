package tosca

import "io/fs"

// ServiceTemplate is a loaded, resolved and checked TOSCA service template:
// every type is derived, every requirement has its target and every value is
// data or a parsed call. It is immutable after Load and safe to share between
// goroutines and deployments.
//
// The model speaks TOSCA 2.0's concepts whatever version the file was written
// in: what 1.x calls a topology template is folded into the ServiceTemplate.
//
// Source: TOSCA 2.0 section 6 (service template), TOSCA Simple Profile 1.3
// sections 3.9 and 3.10.
type ServiceTemplate struct {
	// Version is the value of tosca_definitions_version, such as
	// "tosca_simple_yaml_1_3" or "tosca_2_0".
	Version string
	// File is the path of the entry file inside the file system it was loaded from.
	File string
	// Files are all files read, the entry file first, then imports in the order
	// in which they were read. Built-in profiles are not among them. Those that
	// begin with ImportsFolder may be in External only.
	Files []string
	// External are the files that were read from elsewhere than the file system
	// that was loaded from (Options.Profiles, Options.Fetch), each under its
	// path in ImportsFolder; nil where there are none. An archive to which they
	// are added loads without either option.
	External fs.FS
	// Profile is the profile name of TOSCA 2.0 or the namespace of 1.2 and 1.3.
	Profile string
	// Name, Author and TemplateVersion come from the metadata keys
	// template_name, template_author and template_version.
	Name, Author, TemplateVersion string
	Description                   string
	Metadata                      map[string]any

	// Types holds every type visible in the entry file, by kind.
	Types *Types

	Repositories []*Repository
	// Functions are the custom functions that the files define, in order.
	Functions []*Function
	Inputs    []*Parameter
	Outputs   []*Parameter
	// Nodes are the representations of the node templates in order of
	// declaration, then of Index; the nodes of a service that substitutes one of
	// them come right before that one. A template with the directive "select"
	// for which another was chosen is not among them; Node returns the chosen
	// one for its name.
	Nodes []*NodeTemplate
	// ShapeInputs are the names of the inputs, sorted, whose values decide
	// which nodes there are and which requirement leads where (count, node
	// filters, substitution): with other values for them the template must be
	// loaded anew. See Options.Inputs.
	ShapeInputs []string
	// Relationships are the templates under relationship_templates in order of
	// declaration. What a requirement uses is Requirement.Relationship.
	Relationships []*RelationshipTemplate
	// Dangling are the requirements that must be fulfilled and that no node of
	// the service fulfils. TOSCA 2.0 lets a valid template have them; it cannot
	// be deployed so.
	Dangling     []*DanglingRequirement
	Groups       []*Group
	Policies     []*Policy
	Workflows    []*Workflow
	Substitution *SubstitutionMapping

	// options are those of Load that LoadedAs asks for. unsubstituted tells that
	// there is a node which no service substitutes, for want of Definitions maybe.
	options       Options
	unsubstituted bool
	// nodes has the first representation of each template, representations all
	// of those with several, absent the templates with none.
	nodes           map[string]*NodeTemplate
	representations map[string][]*NodeTemplate
	absent          map[string]*NodeTemplate

	substituted *NodeTemplate
}
