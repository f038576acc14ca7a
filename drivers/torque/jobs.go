package torque

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

const (
	// maxNamed is how many jobs Torque is asked for by name. For more, one query for
	// all jobs costs the server less; those that have ended are few among them.
	maxNamed = 100
	// maxListed is how many jobs are named in a command line. PBS is never asked for
	// all: its history may be that of weeks.
	maxListed = 1000
)

// Jobs asks after jobs with one qstat, in PBS with one for each 1000; see hpc.Manager. Torque forgets a job
// keep_completed seconds after its end, PBS after job_history_duration, and at
// once where job_history_enable is off, which it is unless the site sets it.
func (m *Manager) Jobs(ctx context.Context, ids []string) ([]*hpc.Job, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	if err := checkIDs("query", ids); err != nil {
		return nil, err
	}
	jobs, err := m.named(ctx, unique(ids))
	if err != nil {
		return nil, err
	}
	var found []*hpc.Job
	byNumber := index(jobs)
	for _, id := range ids {
		if j := find(byNumber[splitID(id).number], id); j != nil {
			found = append(found, j)
		}
	}
	return found, nil
}

// named asks for jobs by their names, or at least for all that are among them.
func (m *Manager) named(ctx context.Context, ids []string) ([]*hpc.Job, error) {
	kind, err := m.which(ctx)
	if err != nil {
		return nil, err
	}
	if kind == kindTorque && len(ids) > maxNamed {
		return m.query(ctx, true, nil)
	}
	var all []*hpc.Job
	for batch := range slices.Chunk(ids, maxListed) {
		jobs, err := m.query(ctx, true, batch)
		if err != nil {
			return nil, err
		}
		all = append(all, jobs...)
	}
	return all, nil
}

// List returns the jobs that qstat shows: those that have not ended, and in
// Torque those that it has not forgotten.
func (m *Manager) List(ctx context.Context, user string) ([]*hpc.Job, error) {
	jobs, err := m.query(ctx, false, nil)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(jobs, func(j *hpc.Job) bool { return user != "" && j.User != user }), nil
}

// Find returns the jobs of the shell's user that bear a tag, in order of their
// numbers. In PBS it asks for that user's jobs only, with qselect: the history
// of all may be long.
func (m *Manager) Find(ctx context.Context, tag string) ([]string, error) {
	kind, err := m.which(ctx)
	if err != nil {
		return nil, err
	}
	user, err := m.whoami(ctx)
	if err != nil {
		return nil, err
	}
	var jobs []*hpc.Job
	if kind == kindPBS {
		jobs, err = m.ownHistory(ctx, user)
	} else {
		jobs, err = m.query(ctx, true, nil)
	}
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, j := range jobs {
		if j.Tag == tag && j.User == user {
			ids = append(ids, j.ID)
		}
	}
	return ids, nil
}

// ownHistory returns a user's jobs of PBS, with those that have ended.
func (m *Manager) ownHistory(ctx context.Context, user string) ([]*hpc.Job, error) {
	args := []string{"qselect", "-u", user}
	if m.keepsHistory() {
		args = []string{"qselect", "-x", "-u", user}
	}
	r, err := m.run(ctx, args...)
	if err == nil && withoutHistory(r) {
		m.noHistory()
		r, err = m.run(ctx, "qselect", "-u", user)
	}
	if err != nil {
		return nil, err
	}
	if r.Code != 0 {
		return m.query(ctx, true, nil)
	}
	var ids []string
	for id := range strings.FieldsSeq(string(r.Stdout)) {
		if idForm.MatchString(id) {
			ids = append(ids, id)
		}
	}
	all, err := m.named(ctx, unique(ids))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b *hpc.Job) int { return compareIDs(a.ID, b.ID) })
	return all, nil
}

func (m *Manager) whoami(ctx context.Context) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.user != "" {
		return m.user, nil
	}
	r, err := m.shell.Run(ctx, hpc.Command{Args: []string{"id", "-un"}})
	if err != nil {
		return "", err
	}
	if r.Code != 0 {
		return "", failure("ask who the user is on", m.shell.Name(), r)
	}
	m.user = strings.TrimSpace(string(r.Stdout))
	return m.user, nil
}

// query runs qstat for some jobs, or for all, and returns them in order of their
// IDs, tasks within their arrays. ended asks PBS for those in its history too.
func (m *Manager) query(ctx context.Context, ended bool, ids []string) ([]*hpc.Job, error) {
	kind, err := m.which(ctx)
	if err != nil {
		return nil, err
	}
	var records []record
	if kind == kindTorque {
		records, err = m.queryTorque(ctx, ids)
	} else {
		records, err = m.queryPBS(ctx, ended, ids)
	}
	if err != nil {
		return nil, err
	}
	return gather(kind, records), nil
}

// queryTorque asks for XML, with -x. Without -t, a query for an array returns all
// jobs there are.
func (m *Manager) queryTorque(ctx context.Context, ids []string) ([]record, error) {
	r, err := m.qstat(ctx, []string{"-x", "-t"}, ids)
	if err != nil {
		return nil, err
	}
	records, err := parseXML(r.Stdout, "Job", "Job_Id")
	return records, m.unreadable(err)
}

// queryPBS asks for JSON. With -x it asks for the jobs of the history too, unless
// the server keeps none: then such a question has no answer but a complaint, and
// the exit code 0.
func (m *Manager) queryPBS(ctx context.Context, ended bool, ids []string) ([]record, error) {
	options := []string{"-t", "-f"}
	if ended && m.keepsHistory() {
		options = append([]string{"-x"}, options...)
	}
	asJSON := []string{"-F", "json"}
	r, err := m.qstat(ctx, slices.Concat(options, asJSON), ids)
	if err == nil && withoutHistory(r) {
		m.noHistory()
		options = options[1:]
		r, err = m.qstat(ctx, slices.Concat(options, asJSON), ids)
	}
	if err != nil {
		return nil, err
	}
	if records, err := parseJSON(r.Stdout, "Jobs"); err == nil {
		return records, nil
	}
	// Releases before 2021 print JSON that is none where users put quotes or
	// control characters into their variables.
	if r, err = m.qstat(ctx, options, ids); err != nil {
		return nil, err
	}
	records, err := parseText(r.Stdout)
	return records, m.unreadable(err)
}

func (m *Manager) qstat(ctx context.Context, options, ids []string) (hpc.Result, error) {
	r, err := m.run(ctx, slices.Concat([]string{"qstat"}, options, ids)...)
	if err == nil && r.Code != 0 && !onlyUnknown(string(r.Stderr)) {
		err = failure("query jobs on", m.shell.Name(), r)
	}
	return r, err
}

// unreadable makes an error of that of a parser: an answer may have been cut off.
func (m *Manager) unreadable(err error) error {
	if err == nil {
		return nil
	}
	return executor.MarkRetryable(&errs.Error{Code: errs.Unavailable, Op: "query jobs on", Subject: m.shell.Name(), Err: err})
}

// historyAgain is how long a server that keeps no history is not asked for one.
const historyAgain = time.Hour

func (m *Manager) keepsHistory() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Now().After(m.historyFrom)
}

func (m *Manager) noHistory() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.historyFrom = time.Now().Add(historyAgain)
}

// withoutHistory tells whether PBS says that it keeps no history: what it was
// asked for with -x is then not told at all.
func withoutHistory(r hpc.Result) bool {
	said := strings.ToLower(string(r.Stderr))
	return strings.Contains(said, "not configured to maintain job history") || strings.Contains(said, "job_history_enable is set to false")
}

// onlyUnknown tells whether all complaints of qstat are of jobs that it does not
// know: it prints the others, and exits with the code of the last that is unknown.
func onlyUnknown(complaints string) bool {
	any := false
	for _, line := range complaintsOf(complaints) {
		lower := strings.ToLower(line)
		if !strings.Contains(lower, "unknown job id") && !strings.Contains(lower, "job has finished") {
			return false
		}
		any = true
	}
	return any
}

// gather makes jobs of records and puts tasks into their arrays. Torque prints
// no record for an array among its tasks: it is made of them.
func gather(kind string, records []record) []*hpc.Job {
	var jobs []*hpc.Job
	arrays := map[string]*hpc.Job{}
	submitted := map[string][]int{}
	var tasks []record
	seen := make(map[string]bool, len(records)) // an array may be asked for together with a task of it
	for _, r := range records {
		id := splitID(r.id)
		switch {
		case seen[r.id]:
		case id.index >= 0:
			tasks = append(tasks, r)
		default:
			j := r.job(kind)
			jobs = append(jobs, j)
			if id.array {
				arrays[j.ID] = j
				submitted[j.ID] = submittedIndexes(r)
			}
		}
		seen[r.id] = true
	}
	for _, r := range tasks {
		task, key := r.job(kind), parent(r.id)
		array := arrays[key]
		if array == nil {
			array = &hpc.Job{ID: key, Name: task.Name, Tag: task.Tag, User: task.User, Queue: task.Queue,
				Submitted: task.Submitted, Eligible: task.Eligible, WorkDir: task.WorkDir, Index: -1, Raw: task.Raw}
			arrays[key] = array
			jobs = append(jobs, array)
			submitted[key] = submittedIndexes(r)
		}
		array.Tasks = append(array.Tasks, task)
	}
	for id, array := range arrays {
		if len(array.Tasks) > 0 {
			addForgotten(array, submitted[id])
			if kind == kindPBS {
				waitTogether(array)
			}
			settle(array)
			sumUp(array)
		}
	}
	slices.SortStableFunc(jobs, func(a, b *hpc.Job) int { return compareIDs(a.ID, b.ID) })
	return jobs
}

// waitTogether gives the tasks that have not begun the state of their array: PBS
// shows them as queued whatever the array waits for, and even when it has ended.
// An array that was not asked for itself has no state.
func waitTogether(array *hpc.Job) {
	if array.State == "" || array.State == hpc.Completed || !slices.Contains([]string{"H", "W", "Q", "F"}, array.Raw) {
		return
	}
	for _, t := range array.Tasks {
		if t.Raw == "Q" {
			t.State, t.Cause, t.Reason, t.By, t.Ended = array.State, array.Cause, array.Reason, array.By, array.Ended
		}
	}
}

// settle decides the tasks of an ended array of PBS that have no Exit_status of
// their own: all are well if the array is, or if the history, in which the array
// is by now, says so.
func settle(array *hpc.Job) {
	for _, t := range array.Tasks {
		if t.State != hpc.Completing || t.Raw != "X" && t.Raw != "F" || !array.State.Ended() {
			continue
		}
		finished := t.Reason == "Subjob finished"
		t.State = hpc.Unknown
		t.Reason = cmp.Or(t.Reason, "the manager does not tell how the task ended")
		if array.State == hpc.Completed || finished {
			t.State, t.Reason, t.Ended = hpc.Completed, "", array.Ended
		}
	}
}

// submittedIndexes returns the indexes that an array was submitted with, as far
// as the manager still shows its option.
func submittedIndexes(r record) []int {
	text := r.attrs["array_indices_submitted"]
	words := strings.Fields(cmp.Or(r.attrs["submit_args"], r.attrs["Submit_arguments"]))
	for i, w := range words {
		if text == "" && (w == "-t" || w == "-J") && i+1 < len(words) {
			text = words[i+1]
		}
	}
	if text == "" {
		return nil
	}
	indexes, err := parseIndexes(text)
	if err != nil {
		return nil
	}
	return indexes
}

// addForgotten adds the tasks that were submitted and are not shown any more:
// Torque forgets each task by itself while others run.
func addForgotten(array *hpc.Job, submitted []int) {
	slices.SortFunc(array.Tasks, func(a, b *hpc.Job) int { return cmp.Compare(a.Index, b.Index) })
	shown := map[int]bool{}
	for _, t := range array.Tasks {
		shown[t.Index] = true
	}
	before, server, _ := strings.Cut(array.ID, "[]")
	for _, i := range submitted {
		if !shown[i] {
			array.Tasks = append(array.Tasks, &hpc.Job{ID: before + "[" + strconv.Itoa(i) + "]" + server, Name: array.Name, Tag: array.Tag,
				User: array.User, Queue: array.Queue, State: hpc.Unknown, Reason: "the manager has forgotten the task", Index: i})
		}
	}
	slices.SortFunc(array.Tasks, func(a, b *hpc.Job) int { return cmp.Compare(a.Index, b.Index) })
}

// find returns the job or task with an ID; nil for none.
func find(jobs []*hpc.Job, id string) *hpc.Job {
	asked := splitID(id)
	for _, j := range jobs {
		if asked.is(splitID(j.ID)) {
			return j
		}
		for _, t := range j.Tasks {
			if asked.is(splitID(t.ID)) && t.Raw != "" {
				return t
			}
		}
	}
	return nil
}

// index groups jobs by number, so that many are found fast.
func index(jobs []*hpc.Job) map[int64][]*hpc.Job {
	by := make(map[int64][]*hpc.Job, len(jobs))
	for _, j := range jobs {
		n := splitID(j.ID).number
		by[n] = append(by[n], j)
	}
	return by
}

// unique drops words that come again, keeping their order.
func unique(words []string) []string {
	seen := make(map[string]bool, len(words))
	var kept []string
	for _, w := range words {
		if !seen[w] {
			seen[w] = true
			kept = append(kept, w)
		}
	}
	return kept
}
