package hpc

import (
	"context"
	"path"
	"regexp"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// onceProgram runs a command, records what it prints if it succeeds, and only
// shows the record where there is one. A lock keeps two of them apart: one that
// an orchestrator began before it crashed may still be at work. Signals do not
// end it half-way, and neither does a broken connection.
//
// Arguments: the record and the command.
const onceProgram = `trap '' HUP INT TERM PIPE
record=$1; shift
mkdir -p -- "${record%/*}" || exit 73
if command -v flock >/dev/null 2>&1; then exec 9>>"$record.lock" && flock -w 50 9 || { echo "an earlier submission does not end" >&2; exit 75; }; fi
if [ -s "$record" ]; then cat -- "$record"; exit 0; fi
out=$("$@" 9>&-); code=$?
if [ "$code" -eq 0 ] && [ -n "$out" ]; then
	printf '%s\n' "$out" >"$record.new" && mv -f -- "$record.new" "$record" || echo "cannot record the job" >&2
fi
printf '%s\n' "$out"
exit "$code"`

// recordProgram shows a record, once no submission is at work any more.
const recordProgram = `record=$1
[ -d "${record%/*}" ] || exit 0
if command -v flock >/dev/null 2>&1 && [ -e "$record.lock" ]; then exec 9>>"$record.lock" && flock -w 50 9 || exit 75; fi
[ ! -s "$record" ] || cat -- "$record"`

// SubmitOnce runs the command that submits a job, for a Manager. Where
// spec.Record names a file, the command's standard output is recorded there in
// the same step on the cluster, and where the file is there already its content
// is returned and nothing is run. So a job is not submitted twice, even if the
// program that asked for it is killed while the command runs.
//
// The output must be the job's ID, up to a ';', in a line of its own: that is how
// sbatch --parsable and qsub answer. A site's own command in their place may print
// more, in other lines.
func SubmitOnce(ctx context.Context, shell Shell, spec *JobSpec, command Command) (Result, error) {
	if spec.Record == "" {
		return shell.Run(ctx, command)
	}
	if !path.IsAbs(spec.Record) {
		return Result{}, errs.New(errs.InvalidArgument, "submit", spec.Name, "the record %q is not an absolute path", spec.Record)
	}
	command.Args = append([]string{"sh", "-c", onceProgram, "sh", spec.Record}, command.Args...)
	return shell.Run(ctx, command)
}

// Recorded returns the ID of the job that SubmitOnce recorded in a file; empty
// where there is none. It waits for a submission that is at work.
func Recorded(ctx context.Context, shell Shell, record string) (string, error) {
	r, err := shell.Run(ctx, Command{Args: []string{"sh", "-c", recordProgram, "sh", record}})
	if err != nil {
		return "", err
	}
	if r.Code != 0 {
		return "", executor.MarkRetryable(errs.New(errs.Unavailable, "read", record,
			"exit code %d: %s", r.Code, strings.TrimSpace(string(r.Stderr))))
	}
	return idOf(string(r.Stdout)), nil
}

// idLine is a line that is the ID of a job: 17, 17;cluster, 17.server, 17[].server.
var idLine = regexp.MustCompile(`^[0-9]+(\[\])?([.;]\S+)?$`)

// idOf returns the ID in what a submit command printed: the last line that is
// one, else the first word.
func idOf(output string) string {
	fields := strings.Fields(output)
	if len(fields) == 0 {
		return ""
	}
	word := fields[0]
	for line := range strings.Lines(output) {
		if line = strings.TrimSpace(line); idLine.MatchString(line) {
			word = line
		}
	}
	id, _, _ := strings.Cut(word, ";")
	return id
}
