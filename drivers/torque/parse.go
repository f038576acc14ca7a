package torque

import (
	"bytes"
	"cmp"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// record is a job, node, queue or server as the manager prints it: its name and
// its attributes, those of a group as "group.name" (resources_used.walltime).
type record struct {
	id    string
	attrs map[string]string
}

// parseXML reads what Torque's "qstat -x" and "pbsnodes -x" print: elements of
// one name, Job or Node, with one element for each attribute in them.
//
// The text may hold several documents, and characters that XML forbids: Torque
// copies what users write into their jobs.
func parseXML(text []byte, element, idElement string) ([]record, error) {
	decoder := xml.NewDecoder(bytes.NewReader(legalXML(text)))
	decoder.Strict = false
	var records []record
	var current *record
	var path []string // of the elements within the record
	for {
		token, err := decoder.RawToken()
		switch {
		case errors.Is(err, io.EOF) && current == nil:
			return records, nil
		case err != nil:
			return records, fmt.Errorf("not the XML of %ss: %w", strings.ToLower(element), err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			switch {
			case current != nil:
				path = append(path, t.Name.Local)
			case t.Name.Local == element:
				current = &record{attrs: make(map[string]string, 48)}
			}
		case xml.EndElement:
			switch {
			case current == nil:
			case len(path) > 0:
				path = path[:len(path)-1]
			default:
				current.id = current.attrs[idElement]
				records = append(records, *current)
				current = nil
			}
		case xml.CharData:
			if current != nil && len(path) > 0 {
				current.attrs[strings.Join(path, ".")] += string(t)
			}
		}
	}
}

// legalXML replaces what may not be in an XML document, if there is any.
func legalXML(text []byte) []byte {
	illegal := func(r rune) bool {
		return r == utf8.RuneError || r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
	}
	if bytes.IndexFunc(text, illegal) < 0 {
		return text
	}
	return bytes.Map(func(r rune) rune {
		if illegal(r) {
			return '?'
		}
		return r
	}, text)
}

// parseJSON reads what "qstat -f -F json" and "pbsnodes -F json" of PBS print.
// The records stand under a key, "Jobs" or "nodes", which is missing where there
// are none; they are returned in order of their IDs.
func parseJSON(text []byte, key string) ([]record, error) {
	var document map[string]json.RawMessage
	if err := json.Unmarshal(text, &document); err != nil {
		return nil, fmt.Errorf("not the JSON of PBS: %w", err)
	}
	var byID map[string]map[string]any
	if raw, ok := document[key]; ok {
		decoder := json.NewDecoder(bytes.NewReader(raw))
		decoder.UseNumber()
		if err := decoder.Decode(&byID); err != nil {
			return nil, fmt.Errorf("not the JSON of PBS: %w", err)
		}
	}
	records := make([]record, 0, len(byID))
	for _, id := range slices.SortedFunc(maps.Keys(byID), compareIDs) {
		r := record{id: id, attrs: make(map[string]string, 48)}
		for name, value := range byID[id] {
			flatten(r.attrs, name, value)
		}
		records = append(records, r)
	}
	return records, nil
}

func flatten(attrs map[string]string, name string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for k, member := range v {
			flatten(attrs, name+"."+k, member)
		}
	case []any:
		words := make([]string, len(v))
		for i, w := range v {
			words[i] = fmt.Sprint(w)
		}
		attrs[name] = strings.Join(words, ",")
	case nil:
		attrs[name] = ""
	default:
		attrs[name] = fmt.Sprint(v)
	}
}

// titles begin the lines with the names of jobs, queues and servers; those of
// nodes have none.
var titles = []string{"Job Id: ", "Queue: ", "Server: "}

// titled returns the title that a line begins with, and what is behind it.
func titled(line string) (title, name string) {
	for _, t := range titles {
		if name, ok := strings.CutPrefix(line, t); ok {
			return t, name
		}
	}
	return "", line
}

// parseText reads the long form of qstat -f, -Qf and -Bf and of pbsnodes: a line
// with the name, below it "attribute = value", indented. Lines that begin with
// a tab go on with the value above them.
//
// Other lines belong to a value that has line feeds in it, as exported functions
// of the shell have: they neither begin a record nor replace what is known by then.
func parseText(text []byte) ([]record, error) {
	var records []record
	title := "" // of the first record, and so of all
	last := ""  // the attribute that a folded line goes on with
	blank := true
	for number, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSuffix(line, "\r")
		name, value, isAttribute := strings.Cut(line, " = ")
		switch {
		case strings.TrimSpace(line) == "":
			last = ""
		case strings.HasPrefix(line, "\t") && last != "":
			records[len(records)-1].attrs[last] += line[1:]
		case line[0] != ' ' && line[0] != '\t':
			lineTitle, id := titled(line)
			if len(records) == 0 {
				title = lineTitle
			}
			if lineTitle == title && (title != "" || blank) {
				records = append(records, record{id: strings.TrimSpace(id), attrs: map[string]string{}})
				last = ""
			} else if last != "" {
				records[len(records)-1].attrs[last] += "\n" + line
			}
		case len(records) == 0:
			return nil, fmt.Errorf("line %d: an attribute of nothing: %q", number+1, clip(line))
		case isAttribute:
			last = strings.TrimSpace(name)
			if _, twice := records[len(records)-1].attrs[last]; twice {
				last = ""
				break
			}
			records[len(records)-1].attrs[last] = value
		}
		blank = strings.TrimSpace(line) == ""
	}
	return records, nil
}

func clip(text string) string {
	const most = 200
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// compareIDs orders IDs by number, then by index, then as text.
func compareIDs(a, b string) int {
	x, y := splitID(a), splitID(b)
	return cmp.Or(cmp.Compare(x.number, y.number), cmp.Compare(x.index, y.index), strings.Compare(a, b))
}
