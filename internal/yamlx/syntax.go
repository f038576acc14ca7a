package yamlx

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// Errors of the YAML library tell a line at most, in their text, and that of
// its parser counts from 0. What stands here finds the place and the words that
// help whoever wrote the file.

var linePattern = regexp.MustCompile(`^line (\d+): ?`)

// parserErrors are what the library's parser says, its scanner being exact
// about lines.
var parserErrors = []string{
	"did not find expected <document start>", "did not find expected node content",
	"did not find expected '-' indicator", "did not find expected key",
	"did not find expected ',' or ']'", "did not find expected ',' or '}'",
	"found undefined tag handle", "found duplicate %YAML directive",
	"found duplicate %TAG directive", "found incompatible YAML document",
}

// syntaxFault makes a Fault of an error of the YAML library.
func syntaxFault(src []byte, err error) Fault {
	msg, line := errorLine(err)
	lines := splitLines(src)
	line = min(max(line, 1), len(lines))
	if strings.Contains(msg, "token") {
		if at, ok := tabNear(lines, line); ok {
			return Fault{Kind: Syntax, Message: "a tab cannot indent YAML; use spaces", Start: at, End: Pos{at.Line, at.Column + 1}}
		}
	}
	if name, ok := unknownAnchor(msg); ok {
		if at, ok := aliasOf(lines, name); ok {
			return Fault{Kind: Syntax, Message: fmt.Sprintf("there is no anchor &%s before this alias", name),
				Start: at, End: Pos{at.Line, at.Column + 1 + utf8.RuneCountInString(name)}}
		}
	}
	if slices.Contains(parserErrors, msg) {
		line = min(failingLine(src, msg, line), len(lines))
	}
	start, end := culprit(lines[line-1], msg)
	if strings.HasPrefix(msg, "exceeded max depth") {
		return Fault{Kind: TooDeep, Message: "the YAML nests too deeply", Start: Pos{line, start}, End: Pos{line, start + 1}}
	}
	return Fault{Kind: Syntax, Message: clearer(msg), Start: Pos{line, start}, End: Pos{line, end}}
}

// errorLine splits the line off an error's text; it is 1 where none is told.
func errorLine(err error) (msg string, line int) {
	msg, line = strings.TrimPrefix(err.Error(), "yaml: "), 1
	if m := linePattern.FindStringSubmatch(msg); m != nil {
		line, _ = strconv.Atoi(m[1])
		msg = strings.TrimPrefix(msg, m[0])
		if slices.Contains(parserErrors, msg) {
			line++
		}
	}
	return msg, line
}

// searchSize is how large a file may be that is read again to find a fault.
const searchSize = 4 << 20

// failingLine is the first line that gives the error. The parser tells where
// the map or list begins that it was in, which may be far above: so the file
// is cut shorter as long as the error remains.
func failingLine(src []byte, msg string, told int) int {
	if len(src) > searchSize {
		return told
	}
	var ends []int // where each line ends
	for i, b := range src {
		if b == '\n' {
			ends = append(ends, i+1)
		}
	}
	if len(ends) == 0 || ends[len(ends)-1] < len(src) {
		ends = append(ends, len(src))
	}
	low, high := 1, len(ends) // the error is there with high lines
	for low < high {
		mid := (low + high) / 2
		var doc yaml.Node
		err := decode(yaml.NewDecoder(bytes.NewReader(src[:ends[mid-1]])), &doc)
		if err != nil && strings.HasSuffix(err.Error(), msg) {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return high
}

// tabNear finds a tab where indentation must be spaces, which is the commonest
// cause of a token that cannot start; the library's words help nobody.
func tabNear(lines []string, line int) (Pos, bool) {
	for i := max(line-2, 0); i < min(line+1, len(lines)); i++ {
		text := strings.TrimLeft(lines[i], " ")
		if strings.HasPrefix(text, "\t") && strings.TrimSpace(text) != "" {
			return Pos{i + 1, len(lines[i]) - len(text) + 1}, true
		}
	}
	return Pos{}, false
}

// unknownAnchor is the name in the message of an alias without an anchor.
func unknownAnchor(msg string) (string, bool) {
	name, ok := strings.CutPrefix(msg, "unknown anchor '")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(name, "' referenced")
}

func aliasOf(lines []string, name string) (Pos, bool) {
	pattern := regexp.MustCompile(`(?:^|[\s\[{,])(\*` + regexp.QuoteMeta(name) + `)(?:$|[\s\]},])`)
	for i, line := range lines {
		if m := pattern.FindStringSubmatchIndex(line); m != nil {
			return Pos{i + 1, 1 + utf8.RuneCountInString(line[:m[2]])}, true
		}
	}
	return Pos{}, false
}

// culprits find what a message is about in its line: the first group, or the
// last match of it where last is set.
var culprits = []struct {
	msg     string
	pattern *regexp.Regexp
	last    bool
}{
	{"cannot start any token", regexp.MustCompile("(?:^|[\\s\\[{,])([@`%])"), false},
	{"Unicode character escape", regexp.MustCompile(`(\\[xuU][0-9A-Fa-f]*)`), true},
	{"hexdecimal", regexp.MustCompile(`(\\[xuU][0-9A-Fa-f]*)`), true},
	{"unexpected end of stream", regexp.MustCompile(`(?:^|[\s\[{,])(["'].*)$`), true},
	{"',' or ']'", regexp.MustCompile(`(\[.*)$`), false},
	{"',' or '}'", regexp.MustCompile(`(\{.*)$`), false},
	{"undefined tag handle", regexp.MustCompile(`(![^\s!]*![^\s]*)`), false},
	{"alphabetic or numeric", regexp.MustCompile(`(?:^|\s)([*&])`), false},
}

var (
	keyColon = regexp.MustCompile(`:(?:\s|$)`)
	escape   = regexp.MustCompile(`\\.`)
)

// escapable are the characters that may stand behind a backslash (YAML 1.2.2,
// section 5.7).
const escapable = "0abt\tnvfre \"/\\N_LPxuU"

// culprit tells the columns of what a message is about, else of all that
// stands on the line.
func culprit(line, msg string) (start, end int) {
	column := func(i int) int { return 1 + utf8.RuneCountInString(line[:i]) }
	if strings.Contains(msg, "unknown escape character") {
		for _, at := range escape.FindAllStringIndex(line, -1) {
			if r, _ := utf8.DecodeRuneInString(line[at[0]+1:]); !strings.ContainsRune(escapable, r) {
				return column(at[0]), column(at[1])
			}
		}
	}
	if strings.HasPrefix(msg, "mapping values are not allowed") {
		// The first colon on a line is a key's, unless it is on the wrong line.
		if at := keyColon.FindAllStringIndex(line, 2); len(at) > 0 {
			i := at[len(at)-1][0]
			return column(i), column(i) + 1
		}
	}
	for _, c := range culprits {
		if !strings.Contains(msg, c.msg) {
			continue
		}
		all := c.pattern.FindAllStringSubmatchIndex(line, -1)
		if len(all) == 0 {
			continue
		}
		m := all[0]
		if c.last {
			m = all[len(all)-1]
		}
		return column(m[2]), column(m[3])
	}
	text := strings.TrimRight(line, " \r\t")
	return column(len(text) - len(strings.TrimLeft(text, " "))), column(len(text))
}

// clearer says what to do where the library's words leave it open.
func clearer(msg string) string {
	switch {
	case strings.Contains(msg, "cannot start any token"):
		return "a value cannot begin with this character; put the value in quotes"
	case strings.HasPrefix(msg, "mapping values are not allowed"):
		return "a colon cannot stand here; put the value in quotes, or mend the indentation"
	case strings.Contains(msg, "unexpected end of stream"):
		return "the quote that opens here is never closed"
	case msg == "did not find expected ',' or ']'":
		return "this list needs a comma between its entries, or a ] at its end"
	case msg == "did not find expected ',' or '}'":
		return "this map needs a comma between its entries, or a } at its end"
	case msg == "did not find expected node content":
		return "a value is expected here; a bracket above may not be closed"
	case msg == "did not find expected key":
		return "a key is expected here; mend the indentation or the line above"
	case msg == "did not find expected '-' indicator":
		return "an entry of the list (- ...) is expected here; mend the indentation or the line above"
	case msg == "could not find expected ':'":
		return "a key needs a colon and a space behind it"
	case msg == "found incompatible YAML document":
		return "this version of YAML is not known; 1.1 and 1.2 are"
	}
	return msg
}

// unreadable returns the fault of the first byte that is no UTF-8 text, or of
// the first character that YAML does not allow (YAML 1.2.2, section 5.1).
func unreadable(src []byte) (Fault, bool) {
	for i := 0; i < len(src); {
		if b := src[i]; b < utf8.RuneSelf {
			if b < ' ' && b != '\t' && b != '\n' && b != '\r' || b == 0x7f {
				return faultAt(src, i, "the control character U+%04X is not allowed", b), true
			}
			i++
			continue
		}
		r, size := utf8.DecodeRune(src[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return faultAt(src, i, "the file is not UTF-8 text: this byte cannot be read"), true
		case r > 0x7f && r < 0xa0 && r != 0x85, r == 0xfffe, r == 0xffff:
			return faultAt(src, i, "the control character U+%04X is not allowed", r), true
		}
		i += size
	}
	return Fault{}, false
}

func faultAt(src []byte, offset int, format string, args ...any) Fault {
	line := 1 + bytes.Count(src[:offset], []byte("\n"))
	col := 1 + utf8.RuneCount(src[bytes.LastIndexByte(src[:offset], '\n')+1:offset])
	return Fault{Kind: Syntax, Message: fmt.Sprintf(format, args...), Start: Pos{line, col}, End: Pos{line, col + 1}}
}
