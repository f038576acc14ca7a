package hpc

import "time"

// JobState is the phase of a job, in one vocabulary for all managers.
type JobState string

// The phases of a job.
const (
	// Queued: waiting; Reason says for what.
	Queued JobState = "queued"
	// Held: waiting until somebody releases it.
	Held JobState = "held"
	// Starting: nodes are being prepared.
	Starting JobState = "starting"
	Running  JobState = "running"
	// Suspended: started, and stopped for the time being.
	Suspended JobState = "suspended"
	// Completing: the script has ended and the manager is clearing up; the
	// outcome is not known yet.
	Completing JobState = "completing"
	// Completed: ended with exit code 0.
	Completed JobState = "completed"
	// Failed: ended otherwise; Cause says how.
	Failed JobState = "failed"
	// Canceled: ended because somebody asked for it.
	Canceled JobState = "canceled"
	// Unknown: the manager says something that is not in this list; Raw has it.
	// With an empty Raw: it has left the queue, and the accounting does not tell
	// how it ended; Reason says why.
	Unknown JobState = "unknown"
)

// Ended tells whether a job in the state will never run again by itself.
func (s JobState) Ended() bool { return s == Completed || s == Failed || s == Canceled }

// Cause is why a job failed, was cancelled, or cannot start.
type Cause string

// The causes.
const (
	// ExitCode: the script returned ExitCode.
	ExitCode Cause = "exit-code"
	// Signal: the script, or the shell that ran it, was ended by Signal.
	Signal Cause = "signal"
	// TimeLimit: it ran longer than its walltime, or than the deadline allows.
	TimeLimit Cause = "time-limit"
	// OutOfMemory: it used more memory than it asked for.
	OutOfMemory Cause = "out-of-memory"
	// NodeFailure: a node was lost, did not boot, or could not launch the job.
	NodeFailure Cause = "node-failure"
	// Preempted: a job of higher priority took its place.
	Preempted Cause = "preempted"
	// CanceledByUser and CanceledByAdmin: somebody ended it; By says who, where known.
	CanceledByUser  Cause = "canceled-by-user"
	CanceledByAdmin Cause = "canceled-by-admin"
	// DependencyNeverSatisfied: what it waits for ended in the wrong way.
	DependencyNeverSatisfied Cause = "dependency-never-satisfied"
	// Impossible: no node or limit will ever allow it.
	Impossible Cause = "impossible"
)

// Job is what a manager knows of a job. Times are in UTC and zero where unknown.
type Job struct {
	// ID is the manager's own, such as "1234", "1234[7].head" or "1234_7".
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
	// Tag is JobSpec.Tag, where the manager shows it.
	Tag   string   `json:"tag,omitempty"`
	User  string   `json:"user,omitempty"`
	Queue string   `json:"queue,omitempty"`
	State JobState `json:"state"`
	// Cause belongs to an ended job that did not complete, and to a waiting one
	// that can never start. ExitCode and Signal are those of the script.
	Cause    Cause  `json:"cause,omitempty"`
	ExitCode int    `json:"exit_code"`
	Signal   int    `json:"signal,omitempty"`
	By       string `json:"canceled_by,omitempty"`
	// Reason is the manager's word for why it waits or how it ended; Raw is its
	// word for the state, such as "NODE_FAIL" or "C".
	Reason string `json:"reason,omitempty"`
	Raw    string `json:"raw_state,omitempty"`

	Submitted time.Time `json:"submitted,omitzero"`
	Eligible  time.Time `json:"eligible,omitzero"`
	Started   time.Time `json:"started,omitzero"`
	Ended     time.Time `json:"ended,omitzero"`

	// Nodes are the names of the nodes it runs or ran on.
	Nodes   []string `json:"nodes,omitempty"`
	WorkDir string   `json:"work_dir,omitempty"`
	// Requeues counts how often the manager started it anew.
	Requeues int   `json:"requeues,omitempty"`
	Usage    Usage `json:"usage,omitzero"`
	// Tasks are those of an array, in order of Index; empty for a plain job.
	// The array's own State is Running while one of them is not ended, then
	// Completed if all are, else that of the first that is not.
	Tasks []*Job `json:"tasks,omitempty"`
	// Index is the array index of a task; -1 for a job that is no task.
	Index int `json:"index"`
}

// Usage is what a job used, as far as the manager accounts for it.
type Usage struct {
	// Elapsed is wall clock time, CPU the processor time of all its processes.
	Elapsed time.Duration `json:"elapsed_ns,omitempty"`
	CPU     time.Duration `json:"cpu_ns,omitempty"`
	// MaxMemory is the largest resident set of a process, in bytes.
	MaxMemory int64 `json:"max_memory,omitempty"`
}

// Queue is a queue of PBS or Torque, or a partition of Slurm.
type Queue struct {
	Name    string `json:"name"`
	Default bool   `json:"default,omitempty"`
	// Enabled tells that jobs may be submitted, Started that they are run.
	Enabled bool `json:"enabled"`
	Started bool `json:"started"`
	// MaxWalltime is 0 for no limit.
	MaxWalltime time.Duration `json:"max_walltime_ns,omitempty"`
	// Nodes counts the nodes that serve it, where the manager says so.
	Nodes int `json:"nodes,omitempty"`
	// Queued and Running count its jobs, where the manager says so.
	Queued  int `json:"queued"`
	Running int `json:"running"`
}

// NodeState is the phase of a compute node.
type NodeState string

// The phases of a node.
const (
	NodeIdle      NodeState = "idle"
	NodeMixed     NodeState = "mixed" // partly used
	NodeAllocated NodeState = "allocated"
	NodeDraining  NodeState = "draining" // takes no new jobs, runs some
	NodeDrained   NodeState = "drained"
	NodeDown      NodeState = "down"
	NodeUnknown   NodeState = "unknown"
)

// Node is a compute node.
type Node struct {
	Name  string    `json:"name"`
	State NodeState `json:"state"`
	// Raw and Reason are the manager's own words.
	Raw    string   `json:"raw_state,omitempty"`
	Reason string   `json:"reason,omitempty"`
	Queues []string `json:"queues,omitempty"`
	CPUs   int      `json:"cpus"`
	// Memory is in bytes.
	Memory   int64    `json:"memory,omitempty"`
	GPUs     int      `json:"gpus,omitempty"`
	Features []string `json:"features,omitempty"`
	// Jobs are the IDs of those that run there, where the manager says so.
	Jobs []string `json:"jobs,omitempty"`
}
