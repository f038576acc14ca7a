package executor

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// poller asks one driver after all its running operations, of all runs of the
// engine, with one call each interval. It has a goroutine only while there is
// something to ask for.
type poller struct {
	ctx       context.Context // the engine's
	driver    Driver
	interval  time.Duration
	log       hclog.Logger
	telemetry *telemetry
	wg        *sync.WaitGroup

	mu      sync.Mutex
	watched map[string]watch // by Handle.Operation
	polling bool
}

// pollTimeout is how long a driver may take to answer, at least.
const pollTimeout = time.Minute

type watch struct {
	handle Handle
	notify func(Status)
}

// add begins to ask after h; notify gets every status, until remove.
func (p *poller) add(h Handle, notify func(Status)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watched[h.Operation] = watch{h, notify}
	if !p.polling {
		p.polling = true
		p.wg.Go(p.run)
	}
}

// remove stops asking after an operation.
func (p *poller) remove(operation string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.watched, operation)
}

func (p *poller) run() {
	tick := time.NewTicker(p.interval)
	defer tick.Stop()
	for {
		select {
		case <-p.ctx.Done():
			return
		case <-tick.C:
		}
		handles := p.handles()
		if handles == nil {
			return
		}
		p.ask(handles)
	}
}

// handles returns what to ask for, in order of the operations' IDs; nil, and
// the goroutine is to end, if there is nothing.
func (p *poller) handles() []Handle {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.watched) == 0 {
		p.polling = false
		return nil
	}
	handles := make([]Handle, 0, len(p.watched))
	for w := range maps.Values(p.watched) {
		handles = append(handles, w.handle)
	}
	slices.SortFunc(handles, func(a, b Handle) int { return strings.Compare(a.Operation, b.Operation) })
	return handles
}

func (p *poller) ask(handles []Handle) {
	ctx, cancel := context.WithTimeout(p.ctx, max(pollTimeout, 10*p.interval))
	defer cancel()
	began := time.Now()
	statuses, err := p.driver.Poll(ctx, handles)
	record(ctx, p.telemetry.pollDuration, began, attrDriver.String(p.driver.Name()), outcomeOf(err))
	if err != nil && p.ctx.Err() == nil {
		p.log.Warn("cannot ask after running operations", "driver", p.driver.Name(), "operations", len(handles), "error", err)
	}
	for _, s := range statuses {
		p.mu.Lock()
		w, ok := p.watched[s.Handle.Operation]
		p.mu.Unlock()
		if ok {
			w.notify(s)
		}
	}
}
