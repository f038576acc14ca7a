package script

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// MaxOutputs is how large the file of outputs may be, in bytes.
const MaxOutputs = 16 << 20

// ParseOutputs reads a file of outputs: what the script wrote to the file that
// TOSCA_OUTPUTS names. Package drivers describes the form. Values of lines are
// strings; those of JSON objects are nil, bool, int64, float64, string, []any
// and map[string]any. A name given twice has its last value.
//
// Errors are InvalidArgument and name the line.
func ParseOutputs(data []byte) (map[string]any, error) {
	outputs := map[string]any{}
	if len(data) > MaxOutputs {
		return nil, outputsError(0, "the file has %d bytes; at most %d are read", len(data), MaxOutputs)
	}
	for number, rest := 1, data; len(rest) > 0; {
		line, next := cutLine(rest)
		used := 1
		switch {
		case strings.TrimSpace(line) == "":
		case strings.HasPrefix(strings.TrimLeft(line, " \t"), "{"):
			n, err := parseObject(rest, outputs)
			if err != nil {
				return nil, outputsError(number, "%w", err)
			}
			used, next = bytes.Count(rest[:n], []byte("\n")), rest[n:]
		default:
			name, value, after, lines, err := parseLine(line, next)
			if err != nil {
				return nil, outputsError(number, "%w", err)
			}
			outputs[name], next, used = value, after, 1+lines
		}
		number, rest = number+used, next
	}
	return outputs, nil
}

// parseLine reads name=value, or name<<WORD and the lines up to WORD, of which
// it returns the number.
func parseLine(line string, rest []byte) (name, value string, after []byte, lines int, err error) {
	i := strings.IndexAny(line, "=<")
	if i < 0 {
		return "", "", nil, 0, errors.New("it is neither name=value, nor name<<WORD, nor a JSON object")
	}
	name = line[:i]
	if !outputName(name) {
		return "", "", nil, 0, fmt.Errorf("%q cannot be a name here: use letters, digits, '_', '-' and '.', or a JSON object", name)
	}
	if line[i] == '=' {
		value, after = line[i+1:], rest
	} else {
		word, ok := strings.CutPrefix(line[i:], "<<")
		if !ok || word == "" {
			return "", "", nil, 0, errors.New("a value of several lines begins with name<<WORD")
		}
		if value, after, lines, ok = hereDocument(word, rest); !ok {
			return "", "", nil, 0, fmt.Errorf("no line with %q alone ends the value of %s", word, name)
		}
	}
	if !utf8.ValidString(value) {
		return "", "", nil, 0, fmt.Errorf("the value of %s is not UTF-8: encode it, as with base64", name)
	}
	return name, value, after, lines, nil
}

// hereDocument returns the lines up to the one that is word alone, without the
// last line's end, what is behind it, and the number of lines read.
func hereDocument(word string, rest []byte) (value string, after []byte, lines int, ok bool) {
	var text strings.Builder
	for len(rest) > 0 {
		line, next := cutLine(rest)
		lines++
		if line == word {
			return text.String(), next, lines, true
		}
		if lines > 1 {
			text.WriteByte('\n')
		}
		text.WriteString(line)
		rest = next
	}
	return "", nil, lines, false
}

// parseObject reads a JSON object, which may have several lines, into outputs
// and returns how many bytes it took up to the end of its last line.
func parseObject(data []byte, outputs map[string]any) (int, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var object map[string]any
	if err := dec.Decode(&object); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("the JSON object has no end")
		}
		return 0, err
	}
	n := int(dec.InputOffset())
	if !utf8.Valid(data[:n]) {
		return 0, errors.New("the JSON object is not UTF-8")
	}
	tail, rest := cutLine(data[n:])
	if strings.TrimSpace(tail) != "" {
		return 0, fmt.Errorf("%.40q follows the JSON object on its line", tail)
	}
	for name, v := range object {
		v, err := plain(v)
		if err != nil {
			return 0, fmt.Errorf("the value of %s: %w", name, err)
		}
		outputs[name] = v
	}
	return len(data) - len(rest), nil
}

// plain makes int64 or float64 of the numbers in v.
func plain(v any) (any, error) {
	var err error
	switch x := v.(type) {
	case json.Number:
		if n, err := strconv.ParseInt(x.String(), 10, 64); err == nil {
			return n, nil
		}
		f, err := x.Float64()
		if err != nil {
			return nil, fmt.Errorf("%s is no number that fits", x)
		}
		return f, nil
	case []any:
		for i := range x {
			if x[i], err = plain(x[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k := range x {
			if x[k], err = plain(x[k]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// cutLine returns the first line without its end ("\n" or "\r\n") and what is behind it.
func cutLine(data []byte) (string, []byte) {
	line, rest, _ := bytes.Cut(data, []byte("\n"))
	return string(bytes.TrimSuffix(line, []byte("\r"))), rest
}

func outputName(name string) bool {
	for _, r := range name {
		ok := r == '_' || r == '-' || r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !ok {
			return false
		}
	}
	return name != ""
}

func outputsError(line int, format string, args ...any) error {
	e := errs.New(errs.InvalidArgument, "read the outputs", "", format, args...)
	if line > 0 {
		e.Subject = "line " + strconv.Itoa(line)
	}
	e.Hint = "write name=value lines, name<<WORD ... WORD, or JSON objects to $TOSCA_OUTPUTS"
	return e
}
