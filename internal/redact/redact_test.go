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

// A secret is found in the forms that tools print. The outputs are of json.dumps
// of Python 3.11, jq, base64(1) and curl's --data-urlencode.
func TestForms(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ secret, in, out string }{
		"JSON with <":            {`a<b>&c`, `"a<b>&c" "a\u003cb\u003e\u0026c"`, `"***" "***"`},
		"JSON of Python":         {"pässwörd", `"p\u00e4ssw\u00f6rd"`, `"***"`},
		"JSON of Python, beyond": {"key-\U0001F511", `"key-\ud83d\udd11"`, `"***"`},
		"query":                  {"a b/c?d", "x=a+b%2Fc%3Fd&y=1", "x=***&y=1"},
		"path":                   {"a b/c?d", "/a%20b%2Fc%3Fd/", "/***/"},
		"shell":                  {"it's me", `'it'\''s me'`, `'***'`},
		// printf hunter22 | base64; printf :hunter22; printf me:hunter22
		"Base64":             {"hunter22", "aHVudGVyMjI=", "***I="},
		"Base64, behind one": {"hunter22", "Omh1bnRlcjIy", "Om***"},
		"Basic login":        {"hunter22", "Authorization: Basic bWU6aHVudGVyMjI=", "Authorization: Basic bWU6***I="},
		"Base64 for URLs":    {"\xfb\xff\xfe??>>", "-__-Pz8-Pg==", "***g=="},
		"too short for it":   {"abc", "YWJj", "YWJj"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s Set
			s.Add(c.secret)
			require.Equal(t, c.out, s.String(c.in))
		})
	}
}

func TestFloatsAreFound(t *testing.T) {
	t.Parallel()
	var s Set
	s.Add(1234.5)
	require.True(t, s.Contains(map[string]any{"a": 1234.5}))
	require.Equal(t, []any{Stars, 2.5}, s.Value([]any{1234.5, 2.5}))
}
