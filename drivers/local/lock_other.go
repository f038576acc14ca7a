//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package local

import "os"

// survives tells that scripts run behind wrapper. Here they do not: nobody knows
// how a script ended that outlived this process.
const survives = false

func tryLock(*os.File) (bool, error) { return true, nil }

func ownedByUs(os.FileInfo) bool { return true }
