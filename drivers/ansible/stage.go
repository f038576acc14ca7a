package ansible

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// workdir is the folder of one operation. Only this user can read it.
//
//	ROOT/work        the playbook's working directory, with all its files
//	ROOT/tmp         Ansible's local temporary files
//	ROOT/identity    the private key, where the host has one of its own
type workdir struct {
	root, dir                 string
	playbook, inventory, vars string
	// lock is held as long as the playbook may run: see newFolder.
	lock *os.File
	// origin has the path in the archive by base name.
	origin map[string]string
	keep   bool
}

// stage makes the folder of op and fills it.
func (d *Driver) stage(op *executor.Operation, in *installation) (*workdir, error) {
	root, lock, err := newFolder(d.cfg.TempDir, playbookFolders+folderName(op)+"-")
	if err != nil {
		return nil, errs.New(errs.FailedPrecondition, "make folder", "", "%w", err)
	}
	w := &workdir{root: root, lock: lock, dir: filepath.Join(root, "work"), origin: map[string]string{}, keep: d.cfg.KeepFiles}
	if w.keep {
		_ = os.WriteFile(filepath.Join(root, keptFile), nil, 0o600)
		d.cfg.Logger.Info("files of operation are kept", "operation", op.ID, "folder", root)
	}
	if err := w.fill(op, in, d.cfg); err != nil {
		w.remove()
		return nil, err
	}
	return w, nil
}

func (w *workdir) fill(op *executor.Operation, in *installation, cfg Config) error {
	for _, dir := range []string{w.dir, filepath.Join(w.root, "tmp")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
	}
	if err := w.copyFiles(op); err != nil {
		return err
	}
	w.playbook = filepath.Join(w.dir, path.Base(op.Primary.Path))

	vars, err := encodeVars(op.Inputs)
	if err != nil {
		return err
	}
	if w.vars, err = w.write("vars-*.json", vars); err != nil {
		return err
	}
	host, err := w.hostVars(op.Host, in, cfg)
	if err != nil {
		return err
	}
	// JSON is YAML.
	inventory, err := json.Marshal(map[string]any{"all": map[string]any{"hosts": map[string]any{hostName: host}}})
	if err != nil {
		return err
	}
	if w.inventory, err = w.write("inventory-*.yaml", inventory); err != nil {
		return err
	}
	// Written last: it wins over one among the files.
	return os.WriteFile(filepath.Join(w.dir, "ansible.cfg"), settings(cfg), 0o600)
}

// settings is the ansible.cfg of every playbook.
func settings(cfg Config) []byte {
	text := "[defaults]\nretry_files_enabled = False\n"
	if cfg.InsecureIgnoreHostKey {
		text += "host_key_checking = False\n"
	}
	return []byte(text)
}

// hostName is the inventory's name of the operation's host.
const hostName = "opera"

// hostVars are the variables that say how to reach the host.
func (w *workdir) hostVars(h executor.Host, in *installation, cfg Config) (map[string]any, error) {
	if h.Local() {
		return map[string]any{
			"ansible_host":               "localhost",
			"ansible_connection":         "local",
			"ansible_python_interpreter": in.interpreter,
		}, nil
	}
	vars := map[string]any{"ansible_host": h.Address, "ansible_ssh_common_args": sshArgs(cfg)}
	if h.Port != 0 {
		vars["ansible_port"] = h.Port
	}
	if user := first(h.User, cfg.User); user != "" {
		vars["ansible_user"] = user
	}
	if h.Password != "" {
		vars["ansible_password"] = h.Password
	}
	key := first(h.KeyFile, cfg.KeyFile)
	if h.Identity != "" {
		key = filepath.Join(w.root, "identity")
		// OpenSSH refuses a key whose last line is not ended.
		if err := os.WriteFile(key, []byte(strings.TrimRight(h.Identity, "\r\n")+"\n"), 0o600); err != nil {
			return nil, err
		}
	}
	if key != "" {
		vars["ansible_ssh_private_key_file"] = key
	}
	vars["ansible_control_path_dir"] = controlPathDir(vars, h.Identity)
	return vars, nil
}

// controlPathDir is the folder of the sockets by which Ansible uses an SSH
// connection again for a minute. Ansible tells connections apart by address,
// port and user only. Here each way of checking the host's key, and each
// identity, has a folder of its own: a connection to a host that nobody
// verified must not serve an operation that asks for the check.
func controlPathDir(vars map[string]any, identity string) string {
	key := identity // whose file is another for each operation
	if key == "" {
		key, _ = vars["ansible_ssh_private_key_file"].(string)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s", vars["ansible_ssh_common_args"], key))
	// The path of a socket must be short.
	return "~/.ansible/cp-" + hex.EncodeToString(sum[:3])
}

// sshArgs are the arguments of every ssh of a playbook, quoted for a shell,
// as Ansible splits them.
func sshArgs(cfg Config) string {
	args := []string{"-o", "StrictHostKeyChecking=yes"}
	if cfg.InsecureIgnoreHostKey {
		args[1] = "StrictHostKeyChecking=no"
	}
	if cfg.KnownHosts != "" {
		// ssh takes several files; quotes make one of a path with blanks.
		args = append(args, "-o", `UserKnownHostsFile="`+cfg.KnownHosts+`"`)
	}
	args = append(args, cfg.SSHArgs...)
	for i, a := range args {
		if a == "" || strings.ContainsAny(a, " \t\n'\"\\$`#") {
			args[i] = "'" + strings.ReplaceAll(a, "'", `'"'"'`) + "'"
		}
	}
	return strings.Join(args, " ")
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// copyFiles copies the operation's files into the working directory by base name.
func (w *workdir) copyFiles(op *executor.Operation) error {
	if err := w.copy(op.Files, op.Primary.Path); err != nil {
		return err
	}
	done := map[string]bool{op.Primary.Path: true}
	for _, f := range op.Dependencies {
		if err := w.copyOnce(op.Files, f, done); err != nil {
			return err
		}
	}
	for _, f := range op.Artifacts {
		err := w.copyOnce(op.Files, f, done)
		// An artifact may lie elsewhere, such as an image in a registry.
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid) {
			return err
		}
	}
	return nil
}

func (w *workdir) copyOnce(files fs.FS, f *executor.File, done map[string]bool) error {
	if f == nil || done[f.Path] {
		return nil
	}
	done[f.Path] = true
	return w.copy(files, f.Path)
}

// copy copies a file or a folder of the archive.
func (w *workdir) copy(files fs.FS, name string) error {
	if files == nil {
		return errs.New(errs.InvalidArgument, "copy", name, "the operation has no files: %w", fs.ErrNotExist)
	}
	base := path.Base(name)
	if base == "." || base == ".." || base == "/" {
		return errs.New(errs.InvalidArgument, "copy", name, "this is not the name of a file or folder in the archive: %w", fs.ErrInvalid)
	}
	info, err := fs.Stat(files, name)
	if err != nil {
		return &errs.Error{Code: errs.NotFound, Op: "copy", Subject: name, Err: err,
			Hint: "the operation names a file that the archive does not have"}
	}
	target := filepath.Join(w.dir, base)
	if old, err := os.Lstat(target); err == nil && !(old.IsDir() && info.IsDir()) {
		if err := os.RemoveAll(target); err != nil {
			return err
		}
	}
	w.origin[base] = name
	return fs.WalkDir(files, name, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(target, filepath.FromSlash(strings.TrimPrefix(p, name)))
		if e.IsDir() {
			return os.MkdirAll(to, 0o700)
		}
		return copyFile(files, p, to)
	})
}

// copyFile copies one file. Executable files stay executable.
func copyFile(files fs.FS, from, to string) error {
	in, err := files.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errs.New(errs.InvalidArgument, "copy", from, "it is not a regular file")
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600|info.Mode().Perm()&0o111)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return fmt.Errorf("copy %s: %w", from, err)
	}
	return out.Close()
}

// write writes a file with a name that no other file in the working directory has.
func (w *workdir) write(pattern string, data []byte) (string, error) {
	f, err := os.CreateTemp(w.dir, pattern)
	if err != nil {
		return "", err
	}
	if _, err := f.Write(data); err != nil {
		f.Close()
		return "", err
	}
	return f.Name(), f.Close()
}

// arguments are those of ansible-playbook.
func (w *workdir) arguments() []string {
	return []string{"-i", w.inventory, "-e", "@" + w.vars, w.playbook}
}

// archivePath returns the path in the archive of a file in the working
// directory, or the path as it is.
func (w *workdir) archivePath(file string) string {
	rel, err := filepath.Rel(w.dir, file)
	if err != nil || strings.HasPrefix(rel, "..") {
		return file
	}
	base, rest, _ := strings.Cut(filepath.ToSlash(rel), "/")
	if from, ok := w.origin[base]; ok {
		return path.Join(from, rest)
	}
	return rel
}

// environ are the variables of one playbook.
func (w *workdir) environ(base []string) []string {
	if value(base, "ANSIBLE_LOCAL_TEMP") != "" {
		return nil
	}
	return []string{"ANSIBLE_LOCAL_TEMP=" + w.root + "/tmp"}
}

func (w *workdir) remove() {
	if !w.keep {
		os.RemoveAll(w.root)
	}
	w.lock.Close()
}

// begin notes that the playbook is about to run.
func (w *workdir) begin() error {
	return os.WriteFile(filepath.Join(w.root, startedFile), nil, 0o600)
}

// wasRead removes the inputs, which Ansible has read before the first play.
func (w *workdir) wasRead() {
	if !w.keep {
		_ = os.Remove(w.vars)
	}
}

// encodeVars writes the inputs as JSON. Floats keep a decimal point, so that
// Ansible does not take 1.0 for an integer.
func encodeVars(inputs map[string]any) ([]byte, error) {
	vars := map[string]any{}
	for name, v := range inputs {
		typed, err := jsonValue(v)
		if err != nil {
			return nil, errs.New(errs.InvalidArgument, "write input", name, "%w", err)
		}
		vars[name] = typed
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(vars)
	return b.Bytes(), err
}

func jsonValue(v any) (any, error) {
	switch v := v.(type) {
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("%v cannot be passed to Ansible", v)
		}
		text := strconv.FormatFloat(v, 'g', -1, 64)
		if !strings.ContainsAny(text, ".e") {
			text += ".0"
		}
		return json.RawMessage(text), nil
	case []any:
		out := make([]any, len(v))
		for i := range v {
			var err error
			if out[i], err = jsonValue(v[i]); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			var err error
			if out[k], err = jsonValue(v[k]); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v, nil
}
