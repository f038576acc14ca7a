package executor

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/seed-a4fd30b5/orchestrator/state"
)

const (
	// logEvery is how long what an operation printed may wait for a commit.
	logEvery = time.Second
	// logDue is how much may wait for one.
	logDue = 1 << 20
	// logRoom bounds the output of a run on its way to the observer and the
	// store, in bytes: beyond it the operations that print have to wait.
	logRoom = 4 << 20
	// logChunk is how large a stored piece may become.
	logChunk = 64 << 10
	// logTail is how much of the end is kept of an output that is too long.
	logTail = 64 << 10
)

// output is what an attempt of an operation prints, on its way to the observer
// and to the store. Only print is called outside of the run's goroutine.
type output struct {
	run   *run
	event Event // what was printed goes into a copy

	stored int // bytes of the beginning
	// tail is the end of an output that is longer than what may be stored; cut
	// counts the bytes that are left out before it.
	tail []byte
	cut  int
}

// print passes on redacted text. It waits while the observer or the store is behind.
func (o *output) print(text string) {
	r, room := o.run, min(int64(len(text))+64, logRoom) // each piece costs something
	if r.logRoom.Acquire(r.opsCtx, room) != nil {
		return // the run is over
	}
	r.inbox.post(func() {
		if r.eng.cfg.Observe != nil {
			ev := o.event
			ev.Log = text
			r.emit(ev, entryData{})
		}
		stored := min(int64(o.store(strings.ToValidUTF8(text, "\uFFFD"))), room)
		r.batch.stored += stored
		r.batch.shown += room - stored
	})
}

// store puts text into the next commit, as far as it may be stored now, and
// returns how many bytes that is.
func (o *output) store(text string) int {
	limit := o.run.eng.cfg.MaxLog
	if limit <= 0 {
		return 0
	}
	head, end := 0, o.endSize()
	if o.tail == nil {
		head = whole(text, limit-end-o.stored)
		o.keep(text[:head])
		o.stored += head
		if head == len(text) {
			return head
		}
	}
	o.tail = append(o.tail, text[head:]...)
	if len(o.tail) > 2*end {
		o.cutTo(end)
	}
	return head
}

// endSize is how much of the limit is for the end.
func (o *output) endSize() int { return min(logTail, o.run.eng.cfg.MaxLog/4) }

// cutTo leaves out what is before the last size bytes of the tail.
func (o *output) cutTo(size int) {
	if extra := len(o.tail) - size; extra > 0 {
		o.cut += extra
		o.tail = append(o.tail[:0], o.tail[extra:]...)
	}
}

// finish puts the end of an output that was too long into the next commit.
func (o *output) finish() {
	o.cutTo(o.endSize())
	if o.cut > 0 {
		// It goes on with a whole line.
		if i := bytes.IndexByte(o.tail, '\n') + 1; i < len(o.tail) {
			o.cut += i
			o.tail = o.tail[i:]
		}
		o.keep(fmt.Sprintf("\n[%d bytes are left out here]\n", o.cut))
	}
	o.keep(strings.ToValidUTF8(string(o.tail), "\uFFFD"))
	o.tail, o.cut = o.tail[:0], 0
}

// whole is how much of text can be taken without cutting a character in two, at
// most size bytes. The text is valid UTF-8.
func whole(text string, size int) int {
	if len(text) <= size {
		return len(text)
	}
	for size > 0 && !utf8.RuneStart(text[size]) {
		size--
	}
	return max(size, 0)
}

// printed is a log chunk of the next commit.
type printed struct {
	chunk state.LogChunk
	text  []byte
}

// keep puts text into the next commit. One is made after a while where none
// comes before, such as that of the operation's outcome.
func (o *output) keep(text string) {
	if text == "" {
		return
	}
	b := o.run.batch
	b.logged += len(text)
	if b.logged >= logDue || o.run.finishing {
		b.logsDue = true
	}
	if len(b.logs) == 0 {
		o.run.after(logEvery, func() { b.logsDue = true })
	}
	for text != "" {
		p := b.outputs[o]
		if p == nil || len(p.text) > logChunk-utf8.UTFMax {
			p = &printed{chunk: state.LogChunk{Time: now(), Run: o.run.record.ID, Operation: o.event.OperationID, Attempt: o.event.Attempt}}
			if b.outputs == nil {
				b.outputs = map[*output]*printed{}
			}
			b.outputs[o] = p
			b.logs = append(b.logs, p)
		}
		n := whole(text, logChunk-len(p.text))
		p.text = append(p.text, text[:n]...)
		text = text[n:]
	}
}

// chunks are the log chunks to commit.
func (b *batch) chunks() []*state.LogChunk {
	if len(b.logs) == 0 {
		return nil
	}
	chunks := make([]*state.LogChunk, len(b.logs))
	for i, p := range b.logs {
		p.chunk.Text = string(p.text)
		chunks[i] = &p.chunk
	}
	return chunks
}
