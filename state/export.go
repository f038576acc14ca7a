package state

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// An exported deployment is a gzip-compressed tar archive:
//
//	deployment.json   exportHead, the deployment itself and a list of the blobs
//	blobs/HEX         each blob that is listed, in that order
//	records/N.jsonl   the records, one JSON object (Record) a line, in the order
//	                  that Store.Restore takes: a few thousand in each file,
//	                  numbered from 000001
//	sha256            the checksum: see memberSum
//
// The same deployment gives the same bytes.

const (
	exportFormat  = "orchestrator deployment"
	exportVersion = 1

	headMember     = "deployment.json"
	blobFolder     = "blobs/"
	recordMember   = "records/%06d.jsonl"
	checksumMember = "sha256"

	// recordsSize is about how large a file of records is.
	recordsSize = 1 << 20
	// exportTries is how often Export reads a deployment that changes meanwhile.
	exportTries = 10
)

// exportHead is the first file of an export.
type exportHead struct {
	Format     string       `json:"format"`
	Version    int          `json:"version"`
	Deployment *Deployment  `json:"deployment"`
	Blobs      []exportBlob `json:"blobs"`
	// Missing are blobs that are referred to and are not there.
	Missing []string `json:"missing,omitempty"`
}

type exportBlob struct {
	Digest string `json:"digest"`
	Size   int64  `json:"size"`
}

// memberSum is the checksum of an export: SHA-256 over the name and size of
// each file as text, each with a line feed behind it, and its content.
type memberSum struct{ hash.Hash }

func newMemberSum() memberSum { return memberSum{sha256.New()} }

func (s memberSum) begin(name string, size int64) { fmt.Fprintf(s, "%s\n%d\n", name, size) }

func (s memberSum) text() string { return hex.EncodeToString(s.Sum(nil)) + "\n" }

// Export writes a deployment to w as one file that Import reads: its record,
// instances, runs, journal, logs, and the blobs that these refer to. What the
// engine stored sealed is sealed in the file, too, and takes the same key.
//
// A deployment that is being run may be exported too: the file holds one
// revision of it. NotFound; Conflict if it changes so fast that no revision can
// be read as a whole. After an error, what was written to w is of no use.
func Export(ctx context.Context, store Store, id string, w io.Writer) error {
	const op = "export deployment"
	d, instances, runs, err := readRevision(ctx, store, id)
	if err != nil {
		return errs.Wrap(err, op, id)
	}
	head, err := newExportHead(ctx, store, d, runs)
	if err != nil {
		return errs.Wrap(err, op, id)
	}
	zip := gzip.NewWriter(w)
	x := &exporter{tar: tar.NewWriter(zip), sum: newMemberSum()}
	err = x.write(ctx, store, head, instances, runs)
	if err == nil {
		err = x.tar.Close()
	}
	if err == nil {
		err = zip.Close()
	}
	return errs.Wrap(err, op, id)
}

// readRevision reads what belongs to one revision and can be replaced by the
// next. What is only added to is read later.
func readRevision(ctx context.Context, store Store, id string) (*Deployment, []*Instance, []*Run, error) {
	for range exportTries {
		before, err := store.Deployment(ctx, id)
		if err != nil {
			return nil, nil, nil, err
		}
		instances, err := store.Instances(ctx, id)
		if err != nil {
			return nil, nil, nil, err
		}
		runs, err := store.Runs(ctx, id)
		if err != nil {
			return nil, nil, nil, err
		}
		after, err := store.Deployment(ctx, id)
		if err != nil {
			return nil, nil, nil, err
		}
		if after.Revision == before.Revision && after.FirstSeq == before.FirstSeq {
			return before, instances, runs, nil
		}
	}
	return nil, nil, nil, changing(id)
}

func changing(id string) error {
	return &Error{Code: CodeConflict, Op: "read", Subject: id, Err: fmt.Errorf("it changes while it is read"),
		Hint: "try again, or when its run has ended"}
}

// newExportHead looks up the blobs that a deployment refers to.
func newExportHead(ctx context.Context, store Store, d *Deployment, runs []*Run) (*exportHead, error) {
	head := &exportHead{Format: exportFormat, Version: exportVersion, Deployment: d, Blobs: []exportBlob{}}
	used := map[string]bool{d.Template: true}
	for _, r := range runs {
		used[r.Plan] = true
		for _, digest := range r.Blobs {
			used[digest] = true
		}
	}
	delete(used, "")
	for _, digest := range slices.Sorted(maps.Keys(used)) {
		size, err := copyBlob(ctx, store, digest, io.Discard)
		switch CodeOf(err) {
		case "":
			head.Blobs = append(head.Blobs, exportBlob{digest, size})
		case CodeNotFound, CodeInvalidArgument:
			head.Missing = append(head.Missing, digest)
		default:
			return nil, err
		}
	}
	return head, nil
}

func copyBlob(ctx context.Context, store Store, digest string, w io.Writer) (int64, error) {
	r, err := store.Blob(ctx, digest)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	return io.Copy(w, r)
}

// exporter writes an export.
type exporter struct {
	tar   *tar.Writer
	sum   memberSum
	lines bytes.Buffer // records not yet written
	files int          // of records
}

func (x *exporter) write(ctx context.Context, store Store, head *exportHead, instances []*Instance, runs []*Run) error {
	data, err := encodeJSON(head)
	if err != nil {
		return err
	}
	if err := x.file(headMember, data); err != nil {
		return err
	}
	for _, b := range head.Blobs {
		if err := x.begin(blobFolder+hexOf(b.Digest), b.Size); err != nil {
			return err
		}
		if _, err := copyBlob(ctx, store, b.Digest, io.MultiWriter(x.tar, x.sum)); err != nil {
			return err
		}
	}
	for _, in := range instances {
		if err := x.record(&Record{Instance: in}); err != nil {
			return err
		}
	}
	for _, r := range runs {
		if err := x.record(&Record{Run: r}); err != nil {
			return err
		}
	}
	if err := x.journal(ctx, store, head.Deployment); err != nil {
		return err
	}
	if err := x.logs(ctx, store, head.Deployment); err != nil {
		return err
	}
	if err := x.flush(); err != nil {
		return err
	}
	return x.file(checksumMember, []byte(x.sum.text()))
}

func (x *exporter) journal(ctx context.Context, store Store, d *Deployment) error {
	next := d.FirstSeq
	for e, err := range store.Journal(ctx, d.ID, d.FirstSeq-1) {
		if err != nil {
			return err
		}
		if e.Seq > d.LastSeq {
			break
		}
		if e.Seq != next {
			return changing(d.ID) // it was trimmed
		}
		next++
		if err := x.record(&Record{Entry: e}); err != nil {
			return err
		}
	}
	if next != d.LastSeq+1 {
		return changing(d.ID)
	}
	return nil
}

func (x *exporter) logs(ctx context.Context, store Store, d *Deployment) error {
	for c, err := range store.Logs(ctx, d.ID, "", 0) {
		if err != nil {
			return err
		}
		if c.Seq > d.LastLog {
			break
		}
		if err := x.record(&Record{Log: c}); err != nil {
			return err
		}
	}
	return nil
}

func (x *exporter) record(r *Record) error {
	data, err := encodeJSON(r)
	if err != nil {
		return err
	}
	x.lines.Write(data)
	if x.lines.Len() < recordsSize {
		return nil
	}
	return x.flush()
}

func (x *exporter) flush() error {
	if x.lines.Len() == 0 {
		return nil
	}
	x.files++
	err := x.file(fmt.Sprintf(recordMember, x.files), x.lines.Bytes())
	x.lines.Reset()
	return err
}

func (x *exporter) file(name string, data []byte) error {
	if err := x.begin(name, int64(len(data))); err != nil {
		return err
	}
	_, err := io.MultiWriter(x.tar, x.sum).Write(data)
	return err
}

func (x *exporter) begin(name string, size int64) error {
	x.sum.begin(name, size)
	return x.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600})
}

// encodeJSON returns v as a line of JSON.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return b.Bytes(), err
}

// hexOf returns the digits of a digest.
func hexOf(digest string) string { return digest[len("sha256:"):] }
