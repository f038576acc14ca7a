package statetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

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
		run("CommitParallelLogs/writers", n, writes, benchParallelLogs)
	}
	many := 100_000
	if testing.Short() {
		many = 5_000
	}
	run("Record/instances", many, writes, benchRecord)
	run("Instances/instances", 10_000, reads, benchInstances)
	run("Journal/entries", 10_000, reads, benchJournal)
	run("JournalOfRun/entries", 100_000, reads, benchJournalOfRun)
	run("Logs/chunks", 10_000, reads, benchLogs)
	run("Watch/watchers", 1, writes, benchWatch)
	run("Trim/entries", 10_000, writes, benchTrim)
	run("Export/instances", 10_000, reads, benchExport)
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

// benchParallel measures one commit, of one instance and its entry, by one of
// several writers: what an engine does for a step. Besides the time it reports
// how many of them are durable in a second.
func benchParallel(b *testing.B, s state.Store, writers int) {
	parallel(b, s, writers, func(*state.Commit) {})
}

// benchParallelLogs is benchParallel with 4 KiB of logs in each commit.
func benchParallelLogs(b *testing.B, s state.Store, writers int) {
	text := strings.Repeat("a line of what an operation printed, like others\n", 84)
	parallel(b, s, writers, func(c *state.Commit) {
		c.Logs = []*state.LogChunk{{Run: "run-1", Operation: "create-0123456789", Attempt: 1, Text: text}}
	})
}

func parallel(b *testing.B, s state.Store, writers int, with func(*state.Commit)) {
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
		with(c)
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
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "steps/s")
}

// benchJournalOfRun measures reading the last run's entries, a hundred of n.
func benchJournalOfRun(b *testing.B, s state.Store, n int) {
	e := deploy(b, s, "shop")
	for i := 0; i < n; i += 10_000 {
		c := change(e, 0, 10_000)
		e.commit(state.Commit{Entries: c.Entries})
	}
	e.commit(state.Commit{Run: &state.Run{ID: "last"}, Entries: change(e, 0, 100).Entries})
	b.ReportAllocs()
	for b.Loop() {
		run, err := s.Run(b.Context(), e.id, "last")
		if err != nil {
			b.Fatal(err)
		}
		count := 0
		for _, err := range s.Journal(b.Context(), e.id, run.FirstSeq-1) {
			if err != nil {
				b.Fatal(err)
			}
			count++
		}
		if count != 100 {
			b.Fatal(count)
		}
	}
}

// benchLogs measures reading the logs of one operation, a hundredth of n.
func benchLogs(b *testing.B, s state.Store, n int) {
	e := deploy(b, s, "shop")
	var c state.Commit
	for i := range n {
		c.Logs = append(c.Logs, chunk(fmt.Sprint("operation-", i%100), "a line of what an operation printed\n"))
	}
	e.commit(c)
	b.ReportAllocs()
	for b.Loop() {
		count := 0
		for _, err := range s.Logs(b.Context(), e.id, "operation-50", 0) {
			if err != nil {
				b.Fatal(err)
			}
			count++
		}
		if count != n/100 {
			b.Fatal(count)
		}
	}
}

// benchWatch measures the way of an entry from a commit to n watchers.
func benchWatch(b *testing.B, s state.Store, n int) {
	e := deploy(b, s, "shop")
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	seen := make(chan uint64, n)
	for range n {
		go func() {
			for entry, err := range s.Watch(ctx, e.id, 0) {
				if err == nil {
					seen <- entry.Seq
				}
			}
		}()
	}
	c := change(e, 0, 1)
	var commits time.Duration
	b.ReportAllocs()
	for b.Loop() {
		start := time.Now()
		revision, err := s.Commit(b.Context(), e.id, c)
		if err != nil {
			b.Fatal(err)
		}
		commits += time.Since(start)
		c.Revision = revision
		for range n {
			<-seen
		}
	}
	// What is left after the commit has returned.
	b.ReportMetric(float64((b.Elapsed()-commits).Nanoseconds())/float64(b.N), "latency-ns/op")
}

// benchTrim measures the commit and the removal of n entries.
func benchTrim(b *testing.B, s state.Store, n int) {
	e := deploy(b, s, "shop")
	c := change(e, 0, n)
	c.Put = nil
	b.ReportAllocs()
	for b.Loop() {
		e.commit(*c)
		require.NoError(b, s.Trim(b.Context(), e.id, e.lease, 1<<63))
	}
}

// benchExport measures an export of n instances and entries.
func benchExport(b *testing.B, s state.Store, n int) {
	e := deploy(b, s, "shop")
	e.commit(*change(e, 0, n))
	b.ReportAllocs()
	for b.Loop() {
		require.NoError(b, state.Export(b.Context(), s, e.id, io.Discard))
	}
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
