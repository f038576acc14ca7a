package slurm

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// RESTOptions say where slurmrestd(8) is and how it is asked. Only URL is needed.
type RESTOptions struct {
	// URL is such as "http://head:6820", or "unix:///run/slurmrestd.sock".
	URL string
	// Version of the API. Default "v0.0.38", that of Slurm 22.05.
	Version string
	// User and Token are sent with each request where Token is there: a JSON Web
	// Token, as scontrol token makes it, asked for again each time. Default for
	// User: the one that Commands run as.
	User  string
	Token func(context.Context) (string, error)
	// Client sends the requests. Default one of its own, with a timeout of a
	// minute, which connects from where Commands run, or from this machine.
	Client *http.Client
	// Commands does what the API cannot: see REST. Optional.
	Commands *Manager
}

// REST is a cluster under Slurm, driven by its REST API. It implements hpc.Manager.
//
// The API of 22.05 cannot hold, suspend or requeue jobs, takes no list of nodes
// and no options of sbatch, ignores #SBATCH lines, and tells wrong exit codes in
// its accounting. That is done by RESTOptions.Commands; without it these methods
// return Unimplemented, Submit refuses such jobs, and Jobs knows no job that
// slurmctld has forgotten.
type REST struct {
	options RESTOptions
	client  *http.Client
	base    string
}

var (
	_ hpc.Manager = (*REST)(nil)
	_ hpc.Drainer = (*REST)(nil)
)

// NewREST returns the cluster behind a slurmrestd. It asks nothing yet.
func NewREST(options RESTOptions) (*REST, error) {
	u, err := url.Parse(options.URL)
	if err != nil || u.Scheme != "unix" && (u.Scheme != "http" && u.Scheme != "https" || u.Host == "") || u.Scheme == "unix" && u.Path == "" {
		return nil, errs.New(errs.InvalidArgument, "use", "slurmrestd", "%q is no address such as http://host:6820 or unix:///path", options.URL)
	}
	options.Version = cmp.Or(options.Version, "v0.0.38")
	r := &REST{options: options, client: options.Client, base: strings.TrimSuffix(options.URL, "/")}
	if r.client == nil {
		r.client = &http.Client{Transport: transportTo(u, options.Commands), Timeout: time.Minute}
	}
	if u.Scheme == "unix" {
		r.base = "http://localhost"
	}
	return r, nil
}

// transportTo connects to u from where the commands run.
func transportTo(u *url.URL, commands *Manager) *http.Transport {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	dial := (&net.Dialer{}).DialContext
	if commands != nil {
		dial = commands.shell.Dial
		transport.Proxy = nil // that of this machine
	}
	transport.DialContext = dial
	if u.Scheme == "unix" {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, "unix", u.Path) }
	}
	return transport
}

// Name returns "slurm".
func (r *REST) Name() string { return "slurm" }

// call sends a request below /slurm/VERSION/ and returns the answer, also where it
// comes with errors.
func (r *REST) call(ctx context.Context, method, path string, body any) (map[string]any, error) {
	op, subject := strings.ToLower(method)+" "+path, "from slurmrestd"
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, errs.Wrap(err, op, subject)
		}
		sent = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, r.base+"/slurm/"+r.options.Version+"/"+path, sent)
	if err != nil {
		return nil, errs.Wrap(err, op, subject)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if r.options.Token != nil {
		token, err := r.options.Token(ctx)
		if err != nil {
			return nil, errs.Wrap(err, "get a token for", "slurmrestd")
		}
		request.Header.Set("X-SLURM-USER-TOKEN", token)
		user := r.options.User
		if user == "" && r.options.Commands != nil {
			if user, err = r.options.Commands.whoami(ctx); err != nil {
				return nil, err
			}
		}
		if user != "" {
			request.Header.Set("X-SLURM-USER-NAME", user)
		}
	}
	response, err := r.client.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return nil, errs.Wrap(ctx.Err(), op, subject)
		}
		return nil, executor.MarkRetryable(&errs.Error{Code: errs.Unavailable, Op: op, Subject: subject, Err: err})
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, executor.MarkRetryable(&errs.Error{Code: errs.Unavailable, Op: op, Subject: subject, Err: err})
	}
	answered, err := understand(op, subject, response.StatusCode, text)
	if busy := response.StatusCode == http.StatusTooManyRequests || response.StatusCode == http.StatusServiceUnavailable; busy && err != nil {
		// What stands in front of slurmrestd may say when to come back.
		seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
		return nil, executor.MarkRetryableAfter(&errs.Error{Code: errs.Unavailable, Op: op, Subject: subject, Err: errors.New(http.StatusText(response.StatusCode))},
			time.Duration(seconds)*time.Second)
	}
	return answered, err
}

// maxAnswer bounds how many bytes an answer may have.
const maxAnswer = 256 << 20

// understand reads an answer. Most errors come with status 500, and what they
// are is in errors[].
func understand(op, subject string, status int, text []byte) (map[string]any, error) {
	var answered map[string]any
	decodeErr := json.Unmarshal(text, &answered)
	var words []string
	for _, e := range array(answered["errors"]) {
		for _, name := range []string{"error", "description"} {
			if word := str(object(e)[name]); word != "" && !slices.Contains(words, word) {
				words = append(words, word)
			}
		}
	}
	switch {
	case len(words) == 0 && status < 300 && decodeErr == nil:
		return answered, nil
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return nil, &errs.Error{Code: errs.PermissionDenied, Op: op, Subject: subject, Err: errors.New(cmp.Or(strings.Join(words, ": "), http.StatusText(status))),
			Hint: "the token may have expired"}
	case len(words) == 0 && decodeErr != nil && status < 500:
		return nil, &errs.Error{Code: errs.Internal, Op: op, Subject: subject, Err: fmt.Errorf("status %d and no JSON: %w", status, decodeErr)}
	case len(words) == 0, strings.Contains(strings.Join(words, " "), "unable to load"),
		strings.HasPrefix(op, "get ") && slices.Contains(words, "Unspecified error"): // what 22.05 says without its controller
		return nil, executor.MarkRetryable(&errs.Error{Code: errs.Unavailable, Op: op, Subject: subject,
			Err:  fmt.Errorf("status %d: %s", status, strings.Join(words, ": ")),
			Hint: "slurmctld does not answer, or the token is refused"})
	}
	return answered, refused(op, subject, answer{code: 1, err: strings.Join(words, ": ")})
}

// Submit submits a job: see Manager.Submit. JobSpec.Record is ignored where the
// job is submitted without commands.
func (r *REST) Submit(ctx context.Context, spec *hpc.JobSpec) (string, error) {
	spec = rendered(spec)
	script, err := scriptOf(spec)
	if err != nil {
		return "", err
	}
	if err := checkWorkDir(spec); err != nil {
		return "", err
	}
	dependencies, err := dependencyOf(spec)
	if err != nil {
		return "", err
	}
	if what := beyondREST(spec); what != "" {
		if r.options.Commands != nil {
			return r.options.Commands.Submit(ctx, spec)
		}
		return "", &errs.Error{Code: errs.InvalidArgument, Op: "submit", Subject: subjectOf(spec),
			Err: errors.New("slurmrestd does not take " + what), Hint: "give the cluster a shell, so that sbatch can be used"}
	}
	if err := checkDependencies(ctx, r, spec); err != nil {
		return "", err
	}
	answered, err := r.call(ctx, http.MethodPost, "job/submit", map[string]any{"script": script, "job": r.properties(spec, dependencies)})
	// A job that is held, for instance, is submitted and an error as well.
	id, ok := num(answered["job_id"])
	if err != nil && id <= 0 {
		return "", errs.Wrap(err, "submit", subjectOf(spec))
	}
	if !ok || id <= 0 {
		return "", errs.New(errs.Internal, "submit", subjectOf(spec), "slurmrestd named no job")
	}
	return strconv.FormatInt(id, 10), nil
}

// beyondREST tells what of a job the API does not take.
func beyondREST(spec *hpc.JobSpec) string {
	switch {
	case len(spec.Options) > 0:
		return "options of sbatch"
	case len(spec.NodeList) > 0:
		return "a list of nodes"
	case hasDirectives(spec.Script):
		return "#SBATCH lines in a script"
	case spec.WorkDir == "":
		return "a job without a work directory"
	}
	return ""
}

func hasDirectives(script string) bool {
	for line := range strings.Lines(script) {
		if strings.HasPrefix(line, "#SBATCH") {
			return true
		}
	}
	return false
}

// properties are those of v0.0.38_job_properties in the API's description. Later
// versions take the environment and the kinds of mail as lists.
func (r *REST) properties(spec *hpc.JobSpec, dependencies string) map[string]any {
	job := map[string]any{
		"current_working_directory": spec.WorkDir, "requeue": spec.Requeue,
		"standard_output": absolute(spec.WorkDir, outputOf(spec, spec.Stdout, "stdout")),
	}
	if !spec.Join {
		job["standard_error"] = absolute(spec.WorkDir, outputOf(spec, spec.Stderr, "stderr"))
	}
	for name, value := range map[string]string{
		"name": spec.Name, "comment": spec.Tag, "partition": spec.Queue, "account": spec.Account, "qos": spec.QOS, "reservation": spec.Reservation,
		"constraints": spec.Constraint, "mail_user": spec.Mail, "dependency": dependencies,
	} {
		if value != "" {
			job[name] = value
		}
	}
	for name, value := range map[string]int64{
		"tasks": int64(spec.Tasks), "tasks_per_node": int64(spec.TasksPerNode), "cpus_per_task": int64(spec.CPUsPerTask),
		"memory_per_node": (spec.Memory + 1<<20 - 1) >> 20, "memory_per_cpu": (spec.MemoryPerCPU + 1<<20 - 1) >> 20,
		"time_limit": int64((spec.Walltime + time.Minute - 1) / time.Minute),
	} {
		if value > 0 {
			job[name] = value
		}
	}
	if spec.GPUs > 0 {
		job["gres"] = gresOf(spec)
	}
	if spec.Array != nil {
		job["array"] = arrayOf(spec.Array)
	}
	if spec.Hold {
		job["hold"] = true
	}
	listed := r.number() >= 39
	if !spec.Begin.IsZero() {
		// v0.0.38 describes a number and reads a text, as sbatch --begin does.
		job["begin_time"] = "uts" + strconv.FormatInt(spec.Begin.Unix(), 10)
		if listed {
			job["begin_time"] = spec.Begin.Unix()
		}
	}
	if spec.Nodes > 0 {
		job["nodes"] = strconv.Itoa(spec.Nodes) // as a list, which v0.0.38 describes, 22.05 ignores it
	}
	if spec.Exclusive {
		job["exclusive"] = "true"
		if listed {
			job["exclusive"] = []string{"true"}
		}
	}
	if kinds := spec.MailOn; len(kinds) > 0 {
		job["mail_type"] = strings.ToUpper(strings.Join(kinds, ","))
		if listed {
			job["mail_type"] = strings.Split(strings.ToUpper(strings.Join(kinds, ",")), ",")
		}
	}
	// The API insists on an environment; the job gets no other, and what it needs
	// is in its script.
	const path = "/usr/local/bin:/usr/bin:/bin"
	job["environment"] = map[string]string{"PATH": path}
	if listed {
		job["environment"] = []string{"PATH=" + path}
	}
	return job
}

// number is 38 for "v0.0.38".
func (r *REST) number() int {
	return count(r.options.Version[strings.LastIndexByte(r.options.Version, '.')+1:])
}

func absolute(dir, name string) string {
	if strings.HasPrefix(name, "/") {
		return name
	}
	return strings.TrimSuffix(dir, "/") + "/" + name
}

// entries asks after all jobs.
func (r *REST) entries(ctx context.Context) ([]entry, map[string]int64, error) {
	answered, err := r.call(ctx, http.MethodGet, "jobs", nil)
	if err != nil {
		return nil, nil, err
	}
	entries, raw := parseJobs(answered)
	return entries, raw, nil
}

// Jobs asks after jobs: see Manager.Jobs. The API is asked for all jobs of the
// cluster in one request, and RESTOptions.Commands for the accounting.
func (r *REST) Jobs(ctx context.Context, ids []string) ([]*hpc.Job, error) {
	wanted := unique(ids)
	if len(wanted) == 0 {
		return nil, nil
	}
	queued, _, err := r.entries(ctx)
	if err != nil {
		return nil, err
	}
	if r.options.Commands != nil {
		return pick(r.options.Commands.complete(ctx, wanted, queued), ids), nil
	}
	return pick(gather(queued, nil), ids), nil
}

// List returns the jobs that slurmctld knows: see Manager.List.
func (r *REST) List(ctx context.Context, user string) ([]*hpc.Job, error) {
	queued, _, err := r.entries(ctx)
	if err != nil {
		return nil, err
	}
	if user != "" {
		queued = slices.DeleteFunc(queued, func(e entry) bool { return e.User != user })
	}
	return tops(gather(queued, nil)), nil
}

// Find returns the jobs that bear a tag, of those that slurmctld knows, and of
// those in the accounting where RESTOptions.Commands is there.
func (r *REST) Find(ctx context.Context, tag string) ([]string, error) {
	if r.options.Commands != nil {
		return r.options.Commands.Find(ctx, tag)
	}
	if tag == "" {
		return nil, errs.New(errs.InvalidArgument, "find", "jobs", "an empty tag is that of all jobs")
	}
	jobs, err := r.List(ctx, "")
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, j := range jobs {
		if j.Tag == tag {
			ids = append(ids, j.ID)
		}
	}
	return ids, nil
}

// Cancel ends jobs and looks whether they have ended: see Manager.Cancel.
func (r *REST) Cancel(ctx context.Context, ids ...string) error {
	if r.options.Commands != nil {
		return r.options.Commands.Cancel(ctx, ids...)
	}
	left := unique(ids)
	bounded, stop := context.WithTimeout(ctx, cancelPatience)
	defer stop()
	for len(left) > 0 {
		queued, raw, err := r.entries(ctx)
		if err != nil {
			return err
		}
		if left = living(gather(queued, nil), left); len(left) == 0 {
			return nil
		}
		for _, id := range left {
			name := id
			if number, ok := raw[id]; ok { // a task has a number of its own
				name = strconv.FormatInt(number, 10)
			}
			if _, err := r.call(ctx, http.MethodDelete, "job/"+name, nil); err != nil && (executor.Retryable(err) || errs.CodeOf(err) == errs.PermissionDenied) {
				return errs.Wrap(err, "cancel", "job "+id)
			}
		}
		select {
		case <-bounded.Done():
			if ctx.Err() != nil {
				return errs.Wrap(ctx.Err(), "cancel", "job "+strings.Join(left, ", "))
			}
			return executor.MarkRetryable(errs.New(errs.Unavailable, "cancel", "job "+strings.Join(left, ", "), "it is in the queue still"))
		case <-time.After(300 * time.Millisecond):
		}
	}
	return nil
}

// Hold is done by commands, as are the following.
func (r *REST) Hold(ctx context.Context, ids ...string) error {
	return r.byCommand("hold", func(m *Manager) error { return m.Hold(ctx, ids...) })
}

// Release undoes Hold.
func (r *REST) Release(ctx context.Context, ids ...string) error {
	return r.byCommand("release", func(m *Manager) error { return m.Release(ctx, ids...) })
}

// Suspend stops running jobs.
func (r *REST) Suspend(ctx context.Context, ids ...string) error {
	return r.byCommand("suspend", func(m *Manager) error { return m.Suspend(ctx, ids...) })
}

// Resume undoes Suspend.
func (r *REST) Resume(ctx context.Context, ids ...string) error {
	return r.byCommand("resume", func(m *Manager) error { return m.Resume(ctx, ids...) })
}

// Requeue queues running jobs anew.
func (r *REST) Requeue(ctx context.Context, ids ...string) error {
	return r.byCommand("requeue", func(m *Manager) error { return m.Requeue(ctx, ids...) })
}

// Drain lets nodes start no more jobs.
func (r *REST) Drain(ctx context.Context, reason string, nodes ...string) error {
	return r.byCommand("drain", func(m *Manager) error { return m.Drain(ctx, reason, nodes...) })
}

// Undrain undoes Drain.
func (r *REST) Undrain(ctx context.Context, nodes ...string) error {
	return r.byCommand("undrain", func(m *Manager) error { return m.Undrain(ctx, nodes...) })
}

func (r *REST) byCommand(verb string, do func(*Manager) error) error {
	if r.options.Commands == nil {
		return &errs.Error{Code: errs.Unimplemented, Op: verb, Subject: "jobs", Err: errors.New("slurmrestd cannot"),
			Hint: "give the cluster a shell, so that scontrol can be used"}
	}
	return do(r.options.Commands)
}

// Queues returns the partitions: see Manager.Queues.
func (r *REST) Queues(ctx context.Context) ([]*hpc.Queue, error) {
	answered, err := r.call(ctx, http.MethodGet, "partitions", nil)
	if err != nil {
		return nil, err
	}
	jobs, _, err := r.entries(ctx)
	if err != nil {
		return nil, err
	}
	return countJobs(readPartitions(answered), jobs), nil
}

// Nodes returns the compute nodes: see Manager.Nodes.
func (r *REST) Nodes(ctx context.Context) ([]*hpc.Node, error) {
	answered, err := r.call(ctx, http.MethodGet, "nodes", nil)
	if err != nil {
		return nil, err
	}
	jobs, _, err := r.entries(ctx)
	if err != nil {
		return nil, err
	}
	return placeJobs(readNodes(answered), jobs), nil
}
