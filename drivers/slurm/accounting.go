package slurm

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// accountingFields are those of sacct -o that we ask for, of jobs and of their steps.
var accountingFields = []string{
	"JobID", "State", "ExitCode", "DerivedExitCode", "UID", "User", "Partition", "NodeList", "Submit", "Eligible", "Start", "End",
	"ElapsedRaw", "TotalCPU", "MaxRSS", "Reason", "WorkDir", "JobName", "Comment",
}

// parseAccounting reads what sacct printed in accountingFields. The records of
// steps follow that of their job and tell what the script did.
func parseAccounting(text string) []entry {
	var all []entry
	first := map[string]int{} // where the entries of a record begin
	for _, f := range records(text, len(accountingFields)) {
		id, step, isStep := strings.Cut(f[0], ".")
		if isStep {
			if i, ok := first[id]; ok {
				addStep(all[i].Job, step, f)
			}
			continue
		}
		array, indexes, _ := strings.Cut(component(id), "_")
		if !jobID.MatchString(array) {
			continue
		}
		first[id] = len(all)
		all = unfold(all, accounted(array, f), array, indexes, f[4])
	}
	for _, e := range all {
		e.settle()
	}
	return all
}

// component is the ID of a job that is part of another one: a heterogeneous job's
// first part has that job's ID, and "17+2" is 19. Other IDs are left as they are.
func component(id string) string {
	whole, part, found := strings.Cut(id, "+")
	if first := count(whole); found && first > 0 {
		return strconv.Itoa(first + count(part))
	}
	return id
}

func accounted(id string, f []string) *hpc.Job {
	job := &hpc.Job{
		ID: id, User: f[5], Queue: f[6], Nodes: expandNodes(known(f[7])), WorkDir: known(f[16]), Name: f[17], Tag: known(f[18]), Index: -1,
		Submitted: parseTime(f[8]), Eligible: parseTime(f[9]), Started: parseTime(f[10]), Ended: parseTime(f[11]),
	}
	job.ExitCode, job.Signal = parseExit(f[2])
	reason := f[15]
	word, by, _ := strings.Cut(f[1], " by ")
	if p := phases[word]; (p.state == hpc.Completed || p.state == hpc.Failed || by != "") && hopeless[reason] == "" {
		reason = "" // why it waited once, not how it ended
	}
	describe(job, f[1], reason)
	if word != "FAILED" {
		job.ExitCode, job.Signal = 0, 0 // the script's own are in the step
	}
	if job.Reason == "" {
		if code, signal := parseExit(f[3]); code != 0 || signal != 0 {
			job.Reason = "a step ended with exit code " + f[3]
		}
	}
	job.Usage.Elapsed = time.Duration(count(f[12])) * time.Second
	job.Usage.CPU = parseElapsed(f[13])
	return job
}

// addStep adds what a step tells: .batch is the script.
func addStep(job *hpc.Job, step string, f []string) {
	job.Usage.MaxMemory = max(job.Usage.MaxMemory, parseBytes(f[14], 1))
	if code, signal := parseExit(f[2]); step == "batch" && job.State.Ended() && job.ExitCode == 0 && job.Signal == 0 {
		job.ExitCode, job.Signal = code, signal
	}
}

// settle tells by whom a job was cancelled.
func (e *entry) settle() {
	switch {
	case e.State != hpc.Canceled || e.By == "" || e.uid == "":
	case e.By == e.uid || e.By == e.User:
		e.Cause, e.By = hpc.CanceledByUser, e.User
	default:
		e.Cause = hpc.CanceledByAdmin
		if e.By == "0" {
			e.By = "root"
		}
	}
}

// account asks the accounting after jobs. It never fails: where it does not answer
// it tells why, and is left alone for a while; where there is none it tells nothing.
func (m *Manager) account(ctx context.Context, ids []string) (entries []entry, why string) {
	if len(ids) == 0 {
		return nil, ""
	}
	for _, some := range batches(ids) {
		var said string
		err := errSilent
		if m.mayAccount() {
			said, err = m.sacct(ctx, "-a", "-j", some, "-o", strings.Join(accountingFields, ","))
		}
		if err != nil {
			m.mu.Lock()
			defer m.mu.Unlock()
			return nil, m.whyNot
		}
		entries = append(entries, parseAccounting(said)...)
	}
	return entries, ""
}

// errSilent tells that the accounting is left alone.
var errSilent = errors.New("the accounting is not asked for a while")

// sacct runs sacct(1) without heading. Its first error silences
// the accounting for a while.
func (m *Manager) sacct(ctx context.Context, args ...string) (string, error) {
	said, err := m.ask(ctx, m.options.AccountingTimeout, append([]string{"sacct", "-n", "-p", "--delimiter=" + separator}, args...)...)
	if err == nil && said.code != 0 {
		err = refused("ask", "the accounting", said)
	}
	if err != nil {
		if ctx.Err() == nil {
			m.silence(err)
		}
		return "", err
	}
	return said.out, nil
}

func (m *Manager) mayAccount() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !time.Now().Before(m.noAccounting)
}

// silence leaves the accounting alone for a while after an error.
func (m *Manager) silence(err error) {
	pause, why := m.options.AccountingPause, err.Error()
	if strings.Contains(why, "accounting storage is disabled") || errs.CodeOf(err) == errs.FailedPrecondition {
		pause, why = 10*pause, "" // no accounting here, or no sacct
	} else {
		m.log.Warn("the accounting of Slurm does not answer, and is not asked for a while", "cluster", m.shell.Name(), "error", why)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.noAccounting, m.whyNot = time.Now().Add(pause), why
}

// count reads a number; 0 where there is none.
func count(field string) int {
	n, err := strconv.ParseUint(strings.TrimSpace(field), 10, 31)
	if err != nil {
		return 0
	}
	return int(n)
}
