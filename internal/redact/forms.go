package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf16"
)

// formsOf returns a text and the other forms in which it may be printed: as JSON,
// with and without the escapes for HTML and for what is not ASCII, in a URL, in
// single quotes of a shell, and as Base64, also in the middle of something longer.
func formsOf(text string) []string {
	plain, html := quoted(text, false), quoted(text, true)
	return append([]string{text, plain, html, ascii(plain), ascii(html),
		url.QueryEscape(text), url.PathEscape(text), strings.ReplaceAll(text, "'", `'\''`)}, base64Of(text)...)
}

// quoted is a text as JSON, without the quotes.
func quoted(text string, html bool) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(html)
	_ = e.Encode(text) // a string always encodes
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\"\n"))[1:])
}

// ascii escapes what is not ASCII as Python's json does.
func ascii(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return r > 127 }) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if r <= 127 {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}

// minBase64 is how many digits a piece of Base64 must have to be searched for:
// fewer may be anything.
const minBase64 = 8

// base64Of returns the digits of a text that do not depend on what is before and
// behind it in the encoded data, for each of its three places in a group of three
// bytes (RFC 4648 section 4), and in the alphabet for URLs.
func base64Of(text string) (forms []string) {
	for before := range 3 {
		digits := base64.RawStdEncoding.EncodeToString(append(make([]byte, before), text...))
		digits = digits[(before*8+5)/6:]
		if (before+len(text))%3 != 0 {
			digits = digits[:len(digits)-1]
		}
		if len(digits) < minBase64 {
			continue
		}
		forms = append(forms, digits)
		if strings.ContainsAny(digits, "+/") {
			forms = append(forms, strings.NewReplacer("+", "-", "/", "_").Replace(digits))
		}
	}
	return forms
}
