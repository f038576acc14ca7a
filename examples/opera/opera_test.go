package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/seed-a4fd30b5/orchestrator/internal/lab"
	"github.com/stretchr/testify/require"
)

// database is the server of the tests with --store.
var database = lab.SharedPostgres{Options: lab.PostgresOptions{NoSync: true}}

func TestMain(m *testing.M) {
	testscript.Main(stopping{m}, map[string]func(){"opera": main})
}

// stopping stops the database after the tests.
type stopping struct{ *testing.M }

func (s stopping) Run() int {
	defer database.Close()
	return s.M.Run()
}

// TestScript runs the command lines in testdata/script, each in a folder of its
// own. With -short, as with the race detector, it is those in which commands run
// beside each other, are cancelled or end by a signal: in the others each command
// is a process that does one thing after the other.
func TestScript(t *testing.T) {
	t.Parallel()
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	require.NoError(t, err)
	require.NotEmpty(t, scripts)
	if testing.Short() {
		scripts = []string{"testdata/script/control.txtar", "testdata/script/events.txtar", "testdata/script/failure.txtar",
			"testdata/script/lifecycle.txtar", "testdata/script/lost.txtar", "testdata/script/run.txtar"}
	}
	testscript.Run(t, testscript.Params{
		Files: scripts,
		Setup: func(env *testscript.Env) error {
			env.Setenv("NO_COLOR", "1")
			return nil
		},
		Condition: func(name string) (bool, error) {
			program, ok := strings.CutPrefix(name, "has:")
			if !ok {
				return false, nil
			}
			lab.Require(t, program)
			return true, nil
		},
	})
}

// opera runs a command line in this process and returns what it printed.
func opera(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	code = run(context.Background(), args, stdio{strings.NewReader(""), &out, &errOut})
	return code, out.String(), errOut.String()
}

// outputsOf returns the outputs of what is deployed in an instance folder.
// interrupting is standard output that interrupts when a text is printed.
type interrupting struct {
	bytes.Buffer
	text string
	do   func()
}

func (w *interrupting) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	if strings.Contains(w.String(), w.text) {
		w.do()
	}
	return n, err
}

// TestInterruptedBeforeItBegan wants a question and a load to end at once,
// although nobody answers and the template is fine.
func TestInterruptedBeforeItBegan(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	template := filepath.Join(dir, "service.yaml")
	require.NoError(t, os.WriteFile(template, []byte("tosca_definitions_version: tosca_simple_yaml_1_3\n"+
		"topology_template: { node_templates: { a: { type: tosca.nodes.Root } } }\n"), 0o600))
	code, _, stderr := opera(t, "deploy", "-p", dir, template)
	require.Zero(t, code, stderr)

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	nobody, _ := io.Pipe()
	out, errOut := &interrupting{text: "(Y/n)", do: cancel}, &bytes.Buffer{}
	require.Equal(t, 130, run(ctx, []string{"deploy", "-c", "-p", dir, template}, stdio{nobody, out, errOut}))
	require.Equal(t, "opera: interrupted: nothing was changed\n", errOut.String())

	errOut.Reset()
	require.Equal(t, 130, run(ctx, []string{"validate", template}, stdio{nobody, io.Discard, errOut}))
	require.Equal(t, "opera: interrupted: nothing was changed\n", errOut.String())
	require.Equal(t, "deployed", status(t, dir))
}

// TestUnpackageNameless unpacks a CSAR without TOSCA.meta, whose template has
// no name: to deploy it takes one of the two, to unpack it neither.
func TestUnpackageNameless(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, err := z.Create("service.yaml")
	require.NoError(t, err)
	_, err = io.WriteString(f, "tosca_definitions_version: tosca_simple_yaml_1_3\n")
	require.NoError(t, err)
	require.NoError(t, z.Close())
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.csar"), b.Bytes(), 0o600))
	code, _, stderr := opera(t, "unpackage", "-d", filepath.Join(dir, "a"), filepath.Join(dir, "a.csar"))
	require.Zero(t, code, stderr)
	require.FileExists(t, filepath.Join(dir, "a", "service.yaml"))
}

func outputsOf(t *testing.T, dir string) map[string]any {
	t.Helper()
	code, stdout, stderr := opera(t, "outputs", "-p", dir, "--format", "json")
	require.Zero(t, code, stderr)
	var outputs map[string]struct{ Value any }
	require.NoError(t, json.Unmarshal([]byte(stdout), &outputs))
	values := map[string]any{}
	for name, o := range outputs {
		values[name] = o.Value
	}
	return values
}

// status returns the status that info prints.
func status(t *testing.T, dir string) string {
	t.Helper()
	code, stdout, stderr := opera(t, "info", "-p", dir, "--format", "json")
	require.Zero(t, code, stderr)
	var info struct{ Status string }
	require.NoError(t, json.Unmarshal([]byte(stdout), &info))
	return info.Status
}

// TestQuickstart deploys what the README's first command deploys, asks the web
// server for its page, and undeploys it.
func TestQuickstart(t *testing.T) {
	lab.Require(t, "bash")
	lab.Require(t, "setsid")
	t.Setenv("TMPDIR", t.TempDir())
	dir := t.TempDir()
	inputs := filepath.Join(t.TempDir(), "inputs.yaml")
	require.NoError(t, os.WriteFile(inputs, []byte("greeting: Good morning\n"), 0o600))

	code, stdout, stderr := opera(t, "deploy", "../quickstart/service.yaml", "-p", dir, "-i", inputs, "-w", "4")
	require.Zero(t, code, stdout+stderr)
	require.Contains(t, stdout, "Deployment of page_0 complete")
	require.Equal(t, "deployed", status(t, dir))

	outputs := outputsOf(t, dir)
	url := outputs["url"].(string)
	require.Equal(t, "Good morning\nYou are visitor 2.\n", get(t, url), "the first visitor is the blueprint's own check")
	require.Equal(t, "Good morning\nYou are visitor 3.\n", get(t, url))
	count, err := os.ReadFile(outputs["counter"].(string))
	require.NoError(t, err)
	require.Equal(t, "3\n", string(count))

	code, stdout, stderr = opera(t, "undeploy", "-p", dir)
	require.Zero(t, code, stdout+stderr)
	require.Equal(t, "undeployed", status(t, dir))
	_, err = http.Get(url)
	require.Error(t, err, "the server must be gone")
	tmp := os.DirFS(os.Getenv("TMPDIR"))
	left, err := fs.Glob(tmp, "*")
	require.NoError(t, err)
	require.Len(t, left, 1, "nothing is left behind but the folder in which the local driver finds operations again")
	operations, err := fs.Glob(tmp, "orchestrator-local-*/boot-*/*.*")
	require.NoError(t, err)
	require.Empty(t, operations, "and it is empty")
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode, string(body))
	return string(body)
}
