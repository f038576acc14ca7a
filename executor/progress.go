package executor

import (
	"slices"

	"github.com/seed-a4fd30b5/orchestrator/workflow"
)

// phase is how far a step is.
type phase uint8

const (
	pending   phase = iota // waits for other steps
	ready                  // in the ready queue
	active                 // taken from the queue
	succeeded              // ended well, or failed while optional
	failed                 // failed by itself
	skipped                // cannot be reached any more
)

// progress knows which steps of a plan can begin. It counts, for each step, the
// steps that it still waits for, and keeps a queue of those that wait for none:
// the work per step is that of its edges.
type progress struct {
	steps []*workflow.Step
	phase []phase
	// waits counts the steps of After that have not succeeded yet, rescues those
	// of OnFailure that may still fail.
	waits, rescues []int32
	// barred tells that a step of After will never succeed.
	barred []bool
	// cause is, for a barred or skipped step, the step whose failure it goes back to; -1 for none.
	cause []int32
	// next, chained and onFailure are the steps that name a step in After, Begun
	// and OnFailure.
	next, chained, onFailure [][]int32
	// begun tells of a step, by its index, that those chained to it wait for it no
	// more, although it has not ended. nil where nothing is chained.
	begun map[int]bool

	queue []int32 // ready steps, first come first
	head  int
	// count holds how many steps are in each phase.
	count [skipped + 1]int
}

func newProgress(steps []*workflow.Step) *progress {
	n := len(steps)
	p := &progress{
		steps: steps, phase: make([]phase, n), waits: make([]int32, n), rescues: make([]int32, n),
		barred: make([]bool, n), cause: make([]int32, n),
	}
	p.next = reversed(steps, func(s *workflow.Step) []int { return s.After })
	if slices.ContainsFunc(steps, func(s *workflow.Step) bool { return len(s.Begun) > 0 }) {
		p.chained = reversed(steps, func(s *workflow.Step) []int { return s.Begun })
		p.begun = map[int]bool{}
	}
	p.onFailure = reversed(steps, func(s *workflow.Step) []int { return s.OnFailure })
	p.count[pending] = n
	for i, s := range steps {
		p.cause[i] = -1
		p.waits[i], p.rescues[i] = int32(len(s.After)), int32(len(s.OnFailure))
	}
	for i, s := range steps {
		if len(s.After) == 0 && len(s.OnFailure) == 0 {
			p.makeReady(int32(i))
		}
	}
	return p
}

// reversed turns edges around. All lists share one array.
func reversed(steps []*workflow.Step, edges func(*workflow.Step) []int) [][]int32 {
	size := make([]int32, len(steps))
	total := 0
	for _, s := range steps {
		for _, i := range edges(s) {
			size[i]++
			total++
		}
	}
	lists, all := make([][]int32, len(steps)), make([]int32, total)
	for i := range lists {
		lists[i], all = all[:0:size[i]], all[size[i]:]
	}
	for to, s := range steps {
		for _, from := range edges(s) {
			lists[from] = append(lists[from], int32(to))
		}
	}
	return lists
}

func (p *progress) move(i int32, to phase) {
	p.count[p.phase[i]]--
	p.count[to]++
	p.phase[i] = to
}

func (p *progress) makeReady(i int32) {
	p.move(i, ready)
	p.queue = append(p.queue, i)
}

// take returns the next ready step and marks it active; false if there is none.
func (p *progress) take() (int, bool) {
	for p.head < len(p.queue) {
		i := p.queue[p.head]
		p.head++
		if p.phase[i] == ready {
			p.move(i, active)
			return int(i), true
		}
	}
	p.queue, p.head = p.queue[:0], 0
	return 0, false
}

// idle tells that no step is ready or active: if steps are pending still, they
// can never begin.
func (p *progress) idle() bool { return p.count[ready] == 0 && p.count[active] == 0 }

// handled tells that another step begins when i fails.
func (p *progress) handled(i int) bool { return len(p.onFailure[i]) > 0 }

// succeed ends a step well. Steps that can be reached no more are reported to skip.
func (p *progress) succeed(i int, skip func(step, cause int)) {
	p.begin(i) // those chained to it that have not begun do so now
	p.move(int32(i), succeeded)
	for _, n := range p.next[i] {
		if p.chained != nil && slices.Contains(p.chained[i], n) {
			continue
		}
		p.waits[n]--
		if p.waits[n] == 0 && p.phase[n] == pending {
			p.makeReady(n)
		}
	}
	p.noRescue(int32(i), skip)
}

// begin notes that step i goes on in the outside world: those chained to it wait
// for it no more.
func (p *progress) begin(i int) {
	if p.chained == nil || p.begun[i] {
		return
	}
	p.begun[i] = true
	for _, n := range p.chained[i] {
		p.waits[n]--
		if p.waits[n] == 0 && p.phase[n] == pending {
			p.makeReady(n)
		}
	}
}

// unbegin takes begin back: step i is to begin anew. It returns those chained to
// it that have been taken from the queue already.
func (p *progress) unbegin(i int) []int32 {
	if !p.begun[i] {
		return nil
	}
	delete(p.begun, i)
	var taken []int32
	for _, n := range p.chained[i] {
		p.waits[n]++
		switch p.phase[n] {
		case ready:
			p.move(n, pending)
		case active:
			taken = append(taken, n)
		}
	}
	return taken
}

// drop skips an active step, and what follows from that, because of another one
// that failed.
func (p *progress) drop(i, cause int, skip func(step, cause int)) {
	p.cause[i] = int32(cause)
	p.move(int32(i), skipped)
	skip(i, cause)
	for _, n := range p.next[i] {
		p.bar(n, int32(cause), skip)
	}
	p.noRescue(int32(i), skip)
}

// links are the steps chained to step i.
func (p *progress) links(i int) []int32 {
	if p.chained == nil {
		return nil
	}
	return p.chained[i]
}

// fail ends a step that failed: steps that handle it become ready, its other
// consequences are skipped.
func (p *progress) fail(i int, skip func(step, cause int)) {
	p.move(int32(i), failed)
	for _, n := range p.onFailure[i] {
		if p.phase[n] == pending {
			p.makeReady(n)
		}
	}
	for _, n := range p.next[i] {
		p.bar(n, int32(i), skip)
	}
}

// bar notes that one step of After of i will never succeed.
func (p *progress) bar(i, cause int32, skip func(step, cause int)) {
	if !p.barred[i] {
		p.barred[i], p.cause[i] = true, cause
	}
	p.skipIfDead(i, skip)
}

// noRescue notes that i ended without having failed.
func (p *progress) noRescue(i int32, skip func(step, cause int)) {
	for _, n := range p.onFailure[i] {
		p.rescues[n]--
		p.skipIfDead(n, skip)
	}
}

// skipIfDead skips i, and what follows from that, if it can never begin.
func (p *progress) skipIfDead(i int32, skip func(step, cause int)) {
	stack := []int32{i}
	for len(stack) > 0 {
		i := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		viaAfter := len(p.steps[i].After) > 0 && !p.barred[i]
		if p.phase[i] != pending || viaAfter || p.rescues[i] > 0 {
			continue
		}
		p.move(i, skipped)
		skip(int(i), int(p.cause[i]))
		for _, n := range p.next[i] {
			if !p.barred[n] {
				p.barred[n], p.cause[n] = true, p.cause[i]
			}
			stack = append(stack, n)
		}
		for _, n := range p.onFailure[i] {
			p.rescues[n]--
			stack = append(stack, n)
		}
	}
}

// skipRest skips every step that has not begun, with the given cause (-1 for none).
func (p *progress) skipRest(cause int, skip func(step, cause int)) {
	for i := range p.phase {
		if p.phase[i] == pending || p.phase[i] == ready {
			p.move(int32(i), skipped)
			if p.cause[i] < 0 {
				p.cause[i] = int32(cause)
			}
			skip(i, int(p.cause[i]))
		}
	}
}

// restore marks the given steps, and all that they waited for, as succeeded
// before anything has been taken: what an interrupted run had done.
func (p *progress) restore(done func(i int) bool) {
	reached := make([]bool, len(p.steps))
	for i := len(p.steps) - 1; i >= 0; i-- {
		if done(i) {
			reached[i] = true
		}
		// A step that was reached because another one failed does not tell that
		// the steps of After succeeded.
		if reached[i] && len(p.steps[i].OnFailure) == 0 {
			for _, a := range p.steps[i].After {
				if !slices.Contains(p.steps[i].Begun, a) { // may still go on
					reached[a] = true
				}
			}
		}
	}
	none := func(int, int) {}
	for i := range p.steps {
		if reached[i] {
			if p.phase[i] != pending && p.phase[i] != ready {
				continue
			}
			p.succeed(i, none)
		}
	}
}
