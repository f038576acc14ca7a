package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// dial connects to a host, through its jump hosts, and logs in. via is the
// connection to the last jump host, which must be released after the one
// returned was closed.
func (p *Pool) dial(ctx context.Context, h Host) (client *ssh.Client, via *Client, err error) {
	dialer := p.config.Dial
	if n := len(h.Jump); n > 0 {
		jump := h.Jump[n-1]
		jump.Jump = h.Jump[:n-1]
		if jump.Jump == nil {
			jump.Jump = []Host{} // not those of the configuration
		}
		if via, err = p.Get(ctx, jump); err != nil {
			return nil, nil, fmt.Errorf("jump to %s: %w", h, err)
		}
		dialer = via.conn.client.DialContext
	}
	ctx, cancel := context.WithTimeout(ctx, p.config.ConnectTimeout)
	defer cancel()
	client, err = p.handshake(ctx, h, dialer)
	if err != nil && via != nil {
		via.Release()
		via = nil
	}
	return client, via, err
}

func (p *Pool) handshake(ctx context.Context, h Host, dial func(context.Context, string, string) (net.Conn, error)) (*ssh.Client, error) {
	check, algorithms, err := p.hostKeys(h)
	if err != nil {
		return nil, err
	}
	login, err := p.credentials(h)
	if err != nil {
		return nil, err
	}
	defer login.close()
	conn, err := dial(ctx, "tcp", h.endpoint())
	if err != nil {
		return nil, p.unreachable(ctx, h, err)
	}
	// A connection through a jump host knows no deadlines; closing works with any.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	c, channels, requests, err := ssh.NewClientConn(conn, h.endpoint(), &ssh.ClientConfig{
		User: h.User, Auth: login.methods, HostKeyCallback: check, HostKeyAlgorithms: algorithms,
	})
	if err != nil {
		_ = conn.Close()
		return nil, p.refused(ctx, h, login, err)
	}
	if !stop() { // ctx ended at the last moment
		_ = c.Close()
		return nil, p.unreachable(ctx, h, ctx.Err())
	}
	return ssh.NewClient(c, channels, requests), nil
}

// refused makes an error of a handshake that failed.
func (p *Pool) refused(ctx context.Context, h Host, login *credentials, err error) error {
	var known *errs.Error
	switch {
	case errors.As(err, &known):
		return known // the host key is not trusted
	case strings.Contains(err.Error(), "unable to authenticate"), strings.Contains(err.Error(), "too many authentication failures"):
		return &errs.Error{Code: errs.PermissionDenied, Op: "log in to", Subject: h.String(), Err: err,
			Hint: "tried: " + login.tried}
	case strings.Contains(err.Error(), "no common algorithm"):
		return &errs.Error{Code: errs.FailedPrecondition, Op: "connect to", Subject: h.String(), Err: err}
	}
	return p.unreachable(ctx, h, err)
}

// unreachable makes an error of a host that does not answer. Trying again may
// help, as when it is still starting.
func (p *Pool) unreachable(ctx context.Context, h Host, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return &errs.Error{Code: errs.Canceled, Op: "connect to", Subject: h.String(), Err: ctx.Err()}
	}
	if ctx.Err() != nil {
		// Not the error of the context itself: the operation's own deadline has not passed.
		err = fmt.Errorf("no answer in %v", p.config.ConnectTimeout)
	}
	return executor.MarkRetryable(&errs.Error{Code: errs.Unavailable, Op: "connect to", Subject: h.String(), Err: err})
}
