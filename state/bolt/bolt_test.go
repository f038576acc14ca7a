package bolt_test

import (
	"path/filepath"
	"testing"

	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/bolt"
	"github.com/seed-a4fd30b5/orchestrator/state/statetest"
	"github.com/stretchr/testify/require"
)

// harness opens a store in a folder of its own.
func harness(cfg bolt.Config) func(testing.TB) *statetest.Harness {
	return func(t testing.TB) *statetest.Harness {
		clock := statetest.NewClock()
		cfg := cfg
		cfg.Now = clock.Now
		path := filepath.Join(t.TempDir(), "state.db")
		var s *bolt.Store
		reopen := func() state.Store {
			var err error
			s, err = bolt.Open(path, cfg)
			require.NoError(t, err)
			return s
		}
		h := &statetest.Harness{Store: reopen(), Advance: clock.Advance}
		h.Syncs = func() uint64 { return s.Stats().Syncs }
		h.Reopen = func() state.Store {
			require.NoError(t, h.Store.Close())
			return reopen()
		}
		return h
	}
}

func TestStore(t *testing.T) {
	t.Parallel()
	statetest.Run(t, harness(bolt.Config{NoSync: true}))
}

func BenchmarkStore(b *testing.B) { statetest.RunBenchmarks(b, harness(bolt.Config{})) }
