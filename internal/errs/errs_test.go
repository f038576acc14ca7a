package errs

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestErrorText(t *testing.T) {
	t.Parallel()
	cause := errors.New("connection refused")
	for want, e := range map[string]*Error{
		"deploy web: connection refused (start the database)": {Code: Unavailable, Op: "deploy", Subject: "web", Err: cause, Hint: "start the database"},
		"deploy: connection refused":                          {Code: Unavailable, Op: "deploy", Err: cause},
		"web: connection refused":                             {Code: Unavailable, Subject: "web", Err: cause},
		"connection refused":                                  {Code: Unavailable, Err: cause},
		"deploy web":                                          {Code: Unavailable, Op: "deploy", Subject: "web"},
		"unavailable":                                         {Code: Unavailable},
	} {
		require.Equal(t, want, e.Error())
	}
}

func TestCodeOf(t *testing.T) {
	t.Parallel()
	inner := New(NotFound, "open", "a.yaml", "no such %s", "file")
	require.Equal(t, Code(""), CodeOf(nil))
	require.Equal(t, NotFound, CodeOf(inner))
	require.Equal(t, NotFound, CodeOf(fmt.Errorf("load: %w", inner)))
	require.Equal(t, Canceled, CodeOf(fmt.Errorf("load: %w", context.Canceled)))
	require.Equal(t, DeadlineExceeded, CodeOf(context.DeadlineExceeded))
	require.Equal(t, Internal, CodeOf(errors.New("what is that")))
}

func TestWrapKeepsTheCode(t *testing.T) {
	t.Parallel()
	require.NoError(t, Wrap(nil, "deploy", "web"))
	inner := New(Conflict, "lock", "state.db", "held by %d", 7)
	err := Wrap(inner, "deploy", "web")
	require.Equal(t, Conflict, CodeOf(err))
	require.ErrorIs(t, err, inner)
	require.EqualError(t, err, "deploy web: lock state.db: held by 7")
}
