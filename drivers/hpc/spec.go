package hpc

import "time"

// JobSpec is a job to submit. Zero fields are left to the manager.
// EnvironmentFile, Env, Modules and Container are not: Rendered makes a Script of them, for all managers alike.
type JobSpec struct {
	// Name is the job's name; letters, digits, '.', '_' and '-'.
	Name string
	// Tag is written into the job so that it is found again after a crash:
	// Operation.ID with the attempt. Letters, digits, '.', '_' and '-'; at most
	// 80 characters.
	Tag string
	// Record is a file on the cluster, by absolute path; empty for none. Submit
	// runs its submit command by SubmitOnce, so that the answer is recorded there
	// in the same step and a second Submit with the same Record returns the first
	// one's ID without submitting. A Manager that submits without a Shell ignores it.
	Record string
	// Script is the text of a job script. Directives in it (#SBATCH, #PBS) count
	// where the spec does not say otherwise. Arguments are those of Script, which
	// Rendered and the driver pass to it. Or Command is a program with its
	// arguments. All arguments arrive as they are.
	Script    string
	Arguments []string
	Command   []string
	// WorkDir is where the job runs: an absolute path on the cluster.
	WorkDir string
	// Stdout and Stderr are files, relative to WorkDir; empty for "stdout" and
	// "stderr" ("stdout.INDEX" for the tasks of an array). Join sends standard
	// error to Stdout.
	Stdout, Stderr string
	Join           bool

	// Nodes is how many nodes, Tasks how many processes altogether (of MPI, for
	// instance), TasksPerNode how many on each node, CPUsPerTask the cores of each.
	Nodes, Tasks, TasksPerNode, CPUsPerTask int
	// Memory is for each node, MemoryPerCPU for each core, in bytes.
	Memory, MemoryPerCPU int64
	// GPUs is for each node; GPUType is the manager's word for their kind.
	GPUs    int
	GPUType string
	// Walltime is how long it may run.
	Walltime time.Duration

	// Queue is the queue or partition.
	Queue, Account, QOS, Reservation string
	// Constraint is what the nodes must have: features of Slurm, properties of Torque.
	Constraint string
	NodeList   []string
	Exclusive  bool

	// EnvironmentFile is a file on the cluster that bash reads before the script: by
	// absolute path, or relative to the user's home; empty for none. A job whose file
	// cannot be read ends with code 70.
	EnvironmentFile string
	// Env are variables of the job; Modules are loaded before the script. They come
	// behind the file, and Env last.
	Env     map[string]string
	Modules []string

	// Mail is who is told of MailOn: "begin", "end", "fail".
	Mail   string
	MailOn []string

	// Array makes an array of tasks; nil for a plain job.
	Array *Array
	// Begin is the earliest start.
	Begin time.Time
	// Dependencies must be met before it starts.
	Dependencies []Dependency
	// Hold submits it held.
	Hold bool
	// Requeue lets the manager start it anew when a node fails. Default: it may not;
	// an array of PBS always may.
	Requeue bool

	// Container runs Script or Command in a container.
	Container *Container

	// Options are further options of sbatch or qsub, as they are.
	Options []string
}

// Array is the tasks of an array.
type Array struct {
	// Indexes are such as "0-9", "1,3,5" or "0-100:10".
	Indexes string
	// Limit is how many may run at once; 0 for no limit.
	Limit int
}

// DependencyKind is what a job waits for in another.
type DependencyKind string

// The kinds. The words are those of Slurm and PBS; for arrays the managers' own
// kinds are used where they differ (afterokarray of Torque).
const (
	After      DependencyKind = "after"      // it has started
	AfterOK    DependencyKind = "afterok"    // it has completed
	AfterNotOK DependencyKind = "afternotok" // it has failed
	AfterAny   DependencyKind = "afterany"   // it has ended
	AfterCorr  DependencyKind = "aftercorr"  // the task of the same index has completed (Slurm)
	Singleton  DependencyKind = "singleton"  // no job of the same name and user runs (Slurm)
)

// Dependency is one thing that a job waits for.
type Dependency struct {
	Kind DependencyKind
	// Job is the other job's ID; empty for Singleton. Array tells that it is one.
	Job   string
	Array bool
}

// Container says how to run a job's command in a container.
type Container struct {
	// Runtime is "apptainer" or "singularity"; empty for the first that the
	// cluster has.
	Runtime string
	// Image is a file on the cluster, or an address such as "docker://debian:12".
	Image string
	// Binds are such as "/data:/mnt:ro".
	Binds []string
	// GPU makes the node's GPUs usable inside (--nv).
	GPU bool
	// Options are further options of "exec", as they are.
	Options []string
}
