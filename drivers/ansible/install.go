package ansible

import (
	"bufio"
	"context"
	"embed"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

//go:embed python
var python embed.FS

// reportFD is the descriptor on which the callback plugin reports.
const reportFD = 3

// installation is the Ansible that was found on this machine.
type installation struct {
	// command is the absolute path of ansible-playbook.
	command string
	// interpreter is the absolute path of its Python, with flags the arguments
	// that the command gives to it.
	interpreter string
	flags       []string
	// plugins is the folder of our own plugins.
	plugins string
}

// prepare finds Ansible and writes our plugins to disk, once. What was not
// found is looked for again the next time.
func (d *Driver) prepare(ctx context.Context) (*installation, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errs.New(errs.FailedPrecondition, "", "", "the ansible driver is closed")
	}
	if d.found != nil {
		return d.found, nil
	}
	in, err := find(ctx, d.cfg)
	if err != nil {
		return nil, err
	}
	if d.plugins == "" {
		d.sweep()
		if d.plugins, d.lock, err = writePlugins(d.cfg.TempDir); err != nil {
			return nil, err
		}
	}
	in.plugins = d.plugins
	d.found = in
	return in, nil
}

// find looks for ansible-playbook and its Python.
func find(ctx context.Context, cfg Config) (*installation, error) {
	command, err := exec.LookPath(cfg.Command)
	if err == nil {
		command, err = filepath.Abs(command)
	}
	if err != nil {
		return nil, &errs.Error{Code: errs.FailedPrecondition, Op: "find ansible", Subject: cfg.Command, Err: err,
			Hint: "install ansible-core, such as Debian's package ansible-core, or say where ansible-playbook is"}
	}
	in := &installation{command: command}
	if cfg.Python != "" {
		if in.interpreter, err = exec.LookPath(cfg.Python); err != nil {
			return nil, errs.New(errs.FailedPrecondition, "find python", cfg.Python, "%w", err)
		}
		return in, nil
	}
	if in.interpreter, in.flags = shebang(command); in.interpreter == "" {
		in.interpreter, err = askForPython(ctx, command)
	}
	return in, err
}

// shebang returns the Python interpreter that a script names in its first
// line, directly or through env; "" for none.
func shebang(script string) (string, []string) {
	f, err := os.Open(script)
	if err != nil {
		return "", nil
	}
	defer f.Close()
	line, _ := bufio.NewReader(f).ReadString('\n')
	words := strings.Fields(strings.TrimPrefix(line, "#!"))
	if !strings.HasPrefix(line, "#!") || len(words) == 0 {
		return "", nil
	}
	if filepath.Base(words[0]) == "env" {
		words = slices.DeleteFunc(words[1:], func(w string) bool { return w == "-S" })
	}
	if len(words) == 0 || !strings.HasPrefix(filepath.Base(words[0]), "python") {
		return "", nil
	}
	interpreter, err := exec.LookPath(words[0])
	if err != nil {
		return "", nil
	}
	return interpreter, words[1:]
}

// pythonVersion is a line of what "ansible-playbook --version" prints:
// "python version = 3.11.2 (main, ...) [GCC 12.2.0] (/usr/bin/python3)".
var pythonVersion = regexp.MustCompile(`(?m)^\s*python version = .*\((/[^()]+)\)\s*$`)

// askForPython has the command itself say which Python it runs in, for one
// that is no Python script, such as a shim.
func askForPython(ctx context.Context, command string) (string, error) {
	cmd := exec.CommandContext(ctx, command, "--version")
	out, err := cmd.Output()
	if err != nil {
		return "", errs.New(errs.FailedPrecondition, "run", command+" --version", "%w", err)
	}
	m := pythonVersion.FindSubmatch(out)
	if m == nil {
		return "", &errs.Error{Code: errs.FailedPrecondition, Op: "find the python of", Subject: command,
			Hint: "name it in the configuration"}
	}
	return string(m[1]), nil
}

// writePlugins writes our plugins into a new folder that only this user can
// read, and that is locked.
func writePlugins(tempDir string) (string, *os.File, error) {
	dir, lock, err := newFolder(tempDir, pluginFolders)
	if err != nil {
		return "", nil, errs.New(errs.FailedPrecondition, "write plugins", "", "%w", err)
	}
	err = fs.WalkDir(python, "python", func(name string, e fs.DirEntry, err error) error {
		if err != nil || name == "python" {
			return err
		}
		target := filepath.Join(dir, strings.TrimPrefix(name, "python/"))
		if e.IsDir() {
			return os.Mkdir(target, 0o700)
		}
		data, err := python.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(target, data, 0o600)
	})
	if err != nil {
		os.RemoveAll(dir)
		lock.Close()
		return "", nil, errs.New(errs.FailedPrecondition, "write plugins", dir, "%w", err)
	}
	return dir, lock, nil
}

// environment returns base with cfg.Env and what is the same for all playbooks.
func environment(base []string, cfg Config) []string {
	env := map[string]string{}
	var names []string
	set := func(name, value string) {
		if _, known := env[name]; !known {
			names = append(names, name)
		}
		env[name] = value
	}
	for _, pair := range base {
		if name, value, ok := strings.Cut(pair, "="); ok && name != "" {
			set(name, value)
		}
	}
	for name, value := range cfg.Env {
		set(name, value)
	}
	if cfg.Forks > 0 {
		set("ANSIBLE_FORKS", strconv.Itoa(cfg.Forks))
	}
	set("ANSIBLE_SHOW_CUSTOM_STATS", "1")
	set("ANSIBLE_STDOUT_CALLBACK", "orchestrator")
	set("ANSIBLE_NOCOWS", "1")
	set("ORCHESTRATOR_REPORT_FD", strconv.Itoa(reportFD))
	// Ansible refuses any other encoding than UTF-8.
	if v := env["LC_ALL"]; v == "C" || v == "POSIX" {
		set("LC_ALL", "C.UTF-8")
	}
	slices.Sort(names)
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = name + "=" + env[name]
	}
	return out
}

// searched are the folders that Ansible would search without us, within its own
// home, by the variable that changes them, and what of our own comes behind them.
var searched = []struct{ variable, folders, own string }{
	{"ANSIBLE_CALLBACK_PLUGINS", "/plugins/callback:/usr/share/ansible/plugins/callback", "callback"},
	{"ANSIBLE_ACTION_PLUGINS", "/plugins/action:/usr/share/ansible/plugins/action", "action"},
	{"ANSIBLE_COLLECTIONS_PATH", "/collections:/usr/share/ansible/collections", "collections"},
}

// environ is the environment of a playbook: that of the driver and the folders
// of our plugins behind those which Ansible would search without us.
func (in *installation) environ(base []string) []string {
	env := slices.Clone(base)
	for _, s := range searched {
		// The name with S is the older one of collections, which Ansible still knows.
		given := first(value(env, s.variable), value(env, s.variable+"S"))
		env = slices.DeleteFunc(env, func(pair string) bool {
			name, _, _ := strings.Cut(pair, "=")
			return name == s.variable || name == s.variable+"S"
		})
		if given == "" && s.own == "collections" && ownCollections(value(env, "ANSIBLE_CONFIG")) {
			continue
		}
		folders := first(given, first(value(env, "ANSIBLE_HOME"), "~/.ansible")+s.folders)
		env = append(env, s.variable+"="+folders+":"+filepath.Join(in.plugins, s.own))
	}
	return env
}

// ownCollections tells whether a settings file says where collections are,
// which a variable would hide.
func ownCollections(file string) bool {
	text, err := os.ReadFile(file)
	return err == nil && regexp.MustCompile(`(?m)^\s*collections_paths?\s*[=:]`).Match(text)
}

// value returns the value of a variable in an environment.
func value(env []string, name string) string {
	for _, pair := range env {
		if v, ok := strings.CutPrefix(pair, name+"="); ok {
			return v
		}
	}
	return ""
}
