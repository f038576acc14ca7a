package ledger

import (
	"maps"
	"slices"
	"sync"
)

// Hub wakes those who follow a stream. The zero Hub is not ready; see NewHub.
type Hub struct {
	closed chan struct{}
	mu     sync.Mutex
	subs   map[string]map[chan struct{}]bool // by topic
}

// CommitTopic tells of commits to a deployment, and of its end.
func CommitTopic(id string) string { return id }

// SignalTopic tells of signals to a deployment, and of its end.
func SignalTopic(id string) string { return id + "/signals" } // no ID has a slash

// NewHub returns a Hub without followers.
func NewHub() *Hub {
	return &Hub{closed: make(chan struct{}), subs: map[string]map[chan struct{}]bool{}}
}

// Notify wakes those who follow a topic. It never blocks.
func (h *Hub) Notify(topic string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.subs[topic] {
		select {
		case c <- struct{}{}:
		default: // it has yet to read what the earlier change left
		}
	}
}

// Deleted wakes all who follow a deployment.
func (h *Hub) Deleted(id string) {
	h.Notify(CommitTopic(id))
	h.Notify(SignalTopic(id))
}

// Topics returns the topics that somebody follows, in no order.
func (h *Hub) Topics() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Keys(h.subs))
}

// Close ends all streams that are followed. It must be called once.
func (h *Hub) Close() { close(h.closed) }

func (h *Hub) subscribe(topic string) (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.subs[topic] == nil {
		h.subs[topic] = map[chan struct{}]bool{}
	}
	h.subs[topic][c] = true
	return c, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.subs[topic], c)
		if len(h.subs[topic]) == 0 {
			delete(h.subs, topic)
		}
	}
}
