package torque

import (
	"cmp"
	"context"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// Submit submits a job with qsub, its script through standard input, and returns
// the ID that the manager gave it, such as "27.server" or "27[].server".
//
// What the job waits for is looked up first. Torque keeps a job for ever that
// waits for the success of one that has failed already, and PBS takes dependencies
// upon jobs that it does not know: Submit refuses the one as FailedPrecondition,
// the other as NotFound, with either manager.
func (m *Manager) Submit(ctx context.Context, spec *hpc.JobSpec) (string, error) {
	kind, err := m.which(ctx)
	if err != nil {
		return "", err
	}
	if spec.EnvironmentFile != "" && (spec.Script == "") != (len(spec.Command) == 0) {
		spec = hpc.Rendered(spec) // it is for bash, whatever the script's shell
	}
	args, err := qsubArguments(kind, spec)
	if err != nil {
		return "", err
	}
	script, err := jobScript(spec)
	if err != nil {
		return "", err
	}
	if err := m.checkDependencies(ctx, spec); err != nil {
		return "", err
	}
	command := hpc.Command{Args: args, Dir: spec.WorkDir, Stdin: []byte(script)}
	if !spec.Begin.IsZero() { // else a script's own "#PBS -a" is in the cluster's time
		command.Env = map[string]string{"TZ": "UTC"}
	}
	r, err := hpc.SubmitOnce(ctx, m.shell, spec, command)
	if err != nil {
		return "", err
	}
	if r.Code != 0 {
		return "", failure("submit", strings.TrimSpace("job "+spec.Name), r)
	}
	if id := submitted(string(r.Stdout)); id != "" {
		return id, nil
	}
	return "", errs.New(errs.Internal, "submit", "job "+spec.Name, "qsub succeeded and printed no ID: %q", clip(string(r.Stdout)))
}

// submitted finds the ID in what qsub printed: the last line that is one, else the
// last word. A command that a site has put before qsub may print more.
func submitted(out string) string {
	id, word := "", ""
	for line := range strings.Lines(out) {
		if line = strings.TrimSpace(line); idForm.MatchString(line) {
			id = line
		}
		for w := range strings.FieldsSeq(line) {
			if idForm.MatchString(w) {
				word = w
			}
		}
	}
	return cmp.Or(id, word)
}

// checkDependencies refuses to wait for jobs that the manager does not know, and
// for what can not happen any more.
func (m *Manager) checkDependencies(ctx context.Context, spec *hpc.JobSpec) error {
	if len(spec.Dependencies) == 0 {
		return nil
	}
	var ids []string
	for _, d := range spec.Dependencies {
		ids = append(ids, d.Job)
	}
	jobs, err := m.Jobs(ctx, ids)
	if err != nil {
		return err
	}
	for _, d := range spec.Dependencies {
		parent := find(jobs, d.Job)
		if parent == nil {
			return &errs.Error{Code: errs.NotFound, Op: "submit", Subject: "job " + spec.Name,
				Err:  errs.New(errs.NotFound, "", "", "it depends on job %s, which the manager does not know", d.Job),
				Hint: "the manager may have forgotten it since it ended: its outcome is to be checked another way"}
		}
		if never(d.Kind, parent.State) {
			return &errs.Error{Code: errs.FailedPrecondition, Op: "submit", Subject: "job " + spec.Name,
				Err:  errs.New(errs.FailedPrecondition, "", "", "it waits for %s of job %s, which is %s", d.Kind, d.Job, parent.State),
				Hint: "it would wait for ever: submit it without the dependency, or run the other job anew"}
		}
	}
	return nil
}

// never tells whether a job that is in a state can not meet a dependency any more.
func never(kind hpc.DependencyKind, state hpc.JobState) bool {
	switch kind {
	case hpc.AfterOK:
		return state == hpc.Failed || state == hpc.Canceled
	case hpc.AfterNotOK:
		return state == hpc.Completed
	}
	return false
}
