// Package workflow makes plans: what to do to bring a TOSCA service up, take it
// down, change it or run one of its workflows, as data and before anything is
// done.
//
// A [Plan] is a graph of steps: call an operation, set a state, examine a
// condition, or only wait. It is plain JSON; it can be counted
// ([Plan.Stats], [Plan.CriticalPath]), written as a table ([Plan.WriteTable])
// and drawn ([Plan.WriteDOT], [Plan.WriteMermaid]). The executor takes it
// through; this package runs nothing.
//
//   - [Deploy] and [Undeploy] follow the life cycle of nodes and relationships,
//     from a service template and the states of the instances that exist.
//   - [Compare] tells what differs between two versions of a template, and
//     [Update] plans what turns one into the other.
//   - [Workflow] plans an imperative workflow of the template, and [Notify] the
//     actions of policies on an event.
//
// All of them end in the same kind of plan. A planner is a list of small passes
// over a growing plan. Everything goes by order of declaration, so that the
// same inputs give the same plan, byte for byte.
//
// Each node template has one instance, with index 0: see [NodeID] and
// [RelationshipID].
package workflow
