//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package bolt

import (
	"os"
	"syscall"
)

// abandon closes a file that bbolt panicked over while opening it. The lock
// must be taken off by hand: the mapping, which nobody can undo now, would keep
// it until the process ends.
func abandon(f *os.File) {
	_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
	_ = f.Close()
}
