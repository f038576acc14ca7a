package yamlx

import (
	"bytes"
	"encoding/binary"
	"regexp"
	"unicode/utf16"
)

// Text returns the text that Parse reads of a file's bytes, as UTF-8 with LF
// or CRLF at the end of lines: the places that Parse tells are places in it.
// YAML files may be UTF-16 with a byte order mark (YAML 1.2.2, section 5.2),
// and end lines with a lone CR (section 5.4).
func Text(src []byte) []byte {
	switch {
	case bytes.HasPrefix(src, []byte("\xff\xfe")) && !bytes.HasPrefix(src, []byte("\xff\xfe\x00\x00")):
		src = fromUTF16(src[2:], binary.LittleEndian)
	case bytes.HasPrefix(src, []byte("\xfe\xff")):
		src = fromUTF16(src[2:], binary.BigEndian)
	}
	return lineFeeds(src)
}

// IsText16 tells whether bytes begin as UTF-16 text does that Text reads.
func IsText16(head []byte) bool {
	return bytes.HasPrefix(head, []byte("\xff\xfe")) || bytes.HasPrefix(head, []byte("\xfe\xff"))
}

func fromUTF16(src []byte, order binary.ByteOrder) []byte {
	units := make([]uint16, 0, len(src)/2)
	for ; len(src) >= 2; src = src[2:] {
		units = append(units, order.Uint16(src))
	}
	return []byte(string(utf16.Decode(units)))
}

// lineFeeds puts a line feed where a carriage return ends a line alone.
func lineFeeds(src []byte) []byte {
	out := src
	for i := bytes.IndexByte(src, '\r'); i >= 0 && i < len(src); i++ {
		if src[i] != '\r' || i+1 < len(src) && src[i+1] == '\n' {
			continue
		}
		if &out[0] == &src[0] {
			out = bytes.Clone(src)
		}
		out[i] = '\n'
	}
	return out
}

var (
	versionDirective = regexp.MustCompile(`^(\x{FEFF}?%YAML[ \t]+)1\.[0-9]+`)
	directives       = regexp.MustCompile(`^\x{FEFF}?(?:[ \t]*(?:#.*)?\r?\n|%.*\r?\n)+`)
)

// downgraded makes "%YAML 1.2" a 1.1: the library knows no other, and reads
// what of 1.2 matters all the same.
func downgraded(src []byte) []byte {
	head := directives.Find(src)
	if !bytes.Contains(head, []byte("%YAML")) {
		return src
	}
	var out []byte
	for line := range bytes.Lines(head) {
		out = append(out, versionDirective.ReplaceAll(line, []byte("${1}1.1"))...)
	}
	return append(out, src[len(head):]...)
}
