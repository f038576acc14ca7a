// Package hpc runs jobs on clusters, whichever workload manager they have:
// Slurm, Torque, PBS Pro or OpenPBS.
//
// For any program there is one vocabulary: a [Manager], which drivers/slurm and
// drivers/torque implement over a [Shell] ([Local] or [SSH]), submits [JobSpec]s
// and tells of [Job]s, [Queue]s and [Node]s. [Open] finds out which manager a
// cluster has. Examples/hpcjob is a small program made of it.
//
// For blueprints, [Driver] is the executor.Driver that runs nodes of type
// hpc.nodes.Job of the profile "hpc", which templates import by that name
// (imports: [ { profile: hpc } ]): starting the node submits the job, and the
// node is started when the job has completed; stopping it cancels what still
// runs, and deleting it removes its files.
//
// A job that serves is a service on the cluster, and a node of type
// hpc.nodes.Allocation holds nodes of it as salloc(1) does: such a node is started
// when its job runs, and stopping it cancels the job.
//
// # Once, and known afterwards
//
// Each attempt of an operation has a work directory on the cluster:
//
//	<work_directory>/<deployment>/<operation>-<attempt>/
//
// The answer of the submit command is recorded there in the same step on the
// cluster ([SubmitOnce]), and the job bears a tag by which the manager finds it
// ([Manager.Find]). So a process that was killed at any moment finds its job
// again, and submits none twice. What is submitted is a wrapper, which lets only
// one job run in the directory and leaves there the exit code and the times: the
// outcome is known even when the manager has forgotten the job, or tasks of an array.
//
// # Watching
//
// A cluster is asked once a period for all jobs of all deployments, soon for
// young jobs and seldom for old ones (Config.MinPeriod, MaxPeriod). Nothing is
// held open in between. A cluster or controller that does not answer delays and
// fails nothing. What jobs print, and why they wait, goes into the operation's
// log; a process that goes on after another one has ended tells it from the
// beginning. The files on the cluster have all of it.
//
// Node failures and preemption are worth another try, running out of memory only
// where retry_memory_factor gives it more, and an exit code never.
//
// # Chains
//
// A job comes after another one that its node depends on. Where the relationship
// is hpc.relationships.After with "native: true", it is submitted as soon as the
// other one is, with a dependency of the manager's own (afterok, aftercorr or
// after), so that a chain waits in the queue but once and goes on while no engine
// runs. The dependency is guarded: one on a job that has ended is not given to the
// manager, which may have forgotten it; a job whose dependency can never be
// satisfied is cancelled, and skipped because of the other one instead of failing
// by itself; and one whose predecessor is tried again is submitted again behind
// the new one. A job that needs results of the other one (see [Driver.Chains])
// is submitted when that has completed.
//
// # Data
//
// Files of the node's artifacts (stage_in) are copied before the submission, and
// results (stage_out) fetched after it to Config.Results: several at once, going on where
// an earlier try stopped, and compared by SHA-256.
package hpc
