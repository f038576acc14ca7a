package executor

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// granted collects the slots that were granted, by name.
type granted struct {
	names []string
	slots map[string]*slot
}

func (g *granted) ask(l *line, name string, at place) {
	if g.slots == nil {
		g.slots = map[string]*slot{}
	}
	l.request(at, func(s *slot) { g.names = append(g.names, name); g.slots[name] = s })
}

func TestLimitsOfWorkers(t *testing.T) {
	t.Parallel()
	l := newLimits(2, 0, nil)
	var g granted
	run := l.newLine(0)
	for _, name := range []string{"a", "b", "c", "d"} {
		g.ask(run, name, place{"local", ""})
	}
	require.Equal(t, []string{"a", "b"}, g.names)
	g.slots["a"].releaseWorker()
	require.Equal(t, []string{"a", "b", "c"}, g.names, "an operation that goes on by itself holds no worker")
	g.slots["a"].release()
	require.Equal(t, []string{"a", "b", "c"}, g.names, "a worker is given back once")
	g.slots["b"].release()
	require.Equal(t, []string{"a", "b", "c", "d"}, g.names)
}

func TestLimitsOfPlaces(t *testing.T) {
	t.Parallel()
	l := newLimits(10, 1, map[string]int{"slurm": 2})
	var g granted
	run := l.newLine(0)
	g.ask(run, "x1", place{"ssh", "x"})
	g.ask(run, "x2", place{"ssh", "x"})
	g.ask(run, "y1", place{"ssh", "y"})
	g.ask(run, "here1", place{"local", ""})
	g.ask(run, "here2", place{"local", ""})
	g.ask(run, "s1", place{"slurm", ""})
	g.ask(run, "s2", place{"slurm", ""})
	g.ask(run, "s3", place{"slurm", ""})
	require.Equal(t, []string{"x1", "y1", "here1", "here2", "s1", "s2"}, g.names)
	g.slots["x1"].releaseWorker()
	g.slots["s1"].releaseWorker()
	require.Len(t, g.names, 6, "a place is held until the end")
	g.slots["x1"].release()
	g.slots["s1"].release()
	require.Equal(t, []string{"x2", "s3"}, g.names[6:])
}

// A small run gets its turn however long the line of a large one is.
func TestLimitsAreFair(t *testing.T) {
	t.Parallel()
	l := newLimits(1, 0, nil)
	var g granted
	large, small := l.newLine(0), l.newLine(0)
	for range 100 {
		g.ask(large, "large", place{})
	}
	g.ask(small, "small", place{})
	for range 2 {
		g.slots[g.names[len(g.names)-1]].release()
	}
	require.Contains(t, g.names, "small")
}

func TestLimitsOfOneRun(t *testing.T) {
	t.Parallel()
	l := newLimits(1, 0, nil)
	var g granted
	shared, own := l.newLine(0), l.newLine(2)
	for _, name := range []string{"a", "b"} {
		g.ask(shared, name, place{})
	}
	for _, name := range []string{"x", "y", "z"} {
		g.ask(own, name, place{})
	}
	require.Equal(t, []string{"a", "x", "y"}, g.names)
	g.slots["x"].release()
	require.Equal(t, []string{"a", "x", "y", "z"}, g.names)
	g.slots["a"].release()
	require.Equal(t, "b", g.names[4])
}

// A run that ends gives back what it holds, also what it was granted and never noticed.
func TestLimitsAreGivenBack(t *testing.T) {
	t.Parallel()
	l := newLimits(1, 1, nil)
	var g granted
	first, second := l.newLine(0), l.newLine(0)
	g.ask(first, "a", place{"ssh", "x"})
	g.ask(first, "b", place{"ssh", "x"})
	seized := second.seize(place{"ssh", "y"})
	g.ask(second, "c", place{"ssh", "x"})
	first.close()
	require.Equal(t, []string{"a", "c"}, g.names)
	g.slots["a"].release()
	require.Equal(t, 1, l.used)
	seized.release()
	second.close()
	require.Zero(t, l.used)
	require.Empty(t, l.hosts)
	require.Empty(t, l.drivers)
	g.ask(first, "late", place{})
	require.False(t, slices.Contains(g.names, "late"))
}
