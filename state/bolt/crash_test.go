package bolt_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/bolt"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
	"go.uber.org/goleak"
)

const (
	// crashFile names the state file to a child process.
	crashFile = "ORCHESTRATOR_TEST_CRASH_FILE"
	// crashRounds is how often a child is killed; the default is 10, with -short 3.
	crashRounds = "ORCHESTRATOR_CRASH_ROUNDS"

	crashWriters = 4
)

func TestMain(m *testing.M) {
	if path := os.Getenv(crashFile); path != "" {
		log.Fatal(crashChild(context.Background(), path))
	}
	goleak.VerifyTestMain(m)
}

// crashChild commits until it is killed. Each writer counts on in a deployment
// of its own, one journal entry and log chunk for each number and the last
// number in an instance, and prints "writer number" once the commit has
// returned; now and then it trims. Beside them it stores blobs and prints "blob
// digest", sweeps them and prints "sweeping" before and "swept" after, and
// restores deployments and prints "restored ID".
func crashChild(ctx context.Context, path string) error {
	s, err := bolt.Open(path, bolt.Config{})
	if err != nil {
		return err
	}
	var mu sync.Mutex
	say := func(args ...any) {
		mu.Lock()
		defer mu.Unlock()
		if _, err := fmt.Println(args...); err != nil {
			log.Fatal(err)
		}
	}
	errs := make(chan error)
	for i := range crashWriters {
		go func() { errs <- crashWriter(ctx, s, i, say) }()
	}
	go func() { errs <- crashBlobs(ctx, s, say) }()
	go func() { errs <- crashRestores(ctx, s, say) }()
	return <-errs
}

func crashWriter(ctx context.Context, s state.Store, i int, say func(...any)) error {
	id := fmt.Sprint("shop", i)
	err := s.CreateDeployment(ctx, &state.Deployment{ID: id})
	if err != nil && state.CodeOf(err) != state.CodeAlreadyExists {
		return err
	}
	lease, err := s.AcquireLease(ctx, id, "child", time.Hour)
	if err != nil {
		return err
	}
	d, err := s.Deployment(ctx, id)
	if err != nil {
		return err
	}
	// The one before may have been killed as it was about to do this.
	if err := s.Trim(ctx, id, lease, d.LastSeq-min(d.LastSeq, 15)); err != nil {
		return err
	}
	revision := d.Revision
	for n := d.LastSeq + 1; ; n++ {
		number := json.RawMessage(strconv.FormatUint(n, 10))
		run := &state.Run{ID: crashRun(n)}
		if crashRun(n+1) != run.ID {
			run.Ended = time.Unix(1, 0)
		}
		c := &state.Commit{Lease: lease, Revision: revision, Run: run,
			Deployment: &state.Deployment{ID: id, Run: run.ID},
			Put:        []*state.Instance{{ID: "counter", Attributes: map[string]json.RawMessage{"n": number}}},
			Entries:    []*state.Entry{{Kind: "count", Data: number}},
			Logs:       []*state.LogChunk{{Run: run.ID, Operation: fmt.Sprint("op", n%3), Text: string(number)}}}
		// Some commits take several pages.
		for j := range n % 50 {
			c.Put = append(c.Put, &state.Instance{ID: fmt.Sprint("node", j), State: fmt.Sprint(n)})
		}
		if revision, err = s.Commit(ctx, id, c); err != nil {
			return err
		}
		say(i, n)
		if n%25 == 0 {
			if err := s.Trim(ctx, id, lease, n-min(n, 15)); err != nil {
				return err
			}
		}
	}
}

// crashRun is the run of a number: each takes ten.
func crashRun(n uint64) string { return fmt.Sprint("run-", n/10) }

// crashRecords is how many entries a restored deployment has: more than are
// written in one transaction.
const crashRecords = 12_000

// crashRestores restores deployments and deletes all but the last of them.
func crashRestores(ctx context.Context, s state.Store, say func(...any)) error {
	d := &state.Deployment{Revision: 1, FirstSeq: 1, LastSeq: crashRecords}
	records := func(yield func(*state.Record, error) bool) {
		for n := range uint64(crashRecords) {
			if !yield(&state.Record{Entry: &state.Entry{Seq: n + 1, Kind: "count"}}, nil) {
				return
			}
		}
	}
	for {
		d.ID = fmt.Sprint("restored-", rand.Uint64())
		if err := s.Restore(ctx, d, records); err != nil {
			return err
		}
		say("restored", d.ID)
		lease, err := s.AcquireLease(ctx, d.ID, "child", time.Hour)
		if err != nil {
			return err
		}
		say("deleting", d.ID)
		if err := s.DeleteDeployment(ctx, d.ID, lease); err != nil {
			return err
		}
		say("deleted", d.ID)
	}
}

func crashBlobs(ctx context.Context, s state.Store, say func(...any)) error {
	for {
		data := bytes.Repeat([]byte{byte(rand.Int())}, 5<<20+rand.IntN(1<<10))
		digest := fmt.Sprintf("sha256:%x", sha256.Sum256(data))
		if err := s.PutBlob(ctx, digest, bytes.NewReader(data)); err != nil {
			return err
		}
		say("blob", digest)
		if rand.IntN(3) == 0 {
			say("sweeping")
			if _, err := s.Sweep(ctx, time.Now()); err != nil {
				return err
			}
			say("swept")
		}
	}
}

// acknowledged is what children said was stored.
type acknowledged struct {
	numbers [crashWriters]uint64
	// blobs are those of the round: sweeping are being deleted, swept gone.
	blobs, sweeping, swept []string
	stored                 int // blobs in all rounds
	// restored tells of deployments whether they must be there (true) or not;
	// those for which it cannot be known are not in it.
	restored map[string]bool
	restores int // in all rounds
}

// TestCrash kills a process that commits, again and again, and looks whether
// all is there that it was told was stored. It is not parallel: a child that is
// being forked has the open files of this process, with their locks, until it
// runs its own program, and other tests want to see them free at once.
func TestCrash(t *testing.T) {
	rounds := 10
	if testing.Short() {
		rounds = 3
	}
	if text := os.Getenv(crashRounds); text != "" {
		var err error
		rounds, err = strconv.Atoi(text)
		require.NoError(t, err, crashRounds)
	}
	path := filepath.Join(t.TempDir(), "state.db")
	acks := acknowledged{restored: map[string]bool{}}
	for range rounds {
		acks.runAndKill(t, path)
		acks.check(t, path)
		checkPages(t, path)
	}
	t.Logf("%d rounds, %v commits, %d blobs and %d restored deployments acknowledged, none lost",
		rounds, acks.numbers, acks.stored, acks.restores)
	require.NotEqual(t, [crashWriters]uint64{}, acks.numbers)
}

// runAndKill starts a child and kills it at some moment after it has
// acknowledged some things.
func (a *acknowledged) runAndKill(t *testing.T, path string) {
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), crashFile+"="+path)
	var stderr bytes.Buffer
	child.Stderr = &stderr
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
	require.ErrorContains(t, child.Wait(), "killed", "the child ended by itself: %s", stderr.String())
}

func (a *acknowledged) note(t *testing.T, line string) {
	var i int
	var n uint64
	word, subject, _ := strings.Cut(line, " ")
	switch word {
	case "blob":
		a.blobs = append(a.blobs, subject)
		return
	case "sweeping":
		a.blobs, a.sweeping = nil, append(a.sweeping, a.blobs...)
		return
	case "swept":
		a.swept, a.sweeping = append(a.swept, a.sweeping...), nil
		return
	case "restored":
		a.restored[subject] = true
		a.restores++
		return
	case "deleting":
		delete(a.restored, subject)
		return
	case "deleted":
		a.restored[subject] = false
		return
	}
	_, err := fmt.Sscan(line, &i, &n)
	require.NoError(t, err, line)
	a.numbers[i] = n
}

func (a *acknowledged) check(t *testing.T, path string) {
	ctx := t.Context()
	now := time.Now()
	s, err := bolt.Open(path, bolt.Config{Now: func() time.Time { return now }})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	list, err := s.Deployments(ctx)
	require.NoError(t, err)
	started := map[string]bool{}
	for _, d := range list {
		started[d.ID] = true
	}
	for i, acked := range a.numbers {
		if id := fmt.Sprint("shop", i); started[id] {
			a.numbers[i] = checkCounter(t, s, id, acked) // the next round goes on behind one that nobody was told of
		} else {
			require.Zero(t, acked, "deployment %s is lost", id)
		}
	}
	for id := range started {
		if strings.HasPrefix(id, "restored-") { // whole, if it is there at all
			for _, err := range s.Journal(ctx, id, crashRecords-1) {
				require.NoError(t, err)
			}
		}
	}
	for id, there := range a.restored {
		require.Equal(t, there, started[id], id)
	}
	a.checkBlobs(t, s)

	// The dead process's leases hold until they expire.
	for id := range started {
		lease, err := s.AcquireLease(ctx, id, "parent", time.Minute)
		if err != nil {
			require.Equal(t, state.CodeConflict, state.CodeOf(err), "%v", err)
			require.ErrorContains(t, err, "child")
			now = now.Add(time.Hour)
			lease, err = s.AcquireLease(ctx, id, "parent", time.Minute)
			require.NoError(t, err)
			now = now.Add(-time.Hour)
		}
		require.NoError(t, s.ReleaseLease(ctx, lease))
	}
}

func (a *acknowledged) checkBlobs(t *testing.T, s state.Store) {
	for _, digest := range a.blobs {
		r, err := s.Blob(t.Context(), digest)
		require.NoError(t, err)
		h := sha256.New()
		_, err = io.Copy(h, r)
		require.NoError(t, err)
		require.Equal(t, digest, fmt.Sprintf("sha256:%x", h.Sum(nil)))
	}
	for _, digest := range a.swept {
		if slices.Contains(a.blobs, digest) || slices.Contains(a.sweeping, digest) {
			continue // put again, by chance
		}
		_, err := s.Blob(t.Context(), digest)
		require.Equal(t, state.CodeNotFound, state.CodeOf(err), "blob %s was swept: %v", digest, err)
	}
	a.stored += len(a.blobs) + len(a.swept)
	a.blobs, a.sweeping, a.swept = nil, nil, nil
	clear(a.restored) // a deployment that stays is not looked at again
}

// checkCounter: every acknowledged number is there, at most the one that was
// on its way comes after it, and journal and instances tell the same. It returns
// the last number.
func checkCounter(t *testing.T, s state.Store, id string, acked uint64) uint64 {
	d, err := s.Deployment(t.Context(), id)
	require.NoError(t, err)
	require.GreaterOrEqual(t, d.LastSeq, acked, "commits of %s are lost", id)
	require.LessOrEqual(t, d.LastSeq, acked+1)
	require.Equal(t, d.LastSeq+1, d.Revision)
	seq := d.FirstSeq - 1
	require.GreaterOrEqual(t, seq+40, acked, "what was to be trimmed is still there")
	for e, err := range s.Journal(t.Context(), id, 0) {
		require.NoError(t, err)
		seq++
		require.Equal(t, seq, e.Seq)
		require.Equal(t, fmt.Sprint(seq), string(e.Data))
	}
	checkLogs(t, s, d)
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

// checkLogs: each number has its log chunk, unless its run was trimmed.
func checkLogs(t *testing.T, s state.Store, d *state.Deployment) {
	require.Equal(t, d.LastSeq, d.LastLog)
	runs, err := s.Runs(t.Context(), d.ID)
	require.NoError(t, err)
	kept := map[string]bool{}
	for _, r := range runs {
		kept[r.ID] = true
	}
	var want, got []uint64
	for n := uint64(1); n <= d.LastLog; n++ {
		if kept[crashRun(n)] {
			want = append(want, n)
		}
		require.True(t, kept[crashRun(n)] || n < d.FirstSeq, "the run of entry %d is gone", n)
	}
	for c, err := range s.Logs(t.Context(), d.ID, "", 0) {
		require.NoError(t, err)
		require.Equal(t, crashRun(c.Seq), c.Run)
		got = append(got, c.Seq)
	}
	require.Equal(t, want, got)
	for op := range uint64(3) {
		for c, err := range s.Logs(t.Context(), d.ID, fmt.Sprint("op", op), 0) {
			require.NoError(t, err)
			require.Equal(t, op, c.Seq%3)
			got = got[1:]
		}
	}
	require.Empty(t, got, "the index does not have all chunks")
}

// checkPages lets bbolt look at every page of the file, and at what the store
// should have cleaned up.
func checkPages(t *testing.T, path string) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, PreLoadFreelist: true})
	require.NoError(t, err)
	defer db.Close()
	require.NoError(t, db.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			require.NoError(t, err)
		}
		for _, name := range []string{"uploads", "restores"} {
			first, _ := tx.Bucket([]byte(name)).Cursor().First()
			require.Nil(t, first, "something that was not completed is still in %s", name)
		}
		return nil
	}))
}
