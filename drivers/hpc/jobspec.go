package hpc

import (
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
)

var (
	variable  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	indexes   = regexp.MustCompile(`^[0-9]+(-[0-9]+(:[0-9]+)?)?(,[0-9]+(-[0-9]+(:[0-9]+)?)?)*$`)
	notInName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)
)

// The names of the profile's types and artifacts that the driver claims.
const (
	jobType        = "hpc.nodes.Job"
	allocationType = "hpc.nodes.Allocation"
	clusterType    = "hpc.nodes.Cluster"
	scriptType     = "hpc.artifacts.JobScript"
)

func derives(t *tosca.NodeType, name string) bool {
	for ; t != nil; t = t.Parent {
		if t.Name == name {
			return true
		}
	}
	return false
}

func isJob(op *executor.Operation) bool {
	return op.Node != nil && op.Relationship == nil && (derives(op.Node.Type, jobType) || isAllocation(op))
}

func isAllocation(op *executor.Operation) bool { return derives(op.Node.Type, allocationType) }

// job is what an operation asks for.
type job struct {
	spec    *JobSpec
	in, out []Transfer
	factor  float64
	serves  bool
}

// Transfer is a file or pattern to copy. Source and Target are as in the data
// types hpc.datatypes.StageIn and StageOut.
type Transfer struct {
	Source string `json:"source"`
	Target string `json:"target,omitempty"`
}

// jobOf makes a job of the node's properties. The work directory is not known yet.
func jobOf(op *executor.Operation) (*job, error) {
	self := op.Self
	if self == nil {
		self = &executor.Resource{ID: op.Instance}
	}
	v := &values{r: self}
	s := &JobSpec{
		Name: v.text("name"), Tag: tagOf(op), Script: v.text("script"), Arguments: v.texts("arguments"),
		Nodes: v.number("nodes"), Tasks: v.number("tasks"), TasksPerNode: v.number("tasks_per_node"), CPUsPerTask: v.number("cpus_per_task"),
		Memory: v.memory("memory"), MemoryPerCPU: v.memory("memory_per_cpu"), GPUs: v.number("gpus"), GPUType: v.text("gpu_type"),
		Walltime: v.walltime("walltime"), Queue: v.text("queue"), Account: v.text("account"), QOS: v.text("qos"),
		Reservation: v.text("reservation"), Constraint: v.text("constraint"), NodeList: v.texts("node_list"), Exclusive: v.flag("exclusive"),
		Env: v.environment("environment"), Modules: v.texts("modules"), Mail: v.text("mail"), MailOn: v.texts("mail_on"),
		Begin: v.time("begin"), Hold: v.flag("hold"), Requeue: v.flag("requeue"), Options: v.texts("options"),
	}
	j := &job{spec: s, factor: v.factor("retry_memory_factor"), serves: v.flag("serves")}
	if s.Name == "" {
		s.Name = op.Instance
	}
	s.Name = strings.Trim(notInName.ReplaceAllString(s.Name, "-"), "-.")
	if s.Mail != "" && len(s.MailOn) == 0 {
		s.MailOn = []string{"end", "fail"}
	}
	if j.factor > 1 && s.Memory == 0 && s.MemoryPerCPU == 0 {
		v.fail("retry_memory_factor", "there is no memory to multiply: give memory or memory_per_cpu")
	}
	v.array(s)
	v.container(s)
	v.dependencies(s)
	j.in, j.out = v.transfers("stage_in"), v.transfers("stage_out")
	if isAllocation(op) {
		j.serves, s.Command = true, []string{"sleep", "2147483647"} // until it is canceled
	} else {
		v.program(op, j)
	}
	if v.err != nil {
		return nil, v.err
	}
	return j, nil
}

// tagOf is what a job bears so that it is found again.
func tagOf(op *executor.Operation) string { return dirName(op) }

func (v *values) array(s *JobSpec) {
	m := v.mapOf("array", v.get("array"))
	if m == nil {
		return
	}
	a := &Array{Indexes: v.textOf("array", m["indexes"])}
	if !indexes.MatchString(a.Indexes) {
		v.fail("array", "the indexes %q are not such as 0-9, 1,3,5 or 0-100:10", a.Indexes)
	}
	switch limit := m["limit"].(type) {
	case nil:
	case int64:
		a.Limit = int(limit)
	default:
		v.fail("array", "the limit %v is no whole number", limit)
	}
	s.Array = a
}

func (v *values) container(s *JobSpec) {
	m := v.mapOf("container", v.get("container"))
	if m == nil {
		return
	}
	list := func(name string) []string {
		l, ok := m[name].([]any)
		if m[name] != nil && !ok {
			v.fail("container", "%s is no list", name)
		}
		return v.textsOf("container", l)
	}
	gpu, _ := m["gpu"].(bool)
	s.Container = &Container{Runtime: v.textOf("container", m["runtime"]), Image: v.textOf("container", m["image"]),
		Binds: list("binds"), Options: list("options"), GPU: gpu}
	if s.Container.Image == "" {
		v.fail("container", "it names no image")
	}
}

func (v *values) dependencies(s *JobSpec) {
	for _, item := range v.list("dependencies") {
		m := v.mapOf("dependencies", item)
		array, _ := m["array"].(bool)
		d := Dependency{Kind: DependencyKind(v.textOf("dependencies", m["kind"])), Job: v.textOf("dependencies", m["job"]), Array: array}
		if d.Kind == "" {
			d.Kind = AfterOK
		}
		if (d.Job == "") != (d.Kind == Singleton) {
			v.fail("dependencies", "a dependency of kind %s with the job %q", d.Kind, d.Job)
		}
		s.Dependencies = append(s.Dependencies, d)
	}
}

func (v *values) transfers(name string) []Transfer {
	var all []Transfer
	for _, item := range v.list(name) {
		m := v.mapOf(name, item)
		t := Transfer{Source: v.textOf(name, m["source"]), Target: v.textOf(name, m["target"])}
		if t.Source == "" {
			v.fail(name, "a source is empty")
		}
		inside := []string{t.Target}
		if name == "stage_out" {
			inside = append(inside, t.Source)
		}
		for _, p := range inside {
			if p != "" && !fs.ValidPath(path.Clean(p)) {
				v.fail(name, "%q leads out of the folder", p)
			}
		}
		all = append(all, t)
	}
	return all
}

// program finds what the job runs: exactly one of several ways to say it.
func (v *values) program(op *executor.Operation, j *job) {
	file, command := v.text("script_artifact"), v.text("command")
	if op.Primary != nil {
		file = op.Primary.Path
	} else if j.spec.Script == "" && file == "" && command == "" {
		file = scriptArtifact(op)
	}
	given := 0
	for _, text := range []string{j.spec.Script, file, command} {
		if text != "" {
			given++
		}
	}
	switch {
	case given == 0:
		v.fail("script", "the job has nothing to run: give script, script_artifact or command, or an artifact of type %s", scriptType)
	case given > 1:
		v.fail("script", "give one of script, script_artifact and command")
	case command != "":
		j.spec.Command = slices.Concat([]string{command}, j.spec.Arguments)
		j.spec.Arguments = nil
	case file != "":
		content, err := fs.ReadFile(op.Files, inArchive(op, file))
		if err != nil {
			v.fail("script_artifact", "%w", err)
		} else if slices.Contains(content, 0) {
			v.fail("script_artifact", "%s is no text", file)
		}
		j.spec.Script = string(content)
	}
}

// scriptArtifact is the path of the node's first job script.
func scriptArtifact(op *executor.Operation) string {
	for _, a := range op.Node.Artifacts {
		for t := a.Type; t != nil; t = t.Parent {
			if t.Name == scriptType {
				return a.Path
			}
		}
	}
	return ""
}

// inArchive is the path of a file or folder of the archive: that of the node's
// artifact of the name, else the name itself.
func inArchive(op *executor.Operation, name string) string {
	for _, a := range op.Node.Artifacts {
		if a.Name == name && a.Path != "" {
			return path.Clean(a.Path)
		}
	}
	return path.Clean(name)
}

// clusterOf is what the job is hosted on.
func clusterOf(op *executor.Operation) (*executor.Resource, error) {
	for _, h := range op.Hosts {
		if h.Node != nil && derives(h.Node.Type, clusterType) {
			return h, nil
		}
	}
	if len(op.Hosts) > 0 {
		return op.Hosts[len(op.Hosts)-1], nil
	}
	return nil, &errs.Error{Code: errs.InvalidArgument, Op: "find the cluster of", Subject: op.Instance,
		Err:  errs.New(errs.InvalidArgument, "", "", "the job is hosted on nothing"),
		Hint: "give it the requirement host with a node of type " + clusterType}
}
