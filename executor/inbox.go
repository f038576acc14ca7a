package executor

import "sync"

// inbox carries work to the goroutine that owns a run: whoever learns something
// posts a function, and the owner runs them in order. It never blocks the sender.
type inbox struct {
	signal chan struct{} // has an element while there may be posts

	mu     sync.Mutex
	posts  []func()
	closed bool
}

func newInbox() *inbox { return &inbox{signal: make(chan struct{}, 1)} }

// post hands f over; what comes after close is dropped, and post returns false.
func (b *inbox) post(f func()) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.posts = append(b.posts, f)
	select {
	case b.signal <- struct{}{}:
	default:
	}
	return true
}

// take returns all that was posted.
func (b *inbox) take() []func() {
	b.mu.Lock()
	defer b.mu.Unlock()
	posts := b.posts
	b.posts = nil
	return posts
}

func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed, b.posts = true, nil
}
