package ledger

import (
	"errors"
	"fmt"
	"iter"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
)

const restore = "restore deployment"

// Restore checks and encodes the records of a deployment that is restored.
type Restore struct {
	d        *state.Deployment
	instance string          // the last one's ID
	runs     map[string]bool // those there were
	seq, log uint64          // the last numbers
}

// Restored is an encoded record: the field that is not its zero value tells
// what it is. Seq is the number of an entry or a log chunk.
type Restored struct {
	Instance *Record
	Run      *Record
	Entry    []byte
	Log      *Log
	Seq      uint64
}

// Size is the number of bytes in it.
func (r Restored) Size() int {
	n := len(r.Entry)
	if r.Instance != nil {
		n += len(r.Instance.Data)
	}
	if r.Run != nil {
		n += len(r.Run.Data)
	}
	if r.Log != nil {
		n += len(r.Log.Data)
	}
	return n
}

// A part of a deployment that is restored in one transaction: about so many
// records or bytes.
const (
	partRecords = 5000
	partBytes   = 4 << 20
)

// Parts checks and encodes all records, and that none is missing, and hands them
// over in parts. write must not keep a part.
func (r *Restore) Parts(records iter.Seq2[*state.Record, error], write func(part []Restored) error) error {
	var part []Restored
	size := 0
	for rec, err := range records {
		if err != nil {
			return errs.Wrap(err, restore, r.d.ID)
		}
		v, err := r.Encode(rec)
		if err != nil {
			return err
		}
		part = append(part, v)
		size += v.Size()
		if len(part) < partRecords && size < partBytes {
			continue
		}
		if err := write(part); err != nil {
			return err
		}
		part, size = part[:0], 0
	}
	if err := r.End(); err != nil || len(part) == 0 {
		return err
	}
	return write(part)
}

// NewRestore checks a deployment; InvalidArgument.
func NewRestore(d *state.Deployment) (*Restore, error) {
	if d == nil {
		return nil, errs.New(errs.InvalidArgument, restore, "", "no deployment was given")
	}
	if err := CheckID(restore, d.ID); err != nil {
		return nil, err
	}
	r := &Restore{d: d, runs: map[string]bool{}, seq: d.FirstSeq - 1}
	switch {
	case d.Revision == 0:
		return nil, r.refused("revision 0")
	case d.FirstSeq == 0 || d.FirstSeq-1 > d.LastSeq:
		return nil, r.refused("a journal from %d to %d", d.FirstSeq, d.LastSeq)
	}
	n := *d
	n.Created, n.Updated = n.Created.UTC(), n.Updated.UTC()
	if _, err := Encode(&n); err != nil {
		return nil, errs.Wrap(err, restore, d.ID)
	}
	r.d = &n
	return r, nil
}

func (r *Restore) refused(format string, args ...any) error {
	return &errs.Error{Code: errs.InvalidArgument, Op: restore, Subject: r.d.ID,
		Err: fmt.Errorf("it has "+format, args...), Hint: "the exported data is damaged; export the deployment again"}
}

// Head returns what to store as the deployment's head.
func (r *Restore) Head(incarnation uint64) ([]byte, error) {
	return Encode(&Head{Deployment: r.d, Incarnation: incarnation})
}

// Encode checks the next record; InvalidArgument.
func (r *Restore) Encode(rec *state.Record) (out Restored, err error) {
	switch {
	case rec == nil:
		err = errors.New("a record is nil")
	case rec.Instance != nil:
		out.Instance, err = r.encodeInstance(rec.Instance)
	case rec.Run != nil:
		out.Run, err = r.encodeRun(rec.Run)
	case rec.Entry != nil:
		out.Entry, err = r.encodeEntry(rec.Entry)
		out.Seq = rec.Entry.Seq
	case rec.Log != nil:
		out.Log, err = r.encodeLog(rec.Log)
		out.Seq = rec.Log.Seq
	default:
		err = errors.New("a record is empty")
	}
	if err != nil {
		return Restored{}, &errs.Error{Code: errs.InvalidArgument, Op: restore, Subject: r.d.ID, Err: err,
			Hint: "the exported data is damaged; export the deployment again"}
	}
	return out, nil
}

func (r *Restore) encodeInstance(in *state.Instance) (*Record, error) {
	if in.ID <= r.instance {
		return nil, fmt.Errorf("instance %.140q comes after %.140q", in.ID, r.instance)
	}
	rec, err := encodeInstance(in)
	r.instance = in.ID
	return &rec, err
}

func (r *Restore) encodeRun(run *state.Run) (*Record, error) {
	n, err := checkRun(run)
	switch {
	case err != nil:
		return nil, err
	case r.runs[n.ID]:
		return nil, fmt.Errorf("run %s comes twice", n.ID)
	case n.FirstSeq == 0 || n.LastSeq > r.d.LastSeq:
		return nil, fmt.Errorf("run %s has entries from %d to %d", n.ID, n.FirstSeq, n.LastSeq)
	}
	r.runs[n.ID] = true
	data, err := Encode(n)
	return &Record{n.ID, data}, err
}

func (r *Restore) encodeEntry(e *state.Entry) ([]byte, error) {
	if e.Seq != r.seq+1 || e.Seq > r.d.LastSeq {
		return nil, fmt.Errorf("journal entry %d comes after %d of %d", e.Seq, r.seq, r.d.LastSeq)
	}
	r.seq++
	return encodeEntry(e, e.Time)
}

func (r *Restore) encodeLog(c *state.LogChunk) (*Log, error) {
	if c.Seq <= r.log || c.Seq > r.d.LastLog {
		return nil, fmt.Errorf("log chunk %d comes after %d of %d", c.Seq, r.log, r.d.LastLog)
	}
	r.log = c.Seq
	l, err := encodeLog(c, c.Time)
	return &l, err
}

// End checks that all records that must be there came; InvalidArgument.
func (r *Restore) End() error {
	if r.seq != r.d.LastSeq {
		return r.refused("no journal entry %d", r.seq+1)
	}
	return nil
}
