package transport

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// Client is the use of a pooled connection. Release gives it back.
type Client struct {
	conn *connection
	once sync.Once
}

// Host returns whom it is connected to, with the user and port that were used.
func (c *Client) Host() Host { return c.conn.host }

// Release gives the connection back. Further calls do nothing.
func (c *Client) Release() { c.once.Do(c.conn.unlease) }

// Dial opens a network connection from the host.
func (c *Client) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return c.conn.client.DialContext(ctx, network, address)
}

// Command is a command to run on a host.
type Command struct {
	// Line is what the user's login shell there reads. Put words that are data
	// through Quote.
	Line string
	// Stdin is empty, and Stdout and Stderr are dropped, where they are nil.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Exit is how a command ended.
type Exit struct {
	// Code is its exit code; 128 + n where signal n killed it, as shells say it.
	Code int
	// Signal is the signal's name without SIG, such as "KILL", where one killed it.
	Signal string
}

// Exec runs a command and returns how it ended. When ctx ends, so does the
// session; whether the command ends with it is the host's affair.
//
// Errors: those of ctx; Unavailable and retryable where the connection broke,
// when nobody can tell what became of the command.
func (c *Client) Exec(ctx context.Context, command Command) (Exit, error) {
	select {
	case c.conn.sessions <- struct{}{}:
	case <-ctx.Done():
		return Exit{}, c.error(ctx, ctx.Err())
	}
	defer func() { <-c.conn.sessions }()
	session, err := c.session(ctx)
	if err != nil {
		return Exit{}, c.error(ctx, err)
	}
	defer session.Close()
	session.Stdin, session.Stdout, session.Stderr = command.Stdin, command.Stdout, command.Stderr
	stop := context.AfterFunc(ctx, func() { _ = session.Close() })
	defer stop()
	err = session.Run(command.Line)
	var exit *ssh.ExitError
	switch {
	case ctx.Err() != nil && err != nil:
		return Exit{}, c.error(ctx, ctx.Err())
	case errors.As(err, &exit):
		return Exit{Code: exit.ExitStatus(), Signal: exit.Signal()}, nil
	case err != nil:
		return Exit{}, c.error(ctx, err)
	}
	return Exit{}, nil
}

// session opens a session, or gives up waiting for it when ctx ends.
func (c *Client) session(ctx context.Context) (*ssh.Session, error) {
	type answer struct {
		session *ssh.Session
		err     error
	}
	answers := make(chan answer, 1)
	go func() { // ends with the answer, or with the connection
		s, err := c.conn.client.NewSession()
		answers <- answer{s, err}
	}()
	select {
	case a := <-answers:
		return a.session, a.err
	case <-ctx.Done():
		go func() {
			if a := <-answers; a.err == nil {
				_ = a.session.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

// SFTP returns the connection's SFTP client, which all its users share and
// none closes. It takes one of the connection's sessions.
func (c *Client) SFTP(ctx context.Context) (*sftp.Client, error) {
	c.conn.sftpMu.Lock()
	defer c.conn.sftpMu.Unlock()
	if c.conn.sftp != nil {
		return c.conn.sftp, nil
	}
	select {
	case c.conn.sessions <- struct{}{}: // never given back
	case <-ctx.Done():
		return nil, c.error(ctx, ctx.Err())
	}
	client, err := sftp.NewClient(c.conn.client, sftp.UseConcurrentReads(true), sftp.UseConcurrentWrites(true))
	if err != nil {
		<-c.conn.sessions
		return nil, c.error(ctx, err)
	}
	c.conn.sftp = client
	return client, nil
}

// Ended is closed when the connection has ended.
func (c *Client) Ended() <-chan struct{} { return c.conn.ended }

func (c *Client) error(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &errs.Error{Code: errs.CodeOf(ctx.Err()), Op: "work on", Subject: c.conn.host.String(), Err: err}
	}
	return executor.MarkRetryable(&errs.Error{Code: errs.Unavailable, Op: "work on", Subject: c.conn.host.String(), Err: err})
}
