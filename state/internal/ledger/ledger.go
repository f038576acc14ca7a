// Package ledger is what all stores share: how records are encoded, when a
// commit or a lease is refused, how journals are read and watched. Stores keep
// bytes; because the rules are here, they cannot differ in them.
package ledger

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
)

// Head is the record of a deployment beside its instances, runs and journal.
type Head struct {
	Deployment *state.Deployment `json:"deployment"`
	// Incarnation tells a deployment from an earlier one of the same ID.
	Incarnation uint64 `json:"incarnation"`
	// LastSignal is the Seq of the last signal, 0 if there never was one.
	LastSignal uint64 `json:"last_signal,omitempty"`
}

// deepJSON is the size from which a record could nest deeper than the decoder
// follows (10,000 levels).
const deepJSON = 9_000

// Encode returns v as JSON; InvalidArgument if it holds what is not JSON.
func Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, &errs.Error{Code: errs.InvalidArgument, Op: "encode record", Err: err}
	}
	data := b.Bytes()[:b.Len()-1] // without the encoder's line feed
	// The parts of a record are checked by themselves, and the whole nests
	// deeper than they do.
	if len(data) > deepJSON && !json.Valid(data) {
		return nil, errs.New(errs.InvalidArgument, "encode record", "", "JSON is nested too deeply")
	}
	return data, nil
}

// Decode reads what Encode wrote; Internal if it is damaged.
func Decode[T any](data []byte) (*T, error) {
	v := new(T)
	if err := json.Unmarshal(data, v); err != nil {
		return nil, damaged(err)
	}
	return v, nil
}

// DecodeHead reads a Head and checks that it is one.
func DecodeHead(data []byte) (*Head, error) {
	h, err := Decode[Head](data)
	if err != nil {
		return nil, err
	}
	if h.Deployment == nil || h.Deployment.Revision == 0 {
		return nil, damaged(fmt.Errorf("the record is no deployment"))
	}
	// Records of the first release have none, because nothing was trimmed then.
	h.Deployment.FirstSeq = max(h.Deployment.FirstSeq, 1)
	return h, nil
}

// DecodeRun reads a run.
func DecodeRun(data []byte) (*state.Run, error) {
	r, err := Decode[state.Run](data)
	if err != nil {
		return nil, err
	}
	r.FirstSeq = max(r.FirstSeq, 1) // where the first release wrote it
	return r, nil
}

// DecodeEntry reads the journal entry stored under seq.
func DecodeEntry(seq uint64, data []byte) (*state.Entry, error) {
	e, err := Decode[state.Entry](data)
	if err != nil {
		return nil, err
	}
	e.Seq = seq
	return e, nil
}

// DecodeLog reads the log chunk stored under seq.
func DecodeLog(seq uint64, data []byte) (*state.LogChunk, error) {
	c, err := Decode[state.LogChunk](data)
	if err != nil {
		return nil, err
	}
	c.Seq = seq
	return c, nil
}

func damaged(err error) error {
	return &errs.Error{Code: errs.Internal, Op: "decode record", Err: err, Hint: "the stored data is damaged; restore it from a backup"}
}

// Now returns the time as stores record it: in UTC, without a monotonic clock.
func Now(clock func() time.Time) time.Time { return clock().UTC().Round(0) }

// SortRuns puts runs in order of Started, then ID.
func SortRuns(runs []*state.Run) {
	slices.SortFunc(runs, func(a, b *state.Run) int {
		return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.ID, b.ID))
	})
}

// NewHead returns what to store as the head of a new deployment.
func NewHead(d *state.Deployment, incarnation uint64, now time.Time) ([]byte, error) {
	h, err := newHead(d, now)
	if err != nil {
		return nil, err
	}
	h.Incarnation = incarnation
	return Encode(h)
}

// CheckNew refuses a deployment that can not be created.
func CheckNew(d *state.Deployment) error {
	_, err := newHead(d, time.Time{})
	return err
}

func newHead(d *state.Deployment, now time.Time) (*Head, error) {
	if d == nil {
		return nil, errs.New(errs.InvalidArgument, "create deployment", "", "no deployment was given")
	}
	if err := CheckID("create deployment", d.ID); err != nil {
		return nil, err
	}
	n := *d
	n.Revision, n.FirstSeq, n.LastSeq, n.LastLog, n.Created, n.Updated = 1, 1, 0, 0, now, now
	if _, err := Encode(&n); err != nil {
		return nil, errs.Wrap(err, "create deployment", d.ID)
	}
	return &Head{Deployment: &n}, nil
}

// CheckID refuses an ID that can not name a deployment.
func CheckID(op, id string) error {
	if state.ValidID(id) {
		return nil
	}
	return &errs.Error{Code: errs.InvalidArgument, Op: op, Err: fmt.Errorf("%.140q is not a valid ID", id),
		Hint: "use 1 to 128 letters, digits, '.', '_' and '-', not starting with '.' or '-'"}
}

// NotFound is the error for a deployment that does not exist.
func NotFound(op, id string) error {
	return &errs.Error{Code: errs.NotFound, Op: op, Subject: id, Err: fmt.Errorf("there is no deployment %.140q", id)}
}

// RunNotFound is the error for a run that does not exist.
func RunNotFound(id, run string) error {
	return &errs.Error{Code: errs.NotFound, Op: "read run", Subject: id, Err: fmt.Errorf("there is no run %.140q", run)}
}

// Exists is the error for a deployment whose ID is taken.
func Exists(id string) error {
	return &errs.Error{Code: errs.AlreadyExists, Op: "create deployment", Subject: id,
		Err: fmt.Errorf("there is a deployment of this ID"), Hint: "choose another ID, or delete that one first"}
}

// Closed is the error for a store that is closed.
func Closed(op string) error {
	return errs.New(errs.Unavailable, op, "", "the store is closed")
}

// maxOperationID is the greatest length of an operation's ID in bytes.
const maxOperationID = 1024

// maxInstanceID is the greatest length of an instance's ID in bytes.
const maxInstanceID = 1024

func checkInstanceID(id string) error {
	switch {
	case id == "":
		return fmt.Errorf("an instance has no ID")
	case len(id) > maxInstanceID:
		return fmt.Errorf("the instance ID %.40q... has more than %d bytes", id, maxInstanceID)
	case !utf8.ValidString(id):
		return fmt.Errorf("the instance ID %q is not UTF-8", id)
	}
	for _, r := range id {
		if unicode.IsControl(r) {
			return fmt.Errorf("the instance ID %q holds a control character", id)
		}
	}
	return nil
}
