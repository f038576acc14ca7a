package workflow

import (
	"container/heap"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
)

// order returns the node templates so that each comes behind the targets of its
// requirements; among those that could come next, the one declared first does.
// A cycle is an error that names its nodes.
func order(t *tosca.ServiceTemplate) ([]*tosca.NodeTemplate, error) {
	index := make(map[*tosca.NodeTemplate]int, len(t.Nodes))
	for i, n := range t.Nodes {
		index[n] = i
	}
	waiting := make([]int, len(t.Nodes))
	sources := make([][]int, len(t.Nodes))
	for i, n := range t.Nodes {
		for _, r := range n.Requirements {
			if j, ok := index[r.Target]; ok {
				waiting[i]++
				sources[j] = append(sources[j], i)
			}
		}
	}
	ready := &intHeap{}
	for i, w := range waiting {
		if w == 0 {
			*ready = append(*ready, i) // ascending, so already a heap
		}
	}
	ordered := make([]*tosca.NodeTemplate, 0, len(t.Nodes))
	for ready.Len() > 0 {
		i := heap.Pop(ready).(int)
		ordered = append(ordered, t.Nodes[i])
		for _, s := range sources[i] {
			if waiting[s]--; waiting[s] == 0 {
				heap.Push(ready, s)
			}
		}
	}
	if len(ordered) < len(t.Nodes) {
		return nil, &errs.Error{
			Code: errs.InvalidArgument, Op: "plan", Subject: t.File,
			Err:  errs.New(errs.InvalidArgument, "", "", "requirements form a cycle: %s", strings.Join(cycle(t, waiting, index), " -> ")),
			Hint: "remove one of these requirements",
		}
	}
	return ordered, nil
}

// cycle names the nodes of one cycle among those that still wait, beginning and
// ending with the same.
func cycle(t *tosca.ServiceTemplate, waiting []int, index map[*tosca.NodeTemplate]int) []string {
	at := 0
	for waiting[at] == 0 {
		at++
	}
	var path []int
	seen := map[int]int{}
	for {
		if from, ok := seen[at]; ok {
			path = append(path[from:], at)
			break
		}
		seen[at] = len(path)
		path = append(path, at)
		for _, r := range t.Nodes[at].Requirements {
			// A node that waits has a target that waits.
			if j, ok := index[r.Target]; ok && waiting[j] > 0 {
				at = j
				break
			}
		}
	}
	names := make([]string, len(path))
	for i, n := range path {
		names[i] = t.Nodes[n].Name
	}
	return names
}

// intHeap is a heap of integers with the least on top.
type intHeap []int

func (h intHeap) Len() int           { return len(h) }
func (h intHeap) Less(i, j int) bool { return h[i] < h[j] }
func (h intHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *intHeap) Push(x any)        { *h = append(*h, x.(int)) }
func (h *intHeap) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}
