package profile_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/tosca/profile"
)

func TestOpenKnowsEveryName(t *testing.T) {
	t.Parallel()
	for _, name := range profile.Names() {
		file, content, ok := profile.Open(name)
		require.True(t, ok, name)
		require.True(t, strings.HasSuffix(file, ".yaml"), file)
		require.Contains(t, string(content), "tosca_definitions_version: ", name)
	}
	require.Equal(t, []string{
		"tosca_simple_yaml_1_0", "tosca_simple_yaml_1_1", "tosca_simple_yaml_1_2", "tosca_simple_yaml_1_3",
		"org.oasis-open.tosca.simple:2.0", "org.oasis-open.simple:2.0", "org.oasis-open.simple-for-nfv:1.0", "orchestrator", "hpc",
	}, profile.Names())
}

func TestProfileIsOfTheVersionItIsFor(t *testing.T) {
	t.Parallel()
	for name, version := range map[string]string{
		"tosca_simple_yaml_1_0":           "tosca_simple_yaml_1_0",
		"tosca_simple_yaml_1_1":           "tosca_simple_yaml_1_1",
		"tosca_simple_yaml_1_2":           "tosca_simple_yaml_1_2",
		"tosca_simple_yaml_1_3":           "tosca_simple_yaml_1_3",
		"org.oasis-open.tosca.simple:2.0": "tosca_2_0",
		"org.oasis-open.simple:2.0":       "tosca_2_0",
	} {
		_, content, ok := profile.Open(name)
		require.True(t, ok, name)
		require.Contains(t, string(content), "\ntosca_definitions_version: "+version+"\n", name)
	}
}

func TestOpenRefusesUnknownName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "tosca_simple_yaml_9_9", "../profile.go", "orchestrator.yaml"} {
		_, content, ok := profile.Open(name)
		require.False(t, ok, name)
		require.Nil(t, content)
	}
}
