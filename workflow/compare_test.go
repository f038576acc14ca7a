package workflow_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"testing"
	"testing/fstest"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
	"github.com/stretchr/testify/require"
)

func TestCompare(t *testing.T) {
	t.Parallel()
	files := func(content string) fs.FS {
		return fstest.MapFS{
			"create.sh":   {Data: []byte(content)},
			"delete.sh":   {Data: []byte("delete")},
			"stop.sh":     {Data: []byte("stop")},
			"roles/a/one": {Data: []byte("one")},
			"roles/a/two": {Data: []byte(content)},
		}
	}
	primary := func(n *tosca.NodeTemplate, op int) *tosca.Implementation {
		return n.Interfaces[0].Operations[op].Implementation
	}
	tests := []struct {
		name string
		// change makes the templates differ; nodes are a, b, c and lone.
		change func(old, new []*tosca.NodeTemplate)
		// edit replaces the nodes of the new template.
		edit func(new *tosca.ServiceTemplate)
		opts workflow.DiffOptions
		want string
	}{
		{name: "equal", want: `{}`},
		{
			name: "added and deleted nodes",
			edit: func(new *tosca.ServiceTemplate) { new.Nodes[3] = node("other") },
			want: `{"nodes":{"added":["other"],"deleted":["lone"]}}`,
		},
		{
			name: "changed beside added",
			edit: func(new *tosca.ServiceTemplate) { new.Nodes = append(new.Nodes, node("other")) },
			change: func(old, new []*tosca.NodeTemplate) {
				new[3].Type = &tosca.NodeType{TypeHeader: tosca.TypeHeader{Name: "Fancy"}}
			},
			want: `{"nodes":{"added":["other"],"changed":{"lone":{"types":["tosca.nodes.Root","Fancy"]}}}}`,
		},
		{
			name: "properties",
			change: func(old, new []*tosca.NodeTemplate) {
				setProperty(old[0], "port", 80)
				setProperty(new[0], "port", 81)
				setProperty(old[0], "same", map[string]any{"x": []any{1, "y"}})
				setProperty(new[0], "same", map[string]any{"x": []any{1, "y"}})
				setProperty(old[0], "gone", true)
				setProperty(new[0], "come", nil)
			},
			want: `{"nodes":{"a":{"properties":{"added":["come"],"deleted":["gone"],"changed":{"port":[80,81]}}}}}`,
		},
		{
			name: "a secret is not shown",
			change: func(old, new []*tosca.NodeTemplate) {
				setProperty(old[0], "password", "1234")
				setProperty(new[0], "password", "5678")
				new[0].Properties[0].Sensitive = true
			},
			want: `{"nodes":{"a":{"properties":{"password":["***","***"]}}}}`,
		},
		{
			name: "capabilities",
			change: func(old, new []*tosca.NodeTemplate) {
				old[0].Capabilities = []*tosca.Capability{{Name: "endpoint", Properties: []*tosca.Assignment{{Name: "port", Value: tosca.Constant(1)}}}}
				new[0].Capabilities = []*tosca.Capability{{Name: "endpoint", Properties: []*tosca.Assignment{{Name: "port", Value: tosca.Constant(2)}}}, {Name: "admin"}}
			},
			want: `{"nodes":{"a":{"capabilities":{"added":["admin"],"changed":{"endpoint":{"properties":{"port":[1,2]}}}}}}}`,
		},
		{
			name: "requirements: target, second of the same name, relationship",
			change: func(old, new []*tosca.NodeTemplate) {
				new[2].Requirements[0].Target = new[0]
				requires(new[2], "host", new[3])
				new[1].Requirements[0].Relationship.Type = &tosca.RelationshipType{TypeHeader: tosca.TypeHeader{Name: "HostedOn"}}
				new[1].Requirements[0].Relationship.Properties = []*tosca.Assignment{{Name: "p", Value: tosca.Constant(1)}}
				new[1].Requirements[0].Relationship.Interfaces = []*tosca.Interface{implementing("Configure", "add_target")}
			},
			want: `{"nodes":{` +
				`"b":{"requirements":{"host":{"relationship":{"types":["tosca.relationships.DependsOn","HostedOn"],"properties":{"added":["p"]},"interfaces":{"added":["Configure"]}}}}},` +
				`"c":{"requirements":{"added":["host.1"],"changed":{"host":{"target":["b","a"]}}}}}}`,
		},
		{
			name: "operations: files by content, folders, inputs, the rest",
			change: func(old, new []*tosca.NodeTemplate) {
				for _, n := range [][]*tosca.NodeTemplate{old, new} {
					primary(n[0], 0).Dependencies = []*tosca.Artifact{{File: "roles/a", Path: "roles/a"}, {File: "delete.sh", Path: "delete.sh"}}
					n[0].Interfaces[0].Operations[0].Inputs = []*tosca.Assignment{{Name: "x", Value: tosca.Constant("same")}}
				}
				primary(new[0], 1).OperationHost = "ORCHESTRATOR"
				primary(new[0], 1).Timeout = time.Minute
				new[0].Interfaces[0].Operations[1].Outputs = []*tosca.OutputMapping{{Name: "o", Entity: "SELF", Path: []string{"o"}}}
				new[0].Artifacts = []*tosca.Artifact{{Name: "conf", File: "conf.txt"}}
				// The same content under another name is no change.
				primary(old[0], 1).Primary = &tosca.Artifact{File: "create.sh", Path: "roles/a/one"}
				primary(new[0], 1).Primary = &tosca.Artifact{File: "other.sh", Path: "roles/a/one"}
				new[3].Interfaces = nil
			},
			opts: workflow.DiffOptions{OldFiles: files("old"), NewFiles: files("new")},
			want: `{"nodes":{"a":{"interfaces":{"Standard":{"operations":{` +
				`"create":{"primary":"file create.sh","dependencies":{"roles/a":"file roles/a"},"artifacts":{"added":["conf.txt"]}},` +
				`"delete":{"outputs":{"added":["o"]},"operation_host":["","ORCHESTRATOR"],"timeout":[0,60],"artifacts":{"added":["conf.txt"]}}}}}},` +
				`"b":{"interfaces":{"Standard":{"operations":{"create":{"primary":"file create.sh"}}}}},` +
				`"c":{"interfaces":{"Standard":{"operations":{"create":{"primary":"file create.sh"}}}}},` +
				`"lone":{"interfaces":{"deleted":["Standard"]}}}}`,
		},
		{
			name: "values are evaluated",
			change: func(old, new []*tosca.NodeTemplate) {
				setProperty(old[0], "port", "input")
				setProperty(new[0], "port", "input")
				setProperty(old[0], "fails", "fails")
				setProperty(new[0], "fails", "fails")
			},
			opts: workflow.DiffOptions{Eval: func(of tosca.Entity, v *tosca.Value) (any, error) {
				if data, _ := v.Static(); data == "fails" {
					return nil, errors.New("not known")
				}
				return len(of.Service.Description), nil
			}},
			edit: func(new *tosca.ServiceTemplate) { new.Description = "abc" },
			want: `{"nodes":{"a":{"properties":{"port":[0,3]}}}}`,
		},
		{
			name: "states and dependencies",
			change: func(old, new []*tosca.NodeTemplate) {
				setProperty(new[0], "port", 1)
			},
			opts: workflow.DiffOptions{Current: workflow.Current{"a_0": "started", "b_0": "started", "c_0": "error"}},
			want: `{"nodes":{"a":{"properties":{"added":["port"]}},` +
				`"c":{"state":["error","started"],"dependencies":["b"]},` +
				`"lone":{"state":["initial","started"]},` +
				`"b":{"dependencies":["a"]}}}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			old, new := chain(), chain()
			if tt.change != nil {
				tt.change(old.Nodes, new.Nodes)
			}
			if tt.edit != nil {
				tt.edit(new)
			}
			diff, err := workflow.Compare(old, new, tt.opts)
			require.NoError(t, err)
			got, err := json.Marshal(diff)
			require.NoError(t, err)
			require.Equal(t, tt.want, string(got))
			require.Equal(t, tt.want == `{}`, diff.Empty())
		})
	}
}

func TestCompareTellsOfAMissingFile(t *testing.T) {
	t.Parallel()
	_, err := workflow.Compare(chain(), chain(), workflow.DiffOptions{OldFiles: fstest.MapFS{}, NewFiles: fstest.MapFS{}})
	require.ErrorContains(t, err, "compare file create.sh")
	require.Equal(t, errs.NotFound, errs.CodeOf(err))
}

func TestDiffGet(t *testing.T) {
	t.Parallel()
	old, new := chain(), chain()
	setProperty(old.Nodes[0], "port", 80)
	setProperty(new.Nodes[0], "port", 81)
	diff, err := workflow.Compare(old, new, workflow.DiffOptions{})
	require.NoError(t, err)
	require.Equal(t, [2]any{int64(80), int64(81)}, diff.Get("nodes", "a", "properties", "port"))
	require.Nil(t, diff.Get("nodes", "b", "properties"))
	require.Nil(t, diff.Get("nodes", "a", "properties", "port", "more"))
	require.Nil(t, (*workflow.Diff)(nil).Get("nodes"))
}

func TestCompareFiles(t *testing.T) {
	t.Parallel()
	tree := func(files map[string]string) fstest.MapFS {
		out := fstest.MapFS{}
		for name, content := range files {
			out[name] = &fstest.MapFile{Data: []byte(content)}
		}
		return out
	}
	tests := []struct {
		name     string
		old, new map[string]string
		same     bool
	}{
		{"same", map[string]string{"f/a": "1", "f/s/b": "2"}, map[string]string{"f/a": "1", "f/s/b": "2"}, true},
		{"content", map[string]string{"f/a": "1"}, map[string]string{"f/a": "2"}, false},
		{"length", map[string]string{"f/a": "1"}, map[string]string{"f/a": "11"}, false},
		{"name", map[string]string{"f/a": "1"}, map[string]string{"f/b": "1"}, false},
		{"one more", map[string]string{"f/a": "1"}, map[string]string{"f/a": "1", "f/b": ""}, false},
		{"below", map[string]string{"f/s/b": "1"}, map[string]string{"f/s/b": "2"}, false},
		{"file or folder", map[string]string{"f": "1"}, map[string]string{"f/a": "1"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			old, new := service(node("a", "create")), service(node("a", "create"))
			for _, s := range []*tosca.ServiceTemplate{old, new} {
				s.Nodes[0].Interfaces[0].Operations[0].Implementation.Primary = &tosca.Artifact{File: "./f", Path: "f"}
			}
			diff, err := workflow.Compare(old, new, workflow.DiffOptions{OldFiles: tree(tt.old), NewFiles: tree(tt.new)})
			require.NoError(t, err)
			if tt.same {
				require.True(t, diff.Empty())
				return
			}
			require.Equal(t, "file ./f", diff.Get("nodes", "a", "interfaces", "Standard", "operations", "create", "primary"))
		})
	}
}

func TestComparePrimaries(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		old, new *tosca.Artifact
		want     any
	}{
		{"none", nil, nil, nil},
		{"given", nil, &tosca.Artifact{File: "a"}, [2]any{"", "a"}},
		{"taken", &tosca.Artifact{File: "a"}, nil, [2]any{"a", ""}},
		{"another type", &tosca.Artifact{File: "a"},
			&tosca.Artifact{File: "a", Type: &tosca.ArtifactType{TypeHeader: tosca.TypeHeader{Name: "Bash"}}}, "file a"},
		{"a file elsewhere", &tosca.Artifact{File: "https://a"}, &tosca.Artifact{File: "https://b"}, "file https://a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			old, new := service(node("a", "create")), service(node("a", "create"))
			old.Nodes[0].Interfaces[0].Operations[0].Implementation.Primary = tt.old
			new.Nodes[0].Interfaces[0].Operations[0].Implementation.Primary = tt.new
			diff, err := workflow.Compare(old, new, workflow.DiffOptions{OldFiles: fstest.MapFS{}, NewFiles: fstest.MapFS{}})
			require.NoError(t, err)
			require.Equal(t, tt.want, diff.Get("nodes", "a", "interfaces", "Standard", "operations", "create", "primary"))
		})
	}
}
