package workflow_test

import (
	"strings"
	"testing"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
	"github.com/stretchr/testify/require"
)

// webAndDatabase is a web server that connects to a database, both on a host
// without operations.
func webAndDatabase() *tosca.ServiceTemplate {
	host := node("host")
	web := node("web", "create", "configure", "start", "stop", "delete")
	db := node("db", "create", "delete")
	requires(web, "host", host)
	requires(web, "database", db, "pre_configure_source", "pre_configure_target",
		"post_configure_source", "post_configure_target", "add_target", "add_source",
		"remove_target", "remove_source", "target_changed")
	requires(db, "host", host)
	return service(host, web, db)
}

func TestDeploy(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		current workflow.Current
		want    []string
		create  []string
	}{
		{
			name: "from nothing",
			want: []string{
				"host_0.started >started",
				"db_0.Standard.create creating>created < host_0.started",
				"db_0.started >started < db_0.Standard.create",
				"web_0.Standard.create creating>created < host_0.started, db_0.started",
				"web_0--db_0--database.0.Configure.pre_configure_source @web_0 < web_0.Standard.create",
				"web_0--db_0--database.0.Configure.pre_configure_target @db_0 < web_0--db_0--database.0.Configure.pre_configure_source",
				"web_0.Standard.configure configuring>configured < web_0--db_0--database.0.Configure.pre_configure_source, web_0--db_0--database.0.Configure.pre_configure_target",
				"web_0--db_0--database.0.Configure.post_configure_source @web_0 < web_0.Standard.configure",
				"web_0--db_0--database.0.Configure.post_configure_target @db_0 < web_0--db_0--database.0.Configure.post_configure_source",
				"web_0.Standard.start starting> < web_0--db_0--database.0.Configure.post_configure_source, web_0--db_0--database.0.Configure.post_configure_target",
				"web_0--db_0--database.0.Configure.add_target @web_0 < web_0.Standard.start",
				"web_0--db_0--database.0.Configure.add_source @db_0 < web_0--db_0--database.0.Configure.add_target",
				"web_0.started >started < web_0--db_0--database.0.Configure.add_target, web_0--db_0--database.0.Configure.add_source",
			},
			create: []string{"host_0", "db_0", "db_0--host_0--host.0", "web_0", "web_0--host_0--host.0", "web_0--db_0--database.0"},
		},
		{
			name: "everything started",
			current: workflow.Current{"host_0": "started", "db_0": "started", "web_0": "started",
				"db_0--host_0--host.0": "initial", "web_0--host_0--host.0": "initial", "web_0--db_0--database.0": "initial"},
		},
		{
			name: "a target begins again under a started source",
			current: workflow.Current{"host_0": "started", "db_0": "creating", "web_0": "started",
				"db_0--host_0--host.0": "initial", "web_0--host_0--host.0": "initial", "web_0--db_0--database.0": "initial"},
			want: []string{
				"db_0.Standard.create creating>created",
				"db_0.started >started < db_0.Standard.create",
				"web_0--db_0--database.0.Configure.target_changed @web_0 < db_0.started",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			plan, err := workflow.Deploy(webAndDatabase(), tt.current, workflow.Options{})
			require.NoError(t, err)
			require.Equal(t, "deploy", plan.Kind)
			require.Equal(t, tt.want, lines(plan))
			var create []string
			for _, i := range plan.Create {
				create = append(create, i.ID)
			}
			require.Equal(t, tt.create, create)
			require.Empty(t, plan.Remove)
		})
	}
}

func TestDeployLeavesOutWhatCannotWork(t *testing.T) {
	t.Parallel()
	job, cluster := node("job"), node("cluster")
	requires(job, "host", cluster, "post_configure_source", "add_target", "add_source", "remove_target")
	// tosca.Load lists no others than these; a plan trusts the list.
	job.Requirements[0].Relationship.LeftOut = []string{"add_source", "remove_target"}
	plan, err := workflow.Deploy(service(cluster, job), nil, workflow.Options{})
	require.NoError(t, err)
	require.Equal(t, []string{
		"cluster_0.started >started",
		"job_0--cluster_0--host.0.Configure.post_configure_source @job_0 < cluster_0.started",
		"job_0--cluster_0--host.0.Configure.add_target @job_0 < job_0--cluster_0--host.0.Configure.post_configure_source",
		"job_0.started >started < job_0--cluster_0--host.0.Configure.add_target",
	}, lines(plan))
	plan, err = workflow.Undeploy(service(cluster, job), workflow.Current{"cluster_0": "started", "job_0": "started"}, workflow.Options{})
	require.NoError(t, err)
	require.NotContains(t, strings.Join(lines(plan), "\n"), "remove_target")
}

func TestDeployNamesTheCycle(t *testing.T) {
	t.Parallel()
	a, b, c, d := node("a"), node("b"), node("c"), node("d")
	requires(a, "x", b)
	requires(b, "x", c)
	requires(c, "x", b)
	requires(c, "x", d)
	_, err := workflow.Deploy(service(a, b, c, d), nil, workflow.Options{})
	require.ErrorContains(t, err, "requirements form a cycle: b -> c -> b")
	require.Equal(t, errs.InvalidArgument, errs.CodeOf(err))
}

func TestDeployAsksWhoClaims(t *testing.T) {
	t.Parallel()
	server := node("server")
	plan, err := workflow.Deploy(service(server), nil, workflow.Options{
		Claims: func(n *tosca.NodeTemplate, iface, op string) bool {
			return n == server && iface == "Standard" && op != "configure"
		},
	})
	require.NoError(t, err)
	require.Equal(t, []string{
		"server_0.Standard.create creating>created",
		"server_0.Standard.start starting>started < server_0.Standard.create",
	}, lines(plan))
}

func TestUndeploy(t *testing.T) {
	t.Parallel()
	const rel = "web_0--db_0--database.0"
	tests := []struct {
		name    string
		current workflow.Current
		want    []string
		remove  []string
	}{
		{name: "nothing there"},
		{
			name:    "all started",
			current: workflow.Current{"host_0": "started", "db_0": "started", "web_0": "started", rel: "initial"},
			want: []string{
				rel + ".Configure.remove_target @web_0",
				rel + ".Configure.remove_source @db_0 < " + rel + ".Configure.remove_target",
				"web_0.Standard.stop stopping>configured < " + rel + ".Configure.remove_target, " + rel + ".Configure.remove_source",
				"web_0.Standard.delete deleting>initial < web_0.Standard.stop",
				"db_0.Standard.delete deleting>initial < web_0.Standard.delete",
				"host_0.initial >initial < web_0.Standard.delete, db_0.Standard.delete",
			},
			remove: []string{"db_0", "host_0", "web_0", rel},
		},
		{
			name:    "after a failed deploy: never started, never created",
			current: workflow.Current{"host_0": "started", "db_0": "creating", "web_0": "initial", rel: "initial"},
			want: []string{
				"db_0.Standard.delete deleting>initial",
				"host_0.initial >initial < db_0.Standard.delete",
			},
			remove: []string{"db_0", "host_0", "web_0", rel},
		},
		{
			name:    "a failed node may run",
			current: workflow.Current{"host_0": "initial", "db_0": "initial", "web_0": "error"},
			want: []string{
				rel + ".Configure.remove_target @web_0 optional",
				rel + ".Configure.remove_source @db_0 optional < " + rel + ".Configure.remove_target",
				"web_0.Standard.stop stopping>configured optional < " + rel + ".Configure.remove_target, " + rel + ".Configure.remove_source",
				"web_0.Standard.delete deleting>initial < web_0.Standard.stop",
			},
			remove: []string{"db_0", "host_0", "web_0"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			plan, err := workflow.Undeploy(webAndDatabase(), tt.current, workflow.Options{})
			require.NoError(t, err)
			require.Equal(t, "undeploy", plan.Kind)
			require.Equal(t, tt.want, lines(plan))
			require.Equal(t, tt.remove, plan.Remove)
			require.Empty(t, plan.Create)
		})
	}
}
