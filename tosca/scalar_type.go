package tosca

import (
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"
)

// ScalarType says which units the values of a scalar data type of TOSCA 2.0
// have, such as "10 kg". It is immutable.
//
// Source: TOSCA 2.0 section 9.1.2.2.
type ScalarType struct {
	// Name is that of the data type which derives from "scalar" itself: scalars
	// of types with the same Name can be compared.
	Name string
	// Data is the type of the number: float, integer, or derived from them.
	Data *DataType
	// Units are all units that a value can have, prefixes included, in order of
	// declaration.
	Units []ScalarUnitDefinition
	// CanonicalUnit is the unit in which values are computed and shown.
	CanonicalUnit string

	// base and prefixes are the units and prefixes as declared.
	base, prefixes []ScalarUnitDefinition
	// canonicalGiven tells that the keyname canonical_unit was written.
	canonicalGiven bool
}

// ScalarUnitDefinition is a unit of a ScalarType.
//
// Source: TOSCA 2.0 section 9.1.2.2.
type ScalarUnitDefinition struct {
	Name string
	// Multiplier converts an amount in this unit into one in a unit whose
	// multiplier is one.
	Multiplier float64

	exact   *big.Rat
	integer bool
}

func (t *ScalarType) unit(name string) *ScalarUnitDefinition {
	i := slices.IndexFunc(t.Units, func(u ScalarUnitDefinition) bool { return u.Name == name })
	if i < 0 {
		return nil
	}
	return &t.Units[i]
}

func (t *ScalarType) unitNames() []string {
	names := make([]string, len(t.Units))
	for i, u := range t.Units {
		names[i] = u.Name
	}
	return names
}

// Parse reads a number and a unit with white space between them, such as
// "10 kg". Units are case sensitive.
func (t *ScalarType) Parse(s string) (ScalarUnit, error) {
	number, name, ok := cutNumber(s)
	if !ok {
		return ScalarUnit{}, fmt.Errorf("%s is no %s: write a number, a space and a unit, such as \"1 %s\"", show(s), t.Name, t.CanonicalUnit)
	}
	u := t.unit(name)
	if u == nil {
		hint := ""
		if near := nearest(name, t.unitNames()); near != "" {
			hint = "; is " + near + " meant?"
		}
		return ScalarUnit{}, fmt.Errorf("%s is no unit of %s, which has %s%s", show(name), t.Name, shortList(t.unitNames()), hint)
	}
	value, integer, err := parseNumber(number)
	if err != nil {
		return ScalarUnit{}, fmt.Errorf("%s is no number", show(number))
	}
	if t.integer() && !integer {
		return ScalarUnit{}, fmt.Errorf("%s is no integer, which the data type of %s is", number, t.Name)
	}
	if err := t.checkNumber(value, integer); err != nil {
		return ScalarUnit{}, err
	}
	return ScalarUnit{Kind: ScalarKind(t.Name), Unit: name, number: number, base: value.Mul(value, u.exact), scalar: t}, nil
}

// cutNumber splits "10 kg" at the white space.
func cutNumber(s string) (number, unit string, ok bool) {
	s = strings.TrimSpace(s)
	i := strings.IndexAny(s, " \t\n")
	if i < 0 {
		return "", "", false
	}
	return s[:i], strings.TrimSpace(s[i:]), true
}

// shortList writes at most ten names.
func shortList(names []string) string {
	if len(names) > 10 {
		return strings.Join(names[:10], ", ") + ", ..."
	}
	return strings.Join(names, ", ")
}

// integer tells whether the numbers are integers.
func (t *ScalarType) integer() bool { return t.Data != nil && t.Data.primitive() == integerType }

// checkNumber checks a number against what the data type of the numbers wants
// beyond being a number.
func (t *ScalarType) checkNumber(value *big.Rat, integer bool) error {
	if t.Data == nil || len(t.Data.Constraints) == 0 {
		return nil
	}
	var data any
	if integer && t.integer() {
		if !value.Num().IsInt64() {
			return errors.New("the number is larger than an integer can be")
		}
		data = value.Num().Int64()
	} else {
		data, _ = value.Float64()
	}
	for _, c := range t.Data.Constraints {
		if err := c.checkStatic(data, &Schema{Type: t.Data}); err != nil {
			return err
		}
	}
	return nil
}

// amount returns the scalar of an amount that was computed, in the canonical unit.
func (t *ScalarType) amount(base *big.Rat) ScalarUnit {
	u := t.unit(t.CanonicalUnit)
	if u == nil {
		return ScalarUnit{Kind: ScalarKind(t.Name), base: base, scalar: t}
	}
	n := new(big.Rat).Quo(base, u.exact)
	number := n.Num().String()
	if !n.IsInt() {
		f, _ := n.Float64()
		number = floatText(f)
	}
	return ScalarUnit{Kind: ScalarKind(t.Name), Unit: u.Name, number: number, base: base, scalar: t}
}

// scalarOf reads what is compared with a scalar: a text with a unit, or a
// number in the canonical unit.
func (t *ScalarType) scalarOf(data any) (ScalarUnit, error) {
	switch d := data.(type) {
	case ScalarUnit:
		return d, nil
	case string:
		return t.Parse(d)
	case int64, float64:
		s, _ := text(d)
		n, _, err := parseNumber(s)
		if err != nil {
			return ScalarUnit{}, fmt.Errorf("%s is no amount", s)
		}
		if u := t.unit(t.CanonicalUnit); u != nil {
			n.Mul(n, u.exact)
		}
		return t.amount(n), nil
	}
	return ScalarUnit{}, notA("number with a unit of "+t.Name, data)
}

// numberForm is a number as YAML 1.2 writes integers and finite floats.
var numberForm = regexp.MustCompile(`^[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d{1,3})?$`)

// parseNumber reads a number in a form of YAML: decimal, with an exponent,
// hexadecimal (0x1F) or octal (0o17). Its size is bounded, so that no text
// makes a number of absurd size.
func parseNumber(s string) (value *big.Rat, integer bool, err error) {
	const longest = 64
	if len(s) > longest {
		return nil, false, errors.New("the number is too long")
	}
	for prefix, base := range map[string]int{"0x": 16, "0o": 8} {
		if digits, ok := strings.CutPrefix(s, prefix); ok {
			i, ok := new(big.Int).SetString(digits, base)
			if !ok || strings.ContainsAny(digits, "+-_") {
				return nil, false, errors.New("no number")
			}
			return new(big.Rat).SetInt(i), true, nil
		}
	}
	if !numberForm.MatchString(s) {
		return nil, false, errors.New("no number")
	}
	value, ok := new(big.Rat).SetString(s)
	if !ok {
		return nil, false, errors.New("no number")
	}
	return value, !strings.ContainsAny(s, ".eE"), nil
}
