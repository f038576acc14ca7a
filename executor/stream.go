package executor

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
)

// EventOptions say which events Events gives. The zero value asks for all
// journaled events that have happened.
type EventOptions struct {
	// After leaves out the journaled events with Seq <= After.
	After uint64
	// Follow goes on with the events that happen, whichever engine they happen in.
	Follow bool
	// Logs puts what operations printed, as it is stored, between the journaled
	// events, as events of kind OperationLog; AfterLog leaves out those with
	// LogSeq <= AfterLog.
	Logs     bool
	AfterLog uint64
}

// Events yields what has happened in a deployment and, with Follow, what
// happens: the journaled events in order of Seq, without gaps (the first may be
// later than After + 1 where the journal was trimmed). With Logs, the stored
// output comes in order of LogSeq, and the two by time: the output of an attempt
// behind its OperationStarted and before its OperationEnded or OperationRetry.
// The last Seq and LogSeq are where another call goes on.
//
// An error ends the loop: it comes with an empty Event, and has code NotFound
// where there is no such deployment. With Follow, the loop ends without an error
// when ctx ends or the deployment is deleted.
//
// Events that are neither journaled nor stored (OperationDetail) are seen by
// Config.Observe only.
func (e *Engine) Events(ctx context.Context, deployment string, opts EventOptions) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		s := &stream{eng: e, id: deployment, opts: opts, yield: func(ev Event, err error) bool {
			return yield(ev, errs.Wrap(err, "read the events of", deployment)) && err == nil
		}}
		switch {
		case opts.Logs:
			s.merge(ctx)
		case opts.Follow:
			s.journal(e.cfg.Store.Watch(ctx, deployment, opts.After))
		default:
			s.journal(e.cfg.Store.Journal(ctx, deployment, opts.After))
		}
	}
}

// Logs yields the stored output of an operation (by Operation.ID, which is
// Event.OperationID), or of all operations of the deployment where it is empty,
// from after the piece with the given number on (LogChunk.Seq; 0 for all), as
// much as there is now. See Config.MaxLog for what is stored.
func (e *Engine) Logs(ctx context.Context, deployment, operation string, after uint64) iter.Seq2[*state.LogChunk, error] {
	return e.cfg.Store.Logs(ctx, deployment, operation, after)
}

// WatchLogs is Logs that then waits for more, until ctx ends or the deployment
// is deleted. What an operation prints comes about a second later.
func (e *Engine) WatchLogs(ctx context.Context, deployment, operation string, after uint64) iter.Seq2[*state.LogChunk, error] {
	return e.cfg.Store.WatchLogs(ctx, deployment, operation, after)
}

// stream is one reading of events.
type stream struct {
	eng   *Engine
	id    string
	opts  EventOptions // After and AfterLog are where it is
	yield func(Event, error) bool

	created time.Time // tells a deployment from a later one of the same ID
	// started are the events that tell of which operation a log chunk is, by
	// Operation.ID; those before After are read when one is missing.
	started map[string]Event
	looked  map[string]bool // runs that were searched
}

// journal passes on entries.
func (s *stream) journal(entries iter.Seq2[*state.Entry, error]) {
	for entry, err := range entries {
		if err != nil {
			s.yield(Event{}, err)
			return
		}
		if !s.entry(entry) {
			return
		}
	}
}

func (s *stream) entry(entry *state.Entry) bool {
	ev, err := eventOf(s.id, entry)
	if err != nil {
		return s.yield(Event{}, err)
	}
	if s.opts.Logs && ev.Kind == OperationStarted {
		s.started[ev.OperationID] = ev
	}
	s.opts.After = entry.Seq
	return s.yield(ev, nil)
}

// merge passes on entries and logs up to where the deployment is, which the
// store tells for both at once; and then, for Follow, waits for more.
func (s *stream) merge(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.started, s.looked = map[string]Event{}, map[string]bool{}
	news, ended := make(chan struct{}, 1), make(chan error, 2)
	for first := true; ; first = false {
		d, err := s.eng.cfg.Store.Deployment(ctx, s.id)
		switch {
		case first && err == nil:
			s.created = d.Created
		case s.opts.Follow && (ctx.Err() != nil || !first && errs.CodeOf(err) == errs.NotFound):
			return
		case err != nil:
			s.yield(Event{}, err)
			return
		case !d.Created.Equal(s.created):
			return // another deployment has its ID
		}
		if !s.catchUp(ctx, d) || !s.opts.Follow {
			return
		}
		if first {
			wg.Go(func() { ended <- wake(news, s.eng.cfg.Store.Watch(ctx, s.id, d.LastSeq)) })
			wg.Go(func() { ended <- wake(news, s.eng.cfg.Store.WatchLogs(ctx, s.id, "", d.LastLog)) })
		}
		select {
		case <-news:
		case err := <-ended:
			if err != nil && errs.CodeOf(err) != errs.NotFound { // it was deleted before the watch began
				s.yield(Event{}, err)
			}
			return
		}
	}
}

// wake tells of everything that comes in, until nothing more does.
func wake[T any](news chan<- struct{}, items iter.Seq2[*T, error]) error {
	for _, err := range items {
		if err != nil {
			return err
		}
		select {
		case news <- struct{}{}:
		default:
		}
	}
	return nil
}

// catchUp passes on the entries and logs up to where d is, by time.
func (s *stream) catchUp(ctx context.Context, d *state.Deployment) bool {
	next, stop := iter.Pull2(s.eng.cfg.Store.Logs(ctx, s.id, "", s.opts.AfterLog))
	defer stop()
	var chunk *state.LogChunk
	advance := func() error {
		var err error
		if s.opts.AfterLog >= d.LastLog {
			chunk = nil
			return nil
		}
		if chunk, err, _ = next(); chunk != nil && chunk.Seq > d.LastLog {
			chunk = nil
		}
		return err
	}
	// until passes on the chunks that are not after a time.
	until := func(t time.Time) bool {
		for chunk != nil && (t.IsZero() || !chunk.Time.After(t)) {
			if !s.chunk(ctx, chunk) {
				return false
			}
			if err := advance(); err != nil {
				return s.failed(ctx, err)
			}
		}
		return true
	}
	if err := advance(); err != nil {
		return s.failed(ctx, err)
	}
	for entry, err := range s.eng.cfg.Store.Journal(ctx, s.id, s.opts.After) {
		if err != nil {
			return s.failed(ctx, err)
		}
		if entry.Seq > d.LastSeq {
			break
		}
		if !until(entry.Time) || !s.entry(entry) {
			return false
		}
	}
	return until(time.Time{})
}

// failed ends the loop with an error, unless following ended.
func (s *stream) failed(ctx context.Context, err error) bool {
	if s.opts.Follow && ctx.Err() != nil {
		return false
	}
	return s.yield(Event{}, err)
}

// chunk passes on a piece of output as an event.
func (s *stream) chunk(ctx context.Context, c *state.LogChunk) bool {
	ev, err := s.startOf(ctx, c)
	if err != nil {
		return s.failed(ctx, err)
	}
	s.opts.AfterLog = c.Seq
	return s.yield(Event{
		Kind: OperationLog, LogSeq: c.Seq, Time: c.Time, Deployment: s.id, Run: c.Run, Step: ev.Step, Instance: ev.Instance,
		Interface: ev.Interface, Operation: ev.Operation, OperationID: c.Operation, Attempt: c.Attempt, Log: c.Text, Host: ev.Host,
	}, nil)
}

// startOf is the start of the operation that printed a chunk. One that is not
// among the events so far is looked for among those of its run.
func (s *stream) startOf(ctx context.Context, c *state.LogChunk) (Event, error) {
	ev, ok := s.started[c.Operation]
	if ok || s.looked[c.Run] || s.opts.After == 0 {
		return ev, nil
	}
	s.looked[c.Run] = true
	run, err := s.eng.cfg.Store.Run(ctx, s.id, c.Run)
	if err != nil {
		return Event{}, err
	}
	for entry, err := range s.eng.cfg.Store.Journal(ctx, s.id, max(run.FirstSeq, 1)-1) {
		if err != nil {
			return Event{}, err
		}
		if entry.Seq > s.opts.After {
			break
		}
		if entry.Run != c.Run || entry.Kind != string(OperationStarted) {
			continue
		}
		if ev, err = eventOf(s.id, entry); err != nil {
			return Event{}, err
		}
		s.started[ev.OperationID] = ev
	}
	return s.started[c.Operation], nil
}
