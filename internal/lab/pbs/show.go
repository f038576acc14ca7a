package pbs

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// attribute is a line of qstat -f: a name, with a dot in those of groups, and a
// value; at is that of a time.
type attribute struct {
	name, value string
	at          time.Time
}

// attributes collects those of a job, in the order in which the manager prints them.
type attributes []attribute

func (a *attributes) add(name, value string) { *a = append(*a, attribute{name: name, value: value}) }

// some adds what is not empty.
func (a *attributes) some(name, value string) {
	if value != "" {
		a.add(name, value)
	}
}

func (a *attributes) time(name string, at time.Time) {
	if !at.IsZero() {
		*a = append(*a, attribute{name: name, at: at})
	}
}

func (j *job) depend(suffix string) string {
	var parts []string
	for _, w := range append(j.Waits, j.Before...) {
		parts = append(parts, w.Kind+":"+w.ID+suffix)
	}
	return strings.Join(parts, ",")
}

func (j *job) holds() string {
	switch {
	case j.Hold:
		return "u"
	case len(j.Waits) > 0:
		return "s"
	}
	return "n"
}

func (j *job) elapsed() string {
	end := j.Ended
	if end.IsZero() {
		end = time.Now()
	}
	s := int(end.Sub(j.Started).Seconds())
	return fmt.Sprintf("%02d:%02d:%02d", s/3600, s/60%60, s%60)
}

func (j *job) outputPath(extension string, torque bool) string {
	path := j.Output
	if path == "" || extension == ".e" {
		path = fmt.Sprintf("%s/%s%s%d", j.WorkDir, j.Name, extension, j.Number)
	}
	if j.Index >= 0 && torque {
		path += "-" + strconv.Itoa(j.Index)
	} else if j.Index >= 0 {
		path += "." + strconv.Itoa(j.Index)
	} else if j.Array && !torque {
		path += ".^array_index^"
	}
	return server + ":" + path
}

func title(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

func (j *job) joined() string {
	if j.Join {
		return "oe"
	}
	return "n"
}

// torqueAttributes are those of qstat -f and -x of Torque.
func (j *job) torqueAttributes() attributes {
	var a attributes
	ran := j.Starts > 0 && !j.Array && j.State != "Q"
	name := j.Name
	if j.Index >= 0 {
		name += "-" + strconv.Itoa(j.Index)
	}
	a.add("Job_Name", name)
	a.add("Job_Owner", j.Owner+"@localhost")
	if ran {
		a.add("resources_used.cput", "00:00:00")
		a.add("resources_used.vmem", "11640kb")
		a.add("resources_used.walltime", j.elapsed())
		a.add("resources_used.mem", "6664kb")
		a.add("resources_used.energy_used", "0")
	}
	a.add("job_state", j.State)
	a.add("queue", j.Queue)
	a.add("server", server)
	a.add("Checkpoint", "u")
	a.time("ctime", j.Created)
	a.some("depend", j.depend(""))
	a.add("Error_Path", j.outputPath(".e", true))
	if ran {
		a.add("exec_host", server+"/0")
	}
	if j.Begin > 0 {
		a.time("Execution_Time", time.Unix(j.Begin, 0))
	}
	if j.Index < 0 || j.Hold {
		a.add("Hold_Types", j.holds())
	}
	a.add("Join_Path", j.joined())
	a.add("Keep_Files", "n")
	a.add("Mail_Points", j.Mail)
	a.time("mtime", j.Changed)
	a.add("Output_Path", j.outputPath(".o", true))
	a.add("Priority", "0")
	a.time("qtime", j.Created)
	a.add("Rerunable", title(j.Rerunable))
	for _, r := range j.Resources {
		a.add("Resource_List."+r[0], r[1])
	}
	if j.Process > 0 || j.ended() && ran {
		a.add("session_id", strconv.Itoa(max(1, j.Process)))
	}
	variables := j.Variables
	if j.Index >= 0 {
		variables = append([]string{"PBS_ARRAYID=" + strconv.Itoa(j.Index)}, variables...)
	}
	a.add("Variable_List", strings.Join(variables, ","))
	a.add("euser", j.Owner)
	a.add("egroup", j.Owner)
	a.add("queue_type", "E")
	if !j.Array {
		a.some("comment", j.Comment)
	}
	a.time("etime", j.Eligible)
	if j.Exit != nil && !j.Array {
		a.add("exit_status", strconv.Itoa(*j.Exit))
	}
	a.add("submit_args", j.Arguments)
	if j.Array {
		a.add("job_array_request", j.Tasks)
	} else if j.Index >= 0 {
		a.add("job_array_id", strconv.Itoa(j.Index))
	}
	if ran {
		a.time("start_time", j.Started)
		if !j.ended() {
			a.add("Walltime.Remaining", strconv.Itoa(int(time.Until(j.Started.Add(j.Walltime)).Seconds())))
		}
		a.add("start_count", strconv.Itoa(j.Starts))
	}
	a.add("fault_tolerant", "False")
	if !j.Array {
		a.time("comp_time", j.Ended)
	}
	a.add("job_radix", "0")
	if !j.Ended.IsZero() && !j.Array {
		a.add("total_runtime", fmt.Sprintf("%f", j.Ended.Sub(j.Started).Seconds()))
	}
	a.add("submit_host", server)
	a.add("init_work_dir", j.InitDir)
	a.add("request_version", "1")
	return a
}

// openPBSAttributes are those of qstat -f of OpenPBS.
func (j *job) openPBSAttributes() attributes {
	var a attributes
	ran := j.Starts > 0 && !j.Array && j.State != "Q"
	a.add("Job_Name", j.Name)
	a.add("Job_Owner", j.Owner+"@"+server)
	if ran {
		a.add("resources_used.cpupercent", "0")
		a.add("resources_used.cput", "00:00:00")
		a.add("resources_used.mem", "6204kb")
		a.add("resources_used.ncpus", strconv.Itoa(j.Slots))
		a.add("resources_used.vmem", "10380kb")
		a.add("resources_used.walltime", j.elapsed())
	}
	a.add("job_state", j.shown())
	a.add("queue", j.Queue)
	a.add("server", server)
	if j.Index < 0 {
		a.add("Checkpoint", "u")
	}
	a.time("ctime", j.Created)
	a.some("depend", j.depend("@"+server))
	a.add("Error_Path", j.outputPath(".e", false))
	if ran {
		a.add("exec_host", server+"/0")
		a.add("exec_vnode", fmt.Sprintf("(%s:ncpus=%d)", server, j.Slots))
	}
	if j.Begin > 0 {
		a.time("Execution_Time", time.Unix(j.Begin, 0))
	}
	if j.Index < 0 || j.Hold {
		a.add("Hold_Types", j.holds())
	}
	a.add("Join_Path", j.joined())
	a.add("Keep_Files", "n")
	a.add("Mail_Points", j.Mail)
	a.time("mtime", j.Changed)
	a.add("Output_Path", j.outputPath(".o", false))
	a.add("Priority", "0")
	a.time("qtime", j.Created)
	a.add("Rerunable", title(j.Rerunable))
	for _, r := range j.Resources {
		a.add("Resource_List."+r[0], r[1])
	}
	if ran || j.Array {
		a.time("stime", j.Started)
	}
	if ran || j.Array && j.ended() {
		a.time("obittime", j.Ended)
	}
	if ran {
		if j.Process > 0 {
			a.add("session_id", strconv.Itoa(j.Process))
		}
		a.add("jobdir", j.InitDir)
	}
	substate := j.Substate
	if j.shown() == "Q" {
		substate = 10
	}
	a.add("substate", strconv.Itoa(substate))
	for _, v := range j.Variables {
		name, value, _ := strings.Cut(v, "=")
		a.add("Variable_List."+name, value)
	}
	a.some("comment", j.Comment)
	a.time("etime", j.Eligible)
	if ran {
		a.add("run_count", strconv.Itoa(j.Starts))
	}
	if j.Exit != nil {
		a.add("Stageout_status", "1")
		a.add("Exit_status", strconv.Itoa(*j.Exit))
	}
	if j.Index < 0 {
		a.add("Submit_arguments", j.Arguments)
	} else {
		a.add("array_id", fmt.Sprintf("%d[].%s", j.Number, server))
		a.add("array_index", strconv.Itoa(j.Index))
	}
	if j.Array {
		a.add("array", "True")
		a.add("array_state_count", "Queued:0 Running:0 Exiting:0 Expired:0")
		a.add("array_indices_submitted", j.Tasks)
		a.add("array_indices_remaining", cmp.Or(map[bool]string{true: "-"}[j.ended()], j.Tasks))
	}
	if j.ended() {
		a.add("history_timestamp", strconv.FormatInt(j.Changed.Unix(), 10))
	}
	a.add("project", "_pbs_project_default")
	a.add("Submit_Host", server)
	return a
}

// shown is the state as OpenPBS calls it. A task that has not begun is queued,
// whatever its array waits for.
func (j *job) shown() string {
	switch {
	case j.State == "C":
		return "F"
	case j.Index >= 0 && (j.State == "H" || j.State == "W"):
		return "Q"
	case j.Array && j.State == "R":
		return "B"
	}
	return j.State
}
