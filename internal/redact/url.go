package redact

import "strings"

// URLs returns text with the user names and passwords of the URLs in it replaced
// by "***": a token may stand in the place of either.
func URLs(text string) string {
	return hideUsers(text, func(string) string { return Stars })
}

// URLsInPlace is URLs with a star for each character, so that all others stay in
// their columns.
func URLsInPlace(text string) string {
	return hideUsers(text, func(user string) string { return strings.Repeat("*", len([]rune(user))) })
}

func hideUsers(text string, stars func(user string) string) string {
	const mark = "://"
	if !strings.Contains(text, mark) || !strings.Contains(text, "@") {
		return text
	}
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(text, mark)
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		b.WriteString(mark)
		if end := userEnd(rest); end > 0 {
			b.WriteString(stars(rest[:end]))
			rest = rest[end:]
		}
		text = rest
	}
}

// userEnd is where the user name and password of a URL end, of which rest is what
// follows the "://"; 0 where there are none (RFC 3986 section 3.2.1). Passwords
// are found that should have been escaped, too.
func userEnd(rest string) int {
	if end := strings.IndexAny(rest, " \t\r\n"); end >= 0 {
		rest = rest[:end]
	}
	authority := rest
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		authority = rest[:end]
	}
	if end := strings.LastIndexByte(authority, '@'); end >= 0 {
		return end
	}
	// What follows the colon is no port but the begin of a password with a slash.
	if i := strings.LastIndexByte(authority, ':'); i >= 0 && strings.Trim(authority[i+1:], "0123456789") != "" {
		return max(strings.LastIndexByte(rest, '@'), 0)
	}
	return 0
}
