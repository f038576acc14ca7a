package executor

import "sync"

// asideWorkers is how much of a run's side work is done at once.
const asideWorkers = 64

// aside is work that would hold a run up and that the run need not wait for:
// cancelling operations in the outside world, telling drivers what they may
// forget. There may be any amount of it at one moment, as when a run of
// thousands of jobs is cancelled, so that a few goroutines do it, first come
// first; there is none while there is nothing to do.
type aside struct {
	wg *sync.WaitGroup // counts the goroutines

	mu      sync.Mutex
	waiting []func()
	workers int
}

// do has f done.
func (a *aside) do(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting = append(a.waiting, f)
	if a.workers < asideWorkers {
		a.workers++
		a.wg.Go(a.work)
	}
}

func (a *aside) work() {
	for f := a.next(); f != nil; f = a.next() {
		f()
	}
}

// next takes what comes next; nil, and the goroutine is to end, if there is nothing.
func (a *aside) next() func() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.waiting) == 0 {
		a.workers--
		a.waiting = nil
		return nil
	}
	f := a.waiting[0]
	a.waiting[0] = nil
	a.waiting = a.waiting[1:]
	return f
}
