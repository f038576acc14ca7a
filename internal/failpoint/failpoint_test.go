package failpoint

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// These tests arm the one thing of the process, so they are not parallel.

func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range All() {
		require.NotEmpty(t, p.String(), "point %d has no name", p)
		require.False(t, seen[p.String()], p.String())
		seen[p.String()] = true
		parsed, n, err := Parse(p.String() + "=3")
		require.NoError(t, err)
		require.Equal(t, p, parsed)
		require.Equal(t, 3, n)
	}
	require.Len(t, seen, int(points))
	require.Equal(t, "failpoint(200)", Point(200).String())
}

func TestParse(t *testing.T) {
	p, n, err := Parse("after-start")
	require.NoError(t, err)
	require.Equal(t, AfterStart, p)
	require.Equal(t, 1, n)
	for _, wrong := range []string{"", "after", "after-start=", "after-start=0", "after-start=x"} {
		_, _, err := Parse(wrong)
		require.Error(t, err, wrong)
	}
}

func TestArm(t *testing.T) {
	defer Arm(0, 0, nil)
	done := 0
	Arm(BeforeCommit, 2, func() { done++ })
	for range 3 {
		Pass(BeforeCommit)
		Pass(AfterCommit)
	}
	require.Equal(t, 1, done, "once, at the second pass")
	Arm(AfterCommit, 1, nil)
	Pass(AfterCommit)
	require.Equal(t, 1, done)
}

func TestKill(t *testing.T) {
	const child = "ORCHESTRATOR_TEST_KILL_SELF"
	if os.Getenv(child) != "" {
		Arm(AfterStart, 1, Kill)
		Pass(AfterStart)
		os.Exit(3)
	}
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe, "-test.run=^TestKill$")
	cmd.Env = append(os.Environ(), child+"=1")
	var ended *exec.ExitError
	require.True(t, errors.As(cmd.Run(), &ended))
	status, ok := ended.Sys().(syscall.WaitStatus)
	require.True(t, ok)
	require.Equal(t, syscall.SIGKILL, status.Signal())
}

func BenchmarkPass(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Pass(BeforeCommit)
	}
}
