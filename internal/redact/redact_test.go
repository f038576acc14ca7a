package redact

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

func TestSecretPrintsAsStars(t *testing.T) {
	t.Parallel()
	s := NewSecret("hunter22")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		require.Equal(t, "***", fmt.Sprintf(verb, s), verb)
		require.NotContains(t, fmt.Sprintf(verb, struct{ S Secret }{s}), "hunter22", verb)
	}
	j, err := json.Marshal(map[string]any{"a": s})
	require.NoError(t, err)
	require.JSONEq(t, `{"a":"***"}`, string(j))
	y, err := yaml.Marshal(map[string]any{"a": s})
	require.NoError(t, err)
	require.NotContains(t, string(y), "hunter22")
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "a", s)
	require.Contains(t, log.String(), "a=***")
	require.Equal(t, "hunter22", s.Reveal())
}

func TestSetReplaces(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		secrets []any
		in, out string
	}{
		"none":            {nil, "plain", "plain"},
		"one":             {[]any{"hunter22"}, "pw=hunter22.", "pw=***."},
		"longest first":   {[]any{"abc", "abcdef"}, "abcdef abc", "*** ***"},
		"nested":          {[]any{map[string]any{"a": []any{"deep-one"}}}, "x deep-one", "x ***"},
		"number":          {[]any{int64(12345)}, "pin 12345", "pin ***"},
		"json form":       {[]any{`a"b\c`}, `{"x":"a\"b\\c"}`, `{"x":"***"}`},
		"lines of a key":  {[]any{"-----BEGIN-----\nAAAABBBB\n-----END-----"}, "got AAAABBBB", "got ***"},
		"too short":       {[]any{"ab", "", true, nil}, "ab true", "ab true"},
		"secret in a row": {[]any{"xyz"}, "xyzxyz", "******"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s Set
			for _, v := range c.secrets {
				s.Add(v)
			}
			require.Equal(t, c.out, s.String(c.in))
			require.Equal(t, c.in != c.out, s.Contains([]any{c.in}))
			require.Equal(t, []any{c.out}, s.Value([]any{c.in}))
		})
	}
}

func TestNilSetIsEmpty(t *testing.T) {
	t.Parallel()
	var s *Set
	require.Equal(t, "x", s.String("x"))
	require.Empty(t, s.Texts())
}

// Every way to split a text over two writes hides the secret.
func TestWriterFindsSplitSecrets(t *testing.T) {
	t.Parallel()
	var s Set
	s.Add("hunter22")
	text := "one hunter22 two\nthree hunter22"
	for i := range len(text) {
		var out strings.Builder
		w := s.NewWriter(func(p string) { out.WriteString(p) })
		_, _ = w.Write([]byte(text[:i]))
		_, _ = w.Write([]byte(text[i:]))
		require.NoError(t, w.Close())
		require.Equal(t, "one *** two\nthree ***", out.String(), "split at %d", i)
	}
}

// An endless line is passed on in pieces, and no cut goes through a secret.
func TestWriterBoundsLines(t *testing.T) {
	t.Parallel()
	var s Set
	s.Add("hunter22")
	for offset := range 20 {
		var out strings.Builder
		largest := 0
		w := s.NewWriter(func(p string) { out.WriteString(p) })
		in := strings.Repeat("x", maxLine-10+offset) + "hunter22" + strings.Repeat("y", maxLine)
		for chunk := range strings.SplitSeq(in, "") {
			_, _ = w.Write([]byte(chunk))
			largest = max(largest, len(w.buf))
		}
		require.NoError(t, w.Close())
		require.NotContains(t, out.String(), "hunter22")
		require.Equal(t, 1, strings.Count(out.String(), "***"))
		require.LessOrEqual(t, largest, maxLine+1)
	}
}
