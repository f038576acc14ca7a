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
	"strconv"
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
// of its own, one journal entry for each number and the last number in an
// instance, and prints "writer number" once the commit has returned. Beside
// them it stores blobs and prints "blob digest".
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
	revision := d.Revision
	for n := d.LastSeq + 1; ; n++ {
		number := json.RawMessage(strconv.FormatUint(n, 10))
		c := &state.Commit{Lease: lease, Revision: revision,
			Put:     []*state.Instance{{ID: "counter", Attributes: map[string]json.RawMessage{"n": number}}},
			Entries: []*state.Entry{{Kind: "count", Data: number}}}
		// Some commits take several pages.
		for j := range n % 50 {
			c.Put = append(c.Put, &state.Instance{ID: fmt.Sprint("node", j), State: fmt.Sprint(n)})
		}
		if revision, err = s.Commit(ctx, id, c); err != nil {
			return err
		}
		say(i, n)
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
	}
}

// acknowledged is what children said was stored.
type acknowledged struct {
	numbers [crashWriters]uint64
	blobs   []string // of the round
	stored  int      // blobs in all rounds
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
	var acks acknowledged
	for range rounds {
		acks.runAndKill(t, path)
		acks.check(t, path)
		checkPages(t, path)
	}
	t.Logf("%d rounds, %v commits and %d blobs acknowledged, none lost", rounds, acks.numbers, acks.stored)
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
	var digest string
	if _, err := fmt.Sscanf(line, "blob %s", &digest); err == nil {
		a.blobs = append(a.blobs, digest)
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
			checkCounter(t, s, id, acked)
		} else {
			require.Zero(t, acked, "deployment %s is lost", id)
		}
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

// checkCounter: every acknowledged number is there, at most the one that was
// on its way comes after it, and journal and instances tell the same.
func checkCounter(t *testing.T, s state.Store, id string, acked uint64) {
	d, err := s.Deployment(t.Context(), id)
	require.NoError(t, err)
	require.GreaterOrEqual(t, d.LastSeq, acked, "commits of %s are lost", id)
	require.LessOrEqual(t, d.LastSeq, acked+1)
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
		return
	}
	require.Equal(t, fmt.Sprint(seq), string(instances[0].Attributes["n"]))
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
		first, _ := tx.Bucket([]byte("uploads")).Cursor().First()
		require.Nil(t, first, "a blob that was not completed is still there")
		return nil
	}))
}
