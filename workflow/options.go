package workflow

import "github.com/seed-a4fd30b5/orchestrator/tosca"

// Options are what a planner may want to know beyond template and instances.
// The zero Options are fine.
type Options struct {
	// Claims tells whether something carries out an operation of the Standard
	// interface that has no implementation in the template, because it knows
	// the node's type (a driver for servers of a cloud, for jobs of a cluster).
	// nil means that nothing does: such operations take no step.
	Claims func(node *tosca.NodeTemplate, iface, operation string) bool
}
