package hpc

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// judge makes a status of what is known of a job; nil where it says nothing.
func (d *Driver) judge(ctx context.Context, c *cluster, w *watched) *executor.Status {
	j := w.job
	if j == nil || w.forgotten > 0 {
		if w.watch.gone.IsZero() {
			w.watch.gone = time.Now()
		}
		if time.Since(w.watch.gone) < missed {
			return nil
		}
		if j == nil || j.State == Completed {
			return lost(c, w)
		}
	} else {
		w.watch.gone = time.Time{}
	}
	bySignal(j)
	for _, t := range j.Tasks {
		bySignal(t)
	}
	switch {
	case w.data.Serves && j.State == Running:
		return &executor.Status{State: executor.Succeeded, Outputs: outputsOf(j, w)}
	case w.data.Serves && j.State == Completed:
		return d.failed(ctx, c, w)
	case j.State == Completed:
		return d.completed(c, w)
	case j.State.Ended():
		return d.failed(ctx, c, w)
	case j.Cause == DependencyNeverSatisfied, j.Cause == Impossible && d.outOfPatience(w):
		if err := c.manager.Cancel(ctx, w.id); err != nil {
			d.config.Logger.Warn("cannot cancel a job", "job", w.id, "error", err)
			return nil
		}
		failed := *j
		failed.State = Failed
		w.job = &failed
		return d.failed(ctx, c, w)
	}
	if j.Cause != Impossible {
		w.watch.never = time.Time{}
	}
	w.tell()
	return &executor.Status{State: executor.Running, Detail: detailOf(j)}
}

// tell puts into the operation's log why a job waits, where that has changed:
// unlike a detail it is kept.
func (w *watched) tell() {
	text := ""
	switch w.job.State {
	case Queued, Held, Suspended:
		text = detailOf(w.job)
	}
	if text != "" && text != w.watch.told && w.watch.log != nil {
		fmt.Fprintln(w.watch.log, text)
	}
	w.watch.told = text
}

// lost ends a job, or an array with tasks, of which nobody knows how it ended.
func lost(c *cluster, w *watched) *executor.Status {
	what, j := "it, and it", w.job
	if j != nil {
		what = fmt.Sprintf("%d of its %d tasks, and they", w.forgotten, w.data.Tasks)
	} else {
		j = &Job{ID: w.id, Raw: "forgotten"}
	}
	return &executor.Status{State: executor.Lost, Outputs: outputsOf(j, w), Err: &errs.Error{
		Code: errs.Unavailable, Op: "run", Subject: "job " + w.id,
		Err:  fmt.Errorf("%s has forgotten %s left no exit code in %s", c.manager.Name(), what, w.data.Dir),
		Hint: "it was canceled while it waited, or killed with its node"}}
}

// outOfPatience tells whether a job that can never start has been seen as one
// for Config.ImpossiblePatience.
func (d *Driver) outOfPatience(w *watched) bool {
	if w.watch.never.IsZero() {
		w.watch.never = time.Now()
	}
	return d.config.ImpossiblePatience >= 0 && time.Since(w.watch.never) >= d.config.ImpossiblePatience
}

// bySignal tells a program that a signal ended from one that returned a code:
// the wrapper returns 128 and the signal's number, as shells do.
func bySignal(j *Job) {
	if n := j.ExitCode - 128; j.Cause == ExitCode && n > 0 && n <= 64 {
		j.Cause, j.Signal, j.ExitCode = Signal, n, 0
	}
}

// detailOf is what to show of a job that goes on.
func detailOf(j *Job) string {
	text := "job " + j.ID + " is " + string(j.State)
	switch {
	case len(j.Tasks) > 0:
		ended := 0
		for _, t := range j.Tasks {
			if t.State.Ended() {
				ended++
			}
		}
		text += fmt.Sprintf(", %d of %d tasks have ended", ended, len(j.Tasks))
	case j.State == Running && len(j.Nodes) > 0:
		text += " on " + strings.Join(j.Nodes, ", ")
	}
	if j.Reason != "" && j.State != Running {
		text += ": " + j.Reason
	}
	if j.Cause == Impossible {
		text += " (it can never start: ask for less, or for another queue)"
	}
	return text
}

// completed ends a job that did well: with its results, where some are to be fetched.
func (d *Driver) completed(c *cluster, w *watched) *executor.Status {
	outputs := outputsOf(w.job, w)
	if len(w.data.Out) == 0 {
		return &executor.Status{State: executor.Succeeded, Outputs: outputs}
	}
	watch := w.watch
	watch.mu.Lock()
	defer watch.mu.Unlock()
	if !watch.fetching {
		watch.fetching = true
		d.wg.Go(func() {
			files, err := d.stageOut(watch.ctx, c, w)
			s := &executor.Status{State: executor.Succeeded, Outputs: outputs}
			list := make([]any, len(files))
			for i, f := range files {
				list[i] = f
			}
			outputs["results"] = list
			watch.mu.Lock()
			defer watch.mu.Unlock()
			watch.fetching = false
			switch {
			case errs.CodeOf(err) == errs.Unavailable:
				d.config.Logger.Warn("cannot fetch results now", "job", w.id, "error", err)
				return // the next question begins again, where this one stopped
			case err != nil && watch.ctx.Err() != nil:
				s = &executor.Status{State: executor.Canceled, Outputs: outputs, Err: watch.ctx.Err()}
			case err != nil:
				s = &executor.Status{State: executor.Failed, Outputs: outputs, Err: err}
			}
			watch.final = s
		})
	}
	return &executor.Status{State: executor.Running, Detail: "job " + w.id + " has completed; its results are being fetched"}
}

// failed ends a job that did not do well.
func (d *Driver) failed(ctx context.Context, c *cluster, w *watched) *executor.Status {
	j := w.job
	if j.Cause == OutOfMemory {
		if err := c.shell.WriteFile(ctx, path.Join(w.data.Dir, memoryFile), []byte("\n"), 0o644); err != nil {
			d.config.Logger.Warn("cannot note that a job ran out of memory", "job", w.id, "error", err)
			return nil
		}
	}
	said := c.lastWords(ctx, w)
	err := error(&errs.Error{Code: codeOf(j), Op: "run", Subject: "job " + w.id, Err: fmt.Errorf("%s%s", explain(j), said), Hint: hintOf(j, w)})
	s := &executor.Status{State: executor.Failed, Outputs: outputsOf(j, w), Err: err}
	switch {
	case j.Cause == DependencyNeverSatisfied && w.data.Chained:
		s.Err = executor.MarkDependent(err)
	case j.State == Canceled && j.Cause != Preempted && j.Cause != NodeFailure:
		s.State = executor.Canceled
	case j.Cause == NodeFailure, j.Cause == Preempted, j.Cause == OutOfMemory && w.data.Factor > 1:
		s.Err = executor.MarkRetryable(err)
	}
	return s
}

func codeOf(j *Job) errs.Code {
	switch {
	case j.Cause == NodeFailure, j.Cause == Preempted:
		return errs.Unavailable
	case j.State == Canceled:
		return errs.Canceled
	case j.Cause == TimeLimit:
		return errs.DeadlineExceeded
	case j.Cause == DependencyNeverSatisfied, j.Cause == Impossible:
		return errs.FailedPrecondition
	}
	return errs.Failed
}

// explain says how a job ended.
func explain(j *Job) string {
	var text string
	switch j.Cause {
	case ExitCode:
		text = fmt.Sprintf("exit code %d", j.ExitCode)
	case Signal:
		text = fmt.Sprintf("ended by signal %d", j.Signal)
	case TimeLimit:
		text = "it reached its time limit"
	case OutOfMemory:
		text = "it ran out of memory"
	case NodeFailure:
		text = "a node failed"
	case Preempted:
		text = "preempted by another job"
	case CanceledByUser, CanceledByAdmin:
		text = "canceled"
		if j.By != "" {
			text += " by " + j.By
		}
	case DependencyNeverSatisfied:
		text = "what it waits for will never happen"
	case Impossible:
		text = "it can never run"
	default:
		text = "it ended as " + string(j.State)
		if j.State == Completed {
			text = "it was to go on, and has ended"
		}
	}
	if len(j.Tasks) > 0 {
		var bad []string
		for _, t := range j.Tasks {
			if t.State != Completed {
				bad = append(bad, strconv.Itoa(t.Index))
			}
		}
		if len(bad) > 10 {
			bad = append(bad[:10], "...")
		}
		text += " (tasks " + strings.Join(bad, ", ") + ")"
	}
	if len(j.Nodes) > 0 {
		text += " on " + strings.Join(j.Nodes, ", ")
	}
	if j.Reason != "" && j.Reason != "None" {
		text += ": " + j.Reason
	}
	return text
}

func hintOf(j *Job, w *watched) string {
	switch j.Cause {
	case TimeLimit:
		return "raise the property walltime"
	case OutOfMemory:
		return "raise the property memory, or set retry_memory_factor"
	case ExitCode, Signal:
		return "its files are in " + w.data.Dir
	case DependencyNeverSatisfied:
		return "look at the job that it waits for"
	case Impossible:
		return "ask for less, or for another queue"
	}
	return ""
}

// lastWords are the last lines of the standard error, or output, of a job.
func (c *cluster) lastWords(ctx context.Context, w *watched) string {
	if w.data.Tasks > 0 || w.job.Cause != ExitCode && w.job.Cause != Signal && w.job.Cause != OutOfMemory {
		return ""
	}
	r, err := c.shell.Run(ctx, Command{Args: []string{"sh", "-c",
		`cd -- "$1" && if [ -s stderr ]; then tail -c 2000 stderr; else tail -c 2000 stdout; fi 2>/dev/null`, "sh", w.data.Dir}})
	if err != nil || r.Code != 0 {
		return ""
	}
	lines := bytes.Split(bytes.TrimSpace(r.Stdout), []byte("\n"))
	text := strings.ToValidUTF8(string(bytes.Join(lines[max(0, len(lines)-5):], []byte("\n"))), "?")
	if text == "" {
		return ""
	}
	return ": " + text
}

// outputsOf are the attributes of an ended job.
func outputsOf(j *Job, w *watched) map[string]any {
	m := map[string]any{"job_id": j.ID, "job_state": string(j.State), "exit_code": int64(j.ExitCode),
		"work_dir": w.data.Dir, "stdout": path.Join(w.data.Dir, "stdout"), "stderr": path.Join(w.data.Dir, "stderr"),
		"cause": string(j.Cause), "canceled_by": j.By}
	if len(j.Nodes) > 0 {
		nodes := make([]any, len(j.Nodes))
		for i, n := range j.Nodes {
			nodes[i] = n
		}
		m["nodes_used"] = nodes
		if w.data.Serves {
			m["private_address"] = j.Nodes[0]
		}
	}
	for name, t := range map[string]time.Time{"started": j.Started, "ended": j.Ended} {
		if !t.IsZero() {
			m[name] = t.UTC().Format(time.RFC3339)
		}
	}
	if elapsed := j.Usage.Elapsed; elapsed > 0 {
		m["elapsed"] = elapsed.Seconds()
	} else if !j.Started.IsZero() && j.Ended.After(j.Started) {
		m["elapsed"] = j.Ended.Sub(j.Started).Seconds()
	}
	if cpu := j.Usage.CPU; cpu > 0 {
		m["cpu_time"] = cpu.Seconds()
	}
	if memory := j.Usage.MaxMemory; memory > 0 {
		m["max_memory"] = memory
	}
	if len(j.Tasks) > 0 {
		tasks := make([]any, len(j.Tasks))
		for i, t := range j.Tasks {
			tasks[i] = map[string]any{"index": strconv.Itoa(t.Index), "job_id": t.ID, "job_state": string(t.State),
				"exit_code": strconv.Itoa(t.ExitCode), "cause": string(t.Cause)}
		}
		m["tasks_done"] = tasks
	}
	return m
}
