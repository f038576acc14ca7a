//go:build unix

package ansible_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seed-a4fd30b5/orchestrator/drivers/ansible"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/lab"
	"github.com/seed-a4fd30b5/orchestrator/internal/lab/pbs"
)

func TestMain(m *testing.M) {
	pbs.Main()
	goleak.VerifyTestMain(m)
}

// newDriver returns a driver that is closed with the test. The test is skipped
// where there is no Ansible.
func newDriver(t testing.TB, cfg ansible.Config) *ansible.Driver {
	t.Helper()
	cfg.Command = lab.Require(t, "ansible-playbook")
	cfg.TempDir = t.TempDir()
	d, err := ansible.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

// bothModes runs a test with a process for each playbook and with the preloaded
// one. With -short it is only the preloaded one, which is most of the driver's
// code: TestSettingsMeanTheSame has both.
func bothModes(t *testing.T, test func(t *testing.T, cfg ansible.Config)) {
	t.Parallel()
	for name, noPreload := range map[string]bool{"fresh": true, "preloaded": false} {
		if noPreload && testing.Short() {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, ansible.Config{NoPreload: noPreload})
		})
	}
}

// files makes an archive of pairs of path and text.
func files(pairs ...string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		fsys[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1]), Mode: 0o644}
	}
	return fsys
}

// operation runs the playbook of that path in fsys.
func operation(fsys fstest.MapFS, playbook string) *executor.Operation {
	return &executor.Operation{
		ID: "op-1", Instance: "n_0", Interface: "Standard", Name: "create",
		Primary: &executor.File{Path: playbook}, Files: fsys, Log: io.Discard,
	}
}

// playbook is one play without facts with these tasks, indented by 4 spaces.
func playbook(tasks string) string {
	return "- hosts: all\n  gather_facts: false\n  tasks:\n" + tasks
}

// syncBuffer is a bytes.Buffer for concurrent use.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
	// on is called with all that was written so far.
	on func(all string)
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, err := b.b.Write(p)
	if b.on != nil {
		b.on(b.b.String())
	}
	return n, err
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestAccepts(t *testing.T) {
	t.Parallel()
	d, err := ansible.New(ansible.Config{})
	require.NoError(t, err)
	for _, c := range []struct {
		name  string
		path  string
		types []string
		want  bool
	}{
		{"normative type", "run", []string{"tosca.artifacts.Implementation.Ansible", "tosca.artifacts.Implementation"}, true},
		{"derived type", "run", []string{"my.Playbook", "tosca.artifacts.Implementation.Ansible"}, true},
		{"name ends in Ansible", "run", []string{"sodalite.artifacts.Ansible"}, true},
		{"yaml", "playbooks/create.yaml", nil, true},
		{"yml in capitals", "CREATE.YML", nil, true},
		{"plain file type", "create.yml", []string{"tosca.artifacts.File", "tosca.artifacts.Root"}, true},
		{"shell script", "create.sh", nil, false},
		{"yaml that is said to be something else", "job.yaml", []string{"tosca.artifacts.Implementation.Python", "tosca.artifacts.Implementation"}, false},
		{"no extension, no type", "create", nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			op := &executor.Operation{Primary: &executor.File{Path: c.path, Types: c.types}}
			require.Equal(t, c.want, d.Accepts(op))
		})
	}
	require.False(t, d.Accepts(&executor.Operation{}), "without an implementation")
	require.False(t, d.Accepts(nil))
}

func TestRunReturnsWhatSetStatsGathered(t *testing.T) {
	bothModes(t, func(t *testing.T, cfg ansible.Config) {
		d := newDriver(t, cfg)
		op := operation(files("playbooks/create.yaml", playbook(`
    - set_stats:
        data:
          text: hello
          number: "{{ 470 + 1 }}"
          list: [1, two, 3.5]
          map: {a: {b: true}}
          nothing: null
          unicode: "žlůť"
    - set_stats: {data: {mine: 1}, per_host: true}
    - set_stats: {data: {number2: 471}}
`)), "playbooks/create.yaml")
		got, err := d.Run(t.Context(), op)
		require.NoError(t, err)
		require.Equal(t, map[string]any{
			"text": "hello", "number": "471", "number2": int64(471),
			"list": []any{int64(1), "two", 3.5}, "map": map[string]any{"a": map[string]any{"b": true}},
			"nothing": nil, "unicode": "žlůť",
		}, got)
	})
}

func TestRunWithoutSetStatsReturnsNothing(t *testing.T) {
	t.Parallel()
	d := newDriver(t, ansible.Config{})
	got, err := d.Run(t.Context(), operation(files("p.yml", playbook("    - debug: {msg: hello}\n")), "p.yml"))
	require.NoError(t, err)
	require.Equal(t, map[string]any{}, got)
}

func TestInputsKeepTheirTypes(t *testing.T) {
	bothModes(t, func(t *testing.T, cfg ansible.Config) {
		d := newDriver(t, cfg)
		op := operation(files("p.yml", playbook(`
    - assert:
        that:
          - i == 42 and i is integer
          - f == 1.0 and f is float
          - b is sameas true
          - n is none
          - s == 'yes' and s is string
          - t == '12:30:00'
          - l == [1, 'a', [2.0]]
          - l[2][0] is float
          - m.k.x is sameas false
          - m['with <&> "quotes"'] == "line 1\nline 2"
          - vars.SELF is not defined
`)), "p.yml")
		op.Inputs = map[string]any{
			"i": int64(42), "f": 1.0, "b": true, "n": nil, "s": "yes", "t": "12:30:00",
			"l": []any{int64(1), "a", []any{2.0}},
			"m": map[string]any{"k": map[string]any{"x": false}, `with <&> "quotes"`: "line 1\nline 2"},
		}
		_, err := d.Run(t.Context(), op)
		require.NoError(t, err)
	})
}

func TestFilesLieBesideThePlaybookByBaseName(t *testing.T) {
	bothModes(t, func(t *testing.T, cfg ansible.Config) {
		d := newDriver(t, cfg)
		fsys := files(
			"playbooks/create.yaml", playbook(`
    - set_stats:
        data:
          template: "{{ lookup('template', 'hello.j2') }}"
          file: "{{ lookup('file', 'data.txt') }}"
          folder: "{{ lookup('file', 'conf/deep/x.txt') }}"
          inventory: "{{ inventory_hostname }} {{ ansible_host }} {{ ansible_connection }}"
          cfg: "{{ lookup('file', 'ansible.cfg') }}"
    - import_tasks: more.yaml
`),
			"playbooks/more.yaml", "- set_stats: {data: {more: 'yes'}}\n",
			"templates/hello.j2", "hello {{ who }}",
			"one/data.txt", "one",
			"two/data.txt", "two",
			"files/conf/deep/x.txt", "deep",
			"files/ansible.cfg", "[defaults]\nroles_path = /nowhere\n",
		)
		op := operation(fsys, "playbooks/create.yaml")
		op.Inputs = map[string]any{"who": "world"}
		op.Dependencies = []*executor.File{{Path: "playbooks/more.yaml"}, {Path: "one/data.txt"}}
		op.Artifacts = []*executor.File{
			{Path: "templates/hello.j2"}, {Path: "two/data.txt"}, {Path: "files/conf"}, {Path: "files/ansible.cfg"},
			{Path: "registry.example.com/image:1.0"},
		}
		got, err := d.Run(t.Context(), op)
		require.NoError(t, err)
		require.Equal(t, map[string]any{
			"template": "hello world", "file": "two", "folder": "deep", "more": "yes",
			"inventory": "opera localhost local", "cfg": "[defaults]\nretry_files_enabled = False",
		}, got)
	})
}

func TestMissingDependency(t *testing.T) {
	t.Parallel()
	d := newDriver(t, ansible.Config{})
	op := operation(files("p.yml", playbook("    - debug: {msg: hello}\n")), "p.yml")
	op.Dependencies = []*executor.File{{Path: "roles/web"}}
	_, err := d.Run(t.Context(), op)
	require.Equal(t, executor.NotFound, executor.CodeOf(err))
	require.ErrorContains(t, err, "roles/web")
}

func TestFailedTask(t *testing.T) {
	bothModes(t, func(t *testing.T, cfg ansible.Config) {
		d := newDriver(t, cfg)
		for _, c := range []struct {
			name, tasks string
			want        []string
			not         string
		}{
			{"message", "    - name: Check disk\n      fail: {msg: the disk is full}\n",
				[]string{`run playbook books/p.yml: task "Check disk" failed on localhost: the disk is full`}, ""},
			{"command", "    - name: List\n      command: sh -c 'echo out; echo err >&2; exit 7'\n",
				[]string{`task "List" failed on localhost: non-zero return code (rc 7)`, "stderr: err", "stdout: out"}, ""},
			{"loop", "    - name: Each\n      fail: {msg: 'bad {{ item }}'}\n      when: item != 'b'\n      loop: [a, b, c]\n",
				[]string{`task "Each" failed on localhost: item a: bad a`, "item c: bad c"}, "item b"},
			{"ignored before the fatal one", "    - name: First\n      fail: {msg: one}\n      ignore_errors: true\n    - name: Second\n      fail: {msg: two}\n",
				[]string{`task "Second" failed on localhost: two`}, "one"},
			{"cleanup fails too", "    - block:\n        - name: Work\n          fail: {msg: root cause}\n      always:\n        - name: Clean\n          fail: {msg: second}\n",
				[]string{`task "Work" failed on localhost: root cause`, `task "Clean" failed on localhost: second`}, ""},
			{"no_log", "    - name: Secret\n      fail: {msg: 'password hunter2'}\n      no_log: true\n",
				[]string{`task "Secret" failed on localhost: the output is hidden by no_log`}, "hunter2"},
			{"unknown variable", "    - name: Say\n      debug: {msg: '{{ nobody }}'}\n",
				[]string{`task "Say" failed on localhost: `, "'nobody' is undefined"}, ""},
			{"secret of the operation", "    - name: Leak\n      fail: {msg: 'my s3cr3t word'}\n",
				[]string{"my *** word"}, "s3cr3t"},
		} {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				var log syncBuffer
				op := operation(files("books/p.yml", playbook(c.tasks)), "books/p.yml")
				op.Log, op.Secrets = &log, []string{"s3cr3t"}
				_, err := d.Run(t.Context(), op)
				require.Equal(t, executor.CodeFailed, executor.CodeOf(err))
				require.False(t, executor.Retryable(err))
				for _, want := range c.want {
					require.ErrorContains(t, err, want)
				}
				if c.not != "" {
					require.NotContains(t, err.Error(), c.not)
				}
				require.NotContains(t, log.String(), "hunter2")
				require.NotContains(t, log.String(), "s3cr3t")
			})
		}
	})
}

func TestRescuedFailureIsNoFailure(t *testing.T) {
	t.Parallel()
	d := newDriver(t, ansible.Config{})
	_, err := d.Run(t.Context(), operation(files("p.yml", playbook(
		"    - block:\n        - fail: {msg: no}\n      rescue:\n        - debug: {msg: saved}\n")), "p.yml"))
	require.NoError(t, err)
}

func TestLogTellsTasksAndResults(t *testing.T) {
	bothModes(t, func(t *testing.T, cfg ansible.Config) {
		d := newDriver(t, cfg)
		var log syncBuffer
		op := operation(files("p.yml", "- name: Set up\n  "+strings.TrimPrefix(playbook(`
    - name: Greet
      debug: {msg: hello}
    - name: Values
      debug: {var: who}
    - name: Change
      command: "true"
    - name: Never
      command: "true"
      when: false
    - name: Some
      debug: {msg: "{{ item }}"}
      loop: [a, b]
    - name: Tolerated
      fail: {msg: so what}
      ignore_errors: true
`), "- ")), "p.yml")
		op.Inputs = map[string]any{"who": "me"}
		op.Log = &log
		_, err := d.Run(t.Context(), op)
		require.NoError(t, err)
		require.Equal(t, `PLAY Set up
TASK Greet
  ok localhost: hello
TASK Values
  ok localhost: {"who":"me"}
TASK Change
  changed localhost
TASK Never
  skipped localhost
TASK Some
  ok localhost (item a): a
  ok localhost (item b): b
  ok localhost
TASK Tolerated
  failed localhost (ignored): so what
`, log.String())
	})
}

func TestPlaybookThatAnsibleCannotRead(t *testing.T) {
	bothModes(t, func(t *testing.T, cfg ansible.Config) {
		d := newDriver(t, cfg)
		for _, c := range []struct {
			name, text string
			want       string
		}{
			{"two actions", "- hosts: all\n  tasks:\n    - name: Both\n      debug: {msg: a}\n      command: ls\n",
				"books/p.yml:3:7: conflicting action statements: debug, command"},
			{"yaml", "- hosts: all\n  tasks:\n   - debug: a: b\n", "books/p.yml:3:"},
			{"unknown module", "- hosts: all\n  tasks:\n    - nosuchmodule: {}\n",
				"books/p.yml:3:7: couldn't resolve module/action 'nosuchmodule'"},
			{"in a dependency", "- hosts: all\n  tasks:\n    - import_tasks: more.yml\n",
				"books/more.yml:1:3: couldn't resolve module/action 'nothere'"},
		} {
			for _, how := range []string{"run", "syntax check"} {
				t.Run(c.name+"/"+how, func(t *testing.T) {
					t.Parallel()
					op := operation(files("books/p.yml", c.text, "books/more.yml", "- nothere: {}\n"), "books/p.yml")
					op.Dependencies = []*executor.File{{Path: "books/more.yml"}}
					var err error
					if how == "run" {
						_, err = d.Run(t.Context(), op)
					} else {
						err = d.SyntaxCheck(t.Context(), op)
					}
					require.Equal(t, executor.InvalidArgument, executor.CodeOf(err))
					require.ErrorContains(t, err, c.want)
					require.NotContains(t, err.Error(), "\n")
				})
			}
		}
	})
}

func TestSyntaxCheckRunsNothing(t *testing.T) {
	bothModes(t, func(t *testing.T, cfg ansible.Config) {
		d := newDriver(t, cfg)
		mark := filepath.Join(t.TempDir(), "mark")
		op := operation(files("p.yml", playbook("    - file: {path: '{{ mark }}', state: touch}\n")), "p.yml")
		op.Inputs = map[string]any{"mark": mark}
		require.NoError(t, d.SyntaxCheck(t.Context(), op))
		require.NoFileExists(t, mark)
		_, err := d.Run(t.Context(), op)
		require.NoError(t, err)
		require.FileExists(t, mark)
	})
}

// A task asks after a job that Ansible has already waited for: common in blueprints of HPC jobs, broken in ansible-core since 2.12.
func TestAsyncStatusAfterPolledTask(t *testing.T) {
	bothModes(t, func(t *testing.T, cfg ansible.Config) {
		d := newDriver(t, cfg)
		got, err := d.Run(t.Context(), operation(files("p.yml", playbook(`
    - name: Submit and wait
      shell: echo COMPLETED
      register: job
      until: job.stdout.find("COMPLETED") != -1
      retries: 2
      delay: 1
      async: 300
      poll: 1
    - name: Ask for its result
      async_status: {jid: "{{ job.ansible_job_id }}"}
      register: result
      until: result.finished
      retries: 3
      delay: 1
    - set_stats: {data: {out: "{{ result.stdout }}"}}
    - name: Remove it
      async_status: {jid: "{{ job.ansible_job_id }}", mode: cleanup}
    - stat: {path: "{{ '~/.ansible_async/' + job.ansible_job_id }}"}
      register: left
    - set_stats: {data: {left: "{{ left.stat.exists }}"}}
`)), "p.yml"))
		require.NoError(t, err)
		require.Equal(t, map[string]any{"out": "COMPLETED", "left": false}, got)
	})
}

func TestCancelStopsThePlaybookAndItsProcesses(t *testing.T) {
	bothModes(t, func(t *testing.T, cfg ansible.Config) {
		cfg.Grace = 200 * time.Millisecond
		d := newDriver(t, cfg)
		path, read := fifo(t)
		op := operation(files("p.yml", playbook(`
    - name: Long
      shell: trap '' TERM; echo $$ > {{ fifo }}; while true; do sleep 600; done
`)), "p.yml")
		op.Inputs = map[string]any{"fifo": path}
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("somebody pressed a key")
		shell := make(chan string, 1)
		go func() {
			shell <- read()
			cancel(why)
		}()
		_, err := d.Run(ctx, op)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, why)
		require.Equal(t, executor.CodeCanceled, executor.CodeOf(err))
		requireGone(t, <-shell)
	})
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	d := newDriver(t, ansible.Config{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err := d.Run(ctx, operation(files("p.yml", playbook("    - command: sleep 600\n")), "p.yml"))
	require.Equal(t, executor.DeadlineExceeded, executor.CodeOf(err))
}

// requireGone waits until a killed process, which its new parent has to reap,
// has left the table of processes.
func requireGone(t *testing.T, pid string) {
	t.Helper()
	require.NotEmpty(t, pid)
	require.Eventually(t, func() bool {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		return err != nil || strings.Contains(string(stat), ") Z ")
	}, 2*time.Minute, 5*time.Millisecond, "process %s still runs", pid)
}

func TestUnreachableHostIsWorthARetry(t *testing.T) {
	t.Parallel()
	d := newDriver(t, ansible.Config{})
	op := operation(files("p.yml", playbook("    - name: Reach\n      command: ls\n")), "p.yml")
	op.Host = executor.Host{Name: "vm_0", Address: "127.0.0.1", Port: 1, User: "nobody"}
	_, err := d.Run(t.Context(), op)
	require.Equal(t, executor.Unavailable, executor.CodeOf(err))
	require.True(t, executor.Retryable(err))
	require.ErrorContains(t, err, `task "Reach" could not reach 127.0.0.1: `)
	require.ErrorContains(t, err, "Connection refused")
}

func TestMissingAnsible(t *testing.T) {
	t.Parallel()
	d, err := ansible.New(ansible.Config{Command: filepath.Join(t.TempDir(), "ansible-playbook")})
	require.NoError(t, err)
	_, err = d.Run(t.Context(), operation(files("p.yml", "[]"), "p.yml"))
	require.Equal(t, executor.FailedPrecondition, executor.CodeOf(err))
	require.ErrorContains(t, err, "install ansible-core")
	require.NoError(t, d.Close())
	_, err = d.Run(t.Context(), operation(files("p.yml", "[]"), "p.yml"))
	require.ErrorContains(t, err, "closed")
}

func TestFolderOfOperation(t *testing.T) {
	t.Parallel()
	cfg := ansible.Config{Command: lab.Require(t, "ansible-playbook"), TempDir: t.TempDir(), KeepFiles: true}
	d, err := ansible.New(cfg)
	require.NoError(t, err)
	op := operation(files("p.yml", playbook("    - debug: {msg: hello}\n")), "p.yml")
	op.Inputs = map[string]any{"password": "hunter2"}
	_, err = d.Run(t.Context(), op)
	require.NoError(t, err)
	require.NoError(t, d.Close())

	kept, err := filepath.Glob(filepath.Join(cfg.TempDir, "*"))
	require.NoError(t, err)
	require.Len(t, kept, 1, "the folder of the operation only")
	info, err := os.Stat(kept[0])
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	vars, err := filepath.Glob(filepath.Join(kept[0], "work", "vars-*.json"))
	require.NoError(t, err)
	require.Len(t, vars, 1)
	info, err = os.Stat(vars[0])
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	cfg.KeepFiles = false
	d, err = ansible.New(cfg)
	require.NoError(t, err)
	_, err = d.Run(t.Context(), op)
	require.NoError(t, err)
	require.NoError(t, d.Close())
	after, err := filepath.Glob(filepath.Join(cfg.TempDir, "*"))
	require.NoError(t, err)
	require.Equal(t, kept, after)
}
