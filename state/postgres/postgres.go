package postgres

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/internal/ledger"
)

// Options say how a store works. The zero Options are ready for use.
type Options struct {
	// Schema is the schema that holds the tables; Open makes it. A letter or
	// '_' and then letters, digits and '_', all lower-case, at most 63 in all.
	// Default "orchestrator".
	Schema string
	// Poll is how often a store that watches asks the database for what is new
	// in the watched deployments: one query for all of them. Notifications make
	// it faster most of the time, but are not relied on. Default 1 s.
	Poll time.Duration
	// NoNotify has the store neither send nor wait for notifications: watches
	// learn of what other processes write by polling only.
	NoNotify bool
	// TransactionPooling is for a server behind PgBouncer or another pooler
	// that gives out its connections for a transaction only. It implies
	// NoNotify, and statements are not prepared by name.
	TransactionPooling bool
	// Now is a clock to use instead of the server's, for tests. All that use
	// the database must have the same.
	Now func() time.Time
}

const (
	// defaultConns is how many connections a store has at most, unless the URL
	// says otherwise. Commits that come in at the same time share the server's
	// disk syncs, if each has a connection.
	defaultConns = 16
	// cancelDelay is how long a statement may go on after its context ended
	// before the server is asked to give it up, answerTime how long to wait for
	// its outcome then.
	cancelDelay = 100 * time.Millisecond
	answerTime  = 3 * time.Second
)

// Store is a state.Store in a PostgreSQL database. Use Open to make one. Any
// number of stores in any number of processes may use the same database.
type Store struct {
	options Options
	where   string // for messages
	pool    *pgxpool.Pool
	// listener is how to connect in order to listen.
	listener *pgx.ConnConfig
	hub      *ledger.Hub

	// ctx ends when the store is closed, and with it what goes on in the
	// background.
	ctx        context.Context
	stop       context.CancelFunc
	background sync.WaitGroup
	closed     atomic.Bool
	watching   sync.Once
	notices    notices

	mu sync.Mutex
	// uncertain are commits of which it is not known whether they happened,
	// by deployment.
	uncertain map[string]attempt
}

var _ state.Store = (*Store)(nil)

// Open connects to a database and brings the store's tables to this version's
// form. The URL is one of pgxpool.ParseConfig, such as
// "postgres://user:secret@host:5432/database?sslmode=verify-full&pool_max_conns=32";
// what it leaves out comes from the environment variables of libpq. The
// database's encoding must be UTF8. Options may be nil.
//
// InvalidArgument for a URL or option that can not be; Unavailable if the
// server does not answer; NotFound if there is no such database;
// PermissionDenied; FailedPrecondition if the tables are of a newer version.
func Open(ctx context.Context, url string, o *Options) (*Store, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		// Its text does not show passwords.
		return nil, &errs.Error{Code: errs.InvalidArgument, Op: "open database", Err: err,
			Hint: `write it as "postgres://user@host:5432/database"`}
	}
	if !strings.Contains(url, "pool_max_conns") {
		config.MaxConns = defaultConns
	}
	return OpenConfig(ctx, config, o)
}

// OpenConfig is Open for a program that has more to say of the connections,
// such as where passwords come from. The config must come from
// pgxpool.ParseConfig. It is not changed.
func OpenConfig(ctx context.Context, config *pgxpool.Config, o *Options) (*Store, error) {
	options, err := withDefaults(o)
	if err != nil {
		return nil, err
	}
	config = config.Copy()
	if options.TransactionPooling {
		config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	s := &Store{
		options:  options,
		where:    fmt.Sprintf("%s:%d/%s", config.ConnConfig.Host, config.ConnConfig.Port, config.ConnConfig.Database),
		listener: config.ConnConfig, hub: ledger.NewHub(), uncertain: map[string]attempt{},
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	if s.pool, err = pgxpool.NewWithConfig(ctx, patient(config)); err != nil {
		return nil, s.failure(ctx, err, "open database", s.where)
	}
	if err := s.prepare(ctx); err != nil {
		s.stop()
		s.pool.Close()
		return nil, s.failure(ctx, err, "open database", s.where)
	}
	if !options.NoNotify {
		s.notices.start(s)
	}
	return s, nil
}

var schemaName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

func withDefaults(o *Options) (Options, error) {
	var options Options
	if o != nil {
		options = *o
	}
	if options.Schema == "" {
		options.Schema = "orchestrator"
	}
	if !schemaName.MatchString(options.Schema) || strings.HasPrefix(options.Schema, "pg_") {
		return options, &errs.Error{Code: errs.InvalidArgument, Op: "open database", Err: fmt.Errorf("%.100q is not the name of a schema", options.Schema),
			Hint: "use lower-case letters, digits and '_', not starting with a digit or with pg_"}
	}
	if options.Poll <= 0 {
		options.Poll = time.Second
	}
	if options.TransactionPooling {
		options.NoNotify = true
	}
	return options, nil
}

// patient returns a copy of a config whose connections ask the server to stop
// when a context ends, and wait for its answer: so it is known what became of
// the statement.
func patient(config *pgxpool.Config) *pgxpool.Config {
	config = config.Copy()
	config.ConnConfig.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, CancelRequestDelay: cancelDelay, DeadlineDelay: answerTime}
	}
	return config
}

// prepare checks the database and brings it to this version's form.
func (s *Store) prepare(ctx context.Context) error {
	var encoding, durable string
	const settings = "SELECT current_setting('server_encoding'), current_setting('synchronous_commit')"
	if err := s.pool.QueryRow(ctx, settings).Scan(&encoding, &durable); err != nil {
		return err
	}
	refused := func(hint, format string, args ...any) error {
		return &errs.Error{Code: errs.FailedPrecondition, Err: fmt.Errorf(format, args...), Hint: hint}
	}
	switch {
	case encoding != "UTF8":
		return refused("make a database with ENCODING 'UTF8'", "its encoding is %s", encoding)
	case durable == "off":
		return refused("set it to on for this user or database: ALTER ROLE ... SET synchronous_commit = on",
			"synchronous_commit is off, so what is written may be lost")
	}
	if err := s.migrate(ctx); err != nil {
		return err
	}
	return s.removeUnfinished(ctx)
}

// sql completes a statement: {} is the schema, {now} the time in nanoseconds,
// whose override (see Store.now) must be the parameter $1.
func (s *Store) sql(text string) string {
	return strings.NewReplacer("{}", `"`+s.options.Schema+`"`, "{now}", serverTime).Replace(text)
}

// serverTime is evaluated anew for each row, so also after a wait for its lock.
const serverTime = "coalesce($1::bigint, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 1000)"

// now is nil for the server's time.
func (s *Store) now() any {
	if s.options.Now == nil {
		return nil
	}
	return s.options.Now().UnixNano()
}

// timeOf returns a time as the tables keep it.
func timeOf(nanoseconds int64) time.Time { return time.Unix(0, nanoseconds).UTC() }

// nanoseconds returns a time as the tables keep it, or the nearest that they can.
func nanoseconds(t time.Time) int64 {
	switch {
	case t.Before(timeOf(math.MinInt64)):
		return math.MinInt64
	case t.After(timeOf(math.MaxInt64)):
		return math.MaxInt64
	}
	return t.UnixNano()
}

// usable refuses what is asked of a closed store, or with a context that ended.
func (s *Store) usable(ctx context.Context, op, subject string) error {
	if s.closed.Load() {
		return ledger.Closed(op)
	}
	return errs.Wrap(ctx.Err(), op, subject)
}

// Close waits for the calls that have begun, ends the watches and closes the
// connections.
func (s *Store) Close() error {
	if !s.closed.CompareAndSwap(false, true) {
		return nil
	}
	s.hub.Close()
	s.stop()
	s.background.Wait()
	s.pool.Close()
	return nil
}
