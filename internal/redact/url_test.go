package redact

import (
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestURLs(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                                    "",
		"me@example.org":                      "me@example.org",
		"https://example.org/@scope/a@1":      "https://example.org/@scope/a@1",
		"https://example.org:8443/a@1":        "https://example.org:8443/a@1",
		"https://example.org:8443/?q=a@b":     "https://example.org:8443/?q=a@b",
		"https://[::1]:80/a@1":                "https://[::1]:80/a@1",
		"https://me:hunter22@example.org/a":   "https://***@example.org/a",
		"https://token@example.org":           "https://***@example.org",
		"https://me:p@ss@example.org/a@1":     "https://***@example.org/a@1",
		"https://me:a/b@example.org":          "https://***@example.org",
		"https://me:a?b#c@example.org":        "https://***@example.org",
		`the URL "git+ssh://me:é@h/a" x@y`:    `the URL "git+ssh://***@h/a" x@y`,
		"http://a:b@c/ and https://d:e@f:1/g": "http://***@c/ and https://***@f:1/g",
		"https:// me@example.org":             "https:// me@example.org",
		"https://@example.org":                "https://@example.org",
		"://":                                 "://",
	} {
		require.Equal(t, want, URLs(in))
		require.Equal(t, utf8.RuneCountInString(in), utf8.RuneCountInString(URLsInPlace(in)), in)
	}
	require.Equal(t, `imports: [ "https://****@h/a" ] # b`, URLsInPlace(`imports: [ "https://me:é@h/a" ] # b`))
}
