package executor_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/seed-a4fd30b5/orchestrator/csar"
	"github.com/seed-a4fd30b5/orchestrator/drivers/local"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/failpoint"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/bolt"
	"github.com/seed-a4fd30b5/orchestrator/state/postgres"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
	"github.com/stretchr/testify/require"
)

// kills is how often TestKill kills: go test ./executor -run TestKill -kills 1000
var kills = flag.Int("kills", 0, "how many processes TestKill kills at random; 0 for a few")

// The stages of a deployment's life in the kill test.
const (
	stageRollback = "rollback" // deploy what fails, and take it back
	stageCancel   = "cancel"   // deploy, and cancel when something runs: see killCase.cancel
	stageDeploy   = "deploy"   // or go on
	stageUpdate   = "update"
	stageUndeploy = "undeploy"
	stageDelete   = "delete"
)

var stages = []string{stageRollback, stageCancel, stageDeploy, stageUpdate, stageUndeploy, stageDelete}

// killCase is what the child process is told, in the variable killChild.
type killCase struct {
	Dir, Socket, Stage string
	Seed               uint64
	// Failpoint says where to die: "NAME=N"; empty for nowhere.
	Failpoint string
	LeaseTTL  time.Duration
	// Hold makes a stage with a Failpoint wait in the middle until that is passed.
	Hold bool
	// Postgres is the URL of the server, where the store is there: in the schema
	// of the same name as the deployment's folder.
	Postgres, Schema string
}

const killChild = "ORCHESTRATOR_TEST_KILL"

// kinds are the ways in which the operations are done: see world.
var kinds = []string{"batch", "queue", "call", "blind", "sh"}

// killTemplate generates a template: nodes whose operations are done in
// different ways, and that depend on each other. The second version of it has
// other properties in some nodes.
func killTemplate(seed uint64, version int) string {
	r := rand.New(rand.NewPCG(seed, 0))
	n := 4 + r.IntN(5)
	var b strings.Builder
	b.WriteString(`tosca_definitions_version: tosca_simple_yaml_1_3
node_types:
  Thing:
    derived_from: tosca.nodes.Root
    properties: { version: { type: integer } }
    attributes: { who: { type: string } }
topology_template:
  node_templates:
`)
	for i := range n {
		kind := kinds[(i+r.IntN(2))%len(kinds)]
		nodeVersion := 1
		if changed := r.IntN(3) == 0 || i == n-1; changed {
			nodeVersion = version
		}
		fmt.Fprintf(&b, "    n%d:\n      type: Thing\n      properties: { version: %d }\n", i, nodeVersion)
		if kind == "blind" {
			b.WriteString("      metadata: { rerunnable: \"true\" }\n")
		}
		first := true
		for j := range i {
			if r.IntN(3) > 0 {
				continue
			}
			if first {
				b.WriteString("      requirements:\n")
				first = false
			}
			fmt.Fprintf(&b, "        - dependency: n%d\n", j)
		}
		b.WriteString("      interfaces:\n        Standard:\n          operations: {")
		for k, op := range []string{"create", "start", "stop", "delete"} {
			if k == 0 || r.IntN(2) == 0 {
				fmt.Fprintf(&b, " %s: do.%s,", op, kind)
			}
		}
		b.WriteString(" }\n")
	}
	if version == failingVersion {
		fmt.Fprintf(&b, "    bad:\n      type: Thing\n      properties: { version: 1 }\n"+
			"      requirements: [ { dependency: n0 } ]\n      interfaces: { Standard: { operations: { create: do.fail } } }\n")
	}
	return b.String()
}

// failingVersion is the version of the template that has a node which fails.
const failingVersion = 0

// killScript is a real script of drivers/local.
const killScript = `say() { echo "$1 $TOSCA_RUN/$TOSCA_STEP $TOSCA_ATTEMPT sh" >>"$WITNESS"; }
say begin
sleep 0.00$((TOSCA_ATTEMPT * 5 % 10))
echo "who=$TOSCA_INSTANCE.$TOSCA_OPERATION" >>"$TOSCA_OUTPUTS"
say end
`

func killArchive(seed uint64, version int) (*csar.Archive, error) {
	files := fstest.MapFS{"service.yaml": {Data: []byte(killTemplate(seed, version))}, "do.sh": {Data: []byte(killScript)}}
	for _, kind := range append(kinds[:4:4], "fail") {
		files["do."+kind] = &fstest.MapFile{Data: []byte(kind)}
	}
	return csar.FromFS(files, "service.yaml")
}

// killDrivers are the drivers of all kinds.
func killDrivers(socket, dir string) []executor.Driver {
	of := func(kind string) client { return client{socket, kind} }
	return []executor.Driver{
		batchDriver{of("batch")}, batchDriver{of("queue")},
		executor.Sync(remembered{callRunner{of("call")}}), executor.Sync(callRunner{of("blind")}),
		executor.Sync(failRunner{}),
		local.New(local.Config{WorkDir: dir, Env: map[string]string{"WITNESS": filepath.Join(dir, "witness")}}),
	}
}

// failRunner is for operations that fail.
type failRunner struct{}

func (failRunner) Name() string { return "fail" }
func (failRunner) Accepts(op *executor.Operation) bool {
	return op.Primary != nil && op.Primary.Path == "do.fail"
}
func (failRunner) Run(context.Context, *executor.Operation) (map[string]any, error) {
	return nil, errors.New("it fails always")
}

// TestMain is the child process of TestKill where that has started it.
func killMain(what string) int {
	var c killCase
	err := json.Unmarshal([]byte(what), &c)
	if err == nil {
		err = c.child(context.Background())
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// child takes a deployment through one stage, as far as it comes.
func (c killCase) child(ctx context.Context) error {
	store, err := c.open(ctx)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	if c.Failpoint != "" {
		point, n, err := failpoint.Parse(c.Failpoint)
		if err != nil {
			return err
		}
		failpoint.Arm(point, n, failpoint.Kill)
	}
	for {
		err := c.takeStage(ctx, store, c.Socket)
		switch code := executor.CodeOf(err); {
		case code == executor.FailedPrecondition, code == executor.Conflict:
		default:
			return errors.Join(err, store.Close())
		}
	}
}

// open opens the store, and ends the leases of the processes before, which are
// dead.
func (c killCase) open(ctx context.Context) (closingStore, error) {
	if c.Postgres == "" {
		return bolt.Open(filepath.Join(c.Dir, "state.db"), bolt.Config{EndLeases: true, LockTimeout: time.Minute})
	}
	conn, err := pgx.Connect(ctx, c.Postgres)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	store, err := postgres.Open(ctx, c.Postgres, &postgres.Options{Schema: c.Schema, Poll: 20 * time.Millisecond})
	if err != nil {
		return nil, err
	}
	if _, err = conn.Exec(ctx, "UPDATE "+c.Schema+".deployments SET lease_token = NULL, lease_owner = NULL, lease_expires = NULL"); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return store, nil
}

// closingStore is a store that can be closed.
type closingStore interface {
	state.Store
	Close() error
}

// takeStage makes an engine and does what is left to do of the stage.
func (c killCase) takeStage(ctx context.Context, store state.Store, socket string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cfg := executor.Config{Store: store, Drivers: killDrivers(socket, c.Dir), PollInterval: 5 * time.Millisecond, LeaseTTL: c.LeaseTTL}
	var e *executor.Engine
	if c.Stage == stageCancel {
		cfg.Observe = func(ev executor.Event) {
			if ev.Kind == executor.OperationRunning {
				c.cancel(ctx, e, store, ev.Run, cancel)
			}
		}
	}
	if c.Hold && c.Failpoint != "" {
		cfg.Observe = c.holding(ctx, cfg.Observe)
	}
	e, err := executor.New(cfg)
	if err != nil {
		return err
	}
	_, err = c.doStage(ctx, e, store)
	return errors.Join(err, e.Close())
}

// holding is an observer that stops the run at one of its first events, and
// nothing else: leases are renewed, and operations go on outside.
func (c killCase) holding(ctx context.Context, observe func(executor.Event)) func(executor.Event) {
	left := 1 + c.Seed%8
	return func(ev executor.Event) {
		if observe != nil {
			observe(ev)
		}
		if left--; left == 0 {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
			defer cancel()
			<-ctx.Done()
		}
	}
}

// cancel cancels the run in one of three ways: by the end of the context, by
// the engine, or by a signal in the store, as another process does it. Then
// the file "signalled" tells that the signal was on disk.
func (c killCase) cancel(ctx context.Context, e *executor.Engine, store state.Store, run string, end func()) {
	switch c.Seed % 3 {
	case 0:
		end()
	case 1:
		_ = e.Cancel(ctx, "x", run) // it may have ended, or be canceled already
	default:
		if store.Signal(ctx, "x", &state.Signal{Kind: state.SignalCancel, Run: run, From: "another"}) == nil {
			_ = os.WriteFile(filepath.Join(c.Dir, "signalled"), nil, 0o600)
		}
	}
}

// cancelDue tells that a run which goes on was to be cancelled.
func (c killCase) cancelDue(ctx context.Context, store state.Store, run *state.Run) (bool, error) {
	if run.Status != state.RunRunning {
		return false, nil
	}
	_, err := os.Stat(filepath.Join(c.Dir, "signalled"))
	due := err == nil
	for entry, err := range store.Journal(ctx, "x", 0) {
		if err != nil {
			return false, err
		}
		if entry.Run == run.ID && entry.Kind == string(executor.CancelAsked) {
			due = true
		}
	}
	return due, nil
}

func (c killCase) doStage(ctx context.Context, e *executor.Engine, store state.Store) (*executor.Result, error) {
	record, err := store.Deployment(ctx, "x")
	if executor.CodeOf(err) == executor.NotFound {
		if c.Stage == stageDelete {
			return nil, nil
		}
		record, err = &state.Deployment{}, nil
	}
	if err != nil {
		return nil, err
	}
	if c.Stage == stageDelete {
		return nil, e.Delete(ctx, "x", false)
	}
	last := &state.Run{}
	if record.Run != "" {
		if last, err = store.Run(ctx, "x", record.Run); err != nil {
			return nil, err
		}
	}
	kind := c.Stage
	if kind == stageCancel {
		kind = stageDeploy
	}
	switch {
	case c.Stage == stageCancel && last.Kind == kind && last.Status != state.RunRunning:
		return nil, nil
	case last.Kind == kind && last.Status == state.RunSucceeded:
		return nil, nil
	case c.Stage == stageRollback && last.ID != "":
		r, err := e.Resume(ctx, "x", executor.Options{OnFailure: executor.Continue})
		return r, c.rolledBack(ctx, store, err)
	case c.Stage == stageCancel && last.Kind == kind:
		due, err := c.cancelDue(ctx, store, last)
		if err != nil {
			return nil, err
		}
		r, err := e.Resume(ctx, "x", executor.Options{})
		if code := executor.CodeOf(err); due && code != executor.CodeCanceled && code != executor.FailedPrecondition {
			return r, fmt.Errorf("the run went on, though it was to be cancelled: %v", err)
		}
		return r, c.cancelIsRight(err)
	case last.Kind == kind:
		return e.Resume(ctx, "x", executor.Options{})
	}
	version := 1
	switch c.Stage {
	case stageUpdate:
		version = 2
	case stageRollback:
		version = failingVersion
	}
	archive, err := killArchive(c.Seed, version)
	if err != nil {
		return nil, err
	}
	var r *executor.Result
	switch c.Stage {
	case stageUpdate:
		r, err = e.Update(ctx, executor.Request{Deployment: "x", Archive: archive})
	case stageRollback:
		r, err = e.Deploy(ctx, executor.Request{Deployment: "x", Archive: archive, Rollback: true, OnFailure: executor.Continue})
		return r, c.rolledBack(ctx, store, err)
	case stageUndeploy:
		r, err = e.Undeploy(ctx, "x", executor.Options{})
	default:
		r, err = e.Deploy(ctx, executor.Request{Deployment: "x", Archive: archive})
	}
	return r, c.cancelIsRight(err)
}

// cancelIsRight takes it for right that a run was cancelled, or that its
// operations were by a process which was killed before it had recorded why.
func (c killCase) cancelIsRight(err error) error {
	code := executor.CodeOf(err)
	if c.Stage == stageCancel && (code == executor.CodeCanceled || code == executor.CodeFailed) {
		return nil
	}
	return err
}

// rolledBack takes it for right that a deploy failed, if that was taken back.
func (c killCase) rolledBack(ctx context.Context, store state.Store, err error) error {
	if executor.CodeOf(err) != executor.CodeFailed {
		return err
	}
	record, failed := store.Deployment(ctx, "x")
	if failed != nil {
		return failed
	}
	last, failed := store.Run(ctx, "x", record.Run)
	if failed != nil {
		return failed
	}
	if last.Kind == "rollback" && last.Status == state.RunSucceeded {
		return nil
	}
	return err
}

// killed is one deployment whose engines are killed.
type killed struct {
	t     testing.TB
	world *world
	c     killCase
	// plan says how the child of the given number in a stage dies: at a
	// failpoint, at a random moment ("random"), or not at all ("").
	plan func(stage string, child int) string
	died func(how string)
}

// live takes the deployment through all stages and checks each.
func (k *killed) live() {
	control := k.control()
	for i, stage := range stages {
		k.c.Stage = stage
		for child := 0; !k.run(k.plan(stage, child)); child++ {
		}
		if stage != stageCancel && stage != stageDelete {
			k.check(stage, control[i])
		}
	}
	_, err := k.open().Deployment(k.t.Context(), "x")
	require.Equal(k.t, executor.NotFound, executor.CodeOf(err))
}

// run runs one child; false if it was killed.
func (k *killed) run(how string) bool {
	exe, err := os.Executable()
	require.NoError(k.t, err)
	c := k.c
	if how != "random" {
		c.Failpoint = how
	}
	what, err := json.Marshal(c)
	require.NoError(k.t, err)
	child := exec.Command(exe)
	child.Env = append(os.Environ(), killChild+"="+string(what))
	var errs bytes.Buffer
	child.Stderr = &errs
	out, err := child.StdoutPipe()
	require.NoError(k.t, err)
	require.NoError(k.t, child.Start())
	lines := bufio.NewReader(out)
	if first, _ := lines.ReadString('\n'); first == "ready\n" && how == "random" {
		timer := time.AfterFunc(time.Duration(rand.IntN(120_000))*time.Microsecond, func() { _ = child.Process.Kill() })
		defer timer.Stop()
	}
	said, _ := io.ReadAll(lines)
	if err = child.Wait(); err == nil {
		return true
	}
	require.False(k.t, child.ProcessState.Exited(), "%s, %s, seed %d: %s%s", c.Stage, how, c.Seed, said, errs.String())
	name, _, _ := strings.Cut(how, "=")
	k.died(name)
	return false
}

func (k *killed) open() closingStore {
	s, err := k.c.open(k.t.Context())
	require.NoError(k.t, err)
	k.t.Cleanup(func() { _ = s.Close() })
	return s
}

// outcome is what a stage comes to.
type outcome struct {
	Status    state.Status
	Instances []*state.Instance
	deeds     map[string]bool // the keys that were done
}

// control takes the same deployment through the stages without a crash.
func (k *killed) control() []outcome {
	t := k.t
	w := newWorld(t, filepath.Join(t.TempDir(), "control"))
	store := newMemory(t)
	outcomes := make([]outcome, len(stages))
	for i, stage := range stages {
		if stage == stageCancel || stage == stageDelete {
			continue
		}
		c := killCase{Dir: w.dir, Stage: stage, Seed: k.c.Seed, LeaseTTL: time.Minute}
		require.NoError(t, c.takeStage(t.Context(), store, w.server.Addr().String()))
		outcomes[i] = outcomeOf(t, store, w)
	}
	return outcomes
}

func outcomeOf(t testing.TB, store state.Store, w *world) outcome {
	t.Helper()
	record, err := store.Deployment(t.Context(), "x")
	require.NoError(t, err)
	instances, err := store.Instances(t.Context(), "x")
	require.NoError(t, err)
	o := outcome{Status: record.Status, Instances: instances, deeds: map[string]bool{}}
	for _, d := range w.deeds(t) {
		if d.what == "end" {
			o.deeds[d.key] = true
		}
	}
	return o
}

// check holds what happened in the world, by the witness, against what should
// have happened and what is recorded.
func (k *killed) check(stage string, want outcome) {
	t := k.t
	store := k.open()
	defer store.Close()
	got := outcomeOf(t, store, k.world)
	about := fmt.Sprintf("stage %s, seed %d", stage, k.c.Seed)
	require.Equal(t, want.deeds, got.deeds, "%s: something was lost, or done that should not be", about)
	require.Equal(t, shownOutcome(want), shownOutcome(got), "%s: the state is another one than without a crash", about)
	require.Zero(t, k.world.orphans(), "%s: something goes on", about)
	recorded := recordedOperations(t, store)
	ended := map[string]bool{}
	for _, d := range k.world.deeds(t) {
		attempt, ok := recorded[d.key]
		require.True(t, ok, "%s: %s runs, and no record knows of it", about, d.key)
		require.LessOrEqual(t, d.attempt, attempt.last, "%s: %s: an attempt that no record knows of", about, d.key)
		switch {
		case d.what == "begin" && d.kind != "blind":
			require.False(t, ended[d.key], "%s: %s (%s) was done again after it had succeeded", about, d.key, d.kind)
		case d.what == "end" && d.kind == "sh" && attempt.stopped[d.attempt]:
			// It was cancelled between its last line and its end.
		case d.what == "end":
			ended[d.key] = true
		}
	}
	k.checkOrder(store, about)
}

func shownOutcome(o outcome) string {
	text, _ := json.MarshalIndent(o, "", " ")
	return string(text)
}

// attempts are those of an operation: the last one, and which were cancelled.
type attempts struct {
	last    int
	stopped map[int]bool
}

// recordedOperations are the operations that the journal says were begun.
func recordedOperations(t testing.TB, store state.Store) map[string]attempts {
	t.Helper()
	recorded := map[string]attempts{}
	for entry, err := range store.Journal(t.Context(), "x", 0) {
		require.NoError(t, err)
		var data struct {
			Attempt int
			State   string
			Error   string
		}
		key := entry.Run + "/" + entry.Step
		switch executor.EventKind(entry.Kind) {
		case executor.OperationStarted:
			require.NoError(t, json.Unmarshal(entry.Data, &data))
			a := recorded[key]
			if a.last = data.Attempt; a.stopped == nil {
				a.stopped = map[int]bool{}
			}
			recorded[key] = a
		case executor.OperationEnded:
			require.NoError(t, json.Unmarshal(entry.Data, &data))
			recorded[key].stopped[data.Attempt] = data.State == string(executor.Canceled) || strings.Contains(data.Error, "SIGTERM")
		}
	}
	return recorded
}

// checkOrder checks that no operation began before those had ended that the
// plan has before it.
func (k *killed) checkOrder(store state.Store, about string) {
	t := k.t
	began, ended := map[string]int{}, map[string]int{}
	for i, d := range k.world.deeds(t) {
		if _, ok := began[d.key]; !ok {
			began[d.key] = i
		}
		if d.what == "end" {
			if _, ok := ended[d.key]; !ok {
				ended[d.key] = i
			}
		}
	}
	runs, err := store.Runs(t.Context(), "x")
	require.NoError(t, err)
	for _, run := range runs {
		blob, err := store.Blob(t.Context(), run.Plan)
		require.NoError(t, err)
		var plan workflow.Plan
		require.NoError(t, json.NewDecoder(blob).Decode(&plan))
		require.NoError(t, blob.Close())
		// The steps are in order: before holds the latest end in front of each.
		before := make([]int, len(plan.Steps))
		for i, s := range plan.Steps {
			before[i] = -1
			for _, a := range s.After {
				before[i] = max(before[i], before[a])
				if at, ok := ended[run.ID+"/"+plan.Steps[a].ID]; ok {
					before[i] = max(before[i], at)
				}
			}
			if at, ok := began[run.ID+"/"+s.ID]; ok {
				require.Greater(t, at, before[i], "%s: %s/%s began too early", about, run.ID, s.ID)
			}
		}
	}
}

// newKilled makes a deployment to be killed, with a folder of its own.
func newKilled(t testing.TB, seed uint64, plan func(stage string, child int) string, died func(string)) *killed {
	w := newWorld(t, filepath.Join(t.TempDir(), "world"))
	return &killed{t: t, world: w, plan: plan, died: died,
		c: killCase{Dir: w.dir, Socket: w.server.Addr().String(), Seed: seed, LeaseTTL: 30 * time.Second}}
}

// A process that deploys, updates and undeploys is killed at every failpoint of
// the engine, and the next one goes on: nothing is lost, nothing that succeeded
// is done again, nothing runs that no record knows of.
func TestKillAtFailpoints(t *testing.T) {
	if testing.Short() {
		t.Skip("it kills some two hundred processes")
	}
	t.Parallel()
	var mu sync.Mutex
	deaths := map[string]int{}
	live := func(t *testing.T, i int, point failpoint.Point, seed uint64) {
		k := newKilled(t, seed, func(stage string, child int) string {
			// In front of Recover there has to be something to recover.
			recovers := point == failpoint.BeforeRecover || point == failpoint.AfterRecover
			if recovers {
				child--
			}
			switch {
			case child < 0:
				return "after-start=1"
			case *kills == 0 && (i+slices.Index(stages, stage))%2 == 0 && stage != stageCancel && stage != stageDelete:
				return "" // half of the stages will do
			case child == 0 || child == 1 && *kills > 0:
				return fmt.Sprintf("%s=%d", point, 1+child*2)
			}
			return ""
		}, func(how string) {
			mu.Lock()
			deaths[how]++
			mu.Unlock()
		})
		if point == failpoint.BeforeRenew || point == failpoint.AfterRenew {
			// Long enough for a busy machine: the stage waits for the renewal.
			k.c.LeaseTTL, k.c.Hold = 6*time.Second, true
		}
		k.live()
	}
	t.Run("points", func(t *testing.T) {
		for i, point := range failpoint.All() {
			t.Run(point.String(), func(t *testing.T) {
				t.Parallel()
				live(t, i, point, uint64(i))
			})
		}
	})
	for i, point := range failpoint.All() {
		// Whether something runs that can be cancelled is a matter of luck, and a
		// deployment is created in the first stage only: now in the other half.
		for try := 1; try <= 20 && deaths[point.String()] == 0; try++ {
			live(t, i+try, point, uint64(i+100*try))
		}
		require.Positive(t, deaths[point.String()], "no process came to %s", point)
	}
}

// The same at random moments and random passes of random failpoints. The
// thousand is killed by
//
//	go test ./executor -run 'TestKill$' -kills 1000 -timeout 60m
//	go test ./executor -run TestKillPostgres -kills 300 -timeout 60m
func TestKill(t *testing.T) {
	t.Parallel()
	killAtRandom(t, func(*killed) {})
}

// The same with the state in PostgreSQL.
func TestKillPostgres(t *testing.T) {
	t.Parallel()
	url := postgresServer.Get(t).URL
	killAtRandom(t, func(k *killed) {
		k.c.Postgres, k.c.Schema = url, fmt.Sprintf("kill_%d", schemas.Add(1))
	})
}

// schemas counts the schemas of the tests' PostgreSQL.
var schemas atomic.Int64

// killAtRandom kills at random; where sets the store. With -short it is half of
// the deployments: each has a process for every stage, slow with the race detector.
func killAtRandom(t *testing.T, where func(*killed)) {
	want, workers := *kills, 4
	if want == 0 {
		want = 20
		if testing.Short() {
			want, workers = 3, 2
		}
	}
	var done, deployments atomic.Int64
	random := func(string) { done.Add(1) }
	t.Run("seeds", func(t *testing.T) {
		for worker := range workers {
			t.Run(fmt.Sprint(worker), func(t *testing.T) {
				t.Parallel()
				for seed := uint64(100 + worker); done.Load() < int64(want); seed += 4 {
					deployments.Add(1)
					all := failpoint.All()
					t.Run(fmt.Sprint(seed), func(t *testing.T) {
						k := newKilled(t, seed, func(_ string, child int) string {
							switch {
							case child == 4:
								return ""
							case rand.IntN(3) == 0:
								return fmt.Sprintf("%s=%d", all[rand.IntN(len(all))], 1+rand.IntN(6))
							}
							return "random"
						}, random)
						where(k)
						k.live()
					})
				}
			})
		}
	})
	t.Logf("%d deployments, %d kills: lost 0, repeated after success 0, orphans 0", deployments.Load(), done.Load())
}
