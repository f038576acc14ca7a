package statetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
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
		m := &model{ctx: t.Context(), h: h, s: h.Store, deployments: map[string]*modelDeployment{}}
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
	// leases are all that were ever given.
	leases []state.Lease
}

type modelDeployment struct {
	status    state.Status
	revision  uint64
	instances map[string]string // ID to state
	runs      map[string]state.RunStatus
	journal   []string // kinds
	holder    uint64   // token, 0 for none
	expires   time.Duration
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
	m.deployments[id] = &modelDeployment{status: state.Initialized, revision: 1, instances: map[string]string{}, runs: map[string]state.RunStatus{}}
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
	if rapid.Bool().Draw(t, "with deployment") {
		c.Deployment = &state.Deployment{ID: id, Status: state.Status(modelWords.Draw(t, "status"))}
	}
	if rapid.Bool().Draw(t, "with run") {
		c.Run = &state.Run{ID: modelWords.Draw(t, "run"), Status: state.RunStatus(modelWords.Draw(t, "run status"))}
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
		d.status = c.Deployment.Status
	}
	if c.Run != nil {
		d.runs[c.Run.ID] = c.Run.Status
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
	Journal   []string
}

func (m *model) check(t *rapid.T) {
	var want []seen
	for _, id := range slices.Sorted(maps.Keys(m.deployments)) {
		d := m.deployments[id]
		w := seen{ID: id, Status: d.status, Revision: d.revision}
		for in, st := range d.instances {
			w.Instances = append(w.Instances, in+" "+st)
		}
		for r, st := range d.runs {
			w.Runs = append(w.Runs, r+" "+string(st))
		}
		slices.Sort(w.Instances)
		slices.Sort(w.Runs)
		for i, kind := range d.journal {
			w.Journal = append(w.Journal, fmt.Sprint(i+1, " ", kind))
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
		v := seen{ID: d.ID, Status: d.Status, Revision: d.Revision}
		instances, err := m.s.Instances(m.ctx, d.ID)
		expect(t, "", err)
		for _, in := range instances {
			v.Instances = append(v.Instances, in.ID+" "+in.State)
		}
		runs, err := m.s.Runs(m.ctx, d.ID)
		expect(t, "", err)
		for _, r := range runs {
			v.Runs = append(v.Runs, r.ID+" "+string(r.Status))
		}
		for e, err := range m.s.Journal(m.ctx, d.ID, 0) {
			expect(t, "", err)
			v.Journal = append(v.Journal, fmt.Sprint(e.Seq, " ", e.Kind))
		}
		require.Equal(t, uint64(len(v.Journal)), d.LastSeq)
		all = append(all, v)
	}
	return all
}
