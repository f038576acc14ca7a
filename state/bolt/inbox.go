package bolt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/internal/ledger"
)

const (
	// signalPoll is how often a store looks for what others left, while
	// somebody listens to signals.
	signalPoll = 500 * time.Millisecond
	// maxLetter is how large a signal's file may be.
	maxLetter = 64 << 10

	letterSuffix = ".json"
	draftSuffix  = ".tmp"
)

// letter is a signal in a file of its own.
type letter struct {
	Deployment string        `json:"deployment"`
	Signal     *state.Signal `json:"signal"`
}

// letterFolder is where the signals for a state file are left.
func letterFolder(path string) string { return path + ".signals" }

// Signal leaves a signal for the process that has the state file at path open
// (Open said Conflict): its Store finds it within half a second if somebody
// there listens to Signals, or else when somebody does. It is on disk when
// Signal returns. Whether there is such a deployment and run only that process
// can tell; if there is not, or the run has ended, the signal is dropped.
// NotFound if there is no file at path; InvalidArgument.
func Signal(path, id string, s *state.Signal) error {
	const op = "leave signal for"
	s, err := ledger.NewSignal(id, s, ledger.Now(time.Now))
	if err != nil {
		return err
	}
	data, err := ledger.Encode(letter{id, s})
	if err == nil && len(data) > maxLetter {
		err = errs.New(errs.InvalidArgument, op, id, "the signal has %d bytes, and %d are allowed", len(data), maxLetter)
	}
	if err != nil {
		return err
	}
	err = post(path, data)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return &errs.Error{Code: errs.NotFound, Op: op, Subject: id, Err: err}
	case errors.Is(err, fs.ErrPermission):
		return &errs.Error{Code: errs.PermissionDenied, Op: op, Subject: id, Err: err}
	}
	return &errs.Error{Code: errs.Unavailable, Op: op, Subject: id, Err: err}
}

// post puts a letter into the folder, whole or not at all.
func post(path string, data []byte) error {
	if _, err := os.Stat(path); err != nil {
		return err
	}
	dir := letterFolder(path)
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	// The name puts letters in order of time.
	f, err := os.CreateTemp(dir, fmt.Sprintf("%020d-*%s", time.Now().UnixNano(), draftSuffix))
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), strings.TrimSuffix(f.Name(), draftSuffix)+letterSuffix)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	syncFolder(f.Name())
	syncFolder(dir)
	return nil
}

// inbox looks for letters as long as somebody listens.
type inbox struct {
	mu        sync.Mutex
	listeners int
	cancel    context.CancelFunc
	done      chan struct{}
}

// listen has letters looked for until leave is called.
func (s *Store) listen() (leave func()) {
	in := &s.inbox
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.listeners++; in.listeners == 1 {
		ctx, cancel := context.WithCancel(context.Background())
		in.cancel, in.done = cancel, make(chan struct{})
		go s.lookForLetters(ctx, in.done)
	}
	return func() {
		in.mu.Lock()
		defer in.mu.Unlock()
		if in.listeners--; in.listeners == 0 {
			in.cancel()
			<-in.done
		}
	}
}

func (s *Store) lookForLetters(ctx context.Context, done chan<- struct{}) {
	defer close(done)
	tick := time.NewTicker(signalPoll)
	defer tick.Stop()
	for {
		s.takeLetters(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		case <-s.closing:
			return
		}
	}
}

// takeLetters makes signals of the letters that are there. A letter that could
// not be stored now stays; one that is of no use goes.
func (s *Store) takeLetters(ctx context.Context) {
	dir := letterFolder(s.path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // most often because there is none
	}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		if !strings.HasSuffix(e.Name(), letterSuffix) || !e.Type().IsRegular() {
			continue
		}
		l, err := readLetter(name)
		if err == nil {
			err = s.Signal(ctx, l.Deployment, l.Signal)
		}
		switch errs.CodeOf(err) {
		case "", errs.NotFound, errs.FailedPrecondition, errs.InvalidArgument:
			_ = os.Remove(name)
		default:
			return
		}
	}
}

func readLetter(name string) (*letter, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, &errs.Error{Code: errs.Unavailable, Err: err}
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxLetter))
	if err != nil {
		return nil, &errs.Error{Code: errs.Unavailable, Err: err}
	}
	l := new(letter)
	if err := json.Unmarshal(data, l); err != nil {
		return nil, &errs.Error{Code: errs.InvalidArgument, Err: err}
	}
	return l, nil
}
