package slurm

import (
	"regexp"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
)

// phase is what one of Slurm's words for a state means.
type phase struct {
	state hpc.JobState
	cause hpc.Cause
}

// phases are the states of squeue(1), "JOB STATE CODES", and of sacct(1), which
// has a subset; the last three are of releases after 22.05.
var phases = map[string]phase{
	"PENDING":       {hpc.Queued, ""},
	"REQUEUED":      {hpc.Queued, ""},
	"REQUEUE_FED":   {hpc.Queued, ""},
	"REQUEUE_HOLD":  {hpc.Held, ""},
	"RESV_DEL_HOLD": {hpc.Held, ""},
	"SPECIAL_EXIT":  {hpc.Held, ""}, // requeued and held by an epilog
	"CONFIGURING":   {hpc.Starting, ""},
	"RUNNING":       {hpc.Running, ""},
	"RESIZING":      {hpc.Running, ""},
	"SIGNALING":     {hpc.Running, ""},
	"SUSPENDED":     {hpc.Suspended, ""},
	"STOPPED":       {hpc.Suspended, ""},
	"COMPLETING":    {hpc.Completing, ""},
	"STAGE_OUT":     {hpc.Completing, ""},
	"COMPLETED":     {hpc.Completed, ""},
	"FAILED":        {hpc.Failed, hpc.ExitCode},
	"TIMEOUT":       {hpc.Failed, hpc.TimeLimit},
	"DEADLINE":      {hpc.Failed, hpc.TimeLimit},
	"OUT_OF_MEMORY": {hpc.Failed, hpc.OutOfMemory},
	"NODE_FAIL":     {hpc.Failed, hpc.NodeFailure},
	"BOOT_FAIL":     {hpc.Failed, hpc.NodeFailure},
	"PREEMPTED":     {hpc.Failed, hpc.Preempted},
	"CANCELLED":     {hpc.Canceled, hpc.CanceledByUser},
	"REVOKED":       {hpc.Canceled, ""}, // another cluster of the federation took it

	"POWER_UP_NODE": {hpc.Starting, ""},
	"EXPEDITING":    {hpc.Queued, ""},
	"LAUNCH_FAILED": {hpc.Failed, hpc.NodeFailure},
}

// hopeless are the reasons of squeue(1), "JOB REASON CODES", and of Slurm's page
// on resource limits, for which a waiting job will never start unless somebody
// changes the job or the cluster. Limits on what one job may ask for are known
// by their form: see perJob.
var hopeless = map[string]hpc.Cause{
	"DependencyNeverSatisfied": hpc.DependencyNeverSatisfied,
	"PartitionNodeLimit":       hpc.Impossible,
	"PartitionTimeLimit":       hpc.Impossible,
	"PartitionConfig":          hpc.Impossible,
	"BadConstraints":           hpc.Impossible,
	"InvalidAccount":           hpc.Impossible,
	"InvalidQOS":               hpc.Impossible,
	"AccountNotAllowed":        hpc.Impossible,
	"QOSNotAllowed":            hpc.Impossible,
	"DeadLine":                 hpc.TimeLimit,
}

// perJob matches the limits on one job, such as QOSMaxWallDurationPerJobLimit
// and AssocMaxNodePerJobLimit, but no limit on how much runs at a time, such as
// QOSMaxJobsPerUserLimit.
var perJob = regexp.MustCompile(`^(Assoc|QOS)(Max|Min)\w*(PerJob|PerNode|WallDuration\w*|MinCpuNotSatisfied)(Limit)?$|^MaxMemPerLimit$|^QOSMin\w+$`)

// describe sets the state, its cause and the reason by Slurm's words for them.
// The exit code and signal must be set before.
func describe(job *hpc.Job, word, reason string) {
	if reason = strings.TrimSpace(reason); reason != "None" && reason != "(null)" {
		job.Reason = reason
	}
	word, by, _ := strings.Cut(strings.TrimSpace(word), " by ")
	job.Raw, job.By = word, by
	p, known := phases[word]
	if !known {
		job.State = hpc.Unknown
		return
	}
	job.State, job.Cause = p.state, p.cause
	switch {
	case p.state == hpc.Queued || p.state == hpc.Held:
		waiting(job)
	case word == "FAILED":
		failed(job)
	case word == "CANCELLED" && by == "" && job.Reason == "DependencyNeverSatisfied":
		job.Cause = hpc.DependencyNeverSatisfied // by kill_invalid_depend
	}
}

// waiting tells held jobs and those that never start from the rest.
func waiting(job *hpc.Job) {
	switch {
	case strings.HasPrefix(job.Reason, "JobHeld"):
		job.State = hpc.Held
	case strings.HasPrefix(strings.ToLower(strings.ReplaceAll(job.Reason, "_", " ")), "launch failed requeued held"):
		job.State, job.Cause = hpc.Held, hpc.NodeFailure
	case perJob.MatchString(job.Reason):
		job.Cause = hpc.Impossible
	default:
		job.Cause = hopeless[job.Reason]
	}
}

// notLaunched is what slurmd says, as 0:53, of a script that it could not start.
const notLaunched = 53

// failed tells how a job FAILED. JobLaunchFailure is also what Slurm says of a
// script that a signal ended.
func failed(job *hpc.Job) {
	switch {
	case hopeless[job.Reason] != "":
		job.Cause = hopeless[job.Reason]
	case job.Signal == notLaunched:
		job.Cause, job.Signal = hpc.NodeFailure, 0
		job.Reason = "JobLaunchFailure: see whether its work directory and the folders of its output are there on the nodes"
	case job.Signal != 0:
		job.Cause = hpc.Signal
	case job.Reason == "JobLaunchFailure" || job.Reason == "NodeDown" || job.Reason == "SystemFailure":
		job.Cause = hpc.NodeFailure
	}
}
