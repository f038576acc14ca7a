package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"golang.org/x/term"
)

// progress shows the events of a run.
type progress interface {
	event(executor.Event)
	// expect tells which node instances a run is about.
	expect(nodes []string)
	// close ends the display; nothing is shown afterwards. It may be called again.
	close()
}

// newProgress returns the display for mode: plain, live, json, none, or auto,
// which is live on a terminal and plain elsewhere. Verbose shows what
// operations print.
func newProgress(mode string, out io.Writer, verbose bool) (progress, error) {
	switch mode {
	case "auto":
		if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
			return newLive(f, verbose), nil
		}
		return &plain{out: out, verbose: verbose}, nil
	case "live":
		return newLive(out, verbose), nil
	case "plain":
		return &plain{out: out, verbose: verbose}, nil
	case "json":
		return &jsonLines{enc: json.NewEncoder(out)}, nil
	case "none":
		return silent{}, nil
	}
	return nil, usagef("there is no progress display %q; use auto, live, plain, json or none", mode)
}

type silent struct{}

func (silent) event(executor.Event) {}
func (silent) expect([]string)      {}
func (silent) close()               {}

// jsonLines prints each event as a line of JSON.
type jsonLines struct {
	mu  sync.Mutex
	enc *json.Encoder
}

func (j *jsonLines) event(e executor.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	// A standard output that is gone is no reason to stop a deployment.
	_ = j.enc.Encode(e)
}

func (j *jsonLines) expect([]string) {}
func (j *jsonLines) close()          {}

// plain prints xOpera's lines, such as "[Worker_0]   Deploying hello_0".
type plain struct {
	mu      sync.Mutex
	out     io.Writer
	verbose bool
	// undo tells that the run takes away; update does both.
	undo bool
	// slots are the operations that run, by their number in the output.
	slots []string
	// begun are the nodes on their way, with the word for it.
	begun map[string]string
	// last is the slot of the last operation of each instance.
	last map[string]int
	// told is the news that was printed last of each operation that runs.
	told map[string]string
}

func (p *plain) expect([]string) {}
func (p *plain) close()          {}

func (p *plain) event(e executor.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e.Kind {
	case executor.RunStarted:
		p.undo = e.RunKind == "undeploy"
		p.slots, p.begun, p.last, p.told = nil, map[string]string{}, map[string]int{}, map[string]string{}
	case executor.StateChanged:
		p.state(e)
	case executor.OperationStarted:
		slot := p.take(e.Step)
		p.last[e.Instance] = slot
		p.printf(slot, "    Executing %s", operationOn(e))
	case executor.OperationDetail:
		p.detail(e)
	case executor.OperationRetry:
		delete(p.told, e.Step)
		p.printf(p.last[e.Instance], "    Retrying %s: %s", operationOn(e), indent(e.Err))
	case executor.OperationEnded:
		p.free(e.Step)
		delete(p.told, e.Step)
		switch {
		case e.Err == "":
		case e.State == string(executor.Lost):
			p.printf(p.last[e.Instance], "    Warning: the outcome of %s is unknown: opera ended while it ran", operationOn(e))
		default:
			p.printf(p.last[e.Instance], "    Failed %s: %s", operationOn(e), indent(e.Err))
		}
	case executor.OperationLog:
		if p.verbose {
			for line := range strings.Lines(e.Log) {
				line = strings.TrimRight(line, "\r\n")
				p.printf(p.last[e.Instance], "      %s", line)
				p.told[e.Step] = line
			}
		}
	case executor.Warning:
		p.printf(p.last[e.Instance], "    Warning: %s", e.Err)
	}
}

// detail prints the news of an operation, such as why its job waits, unless that
// was printed last: drivers may write it into the operation's output, too.
func (p *plain) detail(e executor.Event) {
	if e.Detail == "" || p.told[e.Step] == e.Detail {
		return
	}
	p.told[e.Step] = e.Detail
	slot := p.take(e.Step) // one that another process began has none yet
	p.last[e.Instance] = slot
	p.printf(slot, "    Waiting for %s: %s", operationOn(e), indent(e.Detail))
}

// operationOn names an operation: "create on web_0", or the workflow that it implements.
func operationOn(e executor.Event) string {
	if e.Instance == "" {
		return e.Operation
	}
	return e.Operation + " on " + e.Instance
}

// state prints the begin and the end of a node's way.
func (p *plain) state(e executor.Event) {
	if strings.Contains(e.Instance, "--") {
		return // relationships go with their source
	}
	slot := p.last[e.Instance]
	switch e.State {
	case "stopping", "deleting":
		p.begin(e.Instance, slot, "Undeploy")
	case "creating", "configuring", "starting":
		p.begin(e.Instance, slot, "Deploy")
	case "started":
		p.begin(e.Instance, slot, "Deploy")
		p.complete(e.Instance, slot)
	case "initial":
		if p.undo {
			p.begin(e.Instance, slot, "Undeploy")
		}
		if p.begun[e.Instance] == "Undeploy" {
			p.complete(e.Instance, slot)
		}
	}
}

func (p *plain) begin(instance string, slot int, word string) {
	if p.begun[instance] == word {
		return
	}
	p.begun[instance] = word
	p.printf(slot, "  %sing %s", word, instance)
}

func (p *plain) complete(instance string, slot int) {
	p.printf(slot, "  %sment of %s complete", p.begun[instance], instance)
	delete(p.begun, instance)
}

func (p *plain) printf(slot int, format string, args ...any) {
	fmt.Fprintf(p.out, "[Worker_%d] %s\n", slot, fmt.Sprintf(format, args...))
}

// take gives an operation the first free number; one that is tried again keeps
// the number it has.
func (p *plain) take(step string) int {
	if i := slices.Index(p.slots, step); i >= 0 {
		return i
	}
	for i, s := range p.slots {
		if s == "" {
			p.slots[i] = step
			return i
		}
	}
	p.slots = append(p.slots, step)
	return len(p.slots) - 1
}

func (p *plain) free(step string) {
	for i, s := range p.slots {
		if s == step {
			p.slots[i] = ""
		}
	}
}

// indent sets the further lines of a message below its first.
func indent(text string) string {
	return strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n               ")
}
