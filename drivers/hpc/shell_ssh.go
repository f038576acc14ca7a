package hpc

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/pkg/sftp"

	"github.com/seed-a4fd30b5/orchestrator/drivers/ssh/transport"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// SSH returns a host as a Shell. Connections are the pool's: one for each user,
// host, port and identity, whatever the number of shells. Jump hosts are those
// of host.Jump or of the pool's configuration. Close does not end the pool.
func SSH(pool *transport.Pool, host transport.Host, options ShellOptions) Shell {
	return &remote{pool: pool, host: host, options: options}
}

// ParseHost reads a host such as "user@host:port"; user and port may be absent.
// An IPv6 address with a port stands in brackets.
func ParseHost(text string) (transport.Host, error) {
	var h transport.Host
	rest := text
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		h.User, rest = rest[:i], rest[i+1:]
	}
	h.Address = rest
	i := strings.LastIndexByte(rest, ':')
	if i >= 0 && (!strings.Contains(rest[:i], ":") || strings.HasSuffix(rest[:i], "]")) {
		port, err := strconv.Atoi(rest[i+1:])
		if err != nil || port < 1 || port > 65535 {
			return h, errs.New(errs.InvalidArgument, "use", "host "+text, "%q is no port", rest[i+1:])
		}
		h.Address, h.Port = rest[:i], port
	}
	h.Address = strings.TrimSuffix(strings.TrimPrefix(h.Address, "["), "]")
	if h.Address == "" {
		return h, errs.New(errs.InvalidArgument, "use", "host "+text, "it has no address")
	}
	return h, nil
}

// ParseJump reads the hosts to go through, the nearest first, as ssh -J takes
// them: "user@a:22,user@b", or "ssh://user@a:22" for one of them; "none" for no
// host, whatever the configuration has.
//
// Errors: InvalidArgument for what is none of it.
func ParseJump(text string) ([]transport.Host, error) {
	hosts := []transport.Host{}
	if strings.TrimSpace(text) == "none" {
		return hosts, nil
	}
	for hop := range strings.SplitSeq(text, ",") {
		h, err := ParseHost(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(hop), "ssh://"), "/"))
		if err != nil {
			return nil, errs.Wrap(err, "use", "jump hosts "+text)
		}
		hosts = append(hosts, h)
	}
	return hosts, nil
}

type remote struct {
	pool    *transport.Pool
	host    transport.Host
	options ShellOptions
}

func (r *remote) Name() string { return r.host.String() }
func (*remote) Close() error   { return nil }

// Run has sh read the command from standard input, in front of the command's
// own: so the user's login shell, which may be any, sees the same few words always.
// What its start files print, as bash reads them for SSH, comes before a mark, and
// is dropped.
func (r *remote) Run(ctx context.Context, c Command) (Result, error) {
	client, err := r.pool.Get(ctx, r.host)
	if err != nil {
		return Result{}, err
	}
	defer client.Release()
	line := r.options.line(c)
	mark := make([]byte, 8)
	rand.Read(mark)
	begins := hex.EncodeToString(mark)
	stdout, stderr := answer{begins: begins}, answer{begins: begins}
	exit, err := client.Exec(ctx, transport.Command{
		Line:   fmt.Sprintf(`exec sh -c 'printf %%s %[1]s; printf %%s %[1]s >&2; eval "$(head -c %[2]d)"'`, begins, len(line)),
		Stdin:  io.MultiReader(strings.NewReader(line), bytes.NewReader(c.Stdin)),
		Stdout: &stdout, Stderr: &stderr,
	})
	if err != nil {
		return Result{}, err
	}
	return Result{Code: exit.Code, Stdout: stdout.said(), Stderr: stderr.said()}, nil
}

// Dial connects through the SSH connection, which stays the pool's until both
// have ended.
func (r *remote) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	client, err := r.pool.Get(ctx, r.host)
	if err != nil {
		return nil, err
	}
	conn, err := client.Dial(ctx, network, address)
	if err != nil {
		client.Release()
		return nil, err
	}
	return &tunnel{Conn: conn, client: client}, nil
}

// tunnel gives the SSH connection back when it is closed.
type tunnel struct {
	net.Conn
	client *transport.Client
}

func (t *tunnel) Close() error {
	defer t.client.Release()
	return t.Conn.Close()
}

// files calls work with the host's SFTP client, which stops working with ctx's end.
func (r *remote) files(ctx context.Context, name string, work func(*sftp.Client) error) error {
	client, err := r.pool.Get(ctx, r.host)
	if err != nil {
		return err
	}
	defer client.Release()
	ftp, err := client.SFTP(ctx)
	if err != nil {
		return err
	}
	err = work(ftp)
	switch {
	case err == nil || errors.Is(err, fs.ErrNotExist):
		return err
	case ctx.Err() != nil:
		return errs.Wrap(ctx.Err(), "work on", name)
	case errors.Is(err, sftp.ErrSSHFxConnectionLost), errors.Is(err, sftp.ErrSSHFxNoConnection),
		errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.Is(err, os.ErrClosed):
		return executor.MarkRetryable(&errs.Error{Code: errs.Unavailable, Op: "work on", Subject: r.Name() + ":" + name, Err: err})
	case errors.Is(err, fs.ErrPermission):
		return &errs.Error{Code: errs.PermissionDenied, Op: "work on", Subject: r.Name() + ":" + name, Err: err}
	}
	return &errs.Error{Code: errs.FailedPrecondition, Op: "work on", Subject: r.Name() + ":" + name, Err: err}
}

func (r *remote) ReadFile(ctx context.Context, name string) ([]byte, error) {
	var content bytes.Buffer
	_, err := r.ReadAt(ctx, name, 0, 0, &content)
	if err != nil {
		return nil, err
	}
	return content.Bytes(), nil
}

func (r *remote) WriteFile(ctx context.Context, name string, content []byte, mode fs.FileMode) error {
	suffix := make([]byte, 6)
	rand.Read(suffix)
	temporary := path.Join(path.Dir(name), "."+path.Base(name)+"."+hex.EncodeToString(suffix))
	return r.files(ctx, name, func(ftp *sftp.Client) error {
		err := writeFile(ctx, ftp, temporary, 0, bytes.NewReader(content), mode)
		if err == nil {
			err = ftp.PosixRename(temporary, name)
		}
		if err != nil {
			_ = ftp.Remove(temporary)
		}
		return err
	})
}

func (r *remote) ReadAt(ctx context.Context, name string, offset, limit int64, w io.Writer) (n int64, err error) {
	err = r.files(ctx, name, func(ftp *sftp.Client) error {
		f, err := ftp.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		n, err = copyFrom(ctx, f, offset, limit, w)
		return err
	})
	return n, err
}

func (r *remote) WriteFrom(ctx context.Context, name string, offset int64, from io.Reader, mode fs.FileMode) error {
	return r.files(ctx, name, func(ftp *sftp.Client) error { return writeFile(ctx, ftp, name, offset, from, mode) })
}

func writeFile(ctx context.Context, ftp *sftp.Client, name string, offset int64, from io.Reader, mode fs.FileMode) error {
	const flags = os.O_WRONLY | os.O_CREATE
	f, err := ftp.OpenFile(name, flags)
	if errors.Is(err, fs.ErrNotExist) {
		if err := ftp.MkdirAll(path.Dir(name)); err != nil {
			return err
		}
		f, err = ftp.OpenFile(name, flags)
	}
	if err != nil {
		return err
	}
	if err = f.Chmod(mode); err == nil {
		err = copyTo(ctx, f, offset, from)
	}
	return errors.Join(err, f.Close())
}

func (r *remote) Remove(ctx context.Context, name string) error {
	if path.Clean(name) == "/" || !path.IsAbs(name) {
		return errs.New(errs.InvalidArgument, "remove", name, "not an absolute path below the root")
	}
	res, err := r.Run(ctx, Command{Args: []string{"rm", "-rf", "--", name}})
	if err == nil && res.Code != 0 {
		err = errs.New(errs.FailedPrecondition, "remove", r.Name()+":"+name, "%s", strings.TrimSpace(string(res.Stderr)))
	}
	return err
}
