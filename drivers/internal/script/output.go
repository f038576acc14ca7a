package script

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

const (
	maxLine  = 64 << 10 // longer lines reach the log in pieces
	maxTail  = 4 << 10  // bytes kept for an error
	maxLines = 20       // lines kept for an error
)

// Lines passes what a script prints to a log in whole lines, with the secrets
// hidden, and remembers the last ones. It holds a bounded amount of memory.
// It is used by one goroutine at a time.
type Lines struct {
	log    io.Writer
	redact *strings.Replacer
	line   []byte
	tail   []byte
}

// NewLines returns a Lines that writes to log.
func NewLines(log io.Writer, redact *strings.Replacer) *Lines {
	return &Lines{log: log, redact: redact}
}

// Write takes a piece of output. It never fails: what the log does not take is lost.
func (l *Lines) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		piece := p
		if i >= 0 {
			piece = p[:i+1]
		}
		piece = piece[:min(len(piece), maxLine-len(l.line))]
		l.line = append(l.line, piece...)
		p = p[len(piece):]
		if len(l.line) == maxLine || l.line[len(l.line)-1] == '\n' {
			l.flush()
		}
	}
	return n, nil
}

// Close passes on a last line that has no end, and ends it.
func (l *Lines) Close() error {
	if len(l.line) > 0 {
		l.line = append(l.line, '\n')
		l.flush()
	}
	return nil
}

func (l *Lines) flush() {
	text := l.line
	if l.redact != nil {
		text = []byte(l.redact.Replace(string(text)))
	}
	_, _ = l.log.Write(text)
	l.tail = append(l.tail, text...)
	if len(l.tail) > 2*maxTail {
		l.tail = append(l.tail[:0], l.tail[len(l.tail)-maxTail:]...)
	}
	l.line = l.line[:0]
}

// Tail returns the last lines as text: at most 20 and 4 KiB.
func (l *Lines) Tail() string {
	text := strings.TrimSpace(strings.ToValidUTF8(string(l.tail), "\uFFFD"))
	if len(text) > maxTail {
		text = strings.ToValidUTF8(text[len(text)-maxTail:], "")
	}
	lines := strings.Split(text, "\n")
	return strings.Join(lines[max(0, len(lines)-maxLines):], "\n")
}

// Redactor returns what puts *** in the place of secrets, of each line of
// one that has several too, since logs go by lines. It is nil where there are none.
func Redactor(secrets []string) *strings.Replacer {
	var all []string
	for _, s := range secrets {
		all = append(all, s)
		for _, line := range strings.Split(s, "\n") {
			if line = strings.TrimSpace(line); len(line) >= 8 {
				all = append(all, line)
			}
		}
	}
	all = slices.DeleteFunc(all, func(s string) bool { return s == "" })
	if len(all) == 0 {
		return nil
	}
	// strings.Replacer takes the first of its pairs that matches: the longest
	// goes first so that no part of it is left over.
	slices.SortStableFunc(all, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	pairs := make([]string, 0, 2*len(all))
	for _, s := range slices.Compact(all) {
		pairs = append(pairs, s, "***")
	}
	return strings.NewReplacer(pairs...)
}

// exTempfail is the exit code by which a script says that trying again may help.
//
// Source: sysexits.h, EX_TEMPFAIL.
const exTempfail = 75

// SignalName names a signal by its number, which is the same on all systems
// for those that have a name here.
//
// Source: POSIX.1-2017, utility kill, option -s.
func SignalName(n int) string {
	names := map[int]string{1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 6: "SIGABRT", 9: "SIGKILL", 14: "SIGALRM", 15: "SIGTERM",
		4: "SIGILL", 8: "SIGFPE", 11: "SIGSEGV", 13: "SIGPIPE"}
	if name := names[n]; name != "" {
		return name
	}
	return strconv.Itoa(n)
}

// Exit is how a script ended.
type Exit struct {
	// Code is the exit code; Signal names what killed it, where something did.
	Code   int
	Signal string
	// Words are its last lines of standard error, or of standard output where
	// it had nothing else to say; secrets are hidden.
	Words string
}

// Err returns nil for a success, else an error with the script's own words:
// code Failed, or Unavailable and retryable for exit code 75 (EX_TEMPFAIL).
func (e Exit) Err(subject string) error {
	if e.Code == 0 && e.Signal == "" {
		return nil
	}
	failure := &errs.Error{Code: errs.Failed, Op: "run", Subject: subject}
	how := fmt.Sprintf("exit code %d", e.Code)
	switch {
	case e.Signal != "":
		how = "killed by signal " + e.Signal
	case e.Code == exTempfail:
		failure.Code = errs.Unavailable
	case e.Code == 126:
		failure.Hint = "exit code 126 means that a command may not be executed"
	case e.Code == 127:
		failure.Hint = "exit code 127 means that a command, or the script's interpreter, is not installed there"
	}
	if e.Words != "" {
		how += ": " + e.Words
	}
	failure.Err = errors.New(how)
	if e.Code == exTempfail {
		return executor.MarkRetryable(failure)
	}
	return failure
}

// Stopped returns the error of a script that was stopped because ctx ended:
// code Canceled or DeadlineExceeded. It wraps ctx.Err().
func Stopped(ctx context.Context, subject, words string) error {
	why := ctx.Err()
	if cause := context.Cause(ctx); !errors.Is(cause, why) {
		why = fmt.Errorf("%w: %w", why, cause)
	}
	if words != "" {
		why = fmt.Errorf("%w; its last words: %s", why, words)
	}
	return &errs.Error{Code: errs.CodeOf(ctx.Err()), Op: "run", Subject: subject, Err: fmt.Errorf("stopped: %w", why)}
}
