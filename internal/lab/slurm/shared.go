package slurm

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/lab"
)

// shared is the cluster of the test binary.
var shared struct {
	once    sync.Once
	dir     string
	cluster *Cluster
	err     error
}

// Main runs the tests of a binary and stops the cluster that they shared.
func Main(m *testing.M) int {
	defer func() {
		if shared.cluster != nil {
			shared.cluster.Stop()
		}
		if shared.dir != "" {
			_ = os.RemoveAll(shared.dir)
		}
	}()
	return m.Run()
}

// Shared returns the cluster that all tests of the binary share, and starts it
// at the first call. The binary's TestMain calls Main. Where Slurm is missing
// the test is skipped, or fails: see lab.Require. Tests that stop daemons or
// kill nodes must not run beside others.
func Shared(t testing.TB) *Cluster {
	t.Helper()
	Require(t)
	shared.once.Do(func() {
		if shared.dir, shared.err = os.MkdirTemp("", "slurm-lab-"); shared.err != nil {
			return
		}
		if shared.err = os.Chmod(shared.dir, 0o755); shared.err != nil { // other accounts use it
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
		defer cancel()
		shared.cluster, shared.err = Start(ctx, shared.dir, Options{})
	})
	if shared.err != nil {
		t.Fatal(fmt.Errorf("start the Slurm cluster: %w", shared.err))
	}
	return shared.cluster
}

// Require ends a test where the machine cannot run the cluster.
func Require(t testing.TB) {
	t.Helper()
	switch what := missing(); {
	case os.Geteuid() != 0:
		lab.Missing(t, "root", "Slurm's daemons change their user")
	case what != "":
		lab.Missing(t, what, "install slurmctld slurmd slurm-client slurmdbd slurmrestd slurm-wlm-jwt-plugin munge mariadb-server")
	}
}
