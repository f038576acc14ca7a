package hpc

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// exits prints what wrappers have left: directory, file and content in a line.
const exits = `while IFS= read -r dir; do
	for file in "$dir"/job.exit*; do
		[ -f "$file" ] && case $file in *.new) ;; *) printf '%s\t%s\t%s\n' "$dir" "${file##*/}" "$(cat -- "$file")" ;; esac
	done
done
true`

// remember keeps the tasks of an array that have ended badly.
func (w *watched) remember() {
	if w.job == nil || w.watch == nil {
		return
	}
	for _, t := range w.job.Tasks {
		switch {
		case t.State.Ended() && t.State != Completed:
			if w.watch.bad == nil {
				w.watch.bad = map[int]*Job{}
			}
			w.watch.bad[t.Index] = t
		case t.State != Unknown:
			delete(w.watch.bad, t.Index) // it was queued anew
		}
	}
}

// unsettled tells whether the manager cannot say how a job has ended: it has
// forgotten it, or some tasks of the array that it is.
func (w *watched) unsettled() bool {
	switch {
	case w.job == nil || w.job.State == Unknown:
		return true
	case w.data.Tasks == 0 || slices.ContainsFunc(w.job.Tasks, func(t *Job) bool { return !t.left() }):
		return false
	}
	return !w.job.State.Ended() || len(w.job.Tasks) < w.data.Tasks
}

// left tells whether a job has ended, or has left the queue in a way unknown.
func (j *Job) left() bool { return j.State.Ended() || j.State == Unknown && j.Raw == "" }

// readExits reads, in one command, how those jobs ended that the manager has
// forgotten, or tasks of.
func (c *cluster) readExits(ctx context.Context, all []*watched) error {
	byDir := map[string]*watched{}
	var dirs strings.Builder
	for _, w := range all {
		if w.status == nil && w.id != "" && w.unsettled() {
			byDir[w.data.Dir] = w
			dirs.WriteString(w.data.Dir + "\n")
		}
	}
	if len(byDir) == 0 {
		return nil
	}
	r, err := c.shell.Run(ctx, Command{Args: []string{"sh", "-c", exits}, Stdin: []byte(dirs.String())})
	if err != nil {
		return err
	}
	ended := map[*watched][]*Job{}
	for line := range strings.Lines(string(r.Stdout)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(fields) != 3 || byDir[fields[0]] == nil {
			continue
		}
		if j := parseExit(strings.TrimPrefix(fields[1], exitFile), fields[2]); j != nil {
			w := byDir[fields[0]]
			j.ID, j.Name, j.WorkDir = w.id, w.data.Name, w.data.Dir
			ended[w] = append(ended[w], j)
		}
	}
	for _, w := range byDir {
		w.settle(ended[w])
	}
	return nil
}

// settle completes what the manager says by what the wrappers have left.
func (w *watched) settle(left []*Job) {
	if w.data.Tasks == 0 {
		if len(left) > 0 {
			w.job = left[0]
		}
		return
	}
	tasks := map[int]*Job{}
	for _, t := range left {
		t.ID = w.id + "[" + strconv.Itoa(t.Index) + "]"
		tasks[t.Index] = t
	}
	if w.watch != nil {
		maps.Copy(tasks, w.watch.bad)
	}
	if w.job != nil {
		for _, t := range w.job.Tasks {
			if t.State.Ended() || tasks[t.Index] == nil {
				tasks[t.Index] = t
			}
		}
	}
	known := 0
	for _, t := range tasks {
		if t.State.Ended() {
			known++
		}
	}
	switch {
	case known == 0:
	case known >= w.data.Tasks:
		w.job = together(w.id, w.job, slices.Collect(maps.Values(tasks)))
	case w.job != nil && w.job.State.Ended():
		w.forgotten = w.data.Tasks - known
		w.job = together(w.id, w.job, slices.Collect(maps.Values(tasks)))
	}
}

// parseExit makes a job of what a wrapper left; nil for what is no such line.
func parseExit(suffix, content string) *Job {
	fields := strings.Fields(content)
	if len(fields) < 4 {
		return nil
	}
	var n [3]int64
	for i := range n {
		v, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return nil
		}
		n[i] = v
	}
	j := &Job{State: Completed, Raw: "forgotten", Index: -1, Started: time.Unix(n[1], 0).UTC(), Ended: time.Unix(n[2], 0).UTC(), Nodes: []string{fields[3]}}
	j.Usage.Elapsed = j.Ended.Sub(j.Started)
	if i, err := strconv.Atoi(strings.TrimPrefix(suffix, ".")); err == nil {
		j.Index = i
	}
	switch code := int(n[0]); {
	case code > 128:
		j.State, j.Cause, j.Signal = Failed, Signal, code-128
	case code != 0:
		j.State, j.Cause, j.ExitCode = Failed, ExitCode, code
	}
	return j
}

// together makes one job of the tasks of an array, all of which have ended, and
// of what the manager says of the array, if anything.
func together(id string, of *Job, tasks []*Job) *Job {
	slices.SortFunc(tasks, func(a, b *Job) int { return a.Index - b.Index })
	whole := *tasks[0]
	if of != nil {
		whole = *of
	}
	whole.ID, whole.Index, whole.Nodes, whole.Tasks = id, -1, nil, tasks
	telling := tasks[0]
	for _, t := range tasks {
		if telling.State == Completed && t.State != Completed {
			telling = t
		}
		if !t.Started.IsZero() && (whole.Started.IsZero() || t.Started.Before(whole.Started)) {
			whole.Started = t.Started
		}
		if t.Ended.After(whole.Ended) {
			whole.Ended = t.Ended
		}
		for _, node := range t.Nodes {
			if !slices.Contains(whole.Nodes, node) {
				whole.Nodes = append(whole.Nodes, node)
			}
		}
	}
	whole.State, whole.Cause, whole.Raw, whole.Reason, whole.By = telling.State, telling.Cause, telling.Raw, telling.Reason, telling.By
	whole.ExitCode, whole.Signal = telling.ExitCode, telling.Signal
	if !whole.Started.IsZero() {
		whole.Usage.Elapsed = whole.Ended.Sub(whole.Started)
	}
	return &whole
}

// countIndexes counts the tasks of an array.
func countIndexes(a *Array) int {
	if a == nil {
		return 0
	}
	all := map[int]bool{} // some may be named twice
	for part := range strings.SplitSeq(a.Indexes, ",") {
		span, stepText, _ := strings.Cut(part, ":")
		from, to, ok := strings.Cut(span, "-")
		if !ok {
			to = from
		}
		first, _ := strconv.Atoi(from) // jobOf has checked the form
		last, _ := strconv.Atoi(to)
		step, _ := strconv.Atoi(stepText)
		for i := first; i <= last && len(all) < maxTasks; i += max(step, 1) {
			all[i] = true
		}
	}
	return len(all)
}

// maxTasks is as many tasks as an array of any manager may have (MaxArraySize of
// Slurm is at most 4000001).
const maxTasks = 4000001
