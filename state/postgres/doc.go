// Package postgres is a state.Store in a PostgreSQL database, for engines in
// several processes or on several machines. It is made for PostgreSQL 14 and
// later and tested with Debian's.
//
//	store, err := postgres.Open(ctx, "postgres://orchestrator@db.example.org/orchestrator", nil)
//
// # Durability
//
// A commit is one transaction and one round trip: record, instances, run,
// journal entries and logs. It is on the server's disk when Commit returns;
// Open refuses a server or user that is set not to wait for that
// (synchronous_commit). Commits to different deployments do not wait for each
// other, and share disk syncs.
//
// Where the connection breaks in the middle of a commit, Commit returns
// Unavailable, and the commit may have happened or not. To find out, commit the
// same once more with the same Store: that returns the revision, not Conflict,
// if it had happened.
//
// # Leases
//
// The server's clock decides when a lease ends, under the lock of the
// deployment's row. The clocks of the engines do not matter.
//
// # Watching
//
// A store that watches asks the database for the watched deployments' last
// numbers, again and again, in one query for all (Options.Poll). Notifications
// (LISTEN and NOTIFY) make it faster: a store listens on one connection of its
// own, which is made anew where it breaks, and whoever writes notifies after
// the commit, not in it, because the server lets only one transaction with
// notifications commit at a time. Nothing depends on them. Behind PgBouncer's
// transaction pooling there are none: see Options.TransactionPooling.
//
// # Figures
//
// Durable commits of one instance and one entry: 230 a second with 1 writer,
// 930 with 8 and 960 with 32, with 0.8, 0.36 and 0.17 disk syncs for each.
// Commits of 1,000 instances and entries: 67 ms. That was on 2 cores of an AMD
// EPYC with PostgreSQL 15 on the same machine, which had five times as much
// else to do as it has cores: an idle one is faster. To measure:
//
//	go test -run '^$' -bench 'Store/Commit' ./state/postgres
//
// # Tables
//
// Open makes them, in a schema of their own, and brings those of an older
// version to its own form; stores that are opened at the same time take turns.
// Their meaning is in the files of the folder migrations. Records are JSON in
// UTF-8, as bytes. To look at them:
//
//	SELECT id, revision, convert_from(record, 'UTF8')::json FROM orchestrator.deployments;
//
// The user needs the right to make the schema, or all rights on it. To remove
// everything, drop the schema.
package postgres
