package script

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// MaxVariable is the longest value, in bytes, that an input has as an
// environment variable; a longer one is only in the file of inputs. Linux
// refuses to start a program with a variable of 128 KiB or more (execve(2)).
const MaxVariable = 96 << 10

// Job is an operation made ready to be laid out and started on some host.
type Job struct {
	// Name is the primary artifact's base name, Command the words that start it
	// in the working directory.
	Name    string
	Command []string
	// Entries are the files and folders of the working directory, parents first.
	Entries []Entry
	// Env has "NAME=value" for the inputs and the context, sorted.
	Env []string
	// Inputs is the JSON object of all inputs.
	Inputs []byte
	// Redact hides the operation's secrets.
	Redact *strings.Replacer

	files fs.FS
}

// Entry is a file or folder of the working directory.
type Entry struct {
	// Name is its path in the working directory, Path that in the archive;
	// both separated by slashes.
	Name, Path string
	Dir        bool
	// Mode has the permission bits to create it with.
	Mode fs.FileMode
}

// Prepare makes a Job of op. interpreters replaces the interpreter of an
// artifact type, by the type's name.
//
// Errors: NotFound where an artifact is missing in the archive,
// InvalidArgument where two different files would have the same name.
func Prepare(op *executor.Operation, interpreters map[string]string) (*Job, error) {
	if op.Primary == nil || op.Primary.Path == "" {
		return nil, errs.New(errs.InvalidArgument, "prepare", op.Interface+"."+op.Name, "the operation has no script in the archive")
	}
	j := &Job{Name: path.Base(op.Primary.Path), Redact: Redactor(op.Secrets), files: op.Files}
	if err := j.stage(op); err != nil {
		return nil, err
	}
	j.Command = command(op, j.Name, interpreters)
	if len(j.Command) == 1 { // executed directly
		for i := range j.Entries {
			if j.Entries[i].Name == j.Name {
				j.Entries[i].Mode |= 0o111
			}
		}
	}
	inputs, err := marshal(op.Inputs)
	if err != nil {
		return nil, errs.New(errs.InvalidArgument, "prepare the inputs of", op.Interface+"."+op.Name, "%w", err)
	}
	j.Inputs = inputs
	j.Env, err = environment(op)
	return j, err
}

// Open returns the contents of an entry.
func (j *Job) Open(e Entry) (io.ReadCloser, error) {
	f, err := j.files.Open(e.Path)
	if err != nil {
		return nil, missing(e.Path, err)
	}
	return f, nil
}

// stage lists the primary artifact, the dependencies and the node's artifacts
// by their base names, folders with all that is in them.
func (j *Job) stage(op *executor.Operation) error {
	if op.Files == nil {
		return errs.New(errs.InvalidArgument, "prepare", op.Interface+"."+op.Name, "the operation has no archive")
	}
	placed := map[string]Entry{}
	for _, f := range slices.Concat([]*executor.File{op.Primary}, op.Dependencies, op.Artifacts) {
		if f == nil || f.Path == "" {
			continue // not a file of the archive, such as a container image
		}
		base := path.Base(f.Path)
		err := fs.WalkDir(op.Files, f.Path, func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return missing(f.Path, err)
			}
			return j.place(placed, path.Join(base, strings.TrimPrefix(p, f.Path)), p)
		})
		if err != nil {
			return err
		}
	}
	for _, e := range placed {
		j.Entries = append(j.Entries, e)
	}
	slices.SortFunc(j.Entries, func(a, b Entry) int { return cmp.Compare(a.Name, b.Name) })
	return nil
}

// place adds the archive's file p under name.
func (j *Job) place(placed map[string]Entry, name, p string) error {
	info, err := fs.Stat(j.files, p)
	if err != nil {
		return missing(p, err)
	}
	// Folders are writable so that they can be removed; files keep their
	// executable bit. The directory above is closed to others.
	e := Entry{Name: name, Path: p, Dir: info.IsDir(), Mode: 0o644 | info.Mode()&0o111}
	switch {
	case e.Dir:
		e.Mode = 0o755
	case !info.Mode().IsRegular():
		return errs.New(errs.InvalidArgument, "copy", p, "it is neither a file nor a folder")
	}
	other, taken := placed[name]
	if !taken {
		placed[name] = e
		return nil
	}
	if other.Path == p || other.Dir && e.Dir {
		return nil
	}
	if same, err := j.same(other, e); err != nil || same {
		return err
	}
	return &errs.Error{Code: errs.InvalidArgument, Op: "copy", Subject: p,
		Err:  errors.New("the operation also needs " + other.Path + ", which has the same name and other contents"),
		Hint: "artifacts and dependencies lie in one folder by their base names; rename one, or put it into a folder and declare the folder"}
}

// same tells whether two entries are files of the same contents.
func (j *Job) same(a, b Entry) (bool, error) {
	if a.Dir || b.Dir {
		return false, nil
	}
	x, err := fs.ReadFile(j.files, a.Path)
	if err != nil {
		return false, missing(a.Path, err)
	}
	y, err := fs.ReadFile(j.files, b.Path)
	if err != nil {
		return false, missing(b.Path, err)
	}
	return bytes.Equal(x, y), nil
}

func missing(p string, err error) error {
	var known *errs.Error
	switch {
	case errors.As(err, &known):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return &errs.Error{Code: errs.NotFound, Op: "read", Subject: p, Err: errors.New("the archive has no such file"),
			Hint: "check the path of the artifact in the template"}
	}
	return errs.New(errs.Internal, "read", p, "%w", err)
}

// environment returns the variables for op: its inputs, then its context.
func environment(op *executor.Operation) ([]string, error) {
	env := map[string]string{}
	for name, v := range op.Inputs {
		if v == nil || !validName(name) || reserved(name) {
			continue
		}
		s, ok := v.(string)
		if !ok {
			b, err := marshal(v)
			if err != nil {
				return nil, errs.New(errs.InvalidArgument, "prepare the input", name, "%w", err)
			}
			s = strings.TrimSuffix(string(b), "\n")
		}
		if len(s) <= MaxVariable && !strings.Contains(s, "\x00") {
			env[name] = s
		}
	}
	for name, v := range op.Context {
		if name = "TOSCA_" + name; validName(name) && len(v) <= MaxVariable && !strings.Contains(v, "\x00") {
			env[name] = v
		}
	}
	own := map[string]string{
		"TOSCA_DEPLOYMENT": op.Deployment, "TOSCA_RUN": op.Run, "TOSCA_STEP": op.Step,
		"TOSCA_OPERATION_ID": op.ID, "TOSCA_ATTEMPT": strconv.Itoa(op.Attempt),
		"TOSCA_INSTANCE": op.Instance, "TOSCA_INTERFACE": op.Interface, "TOSCA_OPERATION": op.Name,
	}
	if op.Node != nil {
		own["TOSCA_NODE"] = op.Node.Name
	}
	if op.Relationship != nil {
		own["TOSCA_RELATIONSHIP"] = op.Relationship.Name
	}
	for name, v := range own {
		if v != "" || env[name] == "" {
			env[name] = v
		}
	}
	list := make([]string, 0, len(env))
	for name, v := range env {
		list = append(list, name+"="+v)
	}
	slices.Sort(list)
	return list, nil
}

// validName tells whether name can be a variable of a POSIX shell.
func validName(name string) bool {
	for i, r := range name {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}

// reserved tells whether a variable has a meaning of its own for the shell,
// the system or this protocol, so that an input must not set it.
func reserved(name string) bool {
	switch name {
	case "PATH", "HOME", "LANG", "LC_ALL", "USER", "LOGNAME", "SHELL", "TMPDIR", "TZ", "PWD", "OLDPWD",
		"IFS", "ENV", "BASH_ENV", "CDPATH", "OPTIND", "PS4", "_",
		// read-only in bash, where setting them would end the shell
		"BASHOPTS", "BASH_VERSINFO", "SHELLOPTS", "UID", "EUID", "PPID":
		return true
	}
	return strings.HasPrefix(name, "TOSCA_")
}

// marshal writes v as one line of JSON, "<" and "&" as they are.
func marshal(v any) ([]byte, error) {
	if m, ok := v.(map[string]any); ok && m == nil {
		v = map[string]any{}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return b.Bytes(), err
}
