package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

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
	// Stdin may be read from for a moment after Exec has returned with ctx's end.
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

// Exec runs a command and returns how it ended. When ctx ends, so does Exec, at
// once; the command is sent SIGTERM, which OpenSSH heeds since 7.9, and holds
// one of the connection's sessions until it has ended.
//
// Errors: those of ctx; Unavailable and retryable where the connection broke,
// when nobody can tell what became of the command.
func (c *Client) Exec(ctx context.Context, command Command) (Exit, error) {
	select {
	case c.conn.sessions <- struct{}{}:
	case <-ctx.Done():
		return Exit{}, c.error(ctx, ctx.Err())
	}
	session, err := c.session(ctx)
	if err != nil {
		<-c.conn.sessions
		return Exit{}, c.error(ctx, err)
	}
	stdout, stderr := &gate{w: command.Stdout}, &gate{w: command.Stderr}
	session.Stdin, session.Stdout, session.Stderr = command.Stdin, stdout, stderr
	ended := make(chan error, 1)
	go func() { // ends with the command, or with the connection
		err := session.Run(command.Line)
		_ = session.Close()
		<-c.conn.sessions
		ended <- err
	}()
	select {
	case err = <-ended:
	case <-ctx.Done():
		stdout.shut()
		stderr.shut()
		go func() {
			_ = session.Signal(ssh.SIGTERM)
			_ = session.Close()
		}()
		return Exit{}, c.error(ctx, ctx.Err())
	}
	var exit *ssh.ExitError
	switch {
	case errors.As(err, &exit):
		return Exit{Code: exit.ExitStatus(), Signal: exit.Signal()}, nil
	case err != nil:
		return Exit{}, c.error(ctx, err)
	}
	return Exit{}, nil
}

// gate is a writer that a session which goes on cannot write to any more.
type gate struct {
	mu sync.Mutex
	w  io.Writer // nil when it is shut
}

func (g *gate) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.w == nil {
		return len(p), nil
	}
	return g.w.Write(p)
}

func (g *gate) shut() {
	g.mu.Lock()
	g.w = nil
	g.mu.Unlock()
}

// session opens a session. Where the server has as many as it allows, it waits
// for one to end: a server counts a session for a moment longer than its
// client, and may allow fewer than Config.MaxSessions.
func (c *Client) session(ctx context.Context) (*ssh.Session, error) {
	alone := time.Duration(0) // waited while there was no other session
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		session, err := c.newSession(ctx)
		var refused *ssh.OpenChannelError
		if !errors.As(err, &refused) || refused.Reason != ssh.ConnectionFailed && refused.Reason != ssh.ResourceShortage {
			return session, err
		}
		if len(c.conn.sessions) == 1 {
			if alone += wait; alone > c.conn.pool.config.ConnectTimeout {
				return nil, err
			}
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// newSession opens a session, or gives up waiting for the answer when ctx ends.
func (c *Client) newSession(ctx context.Context) (*ssh.Session, error) {
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
	case c.conn.sessions <- struct{}{}:
	case <-ctx.Done():
		return nil, c.error(ctx, ctx.Err())
	}
	client, err := c.startSFTP(ctx)
	if err != nil {
		<-c.conn.sessions
		return nil, c.error(ctx, err)
	}
	c.conn.sftp = client
	go func() { // ends with the connection, or when the host's SFTP server does
		_ = client.Wait()
		c.conn.sftpMu.Lock()
		c.conn.sftp = nil
		c.conn.sftpMu.Unlock()
		<-c.conn.sessions
	}()
	return client, nil
}

func (c *Client) startSFTP(ctx context.Context) (*sftp.Client, error) {
	session, err := c.session(ctx)
	if err != nil {
		return nil, err
	}
	in, inErr := session.StdinPipe()
	out, outErr := session.StdoutPipe()
	err = errors.Join(inErr, outErr)
	if err == nil {
		err = session.RequestSubsystem("sftp")
	}
	var client *sftp.Client
	if err == nil {
		client, err = sftp.NewClientPipe(out, in, sftp.UseConcurrentReads(true), sftp.UseConcurrentWrites(true))
	}
	if err != nil {
		_ = session.Close()
		return nil, fmt.Errorf("start SFTP: %w", err)
	}
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
