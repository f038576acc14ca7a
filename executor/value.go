package executor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/internal/redact"
)

// normalize turns what a program or a driver hands in into the data that the
// language knows: nil, bool, int64, float64, string, []any, map[string]any. It
// returns a copy.
func normalize(value any) (any, error) {
	switch v := value.(type) {
	case nil, bool, int64, string:
		return v, nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("%v is not a number that can be kept", v)
		}
		return v, nil
	case redact.Secret:
		return normalize(v.Reveal())
	case json.Number:
		return number(v), nil
	}
	v := reflect.ValueOf(value)
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil, nil
		}
		return normalize(v.Elem().Interface())
	case reflect.Bool:
		return v.Bool(), nil
	case reflect.String:
		return v.String(), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int(), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		if v.Uint() > math.MaxInt64 {
			return nil, fmt.Errorf("%d is too large", v.Uint())
		}
		return int64(v.Uint()), nil
	case reflect.Float32, reflect.Float64:
		return normalize(v.Float())
	case reflect.Slice, reflect.Array:
		return normalizeList(v)
	case reflect.Map:
		return normalizeMap(v)
	}
	return nil, fmt.Errorf("a value of Go type %T is not data", value)
}

func normalizeList(v reflect.Value) (any, error) {
	list := make([]any, v.Len())
	for i := range list {
		e, err := normalize(v.Index(i).Interface())
		if err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
		list[i] = e
	}
	return list, nil
}

func normalizeMap(v reflect.Value) (any, error) {
	m := make(map[string]any, v.Len())
	for it := v.MapRange(); it.Next(); {
		e, err := normalize(it.Value().Interface())
		if err != nil {
			return nil, fmt.Errorf("%v: %w", it.Key(), err)
		}
		m[fmt.Sprint(it.Key().Interface())] = e
	}
	return m, nil
}

// encode writes data as JSON that decode gives back unchanged: unlike
// encoding/json, it keeps 1.0 a float, and writes strings without the escapes
// for HTML.
func encode(value any) (json.RawMessage, error) {
	var b bytes.Buffer
	if err := encodeTo(&b, value); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func encodeTo(b *bytes.Buffer, value any) error {
	switch v := value.(type) {
	case nil:
		b.WriteString("null")
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case int64:
		b.WriteString(strconv.FormatInt(v, 10))
	case float64:
		return encodeFloat(b, v)
	case string:
		encodeString(b, v)
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := encodeTo(b, e); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	case map[string]any:
		return encodeMap(b, v)
	default:
		data, err := normalize(value)
		if err != nil {
			return err
		}
		return encodeTo(b, data)
	}
	return nil
}

func encodeFloat(b *bytes.Buffer, v float64) error {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return fmt.Errorf("%v is not a number that can be kept", v)
	}
	text := strconv.FormatFloat(v, 'g', -1, 64)
	b.WriteString(text)
	if !bytes.ContainsAny([]byte(text), ".e") {
		b.WriteString(".0")
	}
	return nil
}

func encodeString(b *bytes.Buffer, s string) {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always encodes
	b.Truncate(b.Len() - 1)
}

func encodeMap(b *bytes.Buffer, m map[string]any) error {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	b.WriteByte('{')
	for i, k := range keys {
		if i > 0 {
			b.WriteByte(',')
		}
		encodeString(b, k)
		b.WriteByte(':')
		if err := encodeTo(b, m[k]); err != nil {
			return fmt.Errorf("%s: %w", k, err)
		}
	}
	b.WriteByte('}')
	return nil
}

// decode reads JSON into data; whole numbers without point or exponent are int64.
func decode(raw json.RawMessage) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return nil, errs.New(errs.Internal, "read a stored value", "", "%w", err)
	}
	return numbers(value), nil
}

// numbers turns every json.Number in value, in place, into int64 or float64.
func numbers(value any) any {
	switch v := value.(type) {
	case json.Number:
		return number(v)
	case []any:
		for i, e := range v {
			v[i] = numbers(e)
		}
	case map[string]any:
		for k, e := range v {
			v[k] = numbers(e)
		}
	}
	return value
}

func number(n json.Number) any {
	if i, err := n.Int64(); err == nil {
		return i
	}
	f, err := n.Float64()
	if err != nil {
		return n.String()
	}
	return f
}
