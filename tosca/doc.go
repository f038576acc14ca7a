// Package tosca reads TOSCA service templates: Load takes a file with all that
// it imports, resolves and checks it, and returns a typed and linked
// ServiceTemplate together with Diagnostics, every fault of every phase that
// could be reached, each with its place and a stable code.
//
// TOSCA Simple Profile in YAML 1.0 to 1.3 and the basic form of TOSCA 2.0 end
// in the same model, which speaks the concepts of 2.0. The normative types are
// built in (package tosca/profile).
//
// The way of a template:
//
//	read       bytes to YAML nodes with their places       read.go
//	import     files, namespaces, profiles                 import.go
//	parse      keynames of the version                     parse*.go, versions.go
//	types      derivation and refinement                   types*.go
//	templates  nodes, requirements to their targets        templates*.go
//	check      values, calls, files, cycles                check.go
//
// A ServiceTemplate never changes after Load and may be shared between
// goroutines. Values are data or calls of functions; calls are evaluated by
// Value.Eval against an Env, which knows the running deployment.
//
// # Leniency
//
// Existing blueprints do things that the specification does not grant, such as
// inputs of operations without a type. What can be understood is accepted with
// a Warning that has a code of its own; Codes lists them all.
package tosca
