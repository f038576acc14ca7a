package postgres_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/postgres"
	"github.com/stretchr/testify/require"
)

// line is a connection that breaks where a test wants it to.
type line struct {
	net.Conn
	cut *atomic.Int32
}

const (
	whole     int32 = iota
	cutAnswer       // the server does what it is sent, the answer is lost
	cutQuery        // nothing gets to the server
)

var errCut = errors.New("the line was cut")

func (l line) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if l.cut.CompareAndSwap(cutAnswer, whole) {
		l.Conn.Close()
		return 0, errCut
	}
	return n, err
}

func (l line) Write(p []byte) (int, error) {
	if l.cut.CompareAndSwap(cutQuery, whole) {
		l.Conn.Close()
		return 0, errCut
	}
	return l.Conn.Write(p)
}

func entry(data string) []*state.Entry {
	return []*state.Entry{{Kind: "note", Data: json.RawMessage(data)}}
}

// TestAcknowledgementLost: a commit whose answer did not come is Unavailable.
// Committing the same again tells that it happened; committing anything else
// at the same revision is refused.
func TestAcknowledgementLost(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	var cut atomic.Int32
	config, err := pgxpool.ParseConfig(server.Get(t).URL)
	require.NoError(t, err)
	config.MaxConns = 1
	dial := config.ConnConfig.DialFunc
	config.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		return line{conn, &cut}, err
	}
	s, err := postgres.OpenConfig(ctx, config, &postgres.Options{Schema: newSchema(), NoNotify: true})
	require.NoError(t, err)
	defer s.Close()
	require.NoError(t, s.CreateDeployment(ctx, &state.Deployment{ID: "shop"}))
	lease, err := s.AcquireLease(ctx, "shop", "engine", time.Hour)
	require.NoError(t, err)
	commit := func(revision uint64, data string) (uint64, error) {
		return s.Commit(ctx, "shop", &state.Commit{Lease: lease, Revision: revision, Entries: entry(data)})
	}
	revision, err := commit(1, "1") // the statement is prepared now
	require.NoError(t, err)

	// It happened.
	cut.Store(cutAnswer)
	_, err = commit(revision, "2")
	require.Equal(t, state.CodeUnavailable, state.CodeOf(err), "%v", err)
	require.ErrorIs(t, err, errCut)
	_, err = commit(revision, `"x"`)
	require.Equal(t, state.CodeConflict, state.CodeOf(err), "%v", err)
	// That was an answer: the doubt is over.
	_, err = commit(revision, "2")
	require.Equal(t, state.CodeConflict, state.CodeOf(err), "%v", err)
	revision++

	// It happened, and is repeated.
	cut.Store(cutAnswer)
	_, err = commit(revision, "3")
	require.Equal(t, state.CodeUnavailable, state.CodeOf(err), "%v", err)
	again, err := commit(revision, "3")
	require.NoError(t, err)
	require.Equal(t, revision+1, again)
	// Once only: who commits the same for the second time was overtaken.
	_, err = commit(revision, "3")
	require.Equal(t, state.CodeConflict, state.CodeOf(err), "%v", err)
	revision++

	// It did not happen.
	cut.Store(cutQuery)
	_, err = commit(revision, "4")
	require.Equal(t, state.CodeUnavailable, state.CodeOf(err), "%v", err)
	again, err = commit(revision, "4")
	require.NoError(t, err)
	require.Equal(t, revision+1, again)

	var got []string
	for e, err := range s.Journal(ctx, "shop", 0) {
		require.NoError(t, err)
		got = append(got, string(e.Data))
	}
	require.Equal(t, []string{"1", "2", "3", "4"}, got)
}

// TestCanceledCommit: where a context ends while a commit waits for another
// transaction, the server gives it up, and nothing is written.
func TestCanceledCommit(t *testing.T) {
	t.Parallel()
	url, schema := server.Get(t).URL, newSchema()
	s := open(t, url, postgres.Options{Schema: schema})
	require.NoError(t, s.CreateDeployment(t.Context(), &state.Deployment{ID: "shop"}))
	lease, err := s.AcquireLease(t.Context(), "shop", "engine", time.Hour)
	require.NoError(t, err)
	tx, err := connect(t, url).Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "SELECT FROM "+schema+".deployments FOR UPDATE")
	require.NoError(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = s.Commit(ctx, "shop", &state.Commit{Lease: lease, Revision: 1, Entries: entry("1")})
	require.Equal(t, state.CodeDeadlineExceeded, state.CodeOf(err), "%v", err)
	require.NoError(t, tx.Rollback(t.Context()))
	d, err := s.Deployment(t.Context(), "shop")
	require.NoError(t, err)
	require.Equal(t, uint64(1), d.Revision)
	_, err = s.Commit(t.Context(), "shop", &state.Commit{Lease: lease, Revision: 1, Entries: entry("1")})
	require.NoError(t, err)
}

// TestStrangeText: what PostgreSQL's text and json would refuse or change.
func TestStrangeText(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := open(t, server.Get(t).URL, postgres.Options{Schema: newSchema()})
	require.NoError(t, s.CreateDeployment(ctx, &state.Deployment{ID: "shop", Template: "a\x00b", Entry: "\x00",
		Inputs: json.RawMessage(`{"b":1,"a":2,"a":"\u0000\ud800"}`), Labels: map[string]string{"\x00": "a'\"\\"}}))
	d, err := s.Deployment(ctx, "shop")
	require.NoError(t, err)
	require.Equal(t, `{"b":1,"a":2,"a":"\u0000\ud800"}`, string(d.Inputs))
	require.Equal(t, "a\x00b", d.Template)
	require.Equal(t, "\x00", d.Entry)
	require.Equal(t, map[string]string{"\x00": "a'\"\\"}, d.Labels)

	owner := "a\x00b\xff'"
	lease, err := s.AcquireLease(ctx, "shop", owner, time.Hour)
	require.NoError(t, err)
	_, err = s.AcquireLease(ctx, "shop", "other", time.Hour)
	require.ErrorContains(t, err, `"a\x00b\xff'"`)
	data := "{\"a\":\"\xff\\u0000\",\"n\":1e999}"
	_, err = s.Commit(ctx, "shop", &state.Commit{Lease: lease, Revision: 1, Delete: []string{"\x00", "\xff", "'"},
		Run: &state.Run{ID: "r1", Kind: "\x00", Plan: "\x00"}, Put: []*state.Instance{{ID: "it's \"\\", Type: "\x00"}}, Entries: entry(data)})
	require.NoError(t, err)
	for e, err := range s.Journal(ctx, "shop", 0) {
		require.NoError(t, err)
		require.Equal(t, data, string(e.Data))
	}
	list, err := s.Instances(ctx, "shop")
	require.NoError(t, err)
	require.Equal(t, []*state.Instance{{ID: "it's \"\\", Type: "\x00"}}, list)
	_, err = s.Run(ctx, "shop", "\x00")
	require.Equal(t, state.CodeNotFound, state.CodeOf(err), "%v", err)
	_, err = s.RenewLease(ctx, lease, 1<<63-1)
	require.NoError(t, err)
	require.NoError(t, s.ReleaseLease(ctx, lease))
}
