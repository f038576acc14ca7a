package yamlx

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

func splitLines(src []byte) []string { return strings.Split(string(src), "\n") }

// scalarEnd finds where a scalar ends, which the YAML library does not tell.
func (c *converter) scalarEnd(y *yaml.Node, start Pos) Pos {
	switch {
	case y.Value == "" && y.Style == 0:
		return start
	case y.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		return c.quotedEnd(start)
	}
	line := c.rest(start)
	if y.Style == 0 {
		if i := strings.Index(line, y.Value); i >= 0 {
			return Pos{start.Line, start.Column + utf8.RuneCountInString(line[:i+len(y.Value)])}
		}
	}
	return Pos{start.Line, start.Column + utf8.RuneCountInString(strings.TrimRight(line, " \r"))}
}

// rest returns what stands on a line from a place on.
func (c *converter) rest(p Pos) string {
	if p.Line > len(c.lines) {
		return ""
	}
	line := c.lines[p.Line-1]
	for i := 1; i < p.Column && line != ""; i++ {
		_, size := utf8.DecodeRuneInString(line)
		line = line[size:]
	}
	return line
}

// quotedEnd walks to the closing quote. An anchor or tag may stand before the
// opening one.
func (c *converter) quotedEnd(start Pos) Pos {
	text := c.rest(start)
	i := strings.IndexAny(text, `"'`)
	if i < 0 {
		return start
	}
	quote, p := rune(text[i]), Pos{start.Line, start.Column + utf8.RuneCountInString(text[:i+1])}
	text = text[i+1:]
	for {
		for text != "" {
			r, size := utf8.DecodeRuneInString(text)
			text = text[size:]
			p.Column++
			switch {
			case r == '\\' && quote == '"' && text != "":
				_, size = utf8.DecodeRuneInString(text)
				text = text[size:]
				p.Column++
			case r == '\'' && quote == '\'' && strings.HasPrefix(text, "'"):
				text = text[1:]
				p.Column++
			case r == quote:
				return p
			}
		}
		if p.Line >= len(c.lines) {
			return p
		}
		p = Pos{p.Line + 1, 1}
		text = c.lines[p.Line-1]
	}
}

func (c *converter) collectionEnd(y *yaml.Node, n *Node) Pos {
	end := n.Start
	grow := func(p Pos) {
		if p.Line > end.Line || p.Line == end.Line && p.Column > end.Column {
			end = p
		}
	}
	if len(n.Items) > 0 {
		grow(n.Items[len(n.Items)-1].End)
	}
	if len(n.Fields) > 0 {
		f := n.Fields[len(n.Fields)-1]
		grow(f.Key.End)
		grow(f.Value.End)
	}
	if y.Style&yaml.FlowStyle != 0 {
		rest := c.rest(end)
		if i := strings.IndexAny(rest, "]}"); i >= 0 {
			end.Column += utf8.RuneCountInString(rest[:i+1])
		}
	}
	return end
}

var linePattern = regexp.MustCompile(`line (\d+): ?`)

// syntaxFault makes a Fault of an error of the YAML library, which tells the
// line in its text only, and not always.
func syntaxFault(src []byte, err error) Fault {
	msg := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	if m := linePattern.FindStringSubmatch(msg); m != nil {
		line, _ = strconv.Atoi(m[1])
		msg = strings.Replace(msg, m[0], "", 1)
	}
	lines := splitLines(src)
	line = min(max(line, 1), len(lines))
	// A tab where indentation must be spaces is the commonest cause, and the
	// library's words for it ("cannot start any token") help nobody.
	if strings.Contains(msg, "token") {
		for i := max(line-2, 0); i < min(line+1, len(lines)); i++ {
			text := strings.TrimLeft(lines[i], " ")
			if strings.HasPrefix(text, "\t") && strings.TrimSpace(text) != "" {
				col := len(lines[i]) - len(text) + 1
				return Fault{Kind: Syntax, Message: "a tab cannot indent YAML; use spaces", Start: Pos{i + 1, col}, End: Pos{i + 1, col + 1}}
			}
		}
	}
	text := strings.TrimRight(lines[line-1], " \r\t")
	indent := len(text) - len(strings.TrimLeft(text, " "))
	return Fault{Kind: Syntax, Message: msg, Start: Pos{line, indent + 1}, End: Pos{line, utf8.RuneCountInString(text) + 1}}
}

// badByte returns the offset of the first byte that is no UTF-8, or -1.
func badByte(src []byte) int {
	if utf8.Valid(src) {
		return -1
	}
	for i := 0; i < len(src); {
		r, size := utf8.DecodeRune(src[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

func faultAt(src []byte, offset int) Fault {
	line := 1 + bytes.Count(src[:offset], []byte("\n"))
	col := 1 + utf8.RuneCount(src[bytes.LastIndexByte(src[:offset], '\n')+1:offset])
	return Fault{Kind: Syntax, Message: "the file is not UTF-8 text: this byte cannot be read", Start: Pos{line, col}, End: Pos{line, col + 1}}
}
