package lab

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// RequireVariable is the environment variable that turns a skip for a missing
// service into a failure when it is "1".
const RequireVariable = "ORCHESTRATOR_REQUIRE_SERVICES"

// Required tells whether a missing service fails a test instead of skipping it.
func Required() bool { return os.Getenv(RequireVariable) == "1" }

// systemFolders are searched behind PATH: servers such as sshd lie where an
// ordinary user's PATH does not lead.
var systemFolders = []string{"/usr/local/sbin", "/usr/sbin", "/sbin"}

// Require returns the absolute path of a program such as "sshd". Where it is
// missing, the test is skipped, or fails when Required.
func Require(t testing.TB, program string) string {
	t.Helper()
	if path := find(program); path != "" {
		return path
	}
	Missing(t, program, "install it, or add its folder to PATH")
	return ""
}

// Missing ends a test that cannot run because what it needs is not there: a
// skip that names it, or a failure when Required. Hint says what to do.
func Missing(t testing.TB, what, hint string) {
	t.Helper()
	if Required() {
		t.Fatalf("%s is missing and %s=1: %s", what, RequireVariable, hint)
	}
	t.Skipf("needs %s: %s", what, hint)
}

func find(program string) string {
	path, err := exec.LookPath(program)
	if err == nil {
		if abs, err := filepath.Abs(path); err == nil {
			return abs
		}
		return path
	}
	if filepath.Base(program) != program {
		return ""
	}
	for _, dir := range systemFolders {
		path := filepath.Join(dir, program)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}
