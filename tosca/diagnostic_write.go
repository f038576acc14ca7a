package tosca

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"unicode"

	"github.com/seed-a4fd30b5/orchestrator/internal/redact"
	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
)

// WriteOptions say how WriteDiagnostics writes.
type WriteOptions struct {
	// Color uses the colours of ANSI terminals.
	Color bool
	// Base is put before the path of every file that is printed: where the root
	// of the file system lies.
	Base string
	// Files are the contents of further files, such as an InputsFile, by their
	// names in the diagnostics. They win over the file system: of a file that is
	// empty here, such as one with secrets, no line is shown.
	Files map[string][]byte
	// Width is how many characters of a source line are shown at most.
	// Default 160.
	Width int
}

// WriteDiagnostics writes diagnostics for people: each with its source line
// from fsys, the range underlined, what to do, and related places. The source
// is left out where fsys is nil or does not have the file. opts may be nil.
func WriteDiagnostics(w io.Writer, fsys fs.FS, ds Diagnostics, opts *WriteOptions) error {
	out := excerpts{w: bufio.NewWriter(w), fsys: fsys, lines: map[string][]string{}, width: 160}
	if opts != nil {
		out.color, out.base, out.files = opts.Color, opts.Base, opts.Files
		if opts.Width > 0 {
			out.width = opts.Width
		}
	}
	for _, d := range ds {
		out.diagnostic(d)
	}
	return out.w.Flush()
}

type excerpts struct {
	w     *bufio.Writer
	fsys  fs.FS
	files map[string][]byte
	lines map[string][]string
	color bool
	base  string
	width int
}

// The colours of ANSI terminals (ECMA-48, SGR).
const (
	styleBold   = "1"
	styleRed    = "1;31"
	styleYellow = "1;33"
	styleBlue   = "34"
)

func (x *excerpts) paint(style, text string) string {
	if !x.color {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

func (x *excerpts) diagnostic(d *Diagnostic) {
	style := styleRed
	if d.Severity == Warning {
		style = styleYellow
	}
	if at := x.place(d.Range); at != "" {
		fmt.Fprintf(x.w, "%s: ", x.paint(styleBold, printable(at)))
	}
	fmt.Fprintf(x.w, "%s %s [%s]\n", x.paint(style, d.Severity.String()+":"), printable(d.Summary), d.Code)
	x.excerpt(d.Range, style)
	if d.Suggestion != "" {
		fmt.Fprintf(x.w, "      Did you mean %q?\n", d.Suggestion)
	}
	for _, line := range strings.Split(d.Detail, "\n") {
		if line != "" {
			fmt.Fprintf(x.w, "      %s\n", printable(line))
		}
	}
	if d.Section != "" {
		fmt.Fprintf(x.w, "      See %s.\n", d.Section)
	}
	for _, r := range d.Related {
		fmt.Fprintf(x.w, "      %s: %s\n", printable(x.place(r.Range)), printable(r.Message))
		x.excerpt(r.Range, styleBlue)
	}
}

// place is a range as it is printed.
func (x *excerpts) place(r Range) string {
	r.File, _ = seenFrom(x.base, r.File)
	return r.String()
}

// excerpt writes the first line of a range with the range underlined.
func (x *excerpts) excerpt(r Range, style string) {
	lines := x.source(r.File)
	if r.Start.Line < 1 || r.Start.Line > len(lines) {
		return
	}
	text := []rune(redact.URLsInPlace(strings.TrimRight(lines[r.Start.Line-1], "\r")))
	start := min(max(r.Start.Column-1, 0), len(text))
	end := len(text)
	if r.End.Line == r.Start.Line {
		end = min(max(r.End.Column-1, start+1), max(len(text), start+1))
	}
	if start > x.width*3/4 { // show the part that matters of a long line
		cut := start - x.width/2
		text, start, end = text[cut:], start-cut, end-cut
	}
	if len(text) > x.width {
		text = text[:x.width]
	}
	end = max(min(end, x.width), start+1)
	fmt.Fprintf(x.w, "%5d | %s\n", r.Start.Line, printable(string(text)))
	fmt.Fprintf(x.w, "      | %s%s\n", strings.Repeat(" ", start), x.paint(style, strings.Repeat("^", end-start)))
}

// source returns the lines of a file; none where it cannot be read.
func (x *excerpts) source(file string) []string {
	if lines, ok := x.lines[file]; ok {
		return lines
	}
	src, ok := x.files[file]
	if !ok && x.fsys != nil && fs.ValidPath(file) {
		read, err := fs.ReadFile(x.fsys, file)
		src, ok = read, err == nil
	}
	var lines []string
	if ok && len(src) > 0 {
		for line := range bytes.SplitSeq(yamlx.Text(src), []byte("\n")) {
			lines = append(lines, string(line))
		}
	}
	x.lines[file] = lines
	return lines
}

// printable replaces what could confuse a terminal, one character for one.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return '\uFFFD'
		}
		return r
	}, s)
}
