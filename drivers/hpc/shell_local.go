package hpc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// Local returns this machine as a Shell, for a program that runs on the login
// node itself.
func Local() Shell { return NewLocal(ShellOptions{}) }

// NewLocal returns this machine as a Shell.
func NewLocal(options ShellOptions) Shell { return &local{options: options} }

type local struct {
	options ShellOptions
}

func (*local) Name() string { return "localhost" }
func (*local) Close() error { return nil }

// Run runs the command through sh. When ctx ends it is sent SIGTERM and not
// waited for.
func (l *local) Run(ctx context.Context, c Command) (Result, error) {
	if err := ctx.Err(); err != nil {
		return Result{}, errs.Wrap(err, "run", c.Args[0])
	}
	cmd := exec.Command("sh", "-c", l.options.line(c))
	var stdout, stderr answer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(c.Stdin), &stdout, &stderr
	if err := cmd.Start(); err != nil {
		return Result{}, errs.Wrap(err, "run", c.Args[0])
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }() // ends with the command
	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
		_ = cmd.Process.Signal(syscall.SIGTERM)
		return Result{}, errs.Wrap(ctx.Err(), "run", c.Args[0])
	}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		code := exit.ExitCode()
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			code = 128 + int(status.Signal())
		}
		return Result{Code: code, Stdout: stdout.data, Stderr: stderr.data}, nil
	case err != nil:
		return Result{}, errs.Wrap(err, "run", c.Args[0])
	}
	return Result{Stdout: stdout.data, Stderr: stderr.data}, nil
}

func (*local) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

func (*local) ReadFile(_ context.Context, path string) ([]byte, error) { return os.ReadFile(path) }

func (*local) WriteFile(_ context.Context, path string, content []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Chmod(mode), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

func (*local) ReadAt(ctx context.Context, path string, offset, limit int64, w io.Writer) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return copyFrom(ctx, f, offset, limit, w)
}

func (*local) WriteFrom(ctx context.Context, path string, offset int64, r io.Reader, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, mode)
	if err != nil {
		return err
	}
	return errors.Join(copyTo(ctx, f, offset, r), f.Close())
}

func (*local) Remove(_ context.Context, path string) error { return os.RemoveAll(path) }

// copyFrom copies limit bytes (0 for all) from an offset on.
func copyFrom(ctx context.Context, f io.ReadSeeker, offset, limit int64, w io.Writer) (int64, error) {
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return 0, err
	}
	r := io.Reader(contextReader{ctx, f})
	if limit > 0 {
		r = io.LimitReader(r, limit)
	}
	return io.Copy(w, r)
}

// copyTo writes from an offset on and cuts the file off behind that.
func copyTo(ctx context.Context, f interface {
	io.WriteSeeker
	Truncate(int64) error
}, offset int64, r io.Reader) error {
	if err := f.Truncate(offset); err != nil {
		return err
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return err
	}
	_, err := io.Copy(f, contextReader{ctx, r})
	return err
}

// contextReader ends with its context.
type contextReader struct {
	ctx context.Context
	io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}
