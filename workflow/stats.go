package workflow

// Stats counts what is in a plan.
type Stats struct {
	// Steps is the number of all steps; Calls, Sets, Joins, Checks and Filters
	// are the numbers of each kind.
	Steps   int `json:"steps"`
	Calls   int `json:"calls"`
	Sets    int `json:"sets,omitempty"`
	Joins   int `json:"joins,omitempty"`
	Checks  int `json:"checks,omitempty"`
	Filters int `json:"filters,omitempty"`
	// Edges counts the entries of After and OnFailure.
	Edges int `json:"edges"`
	// Critical is the number of Calls on the critical path: no number of workers
	// makes the plan take less than the time of so many.
	Critical int `json:"critical"`
	// Width is the number of Calls of the level with the most: more workers
	// than about that many do not help.
	Width int `json:"width"`
	// Create and Remove are the numbers of instances made and removed.
	Create int `json:"create,omitempty"`
	Remove int `json:"remove,omitempty"`
}

// Stats counts what is in the plan, which must be valid.
func (p *Plan) Stats() Stats {
	s := Stats{Steps: len(p.Steps), Create: len(p.Create), Remove: len(p.Remove)}
	count := map[StepKind]int{}
	for _, step := range p.Steps {
		count[step.Kind]++
		s.Edges += len(step.After) + len(step.OnFailure)
	}
	s.Calls, s.Sets, s.Joins = count[Call], count[Set], count[Join]
	s.Checks, s.Filters = count[Check], count[Filter]
	for _, i := range p.CriticalPath() {
		if p.Steps[i].Kind == Call {
			s.Critical++
		}
	}
	for _, level := range p.Levels() {
		calls := 0
		for _, i := range level {
			if p.Steps[i].Kind == Call {
				calls++
			}
		}
		s.Width = max(s.Width, calls)
	}
	return s
}

// Levels groups the indexes of the steps by how many steps must come before: the
// first level waits for nothing, and each step is one level behind the last
// one that it waits for. Steps of one level can run at once as far as their
// subjects allow. The plan must be valid.
func (p *Plan) Levels() [][]int {
	var levels [][]int
	depth := make([]int, len(p.Steps))
	for i, s := range p.Steps {
		for _, before := range [][]int{s.After, s.OnFailure} {
			for _, j := range before {
				depth[i] = max(depth[i], depth[j]+1)
			}
		}
		if depth[i] == len(levels) {
			levels = append(levels, nil)
		}
		levels[depth[i]] = append(levels[depth[i]], i)
	}
	return levels
}

// CriticalPath returns the indexes of a chain of steps, each waiting for the one
// before it, with the most Calls that any chain has; of several such chains the
// one whose steps come first. Handlers of failures do not count. The plan must
// be valid.
func (p *Plan) CriticalPath() []int {
	calls := make([]int, len(p.Steps))
	before := make([]int, len(p.Steps))
	end := -1
	for i, s := range p.Steps {
		before[i] = -1
		if len(s.After) == 0 && len(s.OnFailure) > 0 {
			calls[i] = -1
			continue
		}
		for _, j := range s.After {
			if calls[j] > calls[i] || before[i] < 0 {
				calls[i], before[i] = calls[j], j
			}
		}
		if calls[i] < 0 {
			continue
		}
		if s.Kind == Call {
			calls[i]++
		}
		if end < 0 || calls[i] > calls[end] {
			end = i
		}
	}
	n := 0
	for i := end; i >= 0; i = before[i] {
		n++
	}
	path := make([]int, n)
	for i := end; i >= 0; i = before[i] {
		n--
		path[n] = i
	}
	return path
}
