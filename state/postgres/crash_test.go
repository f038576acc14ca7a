package postgres_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/lab"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/postgres"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

const (
	// childURL, childSchema and childJob tell a child process what to do.
	childURL    = "ORCHESTRATOR_TEST_POSTGRES_URL"
	childSchema = "ORCHESTRATOR_TEST_POSTGRES_SCHEMA"
	childJob    = "ORCHESTRATOR_TEST_POSTGRES_JOB"
	// crashRounds is how often a child is killed; the default is 10, with -short 3.
	crashRounds = "ORCHESTRATOR_CRASH_ROUNDS"

	crashWriters = 4
)

// runChild is a process of a test: it has a store of its own.
func runChild(ctx context.Context, url string) error {
	s, err := postgres.Open(ctx, url, &postgres.Options{Schema: os.Getenv(childSchema)})
	if err != nil {
		return err
	}
	defer s.Close()
	switch job := os.Getenv(childJob); job {
	case "write":
		return writeUntilKilled(ctx, s)
	case "hold":
		return holdLease(ctx, s)
	default:
		return contend(ctx, s, job)
	}
}

// child returns the command for a child that does a job.
func child(t testing.TB, url, schema, job string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childURL+"="+url, childSchema+"="+schema, childJob+"="+job)
	cmd.Stderr = &bytes.Buffer{}
	return cmd
}

// writeUntilKilled has each writer count on in a deployment of its own, one
// journal entry for each number and the last number in an instance, and prints
// "writer number" once the commit has returned. Beside them it stores blobs
// and prints "blob digest".
func writeUntilKilled(ctx context.Context, s state.Store) error {
	var mu sync.Mutex
	say := func(args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Println(args...)
	}
	errs := make(chan error)
	for i := range crashWriters {
		go func() {
			w, err := newWriter(ctx, s, i)
			for err == nil {
				if err = w.write(ctx, s); err == nil {
					say(i, w.number)
				}
			}
			errs <- err
		}()
	}
	go func() { errs <- writeBlobs(ctx, s, say) }()
	return <-errs
}

// writer counts in a deployment.
type writer struct {
	id               string
	lease            state.Lease
	revision, number uint64
}

func newWriter(ctx context.Context, s state.Store, i int) (*writer, error) {
	w := &writer{id: fmt.Sprint("shop", i)}
	err := s.CreateDeployment(ctx, &state.Deployment{ID: w.id})
	if err != nil && state.CodeOf(err) != state.CodeAlreadyExists {
		return nil, err
	}
	if w.lease, err = s.AcquireLease(ctx, w.id, "child", time.Hour); err != nil {
		return nil, err
	}
	d, err := s.Deployment(ctx, w.id)
	if err != nil {
		return nil, err
	}
	w.revision, w.number = d.Revision, d.LastSeq
	return w, nil
}

// write commits the next number.
func (w *writer) write(ctx context.Context, s state.Store) error {
	number := json.RawMessage(strconv.FormatUint(w.number+1, 10))
	c := &state.Commit{Lease: w.lease, Revision: w.revision,
		Put:     []*state.Instance{{ID: "counter", Attributes: map[string]json.RawMessage{"n": number}}},
		Entries: []*state.Entry{{Kind: "count", Data: number}}}
	for j := range w.number % 50 {
		c.Put = append(c.Put, &state.Instance{ID: fmt.Sprint("node", j), State: string(number)})
	}
	revision, err := s.Commit(ctx, w.id, c)
	if err == nil {
		w.number++
		w.revision = revision
	}
	return err
}

func writeBlobs(ctx context.Context, s state.Store, say func(...any)) error {
	for {
		data := bytes.Repeat([]byte{byte(rand.Int())}, 5<<20+rand.IntN(1<<10))
		digest := fmt.Sprintf("sha256:%x", sha256.Sum256(data))
		if err := s.PutBlob(ctx, digest, bytes.NewReader(data)); err != nil {
			return err
		}
		say("blob", digest)
	}
}

// acknowledged is what children said was stored.
type acknowledged struct {
	numbers [crashWriters]uint64
	blobs   []string // of the round
	stored  int      // blobs in all rounds
}

// TestCrash kills a process that commits, again and again, and looks whether
// all is there that it was told was stored.
func TestCrash(t *testing.T) {
	t.Parallel()
	rounds := 10
	if testing.Short() {
		rounds = 3
	}
	if text := os.Getenv(crashRounds); text != "" {
		var err error
		rounds, err = strconv.Atoi(text)
		require.NoError(t, err, crashRounds)
	}
	url, schema := server.Get(t).URL, newSchema()
	var acks acknowledged
	for range rounds {
		acks.runAndKill(t, child(t, url, schema, "write"))
		acks.check(t, url, schema)
	}
	t.Logf("%d rounds, %v commits and %d blobs acknowledged, none lost", rounds, acks.numbers, acks.stored)
	require.NotEqual(t, [crashWriters]uint64{}, acks.numbers)
}

// runAndKill starts a child and kills it at some moment after it has
// acknowledged some things.
func (a *acknowledged) runAndKill(t *testing.T, child *exec.Cmd) {
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	lines := bufio.NewScanner(out)
	for n := rand.IntN(150); lines.Scan(); n-- {
		a.note(t, lines.Text())
		if n == 0 {
			moment := time.AfterFunc(time.Duration(rand.IntN(3000))*time.Microsecond, func() { _ = child.Process.Kill() })
			defer moment.Stop()
		}
	}
	require.NoError(t, lines.Err())
	require.ErrorContains(t, child.Wait(), "killed", "the child ended by itself: %s", child.Stderr)
}

func (a *acknowledged) note(t *testing.T, line string) {
	if digest, ok := strings.CutPrefix(line, "blob "); ok {
		a.blobs = append(a.blobs, digest)
		return
	}
	var i int
	var n uint64
	_, err := fmt.Sscan(line, &i, &n)
	require.NoError(t, err, line)
	a.numbers[i] = n
}

func (a *acknowledged) check(t *testing.T, url, schema string) {
	ctx := t.Context()
	later := time.Now().Add(time.Hour) // when the dead process's leases have ended
	s := open(t, url, postgres.Options{Schema: schema, Now: func() time.Time { return later }})
	defer func() { require.NoError(t, s.Close()) }()
	for i, acked := range a.numbers {
		id := fmt.Sprint("shop", i)
		// What the dead process had sent may still be under way. With the lease
		// it is shut out.
		lease, err := s.AcquireLease(ctx, id, "parent", time.Minute)
		if state.CodeOf(err) == state.CodeNotFound {
			require.Zero(t, acked, "deployment %s is lost", id)
			continue
		}
		require.NoError(t, err)
		// The next round goes on behind one that nobody was told of.
		a.numbers[i] = checkCounter(t, s, id, acked, acked+1)
		require.NoError(t, s.ReleaseLease(ctx, lease))
	}
	for _, digest := range a.blobs {
		r, err := s.Blob(ctx, digest)
		require.NoError(t, err)
		h := sha256.New()
		_, err = io.Copy(h, r)
		require.NoError(t, err)
		require.Equal(t, digest, fmt.Sprintf("sha256:%x", h.Sum(nil)))
	}
	a.stored += len(a.blobs)
	a.blobs = a.blobs[:0]
}

// checkCounter: the last number, which it returns, is one of those that it may
// be, and record, journal and instances tell the same.
func checkCounter(t *testing.T, s state.Store, id string, least, most uint64) uint64 {
	d, err := s.Deployment(t.Context(), id)
	require.NoError(t, err)
	require.GreaterOrEqual(t, d.LastSeq, least, "commits of %s are lost", id)
	require.LessOrEqual(t, d.LastSeq, most)
	require.Equal(t, d.LastSeq+1, d.Revision)
	seq := uint64(0)
	for e, err := range s.Journal(t.Context(), id, 0) {
		require.NoError(t, err)
		seq++
		require.Equal(t, seq, e.Seq)
		require.Equal(t, fmt.Sprint(seq), string(e.Data))
	}
	require.Equal(t, d.LastSeq, seq)
	instances, err := s.Instances(t.Context(), id)
	require.NoError(t, err)
	if seq == 0 {
		require.Empty(t, instances)
		return 0
	}
	require.Equal(t, fmt.Sprint(seq), string(instances[0].Attributes["n"]))
	return seq
}

// TestServerCrash stops the server as a crash would while writers are at work.
// They repeat what was not acknowledged; each number comes once, and who
// watches sees them all.
func TestServerCrash(t *testing.T) {
	t.Parallel()
	rounds := 4
	if testing.Short() {
		rounds = 2
	}
	p := lab.NewPostgres(t, lab.PostgresOptions{})
	s := open(t, p.URL, postgres.Options{Poll: 100 * time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var group errgroup.Group
	var writers []*writer
	unavailable := make(chan struct{}, 1)
	written := make(chan struct{}, 1)
	for i := range crashWriters {
		w, err := newWriter(ctx, s, i)
		require.NoError(t, err)
		writers = append(writers, w)
		group.Go(func() error { return w.writeOn(ctx, s, written, unavailable) })
	}
	var last uint64
	begun, done := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(done)
		for e, err := range s.Watch(t.Context(), "shop0", 0) {
			if err != nil || e.Seq != last+1 {
				t.Errorf("after %d the watch told %v, %v", last, e, err)
				return
			}
			last = e.Seq
			tell(begun)
			if e.Kind == "end" {
				return
			}
		}
	}()
	<-begun
	for range rounds {
		drain(written)
		<-written
		require.NoError(t, p.Stop())
		drain(unavailable)
		<-unavailable
		require.NoError(t, p.Start())
	}
	drain(written)
	<-written
	cancel()
	require.NoError(t, group.Wait())
	for _, w := range writers {
		checkCounter(t, s, w.id, w.number, w.number)
	}
	_, err := s.Commit(t.Context(), "shop0", &state.Commit{Lease: writers[0].lease, Revision: writers[0].revision,
		Entries: []*state.Entry{{Kind: "end", Data: json.RawMessage("0")}}})
	require.NoError(t, err)
	<-done
	require.Equal(t, writers[0].number+1, last)
}

func drain(c chan struct{}) {
	select {
	case <-c:
	default:
	}
}

func tell(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// writeOn writes until ctx ends, and repeats what was not acknowledged.
func (w *writer) writeOn(ctx context.Context, s state.Store, written, unavailable chan struct{}) error {
	for ctx.Err() == nil {
		switch err := w.write(context.WithoutCancel(ctx), s); state.CodeOf(err) {
		case "":
			tell(written)
		case state.CodeUnavailable:
			tell(unavailable)
			<-time.After(10 * time.Millisecond)
		default:
			return err
		}
	}
	// The last one too.
	for {
		err := w.write(context.WithoutCancel(ctx), s)
		if state.CodeOf(err) != state.CodeUnavailable {
			return err
		}
		<-time.After(10 * time.Millisecond)
	}
}

// contend adds 20 numbers to a deployment that others write too, each under a
// lease of its own.
func contend(ctx context.Context, s state.Store, owner string) error {
	for n := 0; n < 20; {
		lease, err := s.AcquireLease(ctx, "shop", owner, time.Minute)
		if state.CodeOf(err) == state.CodeConflict {
			<-time.After(time.Duration(rand.IntN(2000)) * time.Microsecond)
			continue
		}
		if err != nil {
			return err
		}
		d, err := s.Deployment(ctx, "shop")
		if err != nil {
			return err
		}
		_, err = s.Commit(ctx, "shop", &state.Commit{Lease: lease, Revision: d.Revision,
			Entries: []*state.Entry{{Kind: owner, Data: json.RawMessage(fmt.Sprint(d.LastSeq + 1))}}})
		if err != nil {
			return err
		}
		if err := s.ReleaseLease(ctx, lease); err != nil {
			return err
		}
		n++
	}
	return nil
}

// TestTwoProcesses: two processes that want the same lease take turns.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	url, schema := server.Get(t).URL, newSchema()
	s := open(t, url, postgres.Options{Schema: schema})
	require.NoError(t, s.CreateDeployment(t.Context(), &state.Deployment{ID: "shop"}))
	a, b := child(t, url, schema, "a"), child(t, url, schema, "b")
	require.NoError(t, a.Start())
	require.NoError(t, b.Start())
	require.NoError(t, a.Wait(), "%s", a.Stderr)
	require.NoError(t, b.Wait(), "%s", b.Stderr)
	counts := map[string]int{}
	for e, err := range s.Journal(t.Context(), "shop", 0) {
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(e.Seq), string(e.Data))
		counts[e.Kind]++
	}
	require.Equal(t, map[string]int{"a": 20, "b": 20}, counts)
}

// holdLease takes a short lease, says so, waits to be told, and writes.
func holdLease(ctx context.Context, s state.Store) error {
	lease, err := s.AcquireLease(ctx, "shop", "paused", 500*time.Millisecond)
	if err != nil {
		return err
	}
	fmt.Println("held")
	if _, err := fmt.Scanln(); err != nil && err.Error() != "unexpected newline" {
		return err
	}
	_, err = s.Commit(ctx, "shop", &state.Commit{Lease: lease, Revision: 1, Entries: []*state.Entry{{Kind: "late"}}})
	fmt.Println(state.CodeOf(err))
	_, err = s.RenewLease(ctx, lease, time.Hour)
	fmt.Println(state.CodeOf(err))
	return nil
}

// TestPausedProcess stops a process that holds a lease. By the server's clock
// the lease ends; when the process goes on, it cannot write any more.
func TestPausedProcess(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	url, schema := server.Get(t).URL, newSchema()
	s := open(t, url, postgres.Options{Schema: schema})
	require.NoError(t, s.CreateDeployment(ctx, &state.Deployment{ID: "shop"}))
	holder := child(t, url, schema, "hold")
	in, err := holder.StdinPipe()
	require.NoError(t, err)
	out, err := holder.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, holder.Start())
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan(), "%s", holder.Stderr)
	require.Equal(t, "held", lines.Text())
	require.NoError(t, holder.Process.Signal(syscall.SIGSTOP))

	var lease state.Lease
	require.Eventually(t, func() bool {
		lease, err = s.AcquireLease(ctx, "shop", "next", time.Hour)
		return err == nil
	}, time.Minute, 20*time.Millisecond)
	require.NoError(t, holder.Process.Signal(syscall.SIGCONT))
	_, err = io.WriteString(in, "\n")
	require.NoError(t, err)
	for _, doing := range []string{"commit", "renew"} {
		require.True(t, lines.Scan(), "%s", holder.Stderr)
		require.Equal(t, string(state.CodeFailedPrecondition), lines.Text(), doing)
	}
	require.NoError(t, holder.Wait())
	_, err = s.Commit(ctx, "shop", &state.Commit{Lease: lease, Revision: 1})
	require.NoError(t, err)
}
