package torque

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// jobID is the parts of an ID: 27.srv, 27[].srv of an array and 27[2].srv of
// its task. The server may be missing in what a user asks for.
type jobID struct {
	number int64
	array  bool // is an array or a task of one
	index  int  // of a task, else -1
	server string
}

var idForm = regexp.MustCompile(`^(\d{1,18})(?:\[(\d{0,9})\])?(?:\.([A-Za-z0-9._:-]+))?$`)

// splitID takes an ID apart; the zero jobID for what is none.
func splitID(id string) jobID {
	m := idForm.FindStringSubmatch(id)
	if m == nil {
		return jobID{index: -1}
	}
	parsed := jobID{index: -1, array: strings.Contains(id, "["), server: m[3]}
	parsed.number, _ = strconv.ParseInt(m[1], 10, 64)
	if m[2] != "" {
		parsed.index, _ = strconv.Atoi(m[2])
	}
	return parsed
}

// parent returns the ID of the array that a task belongs to; any other as it is.
func parent(id string) string {
	before, rest, found := strings.Cut(id, "[")
	if !found {
		return id
	}
	_, server, _ := strings.Cut(rest, "]")
	return before + "[]" + server
}

// is tells whether the manager's id is the job that was asked for.
func (asked jobID) is(id jobID) bool {
	return asked.number == id.number && asked.array == id.array && asked.index == id.index &&
		(asked.server == "" || id.server == "" || asked.server == id.server)
}

// checkIDs refuses what is no ID, before it gets into a command line.
func checkIDs(op string, ids []string) error {
	for _, id := range ids {
		if !idForm.MatchString(id) {
			return errs.New(errs.InvalidArgument, op, "job "+id, "not an ID such as 27.server, 27[].server or 27[2].server")
		}
	}
	return nil
}

// sumUp gives an array the state that hpc.Job.Tasks prescribes. A task that the
// manager has forgotten is Unknown, and so is then an array that looks completed.
func sumUp(array *hpc.Job) {
	var failed, unknown *hpc.Job
	started := false
	live := 0
	for _, t := range array.Tasks {
		switch {
		case t.State == hpc.Unknown:
			unknown = t
		case !t.State.Ended():
			live++
			started = started || t.State != hpc.Queued && t.State != hpc.Held
		default:
			started = true
			if t.State != hpc.Completed && failed == nil {
				failed = t
			}
		}
	}
	switch {
	case live > 0 && started:
		array.State = hpc.Running
	case live > 0:
		array.State, array.Cause, array.Reason = array.Tasks[0].State, array.Tasks[0].Cause, array.Tasks[0].Reason
	case failed != nil:
		array.State, array.Cause, array.Reason, array.By = failed.State, failed.Cause, failed.Reason, failed.By
		array.ExitCode, array.Signal = failed.ExitCode, failed.Signal
	case unknown != nil:
		array.State, array.Reason = hpc.Unknown, unknown.Reason
	default:
		array.State = hpc.Completed
	}
	for _, t := range array.Tasks {
		if !t.Started.IsZero() && (array.Started.IsZero() || t.Started.Before(array.Started)) {
			array.Started = t.Started
		}
		if array.State.Ended() && t.Ended.After(array.Ended) {
			array.Ended = t.Ended
		}
		array.Usage.CPU += t.Usage.CPU
		array.Usage.MaxMemory = max(array.Usage.MaxMemory, t.Usage.MaxMemory)
	}
	if array.State.Ended() && !array.Started.IsZero() {
		array.Usage.Elapsed = array.Ended.Sub(array.Started)
	}
}
