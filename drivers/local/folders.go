package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

const (
	// keepEnded is how long the outcome of an operation is kept that nobody has
	// asked for.
	keepEnded = 7 * 24 * time.Hour
	// trusted is for how long it means something that an operation has no
	// folder: systems remove old files from the folder for temporary ones.
	trusted = 2 * 24 * time.Hour
	// settled is how long a folder must have been left alone before sweep looks at it.
	settled = time.Minute
)

// folders is where those of the operations lie: below the folder for temporary
// files, one for each account and each start of the machine. What an earlier
// start of the machine has left is known to be over, and not how it ended.
type folders struct {
	account, boot string // the paths; boot is in account
	sweeping      sync.Once
}

func newFolders(workDir string) *folders {
	if workDir == "" {
		workDir = os.TempDir()
	}
	if abs, err := filepath.Abs(workDir); err == nil {
		workDir = abs
	}
	account := filepath.Join(workDir, "orchestrator-local-"+strconv.Itoa(os.Geteuid()))
	return &folders{account: account, boot: filepath.Join(account, "boot-"+bootID())}
}

// bootID is another one after each start of the machine; "unknown" where the
// system does not say.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if text := strings.TrimSpace(string(id)); err == nil && text != "" && !strings.ContainsAny(text, "/\\") {
		return text
	}
	return "unknown"
}

// remembers tells that outcomes and absence can be trusted at all.
func (f *folders) remembers() bool { return survives && !strings.HasSuffix(f.boot, "-unknown") }

// make makes the folder, and notes since when it has been there.
func (f *folders) make() error {
	err := f.private()
	if err == nil {
		_, err = os.Lstat(f.sinceFile())
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = f.create()
	}
	if err != nil {
		return &errs.Error{Code: errs.FailedPrecondition, Op: "make a folder for operations in", Subject: filepath.Dir(f.account), Err: err,
			Hint: "it must belong to this account and be closed to others; remove it, or set another WorkDir"}
	}
	return nil
}

// private tells why the folder of the account, if it is there, may not be used:
// others may write to the folder for temporary files, and may have been first.
func (f *folders) private() error {
	info, err := os.Lstat(f.account)
	if err != nil {
		return err
	}
	if !info.IsDir() || !ownedByUs(info) || survives && info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s is not a folder of this account alone", f.account)
	}
	return nil
}

func (f *folders) create() error {
	if err := os.Mkdir(f.account, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := f.private(); err != nil {
		return err
	}
	if err := os.Mkdir(f.boot, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	note, err := os.CreateTemp(f.account, "since-")
	if err != nil {
		return err
	}
	_, err = note.WriteString(time.Now().UTC().Format(time.RFC3339Nano) + "\n")
	if err = errors.Join(err, note.Close()); err == nil {
		// Of several processes the first one wins.
		if err = os.Link(note.Name(), f.sinceFile()); errors.Is(err, fs.ErrExist) {
			err = nil
		} else if err != nil && !survives {
			err = os.Rename(note.Name(), f.sinceFile())
		}
	}
	_ = os.Remove(note.Name())
	return err
}

func (f *folders) sinceFile() string { return filepath.Join(f.boot, "since") }

// since is when the folder was made; zero while it is not there.
func (f *folders) since() time.Time {
	text, err := os.ReadFile(f.sinceFile())
	if err != nil {
		return time.Time{}
	}
	since, _ := time.Parse(time.RFC3339Nano, strings.TrimSpace(string(text)))
	return since
}

// neverBegan tells what it means that an operation has no folder: the folders
// were there before the operation could begin, so it did not.
func (f *folders) neverBegan(op *executor.Operation) bool {
	since := f.since()
	return f.remembers() && !since.IsZero() && !op.Began.Before(since) && time.Since(op.Began) < trusted
}

// of is the folder of an operation's attempt.
func (f *folders) of(op *executor.Operation) layout {
	return layout{filepath.Join(f.boot, op.ID+"."+strconv.Itoa(op.Attempt))}
}

// sweep removes, once, what processes have left that were killed: all of
// earlier starts of the machine, inputs and files of scripts that have ended, and
// outcomes that nobody has asked for.
func (f *folders) sweep() {
	f.sweeping.Do(func() {
		for _, path := range children(f.account) {
			if path != f.boot && old(path, settled) {
				_ = os.RemoveAll(path)
			}
		}
		for _, path := range children(f.boot) {
			if path != f.sinceFile() && old(path, settled) {
				layout{path}.sweep()
			}
		}
	})
}

func (l layout) sweep() {
	lock, err := os.OpenFile(l.file("lock"), os.O_RDWR, 0)
	if err == nil {
		defer lock.Close()
		if free, err := tryLock(lock); !free || err != nil {
			return // it goes on
		}
	}
	if old(l.dir, keepEnded) {
		_ = os.RemoveAll(l.dir)
		return
	}
	l.strip()
}

// strip removes what is of no use when the script has ended.
func (l layout) strip() {
	_ = os.Remove(l.file("inputs.json"))
	_ = os.RemoveAll(l.work())
}

func children(dir string) []string {
	entries, _ := os.ReadDir(dir)
	paths := make([]string, len(entries))
	for i, e := range entries {
		paths[i] = filepath.Join(dir, e.Name())
	}
	return paths
}

// old tells that nothing was made or removed in a folder for some time.
func old(path string, age time.Duration) bool {
	info, err := os.Lstat(path)
	return err == nil && time.Since(info.ModTime()) > age
}
