package ssh

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/drivers/internal/script"
	"github.com/seed-a4fd30b5/orchestrator/drivers/ssh/transport"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// The driver's shell programs are read by "sh -s" from standard input, with
// what is data assigned to variables in front, so that neither the user's login
// shell nor the list of processes sees any of it. They use POSIX's shell
// language and tools, with setsid where there is one.
//
// An operation's folder holds:
//
//	work/        the working directory
//	run          the program that runs the script
//	inputs.json  the inputs
//	outputs      what the script returns
//	stdout, stderr
//	launched     made just before run starts
//	pid          the process, which leads the process group
//	exit         the exit code, when it has ended; moved into place at once
//	canceled     made before it is stopped

// answerMark begins the driver's answer in what a session prints: the login
// shell's start files may print something before.
const answerMark = "orchestrator-answer:"

// states defines the function state, which prints the state of the folder $1.
const states = `
alive() {
	kill -0 "$1" 2>/dev/null || return 1
	# Another process may have the number now, as after a restart.
	[ ! -e /proc/self/cmdline ] || tr '\000' ' ' <"/proc/$1/cmdline" 2>/dev/null | grep -qF "$2/run"
}
state() {
	if [ -e "$1/exit" ]; then ended "$1"
	elif [ -e "$1/pid" ]; then
		if alive "$(cat "$1/pid")" "$1"; then echo running
		elif [ -e "$1/exit" ]; then ended "$1"
		elif [ -e "$1/canceled" ]; then echo canceled
		else echo lost; fi
	elif [ -e "$1/canceled" ]; then echo canceled
	elif [ ! -e "$1/launched" ]; then echo none
	elif [ -n "$(find "$1/launched" -mmin +1 2>/dev/null)" ]; then echo lost
	else echo running; fi
}
ended() {
	if [ -e "$1/canceled" ]; then echo canceled; else echo "exited $(cat "$1/exit")"; fi
}
`

// answer prints the state of $dir, its outputs behind it.
const answer = `
printf '\n` + answerMark + `%s\n' "$(state "$dir")"
[ ! -f "$dir/outputs" ] || cat "$dir/outputs"
`

// prepareProgram makes the operation's folder, unless it is there and in use.
const prepareProgram = states + `
umask 077
cd && mkdir -p -- "$base" && cd -- "$base" || exit 1
dir=$(pwd)/$name
s=$(state "$dir")
if [ "$s" = none ]; then
	rm -rf -- "$dir" && umask 077 && mkdir -- "$dir" "$dir/work" && : >"$dir/stdout" && : >"$dir/stderr" && : >"$dir/outputs" || exit 1
fi
printf '\n` + answerMark + `%s\n%s' "$s" "$dir"
`

// whereProgram prints the operation's folder.
const whereProgram = `
cd && cd -- "$base" 2>/dev/null && printf '\n` + answerMark + `there\n%s' "$(pwd)/$name" || printf '\n` + answerMark + `none\n'
`

// launchProgram starts run in a session of its own and waits for its end.
const launchProgram = states + `
: >"$dir/launched"
if command -v setsid >/dev/null 2>&1; then
	setsid sh "$dir/run" </dev/null >/dev/null 2>&1 &
else
	set -m # gives it a process group of its own
	sh "$dir/run" </dev/null >/dev/null 2>&1 &
	set +m
fi
wait $!
` + answer

// attachProgram waits for the end of what was launched.
const attachProgram = states + `
while [ "$(state "$dir")" = running ]; do sleep 0.2 2>/dev/null || sleep 1; done
` + answer

// lookProgram prints the state of each folder.
const lookProgram = states + `
printf '\n` + answerMark + `\n'
for dir in $dirs; do state "$dir"; done
`

// tellProgram prints the state and outputs of a folder.
const tellProgram = states + answer

// cancelProgram stops the process group, and kills what is left of it after
// the grace period. It returns when it has been asked to stop.
const cancelProgram = states + `
[ ! -e "$dir/exit" ] && [ -d "$dir" ] || exit 0
: >"$dir/canceled"
[ -e "$dir/pid" ] || exit 0 # run looks for canceled when it has written its number
pid=$(cat "$dir/pid")
alive "$pid" "$dir" || exit 0
kill -s TERM -- "-$pid" 2>/dev/null
(
	n=0
	while [ "$n" -lt "$tenths" ] && kill -s 0 -- "-$pid" 2>/dev/null; do
		sleep 0.1 2>/dev/null || { sleep 1; n=$((n + 9)); }
		n=$((n + 1))
	done
	kill -s KILL -- "-$pid" 2>/dev/null
	[ -n "$keep" ] || rm -rf -- "$dir/work" "$dir/run" "$dir/inputs.json"
) </dev/null >/dev/null 2>&1 &
`

// removeProgram removes folders, and those of operations that ended long ago
// and were never asked for: the processes that began them were killed.
const removeProgram = states + `
for dir in $dirs; do rm -rf -- "$dir"; done
cd && cd -- "$base" 2>/dev/null || exit 0
find "$(pwd)" -mindepth 1 -maxdepth 1 -type d -name '*.*' -mtime "+$days" 2>/dev/null | while IFS= read -r dir; do
	[ -f "$dir/stdout" ] && [ -f "$dir/outputs" ] || continue
	[ "$(state "$dir")" = running ] || rm -rf -- "$dir"
done
`

// runProgram returns the file run for a job.
func runProgram(dir string, job *script.Job, env []string, keep bool) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "dir=%s\n", transport.Quote(dir))
	b.WriteString(`trap : TERM INT HUP # it tells how the script ended, whatever the group is sent
if ! { echo $$ >"$dir/pid.new" && mv "$dir/pid.new" "$dir/pid"; } 2>/dev/null; then
code=126 # the disk is full: nobody could find the script again, so it must not run
elif [ ! -e "$dir/canceled" ]; then
(
	trap - TERM INT HUP
	umask 022
	cd "$dir/work" || exit 126
`)
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		fmt.Fprintf(&b, "\t%s=%s; export %s\n", name, transport.Quote(value), name)
	}
	fmt.Fprintf(&b, "\texec %s\n", transport.Quote(job.Command...))
	b.WriteString(`) >>"$dir/stdout" 2>>"$dir/stderr"
code=$?
fi
`)
	if !keep {
		b.WriteString(`rm -rf -- "$dir/work" "$dir/run" "$dir/inputs.json"` + "\n")
	}
	b.WriteString(`[ -e "$dir/pid" ] || echo "cannot write to $dir" >>"$dir/stderr"
echo "${code:-143}" >"$dir/exit.new" && mv "$dir/exit.new" "$dir/exit"
`)
	return b.Bytes()
}

// result is the driver's answer from a host.
type result struct {
	state  string
	code   int
	detail []byte // what follows the first line
}

// The states that the programs print.
const (
	stateNone     = "none"
	stateRunning  = "running"
	stateExited   = "exited"
	stateCanceled = "canceled"
	stateLost     = "lost"
)

// shell runs one of the programs and returns its answer. vars are pairs of
// names and values.
func shell(ctx context.Context, client *transport.Client, program string, vars ...string) (result, error) {
	var in strings.Builder
	for i := 0; i < len(vars); i += 2 {
		fmt.Fprintf(&in, "%s=%s\n", vars[i], transport.Quote(vars[i+1]))
	}
	in.WriteString(program)
	out := &limited{limit: script.MaxOutputs + 64<<10}
	errors := &limited{limit: 4 << 10}
	exit, err := client.Exec(ctx, transport.Command{Line: "sh -s", Stdin: strings.NewReader(in.String()), Stdout: out, Stderr: errors})
	if err != nil {
		return result{}, err
	}
	_, text, ok := bytes.Cut(out.data, []byte("\n"+answerMark))
	if exit.Code != 0 || (!ok && strings.Contains(program, answerMark)) {
		return result{}, errs.New(errs.FailedPrecondition, "prepare", client.Host().String(),
			"the host's shell says (exit code %d): %s", exit.Code, strings.TrimSpace(string(errors.data)))
	}
	line, rest, _ := bytes.Cut(text, []byte("\n"))
	r := parseState(string(line))
	r.detail = rest
	return r, nil
}

func parseState(line string) result {
	state, code, _ := strings.Cut(strings.TrimSpace(line), " ")
	r := result{state: state}
	if state == stateExited {
		n, err := strconv.Atoi(strings.TrimSpace(code))
		if err != nil { // a full disk may leave an empty file
			return result{state: stateLost}
		}
		r.code = n
	}
	return r
}

// look returns the states of folders, in their order.
func look(ctx context.Context, client *transport.Client, dirs []string) ([]result, error) {
	r, err := shell(ctx, client, lookFor(lookProgram, dirs))
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimSpace(string(r.detail)), "\n")
	if len(lines) != len(dirs) {
		return nil, errs.New(errs.Internal, "ask after operations on", client.Host().String(), "%d answers for %d", len(lines), len(dirs))
	}
	results := make([]result, len(dirs))
	for i, line := range lines {
		results[i] = parseState(line)
	}
	return results, nil
}

// lookFor puts folders into a program's loop.
func lookFor(program string, dirs []string) string {
	return strings.Replace(program, "$dirs", transport.Quote(dirs...), 1)
}

// tenths returns a duration in tenths of seconds.
func tenths(d time.Duration) string { return strconv.Itoa(int(d / (100 * time.Millisecond))) }

// limited keeps the first bytes of what is written.
type limited struct {
	data  []byte
	limit int
}

func (l *limited) Write(p []byte) (int, error) {
	l.data = append(l.data, p[:min(len(p), l.limit-len(l.data))]...)
	return len(p), nil
}
