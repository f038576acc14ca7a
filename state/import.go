package state

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// maxMember is how large a file of an export may be that is read into memory
// in part: one with records, or the head.
const maxMember = 1 << 30

// maxRecord is how large a record may be.
const maxRecord = 256 << 20

const opImport = "import deployment"

// Import creates the deployment that Export wrote, under newID or, if that is
// empty, under its old ID, with all its numbers and times. It needs memory for
// some records only. AlreadyExists if the ID is taken; InvalidArgument, with
// the reason, if the file is no export, was cut short or altered, or is of a
// newer version. After an error there is no deployment; blobs that were stored
// before it go with the next Store.Sweep.
func Import(ctx context.Context, store Store, r io.Reader, newID string) error {
	i := &importer{own: &ownError{r: r}, sum: newMemberSum()}
	if err := i.run(ctx, store, newID); err != nil {
		return errs.Wrap(err, opImport, newID)
	}
	return nil
}

// ownError remembers an error of the caller's reader, which is not the file's
// fault.
type ownError struct {
	r   io.Reader
	err error
}

func (o *ownError) Read(p []byte) (int, error) {
	n, err := o.r.Read(p)
	if err != nil && err != io.EOF {
		o.err = err
	}
	return n, err
}

// importer reads an export.
type importer struct {
	own *ownError
	zip *gzip.Reader
	tar *tar.Reader
	sum memberSum
}

func (i *importer) run(ctx context.Context, store Store, newID string) (err error) {
	if i.zip, err = gzip.NewReader(i.own); err != nil {
		return i.fault(err)
	}
	i.tar = tar.NewReader(i.zip)
	head, err := i.head()
	if err != nil {
		return i.fault(err)
	}
	d := head.Deployment
	if newID != "" {
		d.ID = newID
	}
	if !ValidID(d.ID) {
		return &Error{Code: CodeInvalidArgument, Err: fmt.Errorf("%.140q is not a valid ID", d.ID),
			Hint: "use 1 to 128 letters, digits, '.', '_' and '-', not starting with '.' or '-'"}
	}
	switch _, err := store.Deployment(ctx, d.ID); CodeOf(err) {
	case CodeNotFound:
	case "":
		return &Error{Code: CodeAlreadyExists, Err: fmt.Errorf("there is a deployment %s", d.ID),
			Hint: "choose another ID, or delete that one first"}
	default:
		return err
	}
	for _, b := range head.Blobs {
		if err := i.blob(ctx, store, b); err != nil {
			return i.fault(err)
		}
	}
	return store.Restore(ctx, d, i.records())
}

// fault is the error for a file that is no good, if err has no code yet.
func (i *importer) fault(err error) error {
	var coded *Error
	var corrupt flate.CorruptInputError
	e := &Error{Code: CodeInvalidArgument, Err: err, Hint: "export the deployment again"}
	switch {
	case err == errStop:
		return err
	case i.own.err != nil:
		return i.own.err
	case errors.As(err, &coded):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		e.Err = errors.New("the file was cut short")
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, tar.ErrHeader):
		e.Err = fmt.Errorf("the file is no exported deployment: %w", err)
	case errors.Is(err, gzip.ErrChecksum), errors.As(err, &corrupt):
		e.Err = fmt.Errorf("the file was altered: %w", err)
	}
	return e
}

// next begins the next file, whose name must be the given.
func (i *importer) next(want string) (size int64, err error) {
	h, err := i.tar.Next()
	switch {
	case err != nil:
		return 0, err
	case h.Name != want || h.Typeflag != tar.TypeReg:
		return 0, fmt.Errorf("the file was altered: it has %.100q in the place of %q", h.Name, want)
	}
	i.sum.begin(h.Name, h.Size)
	return h.Size, nil
}

// content is what is in the file that was begun.
func (i *importer) content() io.Reader { return faultReader{i} }

type faultReader struct{ i *importer }

func (r faultReader) Read(p []byte) (int, error) {
	n, err := r.i.tar.Read(p)
	r.i.sum.Write(p[:n])
	if err != nil && err != io.EOF {
		err = r.i.fault(err)
	}
	return n, err
}

func (i *importer) head() (*exportHead, error) {
	h, err := i.tar.Next()
	if err != nil {
		return nil, err
	}
	if h.Name != headMember || h.Size > maxMember {
		return nil, fmt.Errorf("the file is no exported deployment: it begins with %.100q of %d bytes", h.Name, h.Size)
	}
	i.sum.begin(h.Name, h.Size)
	data, err := io.ReadAll(i.content())
	if err != nil {
		return nil, err
	}
	// The version first: what a newer one looks like is not known.
	var version struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
	}
	if err := json.Unmarshal(data, &version); err != nil {
		return nil, fmt.Errorf("the file was altered: %s: %s", headMember, err)
	}
	switch {
	case version.Format != exportFormat:
		return nil, fmt.Errorf("the file is no exported deployment: its format is %.100q", version.Format)
	case version.Version != exportVersion:
		return nil, fmt.Errorf("the file is of version %d, and this program knows version %d", version.Version, exportVersion)
	}
	head := new(exportHead)
	if err := decodeJSON(data, head); err != nil {
		return nil, fmt.Errorf("the file was altered: %s: %s", headMember, err)
	}
	if head.Deployment == nil {
		return nil, fmt.Errorf("the file was altered: %s has no deployment", headMember)
	}
	return head, nil
}

func (i *importer) blob(ctx context.Context, store Store, b exportBlob) error {
	hex, ok := strings.CutPrefix(b.Digest, "sha256:")
	if !ok {
		return fmt.Errorf("the file was altered: %.100q is not a digest", b.Digest)
	}
	size, err := i.next(blobFolder + hex)
	if err != nil {
		return err
	}
	if size != b.Size {
		return fmt.Errorf("the file was altered: blob %s has %d bytes instead of %d", b.Digest, size, b.Size)
	}
	return store.PutBlob(ctx, b.Digest, i.content())
}

// records yields the records of all files that follow, and an error at the end
// if the checksum is another.
func (i *importer) records() iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		for n := 1; ; n++ {
			h, err := i.tar.Next()
			if err == nil && h.Name == checksumMember {
				err = i.checkSum(h.Size)
				if err == nil {
					return
				}
			}
			if name := fmt.Sprintf(recordMember, n); err == nil && h.Name != name {
				err = fmt.Errorf("the file was altered: it has %.100q in the place of %q", h.Name, name)
			}
			if err == nil {
				i.sum.begin(h.Name, h.Size)
				err = i.recordsOf(h.Name, yield)
			}
			if err == errStop {
				return
			}
			if err != nil {
				yield(nil, i.fault(err))
				return
			}
		}
	}
}

var errStop = errors.New("the store wants no more")

// recordsOf yields the records in one file.
func (i *importer) recordsOf(name string, yield func(*Record, error) bool) error {
	lines := bufio.NewScanner(i.content())
	lines.Buffer(nil, maxRecord)
	for lines.Scan() {
		r := new(Record)
		if err := decodeJSON(lines.Bytes(), r); err != nil {
			if lines.Err() != nil {
				return lines.Err() // which left a part of a line
			}
			return fmt.Errorf("the file was altered: %s: %s", name, err)
		}
		if !yield(r, nil) {
			return errStop
		}
	}
	return lines.Err()
}

// checkSum reads the last file, which has size bytes, and that nothing follows.
func (i *importer) checkSum(size int64) error {
	want := i.sum.text()
	if size != int64(len(want)) {
		return fmt.Errorf("the file was altered: its checksum has %d bytes", size)
	}
	got, err := io.ReadAll(i.tar)
	if err != nil {
		return err
	}
	if string(got) != want {
		return fmt.Errorf("the file was altered: its checksum is %.64s, that of its content %.64s", got, want)
	}
	if _, err := i.tar.Next(); err != io.EOF {
		return fmt.Errorf("the file was altered: something follows its checksum")
	}
	n, err := io.Copy(io.Discard, i.zip)
	if err == nil && n > 0 {
		err = fmt.Errorf("the file was altered: something follows its end")
	}
	return err
}

// decodeJSON reads one value without unknown fields: what is not understood
// must not be lost.
func decodeJSON(data []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if dec.More() {
		return fmt.Errorf("something follows its value")
	}
	return nil
}
