package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// recorder stands for a test and notes how it ended.
type recorder struct {
	testing.TB
	skipped, failed string
}

func (r *recorder) Helper() {}

func (r *recorder) Skipf(format string, args ...any) {
	r.skipped = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.failed = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// run calls Require as a test would and returns what became of it.
func run(t *testing.T, program string) (path string, r *recorder) {
	t.Helper()
	r = &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		path = Require(r, program)
	}()
	<-done
	return path, r
}

// These tests set environment variables, so they are not parallel.

func TestRequireFindsProgram(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "my-service")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	if path, r := run(t, "my-service"); path != program || r.skipped != "" || r.failed != "" {
		t.Fatalf("got path %q, skipped %q, failed %q", path, r.skipped, r.failed)
	}
}

func TestRequireWithoutProgram(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	tests := []struct {
		name, program, required string
		skipped, failed         string
	}{
		{"skips by name", "no-such-service", "",
			"needs no-such-service: install it, or add its folder to PATH", ""},
		{"only 1 requires", "no-such-service", "0",
			"needs no-such-service: install it, or add its folder to PATH", ""},
		{"fails where services are required", "no-such-service", "1",
			"", "no-such-service is missing and ORCHESTRATOR_REQUIRE_SERVICES=1: install it, or add its folder to PATH"},
		{"a path is not looked for elsewhere", "/nowhere/sshd", "",
			"needs /nowhere/sshd: install it, or add its folder to PATH", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv(RequireVariable, tt.required)
			path, r := run(t, tt.program)
			if path != "" || r.skipped != tt.skipped || r.failed != tt.failed {
				t.Fatalf("got path %q, skipped %q, failed %q", path, r.skipped, r.failed)
			}
		})
	}
}
