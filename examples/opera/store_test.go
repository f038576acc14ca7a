package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/lab"
	"github.com/stretchr/testify/require"
)

// TestStoreInDatabase: what one folder deploys is seen and undeployed from
// another, where both name the database.
func TestStoreInDatabase(t *testing.T) {
	t.Parallel()
	url := database.Get(t).URL + "&schema=team_1"
	template := filepath.Join(t.TempDir(), "service.yaml")
	require.NoError(t, os.WriteFile(template, []byte(`
tosca_definitions_version: tosca_simple_yaml_1_3
topology_template:
  node_templates:
    app: {type: tosca.nodes.Root}
  outputs:
    answer: {value: 42}
`), 0o600))
	here, there := t.TempDir(), t.TempDir()
	code, _, stderr := opera(t, "undeploy", "-p", there, "--store", url)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "nothing is deployed here")
	code, _, stderr = opera(t, "deploy", template, "-p", here, "--store", url)
	require.Zero(t, code, stderr)
	require.NoFileExists(t, filepath.Join(here, stateFile))

	code, stdout, stderr := opera(t, "outputs", "-p", there, "--store", url)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "42")
	code, _, stderr = opera(t, "outputs", "-p", there, "--store", database.Get(t).URL+"&schema=team_2")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "nothing is deployed here")
	code, _, stderr = opera(t, "undeploy", "-p", there, "--store", url)
	require.Zero(t, code, stderr)
	code, stdout, stderr = opera(t, "info", "-p", here, "--store", url)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "undeployed")

	code, _, stderr = opera(t, "info", "-p", here, "--store", "mysql://u:geheim@x/y")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "postgres://user@host:5432/database")
	require.NotContains(t, stderr, "geheim")
}

// A run is cancelled by another engine that shares the database.
func TestCancelInDatabase(t *testing.T) {
	t.Parallel()
	lab.Require(t, "bash")
	url := database.Get(t).URL + "&schema=cancelled"
	dir := t.TempDir()
	template := filepath.Join(dir, "service.yaml")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "create.sh"), []byte("touch \"$began\"\nsleep 600\n"), 0o600))
	began := filepath.Join(dir, "began")
	require.NoError(t, os.WriteFile(template, []byte(`
tosca_definitions_version: tosca_simple_yaml_1_3
topology_template:
  node_templates:
    app:
      type: tosca.nodes.Root
      interfaces:
        Standard:
          operations:
            create: { implementation: create.sh, inputs: { began: "`+began+`" } }
`), 0o600))
	deployed := make(chan string, 1)
	go func() {
		var out bytes.Buffer
		run(t.Context(), []string{"deploy", template, "-p", dir, "--store", url}, stdio{strings.NewReader(""), &out, &out})
		deployed <- out.String()
	}()
	require.Eventually(t, func() bool { _, err := os.Stat(began); return err == nil }, time.Minute, 20*time.Millisecond)
	code, stdout, stderr := opera(t, "cancel", "-p", t.TempDir(), "--store", url)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "status: canceled")
	require.Contains(t, <-deployed, "canceled by ")
}

func TestDatabaseOf(t *testing.T) {
	t.Parallel()
	for store, want := range map[string][2]string{
		"postgres://u:p%2F@h:5/d":                  {"postgres://u:p%2F@h:5/d", ""},
		"postgresql://h/d?schema=x&sslmode=prefer": {"postgresql://h/d?sslmode=prefer", "x"},
		"postgres:///d?host=/tmp/a b&schema=x":     {"postgres:///d?host=%2Ftmp%2Fa%20b", "x"},
		"h/d":                                      {},
		"":                                         {},
		"postgres://%zz":                           {},
	} {
		address, schema, err := databaseOf(store)
		require.Equal(t, want, [2]string{address, schema}, store)
		require.Equal(t, want == [2]string{}, err != nil, store)
	}
}
