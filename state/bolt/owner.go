package bolt

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The lock file only tells people who has the state file: the lock that counts
// is the operating system's, on the state file itself.

func ownerFile(path string) string { return path + ".lock" }

// nameOwner writes this process into the lock file and returns its path;
// empty if it cannot be written, which does no harm.
func nameOwner(path string, now time.Time) string {
	host, _ := os.Hostname()
	text := fmt.Sprintf("pid %d\nprogram %s\nhost %s\nsince %s\n",
		os.Getpid(), filepath.Base(os.Args[0]), host, now.UTC().Format(time.RFC3339))
	if err := os.WriteFile(ownerFile(path), []byte(text), 0o600); err != nil {
		return ""
	}
	return ownerFile(path)
}

// owner returns who has the state file, for people.
func owner(path string) string {
	const unknown = "another process"
	f, err := os.Open(ownerFile(path))
	if err != nil {
		return unknown
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return unknown
	}
	fields := map[string]string{}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		fields[key] = value
	}
	pid, err := strconv.Atoi(fields["pid"])
	host, _ := os.Hostname()
	switch {
	case err != nil || pid < 1:
		return unknown
	case fields["host"] == host && pid == os.Getpid():
		return "this process, which opened it before"
	case fields["host"] == host && gone(pid):
		return unknown // whose name is not there, because it only reads
	}
	return fmt.Sprintf("process %d (%.60q on host %.60q, since %.30s)", pid, fields["program"], fields["host"], strconv.QuoteToASCII(fields["since"]))
}

// gone reports whether there is no process of that number.
func gone(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return true
	}
	defer func() { _ = p.Release() }()
	return errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone)
}
