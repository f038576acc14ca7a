package hpc

import (
	"bytes"
	"errors"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/drivers/ssh/transport"
)

// ShellOptions say how a shell runs commands.
type ShellOptions struct {
	// LoginShell runs commands as a bash login shell does, with the environment
	// of the user's profile: for clusters whose commands are only in the PATH of
	// such shells. What the profile prints is dropped.
	LoginShell bool
	// EnvironmentFile is a file on the host that bash reads before each command,
	// such as one that loads the modules of the workload manager: by absolute path,
	// or relative to the user's home; empty for none. What it prints is dropped. A
	// command whose file cannot be read is not run, and ends with code 78.
	EnvironmentFile string
	// Env are variables of all commands. They win over the file's.
	Env map[string]string
}

// sourcing is what has a shell read an environment file, or do something else
// where it cannot.
func sourcing(file, otherwise string) string {
	place := transport.Quote(file)
	if !path.IsAbs(file) {
		place = `"$HOME"/` + transport.Quote(strings.TrimPrefix(file, "~/"))
	}
	return "[ -f " + place + " ] && [ -r " + place + " ] || { printf 'cannot read the environment file %s\\n' " + place + " >&2; " + otherwise + "; }; " +
		". " + place + " </dev/null"
}

// maxAnswer is how many bytes a command may print.
const maxAnswer = 256 << 20

// line returns what a POSIX shell runs for a command: a simple command, which
// replaces the shell.
func (o ShellOptions) line(c Command) string {
	words := []string{"env"}
	env := maps.Clone(o.Env)
	if env == nil {
		env = map[string]string{}
	}
	maps.Copy(env, c.Env)
	for _, name := range slices.Sorted(maps.Keys(env)) {
		words = append(words, name+"="+env[name])
	}
	if len(words) == 1 {
		words = nil
	}
	line := "exec " + transport.Quote(append(words, c.Args...)...)
	if c.Dir != "" {
		line = "cd " + transport.Quote(c.Dir) + " && " + line
	}
	if o.EnvironmentFile != "" {
		line = sourcing(o.EnvironmentFile, "exit 78") + " >/dev/null 2>&1; " + line
		if !o.LoginShell {
			line = "exec bash -c " + transport.Quote(line)
		}
	}
	if o.LoginShell {
		// The profile gets no standard input and its output is dropped.
		line = "exec 3<&0 4>&1 5>&2 </dev/null >/dev/null 2>&1; exec bash -lc " +
			transport.Quote("exec 0<&3 1>&4 2>&5 3<&- 4>&- 5>&-; "+line)
	}
	return line
}

// answer collects what a command prints.
type answer struct {
	data []byte
	// begins is a mark in front of what the command prints; empty for none.
	begins string
}

// said is what the command has printed; all that there is where it was not begun.
func (a *answer) said() []byte {
	if _, after, ok := bytes.Cut(a.data, []byte(a.begins)); ok {
		return after
	}
	return a.data
}

var errTooLong = errors.New("the answer is too long")

func (a *answer) Write(p []byte) (int, error) {
	if len(a.data)+len(p) > maxAnswer {
		return 0, errTooLong
	}
	a.data = append(a.data, p...)
	return len(p), nil
}
