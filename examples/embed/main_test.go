package main

import (
	"bytes"
	"testing"

	"github.com/seed-a4fd30b5/orchestrator/internal/lab"
	"github.com/stretchr/testify/require"
)

func TestRun(t *testing.T) {
	lab.Require(t, "bash")
	lab.Require(t, "setsid")
	t.Setenv("TMPDIR", t.TempDir())
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), "../quickstart/service.yaml", &out))
	require.Regexp(t, `(?m)^url: http://127\.0\.0\.1:\d+/$`, out.String())
}

func TestRunTellsWhatIsMissing(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, run(t.Context(), "no-such-file.yaml", &bytes.Buffer{}), "no-such-file.yaml")
}
