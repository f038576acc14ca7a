package executor_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/lab"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// postgresServer is the PostgreSQL of the tests that need one. It does not sync:
// what they end abruptly is processes, not the machine.
var postgresServer = lab.SharedPostgres{Options: lab.PostgresOptions{NoSync: true}}

func TestMain(m *testing.M) {
	if what := os.Getenv(killChild); what != "" {
		os.Exit(killMain(what))
	}
	code := m.Run()
	postgresServer.Close()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

const webAndDatabase = `
tosca_definitions_version: tosca_simple_yaml_1_3
node_types:
  Thing:
    derived_from: tosca.nodes.SoftwareComponent
    properties:
      port: { type: integer, default: 80 }
      ratio: { type: float, default: 1.0 }
    attributes:
      url: { type: string }
      number: { type: integer }
    capabilities:
      api: { type: tosca.capabilities.Endpoint }
    requirements:
      - database:
          capability: tosca.capabilities.Endpoint
          relationship: tosca.relationships.ConnectsTo
          occurrences: [0, UNBOUNDED]
topology_template:
  inputs:
    name: { type: string, default: shop }
  node_templates:
    db:
      type: Thing
      properties: { port: 5432 }
      interfaces:
        Standard:
          operations:
            create: do.sh
            start:
              implementation: do.sh
              outputs:
                address: [SELF, url]
    web:
      type: Thing
      requirements:
        - database:
            node: db
            relationship:
              type: tosca.relationships.ConnectsTo
              interfaces:
                Configure:
                  operations:
                    pre_configure_source: do.sh
                    add_source: do.sh
      interfaces:
        Standard:
          operations:
            create:
              implementation: do.sh
              inputs:
                database_url: { get_attribute: [SELF, database, url] }
                name: { get_input: name }
                ratio: { get_property: [SELF, ratio] }
            stop: do.sh
            delete: do.sh
  outputs:
    where:
      description: where the database is
      value: { get_attribute: [db, url] }
    ports:
      value: [ { get_property: [db, port] }, { get_property: [web, port] } ]
`

func TestDeployAndUndeploy(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, store state.Store) {
		driver := &script{do: returns(map[string]map[string]any{
			"db_0.start": {"address": "db:5432", "number": 7, "unknown": true},
		})}
		w := &watcher{}
		e := newEngine(t, executor.Config{Store: store, Drivers: []executor.Driver{executor.Sync(driver)}, Observe: w.observe})
		ctx := t.Context()

		result, err := e.Deploy(ctx, executor.Request{Deployment: "shop", Archive: template(t, webAndDatabase)})
		require.NoError(t, err)
		require.Equal(t, state.RunSucceeded, result.Run.Status)
		require.Equal(t, []string{
			"db_0.create", "db_0.start", "web_0.create",
			"web_0--db_0--database.0.pre_configure_source", "web_0--db_0--database.0.add_source",
		}, driver.seen())
		require.Equal(t, map[string]any{"database_url": "db:5432", "name": "shop", "ratio": 1.0}, driver.op("web_0", "create").Inputs)

		outputs, err := e.Outputs(ctx, "shop")
		require.NoError(t, err)
		require.Equal(t, []executor.Output{
			{Name: "where", Description: "where the database is", Value: "db:5432"},
			{Name: "ports", Value: []any{int64(5432), int64(80)}},
		}, outputs)
		info, err := e.Info(ctx, "shop")
		require.NoError(t, err)
		require.Equal(t, state.Deployed, info.Status)
		require.Len(t, info.Instances, 3)
		require.JSONEq(t, `7`, string(info.Instances[0].Attributes["number"]))
		require.JSONEq(t, `5432`, string(info.Instances[0].Properties["port"]))
		require.Equal(t, []string{"warning db_0.start "}, w.kinds(executor.Warning))

		again, err := e.Deploy(ctx, executor.Request{Deployment: "shop"})
		require.NoError(t, err)
		require.Nil(t, again.Run)

		result, err = e.Undeploy(ctx, "shop", executor.Options{})
		require.NoError(t, err)
		require.Equal(t, state.RunSucceeded, result.Run.Status)
		require.Equal(t, []string{"web_0.stop", "web_0.delete"}, driver.seen()[5:])
		info, err = e.Info(ctx, "shop")
		require.NoError(t, err)
		require.Equal(t, state.Undeployed, info.Status)
		require.Empty(t, info.Instances)
	})
}
