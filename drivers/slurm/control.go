package slurm

import (
	"context"
	"regexp"
	"strings"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// cancelPatience is for how long Cancel watches what it cancelled.
const cancelPatience = 10 * time.Second

// Cancel ends jobs with scancel(1), whose exit code says nothing, and looks into
// the queue until none of them waits or runs any more: jobs that are COMPLETING
// are being ended.
//
// Errors: PermissionDenied where a job belongs to somebody else; Unavailable
// where a job is still there after some seconds.
func (m *Manager) Cancel(ctx context.Context, ids ...string) error {
	left := unique(ids)
	if len(left) == 0 {
		return nil
	}
	bounded, stop := context.WithTimeout(ctx, cancelPatience)
	defer stop()
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		said, err := m.run(ctx, "", append([]string{"scancel"}, left...)...)
		if err != nil {
			return err
		}
		complaint := refused("cancel", "job "+strings.Join(left, ", "), said)
		if said.code != 0 && (errs.CodeOf(complaint) == errs.PermissionDenied || errs.CodeOf(complaint) == errs.Unavailable) {
			return complaint
		}
		if left, err = m.alive(ctx, left); err != nil || len(left) == 0 {
			return err
		}
		select {
		case <-bounded.Done():
			if ctx.Err() != nil {
				return errs.Wrap(ctx.Err(), "cancel", "job "+strings.Join(left, ", "))
			}
			return executor.MarkRetryable(errs.New(errs.Unavailable, "cancel", "job "+strings.Join(left, ", "),
				"it is in the queue still: %s", oneLine(said.err)))
		case <-time.After(wait):
		}
	}
}

// alive returns those of the jobs that wait or run. Only the queue is asked.
func (m *Manager) alive(ctx context.Context, ids []string) ([]string, error) {
	queued, err := m.queue(ctx, "-j", strings.Join(ids, ","))
	if err != nil {
		return nil, err
	}
	return living(gather(queued, nil), ids), nil
}

// living returns those of ids that neither have ended nor are ending.
func living(found map[string]*hpc.Job, ids []string) []string {
	var left []string
	for _, id := range ids {
		if job := found[id]; job != nil && !job.State.Ended() && job.State != hpc.Completing {
			left = append(left, id)
		}
	}
	return left
}

// Hold keeps waiting jobs from starting (scontrol hold).
func (m *Manager) Hold(ctx context.Context, ids ...string) error {
	return m.control(ctx, "hold", ids)
}

// Release undoes Hold (scontrol release).
func (m *Manager) Release(ctx context.Context, ids ...string) error {
	return m.control(ctx, "release", ids)
}

// Suspend stops running jobs (scontrol suspend), which most clusters leave to
// administrators.
func (m *Manager) Suspend(ctx context.Context, ids ...string) error {
	return m.control(ctx, "suspend", ids)
}

// Resume undoes Suspend (scontrol resume).
func (m *Manager) Resume(ctx context.Context, ids ...string) error {
	return m.control(ctx, "resume", ids)
}

// Requeue ends running jobs and queues them anew under their IDs (scontrol
// requeue). They wait for some two minutes before they start. Only jobs that
// were submitted with Requeue may be.
func (m *Manager) Requeue(ctx context.Context, ids ...string) error {
	return m.control(ctx, "requeue", ids)
}

// control runs one command of scontrol(1) for jobs.
func (m *Manager) control(ctx context.Context, verb string, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	for _, id := range ids {
		if !jobID.MatchString(id) {
			return errs.New(errs.NotFound, verb, "job "+id, "that is no ID of a job of Slurm")
		}
	}
	subject := "job " + strings.Join(ids, ", ")
	said, err := m.run(ctx, "", "scontrol", verb, strings.Join(ids, ","))
	if err != nil || said.code == 0 {
		return err
	}
	if strings.Contains(said.err, "Unexpected message received") {
		// That is what scontrol says of a controller that does not answer, and of
		// jobs that are unknown.
		queued, err := m.queue(ctx, "-j", strings.Join(ids, ","))
		if err != nil {
			return errs.Wrap(err, verb, subject)
		}
		if len(queued) == 0 {
			return errs.New(errs.NotFound, verb, subject, "Slurm does not know it")
		}
	}
	return refused(verb, subject, said)
}

// nodeName matches the name of a node.
var nodeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// Drain lets nodes start no more jobs (scontrol update), which takes an operator
// of the cluster. Those that run go on.
func (m *Manager) Drain(ctx context.Context, reason string, nodes ...string) error {
	if strings.TrimSpace(reason) == "" {
		return errs.New(errs.InvalidArgument, "drain", "node "+strings.Join(nodes, ", "), "Slurm asks for a reason")
	}
	return m.setNodes(ctx, "drain", nodes, "state=drain", "reason="+oneLine(reason))
}

// Undrain undoes Drain, and brings nodes back that are down.
func (m *Manager) Undrain(ctx context.Context, nodes ...string) error {
	return m.setNodes(ctx, "undrain", nodes, "state=resume")
}

func (m *Manager) setNodes(ctx context.Context, verb string, nodes []string, settings ...string) error {
	if len(nodes) == 0 {
		return nil
	}
	for _, name := range nodes {
		if !nodeName.MatchString(name) {
			return errs.New(errs.NotFound, verb, "node "+name, "that is no name of a node")
		}
	}
	said, err := m.run(ctx, "", append([]string{"scontrol", "update", "nodename=" + strings.Join(nodes, ",")}, settings...)...)
	if err != nil || said.code == 0 {
		return err
	}
	subject := "node " + strings.Join(nodes, ", ")
	if strings.Contains(said.err, "Invalid node name specified") {
		// Of a submission the same words blame one of its options.
		return errs.New(errs.NotFound, verb, subject, "%s", oneLine(said.err))
	}
	return refused(verb, subject, said)
}
