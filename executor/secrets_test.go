package executor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/state/bolt"
	"github.com/stretchr/testify/require"
)

const secretive = `
tosca_definitions_version: tosca_simple_yaml_1_3
node_types:
  Thing:
    derived_from: tosca.nodes.Root
    properties:
      password: { type: string, metadata: { sensitive: true } }
    attributes:
      token: { type: string, metadata: { sensitive: true } }
      note: { type: string }
topology_template:
  inputs:
    password: { type: string, metadata: { sensitive: true } }
  node_templates:
    web:
      type: Thing
      properties: { password: { get_input: password } }
      interfaces:
        Standard:
          operations:
            create:
              implementation: do.sh
              inputs: { login: { concat: [ "admin:", { get_property: [SELF, password] } ] } }
            start: { implementation: do.sh, inputs: { token: { get_attribute: [SELF, token] } } }
            delete: { implementation: do.sh, inputs: { login: { get_input: password } } }
  outputs:
    login: { value: { concat: [ "admin:", { get_property: [web, password] } ] } }
    token: { value: { get_attribute: [web, token] } }
    note: { value: { get_attribute: [web, note] } }
`

// Secrets reach the operations, and nothing else: no event, no log, no error, no
// file of the store.
func TestSecrets(t *testing.T) {
	t.Parallel()
	for _, key := range [][]byte{nil, []byte("0123456789abcdef0123456789abcdef")} {
		t.Run(fmt.Sprintf("key=%v", key != nil), func(t *testing.T) {
			t.Parallel()
			file := t.TempDir() + "/state.db"
			store, err := bolt.Open(file, bolt.Config{})
			require.NoError(t, err)
			w := &watcher{}
			var log bytes.Buffer
			fails := true
			driver := &script{do: func(_ context.Context, op *executor.Operation) (map[string]any, error) {
				switch op.Name {
				case "create":
					require.Equal(t, "admin:hunter22", op.Inputs["login"])
					require.Contains(t, op.Secrets, "hunter22")
					for _, piece := range []string{"the password is hun", "ter22\nand", " more"} {
						fmt.Fprint(op.Log, piece)
					}
					return map[string]any{"token": "t0psecret", "note": "uses hunter22"}, nil
				case "start":
					require.Equal(t, "t0psecret", op.Inputs["token"])
					if fails {
						return nil, errors.New("login as admin:hunter22 with t0psecret failed")
					}
				}
				return nil, nil
			}}
			e := newEngine(t, executor.Config{Store: store, Drivers: []executor.Driver{executor.Sync(driver)}, Observe: w.observe, Key: key,
				Logger: hclog.New(&hclog.LoggerOptions{Output: &log, Level: hclog.Trace})})
			ctx := t.Context()
			result, err := e.Deploy(ctx, executor.Request{Deployment: "x", Archive: template(t, secretive), Inputs: map[string]any{"password": "hunter22"}})
			require.ErrorContains(t, err, "login as admin:*** with *** failed")
			printed := []any{err, result, w.all(), log.String()}
			require.Contains(t, fmt.Sprint(w.all()), "the password is ***\n")
			fails = false
			if key != nil {
				_, err = e.Resume(ctx, "x", executor.Options{})
				require.NoError(t, err)
			}
			info, err := e.Info(ctx, "x")
			require.NoError(t, err)
			printed = append(printed, info, w.all())
			outputs, err := e.Outputs(ctx, "x")
			if key == nil {
				require.ErrorContains(t, err, "the value is sensitive and was not stored")
				_, err = e.Undeploy(ctx, "x", executor.Options{})
				require.ErrorContains(t, err, "the value is sensitive and was not stored")
				_, err = e.Undeploy(ctx, "x", executor.Options{Inputs: map[string]any{"password": "hunter22"}})
				require.NoError(t, err)
			} else {
				require.NoError(t, err)
				require.Equal(t, "admin:hunter22", outputs[0].Value.(executor.Secret).Reveal())
				require.Equal(t, "t0psecret", outputs[1].Value.(executor.Secret).Reveal())
				printed = append(printed, outputs)
				_, err = e.Undeploy(ctx, "x", executor.Options{})
				require.NoError(t, err)
			}
			printed = append(printed, w.all())
			require.NoError(t, store.Close())
			stored, err := os.ReadFile(file)
			require.NoError(t, err)
			texts := [][]byte{stored, log.Bytes()}
			for _, p := range printed {
				j, err := json.Marshal(p)
				require.NoError(t, err)
				texts = append(texts, j, fmt.Appendf(nil, "%+v", p))
			}
			for _, text := range texts {
				for _, secret := range []string{"hunter22", "t0psecret"} {
					require.NotContains(t, string(text), secret)
				}
			}
		})
	}
}
