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
	// Chained tells whether a node may be started as soon as the start of the
	// target of its requirement goes on in the outside world, which puts both in
	// order: see Step.Begun. It is asked only about nodes with nothing to do
	// before their start, and targets with nothing to do behind it. nil means
	// that nothing is.
	Chained func(node *tosca.NodeTemplate, r *tosca.Requirement) bool
}
