package hpc

import (
	"context"
	"path"
	"slices"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
)

// afterType is the relationship between jobs whose property native asks for a
// dependency of the manager's own.
const afterType = "hpc.relationships.After"

// knownEarly are the attributes that are known when a job is submitted: those that
// one chained to it may take.
var knownEarly = []string{"job_id", "work_dir", "stdout", "stderr"}

// begun are the attributes of a job that has just been submitted.
func begun(data handle) map[string]any {
	m := map[string]any{"work_dir": data.Dir, "stdout": path.Join(data.Dir, "stdout"), "stderr": path.Join(data.Dir, "stderr")}
	if data.Job != "" {
		m["job_id"] = data.Job
	}
	return m
}

// Chains tells whether a job is submitted together with the one that it comes
// after: where the property native of the relationship is true, both run on the
// same cluster, and nothing of the later one needs more of the earlier one than
// is known when that is submitted: the attributes job_id, work_dir, stdout and
// stderr.
func (d *Driver) Chains(op, target *executor.Operation, r *tosca.Requirement) bool {
	return isJob(op) && isJob(target) && native(r) && hostOf(op.Node) != nil && hostOf(op.Node) == hostOf(target.Node) &&
		!takesResults(op.Node, target.Node)
}

// native tells whether a requirement asks for the manager's dependency.
func native(r *tosca.Requirement) bool {
	if r.Relationship == nil {
		return false
	}
	for t := r.Relationship.Type; t != nil && t.Name != afterType; t = t.Parent {
		if t.Parent == nil {
			return false
		}
	}
	for _, p := range r.Relationship.Properties {
		if p.Name == "native" && p.Value != nil {
			v, _ := p.Value.Static()
			return v == true
		}
	}
	return false
}

// hostOf is the node that a job is hosted on.
func hostOf(n *tosca.NodeTemplate) *tosca.NodeTemplate {
	for _, r := range n.Requirements {
		if r.Target != nil && derives(r.Target.Type, clusterType) {
			return r.Target
		}
	}
	return nil
}

// takesResults tells whether a value of a node may need what is known of another
// one only when that has ended.
func takesResults(n, of *tosca.NodeTemplate) bool {
	for _, a := range slices.Concat(n.Properties, n.Attributes) {
		if a.Value == nil {
			continue
		}
		for _, call := range a.Value.Calls() {
			if asksResult(call, n, of) {
				return true
			}
		}
	}
	return false
}

func asksResult(call *tosca.Call, n, of *tosca.NodeTemplate) bool {
	if call.Function != "get_attribute" && call.Function != "get_operation_output" {
		return false
	}
	words := wordsOf(call)
	if len(words) == 0 || words[0] != of.Name && words[0] != "SELF" {
		return len(words) == 0 // where it leads to is not known
	}
	if call.Function == "get_operation_output" {
		return words[0] == of.Name
	}
	leads := words[0] == of.Name
	for _, word := range words[1:] {
		switch {
		case slices.ContainsFunc(n.Requirements, func(r *tosca.Requirement) bool { return r.Name == word && r.Target == of }):
			leads = true
		case leads && !slices.Contains(knownEarly, word):
			return true
		}
	}
	return false
}

// wordsOf are the words of a path: all arguments, in one list.
func wordsOf(call *tosca.Call) []string {
	var words []string
	for _, arg := range call.Args {
		data, _ := arg.Static()
		list, ok := data.([]any)
		if !ok {
			list = []any{data}
		}
		for _, item := range list {
			if word, ok := item.(string); ok {
				words = append(words, word)
			}
		}
	}
	return words
}

// chained tells whether an operation waits for a job in the manager.
func chained(op *executor.Operation) bool {
	return slices.ContainsFunc(op.Targets, func(t executor.Target) bool { return t.Running != nil })
}

// chain makes dependencies of the jobs that an operation is chained to. One that
// has completed by now needs none, and the manager may have forgotten it.
func (d *Driver) chain(ctx context.Context, c *cluster, op *executor.Operation, j *job) error {
	for _, t := range op.Targets {
		if t.Running == nil {
			continue
		}
		data, ok := parseHandle(*t.Running)
		if !ok || d.known(*t.Running, data.Place).key() != c.place.key() {
			return errs.New(errs.FailedPrecondition, "chain", op.Instance, "the job of %s is not on the same cluster", t.ID)
		}
		w := &watched{handle: *t.Running, data: data, id: data.Job}
		if w.id == "" {
			id, err := c.find(ctx, data.Dir, path.Base(data.Dir))
			if err != nil {
				return err
			}
			w.id = id
		}
		if w.id == "" {
			return errs.New(errs.Unavailable, "chain", op.Instance, "whether the job of %s was submitted is not known yet", t.ID)
		}
		if err := c.query(ctx, []*watched{w}); err != nil {
			return err
		}
		if err := c.readExits(ctx, []*watched{w}); err != nil {
			return err
		}
		dep, err := dependencyOn(w, t, c.manager.Name())
		if err != nil {
			return err
		}
		if dep != nil {
			j.spec.Dependencies = append(j.spec.Dependencies, *dep)
		}
	}
	return nil
}

// dependencyOn is the dependency on a job; nil where it has completed.
func dependencyOn(w *watched, t executor.Target, manager string) (*Dependency, error) {
	switch {
	case w.job == nil || w.job.State == Unknown || w.forgotten > 0 && w.job.State == Completed:
		return nil, errs.New(errs.Unavailable, "depend on", "job "+w.id, "how it is, or has ended, is not known yet")
	case w.job.State == Completed:
		return nil, nil
	case w.job.State.Ended(), w.job.Cause == DependencyNeverSatisfied:
		return nil, executor.MarkDependent(errs.New(errs.FailedPrecondition, "depend on", "job "+w.id, "%s", explain(w.job)))
	}
	kind, _ := t.Relationship["kind"].(string)
	d := &Dependency{Kind: DependencyKind(kind), Job: w.id, Array: w.data.Tasks > 0}
	if d.Kind == "" || d.Kind == AfterCorr && manager != "slurm" {
		d.Kind = AfterOK
	}
	return d, nil
}
