package executor

import (
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
)

// batch is what the next commit will make durable, with the events to deliver
// and the functions to call when it is.
type batch struct {
	entries []*state.Entry
	// events are all events since the last batch; those with Seq != 0 belong to
	// an entry and hold its place in entries (from 1) until the commit.
	events []Event
	put    []*instance
	drop   []string
	// head tells that the record of the deployment or of the run changed.
	head bool
	then []func()

	// logs is what operations printed, outputs the last chunk of each, logged
	// how many bytes there are. They can wait for something else to be committed
	// until logsDue.
	logs    []*printed
	outputs map[*output]*printed
	logged  int
	logsDue bool
	// stored and shown are the room of printed pieces (run.logRoom) that is given
	// back when they are committed, or delivered.
	stored, shown int64
}

// durable tells that the batch has something to commit.
func (b *batch) durable() bool {
	return len(b.entries) > 0 || len(b.put) > 0 || len(b.drop) > 0 || b.head || b.logsDue
}

// create makes the instances of the plan that are not there yet, all of them or
// those that were not recorded before a crash, and links all to the templates.
func (r *run) create() error {
	for _, p := range r.plan.Create {
		if r.live.instances[p.ID] != nil {
			continue
		}
		inst, err := r.live.make(p)
		if err != nil {
			return err
		}
		r.fresh = append(r.fresh, inst)
	}
	r.live.link()
	return nil
}

// recordFresh puts new instances into the batch; false while there are some that
// it has no room for. No step begins before all are recorded, or are in the batch.
func (r *run) recordFresh() bool {
	for len(r.fresh) > 0 && len(r.batch.put) < r.eng.maxBatch {
		r.touch(r.fresh[0])
		r.fresh = r.fresh[1:]
	}
	return len(r.fresh) == 0
}

// maxBatch is how many entries a batch has when no more steps are begun, and how
// many new instances. It bounds the memory of large runs; most are one batch.
const maxBatch = 20_000

// room tells that the batch can take more: a full one is handed to the store,
// unless that is at work on the one before.
func (r *run) room() bool {
	if len(r.batch.entries) >= r.eng.maxBatch {
		r.flush()
	}
	return len(r.batch.entries) < r.eng.maxBatch
}

// touch puts the instance into the next commit.
func (r *run) touch(inst *instance) {
	inst.worked = true
	if !r.changed[inst] {
		r.changed[inst] = true
		r.batch.put = append(r.batch.put, inst)
	}
}

// emit adds an event to the batch, with its journal entry if its kind has one.
func (r *run) emit(ev Event, data entryData) {
	ev.Time, ev.Deployment, ev.Run = now(), r.live.id, r.record.ID
	for _, text := range []*string{&ev.Err, &ev.Detail, &ev.Log, &ev.Host} {
		*text = r.live.secrets.String(*text)
	}
	if ev.Kind != OperationLog && ev.Kind != OperationDetail {
		entry, err := entryOf(&ev, data)
		if err != nil {
			r.abort(errs.Wrap(err, "write the journal", r.live.id))
			return
		}
		r.batch.entries = append(r.batch.entries, entry)
		ev.Seq = uint64(len(r.batch.entries))
	}
	if r.eng.cfg.Observe != nil {
		r.batch.events = append(r.batch.events, ev)
	}
}

// flush hands the batch to the store, unless a commit is on its way: then what
// comes together meanwhile shares the next one.
func (r *run) flush() {
	if r.lost != nil || r.committing {
		return
	}
	b := r.batch
	if !b.durable() {
		r.deliver(b)
		b.events, b.shown = b.events[:0], 0
		for _, f := range b.then {
			f()
		}
		b.then = b.then[:0]
		return
	}
	commit := &state.Commit{Revision: r.live.record.Revision, Lease: r.lease.current(), Delete: b.drop, Entries: b.entries, Logs: b.chunks()}
	commit.Put = make([]*state.Instance, len(b.put))
	for i, inst := range b.put {
		commit.Put[i] = inst.snapshot()
	}
	if b.head {
		deployment, record := *r.live.record, r.record
		commit.Deployment, commit.Run = &deployment, &record
	}
	r.committing = true
	r.batch = &batch{}
	clear(r.changed)
	go func() {
		revision, err := r.eng.commit(r.opsCtx, r.lease, commit)
		r.inbox.post(func() { r.committed(b, revision, err) })
	}()
}

func (r *run) committed(b *batch, revision uint64, err error) {
	r.committing = false
	if err != nil {
		r.abort(err)
		return
	}
	r.live.record.Revision = revision
	for i := range b.events {
		if b.events[i].Seq > 0 {
			b.events[i].Seq += r.live.record.LastSeq
		}
	}
	r.live.record.LastSeq += uint64(len(b.entries))
	r.deliver(b)
	r.logRoom.Release(b.stored)
	b.logs, b.outputs = nil, nil // a timer still has the batch
	for _, f := range b.then {
		f()
	}
}

// abort ends the run at once, without writing anything more. What runs in this
// process is stopped; what runs elsewhere goes on and is found by Resume.
func (r *run) abort(err error) {
	if r.lost == nil {
		r.lost = err
		r.stopOps()
	}
}

// deliver shows the events of a batch to the observer.
func (r *run) deliver(b *batch) {
	for i := range b.events {
		r.eng.cfg.Observe(b.events[i])
	}
	r.logRoom.Release(b.shown)
}
