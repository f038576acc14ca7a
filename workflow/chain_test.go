package workflow_test

import (
	"bytes"
	"encoding/json"
	"io"
	"testing"

	"github.com/seed-a4fd30b5/orchestrator/tosca"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
	"github.com/stretchr/testify/require"
)

// A start is chained to another one only where nothing comes between the two.
func TestChained(t *testing.T) {
	t.Parallel()
	yes := workflow.Options{Chained: func(_ *tosca.NodeTemplate, r *tosca.Requirement) bool { return r.Name == "after" }}
	cases := map[string]struct {
		first, second []string // operations
		relationship  []string
		also          string // a further requirement of the same target
		opts          workflow.Options
		begun         bool
	}{
		"two starts":                           {[]string{"start"}, []string{"start"}, nil, "", yes, true},
		"nothing is chained":                   {[]string{"start"}, []string{"start"}, nil, "", workflow.Options{}, false},
		"something before the second start":    {[]string{"start"}, []string{"create", "start"}, nil, "", yes, false},
		"no start of the first":                {[]string{"create"}, []string{"start"}, nil, "", yes, false},
		"operations before the first start":    {[]string{"create", "start"}, []string{"start"}, nil, "", yes, true},
		"the relationship has operations":      {[]string{"start"}, []string{"start"}, []string{"pre_configure_source"}, "", yes, false},
		"operations behind the second start":   {[]string{"start"}, []string{"start"}, []string{"add_source"}, "", yes, false},
		"another relationship between the two": {[]string{"start"}, []string{"start"}, nil, "uses", yes, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, second := node("first", c.first...), node("second", c.second...)
			requires(second, "after", first, c.relationship...)
			if c.also != "" {
				requires(second, c.also, first)
			}
			plan, err := workflow.Deploy(service(first, second), nil, c.opts)
			require.NoError(t, err)
			begun := 0
			for _, s := range plan.Steps {
				begun += len(s.Begun)
			}
			require.Equal(t, c.begun, begun == 1)
		})
	}
}

func TestChainedIsShown(t *testing.T) {
	t.Parallel()
	host, first, second := node("host", "create"), node("first", "start"), node("second", "start")
	requires(second, "host", host)
	requires(second, "after", first)
	plan, err := workflow.Deploy(service(host, first, second), nil, workflow.Options{
		Chained: func(_ *tosca.NodeTemplate, r *tosca.Requirement) bool { return r.Name == "after" }})
	require.NoError(t, err)
	for want, write := range map[string]func() string{
		"3  second_0  Standard.start   starting, started  1, beginning of 2\n": func() string { return written(t, plan.WriteTable) },
		"  s2 -> s3 [style=dotted, label=\"begun\"];\n":                        func() string { return written(t, plan.WriteDOT) },
		"  s2 -. begun .-> s3\n":                                               func() string { return written(t, plan.WriteMermaid) },
		`"after":[1,2],"begun":[2]`: func() string {
			text, err := json.Marshal(plan)
			require.NoError(t, err)
			again, err := workflow.Parse(text)
			require.NoError(t, err)
			require.Equal(t, plan, again)
			return string(text)
		},
	} {
		require.Contains(t, write(), want)
	}
	plan.Steps[3].Begun = []int{0}
	require.ErrorContains(t, plan.Validate(), `step "second_0.Standard.start" waits for the beginning of step 0, which it does not come after`)
}

func written(t *testing.T, write func(io.Writer) error) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, write(&b))
	return b.String()
}
