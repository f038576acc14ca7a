package torque

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// Cancel ends jobs with qdel and looks with qstat whether they have ended. A
// qdel that the node did not answer is tried again: Torque refuses it now and
// then with "Server could not connect to MOM", and the job runs on.
//
// Errors: PermissionDenied for other users' jobs; Unavailable (retryable) where a
// job has not ended within Options.CancelTimeout.
func (m *Manager) Cancel(ctx context.Context, ids ...string) error {
	if len(ids) == 0 {
		return nil
	}
	if err := checkIDs("cancel", ids); err != nil {
		return err
	}
	deadline := time.Now().Add(m.options.CancelTimeout)
	toDelete, rest := unique(ids), unique(ids)
	for {
		again, err := m.qdel(ctx, toDelete)
		if err != nil {
			return err
		}
		if rest, err = m.running(ctx, rest); err != nil {
			return err
		}
		if len(rest) == 0 {
			return nil
		}
		toDelete = slices.DeleteFunc(again, func(id string) bool { return !slices.Contains(rest, id) })
		if time.Now().After(deadline) {
			return executor.MarkRetryable(errs.New(errs.Unavailable, "cancel", "job "+strings.Join(rest, ", "),
				"it has not ended %s after qdel", m.options.CancelTimeout))
		}
		if err := pause(ctx, m.options.Period); err != nil {
			return errs.Wrap(err, "cancel", "job "+strings.Join(rest, ", "))
		}
	}
}

// qdel deletes jobs and returns those for which it must be tried again.
func (m *Manager) qdel(ctx context.Context, ids []string) (again []string, err error) {
	for batch := range slices.Chunk(ids, maxNamed) {
		r, err := m.run(ctx, append([]string{"qdel"}, batch...)...)
		if err != nil {
			return nil, err
		}
		if r.Code == 0 {
			continue
		}
		refused, transient := readQdel(string(r.Stderr))
		switch {
		case refused != "":
			return nil, failure("cancel", "job "+strings.Join(batch, ", "), hpc.Result{Code: r.Code, Stderr: []byte(refused)})
		case transient:
			again = append(again, batch...) // those that have ended are dropped by who called
		}
	}
	return again, nil
}

// readQdel reads the complaints of qdel: the first that is final, and whether
// there is one that another try may help. That a job has ended, is unknown, or is
// being deleted already, is neither.
func readQdel(complaints string) (refused string, transient bool) {
	for _, line := range complaintsOf(complaints) {
		switch classify(0, line) {
		case errs.NotFound, errs.FailedPrecondition:
		case errs.Unavailable:
			transient = true
		default:
			if refused == "" {
				refused = line
			}
		}
	}
	return refused, transient
}

// running returns those jobs that are known and have not ended. One whose script
// has ended and that the manager clears up counts as ended.
func (m *Manager) running(ctx context.Context, ids []string) ([]string, error) {
	jobs, err := m.Jobs(ctx, ids)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		j := find(jobs, id)
		return j == nil || over(j)
	}), nil
}

func over(j *hpc.Job) bool {
	for _, t := range j.Tasks {
		if !over(t) {
			return false
		}
	}
	return len(j.Tasks) > 0 || j.State.Ended() || j.State == hpc.Completing || j.State == hpc.Unknown
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Hold puts the user's hold on waiting jobs with qhold; Release takes it off
// with qrls.
func (m *Manager) Hold(ctx context.Context, ids ...string) error {
	return m.tell(ctx, "hold", []string{"qhold"}, ids)
}

// Release takes the user's hold off jobs.
func (m *Manager) Release(ctx context.Context, ids ...string) error {
	return m.tell(ctx, "release", []string{"qrls"}, ids)
}

// Suspend stops running jobs with qsig -s suspend. Torque and PBS ask the
// privileges of an operator for it.
func (m *Manager) Suspend(ctx context.Context, ids ...string) error {
	return m.tell(ctx, "suspend", []string{"qsig", "-s", "suspend"}, ids)
}

// Resume lets suspended jobs go on with qsig -s resume.
func (m *Manager) Resume(ctx context.Context, ids ...string) error {
	return m.tell(ctx, "resume", []string{"qsig", "-s", "resume"}, ids)
}

// Requeue ends running jobs and queues them anew with qrerun. Torque and PBS ask
// the privileges of an operator for it.
func (m *Manager) Requeue(ctx context.Context, ids ...string) error {
	return m.tell(ctx, "requeue", []string{"qrerun"}, ids)
}

// tell runs a command for jobs.
func (m *Manager) tell(ctx context.Context, op string, command, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	if err := checkIDs(op, ids); err != nil {
		return err
	}
	r, err := m.run(ctx, append(command, unique(ids)...)...)
	if err == nil && r.Code != 0 {
		err = failure(op, "job "+strings.Join(ids, ", "), r)
	}
	return err
}
