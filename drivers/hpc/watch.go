package hpc

import (
	"context"
	"io"
	"maps"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

const (
	// patience is how long Poll waits for the answers of clusters. One that takes
	// longer is told of by a later Poll, and delays no other.
	patience = 5 * time.Second
	// missed is for how long a job may be known to nobody before it is given up:
	// accounting lags behind the queue.
	missed = time.Minute
)

// watch is what this process knows of a job that it watches. It is used by one
// question at a time.
type watch struct {
	log  io.Writer
	ctx  context.Context // of the fetching of results
	stop context.CancelFunc
	// offsets are how much of each file of the job has been put into the log.
	offsets map[string]int64
	logged  int64     // bytes of them all that went into the log
	full    bool      // no more goes there
	gone    time.Time // since when nobody has known the job, or all of its tasks
	never   time.Time // since when it can never start
	told    string    // the last of what was told in the log of its waiting
	// bad are the tasks of an array that were seen to end badly, by index: the
	// manager may forget them while others run.
	bad map[int]*Job

	mu       sync.Mutex
	fetching bool
	final    *executor.Status // what fetching ended with
}

func (d *Driver) newWatch(log io.Writer) *watch {
	ctx, stop := context.WithCancel(d.ctx)
	return &watch{log: log, ctx: ctx, stop: stop, offsets: map[string]int64{}}
}

// watchOf returns what is known of a job. One that another process began is not
// followed in the log: its operation's log is not known here.
func (d *Driver) watchOf(dir string) *watch {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := d.watches[path.Base(dir)]
	if w == nil {
		w = d.newWatch(nil)
		d.watches[path.Base(dir)] = w
	}
	return w
}

// question is the asking after all jobs of one cluster.
type question struct {
	mu      sync.Mutex
	busy    bool
	next    time.Time                  // when the cluster is to be asked again
	answers map[string]executor.Status // not taken by Poll yet, by operation
}

// Poll asks each cluster once for all its jobs, where it is time to: see
// Config.MinPeriod. Clusters are asked at the same time, and what does not
// answer is left out.
func (d *Driver) Poll(ctx context.Context, handles []executor.Handle) ([]executor.Status, error) {
	var done []<-chan struct{}
	groups := d.group(handles)
	for _, g := range groups {
		if c := d.ask(g); c != nil {
			done = append(done, c)
		}
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
wait:
	for _, c := range done {
		select {
		case <-c:
		case <-timer.C:
			break wait
		case <-ctx.Done():
			break wait
		}
	}
	var statuses []executor.Status
	for _, g := range groups {
		statuses = append(statuses, g.question.take(g.handles)...)
	}
	return statuses, nil
}

// group is the handles of one cluster in a call of Poll.
type group struct {
	question *question
	place    place
	handles  []executor.Handle
	data     []handle
}

// group sorts handles by cluster, in the order in which the clusters first appear.
func (d *Driver) group(handles []executor.Handle) []*group {
	var groups []*group
	byKey := map[string]*group{}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, h := range handles {
		data, ok := parseHandle(h)
		if !ok {
			continue // not a handle of this driver's
		}
		data.Place.Env = d.envs[h.Operation]
		key := data.Place.key()
		g := byKey[key]
		if g == nil {
			q := d.asked[key]
			if q == nil {
				q = &question{answers: map[string]executor.Status{}}
				d.asked[key] = q
			}
			g = &group{question: q, place: data.Place}
			byKey[key] = g
			groups = append(groups, g)
		}
		g.handles = append(g.handles, h)
		g.data = append(g.data, data)
	}
	return groups
}

// ask begins to ask a cluster, unless that is under way or it is too early. The
// channel is closed when the answer is there.
func (d *Driver) ask(g *group) <-chan struct{} {
	q := g.question
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.busy || time.Now().Before(q.next) || d.ctx.Err() != nil {
		return nil
	}
	q.busy = true
	done := make(chan struct{})
	d.wg.Go(func() {
		defer close(done)
		ctx, cancel := context.WithTimeout(d.ctx, d.config.Timeout)
		defer cancel()
		answers, err := d.answer(ctx, g)
		if err != nil && d.ctx.Err() == nil {
			d.config.Logger.Warn("cannot ask after jobs", "cluster", g.place.Address, "jobs", len(g.handles), "error", err)
		}
		q.mu.Lock()
		defer q.mu.Unlock()
		q.busy, q.next = false, time.Now().Add(d.period(g.data))
		clear(q.answers) // what nobody took is told anew, or nobody asks for it any more
		for _, s := range answers {
			q.answers[s.Handle.Operation] = s
		}
	})
	return done
}

// period is how long a cluster is left alone: as long as the youngest of its jobs allows.
func (d *Driver) period(data []handle) time.Duration {
	period := d.config.MaxPeriod
	for _, h := range data {
		if h.Stop != nil {
			return d.config.MinPeriod
		}
		w := d.watchOf(h.Dir)
		w.mu.Lock()
		fetching := w.fetching
		w.mu.Unlock()
		if fetching {
			return d.config.MinPeriod
		}
		period = min(period, time.Since(h.Began)/20)
	}
	return max(period, d.config.MinPeriod)
}

// take returns the answers for handles that are there.
func (q *question) take(handles []executor.Handle) []executor.Status {
	q.mu.Lock()
	defer q.mu.Unlock()
	var statuses []executor.Status
	for _, h := range handles {
		s, ok := q.answers[h.Operation]
		delete(q.answers, h.Operation)
		if ok && string(s.Handle.Data) == string(h.Data) { // not of an earlier attempt
			statuses = append(statuses, s)
		}
	}
	return statuses
}

// watched is a job in an answer that is being worked out.
type watched struct {
	handle executor.Handle
	data   handle
	watch  *watch
	id     string
	job    *Job
	// forgotten is how many tasks of an array of which the rest has ended are
	// known to nobody.
	forgotten int
	status    *executor.Status
}

// answer asks one cluster after all jobs of a group.
func (d *Driver) answer(ctx context.Context, g *group) ([]executor.Status, error) {
	c, err := d.open(ctx, g.place)
	if err != nil {
		return nil, err
	}
	all, err := d.identify(ctx, c, g)
	if err != nil {
		return nil, err
	}
	if err := c.query(ctx, all); err != nil {
		return nil, err
	}
	if err := c.readExits(ctx, all); err != nil {
		return nil, err
	}
	if err := d.tail(ctx, c, all); err != nil {
		d.config.Logger.Warn("cannot read what jobs print", "cluster", c.shell.Name(), "error", err)
	}
	var statuses []executor.Status
	for _, w := range all {
		if w.status == nil {
			w.status = d.judge(ctx, c, w)
		}
		if w.status != nil {
			w.status.Handle = w.handle
			statuses = append(statuses, *w.status)
		}
	}
	return statuses, nil
}

// identify finds the jobs' IDs.
func (d *Driver) identify(ctx context.Context, c *cluster, g *group) ([]*watched, error) {
	var all []*watched
	for i, h := range g.handles {
		w := &watched{handle: h, data: g.data[i], id: g.data[i].Job}
		all = append(all, w)
		if w.data.Stop != nil {
			continue
		}
		w.watch = d.watchOf(w.data.Dir)
		w.watch.mu.Lock()
		w.status = w.watch.final
		w.watch.mu.Unlock()
		if w.id == "" && w.status == nil {
			id, err := c.find(ctx, w.data.Dir, path.Base(w.data.Dir))
			if err != nil {
				return nil, err
			}
			if w.id = id; id == "" {
				w.status = &executor.Status{State: executor.Failed, Err: executor.MarkRetryable(
					errs.New(errs.Unavailable, "submit", w.data.Name, "the cluster did not answer, and has no such job"))}
			}
		}
	}
	return all, nil
}

// query asks the manager once for all jobs.
func (c *cluster) query(ctx context.Context, all []*watched) error {
	ids := map[string]bool{}
	for _, w := range all {
		if w.id != "" && w.status == nil {
			ids[w.id] = true
		}
		for _, id := range w.data.Stop {
			ids[id] = true
		}
	}
	if len(ids) == 0 {
		return nil
	}
	jobs, err := c.manager.Jobs(ctx, slices.Sorted(maps.Keys(ids)))
	if err != nil {
		return err
	}
	byID := map[string]*Job{}
	for _, j := range jobs {
		byID[j.ID] = j
	}
	for _, w := range all {
		w.job = byID[w.id]
		w.remember()
		if w.data.Stop != nil {
			w.status = stopped(w.data.Stop, byID)
		}
	}
	return nil
}

// stopped tells whether canceled jobs have ended.
func stopped(ids []string, byID map[string]*Job) *executor.Status {
	for _, id := range ids {
		if j := byID[id]; j != nil && !j.State.Ended() && !(j.State == Unknown && j.Raw == "") {
			return &executor.Status{State: executor.Running, Detail: "job " + id + " is ending"}
		}
	}
	return &executor.Status{State: executor.Succeeded}
}
