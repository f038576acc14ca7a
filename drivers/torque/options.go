package torque

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// word is what may stand in a resource list or dependency without quoting.
var word = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/@-]*$`)

var tagForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,80}$`)

// qsubArguments returns the arguments of qsub(1B) for a job whose script comes
// from standard input.
func qsubArguments(kind string, spec *hpc.JobSpec) ([]string, error) {
	if err := checkSpec(spec); err != nil {
		return nil, err
	}
	args := []string{"qsub"}
	add := func(option, value string) {
		if value != "" {
			args = append(args, option, value)
		}
	}
	add("-N", jobName(spec.Name))
	queue := spec.Queue
	if kind == kindPBS && spec.Reservation != "" {
		queue, _, _ = strings.Cut(spec.Reservation, ".") // a reservation of PBS is a queue
	}
	add("-q", queue)
	add("-A", spec.Account)
	resources, err := resourceLists(kind, spec)
	if err != nil {
		return nil, err
	}
	for _, list := range resources {
		args = append(args, "-l", list)
	}
	if kind == kindTorque && spec.Exclusive {
		args = append(args, "-n")
	}
	array, err := arrayArguments(kind, spec.Array)
	if err != nil {
		return nil, invalid(spec, "array %q: %w", spec.Array.Indexes, err)
	}
	args = append(args, array...)
	depend, err := dependencies(kind, spec)
	if err != nil {
		return nil, err
	}
	if depend != "" {
		args = append(args, "-W", "depend="+depend)
	}
	if spec.Hold {
		args = append(args, "-h")
	}
	if !spec.Begin.IsZero() { // rounded up; UTC, because qsub runs with TZ=UTC
		add("-a", spec.Begin.UTC().Add(time.Second-1).Format("200601021504.05"))
	}
	add("-M", spec.Mail)
	mail, err := mailPoints(spec)
	if err != nil {
		return nil, err
	}
	add("-m", mail)
	// PBS takes no array that may not be run anew.
	args = append(args, "-r", map[bool]string{true: "y", false: "n"}[spec.Requeue || kind == kindPBS && spec.Array != nil])
	if kind == kindTorque {
		add("-d", spec.WorkDir)
	}
	first, _, _ := strings.Cut(spec.Script, "\n")
	interpreter, isShell := shellOf(first)
	if !isShell || strings.ContainsAny(interpreter, " \t") {
		interpreter = "/bin/sh"
	}
	add("-S", interpreter)
	// What the manager itself says of the job, such as why it killed it. The
	// script's own output does not go there: see jobScript.
	messages := "stdout"
	if spec.Stdout != "" {
		messages = spec.Stdout
	}
	args = append(args, "-j", "oe", "-o", messagesPath(spec.WorkDir, messages))
	options := spec.Options
	if spec.Tag != "" {
		var variables []string
		variables, options = splitVariables(options)
		variables = slices.Concat([]string{tagVariable + "=" + spec.Tag}, directiveVariables(spec.Script), variables)
		add("-v", strings.Join(variables, ","))
	}
	return append(args, options...), nil
}

func messagesPath(dir, name string) string {
	if strings.HasPrefix(name, "/") || dir == "" {
		return name + ".pbs"
	}
	return strings.TrimSuffix(dir, "/") + "/" + name + ".pbs"
}

func invalid(spec *hpc.JobSpec, format string, args ...any) error {
	return errs.New(errs.InvalidArgument, "submit", strings.TrimSpace("job "+spec.Name), format, args...)
}

// checkSpec refuses what would mean something else in a list of qsub.
func checkSpec(spec *hpc.JobSpec) error {
	if spec.Tag != "" && !tagForm.MatchString(spec.Tag) {
		return invalid(spec, "the tag %q has other characters than letters, digits, '.', '_' and '-', or more than 80", spec.Tag)
	}
	for what, value := range map[string]string{"queue": spec.Queue, "account": spec.Account, "QOS": spec.QOS,
		"reservation": spec.Reservation, "kind of GPU": strings.ReplaceAll(spec.GPUType, "=", "")} {
		if value != "" && !word.MatchString(value) {
			return invalid(spec, "the %s %q has characters that qsub does not take", what, value)
		}
	}
	for _, node := range spec.NodeList {
		if !word.MatchString(node) {
			return invalid(spec, "%q is no name of a node", node)
		}
	}
	if strings.HasPrefix(spec.Mail, "-") {
		return invalid(spec, "%q is no mail address", spec.Mail)
	}
	if spec.WorkDir != "" && !strings.HasPrefix(spec.WorkDir, "/") {
		return invalid(spec, "the work directory %q is not an absolute path", spec.WorkDir)
	}
	for _, n := range []int{spec.Nodes, spec.Tasks, spec.TasksPerNode, spec.CPUsPerTask, spec.GPUs} {
		if n < 0 {
			return invalid(spec, "a number of nodes, tasks, CPUs or GPUs is negative")
		}
	}
	return nil
}

// jobName makes a name that begins with a letter, as qsub wants it.
func jobName(name string) string {
	if name == "" {
		return ""
	}
	if c := name[0] | 0x20; c < 'a' || c > 'z' {
		name = "j" + name
	}
	const longest = 230 // of PBS; Torque takes more
	return name[:min(len(name), longest)]
}

// layout is how the tasks lie on the nodes.
type layout struct {
	nodes, tasksPerNode, cpus int // cpus are those of a node
	asked                     bool
}

func layoutOf(spec *hpc.JobSpec) (layout, error) {
	l := layout{nodes: spec.Nodes, tasksPerNode: spec.TasksPerNode,
		asked: spec.Nodes+spec.Tasks+spec.TasksPerNode+spec.CPUsPerTask+spec.GPUs > 0 ||
			len(spec.NodeList) > 0 || spec.Constraint != "" || spec.Memory > 0 || spec.MemoryPerCPU > 0}
	if n := len(spec.NodeList); n > 0 {
		if l.nodes > 0 && l.nodes != n {
			return l, invalid(spec, "%d nodes, but %d in the list of nodes", l.nodes, n)
		}
		l.nodes = n
	}
	if l.nodes == 0 {
		l.nodes = 1
		if spec.Tasks > 0 && l.tasksPerNode > 0 {
			l.nodes = (spec.Tasks + l.tasksPerNode - 1) / l.tasksPerNode
		}
	}
	if l.tasksPerNode == 0 {
		l.tasksPerNode = max(1, (spec.Tasks+l.nodes-1)/l.nodes)
	}
	if spec.Tasks > l.nodes*l.tasksPerNode {
		return l, invalid(spec, "%d tasks do not fit on %d nodes with %d tasks each", spec.Tasks, l.nodes, l.tasksPerNode)
	}
	l.cpus = l.tasksPerNode * max(1, spec.CPUsPerTask)
	return l, nil
}

func resourceLists(kind string, spec *hpc.JobSpec) ([]string, error) {
	l, err := layoutOf(spec)
	if err != nil {
		return nil, err
	}
	var lists []string
	// PBS takes no place without select.
	if kind == kindPBS && (l.asked || spec.Exclusive && !strings.Contains(strings.Join(directives(spec.Script), "\n"), "select=")) {
		lists, err = pbsResources(spec, l)
	} else if l.asked {
		lists, err = torqueResources(spec, l)
	}
	if err != nil {
		return nil, err
	}
	if kind == kindPBS && (l.asked && l.nodes > 1 || spec.Exclusive) {
		place := "scatter"
		if l.nodes == 1 {
			place = "pack"
		}
		if spec.Exclusive {
			place += ":excl"
		}
		lists = append(lists, "place="+place)
	}
	if spec.Walltime > 0 {
		s := int64((spec.Walltime + time.Second - 1) / time.Second)
		lists = append(lists, fmt.Sprintf("walltime=%02d:%02d:%02d", s/3600, s/60%60, s%60))
	}
	if spec.QOS != "" {
		lists = append(lists, "qos="+spec.QOS)
	}
	if kind == kindTorque && spec.Reservation != "" {
		lists = append(lists, "advres="+spec.Reservation)
	}
	return lists, nil
}

// torqueResources: nodes=N:ppn=P:gpus=G:property, or a '+' list of named nodes.
func torqueResources(spec *hpc.JobSpec, l layout) ([]string, error) {
	terms := fmt.Sprintf(":ppn=%d", l.cpus)
	if spec.GPUs > 0 {
		terms += fmt.Sprintf(":gpus=%d", spec.GPUs)
	}
	for _, property := range append(splitTerms(spec.Constraint), splitTerms(spec.GPUType)...) {
		if !word.MatchString(property) {
			return nil, invalid(spec, "%q is no property of nodes", property)
		}
		terms += ":" + property
	}
	chunks := []string{fmt.Sprintf("%d%s", l.nodes, terms)}
	if len(spec.NodeList) > 0 {
		chunks = nil
		for _, node := range spec.NodeList {
			chunks = append(chunks, node+terms)
		}
	}
	lists := []string{"nodes=" + strings.Join(chunks, "+")}
	if spec.Memory > 0 { // mem is for the whole job
		lists = append(lists, "mem="+kilobytes(spec.Memory*int64(l.nodes)))
	}
	if spec.MemoryPerCPU > 0 {
		lists = append(lists, "pmem="+kilobytes(spec.MemoryPerCPU))
	}
	return lists, nil
}

// pbsResources: select=N:ncpus=C:mpiprocs=T:ompthreads=P:mem=M:ngpus=G:name=value.
func pbsResources(spec *hpc.JobSpec, l layout) ([]string, error) {
	terms := fmt.Sprintf(":ncpus=%d:mpiprocs=%d", l.cpus, l.tasksPerNode)
	if spec.CPUsPerTask > 0 {
		terms += fmt.Sprintf(":ompthreads=%d", spec.CPUsPerTask)
	}
	if memory := max(spec.Memory, spec.MemoryPerCPU*int64(l.cpus)); memory > 0 {
		terms += ":mem=" + kilobytes(memory)
	}
	if spec.GPUs > 0 {
		terms += fmt.Sprintf(":ngpus=%d", spec.GPUs)
	}
	if spec.GPUType != "" {
		if name, value, found := strings.Cut(spec.GPUType, "="); found {
			terms += ":" + name + "=" + value
		} else {
			terms += ":accelerator_model=" + spec.GPUType
		}
	}
	for _, constraint := range splitTerms(spec.Constraint) {
		name, value, found := strings.Cut(constraint, "=")
		if !found {
			value = "True"
		}
		if !word.MatchString(name) || !word.MatchString(value) {
			return nil, invalid(spec, "%q is no resource of nodes", constraint)
		}
		terms += ":" + name + "=" + value
	}
	chunks := []string{fmt.Sprintf("%d%s", l.nodes, terms)}
	if len(spec.NodeList) > 0 {
		chunks = nil
		for _, node := range spec.NodeList {
			chunks = append(chunks, "1"+terms+":host="+node)
		}
	}
	return []string{"select=" + strings.Join(chunks, "+")}, nil
}

func splitTerms(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ':' || r == '&' || r == ' ' })
}

func kilobytes(n int64) string { return fmt.Sprintf("%dkb", (n+1023)/1024) }

func arrayArguments(kind string, array *hpc.Array) ([]string, error) {
	if array == nil {
		return nil, nil
	}
	indexes, err := parseIndexes(array.Indexes)
	if err != nil {
		return nil, err
	}
	option, text := "-t", torqueIndexes(indexes)
	if kind == kindPBS {
		option = "-J"
		if text, err = pbsIndexes(indexes); err != nil {
			return nil, err
		}
	}
	if array.Limit > 0 {
		text += fmt.Sprintf("%%%d", array.Limit)
	}
	return []string{option, text}, nil
}

// torqueArrayKinds are the kinds of Torque for a dependency upon an array.
var torqueArrayKinds = map[hpc.DependencyKind]string{hpc.After: "afterstartarray", hpc.AfterOK: "afterokarray",
	hpc.AfterNotOK: "afternotokarray", hpc.AfterAny: "afteranyarray"}

// dependencies writes the list of -W depend=.
func dependencies(kind string, spec *hpc.JobSpec) (string, error) {
	var kinds []string
	jobs := map[string][]string{}
	for _, d := range spec.Dependencies {
		name, ok := string(d.Kind), torqueArrayKinds[d.Kind] != ""
		if !ok {
			return "", invalid(spec, "PBS and Torque have no dependency %q", d.Kind)
		}
		if err := checkIDs("submit after", []string{d.Job}); err != nil {
			return "", err
		}
		if id := splitID(d.Job); kind == kindTorque && (d.Array || id.array && id.index < 0) {
			name = torqueArrayKinds[d.Kind]
		}
		if !slices.Contains(kinds, name) {
			kinds = append(kinds, name)
		}
		jobs[name] = append(jobs[name], d.Job)
	}
	parts := make([]string, len(kinds))
	for i, name := range kinds {
		parts[i] = name + ":" + strings.Join(jobs[name], ":")
	}
	return strings.Join(parts, ","), nil
}

func mailPoints(spec *hpc.JobSpec) (string, error) {
	points := ""
	for _, on := range spec.MailOn {
		letter, ok := map[string]string{"begin": "b", "end": "e", "fail": "a"}[on]
		if !ok {
			return "", invalid(spec, "mail on %q; known are begin, end and fail", on)
		}
		if !strings.Contains(points, letter) {
			points += letter
		}
	}
	return points, nil
}
