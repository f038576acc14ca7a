//go:build unix

package ansible_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/seed-a4fd30b5/orchestrator/drivers/ansible"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/lab"
)

// loggedDriver is newDriver with what the driver logs.
func loggedDriver(t *testing.T, cfg ansible.Config) (*ansible.Driver, *syncBuffer) {
	var log syncBuffer
	cfg.Logger = hclog.New(&hclog.LoggerOptions{Output: &log, Level: hclog.Debug})
	return newDriver(t, cfg), &log
}

// TestSettingsMeanTheSame: what a playbook sees of Ansible's configuration does
// not depend on how it is run.
func TestSettingsMeanTheSame(t *testing.T) {
	t.Parallel()
	shared := t.TempDir()
	write := func(path, text string) {
		path = filepath.Join(shared, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	write("roles/shared_role/tasks/main.yml", "- set_stats: {data: {shared_role: ran}}\n")
	write("collections/ansible_collections/acme/tools/galaxy.yml", "namespace: acme\nname: tools\nversion: 1.0.0\n")
	write("collections/ansible_collections/acme/tools/plugins/filter/shout.py",
		"class FilterModule:\n    def filters(self):\n        return {'shout': lambda s: s.upper()}\n")

	fsys := files(
		"books/p.yml", playbook(`
    - import_role: {name: shared_role}
    - import_role: {name: own_role}
    - debug: {msg: original}
      register: debugged
    - greet: {who: world}
      register: greeted
    - uptime:
      register: uptime
    - set_stats:
        data:
          callback: "{{ lookup('config', 'DEFAULT_STDOUT_CALLBACK') }}"
          custom_stats: "{{ lookup('config', 'SHOW_CUSTOM_STATS') }}"
          remote_port: "{{ lookup('config', 'DEFAULT_REMOTE_PORT') }}"
          host_key_checking: "{{ lookup('config', 'HOST_KEY_CHECKING') }}"
          retry_files: "{{ lookup('config', 'RETRY_FILES_ENABLED') }}"
          forks: "{{ lookup('config', 'DEFAULT_FORKS') }}"
          roles: "{{ lookup('config', 'DEFAULT_ROLES_PATH') }}"
          collections: "{{ lookup('config', 'COLLECTIONS_PATHS')[:-1] }}"
          last_collections: "{{ lookup('config', 'COLLECTIONS_PATHS')[-1] | basename }}"
          config_here: "{{ ansible_config_file == playbook_dir + '/ansible.cfg' }}"
          here: "{{ lookup('pipe', 'pwd') == playbook_dir }}"
          temporary: "{{ lookup('config', 'DEFAULT_LOCAL_TMP').startswith((playbook_dir | dirname) + '/tmp/') }}"
          mine: "{{ lookup('env', 'MINE') }}"
          report_fd: "{{ lookup('env', 'ORCHESTRATOR_REPORT_FD') }}"
          collection: "{{ 'abc' | acme.tools.shout }}"
          adjacent_filter: "{{ 'abc' | backwards }}"
          adjacent_action: "{{ debugged.who }}"
          adjacent_module: "{{ greeted.greeting }}"
          overridden_module: "{{ uptime.mine }}"
          forks_variable: "{{ ansible_forks }}"
          group_variable: "{{ from_group_vars }}"
`),
		"books/roles/own_role/tasks/main.yml", "- set_stats: {data: {own_role: ran}}\n",
		"books/group_vars/all.yml", "from_group_vars: 'yes'\n",
		"books/filter_plugins/backwards.py", "class FilterModule:\n    def filters(self):\n        return {'backwards': lambda s: s[::-1]}\n",
		// Plugins and modules of the same name as Ansible's own.
		"books/action_plugins/debug.py", "from ansible.plugins.action import ActionBase\n\nclass ActionModule(ActionBase):\n    def run(self, tmp=None, task_vars=None):\n        return {'who': 'mine'}\n",
		"books/library/greet.py", "from ansible.module_utils.basic import AnsibleModule\nm = AnsibleModule({'who': {}})\nm.exit_json(greeting='hello ' + m.params['who'])\n",
		"books/library/uptime.py", "from ansible.module_utils.basic import AnsibleModule\nAnsibleModule({}).exit_json(mine=True)\n",
	)
	want := map[string]any{
		"callback": "orchestrator", "custom_stats": true, "remote_port": "2222", "host_key_checking": false,
		"retry_files": false, "forks": "7", "config_here": true, "here": true, "temporary": true,
		"roles": []any{filepath.Join(shared, "roles")}, "collections": []any{filepath.Join(shared, "collections")}, "last_collections": "collections",
		"mine": "value", "report_fd": "", "collection": "ABC", "adjacent_filter": "cba", "adjacent_action": "mine",
		"adjacent_module": "hello world", "overridden_module": true, "forks_variable": "7", "group_variable": "yes",
		"shared_role": "ran", "own_role": "ran",
	}
	for name, noPreload := range map[string]bool{"fresh": true, "preloaded": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, log := loggedDriver(t, ansible.Config{
				NoPreload: noPreload, InsecureIgnoreHostKey: true, Forks: 7,
				Env: map[string]string{
					"MINE": "value", "ANSIBLE_REMOTE_PORT": "2222",
					"ANSIBLE_ROLES_PATH":       filepath.Join(shared, "roles"),
					"ANSIBLE_COLLECTIONS_PATH": filepath.Join(shared, "collections"),
				},
			})
			op := operation(fsys, "books/p.yml")
			for _, dep := range []string{"roles", "group_vars", "filter_plugins", "action_plugins", "library"} {
				op.Dependencies = append(op.Dependencies, &executor.File{Path: "books/" + dep})
			}
			got, err := d.Run(t.Context(), op)
			require.NoError(t, err)
			for key, value := range got {
				// Lookups give numbers and booleans as text or not, depending on the release.
				if _, text := want[key].(string); text {
					got[key] = fmt.Sprint(value)
				}
			}
			require.Equal(t, want, got)
			require.Equal(t, !noPreload, strings.Contains(log.String(), "is preloaded"), log.String())
		})
	}
}

// TestOverridesDoNotStay: plugins of one playbook are not there for the next.
func TestOverridesDoNotStay(t *testing.T) {
	t.Parallel()
	d := newDriver(t, ansible.Config{})
	own := operation(files(
		"p.yml", playbook("    - debug: {msg: hello}\n      register: it\n    - set_stats: {data: {msg: \"{{ it.msg }}\"}}\n"),
		"action_plugins/debug.py", "from ansible.plugins.action import ActionBase\n\nclass ActionModule(ActionBase):\n    def run(self, tmp=None, task_vars=None):\n        return {'msg': 'mine'}\n",
	), "p.yml")
	own.Dependencies = []*executor.File{{Path: "action_plugins"}}
	plain := operation(own.Files.(fstest.MapFS), "p.yml")
	for _, want := range []string{"hello", "mine", "hello"} {
		op := plain
		if want == "mine" {
			op = own
		}
		got, err := d.Run(t.Context(), op)
		require.NoError(t, err)
		require.Equal(t, map[string]any{"msg": want}, got)
	}
}

func TestPlaybooksAtOnce(t *testing.T) {
	t.Parallel()
	d := newDriver(t, ansible.Config{})
	var g errgroup.Group
	for n := range 12 {
		g.Go(func() error {
			op := operation(files("p.yml", playbook("    - set_stats: {data: {n: '{{ n }}', file: \"{{ lookup('file', 'data') }}\"}}\n"),
				"data", strconv.Itoa(n)), "p.yml")
			op.Inputs = map[string]any{"n": int64(n)}
			op.Dependencies = []*executor.File{{Path: "data"}}
			got, err := d.Run(t.Context(), op)
			if err == nil && (got["n"] != int64(n) || fmt.Sprint(got["file"]) != strconv.Itoa(n)) {
				err = fmt.Errorf("playbook %d returned %v", n, got)
			}
			return err
		})
	}
	require.NoError(t, g.Wait())
}

// TestFallsBack: where Ansible's settings would not be those of a fresh process,
// there is a fresh process, and a line in the log.
func TestFallsBack(t *testing.T) {
	t.Parallel()
	fsys := files("p.yml", playbook("    - import_role: {name: r}\n"), "myroles/r/tasks/main.yml", "- set_stats: {data: {r: ran}}\n")
	d, log := loggedDriver(t, ansible.Config{Env: map[string]string{"ANSIBLE_ROLES_PATH": "./myroles"}})
	for range 2 {
		op := operation(fsys, "p.yml")
		op.Dependencies = []*executor.File{{Path: "myroles"}}
		got, err := d.Run(t.Context(), op)
		require.NoError(t, err)
		require.Equal(t, map[string]any{"r": "ran"}, got)
	}
	require.Equal(t, 1, strings.Count(log.String(), "cannot be preloaded"), log.String())
	require.Contains(t, log.String(), "DEFAULT_ROLES_PATH depends on the working directory")
}

func TestFallsBackWhenPythonHasNoAnsible(t *testing.T) {
	t.Parallel()
	python := filepath.Join(t.TempDir(), "python")
	lab.WriteProgram(t, python, "#!/bin/sh\necho 'no such thing here' >&2\nexit 3\n")
	d, log := loggedDriver(t, ansible.Config{Python: python})
	got, err := d.Run(t.Context(), operation(files("p.yml", playbook("    - set_stats: {data: {a: b}}\n")), "p.yml"))
	require.NoError(t, err)
	require.Equal(t, map[string]any{"a": "b"}, got)
	require.Contains(t, log.String(), "no such thing here")
}

// parentOf returns the parent of a process.
func parentOf(t *testing.T, pid string) int {
	t.Helper()
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	require.NoError(t, err)
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	parent, err := strconv.Atoi(fields[1])
	require.NoError(t, err)
	return parent
}

// reportPID is a playbook that writes the number of Ansible's own process to a
// file (a pipe for whoever waits) and waits for ever.
const reportPID = `
    - name: Wait
      shell: echo {{ lookup('pipe', 'echo $PPID') }} > {{ fifo }}; sleep 600
`

// fifo makes a named pipe; read returns what was written to it first.
func fifo(t *testing.T) (path string, read func() string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	return path, func() string {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		return strings.TrimSpace(string(data))
	}
}

// worker returns the process of the preloaded server that has a playbook's
// worker process as its grandchild.
func serverOf(t *testing.T, worker string) int {
	t.Helper()
	return parentOf(t, strconv.Itoa(parentOf(t, worker)))
}

func TestKilledServerIsReplaced(t *testing.T) {
	t.Parallel()
	d, log := loggedDriver(t, ansible.Config{})
	path, read := fifo(t)
	op := operation(files("p.yml", playbook(reportPID)), "p.yml")
	op.Inputs = map[string]any{"fifo": path}
	failed := make(chan error, 1)
	go func() {
		_, err := d.Run(t.Context(), op)
		failed <- err
	}()
	worker := read()
	require.NoError(t, syscall.Kill(serverOf(t, worker), syscall.SIGKILL))
	err := <-failed
	require.Equal(t, executor.CodeFailed, executor.CodeOf(err))
	require.ErrorContains(t, err, "the process in which Ansible is loaded ended")
	requireGone(t, worker)

	got, err := d.Run(t.Context(), operation(files("p.yml", playbook("    - set_stats: {data: {a: b}}\n")), "p.yml"))
	require.NoError(t, err)
	require.Equal(t, map[string]any{"a": "b"}, got)
	require.Equal(t, 2, strings.Count(log.String(), "is preloaded"), log.String())
}

func TestCloseEndsRunningPlaybooks(t *testing.T) {
	t.Parallel()
	d := newDriver(t, ansible.Config{})
	path, read := fifo(t)
	op := operation(files("p.yml", playbook(reportPID)), "p.yml")
	op.Inputs = map[string]any{"fifo": path}
	failed := make(chan error, 1)
	go func() {
		_, err := d.Run(t.Context(), op)
		failed <- err
	}()
	worker := read()
	require.NoError(t, d.Close())
	require.Error(t, <-failed)
	requireGone(t, worker)
}

// TestServerEndsWithItsProgram: a program that is killed leaves neither the
// preloaded process nor playbooks behind.
func TestServerEndsWithItsProgram(t *testing.T) {
	t.Parallel()
	lab.Require(t, "ansible-playbook")
	path, read := fifo(t)
	program := exec.Command(os.Args[0], "-test.run", "^TestProgramThatIsKilled$")
	program.Env = append(os.Environ(), "ORCHESTRATOR_TEST_FIFO="+path, "TMPDIR="+t.TempDir())
	require.NoError(t, program.Start())
	worker := read()
	server := serverOf(t, worker)
	require.NoError(t, program.Process.Kill())
	_ = program.Wait()
	requireGone(t, worker)
	requireGone(t, strconv.Itoa(server))
}

// TestProgramThatIsKilled is the program of TestServerEndsWithItsProgram.
func TestProgramThatIsKilled(t *testing.T) {
	path := os.Getenv("ORCHESTRATOR_TEST_FIFO")
	if path == "" {
		return // it is a test only in the process that the other test starts
	}
	op := operation(files("p.yml", playbook(reportPID)), "p.yml")
	op.Inputs = map[string]any{"fifo": path}
	_, err := newDriver(t, ansible.Config{}).Run(t.Context(), op)
	t.Fatalf("the playbook ended: %v", err)
}
