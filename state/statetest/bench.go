package statetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// RunBenchmarks measures a store with fixed, generated content.
func RunBenchmarks(b *testing.B, open func(t testing.TB) *Harness) {
	const writes, reads = true, false
	run := func(name string, n int, writes bool, bench func(b *testing.B, s state.Store, n int)) {
		b.Run(fmt.Sprintf("%s=%d", name, n), func(b *testing.B) {
			h := start(b, open)
			bench(b, h.Store, n)
			if h.Syncs != nil && writes {
				b.ReportMetric(float64(h.Syncs())/float64(b.N), "syncs/op")
			}
		})
	}
	for _, n := range []int{1, 100, 1000} {
		run("Commit/instances", n, writes, benchCommit)
	}
	for _, n := range []int{1, 8, 32} {
		run("CommitParallel/writers", n, writes, benchParallel)
	}
	many := 100_000
	if testing.Short() {
		many = 5_000
	}
	run("Record/instances", many, writes, benchRecord)
	run("Instances/instances", 10_000, reads, benchInstances)
	run("Journal/entries", 10_000, reads, benchJournal)
	run("Blob/bytes", 4<<20, writes, benchBlob)
}

// change is a commit of n instances and as many entries, like an engine's.
func change(e *engine, from, n int) *state.Commit {
	c := &state.Commit{Lease: e.lease, Revision: e.revision}
	for i := from; i < from+n; i++ {
		in := node(fmt.Sprintf("node%06d_0", i), "started")
		in.Template = fmt.Sprintf("node%06d", i)
		in.Properties = map[string]json.RawMessage{"port": json.RawMessage("8080")}
		in.Attributes = map[string]json.RawMessage{"tosca_name": json.RawMessage(`"` + in.Template + `"`)}
		c.Put = append(c.Put, in)
		c.Entries = append(c.Entries, &state.Entry{Run: "run-1", Kind: "state-changed", Instance: in.ID, Data: json.RawMessage(`{"state":"started"}`)})
	}
	return c
}

func benchCommit(b *testing.B, s state.Store, n int) {
	e := deploy(b, s, "shop")
	c := change(e, 0, n)
	b.ReportAllocs()
	for b.Loop() {
		revision, err := s.Commit(b.Context(), e.id, c)
		if err != nil {
			b.Fatal(err)
		}
		c.Revision = revision
	}
}

// benchRecord measures a deployment from nothing to n instances and entries, a
// thousand in a commit, in no order of ID.
func benchRecord(b *testing.B, s state.Store, n int) {
	const batch = 1000
	all := change(&engine{}, 0, n)
	rand.New(rand.NewPCG(1, 2)).Shuffle(n, func(i, j int) { all.Put[i], all.Put[j] = all.Put[j], all.Put[i] })
	b.ReportAllocs()
	for b.Loop() {
		e := deploy(b, s, "shop")
		for i := 0; i < n; i += batch {
			e.commit(state.Commit{Put: all.Put[i : i+batch], Entries: all.Entries[i : i+batch]})
		}
		require.NoError(b, s.DeleteDeployment(b.Context(), e.id, e.lease))
	}
}

// benchParallel measures one commit of one instance by one of several writers.
func benchParallel(b *testing.B, s state.Store, writers int) {
	var engines []*engine
	for i := range writers {
		engines = append(engines, deploy(b, s, fmt.Sprintf("shop%d", i)))
	}
	b.ReportAllocs()
	b.ResetTimer()
	var group errgroup.Group
	for i, e := range engines {
		n := b.N / writers
		if i < b.N%writers {
			n++
		}
		c := change(e, 0, 1)
		group.Go(func() (err error) {
			for range n {
				if c.Revision, err = s.Commit(b.Context(), e.id, c); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(b, group.Wait())
}

func benchInstances(b *testing.B, s state.Store, n int) {
	e := deploy(b, s, "shop")
	e.commit(*change(e, 0, n))
	b.ReportAllocs()
	for b.Loop() {
		list, err := s.Instances(b.Context(), e.id)
		if err != nil || len(list) != n {
			b.Fatal(len(list), err)
		}
	}
}

func benchJournal(b *testing.B, s state.Store, n int) {
	e := deploy(b, s, "shop")
	e.commit(*change(e, 0, n))
	b.ReportAllocs()
	for b.Loop() {
		count := 0
		for _, err := range s.Journal(b.Context(), e.id, 0) {
			if err != nil {
				b.Fatal(err)
			}
			count++
		}
		if count != n {
			b.Fatal(count)
		}
	}
}

func benchBlob(b *testing.B, s state.Store, n int) {
	data := content(n)
	digest := digestOf(data)
	b.SetBytes(int64(n))
	b.ReportAllocs()
	for b.Loop() {
		if err := s.PutBlob(b.Context(), digest, bytes.NewReader(data)); err != nil {
			b.Fatal(err)
		}
		got, err := get(b.Context(), s, digest)
		if err != nil || len(got) != n {
			b.Fatal(len(got), err)
		}
	}
}
