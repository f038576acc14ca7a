package executor_test

import (
	"errors"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/csar"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
)

// TestDeployFromElsewhere deploys a template whose types come from a search
// path of profiles and from a URL, and goes on with an engine that has neither.
func TestDeployFromElsewhere(t *testing.T) {
	t.Parallel()
	archive, err := csar.FromFS(fstest.MapFS{"service.yaml": {Data: []byte(`tosca_definitions_version: tosca_2_0
imports:
  - { profile: "org.example:1.0", namespace: x }
  - https://types.example.org/remote.yaml
service_template:
  node_templates:
    near: { type: "x:Near" }
    far: { type: Far }
`)}}, "service.yaml")
	require.NoError(t, err)
	profiles := fstest.MapFS{
		"org/example/1.0/profile.yaml": {Data: []byte(`tosca_definitions_version: tosca_2_0
profile: "org.example:1.0"
imports:
  - profile: org.oasis-open.simple:2.0
    namespace: simple
node_types:
  Near:
    derived_from: simple:Root
    interfaces: { Standard: { operations: { create: scripts/near.sh, delete: scripts/near.sh } } }
`)},
		"org/example/1.0/scripts/near.sh": {Data: []byte("near")},
		"org/example/1.0/unused.yaml":     {Data: []byte("unused")},
	}
	web := map[string]string{
		"https://types.example.org/remote.yaml": `tosca_definitions_version: tosca_2_0
imports:
  - profile: org.oasis-open.simple:2.0
    namespace: simple
node_types:
  Far:
    derived_from: simple:Root
    interfaces: { Standard: { operations: { create: bin/far.sh, delete: "https://other.example.org/far.sh?v=2" } } }
`,
		"https://types.example.org/bin/far.sh": "far",
		"https://other.example.org/far.sh?v=2": "further",
	}
	fetch := func(url string) ([]byte, error) {
		src, ok := web[url]
		if !ok {
			return nil, errors.New("there is nothing")
		}
		return []byte(src), nil
	}
	template, diags := tosca.Load(archive.FS(), archive.Entry(), &tosca.Options{Profiles: []fs.FS{profiles}, Fetch: fetch})
	require.Empty(t, diags)
	require.Equal(t, []string{
		"TOSCA-Imports/https/other.example.org/far.sh?v=2",
		"TOSCA-Imports/https/types.example.org/bin/far.sh",
		"TOSCA-Imports/https/types.example.org/remote.yaml",
		"TOSCA-Imports/profiles/0/org/example/1.0/profile.yaml",
		"TOSCA-Imports/profiles/0/org/example/1.0/scripts/near.sh",
		"service.yaml",
	}, template.UsedFiles())

	stores(t, func(t *testing.T, store state.Store) {
		driver := &script{do: returns(nil)}
		cfg := executor.Config{Store: store, Drivers: []executor.Driver{executor.Sync(driver)}}
		_, err := newEngine(t, cfg).Deploy(t.Context(), executor.Request{Deployment: "d", Archive: archive})
		require.ErrorContains(t, err, "org.example", "an engine that was not told has neither")
		loading := cfg
		loading.Profiles, loading.Fetch = []fs.FS{profiles}, fetch
		_, err = newEngine(t, loading).Deploy(t.Context(), executor.Request{Deployment: "e", Archive: archive})
		require.NoError(t, err)
		_, err = newEngine(t, cfg).Undeploy(t.Context(), "e", executor.Options{})
		require.NoError(t, err)

		driver.ops = nil
		_, err = newEngine(t, cfg).Deploy(t.Context(), executor.Request{Deployment: "d", Archive: archive, Template: template})
		require.NoError(t, err)
		read := func(instance, operation string) string {
			op := driver.op(instance, operation)
			src, err := fs.ReadFile(op.Files, op.Primary.Path)
			require.NoError(t, err)
			return string(src)
		}
		require.Equal(t, "near", read("near_0", "create"))
		require.Equal(t, "far", read("far_0", "create"))

		_, err = newEngine(t, cfg).Undeploy(t.Context(), "d", executor.Options{})
		require.NoError(t, err)
		require.Equal(t, "near", read("near_0", "delete"))
		require.Equal(t, "further", read("far_0", "delete"))
	})
}

// A template that was loaded with Options which let pass what the stored one
// would be refused for is refused before anything is deployed: what is deployed
// can be read, and undeployed.
func TestDeployLoadedLeniently(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files fstest.MapFS
		opts  *tosca.Options
		why   string
	}{
		"without a script": {
			fstest.MapFS{"service.yaml": {Data: []byte(things(1, creates, nil))}},
			&tosca.Options{SkipArtifactFiles: true}, `the file "do.sh" does not exist`,
		},
		"without what substitutes": {
			fstest.MapFS{"service.yaml": {Data: []byte(`tosca_definitions_version: tosca_2_0
node_types: { Part: {} }
service_template: { node_templates: { part: { type: Part, directives: [ substitute ] } } }
`)}},
			nil, `no service substitutes the node "part"`,
		},
		"with a function that the engine has not": {
			fstest.MapFS{"service.yaml": {Data: []byte(`tosca_definitions_version: tosca_2_0
node_types: { Part: { properties: { name: { type: string } } } }
service_template: { node_templates: { part: { type: Part, properties: { name: { $shout: [ a ] } } } } }
`)}},
			&tosca.Options{Functions: []string{"shout"}}, `shout`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			archive, err := csar.FromFS(c.files, "service.yaml")
			require.NoError(t, err)
			template, diags := tosca.Load(archive.FS(), archive.Entry(), c.opts)
			require.False(t, diags.HasErrors(), "%v", diags)
			driver := &script{}
			e := newEngine(t, executor.Config{Drivers: []executor.Driver{executor.Sync(driver)}})
			_, err = e.Deploy(t.Context(), executor.Request{Deployment: "d", Archive: archive, Template: template})
			require.Equal(t, executor.InvalidArgument, executor.CodeOf(err), "%v", err)
			require.ErrorContains(t, err, c.why)
			require.Empty(t, driver.seen())
			_, err = e.Info(t.Context(), "d")
			require.Equal(t, executor.NotFound, executor.CodeOf(err), "%v", err)
		})
	}
}
