package tosca

import (
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
)

// checkStrict returns an error where scalar data is none of the type by the
// rules of TOSCA 2.0, which converts nothing but integers to floats.
//
// Source: TOSCA 2.0 section 9.1.
func (t *DataType) checkStrict(data any) error {
	p := t.primitive()
	switch p {
	case stringType, bytesType, timestampType, versionType, scalarType:
		s, ok := data.(string)
		if !ok {
			return quotesMissing(t, p, data)
		}
		return t.checkStrictText(p, s)
	case integerType:
		if _, ok := data.(int64); !ok {
			return notA("integer", data)
		}
	case floatType:
		switch data.(type) {
		case int64, float64:
		default:
			return notA("float", data)
		}
	case booleanType:
		if _, ok := data.(bool); !ok {
			return fmt.Errorf("%s: only true and false are, in small letters and without quotes", notA("boolean", data))
		}
	case anyType:
	default:
		return notA(t.noun(p), data)
	}
	return nil
}

// quotesMissing tells what is wanted instead of a number or boolean.
func quotesMissing(t *DataType, p primitive, data any) error {
	if p == scalarType {
		_, _, err := t.convert(data)
		return err
	}
	err := notA(t.noun(p), data)
	if s, ok := text(data); ok && (p == stringType || p == versionType) {
		return fmt.Errorf("%w: put it in quotes, \"%s\"", err, s)
	}
	return err
}

func (t *DataType) checkStrictText(p primitive, s string) error {
	switch p {
	case bytesType:
		if _, err := base64.StdEncoding.DecodeString(s); err != nil {
			return notA("string in base 64", s)
		}
	case timestampType:
		_, err := parseInternetTime(s)
		return err
	case versionType:
		_, err := ParseVersion(s)
		return err
	case scalarType:
		if t.Scalar == nil {
			return nil // the abstract type, which was reported
		}
		_, err := t.Scalar.Parse(s)
		return err
	}
	return nil
}

var internetTime = regexp.MustCompile(`^\d{4}-\d\d-\d\d(?:[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[-+]\d\d:\d\d))?$`)

// parseInternetTime reads a timestamp of RFC 3339: a date and a time with its
// zone, or a date alone, which means its first instant in UTC.
//
// Source: TOSCA 2.0 section 9.1.2.1, RFC 3339 section 5.6.
func parseInternetTime(s string) (time.Time, error) {
	if !internetTime.MatchString(s) {
		return time.Time{}, fmt.Errorf("%s is no timestamp of RFC 3339, such as \"2026-01-31T12:00:00Z\"", show(s))
	}
	return parseTimestamp(strings.ToUpper(s))
}

// checkText returns an error where a text is not in the language that its data
// type names: JSON that is no JSON, XML that is not well formed.
//
// Source: TOSCA 1.3 sections 5.3.3 and 5.3.4.
func (t *DataType) checkText(data any) error {
	s, ok := data.(string)
	if !ok || t.Parent == nil {
		return nil
	}
	switch {
	case t.IsA("tosca.datatypes.json"):
		if !json.Valid([]byte(s)) {
			return fmt.Errorf("%s is no JSON", show(s))
		}
	case t.IsA("tosca.datatypes.xml"):
		if err := checkXML(s); err != nil {
			return fmt.Errorf("%s is no well-formed XML: %w", show(s), err)
		}
	}
	return nil
}

func checkXML(s string) error {
	dec := xml.NewDecoder(strings.NewReader(s))
	elements := 0
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			if elements == 0 {
				return errors.New("it has no element")
			}
			return nil
		}
		if err != nil {
			return err
		}
		if _, ok := token.(xml.StartElement); ok {
			elements++
		}
	}
}
