package ledger

import (
	"context"
	"iter"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
)

// PageSize is how many records of a stream a store reads at once, and
// PageBytes after how many bytes it ends a page before that. A store holds no
// lock and no transaction while the caller has a record, so that a slow caller
// cannot hold up others, and may call the store.
const (
	PageSize  = 512
	PageBytes = 1 << 20
)

// Page is a part of a stream: of a deployment's journal, logs or signals.
type Page[T any] struct {
	// Items are in order of Seq. More tells that the page was ended because it
	// is full, so that there may be more.
	Items []*T
	More  bool
	// First is the Seq of the first record that was not trimmed, 0 where the
	// numbers may have gaps. Last is the last number that was given.
	First, Last uint64
	// Incarnation is the deployment's.
	Incarnation uint64
}

// Add puts a record with size bytes on the page, and reports whether the page
// is full.
func (p *Page[T]) Add(v *T, size int, bytes *int) bool {
	p.Items = append(p.Items, v)
	*bytes += size
	p.More = len(p.Items) >= PageSize || *bytes >= PageBytes
	return p.More
}

// ReadPage reads the records with Seq > after of a deployment; NotFound.
type ReadPage[T any] func(ctx context.Context, after uint64) (Page[T], error)

// Stream reads the numbered records of one deployment.
type Stream[T any] struct {
	// Op is what is being done, for errors.
	Op    string
	ID    string
	After uint64
	Read  ReadPage[T]
	Seq   func(*T) uint64
}

// Journal yields what there is when it starts.
func Journal(ctx context.Context, id string, after uint64, read ReadPage[state.Entry]) iter.Seq2[*state.Entry, error] {
	return entries("read journal of", id, after, read).Now(ctx)
}

// Watch yields what there is and what comes. hub wakes it up by CommitTopic.
func Watch(ctx context.Context, id string, after uint64, read ReadPage[state.Entry], hub *Hub) iter.Seq2[*state.Entry, error] {
	return entries("watch", id, after, read).Follow(ctx, hub, CommitTopic(id))
}

func entries(op, id string, after uint64, read ReadPage[state.Entry]) Stream[state.Entry] {
	return Stream[state.Entry]{op, id, after, read, func(e *state.Entry) uint64 { return e.Seq }}
}

// Logs yields what there is when it starts.
func Logs(ctx context.Context, id string, after uint64, read ReadPage[state.LogChunk]) iter.Seq2[*state.LogChunk, error] {
	return chunks("read logs of", id, after, read).Now(ctx)
}

// WatchLogs yields what there is and what comes. hub wakes it up by CommitTopic.
func WatchLogs(ctx context.Context, id string, after uint64, read ReadPage[state.LogChunk], hub *Hub) iter.Seq2[*state.LogChunk, error] {
	return chunks("watch logs of", id, after, read).Follow(ctx, hub, CommitTopic(id))
}

func chunks(op, id string, after uint64, read ReadPage[state.LogChunk]) Stream[state.LogChunk] {
	return Stream[state.LogChunk]{op, id, after, read, func(c *state.LogChunk) uint64 { return c.Seq }}
}

// Signals yields what there is and what comes. hub wakes it up by SignalTopic.
func Signals(ctx context.Context, id string, after uint64, read ReadPage[state.Signal], hub *Hub) iter.Seq2[*state.Signal, error] {
	return Stream[state.Signal]{"read signals of", id, after, read, func(s *state.Signal) uint64 { return s.Seq }}.
		Follow(ctx, hub, SignalTopic(id))
}

// Now yields what there is when it starts.
func (s Stream[T]) Now(ctx context.Context) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		r := reader[T]{Stream: s}
		end, err := r.start(ctx)
		for err == nil {
			for _, v := range r.page {
				if s.Seq(v) > end {
					return
				}
				if err := ctx.Err(); err != nil {
					yield(nil, errs.Wrap(err, s.Op, s.ID))
					return
				}
				if !yield(v, nil) {
					return
				}
			}
			if r.After >= end {
				return
			}
			_, err = r.next(ctx)
		}
		yield(nil, err)
	}
}

// Follow yields what there is and what comes. The topic of hub wakes it up.
func (s Stream[T]) Follow(ctx context.Context, hub *Hub, topic string) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		changed, stop := hub.subscribe(topic)
		defer stop()
		r := reader[T]{Stream: s}
		last, err := r.start(ctx)
		for first := true; ; first = false {
			switch {
			case ctx.Err() != nil:
				return
			case err != nil && !first && errs.CodeOf(err) == errs.NotFound:
				return // deleted
			case err != nil:
				yield(nil, err)
				return
			}
			for _, v := range r.page {
				if ctx.Err() != nil || !yield(v, nil) {
					return
				}
			}
			if r.After >= last {
				select {
				case <-ctx.Done():
					return
				case <-hub.closed:
					yield(nil, Closed(s.Op+" "+s.ID))
					return
				case <-changed:
				}
			}
			last, err = r.next(ctx)
		}
	}
}

// reader goes through a stream page by page: After grows.
type reader[T any] struct {
	Stream[T]
	page        []*T
	incarnation uint64
}

// start reads the first page and returns the last number that was given.
func (r *reader[T]) start(ctx context.Context) (uint64, error) {
	if err := CheckID(r.Op, r.ID); err != nil {
		return 0, err
	}
	return r.next(ctx)
}

// next reads the next page and returns the last number that was given.
// NotFound if the deployment was deleted, even if there is a new one of the
// same ID.
func (r *reader[T]) next(ctx context.Context) (uint64, error) {
	r.page = nil
	p, err := r.Read(ctx, r.After)
	if err != nil {
		return 0, err
	}
	if r.incarnation != 0 && r.incarnation != p.Incarnation {
		return 0, NotFound(r.Op, r.ID)
	}
	r.incarnation = p.Incarnation
	for _, v := range p.Items {
		seq := r.Seq(v)
		if p.First > 0 && seq != max(r.After+1, p.First) || seq <= r.After {
			return 0, r.gap(max(r.After+1, p.First))
		}
		r.After = seq
	}
	if !p.More {
		// What is not there now was trimmed, is another operation's, or is lost.
		if p.First > 0 && r.After < p.Last && p.First <= p.Last {
			return 0, r.gap(max(r.After+1, p.First))
		}
		r.After = max(r.After, p.Last)
	}
	r.page = p.Items
	return p.Last, nil
}

func (r *reader[T]) gap(seq uint64) error {
	return &errs.Error{Code: errs.Internal, Op: r.Op, Subject: r.ID,
		Err:  errs.New(errs.Internal, "", "", "number %d is missing", seq),
		Hint: "the stored data is damaged; restore it from a backup"}
}
