//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package ansible

import (
	"os"
	"syscall"
)

// tryLock locks a file as long as it is open here or in a process that has
// inherited it; false if it is locked by another one.
func tryLock(f *os.File) bool {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}

// ownedByUs tells that a file belongs to the account of this process.
func ownedByUs(info os.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(s.Uid) == os.Geteuid()
}
