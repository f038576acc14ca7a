package hpc

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// settle is how long a submission that was broken off is looked for.
const settle = 60 * time.Second

// submit lays out the work directory and submits the job, unless that was done
// before.
func (d *Driver) submit(ctx context.Context, c *cluster, op *executor.Operation) (executor.Status, error) {
	j, err := jobOf(op)
	if err != nil {
		return executor.Status{}, err
	}
	dir := c.dir(op)
	id, err := c.find(ctx, dir, tagOf(op))
	if err != nil {
		return executor.Status{}, retryable(err)
	}
	if id != "" {
		return d.running(op, c, j, id), nil
	}
	if err := d.chain(ctx, c, op, j); err != nil {
		return executor.Status{}, retryable(err)
	}
	if err := d.layOut(ctx, c, op, j); err != nil {
		return executor.Status{}, retryable(err)
	}
	if j.spec.Script, err = c.wrap(ctx, op, j); err != nil {
		return executor.Status{}, retryable(err)
	}
	id, err = c.manager.Submit(ctx, j.spec)
	if err == nil {
		c.keep(dir, id)
		fmt.Fprintf(op.Log, "submitted job %s to %s\n", id, c.shell.Name())
		return d.running(op, c, j, id), nil
	}
	if errs.CodeOf(err) != errs.Unavailable && ctx.Err() == nil {
		return executor.Status{}, err // the manager said no
	}
	return d.unsure(ctx, c, op, j, err)
}

// unsure settles whether a submission that got no answer was carried out. Where
// that cannot be told now, Poll finds out.
func (d *Driver) unsure(ctx context.Context, c *cluster, op *executor.Operation, j *job, why error) (executor.Status, error) {
	look, cancel := context.WithTimeout(context.WithoutCancel(ctx), settle)
	defer cancel()
	id, err := c.find(look, c.dir(op), tagOf(op))
	switch {
	case err != nil:
		return d.running(op, c, j, ""), nil
	case id == "":
		return executor.Status{}, retryable(why)
	case ctx.Err() != nil:
		if err := c.manager.Cancel(look, id); err != nil {
			d.config.Logger.Warn("cannot cancel a job", "job", id, "error", err)
		}
	}
	return d.running(op, c, j, id), nil
}

// retryable marks errors of clusters that do not answer.
func retryable(err error) error {
	if errs.CodeOf(err) == errs.Unavailable && !executor.Retryable(err) {
		return executor.MarkRetryable(err)
	}
	return err
}

// keep remembers the ID of a job by its work directory.
func (c *cluster) keep(dir, id string) {
	c.mu.Lock()
	c.jobs[dir] = id
	c.mu.Unlock()
}

// layOut fills the work directory: what is staged in, and the job's own files.
func (d *Driver) layOut(ctx context.Context, c *cluster, op *executor.Operation, j *job) error {
	dir := c.dir(op)
	if err := c.shell.WriteFile(ctx, path.Join(dir, instanceFile), []byte(op.Instance+"\n"), 0o644); err != nil {
		return errs.Wrap(err, "make the work directory", c.shell.Name()+":"+dir)
	}
	return d.stageIn(ctx, c, op, j)
}

// wrap writes the job's files, completes its spec and returns the script to submit.
func (c *cluster) wrap(ctx context.Context, op *executor.Operation, j *job) (string, error) {
	dir, spec := c.dir(op), j.spec
	spec.WorkDir, spec.Record = dir, path.Join(dir, recordFile)
	if cluster, err := clusterOf(op); err == nil {
		v := &values{r: cluster}
		spec.Modules = append(v.texts("modules"), spec.Modules...)
		spec.EnvironmentFile = v.text("environment_file")
		if v.err != nil {
			return "", v.err
		}
	}
	if err := c.moreMemory(ctx, op, j); err != nil {
		return "", err
	}
	if spec.Script != "" {
		if err := c.shell.WriteFile(ctx, path.Join(dir, scriptFile), []byte(scriptOf(spec.Script)), 0o700); err != nil {
			return "", errs.Wrap(err, "write the script of", op.Instance)
		}
	}
	wrapper := wrapperOf(spec, dir)
	if err := c.shell.WriteFile(ctx, path.Join(dir, wrapperFile), []byte(wrapper), 0o700); err != nil {
		return "", errs.Wrap(err, "write the job of", op.Instance)
	}
	// What the wrapper does is not for the manager to do again.
	spec.Command, spec.EnvironmentFile, spec.Env, spec.Modules, spec.Container = nil, "", nil, nil, nil
	return wrapper, nil
}

// moreMemory raises what the job asks for, once for each earlier attempt that
// ran out of it.
func (c *cluster) moreMemory(ctx context.Context, op *executor.Operation, j *job) error {
	if j.factor <= 1 || op.Attempt <= 1 {
		return nil
	}
	r, err := c.shell.Run(ctx, Command{Args: []string{"sh", "-c", `ls -d -- "$1"-*/` + memoryFile + ` 2>/dev/null | wc -l`, "sh", path.Join(c.folder(op), op.ID)}})
	if err != nil {
		return err
	}
	times, err := strconv.Atoi(strings.TrimSpace(string(r.Stdout)))
	if err != nil {
		return errs.New(errs.FailedPrecondition, "look for earlier attempts of", op.Instance, "%s", words(r))
	}
	factor := math.Pow(j.factor, float64(times))
	j.spec.Memory = int64(float64(j.spec.Memory) * factor)
	j.spec.MemoryPerCPU = int64(float64(j.spec.MemoryPerCPU) * factor)
	return nil
}

// nodeJobs finds the work directories of a node's jobs and the jobs' IDs: lines
// of directory, tab, ID.
const nodeJobs = `for dir in "$1"/*/; do
	dir=${dir%/}
	[ "$(cat -- "$dir/instance" 2>/dev/null)" = "$2" ] || continue
	id=$(grep -E '^[0-9]+(\[\])?([.;].*)?$' "$dir/job.id" 2>/dev/null | tail -n 1)
	printf '%s\t%s\n' "$dir" "${id:-$(cat -- "$dir/job.id" 2>/dev/null | head -n 1)}"
done`

// ofNode returns the work directories of a node with the IDs of their jobs.
func (c *cluster) ofNode(ctx context.Context, op *executor.Operation) (dirs, ids []string, err error) {
	r, err := c.shell.Run(ctx, Command{Args: []string{"sh", "-c", nodeJobs, "sh", c.folder(op), op.Instance}})
	if err != nil {
		return nil, nil, retryable(err)
	}
	for line := range strings.Lines(string(r.Stdout)) {
		dir, output, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		id := idOf(output)
		if id == "" {
			if id, err = c.find(ctx, dir, path.Base(dir)); err != nil {
				return nil, nil, retryable(err)
			}
		}
		dirs = append(dirs, dir)
		if id != "" {
			ids = append(ids, id)
		}
	}
	return dirs, ids, nil
}

// stop cancels what still runs of the node. Poll verifies that it has ended.
func (d *Driver) stop(ctx context.Context, c *cluster, op *executor.Operation) (executor.Status, error) {
	alive, err := c.alive(ctx, op)
	if err != nil {
		return executor.Status{}, retryable(err)
	}
	if len(alive) == 0 {
		return executor.Status{State: executor.Succeeded}, nil
	}
	if err := c.manager.Cancel(ctx, alive...); err != nil {
		return executor.Status{}, retryable(err)
	}
	fmt.Fprintf(op.Log, "canceled job %s on %s\n", strings.Join(alive, ", "), c.shell.Name())
	return d.status(op, handle{Place: c.place, Stop: alive, Began: time.Now().UTC()}), nil
}

// alive are the jobs of a node that have not ended.
func (c *cluster) alive(ctx context.Context, op *executor.Operation) ([]string, error) {
	_, ids, err := c.ofNode(ctx, op)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	jobs, err := c.manager.Jobs(ctx, ids)
	if err != nil {
		return nil, err
	}
	var alive []string
	for _, j := range jobs {
		if !j.State.Ended() {
			alive = append(alive, j.ID)
		}
	}
	return alive, nil
}

// delete removes the work directories of the node, once nothing runs there.
func (d *Driver) delete(ctx context.Context, c *cluster, op *executor.Operation) (executor.Status, error) {
	v := &values{r: op.Self}
	if keep := v.flag("keep_files"); keep || v.err != nil {
		return executor.Status{State: executor.Succeeded}, v.err
	}
	dirs, _, err := c.ofNode(ctx, op)
	if err != nil {
		return executor.Status{}, err
	}
	alive, err := c.alive(ctx, op)
	if err != nil {
		return executor.Status{}, retryable(err)
	}
	if len(alive) > 0 {
		return executor.Status{}, &errs.Error{Code: errs.FailedPrecondition, Op: "remove the files of", Subject: op.Instance,
			Err: errors.New("job " + strings.Join(alive, ", ") + " has not ended"), Hint: "the operation stop cancels it"}
	}
	for _, dir := range dirs {
		if err := c.shell.Remove(ctx, dir); err != nil {
			return executor.Status{}, retryable(err)
		}
	}
	_, err = c.shell.Run(ctx, Command{Args: []string{"sh", "-c", `rmdir -- "$1" 2>/dev/null; true`, "sh", c.folder(op)}})
	return executor.Status{State: executor.Succeeded}, retryable(err)
}
