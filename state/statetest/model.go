package statetest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// testModel runs random sequences of calls against the store and a model that
// is too simple to be wrong, and compares all there is to see after each.
func testModel(t *testing.T, open func(t testing.TB) *Harness) {
	rapid.Check(t, func(rt *rapid.T) {
		h := open(t)
		m := &model{ctx: t.Context(), h: h, s: h.Store, deployments: map[string]*modelDeployment{}, blobs: map[string]bool{}}
		defer func() { _ = m.s.Close() }()
		actions := map[string]func(*rapid.T){
			"create":  m.create,
			"delete":  m.delete,
			"commit":  m.commit,
			"commit2": m.commit, // more often than the others
			"acquire": m.acquire,
			"renew":   m.renew,
			"release": m.release,
			"advance": m.advance,
			"trim":    m.trim,
			"signal":  m.signal,
			"blob":    m.putBlob,
			"sweep":   m.sweep,
			"restore": m.restore,
			"":        m.check,
		}
		if h.Reopen != nil {
			actions["reopen"] = m.reopen
		}
		rt.Repeat(actions)
	})
}

// model is what the store should hold.
type model struct {
	ctx         context.Context
	h           *Harness
	s           state.Store
	now         time.Duration // since the start
	deployments map[string]*modelDeployment
	blobs       map[string]bool // texts
	// leases are all that were ever given.
	leases []state.Lease
}

type modelDeployment struct {
	status    state.Status
	revision  uint64
	instances map[string]string // ID to state
	template  string            // a text
	run       string            // the last one
	runs      map[string]modelRun
	first     int      // FirstSeq
	journal   []string // kinds, also of those trimmed
	lastLog   int
	logs      []modelChunk
	signals   []string // runs, empty for those forgotten
	holder    uint64   // token, 0 for none
	expires   time.Duration
}

type modelRun struct {
	status      state.RunStatus
	plan        string // a text
	ended       bool
	first, last int
}

type modelChunk struct {
	seq            int
	run, operation string
}

func newModelDeployment() *modelDeployment {
	return &modelDeployment{status: state.Initialized, revision: 1, first: 1, instances: map[string]string{}, runs: map[string]modelRun{}}
}

var (
	modelIDs       = rapid.SampledFrom([]string{"a", "b"})
	modelInstances = rapid.SampledFrom([]string{"web_0", "web_1", "db_0", "a--b--c.0"})
	modelWords     = rapid.SampledFrom([]string{"x", "y", "z"})
)

func (m *model) held(id string, token uint64) bool {
	d := m.deployments[id]
	return d != nil && token != 0 && d.holder == token && m.now < d.expires
}

// expect requires a code, or success for the empty code.
func expect(t *rapid.T, want state.Code, err error) {
	require.Equal(t, want, state.CodeOf(err), "%v", err)
}

func (m *model) create(t *rapid.T) {
	id := modelIDs.Draw(t, "id")
	err := m.s.CreateDeployment(m.ctx, &state.Deployment{ID: id, Status: state.Initialized})
	if m.deployments[id] != nil {
		expect(t, state.CodeAlreadyExists, err)
		return
	}
	expect(t, "", err)
	m.deployments[id] = newModelDeployment()
}

func (m *model) delete(t *rapid.T) {
	id, lease := modelIDs.Draw(t, "id"), m.anyLease(t)
	err := m.s.DeleteDeployment(m.ctx, id, lease)
	switch {
	case m.deployments[id] == nil:
		expect(t, state.CodeNotFound, err)
	case lease.Deployment != id || !m.held(id, lease.Token):
		expect(t, state.CodeFailedPrecondition, err)
	default:
		expect(t, "", err)
		delete(m.deployments, id)
	}
}

// anyLease returns a lease that was given once, most likely the newest.
func (m *model) anyLease(t *rapid.T) state.Lease {
	if len(m.leases) == 0 {
		return state.Lease{}
	}
	back := rapid.SampledFrom([]int{0, 0, 0, 1, 1, 2, 3}).Draw(t, "leases back")
	return m.leases[max(0, len(m.leases)-1-back)]
}

func (m *model) commit(t *rapid.T) {
	lease := m.anyLease(t)
	id := lease.Deployment
	if id == "" || rapid.IntRange(0, 9).Draw(t, "other deployment") == 0 {
		id = modelIDs.Draw(t, "id")
	}
	d := m.deployments[id]
	c := &state.Commit{Lease: lease, Revision: rapid.Uint64Range(0, 5).Draw(t, "revision")}
	if d != nil && rapid.IntRange(0, 4).Draw(t, "wrong revision") != 0 {
		c.Revision = d.revision
	}
	drawChanges(t, id, c)
	revision, err := m.s.Commit(m.ctx, id, c)
	switch {
	case d == nil:
		expect(t, state.CodeNotFound, err)
	case lease.Deployment != id || !m.held(id, lease.Token):
		expect(t, state.CodeFailedPrecondition, err)
	case c.Revision != d.revision:
		expect(t, state.CodeConflict, err)
	default:
		expect(t, "", err)
		d.apply(c)
		require.Equal(t, d.revision, revision)
	}
}

func drawChanges(t *rapid.T, id string, c *state.Commit) {
	text := rapid.SampledFrom([]string{"", "x", "y", "z"})
	digest := func(label string) string {
		if v := text.Draw(t, label); v != "" {
			return digestOf([]byte(v))
		}
		return ""
	}
	if rapid.Bool().Draw(t, "with deployment") {
		c.Deployment = &state.Deployment{ID: id, Status: state.Status(modelWords.Draw(t, "status")),
			Run: text.Draw(t, "last run"), Template: digest("template")}
	}
	if rapid.Bool().Draw(t, "with run") {
		c.Run = &state.Run{ID: modelWords.Draw(t, "run"), Status: state.RunStatus(modelWords.Draw(t, "run status")), Plan: digest("plan")}
		if rapid.Bool().Draw(t, "ended") {
			c.Run.Ended = time.Unix(1, 0)
		}
	}
	for _, op := range rapid.SliceOfN(text, 0, 3).Draw(t, "logs") {
		c.Logs = append(c.Logs, &state.LogChunk{Run: modelWords.Draw(t, "log's run"), Operation: op})
	}
	for _, in := range rapid.SliceOfN(modelInstances, 0, 3).Draw(t, "put") {
		c.Put = append(c.Put, &state.Instance{ID: in, State: modelWords.Draw(t, "state")})
	}
	c.Delete = rapid.SliceOfN(modelInstances, 0, 2).Draw(t, "delete")
	for _, kind := range rapid.SliceOfN(modelWords, 0, 3).Draw(t, "entries") {
		c.Entries = append(c.Entries, &state.Entry{Kind: kind})
	}
}

func (d *modelDeployment) apply(c *state.Commit) {
	d.revision++
	if c.Deployment != nil {
		d.status, d.run, d.template = c.Deployment.Status, c.Deployment.Run, c.Deployment.Template
	}
	if c.Run != nil {
		r := modelRun{c.Run.Status, c.Run.Plan, !c.Run.Ended.IsZero(), len(d.journal) + 1, 0}
		if old, ok := d.runs[c.Run.ID]; ok {
			r.first = old.first
		}
		if r.ended {
			r.last = len(d.journal) + len(c.Entries)
			d.forget(c.Run.ID)
		}
		d.runs[c.Run.ID] = r
	}
	for _, l := range c.Logs {
		d.lastLog++
		d.logs = append(d.logs, modelChunk{d.lastLog, l.Run, l.Operation})
	}
	for _, id := range c.Delete {
		delete(d.instances, id)
	}
	for _, in := range c.Put {
		d.instances[in.ID] = in.State
	}
	for _, e := range c.Entries {
		d.journal = append(d.journal, e.Kind)
	}
}

func (d *modelDeployment) forget(run string) {
	for i, r := range d.signals {
		if r == run {
			d.signals[i] = ""
		}
	}
}

func (m *model) trim(t *rapid.T) {
	lease := m.anyLease(t)
	id := lease.Deployment
	if id == "" {
		id = modelIDs.Draw(t, "id")
	}
	before := rapid.IntRange(0, 12).Draw(t, "before")
	err := m.s.Trim(m.ctx, id, lease, uint64(before))
	d := m.deployments[id]
	switch {
	case d == nil:
		expect(t, state.CodeNotFound, err)
		return
	case !m.held(id, lease.Token):
		expect(t, state.CodeFailedPrecondition, err)
		return
	}
	expect(t, "", err)
	d.first = max(d.first, min(before, len(d.journal))+1)
	for run, r := range d.runs {
		if r.ended && r.last < d.first && run != d.run {
			delete(d.runs, run)
			d.logs = slices.DeleteFunc(d.logs, func(c modelChunk) bool { return c.run == run })
		}
	}
}

func (m *model) signal(t *rapid.T) {
	id, run := modelIDs.Draw(t, "id"), modelWords.Draw(t, "run")
	err := m.s.Signal(m.ctx, id, &state.Signal{Kind: "cancel", Run: run})
	d := m.deployments[id]
	switch {
	case d == nil, d.runs[run].first == 0:
		expect(t, state.CodeNotFound, err)
	case d.runs[run].ended:
		expect(t, state.CodeFailedPrecondition, err)
	default:
		expect(t, "", err)
		d.signals = append(d.signals, run)
	}
}

func (m *model) putBlob(t *rapid.T) {
	text := modelWords.Draw(t, "text")
	expect(t, "", m.s.PutBlob(m.ctx, digestOf([]byte(text)), strings.NewReader(text)))
	m.blobs[digestOf([]byte(text))] = true
}

// sweep takes nothing, or all that is not in use.
func (m *model) sweep(t *rapid.T) {
	before := rapid.SampledFrom([]time.Time{{}, time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}).Draw(t, "before")
	want := 0
	for digest := range m.blobs {
		if !before.IsZero() && !m.uses(digest) {
			delete(m.blobs, digest)
			want++
		}
	}
	n, err := m.s.Sweep(m.ctx, before)
	expect(t, "", err)
	require.Equal(t, want, n)
}

func (m *model) uses(digest string) bool {
	for _, d := range m.deployments {
		for _, r := range d.runs {
			if r.plan == digest {
				return true
			}
		}
		if d.template == digest {
			return true
		}
	}
	return false
}

// restore moves a deployment out of the store and in again: by a file.
func (m *model) restore(t *rapid.T) {
	id := modelIDs.Draw(t, "id")
	var file bytes.Buffer
	err := state.Export(m.ctx, m.s, id, &file)
	d := m.deployments[id]
	if d == nil {
		expect(t, state.CodeNotFound, err)
		return
	}
	expect(t, "", err)
	lease := state.Lease{}
	if m.held(id, d.holder) {
		for _, l := range m.leases {
			if l.Deployment == id && l.Token == d.holder {
				lease = l
			}
		}
	} else {
		lease, err = m.s.AcquireLease(m.ctx, id, "mover", time.Second)
		expect(t, "", err)
		m.leases = append(m.leases, lease)
	}
	expect(t, state.CodeAlreadyExists, state.Import(m.ctx, m.s, bytes.NewReader(file.Bytes()), ""))
	expect(t, "", m.s.DeleteDeployment(m.ctx, id, lease))
	expect(t, "", state.Import(m.ctx, m.s, &file, ""))
	d.holder, d.signals = 0, nil
}

func (m *model) acquire(t *rapid.T) {
	id := modelIDs.Draw(t, "id")
	ttl := time.Duration(rapid.IntRange(1, 20).Draw(t, "ttl")) * time.Second
	lease, err := m.s.AcquireLease(m.ctx, id, "engine", ttl)
	d := m.deployments[id]
	switch {
	case d == nil:
		expect(t, state.CodeNotFound, err)
	case m.held(id, d.holder):
		expect(t, state.CodeConflict, err)
	default:
		expect(t, "", err)
		for _, l := range m.leases {
			require.False(t, l.Deployment == id && l.Token >= lease.Token, "token %d after %d", lease.Token, l.Token)
		}
		m.leases = append(m.leases, lease)
		d.holder, d.expires = lease.Token, m.now+ttl
	}
}

func (m *model) renew(t *rapid.T) {
	lease := m.anyLease(t)
	ttl := time.Duration(rapid.IntRange(1, 20).Draw(t, "ttl")) * time.Second
	_, err := m.s.RenewLease(m.ctx, lease, ttl)
	if !m.held(lease.Deployment, lease.Token) {
		expect(t, state.CodeFailedPrecondition, err)
		return
	}
	expect(t, "", err)
	m.deployments[lease.Deployment].expires = m.now + ttl
}

func (m *model) release(t *rapid.T) {
	lease := m.anyLease(t)
	expect(t, "", m.s.ReleaseLease(m.ctx, lease))
	if d := m.deployments[lease.Deployment]; d != nil && d.holder == lease.Token {
		d.holder = 0
	}
}

func (m *model) advance(t *rapid.T) {
	d := time.Duration(rapid.IntRange(1, 10).Draw(t, "seconds")) * time.Second
	m.h.Advance(d)
	m.now += d
}

func (m *model) reopen(*rapid.T) {
	m.s = m.h.Reopen()
	m.h.Store = m.s
}

// seen is what a deployment looks like from outside.
type seen struct {
	ID        string
	Status    state.Status
	Revision  uint64
	Instances []string
	Runs      []string
	First     int
	Journal   []string
	Logs      []string
	LogsOfX   []string
	Signals   []string
}

func (m *model) check(t *rapid.T) {
	var want []seen
	for _, id := range slices.Sorted(maps.Keys(m.deployments)) {
		d := m.deployments[id]
		w := seen{ID: id, Status: d.status, Revision: d.revision, First: d.first}
		for in, st := range d.instances {
			w.Instances = append(w.Instances, in+" "+st)
		}
		for r, st := range d.runs {
			w.Runs = append(w.Runs, fmt.Sprint(r, " ", st.status, " ", st.first, "-", st.last))
		}
		slices.Sort(w.Instances)
		slices.Sort(w.Runs)
		for i, kind := range d.journal {
			if i+1 >= d.first {
				w.Journal = append(w.Journal, fmt.Sprint(i+1, " ", kind))
			}
		}
		for _, c := range d.logs {
			line := fmt.Sprint(c.seq, " ", c.run, " ", c.operation)
			w.Logs = append(w.Logs, line)
			if c.operation == "x" {
				w.LogsOfX = append(w.LogsOfX, line)
			}
		}
		for i, run := range d.signals {
			if run != "" {
				w.Signals = append(w.Signals, fmt.Sprint(i+1, " ", run))
			}
		}
		want = append(want, w)
	}
	if diff := cmp.Diff(want, m.see(t), cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("the store differs from the model (-model +store):\n%s", diff)
	}
}

func (m *model) see(t *rapid.T) []seen {
	list, err := m.s.Deployments(m.ctx)
	expect(t, "", err)
	var all []seen
	for _, d := range list {
		v := seen{ID: d.ID, Status: d.Status, Revision: d.Revision, First: int(d.FirstSeq)}
		instances, err := m.s.Instances(m.ctx, d.ID)
		expect(t, "", err)
		for _, in := range instances {
			v.Instances = append(v.Instances, in.ID+" "+in.State)
		}
		runs, err := m.s.Runs(m.ctx, d.ID)
		expect(t, "", err)
		for _, r := range runs {
			v.Runs = append(v.Runs, fmt.Sprint(r.ID, " ", r.Status, " ", r.FirstSeq, "-", r.LastSeq))
		}
		for e, err := range m.s.Journal(m.ctx, d.ID, 0) {
			expect(t, "", err)
			v.Journal = append(v.Journal, fmt.Sprint(e.Seq, " ", e.Kind))
		}
		require.Equal(t, d.LastSeq+1-d.FirstSeq, uint64(len(v.Journal)))
		for c, err := range m.s.Logs(m.ctx, d.ID, "", 0) {
			expect(t, "", err)
			v.Logs = append(v.Logs, fmt.Sprint(c.Seq, " ", c.Run, " ", c.Operation))
		}
		for c, err := range m.s.Logs(m.ctx, d.ID, "x", 0) {
			expect(t, "", err)
			v.LogsOfX = append(v.LogsOfX, fmt.Sprint(c.Seq, " ", c.Run, " ", c.Operation))
		}
		v.Signals = m.seeSignals(t, d.ID)
		all = append(all, v)
	}
	return all
}

// seeSignals reads as many signals as the model has: a loop that goes on would
// wait for more.
func (m *model) seeSignals(t *rapid.T, id string) (all []string) {
	n := 0
	for _, run := range m.deployments[id].signals {
		if run != "" {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	for s, err := range m.s.Signals(m.ctx, id, 0) {
		expect(t, "", err)
		if all = append(all, fmt.Sprint(s.Seq, " ", s.Run)); len(all) == n {
			break
		}
	}
	return all
}
