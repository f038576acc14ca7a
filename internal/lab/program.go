package lab

import (
	"os"
	"syscall"
	"testing"
)

// WriteProgram writes a script that a test executes by its path. A process that
// another goroutine forks meanwhile would have the file open for writing until it
// execs, and Linux refuses to execute such a file (go.dev/issue/22315).
func WriteProgram(t testing.TB, path, text string) {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}
