package executor_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/csar"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
)

// three nodes: top depends on changing; alone does not.
const updated = `
tosca_definitions_version: tosca_simple_yaml_1_3
node_types:
  Thing:
    derived_from: tosca.nodes.Root
    properties: { size: { type: integer, default: 1 } }
    attributes: { address: { type: string } }
    interfaces:
      Standard:
        operations: { create: do.sh, delete: do.sh }
topology_template:
  inputs:
    size: { type: integer, default: 1 }
  node_templates:
    alone: { type: Thing }
    changing: { type: Thing, properties: { size: { get_input: size } } }
    top: { type: Thing, requirements: [ dependency: changing ] }
    gone: { type: Thing }
  outputs:
    address: { value: { get_attribute: [alone, address] } }
`

func TestUpdate(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, store state.Store) {
		driver := &script{do: returns(map[string]map[string]any{"alone_0.create": {"address": "10.0.0.7"}})}
		e := newEngine(t, executor.Config{Store: store, Drivers: []executor.Driver{executor.Sync(driver)}, Workers: 1})
		ctx := t.Context()
		_, err := e.Deploy(ctx, executor.Request{Deployment: "x", Archive: template(t, updated)})
		require.NoError(t, err)
		deployed := len(driver.seen())

		next := strings.Replace(updated, "    gone: { type: Thing }\n", "    fresh: { type: Thing }\n", 1)
		request := executor.Request{Deployment: "x", Archive: template(t, next), Inputs: map[string]any{"size": 2}}
		diff, plan, err := e.PlanUpdate(ctx, request)
		require.NoError(t, err)
		require.NotNil(t, diff)
		require.NotEmpty(t, plan.Steps)
		require.Len(t, driver.seen(), deployed, "a plan does nothing")

		_, err = e.Update(ctx, request)
		require.NoError(t, err)
		seen := driver.seen()[deployed:]
		require.ElementsMatch(t, []string{
			"top_0.delete", "changing_0.delete", "gone_0.delete", "changing_0.create", "top_0.create", "fresh_0.create",
		}, seen)
		require.NotContains(t, seen, "alone_0.create")
		outputs, err := e.Outputs(ctx, "x")
		require.NoError(t, err)
		require.Equal(t, "10.0.0.7", outputs[0].Value, "an untouched node keeps its attributes")
		info, err := e.Info(ctx, "x")
		require.NoError(t, err)
		require.Equal(t, state.Deployed, info.Status)
		var ids []string
		for _, inst := range info.Instances {
			ids = append(ids, inst.ID)
			if inst.ID == "changing_0" {
				require.JSONEq(t, "2", string(inst.Properties["size"]))
			}
		}
		require.Equal(t, []string{"alone_0", "changing_0", "fresh_0", "top_0", "top_0--changing_0--dependency.0"}, ids)

		again, err := e.Update(ctx, request)
		require.NoError(t, err)
		require.Nil(t, again.Run)
	})
}

// An update that failed is undeployed whole: what is left of the old template too.
func TestUndeployAfterFailedUpdate(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, store state.Store) {
		fail := ""
		driver := &script{do: func(_ context.Context, op *executor.Operation) (map[string]any, error) {
			if op.Instance+"."+op.Name == fail {
				return nil, errors.New("broken")
			}
			return nil, nil
		}}
		e := newEngine(t, executor.Config{Store: store, Drivers: []executor.Driver{executor.Sync(driver)}, Workers: 1})
		ctx := t.Context()
		_, err := e.Deploy(ctx, executor.Request{Deployment: "x", Archive: template(t, updated)})
		require.NoError(t, err)
		fail = "gone_0.delete"
		next := strings.Replace(updated, "    gone: { type: Thing }\n", "", 1)
		_, err = e.Update(ctx, executor.Request{Deployment: "x", Archive: template(t, next)})
		require.ErrorContains(t, err, "broken")
		_, err = e.Update(ctx, executor.Request{Deployment: "x", Archive: template(t, updated)})
		require.ErrorContains(t, err, "the template does not have the nodes of gone_0 (resume the update")
		fail = ""
		_, err = e.Undeploy(ctx, "x", executor.Options{})
		require.NoError(t, err)
		info, err := e.Info(ctx, "x")
		require.NoError(t, err)
		require.Empty(t, info.Instances)
		require.Equal(t, 2, strings.Count(strings.Join(driver.seen(), " "), "gone_0.delete"))
	})
}

// What was deployed can be undeployed after its files have changed or vanished.
func TestTemplatesAreKept(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{"service.yaml": {Data: []byte(updated)}, "do.sh": {Data: []byte("old")}, "unrelated": {Data: make([]byte, 1<<20)}}
	archive, err := csar.FromFS(files, "service.yaml")
	require.NoError(t, err)
	driver := &script{do: func(_ context.Context, op *executor.Operation) (map[string]any, error) {
		content, err := fs.ReadFile(op.Files, op.Primary.Path)
		require.Equal(t, "old", string(content))
		_, notThere := op.Files.Open("unrelated")
		require.Error(t, notThere)
		return nil, err
	}}
	store := newMemory(t)
	e := newEngine(t, executor.Config{Store: store, Drivers: []executor.Driver{executor.Sync(driver)}})
	_, err = e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: archive})
	require.NoError(t, err)
	delete(files, "service.yaml")
	files["do.sh"].Data = []byte("new")
	other := newEngine(t, executor.Config{Store: store, Drivers: []executor.Driver{executor.Sync(driver)}})
	_, err = other.Undeploy(t.Context(), "x", executor.Options{})
	require.NoError(t, err)
	require.Len(t, driver.seen(), 8)
}

func TestDeployRefuses(t *testing.T) {
	t.Parallel()
	e := newEngine(t, executor.Config{Drivers: []executor.Driver{executor.Sync(&script{})}})
	ctx := t.Context()
	_, err := e.Deploy(ctx, executor.Request{Deployment: "x", Archive: template(t, updated)})
	require.NoError(t, err)
	for name, c := range map[string]struct {
		request executor.Request
		code    executor.Code
		message string
	}{
		"a bad ID":           {executor.Request{Deployment: "a/b", Archive: template(t, updated)}, executor.InvalidArgument, "an ID has"},
		"nothing to deploy":  {executor.Request{Deployment: "new"}, executor.NotFound, "new"},
		"an unknown input":   {executor.Request{Deployment: "y", Archive: template(t, updated), Inputs: map[string]any{"siz": 1}}, executor.InvalidArgument, `did you mean "size"`},
		"a value of no type": {executor.Request{Deployment: "y", Archive: template(t, updated), Inputs: map[string]any{"size": make(chan int)}}, executor.InvalidArgument, "is not data"},
		"an input that a property refuses": {executor.Request{Deployment: "y", Inputs: map[string]any{"size": 9},
			Archive: template(t, strings.Replace(updated, "size: { type: integer, default: 1 }", "size: { type: integer, default: 1, constraints: [ less_than: 5 ] }", 1))},
			executor.InvalidArgument, "9 is not less than 5"},
		"a faulty template":   {executor.Request{Deployment: "y", Archive: template(t, strings.Replace(updated, "type: Thing, req", "type: Thin, req", 1))}, executor.InvalidArgument, "service.yaml:17:18"},
		"a node less":         {executor.Request{Deployment: "x", Archive: template(t, strings.Replace(updated, "    gone: { type: Thing }\n", "", 1))}, executor.FailedPrecondition, "gone_0"},
		"no driver":           {executor.Request{Deployment: "z", Archive: template(t, updated)}, executor.Unimplemented, "no driver runs"},
		"no such deployment":  {executor.Request{}, executor.NotFound, ""},
		"an update of nought": {executor.Request{Deployment: "x"}, executor.InvalidArgument, "give an archive or inputs"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var err error
			switch name {
			case "no such deployment":
				_, err = e.Undeploy(ctx, "nobody", executor.Options{})
			case "an update of nought":
				_, err = e.Update(ctx, c.request)
			case "no driver":
				var result *executor.Result
				result, err = newEngine(t, executor.Config{}).Deploy(ctx, c.request)
				require.Equal(t, executor.CodeFailed, executor.CodeOf(err))
				err = errors.Join(err, result.Failures[0].Err)
				require.Equal(t, c.code, executor.CodeOf(result.Failures[0].Err))
				require.ErrorContains(t, err, c.message)
				return
			default:
				_, err = e.Deploy(ctx, c.request)
			}
			require.ErrorContains(t, err, c.message)
			require.Equal(t, c.code, executor.CodeOf(err))
		})
	}
}

func TestCleanDeploysAnew(t *testing.T) {
	t.Parallel()
	driver := &script{}
	e := newEngine(t, executor.Config{Drivers: []executor.Driver{executor.Sync(driver)}})
	_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, updated)})
	require.NoError(t, err)
	_, err = e.Deploy(t.Context(), executor.Request{Deployment: "x", Clean: true})
	require.NoError(t, err)
	require.Len(t, driver.seen(), 8)
	requireDeployed(t, e, "x")
}

func TestDelete(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, store state.Store) {
		e := newEngine(t, executor.Config{Store: store, Drivers: []executor.Driver{executor.Sync(&script{})}})
		ctx := t.Context()
		_, err := e.Deploy(ctx, executor.Request{Deployment: "x", Archive: template(t, updated)})
		require.NoError(t, err)
		require.Equal(t, executor.FailedPrecondition, executor.CodeOf(e.Delete(ctx, "x", false)))
		_, err = e.Undeploy(ctx, "x", executor.Options{})
		require.NoError(t, err)
		require.NoError(t, e.Delete(ctx, "x", false))
		_, err = e.Info(ctx, "x")
		require.Equal(t, executor.NotFound, executor.CodeOf(err))
	})
}

// retyped has a node, and a relationship, whose types an update replaces.
const retyped = `
tosca_definitions_version: tosca_simple_yaml_1_3
node_types:
  Thing:
    derived_from: tosca.nodes.Root
    interfaces: { Standard: { operations: { create: do.sh, delete: do.sh } } }
  Other: { derived_from: Thing }
relationship_types:
  Link: { derived_from: tosca.relationships.DependsOn }
  Chain: { derived_from: tosca.relationships.DependsOn }
topology_template:
  node_templates:
    alone: { type: Thing, requirements: [ dependency: { node: base, relationship: Link } ] }
    base: { type: Thing }
    changing: { type: Thing }
    linked: { type: Thing, requirements: [ dependency: { node: changing, relationship: Link } ] }
`

// Instances of nodes that are redone are of the types of the new template, as
// soon as its operations work on them; those left alone stay what they are.
func TestUpdateRecordsTypes(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, store state.Store) {
		fail := ""
		driver := &script{do: func(_ context.Context, op *executor.Operation) (map[string]any, error) {
			if op.Instance+"."+op.Name == fail {
				return nil, errors.New("broken")
			}
			return nil, nil
		}}
		e := newEngine(t, executor.Config{Store: store, Drivers: []executor.Driver{executor.Sync(driver)}, Workers: 1})
		ctx := t.Context()
		types := func() map[string]string {
			info, err := e.Info(ctx, "x")
			require.NoError(t, err)
			types := map[string]string{}
			for _, inst := range info.Instances {
				types[inst.ID] = inst.Type
			}
			return types
		}
		_, err := e.Deploy(ctx, executor.Request{Deployment: "x", Archive: template(t, retyped)})
		require.NoError(t, err)
		want := map[string]string{
			"alone_0": "Thing", "base_0": "Thing", "changing_0": "Thing", "linked_0": "Thing",
			"alone_0--base_0--dependency.0": "Link", "linked_0--changing_0--dependency.0": "Link",
		}
		require.Equal(t, want, types())

		next := strings.Replace(retyped, "changing: { type: Thing }", "changing: { type: Other }", 1)
		next = strings.Replace(next, "node: changing, relationship: Link", "node: changing, relationship: Chain", 1)
		request := executor.Request{Deployment: "x", Archive: template(t, next)}
		fail = "changing_0.delete"
		_, err = e.Update(ctx, request)
		require.ErrorContains(t, err, "broken")
		require.Equal(t, want, types(), "nothing was done by the new template")

		fail = "linked_0.create"
		_, err = e.Resume(ctx, "x", executor.Options{})
		require.ErrorContains(t, err, "broken")
		want["changing_0"], want["linked_0--changing_0--dependency.0"] = "Other", "Chain"
		require.Equal(t, want, types(), "the new template's operations have begun")

		fail = ""
		_, err = e.Resume(ctx, "x", executor.Options{})
		require.NoError(t, err)
		require.Equal(t, want, types())
		requireDeployed(t, e, "x")
	})
}

// Nodes that an update which failed has not reached are still of the template
// before it. The next update and the next deploy do not take them for new.
func TestUpdateAfterFailedUpdate(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, store state.Store) {
		fail := "b_0.delete"
		driver := &script{do: func(_ context.Context, op *executor.Operation) (map[string]any, error) {
			if op.Instance+"."+op.Name == fail {
				return nil, errors.New("broken")
			}
			return nil, nil
		}}
		e := newEngine(t, executor.Config{Store: store, Drivers: []executor.Driver{executor.Sync(driver)}, Workers: 1})
		ctx := t.Context()
		sized := func(a, b int) executor.Request {
			yaml, _, _ := strings.Cut(updated, "topology_template:")
			return executor.Request{Deployment: "x", Archive: template(t, yaml+fmt.Sprintf(`topology_template:
  node_templates:
    a: { type: Thing, properties: { size: %d } }
    b: { type: Thing, properties: { size: %d } }
`, a, b))}
		}
		_, err := e.Deploy(ctx, sized(1, 1))
		require.NoError(t, err)
		_, err = e.Update(ctx, sized(2, 2))
		require.ErrorContains(t, err, "broken")
		require.NotContains(t, driver.seen(), "a_0.delete")

		refused := map[string]func() error{
			"update":      func() error { _, err := e.Update(ctx, sized(2, 3)); return err },
			"plan update": func() error { _, _, err := e.PlanUpdate(ctx, sized(2, 3)); return err },
			"deploy":      func() error { _, err := e.Deploy(ctx, sized(2, 2)); return err },
			"plan deploy": func() error { _, err := e.PlanDeploy(ctx, sized(2, 2)); return err },
		}
		for name, call := range refused {
			err := call()
			require.Equal(t, executor.FailedPrecondition, executor.CodeOf(err), name)
			require.ErrorContains(t, err, "a_0", name)
		}
		fail = ""
		_, err = e.Resume(ctx, "x", executor.Options{})
		require.NoError(t, err)
		require.Contains(t, driver.seen(), "a_0.delete")
		requireDeployed(t, e, "x")

		// One that redoes the node may follow, such as the way back.
		fail = "b_0.delete"
		_, err = e.Update(ctx, sized(3, 3))
		require.ErrorContains(t, err, "broken")
		fail = ""
		_, err = e.Update(ctx, sized(2, 2))
		require.NoError(t, err)
		requireDeployed(t, e, "x")
	})
}

// A workflow that runs after an update which failed does not make the update
// forgotten: what is left of the old template is still undeployed.
func TestWorkflowAfterFailedUpdate(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, store state.Store) {
		fail := "gone_0.delete"
		driver := &script{do: func(_ context.Context, op *executor.Operation) (map[string]any, error) {
			if op.Instance+"."+op.Name == fail {
				return nil, errors.New("broken")
			}
			return nil, nil
		}}
		e := newEngine(t, executor.Config{Store: store, Drivers: []executor.Driver{executor.Sync(driver)}, Workers: 1, Keep: executor.Retention{Runs: 1}})
		ctx := t.Context()
		_, err := e.Deploy(ctx, executor.Request{Deployment: "x", Archive: template(t, updated)})
		require.NoError(t, err)
		next := strings.Replace(updated, "    gone: { type: Thing }\n", "", 1)
		next += "  workflows: { again: { steps: { one: { target: alone, activities: [ call_operation: Standard.create ] } } } }\n"
		_, err = e.Update(ctx, executor.Request{Deployment: "x", Archive: template(t, next)})
		require.ErrorContains(t, err, "broken")
		fail = ""
		_, err = e.RunWorkflow(ctx, "x", "again", nil, executor.Options{})
		require.NoError(t, err)
		_, err = e.Undeploy(ctx, "x", executor.Options{})
		require.NoError(t, err)
		require.Equal(t, 2, strings.Count(strings.Join(driver.seen(), " "), "gone_0.delete"))
		instances, err := store.Instances(ctx, "x")
		require.NoError(t, err)
		require.Empty(t, instances)
	})
}

// meddled is a store where something happens in front of the first lease.
type meddled struct {
	state.Store
	happens func()
}

func (m *meddled) AcquireLease(ctx context.Context, id, owner string, ttl time.Duration) (state.Lease, error) {
	if f := m.happens; f != nil {
		m.happens = nil
		f()
	}
	return m.Store.AcquireLease(ctx, id, owner, ttl)
}

// What another engine does just before this one has the deployment is not undone:
// what a request leaves out is what is stored then.
func TestWhatIsStoredIsReadUnderTheLease(t *testing.T) {
	t.Parallel()
	next := strings.Replace(updated, "    gone: { type: Thing }\n", "    fresh: { type: Thing }\n", 1)
	for name, c := range map[string]struct {
		do   func(context.Context, *executor.Engine) (*executor.Result, error)
		size string
	}{
		"deploy": {func(ctx context.Context, e *executor.Engine) (*executor.Result, error) {
			return e.Deploy(ctx, executor.Request{Deployment: "x", Clean: true})
		}, "2"},
		"deploy an archive": {func(ctx context.Context, e *executor.Engine) (*executor.Result, error) {
			return e.Deploy(ctx, executor.Request{Deployment: "x", Archive: template(t, next), Clean: true})
		}, "2"},
		"update": {func(ctx context.Context, e *executor.Engine) (*executor.Result, error) {
			return e.Update(ctx, executor.Request{Deployment: "x", Inputs: map[string]any{"size": 3}})
		}, "3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := &meddled{Store: newMemory(t)}
			config := executor.Config{Store: store, Drivers: []executor.Driver{executor.Sync(&script{})}}
			here := newEngine(t, config)
			config.Store = store.Store
			there := newEngine(t, config)
			_, err := there.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, updated)})
			require.NoError(t, err)
			store.happens = func() {
				_, err := there.Update(t.Context(), executor.Request{Deployment: "x", Archive: template(t, next), Inputs: map[string]any{"size": 2}})
				require.NoError(t, err)
			}
			_, err = c.do(t.Context(), here)
			require.NoError(t, err)
			info, err := here.Info(t.Context(), "x")
			require.NoError(t, err)
			var ids []string
			for _, inst := range info.Instances {
				ids = append(ids, inst.ID)
				if inst.ID == "changing_0" {
					require.JSONEq(t, c.size, string(inst.Properties["size"]))
				}
			}
			require.Equal(t, []string{"alone_0", "changing_0", "fresh_0", "top_0", "top_0--changing_0--dependency.0"}, ids)
		})
	}
}

// Where all nodes are as they should be, Deploy has nothing to do, and what else a
// template says is taken over by Update.
func TestWhatConcernsNoNode(t *testing.T) {
	t.Parallel()
	driver := &script{}
	e := newEngine(t, executor.Config{Drivers: []executor.Driver{executor.Sync(driver)}})
	ctx := t.Context()
	_, err := e.Deploy(ctx, executor.Request{Deployment: "x", Archive: template(t, updated)})
	require.NoError(t, err)
	begun := len(driver.seen())
	request := executor.Request{Deployment: "x", Labels: map[string]string{"team": "blue"}, Archive: template(t, updated+`
    more: { value: 7 }
  policies:
    - watch:
        type: tosca.policies.Root
        triggers:
          alarm: { event: alarm, action: [ { inline: later } ] }
  workflows: { later: { steps: { one: { target: alone, activities: [ { call_operation: Standard.create } ] } } } }
`)}
	for _, c := range []struct {
		do      func(context.Context, executor.Request) (*executor.Result, error)
		outputs int
		labels  map[string]string
	}{{e.Deploy, 1, nil}, {e.Update, 2, request.Labels}} {
		result, err := c.do(ctx, request)
		require.NoError(t, err)
		require.Nil(t, result.Run)
		outputs, err := e.Outputs(ctx, "x")
		require.NoError(t, err)
		require.Len(t, outputs, c.outputs)
		info, err := e.Info(ctx, "x")
		require.NoError(t, err)
		require.Equal(t, c.labels, info.Deployment.Labels)
		_, err = e.PlanNotify(ctx, "x", "alarm")
		require.Equal(t, c.outputs == 2, err == nil, err)
	}
	require.Len(t, driver.seen(), begun)
	_, err = e.Notify(ctx, "x", "alarm", executor.Options{})
	require.NoError(t, err)
	require.Len(t, driver.seen(), begun+1)
}

// Other inputs of the same template, stored or given again, change what uses them.
func TestUpdateOfInputs(t *testing.T) {
	t.Parallel()
	for name, archive := range map[string]executor.Archive{"stored": nil, "given": template(t, updated)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			driver := &script{}
			e := newEngine(t, executor.Config{Drivers: []executor.Driver{executor.Sync(driver)}, Workers: 1})
			_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, updated)})
			require.NoError(t, err)
			begun := len(driver.seen())
			request := executor.Request{Deployment: "x", Archive: archive, Inputs: map[string]any{"size": 2}}
			diff, _, err := e.PlanUpdate(t.Context(), request)
			require.NoError(t, err)
			require.NotNil(t, diff)
			_, err = e.Update(t.Context(), request)
			require.NoError(t, err)
			require.Equal(t, []string{"top_0.delete", "changing_0.delete", "changing_0.create", "top_0.create"}, driver.seen()[begun:])
			again, err := e.Update(t.Context(), request)
			require.NoError(t, err)
			require.Nil(t, again.Run)
		})
	}
}
