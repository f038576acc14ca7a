package postgres

import (
	"context"
	"embed"
	"fmt"
	"hash/fnv"
	"io/fs"
	"path"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// migrationFiles are named by their version, counted from 001. One that was
// released is never changed.
//
//go:embed migrations/*.sql
var migrationFiles embed.FS

// migrations returns the files in order of version.
func migrations() ([]string, error) {
	names, err := fs.Glob(migrationFiles, "migrations/*.sql")
	slices.Sort(names)
	return names, err
}

// migrate applies the migrations that are not yet applied, each in a
// transaction of its own. Stores that are opened at the same time take turns.
func (s *Store) migrate(ctx context.Context) error {
	names, err := migrations()
	if err != nil {
		return err
	}
	version, err := s.version(ctx)
	for err == nil && version < len(names) {
		err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			version, err = s.migrateOnce(ctx, tx, names)
			return err
		})
	}
	if err == nil && version > len(names) {
		return &errs.Error{Code: errs.FailedPrecondition,
			Err:  fmt.Errorf("the tables in schema %s are of version %d, and this program knows them up to %d", s.options.Schema, version, len(names)),
			Hint: "use a newer program, or another schema"}
	}
	return err
}

// version returns the version of the tables, 0 if there are none.
func (s *Store) version(ctx context.Context) (version int, err error) {
	var there bool
	if err := s.pool.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", s.sql("{}.migrations")).Scan(&there); err != nil || !there {
		return 0, err
	}
	err = s.pool.QueryRow(ctx, s.sql(currentVersion)).Scan(&version)
	return version, err
}

const currentVersion = "SELECT coalesce(max(version), 0) FROM {}.migrations"

// migrateOnce applies the next migration, if there is still one when its turn
// comes, and returns the version then.
func (s *Store) migrateOnce(ctx context.Context, tx pgx.Tx, names []string) (version int, err error) {
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", lockKey(s.options.Schema)); err != nil {
		return 0, err
	}
	if err := s.makeSchema(ctx, tx); err != nil {
		return 0, err
	}
	if err := tx.QueryRow(ctx, s.sql(currentVersion)).Scan(&version); err != nil || version >= len(names) {
		return version, err
	}
	text, err := migrationFiles.ReadFile(names[version])
	if err != nil {
		return 0, err
	}
	if _, err := tx.Exec(ctx, s.sql(string(text))); err != nil {
		return 0, fmt.Errorf("migration %s: %w", path.Base(names[version]), err)
	}
	version++
	_, err = tx.Exec(ctx, s.sql("INSERT INTO {}.migrations (version, name) VALUES ($1, $2)"), version, path.Base(names[version-1]))
	return version, err
}

// makeSchema makes the schema, unless it is there: then the right to make one
// is not needed.
func (s *Store) makeSchema(ctx context.Context, tx pgx.Tx) error {
	var there bool
	const find = "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1)"
	if err := tx.QueryRow(ctx, find, s.options.Schema).Scan(&there); err != nil {
		return err
	}
	if !there {
		if _, err := tx.Exec(ctx, s.sql("CREATE SCHEMA {}")); err != nil {
			return err
		}
	}
	_, err := tx.Exec(ctx, s.sql(`CREATE TABLE IF NOT EXISTS {}.migrations (
		version int PRIMARY KEY, name text NOT NULL, applied timestamptz NOT NULL DEFAULT now())`))
	return err
}

// lockKey is the advisory lock of a schema's migrations.
func lockKey(schema string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte("orchestrator state " + schema))
	return int64(h.Sum64())
}
