// Package state is what is known of deployments: the deployments themselves,
// the instances of their nodes and relationships, the runs, and an append-only
// journal of what happened.
//
// [Store] is the contract. A store changes a deployment only by
// [Store.Commit]: instances, run, deployment and journal entries together, in
// one durable transaction or not at all. Two conditions guard a commit:
//
//   - The revision: it names the revision that the caller has seen, and is
//     refused with [CodeConflict] if another commit came between.
//   - The lease: only its holder may commit. A lease ends by itself when its
//     holder dies. Each acquisition has a greater token than the one before, so
//     an engine that was paused and comes back after another took over is
//     refused with [CodeFailedPrecondition], whatever its clock says.
//
// [Export] writes a deployment to one file, [Import] reads it into any store.
//
// Files that must survive (the deployed archive, the plans) are blobs, kept by
// their content's digest.
//
// The stores are in the folders below: memory for tests, bolt for one process
// with its state in one file. Package statetest holds the suite that defines
// what a correct store is; any other implementation can run it.
package state
