package postgres

import (
	"context"
	"crypto/rand"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/seed-a4fd30b5/orchestrator/state/internal/ledger"
)

// changed wakes those who follow a deployment, here and in other processes.
func (s *Store) changed(id string) {
	s.wake(id)
	if !s.options.NoNotify {
		s.notices.add(id)
	}
}

// wake wakes those who follow a deployment here.
func (s *Store) wake(id string) {
	s.hub.Notify(ledger.CommitTopic(id))
	s.hub.Notify(ledger.SignalTopic(id))
}

// followed returns the deployments that somebody follows here.
func (s *Store) followed() map[string]bool {
	ids := map[string]bool{}
	for _, topic := range s.hub.Topics() {
		id, _, _ := strings.Cut(topic, "/") // no ID has a slash
		ids[id] = true
	}
	return ids
}

// notices are the notifications to be sent. They do not go with the commits:
// the server lets only one transaction with notifications end at a time, disk
// sync and all, so that commits could not share a sync. If one is lost, polling
// makes up for it.
type notices struct {
	// sender tells this store's notifications from those of others.
	sender string
	wake   chan struct{}

	mu  sync.Mutex
	ids map[string]bool
}

func (n *notices) start(s *Store) {
	n.sender, n.wake, n.ids = rand.Text(), make(chan struct{}, 1), map[string]bool{}
	s.background.Go(func() { s.sendNotices() })
}

func (n *notices) add(id string) {
	n.mu.Lock()
	n.ids[id] = true
	n.mu.Unlock()
	select {
	case n.wake <- struct{}{}:
	default: // it is about to take them
	}
}

// take returns what is to be sent.
func (n *notices) take() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var payloads []string
	for id := range n.ids {
		payloads = append(payloads, n.sender+" "+id)
	}
	clear(n.ids)
	return payloads
}

// sendNotices sends what has gathered while it sent what was before.
func (s *Store) sendNotices() {
	for {
		select {
		case <-s.notices.wake:
			// An error is of no interest: see notices.
			_, _ = s.pool.Exec(s.ctx, "SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload", s.options.Schema, s.notices.take())
		case <-s.ctx.Done():
			return
		}
	}
}

// watch begins to look for what others write. It goes on until the store is
// closed, but asks nothing while nobody watches.
func (s *Store) watch() {
	s.watching.Do(func() {
		if s.closed.Load() {
			return
		}
		s.background.Go(s.poll)
		if !s.options.NoNotify {
			s.background.Go(s.listen)
		}
	})
}

// position is what polling looks at: it differs where there is something new.
type position struct{ number, lastSeq, lastLog, lastSignal int64 }

// poll asks again and again where the watched deployments are.
func (s *Store) poll() {
	tick := time.NewTicker(s.options.Poll)
	defer tick.Stop()
	var known map[string]position
	for {
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			return
		}
		if current, err := s.positions(slices.Collect(maps.Keys(s.followed()))); err == nil {
			for id, p := range current {
				if was, ok := known[id]; !ok || was != p {
					s.wake(id)
				}
			}
			known = current
		}
	}
}

// positions returns where deployments are; the zero position where there is no
// such deployment.
func (s *Store) positions(ids []string) (map[string]position, error) {
	current := map[string]position{}
	if len(ids) == 0 {
		return current, nil
	}
	for _, id := range ids {
		current[id] = position{}
	}
	rows, err := s.pool.Query(s.ctx, s.sql("SELECT id, number, last_seq, last_log, last_signal FROM {}.deployments WHERE id = ANY ($1::text[])"), ids)
	if err != nil {
		return nil, err
	}
	var id string
	var p position
	_, err = pgx.ForEachRow(rows, []any{&id, &p.number, &p.lastSeq, &p.lastLog, &p.lastSignal}, func() error {
		current[id] = p
		return nil
	})
	return current, err
}

// listen wakes watches at the notifications of other stores. It has a
// connection of its own, and makes a new one where that breaks.
func (s *Store) listen() {
	for wait := 100 * time.Millisecond; s.ctx.Err() == nil; wait = min(2*wait, 5*time.Second) {
		began := time.Now()
		_ = s.listenOnce(s.ctx) // polling is there meanwhile
		if time.Since(began) > time.Minute {
			wait = 100 * time.Millisecond
		}
		select {
		case <-time.After(wait):
		case <-s.ctx.Done():
		}
	}
}

// listenOnce listens until the connection breaks or ctx ends.
func (s *Store) listenOnce(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, s.listener)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	if _, err := conn.Exec(ctx, s.sql("LISTEN {}")); err != nil {
		return err
	}
	for id := range s.followed() {
		s.wake(id) // something may have come while nobody listened
	}
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		if sender, id, ok := strings.Cut(n.Payload, " "); ok && sender != s.notices.sender {
			s.wake(id)
		}
	}
}
