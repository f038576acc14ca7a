package slurm

import (
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
)

// queueFields are those of squeue -O that we ask for; what somebody else writes
// stands last. With a suffix and no width they are printed in full: squeue(1),
// since 20.02.
var queueFields = []string{
	"JobID", "ArrayJobID", "ArrayTaskID", "State", "Reason", "exit_code", "RestartCnt", "UserName", "Partition", "NodeList",
	"SubmitTime", "EligibleTime", "StartTime", "EndTime", "TimeUsed", "WorkDir", "Name", "Comment",
}

// queueFormat is the argument of squeue -O.
func queueFormat() string { return strings.Join(queueFields, ":"+separator+",") + ":" + separator }

// entry is a line of squeue or sacct: a job, or a task of an array.
type entry struct {
	*hpc.Job
	// array is the ID of the array that it is a task of; empty for a plain job.
	array string
	// uid is the number of the user that owns it, where it was asked for.
	uid string
}

// parseQueue reads what squeue printed in queueFormat. Tasks of an array that
// wait are folded into one record, which becomes one entry for each.
func parseQueue(text string) []entry {
	var all []entry
	for _, f := range records(text, len(queueFields)) {
		job := &hpc.Job{
			ID: f[0], User: f[7], Queue: f[8], Nodes: expandNodes(known(f[9])), WorkDir: known(f[15]),
			Name: f[16], Tag: known(f[17]), Index: -1,
			Submitted: parseTime(f[10]), Eligible: parseTime(f[11]), Requeues: count(f[6]),
		}
		job.ExitCode, job.Signal = parseExit(f[5])
		describe(job, f[3], f[4])
		job.Usage.Elapsed = parseElapsed(f[14])
		// What has not begun or ended has a time at which it is expected to.
		switch job.State {
		case hpc.Queued, hpc.Held:
		default:
			job.Started = parseTime(f[12])
		}
		if job.State.Ended() || job.State == hpc.Completing {
			job.Ended = parseTime(f[13])
		}
		if !jobID.MatchString(job.ID) {
			continue
		}
		all = unfold(all, job, f[1], f[2], "")
	}
	return all
}

// unfold adds the entries that a record stands for; none where the array is no ID.
func unfold(all []entry, job *hpc.Job, array, indexes, uid string) []entry {
	if known(indexes) == "" {
		return append(all, entry{job, "", uid})
	}
	if !jobID.MatchString(array) {
		return all
	}
	for _, index := range expandIndexes(indexes) {
		task := *job
		task.ID, task.Index = taskID(array, index), index
		all = append(all, entry{&task, array, uid})
	}
	return all
}
