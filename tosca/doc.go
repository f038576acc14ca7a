// Package tosca reads TOSCA service templates: Load takes a file with all that
// it imports, resolves and checks it, and returns a typed and linked
// ServiceTemplate together with Diagnostics, every fault of every phase that
// could be reached, each with its place and a stable code.
//
// TOSCA Simple Profile in YAML 1.0 to 1.3, that for NFV 1.0 and TOSCA 2.0 (the
// OASIS standard of July 2025) end in the same model, which speaks the concepts
// of 2.0. The normative types are built in (package tosca/profile). References
// such as "TOSCA 1.3 section 3.8.3" are to TOSCA Simple Profile in YAML 1.3.
//
// The way of a template:
//
//	read       bytes to YAML nodes with their places       read.go
//	import     files, namespaces, profiles                 import*.go, namespace.go
//	parse      keynames of the version                     parse*.go, versions.go
//	types      derivation and refinement                   types*.go
//	templates  nodes, requirements to their targets        templates*.go
//	compose    services that substitute nodes              templates_substitution*.go
//	check      values, calls, files, cycles                check*.go
//	cite       the section of the specification of faults  diagnostic_sections.go
//
// A ServiceTemplate never changes after Load and may be shared between
// goroutines. Values are data or calls of functions; calls are evaluated by
// Value.Eval against an Env, which knows the running deployment.
//
// # Leniency
//
// Existing blueprints do things that the specification does not grant, such as
// inputs of operations without a type. What can be understood is accepted with
// a Warning that has a code of its own. TOSCA 2.0 is strict: what the standard
// forbids is an Error there. Codes lists all codes, as CODES.md in this folder
// does, with an example and the sections of the specification for each.
//
// # Conformance
//
// testdata/conformance has a case for each keyname and clause, by chapter, with
// what is wanted of it in its first lines. Where the community's suite of TOSCA
// 2.0 lies beside the project, its verdicts are a test too.
package tosca
