package hpc

import (
	"context"
	"io"
	"io/fs"
	"net"
)

// Shell is a cluster's login node, or this machine: where commands run and
// files lie. All methods are safe for concurrent use. Errors carry a Code:
// Unavailable (retryable) where the node cannot be reached; a command that ran
// and failed is a Result with its exit code, not an error.
type Shell interface {
	// Run runs a program with arguments, which reach it as they are. With the
	// cluster's login shell where that is asked for.
	Run(ctx context.Context, command Command) (Result, error)
	// Dial connects to an address as the node sees it, such as "tcp", "head:6820"
	// or "unix", "/run/slurmrestd.sock".
	Dial(ctx context.Context, network, address string) (net.Conn, error)
	// Files are those of the node, by absolute path.
	Files
	// Name names the shell in messages and keys caches: "user@host:port", or
	// "localhost".
	Name() string
	Close() error
}

// Command is a program to run.
type Command struct {
	Args []string
	// Stdin is given to it; Dir is its working directory; Env are variables.
	Stdin []byte
	Dir   string
	Env   map[string]string
}

// Result is how a command ended.
type Result struct {
	// Code is the exit code, or 128 and the number of the signal that ended it.
	Code           int
	Stdout, Stderr []byte
}

// Files are the files of a node.
type Files interface {
	// ReadFile returns the content of a small file; fs.ErrNotExist.
	ReadFile(ctx context.Context, path string) ([]byte, error)
	// WriteFile makes or replaces a file in one step, with its folder.
	WriteFile(ctx context.Context, path string, content []byte, mode fs.FileMode) error
	// ReadAt copies what a file has from offset on to w, at most limit bytes
	// (0 for all), and returns how many; fs.ErrNotExist.
	ReadAt(ctx context.Context, path string, offset, limit int64, w io.Writer) (int64, error)
	// WriteFrom writes what r has to a file, beginning at offset, and cuts it off
	// behind that. It makes the file with its folder where it is not there; mode
	// is for a new one.
	WriteFrom(ctx context.Context, path string, offset int64, r io.Reader, mode fs.FileMode) error
	// Remove removes a file or folder with all that is in it; none is no error.
	Remove(ctx context.Context, path string) error
}
