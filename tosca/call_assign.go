package tosca

import "fmt"

// assignable says why a value of one schema can never be one of another; ""
// where it may be. An integer is a float too.
//
// Source: TOSCA 2.0 section 9.5 (the value of an expression must be
// type-compatible with the definition).
func assignable(got, want *Schema) string {
	if got == nil || want == nil || got.Type == nil || want.Type == nil {
		return ""
	}
	g, w := got.primitive(), want.primitive()
	switch {
	case g == anyType || w == anyType:
		return ""
	case g == w:
	case g == integerType && w == floatType, g == mapType && w == complexType, g == complexType && w == mapType:
		return ""
	default:
		return fmt.Sprintf("%s is expected, not %s", article(want.Type.Name), article(got.Type.Name))
	}
	switch g {
	case complexType, scalarType:
		if !got.Type.isA(want.Type) && !want.Type.isA(got.Type) {
			return fmt.Sprintf("a value of %s is expected, not one of %s", want.Type.Name, got.Type.Name)
		}
	case listType, mapType:
		if message := assignable(got.entry(), want.entry()); message != "" {
			return "in the entries: " + message
		}
	}
	return ""
}
