package pbs

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

var walltimeForm = regexp.MustCompile(`^(\d+:)?(\d+:)?\d+$`)

// refusal is what qsub says and exits with.
type refusal struct {
	code int
	text string
}

func (r refusal) Error() string { return r.text }

func (c *call) qsub() int {
	values, flags := "ANqlWaMmrSjoevpkucCdwt", "hnVzIXfx"
	if !c.torque() {
		values, flags = "ANqlWaMmrSjoevpkucCJP", "hVzIXf"
	}
	options, operands, err := parse(c.args, values, flags)
	if err != nil {
		return c.fail(2, "%v", err)
	}
	script, name := []byte(nil), "STDIN"
	if len(operands) == 0 {
		script, err = io.ReadAll(os.Stdin)
	} else {
		name = operands[0]
		switch script, err = os.ReadFile(name); {
		case err != nil && c.torque():
			return c.fail(1, "script file '%s' cannot be loaded - No such file or directory", name)
		case err != nil:
			return c.fail(1, "script file:: No such file or directory")
		case strings.Contains(name, " "):
			return c.fail(1, "script file name contains a space")
		}
	}
	if err != nil {
		return c.fail(1, "%v", err)
	}
	directives, _, err := parse(directiveWords(string(script)), values, flags)
	if err != nil {
		return c.fail(2, "%v", err)
	}
	j, array, err := c.job(string(script), name, append(directives, options...))
	var refused refusal
	if errors.As(err, &refused) {
		return c.fail(refused.code, "%s", refused.text)
	} else if err != nil {
		return c.fail(1, "%v", err)
	}
	j.Arguments = strings.Join(c.args, " ")
	c.add(j, array)
	fmt.Println(j.id())
	return 0
}

// directiveWords are the words of the #PBS lines above the first command.
func directiveWords(script string) []string {
	var words []string
	for line := range strings.Lines(script) {
		line = strings.TrimSpace(line)
		if line != "" && line[0] != '#' {
			break
		}
		if rest, ok := strings.CutPrefix(line, "#PBS "); ok {
			words = append(words, strings.Fields(rest)...)
		}
	}
	return words
}

// job makes the job that options ask for; array is the value of -t or -J.
func (c *call) job(script, name string, options [][2]string) (j *job, array string, err error) {
	dir, _ := os.Getwd()
	now := time.Now()
	j = &job{Index: -1, Name: name, Owner: whoami(), Queue: "batch", Script: script, Shell: "/bin/sh", InitDir: os.Getenv("HOME"), WorkDir: dir,
		Slots: 1, Walltime: time.Hour, Rerunable: true, Mail: "a", State: "Q", Created: now, Eligible: now, Changed: now, Substate: 10}
	if c.torque() {
		j.Resources = [][2]string{{"walltime", "01:00:00"}, {"nodes", "1"}, {"nodect", "1"}}
	} else {
		j.Resources = [][2]string{{"ncpus", "1"}, {"nodect", "1"}, {"place", "pack"}, {"select", "1:ncpus=1"}}
	}
	variables := []string{}
	for _, o := range options {
		value := o[1]
		switch o[0] {
		case "N":
			j.Name = value
		case "q":
			j.Queue = value
		case "S":
			j.Shell = value
		case "d":
			j.InitDir = value
		case "h":
			j.Hold = true
		case "r":
			j.Rerunable = value == "y"
		case "j":
			j.Join = value != "n"
		case "o":
			j.Output = value
		case "m":
			j.Mail = value
		case "v":
			variables = strings.Split(value, ",") // the last -v counts
		case "t", "J":
			array = value
		case "a":
			at, err := time.ParseInLocation("200601021504", value[:min(len(value), 12)], time.Local)
			if err != nil {
				return nil, "", refusal{1, "illegal -a value"}
			}
			if s, found := strings.CutPrefix(value[min(len(value), 12):], "."); found {
				seconds, _ := strconv.Atoi(s)
				at = at.Add(time.Duration(seconds) * time.Second)
			}
			j.Begin = at.Unix()
		case "W":
			if depend, ok := strings.CutPrefix(value, "depend="); ok {
				if err := c.depend(j, depend); err != nil {
					return nil, "", err
				}
			}
		case "l":
			if err := c.resources(j, value); err != nil {
				return nil, "", err
			}
		}
	}
	if j.Queue != "batch" && j.Queue != "workq" || c.torque() && j.Queue == "workq" {
		if c.torque() {
			return nil, "", refusal{172, "submit error (Unknown queue MSG=requested queue not found)"}
		}
		return nil, "", refusal{170, "Unknown queue"}
	}
	if err := c.combined(options, array); err != nil {
		return nil, "", err
	}
	if c.torque() && j.Slots > c.state.Options.Slots {
		return nil, "", refusal{190, "submit error (Job exceeds queue resource limits MSG=cannot locate feasible nodes " +
			"(nodes file is empty, all systems are busy, or no nodes have the requested feature))"}
	}
	j.Variables = append(slices.DeleteFunc(variables, func(v string) bool { return v == "" }), c.ownVariables(j, dir)...)
	switch {
	case j.Hold || len(j.Waits) > 0:
		j.State, j.Substate, j.Eligible = "H", 20, time.Time{}
		if !j.Hold {
			j.Substate = 22
		}
	case j.Begin > now.Unix():
		j.State, j.Substate, j.Eligible = "W", 30, time.Time{}
	}
	return j, array, nil
}

// combined refuses options that do not go together.
func (c *call) combined(options [][2]string, array string) error {
	if c.torque() {
		return nil
	}
	rerunable, resources := "y", ""
	for _, o := range options {
		switch o[0] {
		case "r":
			rerunable = o[1]
		case "l":
			resources += "," + o[1]
		}
	}
	switch {
	case array != "" && rerunable == "n":
		return refusal{2, "cannot submit non-rerunable Array Job"}
	case strings.Contains(resources, ",place=") && !strings.Contains(resources, ",select="):
		return refusal{7, `Cannot have "place" without "select"`}
	}
	return nil
}

func (c *call) ownVariables(j *job, dir string) []string {
	v := []string{"PBS_O_QUEUE=" + j.Queue, "PBS_O_HOME=" + os.Getenv("HOME"), "PBS_O_LOGNAME=" + j.Owner, "PBS_O_PATH=" + os.Getenv("PATH"),
		"PBS_O_SHELL=" + cmp.Or(os.Getenv("SHELL"), "/bin/sh"), "PBS_O_LANG=" + cmp.Or(os.Getenv("LANG"), "C.UTF-8"), "PBS_O_WORKDIR=" + dir, "PBS_O_HOST=" + server}
	if c.torque() {
		return append(v, "PBS_O_SERVER="+server)
	}
	return append(v, "PBS_O_SYSTEM=Linux")
}

// resources reads a list of -l.
func (c *call) resources(j *job, list string) error {
	set := func(name, value string) {
		for i := range j.Resources {
			if j.Resources[i][0] == name {
				j.Resources[i][1] = value
				return
			}
		}
		j.Resources = append(j.Resources, [2]string{name, value})
	}
	for part := range strings.SplitSeq(list, ",") {
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "walltime":
			if !walltimeForm.MatchString(value) {
				if c.torque() {
					return refusal{168, "submit error (Illegal attribute or resource value for Resource_List.walltime)"}
				}
				return refusal{175, "Illegal attribute or resource value Resource_List.walltime"}
			}
			seconds := 0
			for p := range strings.SplitSeq(value, ":") {
				n, _ := strconv.Atoi(p)
				seconds = seconds*60 + n
			}
			j.Walltime = time.Duration(seconds) * time.Second
			value = fmt.Sprintf("%02d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
		case "nodes", "select":
			j.Slots = 0
			count := 0
			for chunk := range strings.SplitSeq(value, "+") {
				terms := strings.Split(chunk, ":")
				n, err := strconv.Atoi(terms[0])
				if err != nil {
					n = 1
				}
				each := 1
				for _, term := range terms[1:] {
					for _, prefix := range []string{"ppn=", "ncpus="} {
						if number, ok := strings.CutPrefix(term, prefix); ok {
							each, _ = strconv.Atoi(number)
						}
					}
				}
				count += n
				j.Slots += n * each
			}
			set("nodect", strconv.Itoa(count))
			if name == "select" {
				set("ncpus", strconv.Itoa(j.Slots))
				if count > 1 {
					set("place", "free")
				}
			}
		}
		set(name, value)
	}
	return nil
}

// depend reads -W depend=. Torque refuses jobs that it does not know, OpenPBS
// takes them.
func (c *call) depend(j *job, list string) error {
	for part := range strings.SplitSeq(list, ",") {
		words := strings.Split(part, ":")
		for _, id := range words[1:] {
			parent := c.state.find(id)
			isArray := strings.HasSuffix(words[0], "array")
			if c.torque() && (parent == nil || parent.Array != isArray) {
				return refusal{208, "submit error (Invalid Job Dependency)"}
			}
			if parent != nil {
				j.Waits = append(j.Waits, wait{words[0], parent.id(), parent.ended()})
			}
		}
	}
	return nil
}

// add puts a job, or an array and its tasks, into the queue.
func (c *call) add(j *job, array string) {
	s := c.state
	j.Number = s.Next
	s.Next++
	for _, w := range j.Waits {
		if parent := s.find(w.ID); parent != nil {
			parent.Before = append(parent.Before, wait{Kind: strings.Replace(w.Kind, "after", "before", 1), ID: j.id()})
		}
	}
	s.Jobs = append(s.Jobs, j)
	if array == "" {
		return
	}
	indexes, limit, _ := strings.Cut(array, "%")
	j.Array, j.Tasks = true, indexes
	j.Limit, _ = strconv.Atoi(limit)
	for part := range strings.SplitSeq(indexes, ",") {
		bounds, stepText, _ := strings.Cut(part, ":")
		from, to, ranged := strings.Cut(bounds, "-")
		first, _ := strconv.Atoi(from)
		last := first
		if ranged {
			last, _ = strconv.Atoi(to)
		}
		step, _ := strconv.Atoi(stepText)
		for i := first; i <= last; i += max(1, step) {
			task := *j
			task.Array, task.Index = false, i
			s.Jobs = append(s.Jobs, &task)
		}
	}
}
