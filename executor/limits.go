package executor

import "sync"

// limits hands out the right to run an operation: so many at once in the
// engine, on a host and in a driver. Runs take turns, so that a large one does
// not starve the others.
type limits struct {
	workers, perHost int
	perDriver        map[string]int

	mu      sync.Mutex
	used    int // workers taken by lines that have no limit of their own
	hosts   map[string]int
	drivers map[string]int
	lines   []*line // those with waiting requests, the next one first
	owning  int     // how many of them have a limit of their own
}

func newLimits(workers, perHost int, perDriver map[string]int) *limits {
	return &limits{
		workers: workers, perHost: perHost, perDriver: perDriver,
		hosts: map[string]int{}, drivers: map[string]int{},
	}
}

// line is the waiting line of one run.
type line struct {
	limits *limits
	// own is how many workers the run may take; it shares the engine's where it is 0.
	own, used int
	groups    []*group
	queued    bool
	closed    bool
	number    uint64
	slots     map[*slot]bool // those given out
}

// group is the requests of one line that the same limits apply to, first come first.
type group struct {
	key      place
	requests []request
}

// place is where an operation runs: what limits are counted by.
type place struct{ driver, host string }

type request struct {
	number uint64
	at     place
	grant  func(*slot)
}

func (l *limits) newLine(own int) *line { return &line{limits: l, own: own, slots: map[*slot]bool{}} }

// slot is the right to run one operation. Its worker is given back as soon as
// the operation goes on by itself, the place when it ended.
type slot struct {
	line                *line
	at                  place
	hasWorker, hasPlace bool
}

// request asks for a slot. grant is called as soon as there is one, perhaps
// before request returns, and must not block or call back.
func (q *line) request(at place, grant func(*slot)) {
	l := q.limits
	l.mu.Lock()
	defer l.mu.Unlock()
	if q.closed {
		return
	}
	q.number++
	q.add(request{q.number, at, grant})
	if !q.queued {
		q.queued = true
		l.lines = append(l.lines, q)
		if q.own > 0 {
			l.owning++
		}
	}
	l.dispatch()
}

// add puts r into its group. Places without a limit are one: most engines have
// one group for each run.
func (q *line) add(r request) {
	key := r.at
	if q.limits.perHost <= 0 {
		key.host = ""
	}
	if q.limits.perDriver[key.driver] <= 0 {
		key.driver = ""
	}
	for _, g := range q.groups {
		if g.key == key {
			g.requests = append(g.requests, r)
			return
		}
	}
	q.groups = append(q.groups, &group{key: key, requests: []request{r}})
}

// close forgets the requests that were not granted and takes back all slots.
func (q *line) close() {
	l := q.limits
	l.mu.Lock()
	defer l.mu.Unlock()
	q.groups, q.closed = nil, true
	for s := range q.slots {
		s.give()
	}
	l.dispatch()
}

// seize takes the place, but no worker, for an operation that runs already.
func (q *line) seize(at place) *slot {
	l := q.limits
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hosts[at.host]++
	l.drivers[at.driver]++
	s := &slot{line: q, at: at, hasPlace: true}
	q.slots[s] = true
	return s
}

// releaseWorker gives the worker back and keeps the place.
func (s *slot) releaseWorker() {
	s.line.limits.mu.Lock()
	defer s.line.limits.mu.Unlock()
	s.giveWorker()
	s.line.limits.dispatch()
}

// release gives back all that the slot still has.
func (s *slot) release() {
	l := s.line.limits
	l.mu.Lock()
	defer l.mu.Unlock()
	s.give()
	l.dispatch()
}

func (s *slot) give() {
	s.giveWorker()
	if s.hasPlace {
		s.hasPlace = false
		decrement(s.line.limits.hosts, s.at.host)
		decrement(s.line.limits.drivers, s.at.driver)
	}
	delete(s.line.slots, s)
}

func decrement(m map[string]int, key string) {
	if m[key]--; m[key] == 0 {
		delete(m, key)
	}
}

func (s *slot) giveWorker() {
	if !s.hasWorker {
		return
	}
	s.hasWorker = false
	s.line.used--
	if s.line.own == 0 {
		s.line.limits.used--
	}
}

// dispatch grants what can be granted, one request a line and round.
func (l *limits) dispatch() {
	for granted := true; granted; {
		granted = false
		for range len(l.lines) {
			if l.used >= l.workers && l.owning == 0 {
				return
			}
			q := l.lines[0]
			l.lines = l.lines[1:]
			if l.grantOne(q) {
				granted = true
			}
			if len(q.groups) > 0 {
				l.lines = append(l.lines, q)
				continue
			}
			q.queued = false
			if q.own > 0 {
				l.owning--
			}
		}
	}
}

// grantOne grants the oldest request of the line that the limits allow.
func (l *limits) grantOne(q *line) bool {
	if q.own > 0 && q.used >= q.own || q.own == 0 && l.used >= l.workers {
		return false
	}
	oldest := -1
	for i, g := range q.groups {
		if l.room(g.key) && (oldest < 0 || g.requests[0].number < q.groups[oldest].requests[0].number) {
			oldest = i
		}
	}
	if oldest < 0 {
		return false
	}
	g := q.groups[oldest]
	r := g.requests[0]
	g.requests = g.requests[1:]
	if len(g.requests) == 0 {
		q.groups = append(q.groups[:oldest], q.groups[oldest+1:]...)
	}
	q.used++
	if q.own == 0 {
		l.used++
	}
	l.hosts[r.at.host]++
	l.drivers[r.at.driver]++
	s := &slot{line: q, at: r.at, hasWorker: true, hasPlace: true}
	q.slots[s] = true
	r.grant(s)
	return true
}

// room tells whether the limits of the host and the driver allow one more.
func (l *limits) room(at place) bool {
	if l.perHost > 0 && at.host != "" && l.hosts[at.host] >= l.perHost {
		return false
	}
	limit := l.perDriver[at.driver]
	return limit <= 0 || l.drivers[at.driver] < limit
}
