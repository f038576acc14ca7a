package ledger_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/internal/ledger"
	"github.com/stretchr/testify/require"
)

func TestEncodeKeepsText(t *testing.T) {
	t.Parallel()
	data, err := ledger.Encode(&state.Entry{Kind: "<&>", Data: json.RawMessage(`{ "n" : 1.10, "html" : "<b>" }`)})
	require.NoError(t, err)
	require.Equal(t, `{"seq":0,"time":"0001-01-01T00:00:00Z","kind":"<&>","data":{"n":1.10,"html":"<b>"}}`, string(data))
}

func TestDecodeDamaged(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "null", "{}", "[]", `{"deployment":null}`, `{"deployment":{"id":"a"}}`, `{"deployment":{"id":"a","revision":1}`, "\x00"} {
		_, err := ledger.DecodeHead([]byte(text))
		require.Equal(t, errs.Internal, errs.CodeOf(err), "%q: %v", text, err)
		require.ErrorContains(t, err, "backup")
	}
	h, err := ledger.DecodeHead([]byte(`{"deployment":{"id":"a","revision":1},"incarnation":7}`))
	require.NoError(t, err)
	require.Equal(t, &ledger.Head{Deployment: &state.Deployment{ID: "a", Revision: 1, FirstSeq: 1}, Incarnation: 7}, h)
}

// The messages tell what happened and what to do.
func TestLeaseMessages(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	lease, err := (*ledger.Lease)(nil).Acquire("shop", "one", 7, time.Minute, now)
	require.NoError(t, err)
	held := lease.Of("shop")
	older := held
	older.Token = 6
	for _, test := range []struct {
		current *ledger.Lease
		held    state.Lease
		at      time.Duration
		want    string // a part; empty for success
	}{
		{lease, held, 0, ""},
		{lease, held, time.Minute - 1, ""},
		{lease, held, time.Minute, "the lease expired at 2026-01-02T03:05:05Z"},
		{lease, older, 0, `the lease was lost to "one"`},
		{lease, older, time.Minute, "the lease was released or lost"},
		{nil, held, 0, "the lease was released or lost"},
		{lease, state.Lease{}, 0, "no lease was given"},
		{lease, state.Lease{Deployment: "x", Token: 7}, 0, `the lease is for deployment "x"`},
	} {
		err := test.current.CheckHeld("commit to", "shop", test.held, now.Add(test.at))
		if test.want == "" {
			require.NoError(t, err)
			continue
		}
		require.Equal(t, errs.FailedPrecondition, errs.CodeOf(err))
		require.ErrorContains(t, err, "commit to shop: "+test.want+" (acquire the lease again")
	}
	_, err = lease.Acquire("shop", "two", 8, time.Minute, now)
	require.EqualError(t, err, `acquire lease of shop: it is held by "one" until 2026-01-02T03:05:05Z `+
		`(wait until that run has ended; if its process died, the lease ends by itself)`)
}

// FuzzDecode reads records from any bytes: that gives an error, or a record
// that can be stored and read again.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{
		`{"deployment":{"id":"a","status":"deployed","revision":3,"inputs":{"a":1},"labels":{"b":"c"},"created":"2026-01-02T03:04:05Z"},"incarnation":1}`,
		`{"id":"web_0","kind":"node","properties":{"a":[1,null]},"capability_attributes":{"c":{"a":1}},"outputs":{"s.c":{}}}`,
		`{"time":"2026-01-02T03:04:05.1+01:00","kind":"x","data":{"a":"<"}}`,
		`{"owner":"one","token":1,"expires":"2026-01-02T03:04:05Z"}`,
		`{"id":"r1","started":"0001-01-01T00:00:00Z","steps":-1}`,
		`{"id":"\ud800","kind":"\u0000"}`, `[]`, `null`, `{`, ``,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		again(t, data, ledger.DecodeHead)
		again(t, data, ledger.Decode[ledger.Lease])
		again(t, data, ledger.Decode[state.Instance])
		again(t, data, ledger.DecodeRun)
		again(t, data, func(data []byte) (*state.LogChunk, error) { return ledger.DecodeLog(7, data) })
		again(t, data, ledger.Decode[state.Signal])
		again(t, data, func(data []byte) (*state.Entry, error) { return ledger.DecodeEntry(7, data) })
	})
}

func again[T any](t *testing.T, data []byte, decode func([]byte) (*T, error)) {
	first, err := decode(data)
	if err != nil {
		require.Equal(t, errs.Internal, errs.CodeOf(err))
		return
	}
	encoded, err := ledger.Encode(first)
	if err != nil {
		// A time zone of more than 24 hours can be read, but not written.
		require.Equal(t, errs.InvalidArgument, errs.CodeOf(err))
		return
	}
	second, err := decode(encoded)
	require.NoError(t, err)
	reencoded, err := ledger.Encode(second)
	require.NoError(t, err)
	require.Equal(t, string(encoded), string(reencoded))
}
