package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/internal/ledger"
	"go.etcd.io/bbolt"
)

// format is the version of the layout that this package writes, and the
// newest that it reads.
const format = 2

// The names of buckets and keys: see the package's documentation.
var (
	metaBucket        = []byte("meta")
	deploymentsBucket = []byte("deployments")
	leasesBucket      = []byte("leases")
	blobsBucket       = []byte("blobs")
	chunksBucket      = []byte("chunks")
	uploadsBucket     = []byte("uploads")
	restoresBucket    = []byte("restores") // new in format 2

	instancesBucket  = []byte("instances")
	runsBucket       = []byte("runs")
	journalBucket    = []byte("journal")
	logsBucket       = []byte("logs")
	operationsBucket = []byte("operations")
	runLogsBucket    = []byte("runlogs")
	signalsBucket    = []byte("signals")

	formatKey = []byte("format")
	headKey   = []byte("head")
)

var buckets = [][]byte{metaBucket, deploymentsBucket, leasesBucket, blobsBucket, chunksBucket, uploadsBucket, restoresBucket}

// deploymentBuckets are those of a deployment. The second part is new in
// format 2.
var (
	format1Buckets    = [][]byte{instancesBucket, runsBucket, journalBucket}
	format2Buckets    = [][]byte{logsBucket, operationsBucket, runLogsBucket, signalsBucket}
	deploymentBuckets = slices.Concat(format1Buckets, format2Buckets)
)

// initialize makes the buckets of a new file, checks those of an old one, and
// removes the blobs that a process did not complete.
func (s *Store) initialize(path string, endLeases bool) error {
	fresh, err := s.fresh()
	if err != nil {
		return err
	}
	if fresh {
		if err := s.db.Update(create); err != nil {
			return err
		}
		syncFolder(path)
		return nil
	}
	abandoned, leased := false, false
	version, err := s.checkFormat(func(t *bbolt.Tx) {
		for _, name := range [][]byte{uploadsBucket, restoresBucket} {
			if b := t.Bucket(name); b != nil {
				first, _ := b.Cursor().First()
				abandoned = abandoned || first != nil
			}
		}
		first, _ := t.Bucket(leasesBucket).Cursor().First()
		leased = endLeases && first != nil
	})
	if err == nil && version < format {
		err = s.db.Update(migrate)
	}
	if err == nil && abandoned {
		err = s.db.Update(removeAbandoned)
	}
	if err == nil && leased {
		err = s.db.Update(removeLeases)
	}
	return err
}

// fresh reports that nothing was ever stored in the file.
func (s *Store) fresh() (fresh bool, err error) {
	err = s.db.View(func(t *bbolt.Tx) error {
		first, _ := t.Cursor().First()
		fresh = first == nil
		return nil
	})
	return fresh, err
}

// removeLeases ends all leases. Their tokens stay used: the sequence of the
// meta bucket goes on.
func removeLeases(t *bbolt.Tx) error {
	if err := t.DeleteBucket(leasesBucket); err != nil {
		return err
	}
	_, err := t.CreateBucket(leasesBucket)
	return err
}

func create(t *bbolt.Tx) error {
	for _, name := range buckets {
		if _, err := t.CreateBucket(name); err != nil {
			return err
		}
	}
	return t.Bucket(metaBucket).Put(formatKey, strconv.AppendInt(nil, format, 10))
}

// checkFormat refuses a file that this package cannot use, calls then, and
// returns the file's format.
func (s *Store) checkFormat(then func(*bbolt.Tx)) (version int, err error) {
	err = s.db.View(func(t *bbolt.Tx) (err error) {
		meta := t.Bucket(metaBucket)
		if meta == nil || meta.Get(formatKey) == nil {
			return &errs.Error{Code: errs.FailedPrecondition, Err: fmt.Errorf("it is another program's file"), Hint: "choose another path"}
		}
		text := string(meta.Get(formatKey))
		version, err = strconv.Atoi(text)
		switch {
		case err != nil || version < 1:
			return damaged("its format is %.20q", text)
		case version > format:
			return &errs.Error{Code: errs.FailedPrecondition,
				Err:  fmt.Errorf("its format is %d, and this program knows formats up to %d", version, format),
				Hint: "use the newer version of the program that wrote it"}
		}
		for _, name := range buckets {
			if t.Bucket(name) == nil && (version > 1 || !bytes.Equal(name, restoresBucket)) {
				return damaged("the bucket %s is missing", name)
			}
		}
		then(t)
		return nil
	})
	return version, err
}

// tx is a transaction with the layout's words.
type tx struct {
	*bbolt.Tx
	// wrote tells that there is something to commit, or to roll back.
	wrote bool
}

// number returns the next incarnation, lease token or blob number.
func (t *tx) number() (uint64, error) {
	t.wrote = true
	return t.Bucket(metaBucket).NextSequence()
}

// record is a deployment in a transaction.
type record struct {
	*bbolt.Bucket
	head *ledger.Head
}

// deployment returns a deployment; NotFound.
func (t *tx) deployment(op, id string) (*record, error) {
	if err := ledger.CheckID(op, id); err != nil {
		return nil, err
	}
	b := t.Bucket(deploymentsBucket).Bucket([]byte(id))
	if b == nil {
		return nil, ledger.NotFound(op, id)
	}
	head, err := ledger.DecodeHead(b.Get(headKey))
	if err != nil {
		return nil, errs.Wrap(err, op, id)
	}
	return &record{b, head}, nil
}

// list returns one of the deployment's buckets.
func (r *record) list(name []byte) (*bbolt.Bucket, error) {
	if b := r.Bucket.Bucket(name); b != nil {
		return b, nil
	}
	return nil, damaged("deployment %s has no bucket %s", r.head.Deployment.ID, name)
}

// run returns the record of a run, nil if there is none.
func (r *record) run(id string) (*state.Run, error) {
	b, err := r.list(runsBucket)
	if err != nil {
		return nil, err
	}
	data := b.Get([]byte(id))
	if data == nil {
		return nil, nil
	}
	return ledger.DecodeRun(data)
}

// addDeployment makes the buckets of a deployment.
func addDeployment(to *bbolt.Bucket, id string) (*bbolt.Bucket, error) {
	b, err := to.CreateBucket([]byte(id))
	if err != nil {
		return nil, err
	}
	for _, name := range deploymentBuckets {
		if _, err := b.CreateBucket(name); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// checkHeld returns a deployment whose lease is held.
func (t *tx) checkHeld(op, id string, held state.Lease, now time.Time) (*record, error) {
	r, err := t.deployment(op, id)
	if err != nil {
		return nil, err
	}
	lease, err := t.lease(op, id)
	if err != nil {
		return nil, err
	}
	return r, lease.CheckHeld(op, id, held, now)
}

// putHead replaces the deployment's head.
func (r *record) putHead(h *ledger.Head) error {
	data, err := ledger.Encode(h)
	if err != nil {
		return err
	}
	return r.Put(headKey, data)
}

// lease returns a deployment's lease, nil if there is none.
func (t *tx) lease(op, id string) (*ledger.Lease, error) {
	data := t.Bucket(leasesBucket).Get([]byte(id))
	if data == nil {
		return nil, nil
	}
	l, err := ledger.Decode[ledger.Lease](data)
	return l, errs.Wrap(err, op, id)
}

func (t *tx) putLease(id string, l *ledger.Lease) error {
	t.wrote = true
	if l == nil {
		return t.Bucket(leasesBucket).Delete([]byte(id))
	}
	data, err := ledger.Encode(l)
	if err != nil {
		return err
	}
	return t.Bucket(leasesBucket).Put([]byte(id), data)
}

func seqKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }
