package ledger

import (
	"context"
	"iter"
	"sync"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
)

// PageSize is how many journal entries a store reads at once. A store holds no
// lock and no transaction while the caller has an entry, so that a slow caller
// cannot hold up others, and may call the store.
const PageSize = 512

// Page is a part of a deployment's journal.
type Page struct {
	// Entries are at most PageSize, in order.
	Entries []*state.Entry
	// LastSeq is that of the whole journal.
	LastSeq uint64
	// Incarnation is the deployment's.
	Incarnation uint64
}

// ReadPage reads the entries with Seq > after of a deployment; NotFound.
type ReadPage func(ctx context.Context, after uint64) (Page, error)

// Journal yields what there is when it starts.
func Journal(ctx context.Context, id string, after uint64, read ReadPage) iter.Seq2[*state.Entry, error] {
	return func(yield func(*state.Entry, error) bool) {
		r := reader{id: id, after: after, read: read}
		end, err := r.start(ctx)
		for err == nil {
			for _, e := range r.page {
				if e.Seq > end {
					return
				}
				if err := ctx.Err(); err != nil {
					yield(nil, errs.Wrap(err, "read journal of", id))
					return
				}
				if !yield(e, nil) {
					return
				}
			}
			if r.after >= end {
				return
			}
			_, err = r.next(ctx)
		}
		yield(nil, err)
	}
}

// Watch yields what there is and what comes. changes wakes it up.
func Watch(ctx context.Context, id string, after uint64, read ReadPage, hub *Hub) iter.Seq2[*state.Entry, error] {
	return func(yield func(*state.Entry, error) bool) {
		changed, stop := hub.subscribe(id)
		defer stop()
		r := reader{id: id, after: after, read: read}
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
			for _, e := range r.page {
				if ctx.Err() != nil || !yield(e, nil) {
					return
				}
			}
			if r.after >= last {
				select {
				case <-ctx.Done():
					return
				case <-hub.closed:
					yield(nil, Closed("watch "+id))
					return
				case <-changed:
				}
			}
			last, err = r.next(ctx)
		}
	}
}

// reader goes through a journal page by page.
type reader struct {
	id          string
	read        ReadPage
	after       uint64
	page        []*state.Entry
	incarnation uint64
}

// start reads the first page and returns the journal's LastSeq.
func (r *reader) start(ctx context.Context) (uint64, error) {
	if err := CheckID("read journal of", r.id); err != nil {
		return 0, err
	}
	return r.next(ctx)
}

// next reads the next page and returns the journal's LastSeq. NotFound if the
// deployment was deleted, even if there is a new one of the same ID.
func (r *reader) next(ctx context.Context) (uint64, error) {
	r.page = nil
	p, err := r.read(ctx, r.after)
	if err != nil {
		return 0, err
	}
	if r.incarnation != 0 && r.incarnation != p.Incarnation {
		return 0, NotFound("read journal of", r.id)
	}
	r.incarnation = p.Incarnation
	for _, e := range p.Entries {
		if e.Seq != r.after+1 {
			return 0, r.gap()
		}
		r.after = e.Seq
	}
	if len(p.Entries) == 0 && r.after < p.LastSeq {
		return 0, r.gap()
	}
	r.page = p.Entries
	return p.LastSeq, nil
}

func (r *reader) gap() error {
	return &errs.Error{Code: errs.Internal, Op: "read journal of", Subject: r.id,
		Err:  errs.New(errs.Internal, "", "", "entry %d is missing", r.after+1),
		Hint: "the stored data is damaged; restore it from a backup"}
}

// Hub tells watchers that a deployment's journal has grown or is gone. The
// zero Hub is not ready; see NewHub.
type Hub struct {
	closed chan struct{}
	mu     sync.Mutex
	subs   map[string]map[chan struct{}]bool
}

// NewHub returns a Hub without watchers.
func NewHub() *Hub {
	return &Hub{closed: make(chan struct{}), subs: map[string]map[chan struct{}]bool{}}
}

// Notify wakes the watchers of a deployment. It never blocks.
func (h *Hub) Notify(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.subs[id] {
		select {
		case c <- struct{}{}:
		default: // it has yet to read what the earlier change left
		}
	}
}

// Close ends all watches. It must be called once.
func (h *Hub) Close() { close(h.closed) }

func (h *Hub) subscribe(id string) (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.subs[id] == nil {
		h.subs[id] = map[chan struct{}]bool{}
	}
	h.subs[id][c] = true
	return c, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.subs[id], c)
		if len(h.subs[id]) == 0 {
			delete(h.subs, id)
		}
	}
}
