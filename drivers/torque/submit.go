package torque

import (
	"context"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// Submit submits a job with qsub, its script through standard input, and returns
// the ID that the manager gave it, such as "27.server" or "27[].server".
//
// PBS takes dependencies upon jobs that it does not know; Submit does not: they
// are NotFound with either manager.
func (m *Manager) Submit(ctx context.Context, spec *hpc.JobSpec) (string, error) {
	kind, err := m.which(ctx)
	if err != nil {
		return "", err
	}
	args, err := qsubArguments(kind, spec)
	if err != nil {
		return "", err
	}
	script, err := jobScript(spec)
	if err != nil {
		return "", err
	}
	if kind == kindPBS {
		if err := m.checkDependencies(ctx, spec); err != nil {
			return "", err
		}
	}
	r, err := hpc.SubmitOnce(ctx, m.shell, spec, hpc.Command{Args: args, Dir: spec.WorkDir,
		Stdin: []byte(script), Env: map[string]string{"TZ": "UTC"}})
	if err != nil {
		return "", err
	}
	if r.Code != 0 {
		refused := failure("submit", strings.TrimSpace("job "+spec.Name), r)
		if strings.Contains(string(r.Stderr), "Invalid Job Dependency") {
			if err := m.checkDependencies(ctx, spec); err != nil {
				return "", err
			}
		}
		return "", refused
	}
	lines := strings.Fields(string(r.Stdout))
	for i := len(lines) - 1; i >= 0; i-- {
		if idForm.MatchString(lines[i]) {
			return lines[i], nil
		}
	}
	return "", errs.New(errs.Internal, "submit", "job "+spec.Name, "qsub succeeded and printed no ID: %q", clip(string(r.Stdout)))
}

// checkDependencies refuses jobs that the manager does not know.
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
	for _, id := range ids {
		if find(jobs, id) == nil {
			return &errs.Error{Code: errs.NotFound, Op: "submit", Subject: "job " + spec.Name,
				Err:  errs.New(errs.NotFound, "", "", "it depends on job %s, which the manager does not know", id),
				Hint: "the manager may have forgotten it since it ended: its outcome is to be checked another way"}
		}
	}
	return nil
}
