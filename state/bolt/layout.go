package bolt

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state/internal/ledger"
	"go.etcd.io/bbolt"
)

// format is the version of the layout that this package writes, and the
// newest that it reads.
const format = 1

// The names of buckets and keys: see the package's documentation.
var (
	metaBucket        = []byte("meta")
	deploymentsBucket = []byte("deployments")
	leasesBucket      = []byte("leases")
	blobsBucket       = []byte("blobs")
	chunksBucket      = []byte("chunks")
	uploadsBucket     = []byte("uploads")

	instancesBucket = []byte("instances")
	runsBucket      = []byte("runs")
	journalBucket   = []byte("journal")

	formatKey = []byte("format")
	headKey   = []byte("head")
)

var buckets = [][]byte{metaBucket, deploymentsBucket, leasesBucket, blobsBucket, chunksBucket, uploadsBucket}

// initialize makes the buckets of a new file, checks those of an old one, and
// removes the blobs that a process did not complete.
func (s *Store) initialize(path string, endLeases bool) error {
	fresh := false
	err := s.db.View(func(t *bbolt.Tx) error {
		first, _ := t.Cursor().First()
		fresh = first == nil
		return nil
	})
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
	err = s.checkFormat(func(t *bbolt.Tx) {
		first, _ := t.Bucket(uploadsBucket).Cursor().First()
		abandoned = first != nil
		first, _ = t.Bucket(leasesBucket).Cursor().First()
		leased = endLeases && first != nil
	})
	if err == nil && abandoned {
		err = s.db.Update(removeUploads)
	}
	if err == nil && leased {
		err = s.db.Update(removeLeases)
	}
	return err
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

// checkFormat refuses a file that this package cannot use, and calls then.
func (s *Store) checkFormat(then func(*bbolt.Tx)) error {
	return s.db.View(func(t *bbolt.Tx) error {
		meta := t.Bucket(metaBucket)
		if meta == nil || meta.Get(formatKey) == nil {
			return &errs.Error{Code: errs.FailedPrecondition, Err: fmt.Errorf("it is another program's file"), Hint: "choose another path"}
		}
		text := string(meta.Get(formatKey))
		version, err := strconv.Atoi(text)
		switch {
		case err != nil || version < 1:
			return damaged("its format is %.20q", text)
		case version > format:
			return &errs.Error{Code: errs.FailedPrecondition,
				Err:  fmt.Errorf("its format is %d, and this program knows formats up to %d", version, format),
				Hint: "use the newer version of the program that wrote it"}
		}
		for _, name := range buckets {
			if t.Bucket(name) == nil {
				return damaged("the bucket %s is missing", name)
			}
		}
		then(t)
		return nil
	})
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
