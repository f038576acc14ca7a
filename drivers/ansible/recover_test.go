package ansible

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/executor"
)

// leftFolder makes what a process has left that was killed some time ago.
func leftFolder(t *testing.T, temp, name string, files ...string) string {
	t.Helper()
	dir := filepath.Join(temp, name)
	require.NoError(t, os.Mkdir(dir, 0o700))
	for _, f := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, f), []byte("password"), 0o600))
	}
	when := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(dir, when, when))
	return dir
}

// The next process removes what killed ones have left, and nothing else.
func TestSweep(t *testing.T) {
	t.Parallel()
	temp := t.TempDir()
	dead := leftFolder(t, temp, playbookFolders+"op-1.1-1", lockFile, startedFile, "vars.json")
	deadPlugins := leftFolder(t, temp, pluginFolders+"1", lockFile)
	kept := leftFolder(t, temp, playbookFolders+"op-2.1-1", lockFile, keptFile)
	foreign := leftFolder(t, temp, playbookFolders+"mine", "photo.jpg")
	used := leftFolder(t, temp, playbookFolders+"op-3.1-1", lockFile)
	lock, err := os.OpenFile(filepath.Join(used, lockFile), os.O_RDWR, 0)
	require.NoError(t, err)
	defer lock.Close()
	require.True(t, tryLock(lock))
	young, younger, err := newFolder(temp, playbookFolders)
	require.NoError(t, err)
	require.NoError(t, younger.Close()) // as by a process that was killed just now

	d, err := New(Config{TempDir: temp})
	require.NoError(t, err)
	d.sweep()
	require.NoDirExists(t, dead)
	require.NoDirExists(t, deadPlugins)
	for _, dir := range []string{kept, foreign, used, young} {
		require.DirExists(t, dir)
	}
}

// A playbook whose process was killed is lost once it was begun. While a process
// of it lives, Recover waits.
func TestRecover(t *testing.T) {
	t.Parallel()
	temp := t.TempDir()
	d, err := New(Config{TempDir: temp})
	require.NoError(t, err)
	op := func(id string) *executor.Operation { return &executor.Operation{ID: id, Attempt: 1} }
	begun := leftFolder(t, temp, playbookFolders+"begun.1-1", lockFile, startedFile)
	unbegun := leftFolder(t, temp, playbookFolders+"unbegun.1-1", lockFile)
	for id, want := range map[string]executor.OperationState{"begun": executor.Lost, "unbegun": executor.NotStarted, "other": executor.Lost} {
		s, err := d.Recover(t.Context(), op(id))
		require.NoError(t, err)
		require.Equal(t, want, s.State, id)
	}
	require.NoDirExists(t, begun)
	require.NoDirExists(t, unbegun)

	// The lock is in a process that lives, as a playbook's whose orchestrator was killed.
	running, lock, err := newFolder(temp, playbookFolders+"running.1-")
	require.NoError(t, err)
	playbook := exec.Command("sleep", "300")
	playbook.ExtraFiles = []*os.File{lock}
	require.NoError(t, playbook.Start())
	require.NoError(t, lock.Close())
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err = d.Recover(ctx, op("running"))
	require.ErrorContains(t, err, "the playbook still runs")
	require.DirExists(t, running)
	require.NoError(t, playbook.Process.Kill())
	require.Error(t, playbook.Wait())
	_, err = d.Recover(t.Context(), op("running"))
	require.NoError(t, err)
	require.NoDirExists(t, running)
}
