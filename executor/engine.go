package executor

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
)

// Engine deploys service templates and keeps the deployments under control. It
// is safe for concurrent use; of one deployment, one run goes on at a time,
// whatever the number of engines that share the store.
type Engine struct {
	cfg          Config
	vault        *vault
	limits       *limits
	telemetry    *telemetry
	pollers      map[string]*poller
	loaded       templateCache
	maxBatch     int           // maxBatch, but in tests
	functionTime time.Duration // functionTime, but in tests

	stop func() // ends the pollers

	mu      sync.Mutex
	closed  bool
	runs    map[string]*run // those that go on here, by deployment
	busy    sync.WaitGroup  // runs
	polling sync.WaitGroup  // pollers
}

// New makes an Engine. The error has code InvalidArgument where the Config
// cannot work.
func New(cfg Config) (*Engine, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	v, err := newVault(cfg.Key)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	e := &Engine{
		cfg: cfg, vault: v, stop: cancel, runs: map[string]*run{}, maxBatch: maxBatch, functionTime: functionTime,
		limits: newLimits(cfg.Workers, cfg.PerHost, cfg.PerDriver), pollers: map[string]*poller{},
	}
	if e.telemetry, err = newTelemetry(&cfg, e.limits); err != nil {
		return nil, err
	}
	for _, d := range cfg.Drivers {
		e.pollers[d.Name()] = &poller{
			ctx: ctx, driver: contained{d}, interval: cfg.PollInterval, log: cfg.Logger, telemetry: e.telemetry, wg: &e.polling, watched: map[string]*watch{},
		}
	}
	return e, nil
}

func (c *Config) check() error {
	const doing = "make an engine"
	if c.Store == nil {
		return &errs.Error{Code: errs.InvalidArgument, Op: doing, Err: errors.New("Config.Store is missing"),
			Hint: "use memory.New for tests, bolt.Open for a file"}
	}
	names := map[string]bool{}
	for _, d := range c.Drivers {
		if d.Name() == "" || names[d.Name()] {
			return errs.New(errs.InvalidArgument, doing, "", "two drivers are called %q, or one has no name", d.Name())
		}
		names[d.Name()] = true
	}
	switch c.OnFailure {
	case "", Stop, Continue:
		return nil
	}
	return errs.New(errs.InvalidArgument, doing, "", "unknown Config.OnFailure %q", c.OnFailure)
}

func (c Config) withDefaults() Config {
	if c.Owner == "" {
		host, _ := os.Hostname()
		c.Owner = fmt.Sprintf("%s/%d", host, os.Getpid())
	}
	c.Workers = orElse(c.Workers, 4)
	c.LeaseTTL = orElse(c.LeaseTTL, 30*time.Second)
	c.PollInterval = orElse(c.PollInterval, time.Second)
	c.CancelGrace = orElse(c.CancelGrace, 30*time.Second)
	c.Retry = c.Retry.over(RetryPolicy{Attempts: 3, Backoff: time.Second, MaxBackoff: time.Minute})
	if c.MaxLog == 0 {
		c.MaxLog = 1 << 20
	}
	if c.OnFailure == "" {
		c.OnFailure = Stop
	}
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	c.Drivers = slices.Clone(c.Drivers)
	c.Store = pointed{c.Store}
	return c
}

// orElse is v, or the default where v is not positive.
func orElse[T ~int | ~int64](v, byDefault T) T {
	if v <= 0 {
		return byDefault
	}
	return v
}

// Close refuses new runs, waits for those that go on and stops the engine. To
// stop the runs too, end their contexts first. The store stays open.
func (e *Engine) Close() error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.busy.Wait() // the runs still ask after their operations
	e.stop()
	e.polling.Wait()
	e.telemetry.close()
	return nil
}

// enter counts a run, unless the engine is closed.
func (e *Engine) enter() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return errs.New(errs.FailedPrecondition, "use the engine", "", "it is closed")
	}
	e.busy.Add(1)
	return nil
}

// commit writes to the store under the lease that k keeps. While the store does
// not answer it tries again, as long as the lease lasts: after that nobody may write.
func (e *Engine) commit(ctx context.Context, k *keeper, c *state.Commit) (uint64, error) {
	id := k.current().Deployment
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		began := time.Now()
		revision, err := e.cfg.Store.Commit(ctx, id, c)
		record(ctx, e.telemetry.commits, began, outcomeOf(err))
		if errs.CodeOf(err) != errs.Unavailable || time.Now().Add(wait).After(k.end()) {
			return revision, err
		}
		e.cfg.Logger.Warn("the store does not answer", "deployment", id, "error", err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// planning is what planners want to know of this engine.
func (e *Engine) planning() workflow.Options {
	if len(e.cfg.Drivers) == 0 {
		return workflow.Options{}
	}
	return workflow.Options{Chained: e.chained, Claims: func(n *tosca.NodeTemplate, iface, operation string) bool {
		op := &Operation{Node: n, Interface: iface, Name: operation}
		return slices.ContainsFunc(e.cfg.Drivers, func(d Driver) bool {
			// Where the driver panics, the operation is planned, and fails when it is due.
			ok, err := contained{d}.accepts(op)
			return ok || err != nil
		})
	}}
}

// putBlob stores content and returns its digest.
func (e *Engine) putBlob(ctx context.Context, content []byte) (string, error) {
	digest := digestOf(content)
	return digest, e.cfg.Store.PutBlob(ctx, digest, bytes.NewReader(content))
}

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}
