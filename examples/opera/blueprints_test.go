package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-a4fd30b5/orchestrator/internal/lab"
	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
	"github.com/stretchr/testify/require"
)

// blueprints are the folders under testdata/blueprints; their README says what
// each is about.
const blueprints = "testdata/blueprints"

// requireOutputs compares what "opera outputs" prints with a file.
func requireOutputs(t *testing.T, dir, expected string) {
	t.Helper()
	want, err := readData(expected)
	require.NoError(t, err)
	code, stdout, stderr := opera(t, "outputs", "-p", dir)
	require.Zero(t, code, stderr)
	got := filepath.Join(t.TempDir(), "outputs.yaml")
	require.NoError(t, os.WriteFile(got, []byte(stdout), 0o600))
	have, err := readData(got)
	require.NoError(t, err)
	require.Equal(t, want, have)
}

// readData reads a YAML or JSON file.
func readData(file string) (any, error) {
	src, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	root, faults := yamlx.Parse(src, yamlx.Limits{})
	if len(faults) > 0 {
		return nil, faults[0]
	}
	return root.Value(), nil
}

// succeed runs a command line that must succeed, and returns what it printed.
func succeed(t *testing.T, args ...string) string {
	t.Helper()
	code, stdout, stderr := opera(t, args...)
	require.Zero(t, code, "opera %s\n%s%s", strings.Join(args, " "), stdout, stderr)
	return stdout
}

// deployArgs are the arguments that deploy a blueprint with its inputs.
func deployArgs(dir, blueprint string) []string {
	args := []string{"deploy", filepath.Join(blueprint, "service.yaml"), "-p", dir, "-w", "4"}
	if inputs := filepath.Join(blueprint, "inputs.yaml"); exists(inputs) {
		args = append(args, "-i", inputs)
	}
	return args
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// sequential skips a test with -short, as with the race detector: it is many runs
// of Ansible, one after the other, through the code that TestBlueprints runs too.
func sequential(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("what runs at once is in TestBlueprints")
	}
}

// TestBlueprints deploys every blueprint written in xOpera's style with the
// real Ansible, compares the outputs, and undeploys it. With -short it is the
// one whose operations must run at once.
func TestBlueprints(t *testing.T) {
	t.Parallel()
	lab.Require(t, "ansible-playbook")
	expected, err := filepath.Glob(blueprints + "/*/expected-outputs.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, expected)
	if testing.Short() {
		expected = []string{blueprints + "/concurrency/expected-outputs.yaml"}
	}
	for _, expected := range expected {
		blueprint := filepath.Dir(expected)
		t.Run(filepath.Base(blueprint), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			args := deployArgs(dir, blueprint)
			if exists(filepath.Join(blueprint, "TOSCA-Metadata")) {
				args[1] = blueprint
			}
			succeed(t, args...)
			require.Equal(t, "deployed", status(t, dir))
			requireOutputs(t, dir, expected)
			succeed(t, "undeploy", "-p", dir)
			require.Equal(t, "undeployed", status(t, dir))
		})
	}
}

// TestNotify fires the triggers of a policy, with and without a notification.
func TestNotify(t *testing.T) {
	sequential(t)
	t.Parallel()
	lab.Require(t, "ansible-playbook")
	blueprint, dir := blueprints+"/policy_triggers", t.TempDir()
	succeed(t, deployArgs(dir, blueprint)...)
	succeed(t, "notify", "-p", dir, "--trigger", "grow", "--notification", blueprint+"/grow.json")
	requireOutputs(t, dir, blueprint+"/expected-outputs-grow.yaml")
	succeed(t, "notify", "-p", dir, "-e", "reset")
	requireOutputs(t, dir, blueprint+"/expected-outputs-reset.yaml")
	code, _, stderr := opera(t, "notify", "-p", dir, "-t", "nonsense")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "nonsense")
	succeed(t, "undeploy", "-p", dir)
}

// TestCompare tells and applies the difference of two versions of a blueprint.
func TestCompare(t *testing.T) {
	sequential(t)
	t.Parallel()
	lab.Require(t, "ansible-playbook")
	blueprint, dir := blueprints+"/compare", t.TempDir()
	succeed(t, deployArgs(dir, blueprint)...)
	diff := filepath.Join(t.TempDir(), "diff.yaml")
	succeed(t, "diff", "-p", dir, blueprint+"/service2.yaml", "-o", diff)
	want, err := readData(blueprint + "/expected-diff.yaml")
	require.NoError(t, err)
	have, err := readData(diff)
	require.NoError(t, err)
	require.Equal(t, want, have)
	succeed(t, "update", "-p", dir, blueprint+"/service2.yaml")
	requireOutputs(t, dir, blueprint+"/expected-outputs2.yaml")
	succeed(t, "undeploy", "-p", dir)
	require.Equal(t, "undeployed", status(t, dir))
}

// TestFailingPlaybook shows the failed task with the module's own words.
func TestFailingPlaybook(t *testing.T) {
	sequential(t)
	t.Parallel()
	lab.Require(t, "ansible-playbook")
	blueprint, dir := blueprints+"/failing", t.TempDir()
	code, stdout, stderr := opera(t, deployArgs(dir, blueprint)...)
	require.Equal(t, 1, code, stdout+stderr)
	text, err := os.ReadFile(blueprint + "/expected-error.txt")
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		require.Contains(t, stderr, strings.TrimSpace(line))
	}
	require.Equal(t, "error", status(t, dir))
	succeed(t, "undeploy", "-p", dir, "-f")
}

// TestValidatePlaybooks has Ansible check the syntax of playbooks.
func TestValidatePlaybooks(t *testing.T) {
	sequential(t)
	t.Parallel()
	lab.Require(t, "ansible-playbook")
	succeed(t, "validate", "-e", blueprints+"/hello/service.yaml", "-i", blueprints+"/hello/inputs.yaml")
	dir := t.TempDir()
	for name, text := range map[string]string{
		"service.yaml": "tosca_definitions_version: tosca_simple_yaml_1_3\ntopology_template:\n  node_templates:\n    web:\n      type: tosca.nodes.Root\n      interfaces: { Standard: { operations: { create: create.yaml } } }\n",
		"create.yaml":  "- hosts: all\n  tasks:\n    - debug: {msg: a}\n      command: ls\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	code, _, stderr := opera(t, "validate", "--executors", filepath.Join(dir, "service.yaml"))
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "web: Standard.create")
	require.Contains(t, stderr, "create.yaml:3:7: conflicting action statements")
}
