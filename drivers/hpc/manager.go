package hpc

import "context"

// Manager is a workload manager: what drivers/slurm and drivers/torque
// implement, and what a program uses that wants clusters, queues, nodes and
// jobs without TOSCA. All methods are safe for concurrent use.
//
// Errors carry a Code: NotFound for an unknown job, InvalidArgument for what the
// manager refuses for good (an unknown queue, impossible resources),
// PermissionDenied, and Unavailable (retryable) where the cluster or its
// controller does not answer or a submit limit is reached. They have the
// manager's own words.
type Manager interface {
	// Name is the kind of manager: "slurm", "torque", "pbs".
	Name() string
	// Submit submits a job and returns its ID.
	Submit(ctx context.Context, spec *JobSpec) (id string, err error)
	// Find returns the IDs of the jobs that bear a tag, newest last, as long as
	// the manager or its accounting remembers them.
	Find(ctx context.Context, tag string) ([]string, error)
	// Jobs asks after jobs in one query of the queue, and at most one of the
	// accounting for those that have left it. What the manager does not know any
	// more is left out. The order is that of ids. For an array, Tasks are filled.
	Jobs(ctx context.Context, ids []string) ([]*Job, error)
	// List returns the jobs that the manager shows; those of one user where
	// user is not empty.
	List(ctx context.Context, user string) ([]*Job, error)
	// Cancel ends jobs, waiting or running. Ended and unknown ones are no error.
	Cancel(ctx context.Context, ids ...string) error
	// Hold keeps waiting jobs from starting; Release undoes it.
	Hold(ctx context.Context, ids ...string) error
	Release(ctx context.Context, ids ...string) error
	// Suspend stops running jobs for the time being; Resume undoes it.
	Suspend(ctx context.Context, ids ...string) error
	Resume(ctx context.Context, ids ...string) error
	// Requeue ends running jobs and queues them anew.
	Requeue(ctx context.Context, ids ...string) error
	// Queues and Nodes describe the cluster, in order of name.
	Queues(ctx context.Context) ([]*Queue, error)
	Nodes(ctx context.Context) ([]*Node, error)
}

// Drainer is a Manager that takes nodes out of service, for those who may. Those of
// drivers/slurm and drivers/torque do.
type Drainer interface {
	// Drain lets nodes start no more jobs, for a reason that the manager shows;
	// those that run go on. Undrain undoes it.
	Drain(ctx context.Context, reason string, nodes ...string) error
	Undrain(ctx context.Context, nodes ...string) error
}
