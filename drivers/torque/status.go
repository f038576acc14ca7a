package torque

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
)

// tagVariable is the variable of a job that holds JobSpec.Tag; qstat shows it in
// Variable_List.
const tagVariable = "ORCHESTRATOR_TAG"

// job makes a job of what a manager prints of it.
func (r record) job(kind string) *hpc.Job {
	a := r.attrs
	owner, _, _ := strings.Cut(a["Job_Owner"], "@")
	j := &hpc.Job{
		ID: r.id, Name: a["Job_Name"], User: owner, Queue: a["queue"], Raw: a["job_state"], Reason: a["comment"],
		Tag:       r.variable(tagVariable),
		Submitted: instant(a["ctime"]), Eligible: instant(a["etime"]),
		Started: instant(cmp.Or(a["start_time"], a["stime"])),
		Nodes:   hostNames(a["exec_host"]),
		WorkDir: cmp.Or(a["init_work_dir"], r.variable("PBS_O_WORKDIR")),
		Index:   splitID(r.id).index,
		Usage: hpc.Usage{Elapsed: span(a["resources_used.walltime"]), CPU: span(a["resources_used.cput"]),
			MaxMemory: size(a["resources_used.mem"])},
	}
	if j.Index >= 0 {
		j.Name = strings.TrimSuffix(j.Name, "-"+strconv.Itoa(j.Index))
	}
	if starts, err := strconv.Atoi(cmp.Or(a["start_count"], a["run_count"])); err == nil && starts > 1 {
		j.Requeues = starts - 1
	}
	if kind == kindPBS {
		pbsState(j, a)
	} else {
		torqueState(j, a)
	}
	if j.State.Ended() {
		j.Ended = instant(cmp.Or(a["comp_time"], a["obittime"], a["history_timestamp"], a["mtime"]))
	}
	return j
}

// torqueState maps what qstat(1B) of Torque calls job_state and exit_status.
func torqueState(j *hpc.Job, a map[string]string) {
	if j.Raw != "C" {
		liveState(j, a)
		return
	}
	status, err := strconv.Atoi(a["exit_status"])
	switch {
	case err != nil: // it has never run
		j.State, j.Cause = hpc.Canceled, hpc.CanceledByUser
	case strings.Contains(j.Reason, "result of dependency"):
		j.State, j.Cause = hpc.Failed, hpc.DependencyNeverSatisfied
	case status == 256+15 && overran(a): // before Torque 6
		j.State, j.Cause = hpc.Failed, hpc.TimeLimit
	case status == 256+15: // what qdel leaves, whatever the script returned
		j.State, j.Cause, j.Signal = hpc.Canceled, hpc.CanceledByUser, 15
	case status < 0:
		j.State, j.Cause = hpc.Failed, torqueCauses[status]
		if j.Cause == "" {
			j.Cause = hpc.NodeFailure
		}
	default:
		exited(j, status)
	}
}

// overran tells whether a job has used its walltime up.
func overran(a map[string]string) bool {
	limit := span(a["Resource_List.walltime"])
	return limit > 0 && span(a["resources_used.walltime"]) >= limit
}

// torqueCauses are the negative codes of Torque's MOM that tell of a limit
// (Torque Administrator Guide, "Job exit status"); the others say that the job
// could not be started there.
var torqueCauses = map[int]hpc.Cause{-10: hpc.OutOfMemory, -11: hpc.TimeLimit, -12: hpc.TimeLimit}

// pbsCauses are those of PBS (JOB_EXEC_KILL_*: VMEM, MEM, CPUT, WALLTIME, HPMEM).
var pbsCauses = map[int]hpc.Cause{-26: hpc.OutOfMemory, -27: hpc.OutOfMemory, -28: hpc.TimeLimit, -29: hpc.TimeLimit, -31: hpc.OutOfMemory}

// pbsRefusals are the negative codes of PBS that another try does not help: the
// others say that a node, or its MOM, could not start the job or was lost.
var pbsRefusals = map[int]string{-10: "the account is not known on the node", -13: "the password is wrong",
	-17: "a hook of the site refused it", -19: "a hook of the site deleted it", -21: "a security breach in the folder of PBS",
	-23: "no Kerberos credentials", -24: "it used more processors than it asked for", -25: "it used more processors than it asked for"}

// Substates of jobs in PBS's history.
const (
	substateTerminated = "91" // by qdel
	substatePrerun     = "41"
)

// pbsState maps what qstat(1B) of PBS calls job_state, substate and Exit_status.
func pbsState(j *hpc.Job, a map[string]string) {
	switch j.Raw {
	case "F", "X": // X is a task that has ended in an array that has not
	case "R":
		liveState(j, a)
		if a["substate"] == substatePrerun {
			j.State = hpc.Starting
		}
		return
	case "M":
		j.State, j.Reason = hpc.Unknown, cmp.Or(j.Reason, "moved to another server")
		return
	default:
		liveState(j, a)
		return
	}
	status, err := strconv.Atoi(a["Exit_status"])
	cause := pbsCauses[status]
	if cause == "" {
		cause = exceeded(j.Reason)
	}
	if cause == "" && status == 256+15 && overran(a) { // before 2020
		cause = hpc.TimeLimit
	}
	switch {
	case subjob(j):
	case a["substate"] == substateTerminated:
		terminated(j)
		if err == nil && status > 256 {
			j.Signal = status - 256
		}
	case err != nil && waitsFor(a["depend"]):
		// Success is substate 92 with an Exit_status, and only that.
		j.State, j.Cause = hpc.Failed, hpc.DependencyNeverSatisfied
	case err != nil && j.Raw == "X":
		j.State = hpc.Completing
	case err != nil:
		j.State = hpc.Failed
	case cause != "":
		j.State, j.Cause = hpc.Failed, cause
	case pbsRefusals[status] != "":
		j.State, j.Reason = hpc.Failed, cmp.Or(j.Reason, "PBS did not run it")+": "+pbsRefusals[status]
	case status < 0:
		j.State, j.Cause = hpc.Failed, hpc.NodeFailure
	default:
		exited(j, status)
	}
}

// subjob reads how a task ended of which PBS keeps no record of its own. All that
// it shows of one is the array's, but for the comment, which counts with a history
// only: without one it is "Subjob finished" for all.
func subjob(j *hpc.Job) bool {
	switch j.Reason {
	case "Subjob finished":
		j.State = hpc.Completing
	case "Subjob failed":
		j.State = hpc.Failed
	case "Subjob terminated":
		j.State, j.Cause = hpc.Canceled, hpc.CanceledByUser
	default:
		return false
	}
	return true
}

// terminated reads who ended a job from "... and terminated by user@host".
func terminated(j *hpc.Job) {
	j.State, j.Cause = hpc.Canceled, hpc.CanceledByUser
	_, by, found := strings.Cut(j.Reason, "terminated by ")
	if !found {
		return
	}
	j.By = strings.TrimSpace(by)
	if user, _, _ := strings.Cut(j.By, "@"); user != j.User {
		j.Cause = hpc.CanceledByAdmin
	}
}

// exceeded reads the resource from "... and exceeded resource walltime".
func exceeded(comment string) hpc.Cause {
	_, resource, found := strings.Cut(comment, "exceeded resource ")
	switch {
	case !found:
		return ""
	case strings.Contains(resource, "mem"):
		return hpc.OutOfMemory
	case strings.Contains(resource, "walltime"), strings.Contains(resource, "cput"):
		return hpc.TimeLimit
	}
	return ""
}

// exited maps the exit status of a script: 256 and more is the signal that ended
// it, 129 and more that of a process for which the shell returned.
func exited(j *hpc.Job, status int) {
	const signals = 64
	j.ExitCode = status
	switch {
	case status == 0:
		j.State = hpc.Completed
	case status > 256:
		j.State, j.Cause, j.Signal, j.ExitCode = hpc.Failed, hpc.Signal, status-256, 128+(status-256)
	case status > 128 && status <= 128+signals:
		j.State, j.Cause, j.Signal = hpc.Failed, hpc.Signal, status-128
	default:
		j.State, j.Cause = hpc.Failed, hpc.ExitCode
	}
}

// liveState maps the states that Torque and PBS have in common.
func liveState(j *hpc.Job, a map[string]string) {
	switch j.Raw {
	case "Q", "T": // T is on its way to another queue
		j.State = hpc.Queued
		if strings.Contains(j.Reason, "Can Never Run") {
			j.Cause = hpc.Impossible
		}
	case "W":
		j.State = hpc.Queued
		if at := instant(a["Execution_Time"]); !at.IsZero() {
			j.Reason = cmp.Or(j.Reason, "waits until "+at.Format(time.RFC3339))
		}
	case "H":
		heldState(j, a)
	case "R", "B": // B is an array of which a task has started
		j.State = hpc.Running
	case "S", "U":
		j.State = hpc.Suspended
	case "E":
		j.State = hpc.Completing
	default:
		j.State = hpc.Unknown
	}
}

// heldState tells a job that somebody must release from one that the manager
// releases by itself: for a dependency, or for the limit of an array.
func heldState(j *hpc.Job, a map[string]string) {
	holds, depend := a["Hold_Types"], a["depend"]
	switch {
	case strings.ContainsAny(holds, "uop"):
		j.State = hpc.Held
		j.Reason = cmp.Or(j.Reason, "held by "+map[bool]string{true: "the user", false: "the operator"}[strings.Contains(holds, "u")])
	case waitsFor(depend):
		j.State = hpc.Queued
		j.Reason = cmp.Or(j.Reason, "waits for "+depend)
	case j.Index >= 0:
		j.State = hpc.Queued
		j.Reason = cmp.Or(j.Reason, "waits for the limit of the array")
	default:
		j.State = hpc.Held
	}
}

// waitsFor tells whether the dependencies make a job wait; "beforeok" and the
// like are the other side of them.
func waitsFor(depend string) bool {
	for d := range strings.SplitSeq(depend, ",") {
		if strings.HasPrefix(d, "after") || strings.HasPrefix(d, "on:") || strings.HasPrefix(d, "runone") {
			return true
		}
	}
	return false
}

// variable returns a variable of Variable_List, which PBS's JSON prints as an
// object and everything else as NAME=value with commas between.
func (r record) variable(name string) string {
	if v, ok := r.attrs["Variable_List."+name]; ok {
		return v
	}
	list := r.attrs["Variable_List"]
	for rest := list; ; {
		i := strings.Index(rest, name+"=")
		if i < 0 {
			return ""
		}
		if i == 0 || rest[i-1] == ',' {
			value, _, _ := strings.Cut(rest[i+len(name)+1:], ",")
			return value
		}
		rest = rest[i+len(name):]
	}
}

// instant reads a time: seconds since 1970, or a date such as "Mon Nov 23
// 22:11:00 2026", which is in UTC because the commands run with TZ=UTC.
func instant(text string) time.Time {
	if text == "" {
		return time.Time{}
	}
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		if seconds <= 0 || seconds > math.MaxInt32*64 {
			return time.Time{}
		}
		return time.Unix(seconds, 0).UTC()
	}
	t, err := time.Parse(time.ANSIC, text)
	if err != nil {
		return time.Time{}
	}
	return t
}

// span reads a duration: [[hours:]minutes:]seconds.
func span(text string) time.Duration {
	if text == "" {
		return 0
	}
	var total int64
	for part := range strings.SplitSeq(text, ":") {
		n, err := strconv.ParseFloat(part, 64)
		if err != nil || !(n >= 0 && n < 1e9) || total > 1e8 {
			return 0
		}
		total = total*60 + int64(n)
	}
	return time.Duration(min(total, int64(math.MaxInt64/time.Second))) * time.Second
}

// size reads a number of bytes: "6664kb", "2gb", "1024", "5mw" (words of 8 bytes).
func size(text string) int64 {
	text = strings.ToLower(strings.TrimSpace(text))
	digits := strings.TrimRight(text, "bwkmgtp")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	factor := int64(1)
	unit := text[len(digits):]
	if strings.HasSuffix(unit, "w") {
		factor = 8
	}
	if len(unit) > 0 {
		if power := strings.IndexByte("kmgtp", unit[0]); power >= 0 {
			factor <<= 10 * (power + 1)
		}
	}
	if n > math.MaxInt64/factor {
		return 0
	}
	return n * factor
}

// hostNames reads exec_host: "node1/0+node1/1+node2/0-3" or "node1/0*4".
func hostNames(execHost string) []string {
	var names []string
	for part := range strings.SplitSeq(execHost, "+") {
		name, _, _ := strings.Cut(strings.Trim(part, "() "), "/")
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
