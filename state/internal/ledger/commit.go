package ledger

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
)

// Record is an encoded record under its ID.
type Record struct {
	ID   string
	Data []byte
}

// Batch is a commit that was checked and encoded, ready to be written. Making
// it takes the time, and needs no lock.
type Batch struct {
	ID       string
	lease    state.Lease
	revision uint64
	// deployment replaces the record if not nil.
	deployment *state.Deployment
	// Delete are the instances to remove first. Put is in order of ID, each ID
	// once.
	Delete []string
	Put    []Record
	// Run is nil where there is none; NextRun tells what to store.
	Run *state.Run
	// Entries are the journal entries without their numbers: the first gets
	// the head's LastSeq + 1.
	Entries [][]byte
	// Logs are the log chunks without their numbers: the first gets the head's
	// LastLog + 1.
	Logs []Log
}

// Log is an encoded log chunk.
type Log struct {
	Run, Operation string
	Data           []byte
}

// Prepare checks and encodes a commit; InvalidArgument.
func Prepare(id string, c *state.Commit, now time.Time) (*Batch, error) {
	b, err := prepare(id, c, now)
	if err != nil {
		return nil, &errs.Error{Code: errs.InvalidArgument, Op: "commit to", Subject: id, Err: err}
	}
	return b, nil
}

func prepare(id string, c *state.Commit, now time.Time) (*Batch, error) {
	if c == nil {
		return nil, fmt.Errorf("no commit was given")
	}
	b := &Batch{ID: id, lease: c.Lease, revision: c.Revision}
	if err := b.prepareDeployment(c.Deployment); err != nil {
		return nil, err
	}
	if err := b.prepareRun(c.Run); err != nil {
		return nil, err
	}
	if err := b.prepareInstances(c.Put, c.Delete); err != nil {
		return nil, err
	}
	if err := b.prepareEntries(c.Entries, now); err != nil {
		return nil, err
	}
	return b, b.prepareLogs(c.Logs, now)
}

func (b *Batch) prepareDeployment(d *state.Deployment) error {
	if d == nil {
		return nil
	}
	if d.ID != b.ID {
		return fmt.Errorf("the deployment in it has another ID: %.140q", d.ID)
	}
	n := *d
	n.Created, n.Updated = time.Time{}, time.Time{} // the store's
	if _, err := Encode(&n); err != nil {
		return fmt.Errorf("the deployment in it: %w", err)
	}
	b.deployment = &n
	return nil
}

func (b *Batch) prepareRun(r *state.Run) error {
	if r == nil {
		return nil
	}
	n, err := checkRun(r)
	b.Run = n
	return err
}

// checkRun returns a copy of a run that can be stored.
func checkRun(r *state.Run) (*state.Run, error) {
	if !state.ValidID(r.ID) {
		return nil, fmt.Errorf("%.140q is not a valid ID of a run", r.ID)
	}
	n := *r
	n.Blobs = slices.Clone(r.Blobs)
	n.Started, n.Ended = n.Started.UTC(), n.Ended.UTC()
	if _, err := Encode(&n); err != nil {
		return nil, fmt.Errorf("run %s: %w", r.ID, err)
	}
	return &n, nil
}

func (b *Batch) prepareInstances(put []*state.Instance, del []string) error {
	b.Put = make([]Record, 0, len(put))
	for _, in := range put {
		r, err := encodeInstance(in)
		if err != nil {
			return err
		}
		b.Put = append(b.Put, r)
	}
	b.Put = lastOfEach(b.Put)
	for _, id := range del {
		if id != "" {
			b.Delete = append(b.Delete, id)
		}
	}
	return nil
}

func encodeInstance(in *state.Instance) (Record, error) {
	if in == nil {
		return Record{}, fmt.Errorf("an instance is nil")
	}
	if err := checkInstanceID(in.ID); err != nil {
		return Record{}, err
	}
	data, err := Encode(in)
	if err != nil {
		return Record{}, fmt.Errorf("instance %s: %w", in.ID, err)
	}
	return Record{in.ID, data}, nil
}

// lastOfEach sorts records by ID and keeps the last of those with the same.
func lastOfEach(rs []Record) []Record {
	slices.SortStableFunc(rs, func(a, b Record) int { return cmp.Compare(a.ID, b.ID) })
	kept := rs[:0]
	for i, r := range rs {
		if i+1 == len(rs) || rs[i+1].ID != r.ID {
			kept = append(kept, r)
		}
	}
	return kept
}

func (b *Batch) prepareEntries(entries []*state.Entry, now time.Time) error {
	b.Entries = make([][]byte, 0, len(entries))
	for i, e := range entries {
		data, err := encodeEntry(e, now)
		if err != nil {
			return fmt.Errorf("journal entry %d: %w", i, err)
		}
		b.Entries = append(b.Entries, data)
	}
	return nil
}

// encodeEntry encodes a journal entry without its number, which the store's
// key tells.
func encodeEntry(e *state.Entry, now time.Time) ([]byte, error) {
	if e == nil {
		return nil, fmt.Errorf("it is nil")
	}
	n := *e
	n.Seq = 0
	if n.Time.IsZero() {
		n.Time = now
	}
	n.Time = n.Time.UTC()
	return Encode(&n)
}

func (b *Batch) prepareLogs(chunks []*state.LogChunk, now time.Time) error {
	b.Logs = make([]Log, 0, len(chunks))
	for i, c := range chunks {
		l, err := encodeLog(c, now)
		if err != nil {
			return fmt.Errorf("log chunk %d: %w", i, err)
		}
		b.Logs = append(b.Logs, l)
	}
	return nil
}

// encodeLog checks and encodes a log chunk without its number, which the
// store's key tells.
func encodeLog(c *state.LogChunk, now time.Time) (Log, error) {
	switch {
	case c == nil:
		return Log{}, fmt.Errorf("it is nil")
	case !state.ValidID(c.Run):
		return Log{}, fmt.Errorf("%.140q is not a valid ID of a run", c.Run)
	case len(c.Operation) > maxOperationID:
		return Log{}, fmt.Errorf("the operation's ID has more than %d bytes", maxOperationID)
	case !utf8.ValidString(c.Operation) || strings.ContainsRune(c.Operation, 0):
		return Log{}, fmt.Errorf("the operation's ID %q is not UTF-8, or holds a zero byte", c.Operation)
	}
	n := *c
	n.Seq = 0
	if n.Time.IsZero() {
		n.Time = now
	}
	n.Time = n.Time.UTC()
	data, err := Encode(&n)
	return Log{c.Run, c.Operation, data}, err
}

// Apply decides whether the batch may be written on top of a head and the
// deployment's lease (nil for none), and returns the next head. It changes
// neither; FailedPrecondition, Conflict.
func (b *Batch) Apply(h *Head, l *Lease, now time.Time) (*Head, error) {
	if err := l.CheckHeld("commit to", b.ID, b.lease, now); err != nil {
		return nil, err
	}
	old := h.Deployment
	if old.Revision != b.revision {
		return nil, &errs.Error{Code: errs.Conflict, Op: "commit to", Subject: b.ID,
			Err:  fmt.Errorf("the deployment is at revision %d, not %d", old.Revision, b.revision),
			Hint: "read the deployment again and repeat the change on top of it"}
	}
	next := *old
	if b.deployment != nil {
		next = *b.deployment
	}
	next.Revision = old.Revision + 1
	next.FirstSeq, next.LastSeq = old.FirstSeq, old.LastSeq+uint64(len(b.Entries))
	next.LastLog = old.LastLog + uint64(len(b.Logs))
	next.Created, next.Updated = old.Created, now
	return &Head{Deployment: &next, Incarnation: h.Incarnation, LastSignal: h.LastSignal}, nil
}

// NextRun returns what to store as the record of the batch's run, where old is
// the record that is there, nil for none, and h the head before the batch.
func (b *Batch) NextRun(old *state.Run, h *Head) (Record, error) {
	next := *b.Run
	next.FirstSeq, next.LastSeq = h.Deployment.LastSeq+1, 0
	if old != nil {
		next.FirstSeq = old.FirstSeq
	}
	if b.Ends() {
		next.LastSeq = h.Deployment.LastSeq + uint64(len(b.Entries))
	}
	data, err := Encode(&next)
	return Record{next.ID, data}, err
}

// Ends reports whether the batch records the end of its run: then the run's
// signals are forgotten.
func (b *Batch) Ends() bool { return b.Run != nil && !b.Run.Ended.IsZero() }
