package script

import (
	"bufio"
	"io/fs"
	"path"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/executor"
)

// The artifact types of scripts.
//
// Source: TOSCA 1.3 section 5.4.4, "Implementation types".
const (
	BashType   = "tosca.artifacts.Implementation.Bash"
	PythonType = "tosca.artifacts.Implementation.Python"
)

// maxShebang is how much of a file's first line Linux reads (BINPRM_BUF_SIZE).
const maxShebang = 256

// Is tells whether the operation's primary artifact is something to execute: a
// Bash or Python script by its artifact type or its file name, a file that
// names its interpreter in its first line, or an executable program.
func Is(op *executor.Operation) bool {
	p := op.Primary
	if p == nil || p.Path == "" {
		return false
	}
	if p.IsA(BashType) || p.IsA(PythonType) {
		return true
	}
	switch path.Ext(p.Path) {
	case ".sh", ".bash", ".py":
		return true
	case ".yaml", ".yml", ".json":
		return false // a playbook may well begin with #!/usr/bin/env ansible-playbook
	}
	head, mode := readHead(op.Files, p.Path)
	return strings.HasPrefix(head, "#!") || mode&0o111 != 0 && isBinary(head)
}

// command returns the words that start the script called name in its folder.
// interpreters replaces the interpreter of an artifact type.
func command(op *executor.Operation, name string, interpreters map[string]string) []string {
	p := op.Primary
	for _, t := range p.Types { // nearest first
		if i := interpreters[t]; i != "" {
			return []string{i, "./" + name}
		}
	}
	ext := path.Ext(p.Path)
	switch {
	case p.IsA(PythonType):
		return []string{"python3", "./" + name}
	case p.IsA(BashType):
		return []string{"bash", "./" + name}
	}
	head, _ := readHead(op.Files, p.Path)
	switch shebang := parseShebang(head); {
	case len(shebang) > 0:
		// The interpreter is started directly, so that a file without the
		// executable bit (an archive made on Windows) works, and so does a
		// file system mounted with noexec.
		return append(shebang, "./"+name)
	case ext == ".py":
		return []string{"python3", "./" + name}
	case ext == ".sh", ext == ".bash":
		return []string{"bash", "./" + name}
	}
	return []string{"./" + name}
}

// parseShebang returns the interpreter in the first line of a file and its one
// argument, as the kernel splits them; nil where there is none.
//
// Source: execve(2), "Interpreter scripts".
func parseShebang(head string) []string {
	rest, ok := strings.CutPrefix(head, "#!")
	if !ok {
		return nil
	}
	line, _, _ := strings.Cut(rest, "\n")
	line = strings.Trim(line, " \t\r")
	if line == "" {
		return nil
	}
	interpreter, argument, _ := strings.Cut(line, " ")
	if i := strings.IndexByte(interpreter, '\t'); i >= 0 {
		interpreter, argument = line[:i], line[i+1:]
	}
	if argument = strings.Trim(argument, " \t"); argument != "" {
		return []string{interpreter, argument}
	}
	return []string{interpreter}
}

// isBinary tells an ELF or Mach-O program by its first bytes.
func isBinary(head string) bool {
	for _, magic := range []string{"\x7fELF", "\xcf\xfa\xed\xfe", "\xca\xfe\xba\xbe"} {
		if strings.HasPrefix(head, magic) {
			return true
		}
	}
	return false
}

// readHead returns the first bytes of a regular file and its mode; "" where it
// cannot be read.
func readHead(files fs.FS, name string) (string, fs.FileMode) {
	if files == nil {
		return "", 0
	}
	f, err := files.Open(name)
	if err != nil {
		return "", 0
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return "", 0
	}
	head, _ := bufio.NewReaderSize(f, maxShebang).Peek(maxShebang)
	return string(head), info.Mode()
}
