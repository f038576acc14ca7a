package ansible

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// The folders of this driver, in Config.TempDir. Each has a file "lock", which
// is locked as long as the process lives that made it, or a playbook that runs
// in a process of its own: what is not locked was left by one that was killed.
const (
	pluginFolders   = "orchestrator-ansible-"
	playbookFolders = "orchestrator-playbook-"
	lockFile        = "lock"
	// startedFile is in the folder of a playbook that was begun.
	startedFile = "started"
	// keptFile is in a folder that Config.KeepFiles leaves.
	keptFile = "kept"
	// settled is how old a folder is that must have its lock.
	settled = time.Minute
	// askAgain is how often Recover looks whether a playbook has ended.
	askAgain = 100 * time.Millisecond
)

// newFolder makes a folder that only this user can read, and locks it.
func newFolder(tempDir, prefix string) (dir string, lock *os.File, err error) {
	if dir, err = os.MkdirTemp(tempDir, prefix); err != nil {
		return "", nil, err
	}
	lock, err = os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", nil, errors.Join(err, os.Remove(dir))
	}
	tryLock(lock) // where it does not work, the folder is just not removed by others
	return dir, lock, nil
}

// abandoned tells that whoever made a folder is gone. One without a lock file
// says nothing.
func abandoned(dir string) bool {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() || !ownedByUs(info) {
		return false
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer lock.Close()
	return tryLock(lock)
}

// sweep removes what killed processes have left in the folder for temporary
// files: their folders may hold inputs and keys in clear.
func (d *Driver) sweep() {
	for _, prefix := range []string{pluginFolders, playbookFolders} {
		found, _ := filepath.Glob(filepath.Join(d.tempDir(), prefix+"*"))
		for _, dir := range found {
			info, err := os.Lstat(dir)
			if err != nil || time.Since(info.ModTime()) < settled || !abandoned(dir) {
				continue
			}
			if _, err := os.Lstat(filepath.Join(dir, keptFile)); errors.Is(err, os.ErrNotExist) {
				d.cfg.Logger.Info("removing what a killed process has left", "folder", dir)
				_ = os.RemoveAll(dir)
			}
		}
	}
}

func (d *Driver) tempDir() string {
	if d.cfg.TempDir != "" {
		return d.cfg.TempDir
	}
	return os.TempDir()
}

// Recover tells what became of a playbook whose process was killed: Ansible
// leaves no outcome, so it is lost once it was begun. Recover waits for the end
// of one that still runs, so that the playbook is not run twice at once, and
// removes its files.
func (d *Driver) Recover(ctx context.Context, op *executor.Operation) (executor.Status, error) {
	found, _ := filepath.Glob(filepath.Join(d.tempDir(), playbookFolders+folderName(op)+"-*"))
	state := executor.NotStarted
	if len(found) == 0 {
		state = executor.Lost
	}
	for _, dir := range found {
		if err := d.awaitEnd(ctx, dir); err != nil {
			return executor.Status{}, err
		}
		if _, err := os.Lstat(filepath.Join(dir, startedFile)); err == nil {
			state = executor.Lost
		}
		if !d.cfg.KeepFiles {
			_ = os.RemoveAll(dir)
		}
	}
	return executor.Status{State: state}, nil
}

// awaitEnd waits until nobody has the folder.
func (d *Driver) awaitEnd(ctx context.Context, dir string) error {
	tick := time.NewTicker(askAgain)
	defer tick.Stop()
	for {
		if abandoned(dir) {
			return nil
		}
		if _, err := os.Lstat(filepath.Join(dir, lockFile)); errors.Is(err, os.ErrNotExist) {
			return nil // it was removed, or its process was killed before it had a lock
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errs.New(errs.CodeOf(ctx.Err()), "wait for", dir, "the playbook still runs: %w", ctx.Err())
		}
	}
}

// folderName is the part of a folder's name that tells the operation.
func folderName(op *executor.Operation) string { return fmt.Sprintf("%s.%d", op.ID, op.Attempt) }
