package pbs

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

func (c *call) pbsnodes() int {
	values, flags := "CDFs", "acdHjlLoqrSv"
	if c.torque() {
		values, flags = "Ns", "acdlnopqrx"
	}
	options, operands, err := parse(c.args, values, flags)
	if err != nil {
		return c.fail(1, "%v", err)
	}
	change, note, noted := "", "", false
	for _, o := range options {
		switch o[0] {
		case "o", "c", "r":
			change = o[0]
		case "N", "C":
			note, noted = o[1], true
		}
	}
	if change != "" || noted {
		return c.mark(change, note, noted, operands)
	}
	return c.listNodes()
}

// mark changes the node. Torque's command ends with code 0 whatever comes of it,
// and tries the note first.
func (c *call) mark(change, note string, noted bool, operands []string) int {
	code, marking := 0, change != "" || !c.torque()
	for _, name := range operands {
		refusal := ""
		switch {
		case c.state.Options.Unprivileged:
			refusal = "Unauthorized Request "
		case name != server:
			refusal = "Unknown node "
		}
		if refusal != "" {
			if noted && c.torque() {
				fmt.Fprintf(os.Stderr, "Error setting note attribute for %s - %s\n", name, refusal)
			}
			if marking {
				fmt.Fprintf(os.Stderr, "Error marking node %s - %s\n", name, refusal)
			}
			code = map[bool]int{true: 0, false: 1}[c.torque()]
			continue
		}
		if noted {
			c.state.Note = note
			if c.torque() && note == "n" {
				c.state.Note = ""
			}
		}
		if change != "" {
			c.state.Offline = change == "o"
		}
	}
	return code
}

func (c *call) listNodes() int {
	used := 0
	var running []string
	for _, j := range c.state.Jobs {
		if j.running() {
			running = append(running, fmt.Sprintf("%d/%s", used, j.id()))
			used += j.Slots
		}
	}
	n := c.state.Options.Slots
	status := "free"
	if used >= n {
		status = map[bool]string{true: "job-exclusive", false: "job-busy"}[c.torque()]
	}
	if c.state.Offline {
		status = strings.TrimSuffix("offline,"+status, ",free")
	}
	switch {
	case c.torque():
		fmt.Printf("<Data><Node><name>%s</name><state>%s</state><power_state>Running</power_state><np>%d</np><ntype>cluster</ntype>", server, status, n)
		if used > 0 {
			fmt.Printf("<jobs>%s</jobs>", strings.Join(running, ","))
		}
		if c.state.Note != "" {
			fmt.Print("<note>")
			_ = xml.EscapeText(os.Stdout, []byte(c.state.Note))
			fmt.Print("</note>")
		}
		fmt.Print("<status>opsys=linux,physmem=24684092kb,ncpus=2,state=free,version=6.1.3</status>" +
			"<mom_service_port>15002</mom_service_port><mom_manager_port>15003</mom_manager_port></Node></Data>\n")
	default:
		c.vnodes(n, used, status, running)
	}
	return 0
}

// vnodes prints the node of OpenPBS, as JSON or as text.
func (c *call) vnodes(n, used int, status string, running []string) {
	var jobs []string
	for i, r := range running {
		_, id, _ := strings.Cut(r, "/")
		jobs = append(jobs, fmt.Sprintf("%s/%d", id, i))
	}
	if !slices.Contains(c.args, "json") {
		fmt.Printf("%s\n     Mom = %s\n     ntype = PBS\n     state = %s\n     pcpus = 2\n", server, server, status)
		if used > 0 {
			fmt.Printf("     jobs = %s\n", strings.Join(jobs, ", "))
		}
		if c.state.Note != "" {
			fmt.Printf("     comment = %s\n", c.state.Note)
		}
		fmt.Printf("     resources_available.host = %s\n     resources_available.mem = 24684092kb\n     resources_available.ncpus = %d\n"+
			"     resources_assigned.ncpus = %d\n     license = l\n\n", server, n, used)
		return
	}
	assigned := map[string]any{}
	if used > 0 {
		assigned["ncpus"] = used
	}
	node := map[string]any{"Mom": server, "ntype": "PBS", "state": status, "pcpus": 2, "resources_available": map[string]any{
		"arch": "linux", "host": server, "mem": "24684092kb", "ncpus": n, "vnode": server}, "resources_assigned": assigned,
		"resv_enable": "True", "sharing": "default_shared", "license": "l", "last_state_change_time": 1795471822, "last_used_time": 1795471826}
	if used > 0 {
		node["jobs"] = jobs
	}
	if c.state.Note != "" {
		node["comment"] = c.state.Note
	}
	text, _ := json.MarshalIndent(map[string]any{"timestamp": time.Now().Unix(), "pbs_version": "23.06.06", "pbs_server": server,
		"nodes": map[string]any{server: node}}, "", "\t")
	c.printed(text)
}
