package postgres_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/postgres"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// connect connects beside a store.
func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	return conn
}

func run(t testing.TB, conn *pgx.Conn, statement string, args ...any) {
	t.Helper()
	_, err := conn.Exec(t.Context(), statement, args...)
	require.NoError(t, err)
}

// TestOpenAtOnce: stores that are opened at the same time make the tables once.
func TestOpenAtOnce(t *testing.T) {
	t.Parallel()
	url, schema := server.Get(t).URL, newSchema()
	var group errgroup.Group
	for range 8 {
		group.Go(func() error {
			s, err := postgres.Open(t.Context(), url, &postgres.Options{Schema: schema})
			if err == nil {
				_, err = s.Deployments(t.Context())
				_ = s.Close()
			}
			return err
		})
	}
	require.NoError(t, group.Wait())
	var versions int
	require.NoError(t, connect(t, url).QueryRow(t.Context(), "SELECT count(*) FROM "+schema+".migrations").Scan(&versions))
	require.Equal(t, 1, versions)
}

func TestSchemas(t *testing.T) {
	t.Parallel()
	url := server.Get(t).URL
	a := open(t, url, postgres.Options{Schema: newSchema()})
	b := open(t, url, postgres.Options{Schema: "_user1"})
	require.NoError(t, a.CreateDeployment(t.Context(), &state.Deployment{ID: "shop"}))
	list, err := b.Deployments(t.Context())
	require.NoError(t, err)
	require.Empty(t, list)
}

func TestOpenRefused(t *testing.T) {
	t.Parallel()
	url := server.Get(t).URL
	conn := connect(t, url)
	run(t, conn, "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
	run(t, conn, "CREATE ROLE stranger LOGIN")
	newer := newSchema()
	open(t, url, postgres.Options{Schema: newer}).Close()
	run(t, conn, "INSERT INTO "+newer+".migrations (version, name) VALUES (999, 'from the future')")
	for name, test := range map[string]struct {
		url, schema string
		want        state.Code
		says        string
	}{
		"no URL":               {"postgres://%zz", "", state.CodeInvalidArgument, "postgres://user@host"},
		"bad schema":           {url, "a.b", state.CodeInvalidArgument, "a.b"},
		"reserved schema":      {url, "pg_x", state.CodeInvalidArgument, "pg_x"},
		"quoted schema":        {url, `x"; DROP`, state.CodeInvalidArgument, "schema"},
		"newer tables":         {url, newer, state.CodeFailedPrecondition, "of version 999"},
		"no such database":     {strings.Replace(url, "/postgres?", "/nothing?", 1), "", state.CodeNotFound, "nothing"},
		"no such user":         {strings.Replace(url, "user=postgres", "user=nobody", 1), "", state.CodePermissionDenied, "nobody"},
		"no right to a schema": {strings.Replace(url, "user=postgres", "user=stranger", 1), "", state.CodePermissionDenied, "CREATE"},
		"other encoding":       {strings.Replace(url, "/postgres?", "/latin?", 1), "", state.CodeFailedPrecondition, "UTF8"},
		"asynchronous":         {url + "&options=-csynchronous_commit%3Doff", "", state.CodeFailedPrecondition, "synchronous_commit"},
		"no server":            {"postgres://u:geheim@127.0.0.1:1/x", "", state.CodeUnavailable, "127.0.0.1:1/x"},
	} {
		s, err := postgres.Open(t.Context(), test.url, &postgres.Options{Schema: test.schema})
		if err == nil {
			s.Close()
		}
		require.Equal(t, test.want, state.CodeOf(err), "%s: %v", name, err)
		require.ErrorContains(t, err, test.says, name)
		require.NotContains(t, err.Error(), "geheim")
	}
}

// TestTablesRemoved: what is gone under a store that is open is told as such.
func TestTablesRemoved(t *testing.T) {
	t.Parallel()
	url, schema := server.Get(t).URL, newSchema()
	s := open(t, url, postgres.Options{Schema: schema})
	run(t, connect(t, url), "DROP SCHEMA "+schema+" CASCADE")
	_, err := s.Deployments(t.Context())
	require.Equal(t, state.CodeFailedPrecondition, state.CodeOf(err), "%v", err)
}
