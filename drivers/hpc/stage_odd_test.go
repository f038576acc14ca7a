package hpc_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/executor"
)

const oddName = "-a 'b' \"c\" $d\n*é.csv"

// Files may be empty and have any name, folders may be empty, and what a link
// leads to is staged like the file itself.
func TestStagingOddFiles(t *testing.T) {
	t.Parallel()
	f, op := overWire(t, &wire{})
	archive := t.TempDir()
	for _, dir := range []string{"data/none", "data/deep/er", "hollow"} {
		require.NoError(t, os.MkdirAll(filepath.Join(archive, dir), 0o755))
	}
	for name, content := range map[string]string{"data/empty": "", "data/deep/er/" + oddName: "odd"} {
		require.NoError(t, os.WriteFile(filepath.Join(archive, name), []byte(content), 0o600))
	}
	op.Files = os.DirFS(archive)
	op.Self.Properties["stage_in"] = []any{map[string]any{"source": "data"}, map[string]any{"source": "hollow", "target": "a b/hollow"}}
	op.Self.Properties["stage_out"] = []any{map[string]any{"source": "out*"}, map[string]any{"source": "*.csv"}}
	s, err := f.Start(t.Context(), op)
	require.NoError(t, err)
	dir := f.folder(op)
	for _, folder := range []string{"data/none", "a b/hollow"} {
		require.DirExists(t, filepath.Join(dir, folder))
	}
	require.FileExists(t, filepath.Join(dir, "data/empty"))
	require.FileExists(t, filepath.Join(dir, "data/deep/er", oddName))

	require.NoError(t, os.Mkdir(filepath.Join(dir, "real"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "real", "big"), []byte("big"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "real", "empty"), nil, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, oddName), []byte("odd"), 0o600))
	for link, to := range map[string]string{"out": "real", "out.csv": "real/big", "real/link": "big", "real/again": "..", "real/dangling": "nowhere"} {
		require.NoError(t, os.Symlink(to, filepath.Join(dir, link)))
	}
	f.set(func(j *hpc.Job) { j.State = hpc.Completed })
	s = await(t, f.Driver, s)
	require.NoError(t, s.Err)
	require.Equal(t, executor.Succeeded, s.State)
	results := filepath.Join(f.dir, "results", "d1", "job_0")
	for name, want := range map[string]string{"out/big": "big", "out/link": "big", "out/empty": "", "out.csv": "big", oddName: "odd"} {
		got, err := os.ReadFile(filepath.Join(results, name))
		require.NoError(t, err)
		require.Equal(t, want, string(got), name)
	}
	require.Len(t, s.Outputs["results"], 6, "out.csv is in both patterns")
}
