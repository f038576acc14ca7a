package transport

import "strings"

// Quote returns words as a POSIX shell reads them back, whatever is in them.
//
// Source: POSIX.1-2017, Shell Command Language, section 2.2.2 Single-Quotes.
func Quote(words ...string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
	}
	return strings.Join(quoted, " ")
}
