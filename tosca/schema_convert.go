package tosca

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// convert returns data in the form in which values of the type compare.
func (t *DataType) convert(data any) (value any, lenient string, err error) {
	if t.Scalar == nil {
		return t.primitive().convert(data)
	}
	s, ok := data.(string)
	if !ok {
		return nil, "", notA("number with a unit, such as \"1 "+t.Scalar.CanonicalUnit+"\"", data)
	}
	unit, err := t.Scalar.Parse(s)
	return unit, "", err
}

// convert returns data in the form in which values of the type compare
// (int64, float64, string, bool, Version, ScalarUnit, time.Time; collections
// as they are). The error says why data is none of the type. lenient is not
// empty where the data is of another type, but means a value of this one.
func (p primitive) convert(data any) (value any, lenient string, err error) {
	switch p {
	case anyType:
		return data, "", nil
	case stringType:
		return convertString(data)
	case integerType:
		return convertInteger(data)
	case floatType:
		return convertFloat(data)
	case booleanType:
		return convertBoolean(data)
	case versionType:
		return convertVersion(data)
	case timestampType:
		return convertTimestamp(data)
	case rangeType:
		return data, "", checkRange(data)
	case bytesType:
		return convertBytes(data)
	case nullType:
		if data != nil {
			return nil, "", fmt.Errorf("%s is not null", show(data))
		}
		return nil, "", nil
	case listType:
		if _, ok := data.([]any); !ok {
			return nil, "", notA("list", data)
		}
		return data, "", nil
	case mapType, complexType:
		if _, ok := data.(map[string]any); !ok {
			return nil, "", notA("map", data)
		}
		return data, "", nil
	case scalarType:
		if _, ok := data.(string); !ok {
			return nil, "", notA("number with a unit", data)
		}
		return data, "", nil
	}
	kind, _ := p.scalarKind()
	s, ok := text(data)
	if !ok {
		return nil, "", notA("number with a unit of "+string(kind), data)
	}
	unit, err := ParseScalarUnit(kind, s)
	return unit, "", err
}

func notA(what string, data any) error {
	if data == nil {
		return fmt.Errorf("%s is expected, not null", article(what))
	}
	return fmt.Errorf("%s is expected, not the %s %s", article(what), kindOf(data), show(data))
}

// notThis is notA for a value, of which calls are not shown.
func notThis(what string, v *Value) error {
	if data, static := v.Static(); static {
		return notA(what, data)
	}
	return fmt.Errorf("%s is expected, not %s", article(what), aKind(v.content))
}

func instead(want string, data any) string {
	return fmt.Sprintf("the %s %s stands for %s", kindOf(data), show(data), article(want))
}

func convertString(data any) (any, string, error) {
	if s, ok := data.(string); ok {
		return s, "", nil
	}
	if s, ok := text(data); ok {
		return s, instead("string", data), nil
	}
	return nil, "", notA("string", data)
}

func convertInteger(data any) (any, string, error) {
	switch d := data.(type) {
	case int64:
		return d, "", nil
	case float64:
		if d == math.Trunc(d) && math.Abs(d) < 1<<53 {
			return int64(d), instead("integer", data), nil
		}
	case string:
		if i, err := strconv.ParseInt(strings.TrimSpace(d), 10, 64); err == nil {
			return i, instead("integer", data), nil
		}
	}
	return nil, "", notA("integer", data)
}

func convertFloat(data any) (any, string, error) {
	switch d := data.(type) {
	case float64:
		return d, "", nil
	case int64:
		return float64(d), "", nil
	case string:
		if f, err := strconv.ParseFloat(strings.TrimSpace(d), 64); err == nil {
			return f, instead("float", data), nil
		}
	}
	return nil, "", notA("float", data)
}

func convertBoolean(data any) (any, string, error) {
	switch d := data.(type) {
	case bool:
		return d, "", nil
	case string:
		switch strings.ToLower(d) {
		case "true", "yes", "on":
			return true, instead("boolean", data), nil
		case "false", "no", "off":
			return false, instead("boolean", data), nil
		}
	}
	return nil, "", notA("boolean", data)
}

// convertVersion takes floats as they are, since the specification's own
// examples write "version: 6.5" without quotes.
func convertVersion(data any) (any, string, error) {
	switch d := data.(type) {
	case string:
		if v, err := ParseVersion(d); err == nil {
			return v, "", nil
		}
		// A lone number is common for versions of operating systems.
		if n, ok := parseCount(d); ok {
			return Version{Major: n}, instead("version", data), nil
		}
	case float64:
		if v, err := ParseVersion(floatText(d)); err == nil {
			return v, "", nil
		}
	case int64:
		if d >= 0 && d <= math.MaxInt32 {
			return Version{Major: int(d)}, instead("version", data), nil
		}
	}
	return nil, "", notA("version (such as \"1.0\" or \"1.0.2.beta-3\")", data)
}

func convertTimestamp(data any) (any, string, error) {
	s, ok := data.(string)
	if !ok {
		return nil, "", notA("timestamp", data)
	}
	t, err := parseTimestamp(s)
	return t, "", err
}

func convertBytes(data any) (any, string, error) {
	s, ok := data.(string)
	if !ok {
		return nil, "", notA("string in base 64", data)
	}
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, "", notA("string in base 64", data)
	}
	return string(b), "", nil
}

// checkRange checks a value of type range: a list of two integers, the lower
// one first, the upper one possibly UNBOUNDED.
func checkRange(data any) error {
	list, ok := data.([]any)
	if !ok || len(list) != 2 {
		return notA("range (a list of two integers)", data)
	}
	lower, ok := list[0].(int64)
	if !ok {
		return notA("range (a list of two integers)", data)
	}
	if list[1] == unboundedWord {
		return nil
	}
	upper, ok := list[1].(int64)
	if !ok {
		return notA("range (a list of two integers)", data)
	}
	if lower > upper {
		return fmt.Errorf("the range %s begins above its end", show(data))
	}
	return nil
}

// compare orders two values of a type.
func compare(a, b any, p primitive) (int, error) {
	if p == anyType {
		return compareAny(a, b)
	}
	if !p.ordered() && p != booleanType {
		return 0, errors.New("values of this type have no order")
	}
	x, _, err := p.convert(a)
	if err != nil {
		return 0, err
	}
	y, _, err := p.convert(b)
	if err != nil {
		return 0, err
	}
	return compareConverted(x, y)
}

// compareAs orders two values of a schema's type: those of a scalar type of
// TOSCA 2.0 by their amounts.
func compareAs(a, b any, sc *Schema) (int, error) {
	if sc == nil || sc.Type == nil || sc.Type.Scalar == nil {
		return compare(a, b, sc.primitive())
	}
	x, err := sc.Type.Scalar.scalarOf(a)
	if err != nil {
		return 0, err
	}
	y, err := sc.Type.Scalar.scalarOf(b)
	if err != nil {
		return 0, err
	}
	return x.Compare(y)
}

func compareConverted(x, y any) (int, error) {
	switch x := x.(type) {
	case int64:
		if y, ok := y.(int64); ok {
			return cmp.Compare(x, y), nil
		}
	case float64:
		if y, ok := y.(float64); ok {
			return cmp.Compare(x, y), nil
		}
	case string:
		if y, ok := y.(string); ok {
			return strings.Compare(x, y), nil
		}
	case bool:
		if y, ok := y.(bool); ok && x == y {
			return 0, nil
		}
	case Version:
		if y, ok := y.(Version); ok {
			return x.Compare(y), nil
		}
	case ScalarUnit:
		if y, ok := y.(ScalarUnit); ok {
			return x.Compare(y)
		}
	case time.Time:
		if y, ok := y.(time.Time); ok {
			return x.Compare(y), nil
		}
	}
	return 0, errors.New("the values cannot be compared")
}

// compareAny orders values without a type: numbers by value, texts as scalar
// units where both are units of one kind, else as text.
func compareAny(a, b any) (int, error) {
	if x, _, err := convertFloat(a); err == nil && kindOf(a) != "string" {
		if i, ok := a.(int64); ok {
			if j, ok := b.(int64); ok {
				return cmp.Compare(i, j), nil
			}
		}
		if y, _, err := convertFloat(b); err == nil && kindOf(b) != "string" {
			return compareConverted(x, y)
		}
	}
	s, ok := a.(string)
	t, both := b.(string)
	if !ok || !both {
		return 0, fmt.Errorf("%s and %s cannot be compared", show(a), show(b))
	}
	for _, kind := range []ScalarKind{Size, Time, Frequency, Bitrate} {
		x, err := ParseScalarUnit(kind, s)
		if err != nil {
			continue
		}
		if y, err := ParseScalarUnit(kind, t); err == nil {
			return x.Compare(y)
		}
	}
	return strings.Compare(s, t), nil
}
