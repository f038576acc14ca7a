package tosca

import (
	"maps"
	"slices"
	"unicode/utf8"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// maxCandidates is how many names are looked at for a suggestion.
const maxCandidates = 5000

// nearest returns the candidate that name was probably meant to be, or "".
func nearest(name string, candidates []string) string {
	if len(name) > 200 {
		return ""
	}
	if len(candidates) > maxCandidates {
		candidates = candidates[:maxCandidates]
	}
	limit := max(1, utf8.RuneCountInString(name)/3)
	best, bestAt := "", limit+1
	m := edits{name: []rune(name)}
	for _, c := range candidates {
		if diff := len(c) - len(name); diff > 3*bestAt || -diff > 3*bestAt || c == name {
			continue
		}
		if at := m.distance(c, bestAt); at < bestAt || at == bestAt && at <= limit && c < best {
			best, bestAt = c, at
		}
	}
	return best
}

// edits counts edits between one name and others; it keeps its rows of the
// table between calls.
type edits struct {
	name, other      []rune
	older, prev, cur []int
}

// distance is the number of edits (insert, delete, replace, swap of
// neighbours) between the name and another, or something beyond limit where
// there are more.
func (m *edits) distance(other string, limit int) int {
	m.other = m.other[:0]
	for _, r := range other {
		m.other = append(m.other, r)
	}
	x, y := m.name, m.other
	if d := len(x) - len(y); d > limit || -d > limit {
		return limit + 1
	}
	for len(m.cur) <= len(y) {
		m.older, m.prev, m.cur = append(m.older, 0), append(m.prev, 0), append(m.cur, 0)
	}
	older, prev, cur := m.older, m.prev, m.cur
	for j := range len(y) + 1 {
		prev[j] = j
	}
	for i := 1; i <= len(x); i++ {
		cur[0] = i
		low := i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				cur[j] = min(cur[j], older[j-2]+1)
			}
			low = min(low, cur[j])
		}
		if low > limit {
			return limit + 1
		}
		older, prev, cur = prev, cur, older
	}
	return prev[len(y)]
}

// ordered is a list of named things in which a later one replaces an earlier
// one of the same name at its place. It never changes the list it began with.
type ordered[T any] struct {
	list  []T
	index map[string]int
}

func newOrdered[T any](inherited []T, name func(T) string) *ordered[T] {
	o := &ordered[T]{list: slices.Clone(inherited), index: make(map[string]int, len(inherited))}
	for i, item := range inherited {
		o.index[name(item)] = i
	}
	return o
}

func (o *ordered[T]) get(name string) (item T, ok bool) {
	i, ok := o.index[name]
	if !ok {
		return item, false
	}
	return o.list[i], true
}

func (o *ordered[T]) set(name string, item T) {
	if i, ok := o.index[name]; ok {
		o.list[i] = item
		return
	}
	o.index[name] = len(o.list)
	o.list = append(o.list, item)
}
