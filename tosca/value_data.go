package tosca

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// normalize returns data as the package keeps it: nil, bool, int64, float64,
// string, []any and map[string]any. Maps and lists are copied only where
// something in them changes.
func normalize(data any) any {
	switch d := data.(type) {
	case nil, bool, int64, float64, string:
		return d
	case int:
		return int64(d)
	case int8:
		return int64(d)
	case int16:
		return int64(d)
	case int32:
		return int64(d)
	case uint8:
		return int64(d)
	case uint16:
		return int64(d)
	case uint32:
		return int64(d)
	case uint:
		return normalizeUnsigned(uint64(d))
	case uint64:
		return normalizeUnsigned(d)
	case float32:
		return float64(d)
	case json.Number:
		if i, err := d.Int64(); err == nil {
			return i
		}
		if f, err := d.Float64(); err == nil {
			return f
		}
		return d.String()
	case []any:
		list := make([]any, len(d))
		for i := range d {
			list[i] = normalize(d[i])
		}
		return list
	case []string:
		list := make([]any, len(d))
		for i := range d {
			list[i] = d[i]
		}
		return list
	case map[string]any:
		m := make(map[string]any, len(d))
		for key, value := range d {
			m[key] = normalize(value)
		}
		return m
	case map[string]string:
		m := make(map[string]any, len(d))
		for key, value := range d {
			m[key] = value
		}
		return m
	case fmt.Stringer:
		return d.String()
	}
	return fmt.Sprint(data)
}

func normalizeUnsigned(u uint64) any {
	if u > math.MaxInt64 {
		return float64(u)
	}
	return int64(u)
}

// kindOf names the kind of data in the words of the language.
func kindOf(data any) string {
	switch data.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case int64:
		return "integer"
	case float64:
		return "float"
	case string:
		return "string"
	case []any, []*Value:
		return "list"
	case map[string]any, []mapEntry, []calledEntry:
		return "map"
	case *Call:
		return "call"
	case ScalarUnit:
		return "scalar"
	}
	return fmt.Sprintf("%T", data)
}

// aKind is the kind of data with its article, such as "an integer".
func aKind(data any) string {
	if data == nil {
		return "null"
	}
	return article(kindOf(data))
}

// text renders a scalar as YAML would; ok is false for null, lists and maps.
func text(data any) (s string, ok bool) {
	switch d := data.(type) {
	case string:
		return d, true
	case bool:
		return strconv.FormatBool(d), true
	case int64:
		return strconv.FormatInt(d, 10), true
	case float64:
		return floatText(d), true
	case ScalarUnit:
		return d.String(), true
	}
	return "", false
}

// floatText renders a float so that it stays one when it is read again.
func floatText(f float64) string {
	switch {
	case math.IsNaN(f):
		return ".nan"
	case math.IsInf(f, 1):
		return ".inf"
	case math.IsInf(f, -1):
		return "-.inf"
	}
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}

// show renders data for a message, cut to a readable length.
func show(data any) string {
	const longest = 60
	s, ok := data.(string)
	if ok {
		s = strconv.Quote(s)
	} else if s, ok = text(data); !ok {
		if data == nil {
			return "null"
		}
		b, err := json.Marshal(data)
		if err != nil {
			return kindOf(data)
		}
		s = string(b)
	}
	if r := []rune(s); len(r) > longest {
		s = string(r[:longest]) + "…"
	}
	return s
}
