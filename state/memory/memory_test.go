package memory_test

import (
	"testing"

	"github.com/seed-a4fd30b5/orchestrator/state/memory"
	"github.com/seed-a4fd30b5/orchestrator/state/statetest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(testing.TB) *statetest.Harness {
	clock := statetest.NewClock()
	return &statetest.Harness{Store: memory.New(memory.Config{Now: clock.Now}), Advance: clock.Advance}
}

func TestStore(t *testing.T) {
	t.Parallel()
	statetest.Run(t, open)
}

func BenchmarkStore(b *testing.B) { statetest.RunBenchmarks(b, open) }
