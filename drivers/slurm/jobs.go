package slurm

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

func taskID(array string, index int) string { return array + "_" + strconv.Itoa(index) }

// Jobs asks squeue(1) after jobs, and sacct(1) after those that squeue does not
// show any more, after those that have just ended, for what they used, and after
// the earlier tasks of arrays. IDs are those of jobs ("17"), arrays ("18") and
// tasks ("18_3").
//
// A cluster without accounting is no error: jobs that have left the queue are then
// left out, and an array has the tasks that the queue still shows (see MinJobAge
// in slurm.conf(5)). While the accounting of a cluster does not answer, jobs that
// are not in the queue are Unknown, with the Reason, and so are arrays without a
// task that waits or runs.
func (m *Manager) Jobs(ctx context.Context, ids []string) ([]*hpc.Job, error) {
	wanted := unique(ids)
	if len(wanted) == 0 {
		return nil, nil
	}
	var queued []entry
	for _, some := range batches(wanted) {
		entries, err := m.queue(ctx, "-j", some)
		if err != nil {
			return nil, err
		}
		queued = append(queued, entries...)
	}
	return pick(m.complete(ctx, wanted, queued), ids), nil
}

// longest is how long a list of IDs may be: Linux takes 128 KiB in one argument.
const longest = 64 << 10

// batches joins IDs to as few lists as commands take.
func batches(ids []string) []string {
	var all []string
	for len(ids) > 0 {
		n, size := 0, 0
		for n < len(ids) && size+len(ids[n]) < longest {
			size += len(ids[n]) + 1
			n++
		}
		all = append(all, strings.Join(ids[:n], ","))
		ids = ids[n:]
	}
	return all
}

// complete adds to what the queue says what the accounting says. Where that does
// not answer, jobs that have left the queue are Unknown, and arrays that may have
// such tasks; where there is none, they are left out.
func (m *Manager) complete(ctx context.Context, wanted []string, queued []entry) map[string]*hpc.Job {
	accounted, why := m.account(ctx, unsettled(wanted, queued))
	found := gather(queued, accounted)
	if why == "" {
		return found
	}
	for _, id := range wanted {
		switch job := found[id]; {
		case job == nil:
			found[id] = &hpc.Job{ID: id, State: hpc.Unknown, Index: -1, Reason: "it is not in the queue any more, and the accounting does not answer: " + why}
		case len(job.Tasks) > 0 && job.State.Ended(): // those that the queue still shows
			job.State, job.Cause, job.Raw = hpc.Unknown, "", ""
			job.Reason = "tasks may have left the queue, and the accounting does not answer: " + why
		}
	}
	return found
}

// pick returns the jobs that are found, in the order of ids.
func pick(found map[string]*hpc.Job, ids []string) []*hpc.Job {
	var jobs []*hpc.Job
	for _, id := range ids {
		if job := found[id]; job != nil {
			jobs = append(jobs, job)
		}
	}
	return jobs
}

// queue asks squeue(1) after jobs in all states.
func (m *Manager) queue(ctx context.Context, filter ...string) ([]entry, error) {
	args := append([]string{"squeue", "-h", "-a", "-t", "all", "-O", queueFormat()}, filter...)
	said, err := m.ask(ctx, m.options.Timeout, args...)
	switch {
	case err != nil:
		return nil, err
	case noSuchJob(said):
		return nil, nil
	case said.code != 0:
		return nil, refused("ask after", "jobs of Slurm", said)
	}
	return parseQueue(said.out), nil
}

// List returns the jobs that squeue(1) shows: those that wait and run, and those
// that have ended lately. Arrays are one job each.
func (m *Manager) List(ctx context.Context, user string) ([]*hpc.Job, error) {
	var filter []string
	if user != "" {
		filter = []string{"-u", user}
	}
	queued, err := m.queue(ctx, filter...)
	if err != nil {
		return nil, err
	}
	return tops(gather(queued, nil)), nil
}

// tops are the jobs that are no tasks, oldest first.
func tops(found map[string]*hpc.Job) []*hpc.Job {
	var jobs []*hpc.Job
	for _, job := range found {
		if job.Index < 0 {
			jobs = append(jobs, job)
		}
	}
	slices.SortFunc(jobs, func(a, b *hpc.Job) int { return cmp.Compare(count(a.ID), count(b.ID)) })
	return jobs
}

// Find returns the jobs that bear a tag in their comment: of those that squeue
// shows, and of those in the accounting of the last days (Options.History). The
// accounting has comments only where AccountingStoreFlags of slurm.conf(5) says
// so; it has the command line of sbatch(1) since 21.08, where the tag is too.
func (m *Manager) Find(ctx context.Context, tag string) ([]string, error) {
	if tag == "" {
		return nil, errs.New(errs.InvalidArgument, "find", "jobs", "an empty tag is that of all jobs")
	}
	user, err := m.whoami(ctx)
	if err != nil {
		return nil, err
	}
	queued, err := m.queue(ctx, "-u", user)
	if err != nil {
		return nil, err
	}
	ids := map[string]bool{}
	for _, e := range queued {
		if e.Tag == tag {
			ids[cmp.Or(e.array, e.ID)] = true
		}
	}
	for _, id := range m.findAccounted(ctx, user, tag) {
		ids[id] = true
	}
	return slices.SortedFunc(maps.Keys(ids), func(a, b string) int { return cmp.Compare(count(a), count(b)) }), nil
}

// findAccounted looks for a tag in the accounting.
func (m *Manager) findAccounted(ctx context.Context, user, tag string) []string {
	if !m.mayAccount() {
		return nil
	}
	since := fmt.Sprintf("now-%dhours", int(m.options.History.Hours())+1)
	said, err := m.sacct(ctx, "-X", "-u", user, "-S", since, "-o", "JobID,Comment,SubmitLine")
	if err != nil {
		return nil
	}
	return parseTagged(said, tag)
}

// parseTagged returns the jobs in what sacct printed whose comment is a tag, or
// whose command line has it.
func parseTagged(text, tag string) []string {
	var ids []string
	for _, f := range records(text, 3) {
		id, _, _ := strings.Cut(f[0], "_")
		if f[1] != tag && !slices.Contains(strings.Fields(f[2]), "--comment="+tag) || !jobID.MatchString(id) {
			continue
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// unique returns the IDs that can be some, each once.
func unique(ids []string) []string {
	seen := map[string]bool{}
	var all []string
	for _, id := range ids {
		if jobID.MatchString(id) && !seen[id] {
			seen[id] = true
			all = append(all, id)
		}
	}
	return all
}

// unsettled returns the IDs after which the accounting is asked.
func unsettled(wanted []string, queued []entry) []string {
	live := map[string]bool{}
	for _, e := range queued {
		if e.array != "" {
			live[e.ID] = live[e.ID] || !e.State.Ended()
			continue // earlier tasks of the array may have left the queue
		}
		live[e.ID] = !e.State.Ended()
	}
	return slices.DeleteFunc(slices.Clone(wanted), func(id string) bool { return live[id] })
}

// gather makes jobs of entries: tasks are put into their arrays. What the queue
// says counts; the accounting is behind by some seconds.
func gather(queued, accounted []entry) map[string]*hpc.Job {
	found := map[string]*hpc.Job{}
	array := map[string]string{}
	for _, e := range queued {
		found[e.ID], array[e.ID] = e.Job, e.array
	}
	for _, e := range accounted {
		if job := found[e.ID]; job != nil {
			enrich(job, e.Job)
			continue
		}
		if !e.State.Ended() { // it has left the queue, so it has ended somehow
			e.Reason = "it has left the queue, and the accounting is behind: it says " + e.Raw
			e.State, e.Cause, e.Raw = hpc.Unknown, "", ""
		}
		found[e.ID], array[e.ID] = e.Job, e.array
	}
	arrays := map[string]*hpc.Job{}
	for id, of := range array {
		if of == "" {
			continue
		}
		if arrays[of] == nil {
			arrays[of] = &hpc.Job{ID: of, Index: -1}
		}
		arrays[of].Tasks = append(arrays[of].Tasks, found[id])
	}
	for id, job := range arrays {
		slices.SortFunc(job.Tasks, func(a, b *hpc.Job) int { return cmp.Compare(a.Index, b.Index) })
		sumUp(job)
		found[id] = job
	}
	return found
}

// enrich adds to an ended job what only the accounting knows.
func enrich(job, accounted *hpc.Job) {
	if !job.State.Ended() || job.State != accounted.State {
		return
	}
	if accounted.By != "" {
		job.By, job.Cause = accounted.By, accounted.Cause
	}
	if job.Reason == "" {
		job.Reason = accounted.Reason
	}
	if job.State == hpc.Canceled || job.Cause == hpc.TimeLimit {
		job.ExitCode, job.Signal = accounted.ExitCode, accounted.Signal // of the script
	}
	job.Usage = accounted.Usage
}

// sumUp makes an array of its tasks, as hpc.Job.Tasks says.
func sumUp(array *hpc.Job) {
	first := array.Tasks[0]
	array.Name, array.Tag, array.User, array.Queue, array.WorkDir = first.Name, first.Tag, first.User, first.Queue, first.WorkDir
	array.Submitted, array.Eligible = first.Submitted, first.Eligible
	for _, t := range array.Tasks {
		if !t.Started.IsZero() && (array.Started.IsZero() || t.Started.Before(array.Started)) {
			array.Started = t.Started
		}
		if t.Ended.After(array.Ended) {
			array.Ended = t.Ended
		}
		for _, n := range t.Nodes {
			if !slices.Contains(array.Nodes, n) {
				array.Nodes = append(array.Nodes, n)
			}
		}
		array.Requeues = max(array.Requeues, t.Requeues)
		array.Usage.CPU += t.Usage.CPU
		array.Usage.MaxMemory = max(array.Usage.MaxMemory, t.Usage.MaxMemory)
	}
	slices.Sort(array.Nodes)
	telling := tellingOf(array.Tasks)
	array.State, array.Cause, array.Raw, array.Reason, array.By = telling.State, telling.Cause, telling.Raw, telling.Reason, telling.By
	array.ExitCode, array.Signal = telling.ExitCode, telling.Signal
	if !array.State.Ended() {
		array.Ended = time.Time{}
	}
}

// tellingOf returns a job that says how an array is, of the sort that hpc.Job.Tasks
// describes: it runs while something is to come. An array of which all tasks wait
// waits as its first does.
func tellingOf(tasks []*hpc.Job) *hpc.Job {
	var waits, completes, wrong *hpc.Job
	begun := false
	for _, t := range tasks {
		switch {
		case t.State == hpc.Queued || t.State == hpc.Held:
			waits = cmp.Or(waits, t)
			continue
		case t.State == hpc.Completing:
			completes = cmp.Or(completes, t)
		case !t.State.Ended():
			return &hpc.Job{State: hpc.Running, Raw: t.Raw}
		case t.State != hpc.Completed:
			wrong = cmp.Or(wrong, t)
		}
		begun = true
	}
	switch {
	case waits != nil && begun:
		return &hpc.Job{State: hpc.Running, Raw: waits.Raw, Reason: waits.Reason}
	default:
		return cmp.Or(waits, completes, wrong, tasks[0])
	}
}
