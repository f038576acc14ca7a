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
	watched map[string]*watch // by Handle.Operation
	polling bool
}

// pollTimeout is how long a driver may take to answer, at least.
const pollTimeout = time.Minute

type watch struct {
	handle Handle
	notify func(Status)
}

// add begins to ask after h; notify gets every status, until remove.
func (p *poller) add(h Handle, notify func(Status)) *watch {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := &watch{h, notify}
	p.watched[h.Operation] = w
	if !p.polling {
		p.polling = true
		p.wg.Go(p.run)
	}
	return w
}

// remove ends a watch; a later one of the same operation goes on.
func (p *poller) remove(w *watch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.watched[w.handle.Operation] == w {
		delete(p.watched, w.handle.Operation)
	}
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
		asked := p.asked()
		if asked == nil {
			return
		}
		p.ask(asked)
	}
}

// asked returns what to ask for, in order of the operations' IDs; nil, and
// the goroutine is to end, if there is nothing.
func (p *poller) asked() []*watch {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.watched) == 0 {
		p.polling = false
		return nil
	}
	return slices.SortedFunc(maps.Values(p.watched), func(a, b *watch) int {
		return strings.Compare(a.handle.Operation, b.handle.Operation)
	})
}

func (p *poller) ask(asked []*watch) {
	handles, byID := make([]Handle, len(asked)), make(map[string]*watch, len(asked))
	for i, w := range asked {
		handles[i], byID[w.handle.Operation] = w.handle, w
	}
	ctx, cancel := context.WithTimeout(p.ctx, max(pollTimeout, 10*p.interval))
	defer cancel()
	began := time.Now()
	statuses, err := p.driver.Poll(ctx, handles)
	record(ctx, p.telemetry.pollDuration, began, attrDriver.String(p.driver.Name()), outcomeOf(err))
	if err != nil && p.ctx.Err() == nil {
		p.log.Warn("cannot ask after running operations", "driver", p.driver.Name(), "operations", len(handles), "error", err)
	}
	for _, s := range statuses {
		w := byID[s.Handle.Operation]
		p.mu.Lock()
		// The answer is of the attempt that was asked after, and of no later one.
		current := w != nil && p.watched[s.Handle.Operation] == w
		p.mu.Unlock()
		if current {
			w.notify(s)
		}
	}
}
