package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"golang.org/x/term"
)

// live paints a table of the nodes on a terminal: their states, what runs now
// and the time spent.
type live struct {
	out     io.Writer
	verbose bool
	size    func() (width, height int)
	now     func() time.Time

	mu      sync.Mutex
	title   string
	started time.Time
	rows    []*row
	byID    map[string]*row
	logs    []string // lines to print above the table
	painted int      // lines of the table on the screen

	stop   chan struct{}
	done   sync.WaitGroup
	closed sync.Once
}

// row is a node in the table.
type row struct {
	id, state string
	// ops are the operations that run on the node or its relationships.
	ops   []operation
	since time.Time
	spent time.Duration
	err   string
}

// operation is one that runs, with the news of it, such as why a job waits.
type operation struct{ step, name, detail string }

// waiting is the state shown of a node to which nothing has happened yet.
const waiting = "waiting"

func newLive(out io.Writer, verbose bool) *live {
	l := &live{out: out, verbose: verbose, now: time.Now, byID: map[string]*row{}, stop: make(chan struct{})}
	l.size = func() (int, int) {
		if f, ok := out.(*os.File); ok {
			if w, h, err := term.GetSize(int(f.Fd())); err == nil {
				return w, h
			}
		}
		return 80, 24
	}
	l.done.Go(l.loop)
	return l
}

// loop repaints ten times a second, so that the clock runs while nothing happens.
func (l *live) loop() {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-tick.C:
			l.mu.Lock()
			l.paint()
			l.mu.Unlock()
		}
	}
}

func (l *live) close() {
	l.closed.Do(func() {
		close(l.stop)
		l.done.Wait()
		l.mu.Lock()
		defer l.mu.Unlock()
		l.paint()
	})
}

// expect shows the nodes that the run is about before anything happens to them.
func (l *live) expect(nodes []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range nodes {
		l.row(id)
	}
}

func (l *live) event(e executor.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch e.Kind {
	case executor.RunStarted:
		l.title, l.started = e.RunKind, l.now()
	case executor.StateChanged:
		if r := l.row(e.Instance); r != nil && !strings.Contains(e.Instance, "--") {
			r.state = e.State
		}
	case executor.OperationStarted:
		if r := l.row(e.Instance); r != nil {
			l.running(r, e).detail = ""
			r.err = ""
		}
	case executor.OperationDetail:
		if r := l.row(e.Instance); r != nil {
			l.running(r, e).detail = e.Detail
		}
	case executor.OperationEnded:
		if r := l.row(e.Instance); r != nil {
			l.ended(r, e)
		}
	case executor.OperationRetry:
		if r := l.row(e.Instance); r != nil {
			l.running(r, e).detail = ""
		}
		l.log(fmt.Sprintf("retrying %s on %s: %s", e.Operation, e.Instance, e.Err))
	case executor.Warning:
		l.log("warning: " + e.Err)
	case executor.OperationLog:
		if l.verbose {
			for line := range strings.Lines(e.Log) {
				l.log(e.Instance + " | " + strings.TrimRight(line, "\r\n"))
			}
		}
	}
}

// running returns the operation of an event. One that another process began has
// no start in this run, and one that is tried again has several.
func (l *live) running(r *row, e executor.Event) *operation {
	for i := range r.ops {
		if r.ops[i].step == e.Step {
			return &r.ops[i]
		}
	}
	if len(r.ops) == 0 {
		r.since = l.now()
	}
	r.ops = append(r.ops, operation{step: e.Step, name: e.Operation})
	return &r.ops[len(r.ops)-1]
}

func (l *live) ended(r *row, e executor.Event) {
	n := len(r.ops)
	r.ops = slices.DeleteFunc(r.ops, func(o operation) bool { return o.step == e.Step })
	if n > 0 && len(r.ops) == 0 {
		r.spent += l.now().Sub(r.since)
	}
	if e.Err != "" {
		r.err, _, _ = strings.Cut(e.Err, "\n")
	}
}

func (l *live) log(line string) { l.logs = append(l.logs, line) }

// row returns the row of a node, or of a relationship's source.
func (l *live) row(instance string) *row {
	id, _, _ := strings.Cut(instance, "--")
	if id == "" {
		return nil
	}
	r := l.byID[id]
	if r == nil {
		r = &row{id: id, state: waiting}
		l.byID[id] = r
		l.rows = append(l.rows, r)
	}
	return r
}

// The escape sequences of ECMA-48 that every terminal knows.
const (
	clearLine = "\x1b[2K"
	green     = "\x1b[32m"
	red       = "\x1b[31m"
	yellow    = "\x1b[33m"
	faint     = "\x1b[2m"
	reset     = "\x1b[0m"
)

// paint draws the table over the last one, with new log lines above it.
func (l *live) paint() {
	width, height := l.size()
	var b strings.Builder
	if l.painted > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", l.painted)
	}
	for _, line := range l.logs {
		b.WriteString(clearLine + cut(line, width) + "\n")
	}
	l.logs = nil
	table := l.table(width, max(height-1, 3))
	for _, line := range table {
		b.WriteString(clearLine + line + "\n")
	}
	// Fewer lines than before: wipe what is left of the old table.
	b.WriteString("\x1b[J")
	l.painted = len(table)
	_, _ = io.WriteString(l.out, b.String())
}

func (l *live) table(width, height int) []string {
	if l.title == "" {
		return nil
	}
	finished, running := 0, 0
	for _, r := range l.rows {
		running += len(r.ops)
		if r.state == l.goal() {
			finished++
		}
	}
	operations := fmt.Sprintf("%d operations", running)
	if running == 1 {
		operations = "1 operation"
	}
	lines := []string{cut(fmt.Sprintf("%s: %d of %d nodes %s, %s running, %s",
		l.title, finished, len(l.rows), l.goal(), operations, clock(l.now().Sub(l.started))), width)}
	rows := l.visible(height - 2)
	nameWidth := 4
	for _, r := range rows {
		nameWidth = max(nameWidth, utf8.RuneCountInString(r.id))
	}
	nameWidth = min(nameWidth, width/2)
	for _, r := range rows {
		lines = append(lines, l.line(r, nameWidth, width))
	}
	if hidden := len(l.rows) - len(rows); hidden > 0 {
		lines = append(lines, faint+cut(fmt.Sprintf("  and %d nodes more", hidden), width)+reset)
	}
	return lines
}

func (l *live) goal() string {
	if l.title == "undeploy" {
		return "initial"
	}
	return "started"
}

// visible picks the rows to show where not all fit: those in work and in error
// first, then the others in their order.
func (l *live) visible(n int) []*row {
	if len(l.rows) <= n {
		return l.rows
	}
	urgent := func(r *row) bool { return len(r.ops) > 0 || r.state == "error" }
	shown := slices.Clone(l.rows)
	slices.SortStableFunc(shown, func(a, b *row) int {
		switch {
		case urgent(a) == urgent(b):
			return 0
		case urgent(a):
			return -1
		}
		return 1
	})
	return shown[:max(n, 0)]
}

func (l *live) line(r *row, nameWidth, width int) string {
	spent, mark, colour := r.spent, " ", ""
	if len(r.ops) > 0 {
		spent += l.now().Sub(r.since)
		mark, colour = ">", yellow
	}
	switch r.state {
	case l.goal():
		mark, colour = "+", green
	case "error":
		mark, colour = "!", red
	case waiting:
		if mark == " " {
			colour = faint
		}
	}
	text := fmt.Sprintf("%s %-*s  %-11s %7s  %s", mark, nameWidth, cut(r.id, nameWidth), r.state, clock(spent), r.doing()+r.err)
	return colour + cut(text, width) + reset
}

// doing names what runs: "create (job 7 is queued: Resources), configure".
func (r *row) doing() string {
	var words []string
	for _, o := range r.ops {
		if o.detail != "" {
			o.name += " (" + o.detail + ")"
		}
		words = append(words, o.name)
	}
	return strings.Join(words, ", ")
}

// clock prints a duration as people read it on a display: 4.2s, 1:05, 2:00:01.
func clock(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d:%02d", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60)
}

// cut shortens text to so many characters, without its control characters.
func cut(text string, width int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	if width < 1 {
		return ""
	}
	return string([]rune(text)[:width-1]) + "…"
}
