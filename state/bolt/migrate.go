package bolt

import (
	"strconv"

	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/internal/ledger"
	"go.etcd.io/bbolt"
)

// migrate brings a file of format 1 to format 2: deployments get buckets for
// logs and signals, and runs their place in the journal.
func migrate(inner *bbolt.Tx) error {
	t := &tx{Tx: inner}
	var ids []string
	err := t.Bucket(deploymentsBucket).ForEachBucket(func(id []byte) error {
		ids = append(ids, string(id))
		return nil
	})
	if err != nil {
		return err
	}
	for _, id := range ids {
		r, err := t.deployment("migrate", id)
		if err != nil {
			return err
		}
		for _, name := range format2Buckets {
			if _, err := r.CreateBucket(name); err != nil {
				return err
			}
		}
		if err := r.placeRuns(); err != nil {
			return err
		}
	}
	if _, err := t.CreateBucket(restoresBucket); err != nil {
		return err
	}
	return t.Bucket(metaBucket).Put(formatKey, strconv.AppendInt(nil, format, 10))
}

// placeRuns looks up where in the journal the entries of each run are.
func (r *record) placeRuns() error {
	journal, err := r.list(journalBucket)
	if err != nil {
		return err
	}
	first, last := map[string]uint64{}, map[string]uint64{}
	err = journal.ForEach(func(key, data []byte) error {
		seq, err := seqOf(key)
		if err != nil {
			return err
		}
		e, err := ledger.DecodeEntry(seq, data)
		if err != nil {
			return err
		}
		if first[e.Run] == 0 {
			first[e.Run] = seq
		}
		last[e.Run] = seq
		return nil
	})
	if err != nil {
		return err
	}
	runs, err := r.list(runsBucket)
	if err != nil {
		return err
	}
	var all []*state.Run
	err = runs.ForEach(func(_, data []byte) error {
		run, err := ledger.DecodeRun(data)
		all = append(all, run)
		return err
	})
	if err != nil {
		return err
	}
	for _, run := range all {
		run.FirstSeq, run.LastSeq = max(first[run.ID], 1), 0
		if !run.Ended.IsZero() {
			run.LastSeq = last[run.ID]
		}
		data, err := ledger.Encode(run)
		if err != nil {
			return err
		}
		if err := runs.Put([]byte(run.ID), data); err != nil {
			return err
		}
	}
	return nil
}
