// Package profile holds the built-in TOSCA profiles as YAML text: the
// normative types of the TOSCA Simple Profile in YAML 1.0 to 1.3 and of the
// Simple Profile for TOSCA 2.0, and this module's own types. Package tosca
// parses them; a program needs this package only to read the texts.
package profile
