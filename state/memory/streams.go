package memory

import (
	"context"
	"iter"
	"slices"
	"sort"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/internal/ledger"
)

// Journal implements state.Store.
func (s *Store) Journal(ctx context.Context, id string, after uint64) iter.Seq2[*state.Entry, error] {
	return ledger.Journal(ctx, id, after, page(s, "read journal of", id, (*deployment).entries))
}

// Watch implements state.Store.
func (s *Store) Watch(ctx context.Context, id string, after uint64) iter.Seq2[*state.Entry, error] {
	return ledger.Watch(ctx, id, after, page(s, "watch", id, (*deployment).entries), s.hub)
}

// Logs implements state.Store.
func (s *Store) Logs(ctx context.Context, id, operation string, after uint64) iter.Seq2[*state.LogChunk, error] {
	return ledger.Logs(ctx, id, after, page(s, "read logs of", id, chunksOf(operation)))
}

// WatchLogs implements state.Store.
func (s *Store) WatchLogs(ctx context.Context, id, operation string, after uint64) iter.Seq2[*state.LogChunk, error] {
	return ledger.WatchLogs(ctx, id, after, page(s, "watch logs of", id, chunksOf(operation)), s.hub)
}

// Signals implements state.Store.
func (s *Store) Signals(ctx context.Context, id string, after uint64) iter.Seq2[*state.Signal, error] {
	return ledger.Signals(ctx, id, after, page(s, "read signals of", id, (*deployment).signalsAfter), s.hub)
}

// page reads a part of a deployment's stream.
func page[T any](s *Store, op, id string, read func(*deployment, uint64) (ledger.Page[T], error)) ledger.ReadPage[T] {
	return func(ctx context.Context, after uint64) (ledger.Page[T], error) {
		unlock, err := s.rlock(ctx, op)
		if err != nil {
			return ledger.Page[T]{}, err
		}
		defer unlock()
		d, err := s.find(op, id)
		if err != nil {
			return ledger.Page[T]{}, err
		}
		p, err := read(d, after)
		p.Incarnation = d.head.Incarnation
		return p, errs.Wrap(err, op, id)
	}
}

func (d *deployment) entries(after uint64) (ledger.Page[state.Entry], error) {
	head := d.head.Deployment
	p := ledger.Page[state.Entry]{First: head.FirstSeq, Last: head.LastSeq}
	size := 0
	for seq := max(after, head.FirstSeq-1); seq < head.LastSeq; seq++ {
		data := d.journal[seq+1-head.FirstSeq]
		e, err := ledger.DecodeEntry(seq+1, data)
		if err != nil || p.Add(e, len(data), &size) {
			return p, err
		}
	}
	return p, nil
}

func chunksOf(operation string) func(*deployment, uint64) (ledger.Page[state.LogChunk], error) {
	return func(d *deployment, after uint64) (ledger.Page[state.LogChunk], error) {
		p := ledger.Page[state.LogChunk]{Last: d.head.Deployment.LastLog}
		size := 0
		from := sort.Search(len(d.logs), func(i int) bool { return d.logs[i].seq > after })
		for _, l := range d.logs[from:] {
			if operation != "" && l.Operation != operation {
				continue
			}
			c, err := ledger.DecodeLog(l.seq, l.Data)
			if err != nil || p.Add(c, len(l.Data), &size) {
				return p, err
			}
		}
		return p, nil
	}
}

func (d *deployment) signalsAfter(after uint64) (ledger.Page[state.Signal], error) {
	p := ledger.Page[state.Signal]{Last: d.head.LastSignal}
	for _, s := range d.signals {
		if s.Seq > after {
			own := *s
			p.Items = append(p.Items, &own)
		}
	}
	return p, nil
}

// Signal implements state.Store.
func (s *Store) Signal(ctx context.Context, id string, signal *state.Signal) error {
	const op = "leave signal for"
	signal, err := ledger.NewSignal(id, signal, ledger.Now(s.now))
	if err != nil {
		return err
	}
	unlock, err := s.lock(ctx, op)
	if err != nil {
		return err
	}
	defer unlock()
	d, err := s.find(op, id)
	if err != nil {
		return err
	}
	run, err := d.run(signal.Run)
	if err != nil {
		return err
	}
	next, data, err := d.head.AddSignal(signal, run)
	if err != nil {
		return err
	}
	added, err := ledger.Decode[state.Signal](data)
	if err != nil {
		return err
	}
	if err := d.setHead(next); err != nil {
		return err
	}
	d.signals = append(d.signals, added)
	s.hub.Notify(ledger.SignalTopic(id))
	return nil
}

// Trim implements state.Store.
func (s *Store) Trim(ctx context.Context, id string, lease state.Lease, before uint64) error {
	const op = "trim journal of"
	unlock, err := s.lock(ctx, op)
	if err != nil {
		return err
	}
	defer unlock()
	d, err := s.find(op, id)
	if err != nil {
		return err
	}
	if err := d.lease.CheckHeld(op, id, lease, ledger.Now(s.now)); err != nil {
		return err
	}
	next := d.head.Trim(before)
	gone := map[string]bool{}
	for run := range d.runs {
		r, err := d.run(run)
		if err != nil {
			return err
		}
		if next.Trimmed(r) {
			gone[run] = true
		}
	}
	trimmed := next.Deployment.FirstSeq - d.head.Deployment.FirstSeq
	if err := d.setHead(next); err != nil {
		return err
	}
	d.journal = slices.Clone(d.journal[trimmed:]) // so that the memory is free
	for run := range gone {
		delete(d.runs, run)
	}
	d.logs = slices.DeleteFunc(d.logs, func(l *logChunk) bool { return gone[l.Run] })
	return nil
}
