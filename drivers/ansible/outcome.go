package ansible

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/internal/redact"
)

// event is a line of what the callback plugin reports.
type event struct {
	// Event is play, task, result, item, note or stats.
	Event string `json:"event"`
	// Name is that of a play or task.
	Name    string `json:"name"`
	Handler bool   `json:"handler"`
	// Task and Host say of a result where it belongs.
	Task string `json:"task"`
	Host string `json:"host"`
	// Path is "file:line" of the task.
	Path string `json:"path"`
	// Status is ok, changed, failed, unreachable or skipped.
	Status  string `json:"status"`
	Ignored bool   `json:"ignored"`
	words
	// Items are those of a loop that failed.
	Items []words `json:"items"`
	// Shown is what the debug module shows.
	Shown map[string]any `json:"shown"`
	// Custom is what set_stats gathered.
	Custom map[string]any `json:"custom"`
}

// words is what a module says of itself.
type words struct {
	// Label names the item of a loop.
	Label        string   `json:"label"`
	Msg          string   `json:"msg"`
	RC           *int     `json:"rc"`
	Stdout       string   `json:"stdout"`
	Stderr       string   `json:"stderr"`
	ModuleStdout string   `json:"module_stdout"`
	ModuleStderr string   `json:"module_stderr"`
	Exception    string   `json:"exception"`
	SkipReason   string   `json:"skip_reason"`
	Warnings     []string `json:"warnings"`
}

// outcome gathers what a playbook reports and prints, and writes it to the
// operation's log as lines that people can read.
type outcome struct {
	op *executor.Operation
	w  *workdir
	// hide replaces secrets.
	hide *redact.Set

	mu       sync.Mutex
	log      io.Writer
	stats    map[string]any
	failures []event
	printed  bytes.Buffer // the end of what Ansible printed
}

// maxPrinted is how much of what Ansible prints is kept for an error.
const maxPrinted = 64 << 10

func newOutcome(op *executor.Operation, w *workdir) *outcome {
	hide := &redact.Set{}
	for _, s := range op.Secrets {
		hide.Add(s)
	}
	log := op.Log
	if log == nil {
		log = io.Discard
	}
	return &outcome{op: op, w: w, hide: hide, log: log, stats: map[string]any{}}
}

// report takes a line of the callback plugin.
func (o *outcome) report(line []byte) {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	var e event
	if err := dec.Decode(&e); err != nil {
		// Something else wrote to the descriptor. It is not ours to understand.
		o.print(line)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	switch e.Event {
	case "play":
		o.w.wasRead()
		o.logf("PLAY %s", e.Name)
	case "task":
		word := "TASK"
		if e.Handler {
			word = "HANDLER"
		}
		o.logf("%s %s", word, e.Name)
	case "note":
		o.logf("  %s", e.Msg)
	case "item", "result":
		o.result(e)
	case "stats":
		o.stats, _ = number(e.Custom).(map[string]any)
		if o.stats == nil {
			o.stats = map[string]any{}
		}
	}
}

// result logs a result and remembers a failure.
func (o *outcome) result(e event) {
	failed := e.Status == "failed" || e.Status == "unreachable"
	if failed && !e.Ignored && e.Event == "result" {
		o.failures = append(o.failures, e)
	}
	line := "  " + e.Status + " " + o.host(e.Host)
	if e.Event == "item" {
		line += " (item " + e.Label + ")"
	}
	for _, w := range e.Warnings {
		o.logf("  warning: %s", w)
	}
	switch {
	case failed:
		if e.Ignored {
			line += " (ignored)"
		}
		line += ": " + e.words.String()
	case e.Shown != nil:
		line += ": " + shown(e.Shown)
	}
	o.logf("%s", line)
}

// shown is what a debug task shows: its message, or variables with their values.
func shown(values map[string]any) string {
	if msg, ok := values["msg"].(string); ok && len(values) == 1 {
		return msg
	}
	text, err := json.Marshal(values)
	if err != nil {
		return fmt.Sprint(values)
	}
	return string(text)
}

// print takes a line that Ansible printed: warnings and errors.
func (o *outcome) print(line []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.printed.Write(line)
	o.printed.WriteByte('\n')
	if o.printed.Len() > 2*maxPrinted {
		o.printed.Next(o.printed.Len() - maxPrinted)
	}
	if len(bytes.TrimSpace(line)) > 0 {
		o.logf("%s", line)
	}
}

func (o *outcome) logf(format string, args ...any) {
	fmt.Fprintln(o.log, o.hide.String(fmt.Sprintf(format, args...)))
}

// host is the name of a host for people: the operation's host by its address.
func (o *outcome) host(name string) string {
	address := o.op.Host.Address
	if o.op.Host.Local() {
		address = "localhost"
	}
	if rest, ok := strings.CutPrefix(name, hostName); ok && (rest == "" || rest[0] == ' ') {
		return address + rest
	}
	return name
}

// String is the message and behind it what else the module said.
func (m words) String() string {
	var b strings.Builder
	msg := first(m.Msg, lastLine(m.Exception), m.SkipReason, "no message")
	b.WriteString(strings.TrimSpace(msg))
	if m.RC != nil && *m.RC != 0 && !strings.Contains(msg, fmt.Sprint(*m.RC)) {
		fmt.Fprintf(&b, " (rc %d)", *m.RC)
	}
	for _, part := range []struct{ name, text string }{
		{"stderr", m.Stderr}, {"stdout", m.Stdout},
		{"module stderr", m.ModuleStderr}, {"module stdout", m.ModuleStdout},
	} {
		text := strings.TrimSpace(part.text)
		if text != "" && !strings.Contains(msg, text) {
			fmt.Fprintf(&b, "\n%s: %s", part.name, text)
		}
	}
	return b.String()
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return strings.TrimSpace(text[strings.LastIndexByte(text, '\n')+1:])
}

// number replaces each json.Number by an int64, or a float64 where it is none.
func number(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i
		}
		f, _ := v.Float64()
		return f
	case []any:
		for i := range v {
			v[i] = number(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = number(v[k])
		}
	}
	return v
}

// failure is the error of a playbook that ended with a code other than 0.
func (o *outcome) failure(code int) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case code < 0:
		return o.wrap(errs.Failed, "ansible-playbook was ended by signal "+strconv.Itoa(-code), "")
	case len(o.failures) > 0:
		return o.taskFailure()
	}
	return o.refusal(code)
}

// maxFailures is how many failed tasks an error tells of: the first ones are
// often the cause of the later ones, and the last one ended the playbook.
const maxFailures = 3

func (o *outcome) taskFailure() error {
	kind, hint := errs.Unavailable, ""
	var texts []string
	for i, e := range o.failures {
		if e.Status != "unreachable" {
			kind = errs.Failed
		}
		if i >= maxFailures-1 && i < len(o.failures)-1 {
			continue
		}
		texts = append(texts, o.taskText(e))
	}
	text := strings.Join(texts, "\n")
	if kind == errs.Unavailable {
		kind, hint = refusedLogin(text)
	}
	err := o.wrap(kind, text, hint)
	if kind == errs.Unavailable {
		err = executor.MarkRetryable(err)
	}
	return err
}

func (o *outcome) taskText(e event) string {
	verb := "failed on"
	if e.Status == "unreachable" {
		verb = "could not reach"
	}
	m := e.words
	if len(e.Items) > 0 {
		// The task's own message only says that items failed.
		var b strings.Builder
		for i, item := range e.Items {
			if i == maxFailures {
				fmt.Fprintf(&b, "\nand %d more", len(e.Items)-i)
				break
			}
			if i > 0 {
				b.WriteByte('\n')
			}
			fmt.Fprintf(&b, "item %s: %s", item.Label, item)
		}
		m = words{Msg: b.String()}
	}
	return fmt.Sprintf("task %q %s %s: %s", e.Task, verb, o.host(e.Host), m)
}

// refusedLogin tells a host that says no from one that does not answer.
func refusedLogin(text string) (errs.Code, string) {
	switch {
	case strings.Contains(text, "Host key verification failed"):
		return errs.PermissionDenied, "add the host's key to known_hosts after checking it"
	case strings.Contains(text, "Permission denied"), strings.Contains(text, "Too many authentication failures"):
		return errs.PermissionDenied, "check the user and the key"
	}
	return errs.Unavailable, ""
}

func (o *outcome) wrap(code errs.Code, text, hint string) error {
	return &errs.Error{Code: code, Op: "run playbook", Subject: o.op.Primary.Path,
		Err: fmt.Errorf("%s", o.hide.String(text)), Hint: hint}
}
