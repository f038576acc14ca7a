package executor

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seed-a4fd30b5/orchestrator/workflow"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// steps makes steps a, b, c, ... of a text such as "a; b<a; c<a,b; d<b!c": b
// comes after a, d after b or when c failed.
func steps(text string) []*workflow.Step {
	var list []*workflow.Step
	for part := range strings.SplitSeq(text, ";") {
		part = strings.TrimSpace(part)
		s := &workflow.Step{ID: part[:1], Kind: workflow.Join}
		edges := &s.After
		for _, c := range part[1:] {
			switch c {
			case '<', ',':
			case '!':
				edges = &s.OnFailure
			default:
				*edges = append(*edges, int(c-'a'))
			}
		}
		list = append(list, s)
	}
	return list
}

func TestProgress(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		steps, failing string
		// order is the steps in the order in which they were taken, skipped
		// those skipped with "step:cause".
		order, skipped string
	}{
		"a chain":                                {"a; b<a; c<b", "", "abc", ""},
		"a diamond":                              {"a; b<a; c<a; d<b,c", "", "abcd", ""},
		"independent ones come in order":         {"a; b; c", "", "abc", ""},
		"consequences of a failure":              {"a; b<a; c<b; d", "a", "ad", "b:a c:a"},
		"half of a diamond":                      {"a; b<a; c<a; d<b,c", "b", "abc", "d:b"},
		"two causes tell the first":              {"a; b; c<a,b", "ab", "ab", "c:a"},
		"on failure":                             {"a; b!a", "a", "ab", ""},
		"no failure":                             {"a; b!a", "", "a", "b:-"},
		"what follows a handler that is skipped": {"a; b!a; c<b", "", "a", "b:- c:-"},
		"a handler that is after another step":   {"a; b; c<b!a", "a", "abc", ""},
		"a handler of what is skipped":           {"a; b<a; c!b", "a", "a", "b:a c:-"},
		"either way":                             {"a; b<a; c<b!a", "", "abc", ""},
		"either way, failing":                    {"a; b<a; c<b!a", "a", "ac", "b:a"},
		"a handler that fails":                   {"a; b!a; c<b", "ab", "ab", "c:b"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProgress(steps(c.steps))
			order, skips := "", []string{}
			skip := func(step, cause int) {
				by := "-"
				if cause >= 0 {
					by = p.steps[cause].ID
				}
				skips = append(skips, p.steps[step].ID+":"+by)
			}
			for {
				i, ok := p.take()
				if !ok {
					break
				}
				id := p.steps[i].ID
				order += id
				if strings.Contains(c.failing, id) {
					p.fail(i, skip)
				} else {
					p.succeed(i, skip)
				}
			}
			require.Equal(t, c.order, order)
			require.Equal(t, c.skipped, strings.Join(skips, " "))
			require.True(t, p.idle())
			require.Zero(t, p.count[pending])
		})
	}
}

// A random graph with random failures, taken in random order, is compared with
// the rules of workflow.Step applied naively.
func TestProgressFollowsTheRules(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		list := randomSteps(t)
		failing := rapid.SliceOfN(rapid.Float64Range(0, 1), len(list), len(list)).Draw(t, "failing")
		p := newProgress(list)
		taken := map[int]bool{}
		var open []int
		skip := func(step, cause int) { require.False(t, taken[step], "a step was taken and skipped") }
		for {
			for {
				i, ok := p.take()
				if !ok {
					break
				}
				require.False(t, taken[i], "taken twice")
				taken[i] = true
				requireMayBegin(t, p, i)
				open = append(open, i)
			}
			if len(open) == 0 {
				break
			}
			k := rapid.IntRange(0, len(open)-1).Draw(t, "which ends")
			i := open[k]
			open = append(open[:k], open[k+1:]...)
			if failing[i] < 0.2 {
				p.fail(i, skip)
			} else {
				p.succeed(i, skip)
			}
		}
		require.True(t, p.idle())
		require.Zero(t, p.count[pending], "steps that never begin and are never skipped")
		for i := range list {
			require.Equal(t, mayEverBegin(p, i), taken[i], "step %d", i)
		}
	})
}

func randomSteps(t *rapid.T) []*workflow.Step {
	n := rapid.IntRange(1, 30).Draw(t, "steps")
	list := make([]*workflow.Step, n)
	for i := range list {
		s := &workflow.Step{ID: fmt.Sprint(i), Kind: workflow.Join}
		for j := range i {
			switch rapid.IntRange(0, 8).Draw(t, "edge") {
			case 0, 1:
				s.After = append(s.After, j)
			case 2:
				s.OnFailure = append(s.OnFailure, j)
			}
		}
		list[i] = s
	}
	return list
}

func requireMayBegin(t require.TestingT, p *progress, i int) {
	require.True(t, mayEverBegin(p, i), "step %s began too early", p.steps[i].ID)
}

// mayEverBegin applies the rule of workflow.Step to the phases as they are.
func mayEverBegin(p *progress, i int) bool {
	s := p.steps[i]
	if len(s.After) == 0 && len(s.OnFailure) == 0 {
		return true
	}
	all := len(s.After) > 0
	for _, a := range s.After {
		all = all && p.phase[a] == succeeded
	}
	for _, f := range s.OnFailure {
		all = all || p.phase[f] == failed
	}
	return all
}

func TestProgressRestores(t *testing.T) {
	t.Parallel()
	// c was done, so a and b were too, although only c was recorded.
	p := newProgress(steps("a; b<a; c<b; d<c; e; f<e"))
	p.restore(func(i int) bool { return p.steps[i].ID == "c" })
	var left []string
	for {
		i, ok := p.take()
		if !ok {
			break
		}
		left = append(left, p.steps[i].ID)
		p.succeed(i, func(int, int) {})
	}
	require.ElementsMatch(t, []string{"d", "e", "f"}, left)
}

func BenchmarkProgress(b *testing.B) {
	const n = 100_000
	list := make([]*workflow.Step, n)
	for i := range list {
		list[i] = &workflow.Step{ID: fmt.Sprint(i)}
		for _, d := range []int{1, 7, 50} {
			if i >= d {
				list[i].After = append([]int{i - d}, list[i].After...)
			}
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		p := newProgress(list)
		for {
			i, ok := p.take()
			if !ok {
				break
			}
			p.succeed(i, nil)
		}
		if p.count[succeeded] != n {
			b.Fatal("not all steps were taken")
		}
	}
}
