package profile_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/tosca/profile"
)

func TestOpenKnowsEveryName(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, name := range profile.Names() {
		file, content, ok := profile.Open(name)
		require.True(t, ok, name)
		require.True(t, strings.HasSuffix(file, ".yaml"), file)
		require.Contains(t, string(content), "tosca_definitions_version: ", name)
		require.False(t, seen[file], "two profiles share %s", file)
		seen[file] = true
	}
	require.Contains(t, profile.Names(), "tosca_simple_yaml_1_3")
	require.Contains(t, profile.Names(), profile.Orchestrator)
}

func TestOpenRefusesUnknownName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "tosca_simple_yaml_9_9", "../profile.go", "orchestrator.yaml"} {
		_, content, ok := profile.Open(name)
		require.False(t, ok, name)
		require.Nil(t, content)
	}
}
