package hpc

import (
	"maps"
	"slices"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/drivers/ssh/transport"
)

// The files of a job's work directory. Those of an array's tasks have the
// index behind the name.
const (
	recordFile   = "job.id"     // what the submit command printed
	instanceFile = "instance"   // the ID of the node's instance
	wrapperFile  = "job.sh"     // what was submitted
	scriptFile   = "job.script" // what the user gave
	ownerFile    = "job.owner"  // the ID of the job that runs or ran here
	exitFile     = "job.exit"   // exit code, start, end (seconds), node
	memoryFile   = "job.oom"    // the job ran out of memory
)

// wrapperBegin makes sure that one job only runs in the directory, whatever was
// submitted, and defines how its end is recorded. A job that the manager queues
// anew has the same ID and may run again.
const wrapperBegin = `cd -- "$dir" || exit 72
me=${SLURM_ARRAY_JOB_ID:-${SLURM_JOB_ID:-${PBS_JOBID:-$$}}}
me=${me%%.*}; me=${me%%"["*}
if ! (set -C; echo "$me" >"job.owner$suffix") 2>/dev/null; then
	[ "$(cat "job.owner$suffix")" = "$me" ] || { echo "job $me: another job runs this operation" >&2; exit 71; }
fi
started=$(date +%s)
rm -f "job.exit$suffix"
finish() {
	printf '%s %s %s %s\n' "$1" "$started" "$(date +%s)" "$(uname -n)" >"job.exit$suffix.new" && mv -f "job.exit$suffix.new" "job.exit$suffix"
	exit "$1"
}
`

// wrapperModules loads modules; where the shell does not know them yet, it looks
// for the usual start files.
const wrapperModules = `for file in /etc/profile.d/modules.sh /etc/profile.d/lmod.sh /usr/share/modules/init/bash; do
	command -v module >/dev/null 2>&1 && break
	[ -r "$file" ] && . "$file"
done
`

// wrapperEnd runs the program and passes signals on to it: managers send them to
// the wrapper only. A signal breaks off the waiting, so that it is done anew: what
// it says without one is how the program ended. A shell has programs in the
// background ignore an interrupt; this one is not to.
// The traps are set first: a signal that comes at once is for the program too.
const wrapperEnd = `signal=
for name in TERM INT HUP USR1 USR2 CONT; do trap "signal=$name" "$name"; done
(trap - INT QUIT; exec "$@") &
child=$!
[ -z "$signal" ] || kill "-$signal" "$child" 2>/dev/null
while signal=; wait "$child"; now=$?; [ "$now" -lt 0 ] || code=$now; [ -n "$signal" ]; do
	kill "-$signal" "$child" 2>/dev/null
done
finish "$code"
`

// Rendered returns a spec whose Script does what Command, Arguments,
// EnvironmentFile, Env, Modules and Container of the given one ask for, which
// Managers leave alone: what a program gives to Manager.Submit. The driver does it by itself.
func Rendered(spec *JobSpec) *JobSpec {
	var b strings.Builder
	b.WriteString("#!/bin/bash\n")
	for _, d := range directives(spec.Script) {
		b.WriteString(d + "\n")
	}
	environment(&b, spec, "exit")
	if spec.Script == "" {
		b.WriteString("set -- " + transport.Quote(spec.Command...) + "\n")
	} else {
		end := "END"
		for strings.Contains(spec.Script, end) {
			end += "_"
		}
		b.WriteString("file=$(mktemp \"$PWD/.job.XXXXXXXX\") || exit 73\ntrap 'rm -f -- \"$file\"' EXIT\n" +
			"cat >\"$file\" <<'" + end + "'\n" + strings.TrimSuffix(scriptOf(spec.Script), "\n") + "\n" + end + "\n" +
			"chmod 700 \"$file\"\nset -- \"$file\" " + transport.Quote(spec.Arguments...) + "\n")
	}
	if spec.Container != nil {
		b.WriteString("finish() { exit \"$1\"; }\n" + containerOf(spec.Container, spec.WorkDir))
	}
	b.WriteString("\"$@\"\n")
	plain := *spec
	plain.Script, plain.Arguments, plain.Command, plain.EnvironmentFile, plain.Env, plain.Modules, plain.Container = b.String(), nil, nil, "", nil, nil, nil
	return &plain
}

// environment reads the environment file, loads modules and sets variables.
func environment(b *strings.Builder, spec *JobSpec, fail string) {
	if spec.EnvironmentFile != "" {
		b.WriteString(sourcing(spec.EnvironmentFile, fail+" 70") + "\n")
		if spec.WorkDir != "" { // wherever the file has gone
			b.WriteString("cd -- " + transport.Quote(spec.WorkDir) + " || " + fail + " 72\n")
		}
	}
	if len(spec.Modules) > 0 {
		b.WriteString(wrapperModules)
		for _, m := range spec.Modules {
			b.WriteString("module load " + transport.Quote(m) + " || " + fail + " 70\n")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(spec.Env)) {
		b.WriteString("export " + transport.Quote(name+"="+spec.Env[name]) + "\n")
	}
}

// wrapperOf is the job script that runs what the spec says in a directory, and
// leaves there how it ended.
func wrapperOf(spec *JobSpec, dir string) string {
	var b strings.Builder
	b.WriteString("#!/bin/bash\n")
	for _, d := range directives(spec.Script) {
		b.WriteString(d + "\n")
	}
	b.WriteString("dir=" + transport.Quote(dir) + "\nsuffix=\n")
	if spec.Array != nil {
		b.WriteString("index=${SLURM_ARRAY_TASK_ID:-${PBS_ARRAYID:-${PBS_ARRAY_INDEX:-}}}\nsuffix=.$index\n" +
			"export ARRAY_INDEX=$index\n")
	}
	b.WriteString(wrapperBegin)
	environment(&b, spec, "finish")
	words := spec.Command
	if spec.Script != "" {
		words = append([]string{dir + "/" + scriptFile}, spec.Arguments...)
	}
	b.WriteString("set -- " + transport.Quote(words...) + "\n")
	if c := spec.Container; c != nil {
		b.WriteString(containerOf(c, dir))
	}
	b.WriteString(wrapperEnd)
	return b.String()
}

func containerOf(c *Container, dir string) string {
	find := "runtime=$(command -v apptainer || command -v singularity)"
	if c.Runtime != "" {
		find = "runtime=$(command -v " + transport.Quote(c.Runtime) + ")"
	}
	words := []string{"exec"}
	if dir != "" {
		words = append(words, "--bind", dir, "--pwd", dir)
	}
	if c.GPU {
		words = append(words, "--nv")
	}
	for _, bind := range c.Binds {
		words = append(words, "--bind", bind)
	}
	words = append(append(words, c.Options...), c.Image)
	return find + ` || { echo "the node has no container runtime: apptainer or singularity" >&2; finish 127; }` + "\n" +
		`set -- "$runtime" ` + transport.Quote(words...) + ` "$@"` + "\n"
}

// directives are the lines of a job script that are meant for the manager: those
// before its first command.
func directives(script string) []string {
	var found []string
	for line := range strings.Lines(script) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, "#SBATCH"), strings.HasPrefix(line, "#PBS"):
			found = append(found, line)
		case strings.HasPrefix(line, "#"), strings.TrimSpace(line) == "":
		default:
			return found
		}
	}
	return found
}

// scriptOf is the user's script, with an interpreter.
func scriptOf(script string) string {
	if strings.HasPrefix(script, "#!") {
		return script
	}
	return "#!/bin/bash\n" + script
}
