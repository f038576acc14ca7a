package memory

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/internal/ledger"
)

// Config says how a Store works. The zero Config is ready for use.
type Config struct {
	// Now tells the time. Default time.Now.
	Now func() time.Time
}

// Store is a state.Store in memory. Use New to make one.
type Store struct {
	now func() time.Time
	hub *ledger.Hub

	mu          sync.RWMutex
	closed      bool
	deployments map[string]*deployment
	blobs       map[string]*blob
	// number was given last, to a deployment as its incarnation or to a lease
	// as its token.
	number uint64
}

var _ state.Store = (*Store)(nil)

// deployment holds encoded records: so what the caller has is never shared.
type deployment struct {
	head      *ledger.Head
	headData  []byte
	lease     *ledger.Lease
	instances map[string][]byte
	runs      map[string][]byte
	journal   [][]byte // the entry with the head's FirstSeq first
	logs      []*logChunk
	signals   []*state.Signal
}

type logChunk struct {
	seq uint64
	ledger.Log
}

type blob struct {
	data []byte
	put  time.Time
}

// New returns an empty store.
func New(cfg Config) *Store {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Store{now: cfg.Now, hub: ledger.NewHub(), deployments: map[string]*deployment{}, blobs: map[string]*blob{}}
}

// lock locks for writing, if the store is open and ctx has not ended.
func (s *Store) lock(ctx context.Context, op string) (unlock func(), err error) {
	s.mu.Lock()
	if err := s.usable(ctx, op); err != nil {
		s.mu.Unlock()
		return nil, err
	}
	return s.mu.Unlock, nil
}

// rlock is lock for reading.
func (s *Store) rlock(ctx context.Context, op string) (unlock func(), err error) {
	s.mu.RLock()
	if err := s.usable(ctx, op); err != nil {
		s.mu.RUnlock()
		return nil, err
	}
	return s.mu.RUnlock, nil
}

func (s *Store) usable(ctx context.Context, op string) error {
	if s.closed {
		return ledger.Closed(op)
	}
	return errs.Wrap(ctx.Err(), op, "")
}

// find returns a deployment; the lock must be held.
func (s *Store) find(op, id string) (*deployment, error) {
	if err := ledger.CheckID(op, id); err != nil {
		return nil, err
	}
	if d := s.deployments[id]; d != nil {
		return d, nil
	}
	return nil, ledger.NotFound(op, id)
}

// CreateDeployment implements state.Store.
func (s *Store) CreateDeployment(ctx context.Context, d *state.Deployment) error {
	if err := ledger.CheckNew(d); err != nil {
		return err
	}
	unlock, err := s.lock(ctx, "create deployment")
	if err != nil {
		return err
	}
	defer unlock()
	if s.deployments[d.ID] != nil {
		return ledger.Exists(d.ID)
	}
	data, err := ledger.NewHead(d, s.number+1, ledger.Now(s.now))
	if err != nil {
		return err
	}
	head, err := ledger.DecodeHead(data)
	if err != nil {
		return err
	}
	s.number++
	s.deployments[d.ID] = &deployment{head: head, headData: data, instances: map[string][]byte{}, runs: map[string][]byte{}}
	return nil
}

// Deployment implements state.Store.
func (s *Store) Deployment(ctx context.Context, id string) (*state.Deployment, error) {
	const op = "read deployment"
	unlock, err := s.rlock(ctx, op)
	if err != nil {
		return nil, err
	}
	defer unlock()
	d, err := s.find(op, id)
	if err != nil {
		return nil, err
	}
	return d.record()
}

func (d *deployment) record() (*state.Deployment, error) {
	h, err := ledger.DecodeHead(d.headData)
	if err != nil {
		return nil, err
	}
	return h.Deployment, nil
}

// Deployments implements state.Store.
func (s *Store) Deployments(ctx context.Context) ([]*state.Deployment, error) {
	unlock, err := s.rlock(ctx, "list deployments")
	if err != nil {
		return nil, err
	}
	defer unlock()
	var list []*state.Deployment
	for _, id := range slices.Sorted(maps.Keys(s.deployments)) {
		d, err := s.deployments[id].record()
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, nil
}

// DeleteDeployment implements state.Store.
func (s *Store) DeleteDeployment(ctx context.Context, id string, lease state.Lease) error {
	const op = "delete deployment"
	unlock, err := s.lock(ctx, op)
	if err != nil {
		return err
	}
	defer unlock()
	d, err := s.find(op, id)
	if err != nil {
		return err
	}
	if err := d.lease.CheckHeld(op, id, lease, ledger.Now(s.now)); err != nil {
		return err
	}
	delete(s.deployments, id)
	s.hub.Deleted(id)
	return nil
}

// Instances implements state.Store.
func (s *Store) Instances(ctx context.Context, id string) ([]*state.Instance, error) {
	const op = "list instances of"
	records, err := s.records(ctx, op, id, func(d *deployment) map[string][]byte { return d.instances })
	if err != nil {
		return nil, err
	}
	return decodeAll(ctx, op, id, records, ledger.Decode[state.Instance])
}

// Runs implements state.Store.
func (s *Store) Runs(ctx context.Context, id string) ([]*state.Run, error) {
	const op = "list runs of"
	records, err := s.records(ctx, op, id, func(d *deployment) map[string][]byte { return d.runs })
	if err != nil {
		return nil, err
	}
	runs, err := decodeAll(ctx, op, id, records, ledger.DecodeRun)
	ledger.SortRuns(runs)
	return runs, err
}

// records returns a deployment's records of one kind in order of ID. They are
// never changed, so they can be decoded without the lock.
func (s *Store) records(ctx context.Context, op, id string, of func(*deployment) map[string][]byte) ([][]byte, error) {
	unlock, err := s.rlock(ctx, op)
	if err != nil {
		return nil, err
	}
	defer unlock()
	d, err := s.find(op, id)
	if err != nil {
		return nil, err
	}
	m := of(d)
	records := make([][]byte, 0, len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		records = append(records, m[key])
	}
	return records, nil
}

func decodeAll[T any](ctx context.Context, op, id string, records [][]byte, decode func([]byte) (*T, error)) ([]*T, error) {
	var list []*T
	for _, data := range records {
		if err := ctx.Err(); err != nil {
			return nil, errs.Wrap(err, op, id)
		}
		v, err := decode(data)
		if err != nil {
			return nil, errs.Wrap(err, op, id)
		}
		list = append(list, v)
	}
	return list, nil
}

// Run implements state.Store.
func (s *Store) Run(ctx context.Context, id, run string) (*state.Run, error) {
	const op = "read run of"
	unlock, err := s.rlock(ctx, op)
	if err != nil {
		return nil, err
	}
	defer unlock()
	d, err := s.find(op, id)
	if err != nil {
		return nil, err
	}
	r, err := d.run(run)
	if err == nil && r == nil {
		err = ledger.RunNotFound(id, run)
	}
	return r, err
}

// run returns the record of a run, nil if there is none.
func (d *deployment) run(id string) (*state.Run, error) {
	data, ok := d.runs[id]
	if !ok {
		return nil, nil
	}
	return ledger.DecodeRun(data)
}

// Commit implements state.Store.
func (s *Store) Commit(ctx context.Context, id string, c *state.Commit) (uint64, error) {
	const op = "commit to"
	batch, err := ledger.Prepare(id, c, ledger.Now(s.now))
	if err != nil {
		return 0, err
	}
	unlock, err := s.lock(ctx, op)
	if err != nil {
		return 0, err
	}
	defer unlock()
	d, err := s.find(op, id)
	if err != nil {
		return 0, err
	}
	next, err := batch.Apply(d.head, d.lease, ledger.Now(s.now))
	if err != nil {
		return 0, err
	}
	if err := d.write(batch, next); err != nil {
		return 0, err
	}
	s.hub.Notify(ledger.CommitTopic(id))
	return next.Deployment.Revision, nil
}

// write takes over a batch that was found good. Where it fails, it has changed
// nothing.
func (d *deployment) write(b *ledger.Batch, next *ledger.Head) error {
	var run ledger.Record
	if b.Run != nil {
		old, err := d.run(b.Run.ID)
		if err != nil {
			return err
		}
		if run, err = b.NextRun(old, d.head); err != nil {
			return err
		}
	}
	firstLog := d.head.Deployment.LastLog + 1
	if err := d.setHead(next); err != nil {
		return err
	}
	for _, id := range b.Delete {
		delete(d.instances, id)
	}
	for _, r := range b.Put {
		d.instances[r.ID] = r.Data
	}
	if b.Run != nil {
		d.runs[run.ID] = run.Data
	}
	if b.Ends() {
		d.signals = slices.DeleteFunc(d.signals, func(s *state.Signal) bool { return s.Run == run.ID })
	}
	d.journal = append(d.journal, b.Entries...)
	for i, l := range b.Logs {
		d.logs = append(d.logs, &logChunk{firstLog + uint64(i), l})
	}
	return nil
}

// setHead replaces the head by a copy of another.
func (d *deployment) setHead(next *ledger.Head) error {
	data, err := ledger.Encode(next)
	if err != nil {
		return err
	}
	head, err := ledger.DecodeHead(data)
	if err == nil {
		d.head, d.headData = head, data
	}
	return err
}

// AcquireLease implements state.Store.
func (s *Store) AcquireLease(ctx context.Context, id, owner string, ttl time.Duration) (state.Lease, error) {
	const op = "acquire lease of"
	if err := ledger.CheckAcquire(id, owner, ttl); err != nil {
		return state.Lease{}, err
	}
	unlock, err := s.lock(ctx, op)
	if err != nil {
		return state.Lease{}, err
	}
	defer unlock()
	d, err := s.find(op, id)
	if err != nil {
		return state.Lease{}, err
	}
	lease, err := d.lease.Acquire(id, owner, s.number+1, ttl, ledger.Now(s.now))
	if err != nil {
		return state.Lease{}, err
	}
	s.number++
	d.lease = lease
	return lease.Of(id), nil
}

// RenewLease implements state.Store.
func (s *Store) RenewLease(ctx context.Context, held state.Lease, ttl time.Duration) (state.Lease, error) {
	const op = "renew lease of"
	unlock, err := s.lock(ctx, op)
	if err != nil {
		return state.Lease{}, err
	}
	defer unlock()
	var current *ledger.Lease
	d := s.deployments[held.Deployment]
	if d != nil {
		current = d.lease
	}
	lease, err := current.Renew(held, ttl, ledger.Now(s.now))
	if err != nil {
		return state.Lease{}, err
	}
	d.lease = lease
	return lease.Of(held.Deployment), nil
}

// ReleaseLease implements state.Store.
func (s *Store) ReleaseLease(ctx context.Context, held state.Lease) error {
	unlock, err := s.lock(ctx, "release lease of")
	if err != nil {
		return err
	}
	defer unlock()
	if d := s.deployments[held.Deployment]; d != nil && d.lease.Is(held.Deployment, held) {
		d.lease = nil
	}
	return nil
}

// Close implements state.Store. What was stored is gone.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		s.hub.Close()
		s.deployments, s.blobs = nil, nil
	}
	return nil
}
