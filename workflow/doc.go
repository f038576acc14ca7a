// Package workflow makes plans: what to do to bring a TOSCA service up, take it
// down or change it, as data and before anything is done.
//
// A [Plan] is a graph of steps. [Deploy] and [Undeploy] make one from a service
// template and the states of the instances that exist. The executor takes it
// through; this package runs nothing.
//
// A planner is a list of small passes over a growing plan, and the same inputs
// give the same plan, byte for byte: everything goes by order of declaration.
package workflow
