package tosca

import (
	"slices"
	"strings"
)

// workflowCircles reports workflows that could never be run: those whose steps
// lead back to themselves, and those that run each other without end.
//
// Source: TOSCA 1.3 sections 3.6.27 and 7.3, TOSCA 2.0 section 13.2.
func (c *checker) workflowCircles() {
	names := make([]string, len(c.t.Workflows))
	for i, w := range c.t.Workflows {
		names[i] = w.Name
		c.stepCircle(w)
	}
	path := circle(names, func(name string) []string { return c.flows[name].inlined() })
	if path == nil {
		return
	}
	c.s.errorf(codeWorkflowCycle, c.flows[path[0]].Range, "workflows run each other in a circle: %s", arrows(path)).Detail =
		"Remove one of the inline activities."
}

func (c *checker) stepCircle(w *Workflow) {
	if w.Implementation != nil {
		return // then the steps do not run
	}
	names := make([]string, len(w.Steps))
	steps := make(map[string]*WorkflowStep, len(w.Steps))
	for i, s := range w.Steps {
		names[i], steps[s.Name] = s.Name, s
	}
	path := circle(names, func(name string) []string { return slices.Concat(steps[name].OnSuccess, steps[name].OnFailure) })
	if path == nil {
		return
	}
	c.s.errorf(codeWorkflowCycle, steps[path[0]].Range, "the steps of the workflow %q go in a circle: %s", w.Name, arrows(path)).Detail =
		"A step runs when those before it have ended, so none of these could be the first."
}

// inlined are the workflows that the steps of a workflow run.
func (w *Workflow) inlined() []string {
	if w.Implementation != nil {
		return nil
	}
	var names []string
	for _, s := range w.Steps {
		for _, a := range s.Activities {
			if a.Kind == Inline {
				names = append(names, a.Name)
			}
		}
	}
	return names
}

// circle returns a path along a graph that ends where it began, or nil. What
// next returns beside the names is passed over.
func circle(names []string, next func(string) []string) []string {
	before := make(map[string][]string, len(names))
	open := make(map[string]int, len(names)) // how many before it are left
	unique := names[:0:0]
	for _, name := range names {
		if _, again := open[name]; !again {
			open[name] = 0
			unique = append(unique, name)
		}
	}
	for _, name := range unique {
		for _, to := range next(name) {
			if _, known := open[to]; known {
				before[to] = append(before[to], name)
			}
		}
	}
	var ready []string
	for _, name := range unique {
		if open[name] = len(before[name]); open[name] == 0 {
			ready = append(ready, name)
		}
	}
	for len(ready) > 0 {
		name := ready[len(ready)-1]
		ready = ready[:len(ready)-1]
		for _, to := range next(name) {
			if _, known := open[to]; !known {
				continue
			}
			if open[to]--; open[to] == 0 {
				ready = append(ready, to)
			}
		}
	}
	return backwards(unique, before, open)
}

// backwards finds the circle in what is left of a graph, where each has one
// before it that is left too. It begins with the first of its names.
func backwards(names []string, before map[string][]string, open map[string]int) []string {
	isLeft := func(name string) bool { return open[name] > 0 }
	i := slices.IndexFunc(names, isLeft)
	if i < 0 {
		return nil
	}
	at := names[i]
	var path []string
	seen := map[string]int{}
	for {
		if start, again := seen[at]; again {
			path = path[start:]
			slices.Reverse(path)
			first := slices.IndexFunc(names, func(name string) bool { return slices.Contains(path, name) })
			i := slices.Index(path, names[first])
			return slices.Concat(path[i:], path[:i], names[first:first+1])
		}
		seen[at] = len(path)
		path = append(path, at)
		at = before[at][slices.IndexFunc(before[at], isLeft)]
	}
}

// arrows shows a path, its middle left out where it is long.
func arrows(path []string) string {
	const most = 10
	if len(path) > most {
		path = slices.Concat(path[:most-1], []string{"…"}, path[len(path)-1:])
	}
	return strings.Join(path, " → ")
}
