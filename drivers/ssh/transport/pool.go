package transport

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"sync"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// Pool keeps one connection for each user, host, port and identity, and shares
// it. It is safe for concurrent use.
type Pool struct {
	config   Config
	trusting sync.Mutex // guards the file of known hosts

	mu     sync.Mutex
	slots  map[[sha256.Size]byte]*slot
	closed bool
	wg     sync.WaitGroup
}

// slot is the place of a connection in a pool.
type slot struct {
	// dialing is held by the one that connects; the others wait for it.
	dialing chan struct{}
	conn    *connection // guarded by Pool.mu; nil where there is none
}

// connection is an SSH connection with those who use it.
type connection struct {
	pool     *Pool
	slot     *slot
	host     Host
	client   *ssh.Client
	via      *Client       // the jump host's, or nil
	sessions chan struct{} // has an element for each open session
	ended    chan struct{} // closed when the connection has ended

	users int         // guarded by Pool.mu
	idle  *time.Timer // guarded by Pool.mu

	sftpMu sync.Mutex
	sftp   *sftp.Client
}

// NewPool returns an empty pool. Close ends it.
func NewPool(config Config) *Pool {
	return &Pool{config: config.withDefaults(), slots: map[[sha256.Size]byte]*slot{}}
}

// Get returns a connection to a host: one that is there, or a new one. The
// caller releases it.
//
// Errors: Unavailable and retryable where the host does not answer;
// PermissionDenied where it refuses the login or its key is not trusted.
func (p *Pool) Get(ctx context.Context, h Host) (*Client, error) {
	h = p.config.complete(h)
	s, err := p.slot(h)
	if err != nil {
		return nil, err
	}
	select {
	case s.dialing <- struct{}{}:
	case <-ctx.Done():
		return nil, errs.New(errs.CodeOf(ctx.Err()), "connect to", h.String(), "%w", ctx.Err())
	}
	defer func() { <-s.dialing }()
	if c := p.use(s); c != nil {
		return c, nil
	}
	client, via, err := p.dial(ctx, h)
	if err != nil {
		return nil, err
	}
	p.config.Logger.Debug("connected", "host", h.String())
	return p.add(s, &connection{pool: p, slot: s, host: h, client: client, via: via,
		sessions: make(chan struct{}, p.config.MaxSessions), ended: make(chan struct{})})
}

// slot returns the place of the connection to h.
func (p *Pool) slot(h Host) (*slot, error) {
	text, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	key := sha256.Sum256(text) // of the identity too, which need not be kept for this
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errs.New(errs.FailedPrecondition, "connect to", h.String(), "the pool is closed")
	}
	s := p.slots[key]
	if s == nil {
		s = &slot{dialing: make(chan struct{}, 1)}
		p.slots[key] = s
	}
	return s, nil
}

// use returns the slot's connection, or nil.
func (p *Pool) use(s *slot) *Client {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.conn == nil {
		return nil
	}
	select {
	case <-s.conn.ended:
		return nil
	default:
	}
	return s.conn.lease()
}

// add puts a new connection into its slot.
func (p *Pool) add(s *slot, c *connection) (*Client, error) {
	p.mu.Lock()
	if !p.closed {
		defer p.mu.Unlock()
		s.conn = c
		p.wg.Go(c.watch)
		p.wg.Go(c.keepAlive)
		return c.lease(), nil
	}
	p.mu.Unlock()
	c.close()
	if c.via != nil {
		c.via.Release()
	}
	return nil, errs.New(errs.FailedPrecondition, "connect to", c.host.String(), "the pool is closed")
}

// lease adds a user; Pool.mu is held.
func (c *connection) lease() *Client {
	if c.idle != nil {
		c.idle.Stop()
		c.idle = nil
	}
	c.users++
	return &Client{conn: c}
}

// unlease takes a user away; the last one leaves an idle connection behind.
func (c *connection) unlease() {
	p := c.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	c.users--
	if c.users > 0 || p.closed {
		return
	}
	c.idle = time.AfterFunc(p.config.IdleTimeout, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if c.users == 0 {
			c.close()
		}
	})
}

// close ends the connection; Pool.mu is held or the connection is known to be bad.
func (c *connection) close() { _ = c.client.Close() }

// watch waits for the end of the connection and clears up.
func (c *connection) watch() {
	_ = c.client.Wait()
	close(c.ended)
	c.sftpMu.Lock()
	if c.sftp != nil {
		_ = c.sftp.Close()
	}
	c.sftpMu.Unlock()
	c.pool.mu.Lock()
	if c.slot.conn == c {
		c.slot.conn = nil
	}
	c.pool.mu.Unlock()
	if c.via != nil {
		c.via.Release()
	}
}

// keepAlive probes the connection and ends it when it does not answer.
func (c *connection) keepAlive() {
	tick := time.NewTicker(c.pool.config.KeepAlive)
	defer tick.Stop()
	for {
		select {
		case <-c.ended:
			return
		case <-tick.C:
		}
		answer := make(chan error, 1)
		c.pool.wg.Go(func() {
			_, _, err := c.client.SendRequest("keepalive@openssh.com", true, nil)
			answer <- err
		})
		select {
		case err := <-answer:
			if err == nil {
				continue
			}
		case <-tick.C:
		case <-c.ended:
			return
		}
		c.pool.config.Logger.Warn("the connection is dead", "host", c.host.String())
		c.close()
		return
	}
}

// Close ends all connections and waits until they have ended.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	for _, s := range p.slots {
		if s.conn != nil {
			if s.conn.idle != nil {
				s.conn.idle.Stop()
			}
			s.conn.close()
		}
	}
	p.mu.Unlock()
	p.wg.Wait()
}
