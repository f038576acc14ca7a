package hpc_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
)

func TestParseWalltime(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"01:30:00": 90 * time.Minute, "2-00:00:00": 48 * time.Hour, "10:00": 10 * time.Minute, "90 min": 90 * time.Minute,
		"1.5h": 90 * time.Minute, "30 s": 30 * time.Second, "1 d": 24 * time.Hour, "100:00:00": 100 * time.Hour,
		"": 0, "soon": 0, "10": 0, "00:00:00": 0, "-1:00": 0, "1:2:3:4": 0, "1-2": 0, "5 weeks": 0, "9999999999999 d": 0,
	} {
		got, err := hpc.ParseWalltime(text)
		require.Equal(t, want, got, text)
		require.Equal(t, want == 0, err != nil, text)
	}
}

func TestParseMemory(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"4 GiB": 4 << 30, "4G": 4 << 30, "4 GB": 4e9, "500M": 500 << 20, "1024": 1024, "1.5 KiB": 1536,
		"": 0, "much": 0, "-4G": 0, "0": 0, "4 PB": 0, "99999999999999999999G": 0,
	} {
		got, err := hpc.ParseMemory(text)
		require.Equal(t, want, got, text)
		require.Equal(t, want == 0, err != nil, text)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"01:30:00", "2-00:00:00", "90 min", "4 GiB", "1.5h", "::"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := hpc.ParseWalltime(s); err == nil && d <= 0 {
			t.Errorf("%q: %v", s, d)
		}
		if n, err := hpc.ParseMemory(s); err == nil && n <= 0 {
			t.Errorf("%q: %d", s, n)
		}
	})
}
