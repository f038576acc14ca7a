package state_test

import (
	"strings"
	"testing"

	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
)

func TestValidID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{
		"shop":                   true,
		"Shop-2.1_b":             true,
		"7":                      true,
		"_":                      true,
		strings.Repeat("x", 128): true,
		strings.Repeat("x", 129): false,
		"":                       false,
		".shop":                  false,
		"-shop":                  false,
		"..":                     false,
		"a b":                    false,
		"a/b":                    false,
		"a\x00":                  false,
		"köln":                   false,
	} {
		require.Equal(t, want, state.ValidID(id), "%q", id)
	}
}
