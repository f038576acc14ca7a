package slurm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// Submit submits a job with sbatch(1); the script goes by its standard input.
// Before a job that waits for another with afterok, aftercorr or afternotok is
// submitted, the other's outcome is looked up: Slurm takes a parent that it has
// forgotten for one that ended well.
//
// Errors: FailedPrecondition where what it waits for can not happen any more, or
// is not known; InvalidArgument for what sbatch refuses; Unavailable where the
// cluster does not answer or a limit on submitted jobs is reached. After
// Unavailable the job may be there nevertheless: Find it by its tag.
func (m *Manager) Submit(ctx context.Context, spec *hpc.JobSpec) (string, error) {
	spec = rendered(spec)
	script, err := scriptOf(spec)
	if err != nil {
		return "", err
	}
	args, err := m.arguments(spec, time.Now())
	if err != nil {
		return "", err
	}
	if err := checkDependencies(ctx, m, spec); err != nil {
		return "", err
	}
	said, err := m.through(ctx, m.options.Timeout, hpc.Command{Args: args, Stdin: []byte(script), Env: m.options.Env},
		func(ctx context.Context, c hpc.Command) (hpc.Result, error) {
			return hpc.SubmitOnce(ctx, m.shell, spec, c)
		})
	if err != nil {
		return "", err
	}
	if said.code != 0 {
		return "", refused("submit", subjectOf(spec), said)
	}
	id, ok := parseSubmitted(said.out)
	if !ok {
		return "", errs.New(errs.Internal, "submit", subjectOf(spec), "sbatch said %q and no job's ID", oneLine(said.out))
	}
	return id, nil
}

// rendered puts an environment file, variables, modules and a container into the
// script, where the caller has not done so.
func rendered(spec *hpc.JobSpec) *hpc.JobSpec {
	if spec.EnvironmentFile == "" && len(spec.Env) == 0 && len(spec.Modules) == 0 && spec.Container == nil || (spec.Script == "") == (len(spec.Command) == 0) {
		return spec
	}
	return hpc.Rendered(spec)
}

func subjectOf(spec *hpc.JobSpec) string { return strings.TrimSpace("job " + spec.Name) }

// parseSubmitted reads "ID" or "ID;CLUSTER" of sbatch --parsable, behind
// whatever a login shell printed.
func parseSubmitted(out string) (string, bool) {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	id, _, _ := strings.Cut(strings.TrimSpace(lines[len(lines)-1]), ";")
	_, err := strconv.ParseUint(id, 10, 32)
	return id, err == nil
}

// arguments are sbatch's. Options of the spec come last, so that they count.
func (m *Manager) arguments(spec *hpc.JobSpec, now time.Time) ([]string, error) {
	if err := checkWorkDir(spec); err != nil {
		return nil, err
	}
	args := []string{"sbatch", "--parsable"}
	text := func(option, value string) {
		if value != "" {
			args = append(args, option+"="+value)
		}
	}
	number := func(option string, value int) {
		if value > 0 {
			args = append(args, option+"="+strconv.Itoa(value))
		}
	}
	flag := func(option string, set bool) {
		if set {
			args = append(args, option)
		}
	}
	text("--job-name", spec.Name)
	text("--comment", spec.Tag)
	text("--chdir", spec.WorkDir)
	text("--output", outputOf(spec, spec.Stdout, "stdout"))
	if !spec.Join {
		text("--error", outputOf(spec, spec.Stderr, "stderr"))
	}
	number("--nodes", spec.Nodes)
	number("--ntasks", spec.Tasks)
	number("--ntasks-per-node", spec.TasksPerNode)
	number("--cpus-per-task", spec.CPUsPerTask)
	text("--mem", megabytes(spec.Memory))
	text("--mem-per-cpu", megabytes(spec.MemoryPerCPU))
	if spec.GPUs > 0 {
		text("--gres", gresOf(spec))
	}
	if spec.Walltime > 0 {
		number("--time", int((spec.Walltime+time.Minute-1)/time.Minute))
	}
	text("--partition", spec.Queue)
	text("--account", spec.Account)
	text("--qos", spec.QOS)
	text("--reservation", spec.Reservation)
	text("--constraint", spec.Constraint)
	text("--nodelist", strings.Join(spec.NodeList, ","))
	flag("--exclusive", spec.Exclusive)
	text("--mail-user", spec.Mail)
	text("--mail-type", strings.ToUpper(strings.Join(spec.MailOn, ",")))
	if spec.Array != nil {
		text("--array", arrayOf(spec.Array))
	}
	if wait := spec.Begin.Sub(now); wait > 0 { // relative: the cluster has a clock and a time zone of its own
		number("--begin=now+", int((wait+time.Second-1)/time.Second))
		args[len(args)-1] = strings.Replace(args[len(args)-1], "+=", "+", 1)
	}
	dependencies, err := dependencyOf(spec)
	if err != nil {
		return nil, err
	}
	text("--dependency", dependencies)
	flag("--hold", spec.Hold)
	if spec.Requeue {
		flag("--requeue", true)
	} else {
		flag("--no-requeue", true)
	}
	return append(args, spec.Options...), nil
}

// checkWorkDir refuses folders that Slurm cannot print to: it drops backslashes
// from the paths of what a job prints.
func checkWorkDir(spec *hpc.JobSpec) error {
	if spec.WorkDir != "" && !path.IsAbs(spec.WorkDir) {
		return errs.New(errs.InvalidArgument, "submit", subjectOf(spec), "the work directory %q is not an absolute path", spec.WorkDir)
	}
	if strings.Contains(spec.WorkDir, `\`) {
		return errs.New(errs.InvalidArgument, "submit", subjectOf(spec), "the work directory %q has a backslash, which Slurm does not take", spec.WorkDir)
	}
	return nil
}

// outputOf is the file that a job prints to: with the index for tasks of an
// array. Slurm's patterns in it, such as %j, count: see sbatch(1). Those in the
// work directory, which stands in front of it, are none.
func outputOf(spec *hpc.JobSpec, name, otherwise string) string {
	name = cmp.Or(name, otherwise)
	if spec.Array != nil && !strings.Contains(name, "%a") {
		name += ".%a"
	}
	if strings.Contains(spec.WorkDir, "%") {
		name = absolute(strings.ReplaceAll(spec.WorkDir, "%", "%%"), name)
	}
	return name
}

// megabytes rounds up.
func megabytes(bytes int64) string {
	if bytes <= 0 {
		return ""
	}
	return strconv.FormatInt((bytes+1<<20-1)>>20, 10) + "M"
}

// gresOf is such as "gpu:a100:2", for each node.
func gresOf(spec *hpc.JobSpec) string {
	if spec.GPUType == "" {
		return "gpu:" + strconv.Itoa(spec.GPUs)
	}
	return "gpu:" + spec.GPUType + ":" + strconv.Itoa(spec.GPUs)
}

func arrayOf(array *hpc.Array) string {
	if array.Limit > 0 {
		return array.Indexes + "%" + strconv.Itoa(array.Limit)
	}
	return array.Indexes
}

// jobID matches the ID of a job, or of a task of an array.
var jobID = regexp.MustCompile(`^[1-9][0-9]{0,9}(_[0-9]{1,9})?$`)

// dependencyOf is such as "afterok:17,singleton": all must be met.
func dependencyOf(spec *hpc.JobSpec) (string, error) {
	var all []string
	for _, d := range spec.Dependencies {
		switch d.Kind {
		case hpc.Singleton:
			all = append(all, string(d.Kind))
			continue
		case hpc.After, hpc.AfterOK, hpc.AfterNotOK, hpc.AfterAny, hpc.AfterCorr:
		default:
			return "", errs.New(errs.InvalidArgument, "submit", subjectOf(spec), "there is no kind of dependency %q", d.Kind)
		}
		if !jobID.MatchString(d.Job) {
			return "", errs.New(errs.InvalidArgument, "submit", subjectOf(spec), "%q, which it waits for, is no ID of a job of Slurm", d.Job)
		}
		all = append(all, string(d.Kind)+":"+d.Job)
	}
	return strings.Join(all, ","), nil
}

// checkDependencies refuses a job that waits for what will not happen.
func checkDependencies(ctx context.Context, m hpc.Manager, spec *hpc.JobSpec) error {
	var parents []string
	for _, d := range spec.Dependencies {
		if d.Kind == hpc.AfterOK || d.Kind == hpc.AfterNotOK || d.Kind == hpc.AfterCorr {
			parents = append(parents, d.Job)
		}
	}
	if len(parents) == 0 {
		return nil
	}
	jobs, err := m.Jobs(ctx, parents)
	if err != nil {
		return errs.Wrap(err, "look up what it waits for, to submit", subjectOf(spec))
	}
	byID := map[string]*hpc.Job{}
	for _, j := range jobs {
		byID[j.ID] = j
	}
	for _, d := range spec.Dependencies {
		if !slices.Contains(parents, d.Job) {
			continue
		}
		if j := byID[d.Job]; j != nil && j.State == hpc.Unknown {
			return executor.MarkRetryable(errs.New(errs.Unavailable, "submit", subjectOf(spec), "how job %s, which it waits for, has ended is not known: %s", d.Job, j.Reason))
		}
		if why := never(d, byID[d.Job]); why != "" {
			return &errs.Error{Code: errs.FailedPrecondition, Op: "submit", Subject: subjectOf(spec),
				Err:  fmt.Errorf("it waits for %s of job %s, %s", d.Kind, d.Job, why),
				Hint: "Slurm would run it at once, or never: submit it without the dependency, or run the other job anew"}
		}
	}
	return nil
}

// never tells why a dependency will not be met; empty where it may.
func never(d hpc.Dependency, parent *hpc.Job) string {
	switch {
	case parent == nil:
		return "of which neither the queue nor the accounting knows"
	case !parent.State.Ended() || d.Kind == hpc.AfterCorr && len(parent.Tasks) > 0:
		return ""
	case d.Kind == hpc.AfterNotOK && parent.State == hpc.Completed:
		return "which has completed"
	case d.Kind != hpc.AfterNotOK && parent.State != hpc.Completed:
		return fmt.Sprintf("which has ended as %s", parent.Raw)
	}
	return ""
}

// scriptOf returns what sbatch runs: the script as it is, or a command.
func scriptOf(spec *hpc.JobSpec) (string, error) {
	script := spec.Script
	switch {
	case script == "" && len(spec.Command) == 0:
		return "", errs.New(errs.InvalidArgument, "submit", subjectOf(spec), "it has neither a script nor a command")
	case script != "" && len(spec.Command) > 0:
		return "", errs.New(errs.InvalidArgument, "submit", subjectOf(spec), "it has both a script and a command")
	case script == "":
		script = "exec " + quote(spec.Command...) + "\n"
	}
	if strings.ContainsRune(script, 0) {
		return "", &errs.Error{Code: errs.InvalidArgument, Op: "submit", Subject: subjectOf(spec), Err: errors.New("the script has a byte of value 0")}
	}
	if !strings.HasPrefix(script, "#!") { // sbatch asks for the line
		script = "#!/bin/sh\n" + script
	}
	return script, nil
}

// quote writes words so that a POSIX shell reads them as they are.
func quote(words ...string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
	}
	return strings.Join(quoted, " ")
}
