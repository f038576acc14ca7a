package torque

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// jobScript returns the text that qsub reads from standard input: the spec's own
// first line and #PBS directives, then the work directory, output files,
// variables and modules, then the spec's script, command or container.
//
// The script sends its output to its files itself: Torque and PBS would keep it
// on the node and copy it only at the job's end. Variables do not go through
// qsub -v, which has no way to quote a comma in Torque.
func jobScript(spec *hpc.JobSpec) (string, error) {
	head, body := splitScript(spec.Script)
	shell := "/bin/sh"
	first, _, _ := strings.Cut(spec.Script, "\n")
	interpreter, isShell := shellOf(first)
	if isShell {
		shell = interpreter
	}
	var b strings.Builder
	fmt.Fprintf(&b, "#!%s\n", shell)
	for _, line := range head {
		if strings.HasPrefix(line, "#PBS") {
			b.WriteString(line + "\n")
		}
	}
	if spec.WorkDir != "" {
		fmt.Fprintf(&b, "cd -- %s || exit 73\n", quote(spec.WorkDir))
	}
	b.WriteString(redirection(spec))
	for _, name := range slices.Sorted(maps.Keys(spec.Env)) {
		if !variableName.MatchString(name) {
			return "", errs.New(errs.InvalidArgument, "submit", "job "+spec.Name, "%q is no name of a variable", name)
		}
		fmt.Fprintf(&b, "export %s=%s\n", name, quote(spec.Env[name]))
	}
	for _, module := range spec.Modules {
		fmt.Fprintf(&b, "module load %s || exit 75\n", quote(module))
	}
	switch {
	case len(spec.Command) > 0 && spec.Script != "":
		return "", errs.New(errs.InvalidArgument, "submit", "job "+spec.Name, "both a script and a command")
	case len(spec.Command) == 0 && spec.Script == "":
		return "", errs.New(errs.InvalidArgument, "submit", "job "+spec.Name, "neither a script nor a command")
	case len(spec.Command) > 0:
		b.WriteString(inContainer(spec.Container, quoteAll(spec.Command)))
	case isShell && spec.Container == nil:
		b.WriteString(body)
	default:
		b.WriteString(asFile(spec))
	}
	return b.String(), nil
}

// splitScript separates the leading comments and empty lines of a script, which
// is where qsub reads directives, from the rest.
func splitScript(script string) (head []string, body string) {
	for rest := script; rest != ""; {
		line, after, _ := strings.Cut(rest, "\n")
		line = strings.TrimRight(line, "\r")
		if trimmed := strings.TrimSpace(line); trimmed != "" && trimmed[0] != '#' {
			return head, rest
		}
		head = append(head, line)
		rest = after
	}
	return head, ""
}

// shellOf returns the interpreter of a script whose language is that of sh: the
// path behind "#!", and /bin/sh where there is none.
func shellOf(first string) (string, bool) {
	if !strings.HasPrefix(first, "#!") {
		return "/bin/sh", true
	}
	words := strings.Fields(first[2:])
	if len(words) == 0 {
		return "/bin/sh", true
	}
	name := path.Base(words[0])
	if name == "env" && len(words) == 2 {
		name = words[1]
	}
	if !slices.Contains([]string{"sh", "bash", "dash", "ksh", "zsh"}, name) {
		return "", false
	}
	// With options, or found by env, it is as the line says.
	return strings.TrimSpace(strings.TrimSuffix(first[2:], "\r")), true
}

// redirection sends the output to the spec's files, those of tasks with the index.
func redirection(spec *hpc.JobSpec) string {
	suffix := ""
	if spec.Array != nil {
		suffix = `."${PBS_ARRAYID:-$PBS_ARRAY_INDEX}"`
	}
	stdout, stderr := spec.Stdout, spec.Stderr
	if stdout == "" {
		stdout = "stdout"
	}
	if stderr == "" {
		stderr = "stderr"
	}
	line := "exec >" + quote(stdout) + suffix
	if spec.Join {
		return line + " 2>&1\n"
	}
	return line + " 2>" + quote(stderr) + suffix + "\n"
}

// asFile runs the spec's script, as it is, from a file of its own: one in another
// language, or one that runs in a container.
func asFile(spec *hpc.JobSpec) string {
	end := "END_OF_JOB_SCRIPT"
	for strings.Contains(spec.Script, end) {
		end += "_"
	}
	script := spec.Script
	if !strings.HasPrefix(script, "#!") {
		script = "#!/bin/sh\n" + script
	}
	return "job_script=$(mktemp \"$PWD/.job-script.XXXXXX\") || exit 73\n" +
		"trap 'rm -f \"$job_script\"' EXIT\n" +
		"cat >\"$job_script\" <<'" + end + "'\n" + strings.TrimSuffix(script, "\n") + "\n" + end + "\n" +
		"chmod 700 \"$job_script\"\n" +
		inContainer(spec.Container, `"$job_script"`)
}

// inContainer returns the line that runs a quoted command, in a container if any.
func inContainer(c *hpc.Container, command string) string {
	if c == nil {
		return command + "\n"
	}
	find := "container_runtime=" + quote(c.Runtime) + "\n"
	if c.Runtime == "" {
		find = "container_runtime=$(command -v apptainer || command -v singularity) ||" +
			" { echo 'neither apptainer nor singularity is in the PATH' >&2; exit 127; }\n"
	}
	args := []string{"exec", "--bind"}
	line := quoteAll(args) + ` "$PWD" --pwd "$PWD"`
	for _, bind := range c.Binds {
		line += " --bind " + quote(bind)
	}
	if c.GPU {
		line += " --nv"
	}
	if len(c.Options) > 0 {
		line += " " + quoteAll(c.Options)
	}
	return find + `"$container_runtime" ` + line + " " + quote(c.Image) + " " + command + "\n"
}

// quote makes one word of sh of a text.
func quote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

func quoteAll(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = quote(w)
	}
	return strings.Join(quoted, " ")
}

// directives returns what the "#PBS" lines of a script say.
func directives(script string) []string {
	head, _ := splitScript(script)
	var all []string
	for _, line := range head {
		if options, ok := strings.CutPrefix(line, "#PBS"); ok {
			all = append(all, options)
		}
	}
	return all
}

// directiveVariables returns the lists of "#PBS -v": qsub's own -v, which the tag
// needs, replaces them, so they are joined with it.
func directiveVariables(script string) []string {
	var all []string
	for _, options := range directives(script) {
		lists, _ := splitVariables(optionWords(options))
		all = append(all, lists...)
	}
	return all
}

// splitVariables takes the lists of -v out of options.
func splitVariables(options []string) (lists, others []string) {
	for i := 0; i < len(options); i++ {
		switch list, ok := strings.CutPrefix(options[i], "-v"); {
		case !ok:
			others = append(others, options[i])
		case list != "":
			lists = append(lists, strings.TrimSpace(list))
		case i+1 < len(options):
			i++
			lists = append(lists, options[i])
		}
	}
	return lists, others
}

// optionWords splits the options of a directive as qsub does: quotation marks
// keep what is between them together, and a backslash the character behind it.
func optionWords(options string) []string {
	var words []string
	var word strings.Builder
	inWord, quoted, escaped := false, rune(0), false
	for _, r := range options {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case quoted != 0 && r == quoted:
			quoted = 0
		case quoted != 0:
			word.WriteRune(r)
		case r == '"' || r == '\'':
			quoted, inWord = r, true
		case r == '\\':
			escaped, inWord = true, true
		case r == ' ' || r == '\t':
			if inWord {
				words = append(words, word.String())
			}
			word.Reset()
			inWord = false
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words
}
