// Package slurm runs jobs on clusters under Slurm, by the seam of package hpc.
//
// A Manager works through an hpc.Shell on a login node with the commands that
// every user has: sbatch, squeue, sacct, scancel, scontrol and sinfo. It asks for
// text in formats of its own (squeue -O and sacct -o with a separator that no
// name has), because those mean the same in every release since 20.02; the JSON
// of the releases differs, and that of 22.05 is wrong in places.
//
// A REST works through slurmrestd instead, with the API of v0.0.38 (Slurm 22.05)
// and, as far as their descriptions tell, of later ones. What the API cannot do it
// leaves to a Manager, where it has one. Factory.Service makes it for a cluster
// with the property endpoint; it connects from the login node.
//
// Both were tried with Slurm 22.05.8.
//
// What they know of the ways of Slurm:
//
//   - squeue shows an ended job for MinJobAge seconds only; then the accounting is
//     asked. It may be missing, and then the job is left out of the answer; while
//     it is down, the job is Unknown.
//   - While a job is COMPLETING its outcome is not known yet.
//   - A parent that Slurm has forgotten counts as one that ended well, so Submit
//     looks up what a job waits for, and refuses what can not happen.
//   - Jobs that can never start stay PENDING for ever: their Cause says so.
//   - The exit code of scancel says nothing: Cancel looks into the queue.
//   - Time limits are whole minutes, and are rounded up.
//   - A task of an array is known by "ARRAY_INDEX". While an array is in the queue
//     the accounting is asked as well, for the tasks that have left it; without
//     accounting these are missing.
//   - Times are asked for in UTC.
package slurm
