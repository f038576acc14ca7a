//go:build unix

package ansible_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/csar"
	"github.com/seed-a4fd30b5/orchestrator/drivers/ansible"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/lab"
	"github.com/seed-a4fd30b5/orchestrator/state/memory"
)

// TestExampleBlueprint takes examples/blueprints/ansible through its life, on
// this machine and on a host.
func TestExampleBlueprint(t *testing.T) {
	t.Parallel()
	t.Run("this machine", func(t *testing.T) {
		t.Parallel()
		deployExample(t, ansible.Config{}, nil)
	})
	t.Run("host", func(t *testing.T) {
		t.Parallel()
		server := lab.SSHD(t, lab.SSHDOptions{})
		deployExample(t, ansible.Config{KnownHosts: server.KnownHosts}, map[string]any{
			"host": server.Address, "port": int64(server.Port), "user": server.User, "key_file": server.KeyFile,
		})
	})
}

func deployExample(t *testing.T, cfg ansible.Config, inputs map[string]any) {
	engine, err := executor.New(executor.Config{
		Store:   memory.New(memory.Config{}),
		Drivers: []executor.Driver{executor.Sync(newDriver(t, cfg))},
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, engine.Close()) }()
	archive, err := csar.Open("../../examples/blueprints/ansible/service.yaml", nil)
	require.NoError(t, err)
	defer archive.Close()

	_, err = engine.Deploy(t.Context(), executor.Request{Deployment: "site", Archive: archive, Inputs: inputs})
	require.NoError(t, err)
	outputs, err := engine.Outputs(t.Context(), "site")
	require.NoError(t, err)
	values := map[string]any{}
	for _, o := range outputs {
		values[o.Name] = o.Value
	}
	folder, _ := values["folder"].(string)
	require.Equal(t, map[string]any{
		"folder": folder, "pages": []any{folder + "/roses.html", folder + "/oaks.html"}, "words": "8", // Ansible renders text
	}, values)
	// The sshd of the test runs on this machine: its files can be read here.
	page, err := os.ReadFile(folder + "/roses.html")
	require.NoError(t, err)
	require.Equal(t, "<!DOCTYPE html>\n<title>Gardens: roses</title>\n<p>Roses want sun and are cut in spring.</p>\n", string(page))

	_, err = engine.Undeploy(t.Context(), "site", executor.Options{})
	require.NoError(t, err)
	require.NoDirExists(t, folder)
}
