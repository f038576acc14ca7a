package yamlx

import (
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
