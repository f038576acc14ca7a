package local_test

import (
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seed-a4fd30b5/orchestrator/drivers/drivertest"
	"github.com/seed-a4fd30b5/orchestrator/drivers/local"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/lab"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(killedChild); dir != "" {
		runChild(dir)
	}
	goleak.VerifyTestMain(m)
}

func TestConformance(t *testing.T) {
	lab.Require(t, "bash")
	lab.Require(t, "python3")
	work := t.TempDir() // of all drivers, as of processes on one machine
	drivertest.Run(t, drivertest.Harness{
		New: func(t *testing.T) executor.Driver {
			return local.New(local.Config{WorkDir: work, Grace: 500 * time.Millisecond})
		},
		Recovers: true,
	})
}

// script returns an operation that runs text with Bash.
func script(text string) *executor.Operation {
	return &executor.Operation{ID: "op-1", Interface: "Standard", Name: "create",
		Files:   fstest.MapFS{"create.sh": {Data: []byte(text)}},
		Primary: &executor.File{Path: "create.sh"}, Log: io.Discard}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	lab.Require(t, "bash")
	work := t.TempDir()
	d := local.New(local.Config{WorkDir: work, KeepFiles: true, Env: map[string]string{"SITE": "north", "LANG": "C"}})
	s, err := d.Start(t.Context(), script(`echo "site=$SITE" >> "$TOSCA_OUTPUTS"; echo "lang=$LANG" >> "$TOSCA_OUTPUTS"; echo "leaked=$LEAKED" >> "$TOSCA_OUTPUTS"; touch here`))
	require.NoError(t, err)
	require.NoError(t, s.Err)
	require.Equal(t, map[string]any{"site": "north", "lang": "C", "leaked": ""}, s.Outputs)
	kept, err := filepath.Glob(filepath.Join(work, "*", "*", "*", "work", "here"))
	require.NoError(t, err)
	require.Len(t, kept, 1)
}

func TestLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	lab.Require(t, "bash")
	work := t.TempDir()
	d := local.New(local.Config{WorkDir: work})
	for i, text := range []string{"mkdir -p a/b; touch a/b/c", "exit 1", "nonsense > $TOSCA_OUTPUTS"} {
		op := script(text)
		op.ID = "op-" + strconv.Itoa(i)
		_, err := d.Start(t.Context(), op)
		require.NoError(t, err)
		require.NotEmpty(t, folders(t, work), "until the outcome is recorded")
		require.NoFileExists(t, filepath.Join(folders(t, work)[0], "inputs.json"))
		d.Forget(op)
		require.Empty(t, folders(t, work))
	}
	op := script("exit 1")
	op.ID = "" // nobody can ask for it
	_, err := d.Start(t.Context(), op)
	require.NoError(t, err)
	require.Empty(t, folders(t, work))
}

func TestNotStarted(t *testing.T) {
	t.Parallel()
	lab.Require(t, "bash")
	cases := []struct {
		name   string
		config local.Config
		change func(*executor.Operation)
		code   executor.Code
		text   string
	}{
		{"no interpreter in the PATH", local.Config{Env: map[string]string{"PATH": "/nowhere"}}, nil,
			executor.FailedPrecondition, "install bash on this machine"},
		{"no PATH at all", local.Config{Env: map[string]string{"PATH": ""}}, nil,
			executor.FailedPrecondition, "bash is not in the PATH"},
		{"no working directory", local.Config{WorkDir: "/nowhere/at/all"}, nil,
			executor.FailedPrecondition, "make a working directory"},
		{"inputs too large together", local.Config{}, func(op *executor.Operation) {
			op.Inputs = map[string]any{}
			for i := range 100 {
				op.Inputs["v"+strconv.Itoa(i)] = strings.Repeat("x", 90<<10)
			}
		}, executor.InvalidArgument, "too large together"},
		{"interpreter that is a folder", local.Config{Interpreters: map[string]string{"my.Bash": os.TempDir()}},
			func(op *executor.Operation) { op.Primary.Types = []string{"my.Bash"} },
			executor.FailedPrecondition, "may not be executed"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			op := script("true")
			if c.change != nil {
				c.change(op)
			}
			if c.config.WorkDir == "" {
				c.config.WorkDir = t.TempDir()
			}
			s, err := local.New(c.config).Start(t.Context(), op)
			require.NoError(t, err)
			require.Equal(t, executor.Failed, s.State)
			require.Equal(t, c.code, executor.CodeOf(s.Err))
			require.ErrorContains(t, s.Err, c.text)
		})
	}
}

func BenchmarkScript(b *testing.B) {
	lab.Require(b, "sh")
	d := local.New(local.Config{WorkDir: b.TempDir()})
	op := &executor.Operation{ID: "op-1", Log: io.Discard, Primary: &executor.File{Path: "run"},
		Files:  fstest.MapFS{"run": {Data: []byte("#!/bin/true\n")}},
		Inputs: map[string]any{"port": int64(8080), "name": "web", "tags": []any{"a", "b"}}}
	b.ReportAllocs()
	for b.Loop() {
		d.Forget(op)
		if s, err := d.Start(b.Context(), op); err != nil || s.Err != nil {
			b.Fatal(err, s.Err)
		}
	}
}
