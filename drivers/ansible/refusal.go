package ansible

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// refusal is the error of a playbook that Ansible ended without a failed task:
// it could not read it, or broke.
func (o *outcome) refusal(code int) error {
	msg, file, pos := parseError(o.printed.String())
	if file != "" {
		msg = o.w.archivePath(file) + pos + ": " + msg
	}
	switch {
	case msg == "":
		return o.wrap(errs.Failed, fmt.Sprintf("ansible-playbook ended with code %d and said nothing", code), "")
	case code == 1 || code == 4 || code == 5:
		// Ansible's codes for errors, for playbooks and for options that it does not understand.
		return o.wrap(errs.InvalidArgument, msg, "")
	}
	return o.wrap(errs.Failed, fmt.Sprintf("%s (ansible-playbook ended with code %d)", msg, code), "")
}

var (
	// errorStart is where the message begins: "ERROR! " to ansible-core 2.18,
	// "[ERROR]: " from 2.19.
	errorStart = regexp.MustCompile(`(?m)^(?:ERROR! |\[ERROR\]: )`)
	// errorPlace is where the message says its place in a file; what follows is
	// an excerpt and advice.
	errorPlace = regexp.MustCompile(`The error appears to be in '([^']+)': line (\d+), column (\d+)` +
		`|(?m:^Origin: (.+?):(\d+):(\d+)$)`)
	// errorEnd is where the message ends at the latest.
	errorEnd = regexp.MustCompile(`(?m)^(?:\[WARNING\]|\[DEPRECATION|The full traceback|the full traceback|to see the full traceback)`)
)

// parseError finds Ansible's error in what it printed: the message on one line,
// the file and ":line:column" where it tells them. Without any error it is the
// last line printed.
func parseError(text string) (msg, file, pos string) {
	start := errorStart.FindAllStringIndex(text, -1)
	if len(start) == 0 {
		return lastLine(text), "", ""
	}
	text = text[start[len(start)-1][1]:]
	if m := errorEnd.FindStringIndex(text); m != nil {
		text = text[:m[0]]
	}
	if m := errorPlace.FindStringSubmatch(text); m != nil {
		file, pos = first(m[1], m[4]), ":"+first(m[2], m[5])+":"+first(m[3], m[6])
		text = text[:strings.Index(text, m[0])]
	}
	return strings.Join(strings.Fields(text), " "), file, pos
}
