package pbs

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

func (c *call) qstat() int {
	if len(c.args) > 0 && c.args[0] == "--version" {
		if c.torque() {
			fmt.Print("Version: 6.1.3\nCommit: ccdab3b43f4578573b166587f2f327a2ce9605e9\n")
		} else {
			fmt.Println("pbs_version = 23.06.06")
		}
		return 0
	}
	values, flags := "uW", "xftQB1naeirsqGMR"
	if !c.torque() {
		values, flags = "uFD", "xftQBwnaisqEJpHT1"
	}
	options, operands, err := parse(c.args, values, flags)
	if err != nil {
		return c.fail(2, "%v", err)
	}
	on := map[string]string{}
	for _, o := range options {
		on[o[0]] = "yes" + o[1]
	}
	switch {
	case on["Q"] != "":
		c.queues()
		return 0
	case on["B"] != "":
		fmt.Printf("Server: %s\n    server_state = Active\n    scheduling = True\n    total_jobs = %d\n    state_count = %s\n    default_queue = batch\n    keep_completed = %d\n\n",
			server, len(c.state.Jobs), c.counts(""), int(c.state.Options.KeepCompleted.Seconds()))
		return 0
	}
	history := !c.torque() && on["x"] != ""
	var jobs []*job
	code := 0
	if history && c.state.Options.NoHistory {
		for _, id := range append(operands, "")[:max(1, len(operands))] {
			c.fail(0, "PBS is not configured to maintain job history %s", id)
		}
	} else {
		jobs, code = c.chosen(operands, on["t"] != "", history)
	}
	switch {
	case c.torque() && on["x"] != "":
		printXML(jobs)
	case on["f"] != "" && on["F"] == "yesjson":
		c.printJSON(jobs)
	case on["f"] != "":
		c.printText(jobs)
	default:
		c.printTable(jobs)
	}
	return code
}

// chosen returns the jobs that the operands name, or all. Torque shows an array
// or its tasks, OpenPBS the array with its tasks or without.
func (c *call) chosen(operands []string, tasks, history bool) (jobs []*job, code int) {
	all := func(ended bool) {
		for _, j := range c.state.Jobs {
			switch {
			case j.ended() && !ended:
			case j.Index >= 0 && !tasks, j.Array && tasks && c.torque():
			default:
				jobs = append(jobs, j)
			}
		}
	}
	if len(operands) == 0 {
		all(c.torque() || history)
		return jobs, 0
	}
	for _, id := range operands {
		j := c.state.find(id)
		switch {
		case j == nil:
			code = c.unknown(id)
		case j.ended() && !c.torque() && !history:
			code = c.fail(35, "%s Job has finished, use -x or -H to obtain historical job information", j.id())
		case j.Array && c.torque() && !tasks:
			all(true) // its bug
		case j.Array && tasks:
			if !c.torque() {
				jobs = append(jobs, j)
			}
			jobs = append(jobs, c.state.tasks(j)...)
		default:
			jobs = append(jobs, j)
		}
	}
	return jobs, code
}

func printXML(jobs []*job) {
	if len(jobs) == 0 {
		return
	}
	var b strings.Builder
	b.WriteString("<?xml version=\"1.0\"?>\n<Data>")
	for _, j := range jobs {
		b.WriteString("<Job><Job_Id>" + j.id() + "</Job_Id>")
		group := ""
		for _, a := range j.torqueAttributes() {
			in, name, grouped := strings.Cut(a.name, ".")
			if !grouped {
				in, name = "", a.name
			}
			if in != group {
				if group != "" {
					b.WriteString("</" + group + ">")
				}
				if in != "" {
					b.WriteString("<" + in + ">")
				}
				group = in
			}
			value := a.value
			if !a.at.IsZero() {
				value = strconv.FormatInt(a.at.Unix(), 10)
			}
			b.WriteString("<" + name + ">")
			_ = xml.EscapeText(&b, []byte(value))
			b.WriteString("</" + name + ">")
		}
		if group != "" {
			b.WriteString("</" + group + ">")
		}
		b.WriteString("</Job>")
	}
	b.WriteString("</Data>\n")
	fmt.Print(b.String())
}

func (c *call) of(j *job) attributes {
	if c.torque() {
		return j.torqueAttributes()
	}
	return j.openPBSAttributes()
}

// text is a value as qstat -f prints it: times in the zone of the process.
func (a attribute) text() string {
	if a.at.IsZero() {
		return a.value
	}
	return a.at.Local().Format(time.ANSIC)
}

func (c *call) printText(jobs []*job) {
	for _, j := range jobs {
		fmt.Printf("Job Id: %s\n", j.id())
		var variables []string
		for _, a := range append(c.of(j), attribute{}) {
			if name, ok := strings.CutPrefix(a.name, "Variable_List."); ok {
				variables = append(variables, name+"="+a.value)
				continue
			}
			if len(variables) > 0 {
				fmt.Printf("    Variable_List = %s\n", strings.Join(variables, ","))
				variables = nil
			}
			if a.name != "" {
				fmt.Printf("    %s = %s\n", a.name, a.text())
			}
		}
		fmt.Println()
	}
}

func (c *call) printJSON(jobs []*job) {
	answer := map[string]any{"timestamp": time.Now().Unix(), "pbs_version": "23.06.06", "pbs_server": server}
	byID := map[string]any{}
	for _, j := range jobs {
		object := map[string]any{}
		for _, a := range c.of(j) {
			var value any = a.text()
			if n, err := strconv.Atoi(a.value); err == nil && a.at.IsZero() && strconv.Itoa(n) == a.value {
				value = n
			}
			in, name, grouped := strings.Cut(a.name, ".")
			if !grouped {
				object[a.name] = value
				continue
			}
			if object[in] == nil {
				object[in] = map[string]any{}
			}
			object[in].(map[string]any)[name] = value
		}
		byID[j.id()] = object
	}
	if len(jobs) > 0 {
		answer["Jobs"] = byID
	}
	text, err := json.MarshalIndent(answer, "", "\t")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	c.printed(text)
}

func (c *call) printTable(jobs []*job) {
	if len(jobs) == 0 {
		return
	}
	if c.torque() {
		fmt.Print("Job ID                    Name             User            Time Use S Queue\n" +
			"------------------------- ---------------- --------------- -------- - -----\n")
	} else {
		fmt.Print("Job id            Name             User              Time Use S Queue\n" +
			"----------------  ---------------- ----------------  -------- - -----\n")
	}
	for _, j := range jobs {
		used := "0"
		if j.Starts > 0 {
			used = "00:00:00"
		}
		if c.torque() {
			fmt.Printf("%-26s %-16s %-15s %8s %s %-15s\n", j.id(), j.Name, j.Owner, used, j.State, j.Queue)
		} else {
			fmt.Printf("%-17s %-16s %-16s  %8s %s %-16s\n", j.id(), j.Name, j.Owner, used, j.shown(), j.Queue)
		}
	}
}

// counts is a state_count, of one queue or of all.
func (c *call) counts(queue string) string {
	n := map[string]int{}
	for _, j := range c.state.Jobs {
		if (queue == "" || j.Queue == queue) && !j.Array {
			n[j.State]++
		}
	}
	last := fmt.Sprintf("Complete:%d", n["C"])
	if !c.torque() {
		last = "Begun:0"
	}
	return fmt.Sprintf("Transit:0 Queued:%d Held:%d Waiting:%d Running:%d Exiting:%d %s ", n["Q"], n["H"], n["W"], n["R"]+n["S"], n["E"], last)
}

func (c *call) queues() {
	names := []string{"batch"}
	if !c.torque() {
		names = []string{"workq", "batch"}
	}
	for _, name := range names {
		fmt.Printf("Queue: %s\n    queue_type = Execution\n    total_jobs = 0\n    state_count = %s\n", name, c.counts(name))
		if c.torque() {
			fmt.Printf("    resources_default.walltime = 01:00:00\n    resources_default.nodes = 1\n    mtime = 1795471191\n"+
				"    resources_assigned.nodect = 0\n    keep_completed = %d\n", int(c.state.Options.KeepCompleted.Seconds()))
		}
		fmt.Print("    enabled = True\n    started = True\n\n")
	}
}

func (c *call) qselect() int {
	options, _, err := parse(c.args, "usNqlthaA", "xJH")
	if err != nil {
		return c.fail(2, "%v", err)
	}
	user, ended := "", c.torque()
	for _, o := range options {
		switch o[0] {
		case "u":
			user = o[1]
		case "x":
			ended = true
		}
	}
	if ended && !c.torque() && c.state.Options.NoHistory {
		return c.fail(0, "PBS is not configured to maintain job history")
	}
	for _, j := range c.state.Jobs {
		if j.Index < 0 && (ended || !j.ended()) && (user == "" || j.Owner == user) {
			fmt.Println(j.id())
		}
	}
	return 0
}

// printed prints JSON, spoiled if that is asked for.
func (c *call) printed(text []byte) {
	if c.state.Options.BrokenJSON {
		text = []byte(strings.Replace(string(text), `"timestamp"`, `"say "hello"": 1, "timestamp"`, 1))
	}
	fmt.Printf("%s\n", text)
}
