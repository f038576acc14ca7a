package tosca

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// ScalarKind is what a scalar unit measures.
//
// Source: TOSCA 1.3 section 3.3.6.
type ScalarKind string

// The kinds of scalar units; the type in a template is "scalar-unit." and the kind.
const (
	// Size counts bytes.
	Size ScalarKind = "size"
	// Time counts seconds.
	Time ScalarKind = "time"
	// Frequency counts hertz.
	Frequency ScalarKind = "frequency"
	// Bitrate counts bits per second (TOSCA 1.3).
	Bitrate ScalarKind = "bitrate"
)

// unit is a unit with its factor to the kind's base unit, num/den.
type unit struct {
	name     string
	num, den int64
}

const (
	kilo, kibi = 1e3, 1 << 10
	mega, mebi = 1e6, 1 << 20
	giga, gibi = 1e9, 1 << 30
	tera, tebi = 1e12, 1 << 40
)

// unitsOf returns the units of a kind, the base unit first.
func unitsOf(kind ScalarKind) []unit {
	switch kind {
	case Size:
		return []unit{
			{"B", 1, 1}, {"kB", kilo, 1}, {"KiB", kibi, 1}, {"MB", mega, 1}, {"MiB", mebi, 1},
			{"GB", giga, 1}, {"GiB", gibi, 1}, {"TB", tera, 1}, {"TiB", tebi, 1},
		}
	case Time:
		return []unit{
			{"s", 1, 1}, {"d", 86400, 1}, {"h", 3600, 1}, {"m", 60, 1},
			{"ms", 1, kilo}, {"us", 1, mega}, {"ns", 1, giga},
		}
	case Frequency:
		return []unit{{"Hz", 1, 1}, {"kHz", kilo, 1}, {"MHz", mega, 1}, {"GHz", giga, 1}}
	case Bitrate:
		return []unit{
			{"bps", 1, 1}, {"Kbps", kilo, 1}, {"Kibps", kibi, 1}, {"Mbps", mega, 1}, {"Mibps", mebi, 1},
			{"Gbps", giga, 1}, {"Gibps", gibi, 1}, {"Tbps", tera, 1}, {"Tibps", tebi, 1},
			{"Bps", 8, 1}, {"KBps", 8 * kilo, 1}, {"KiBps", 8 * kibi, 1}, {"MBps", 8 * mega, 1}, {"MiBps", 8 * mebi, 1},
			{"GBps", 8 * giga, 1}, {"GiBps", 8 * gibi, 1}, {"TBps", 8 * tera, 1}, {"TiBps", 8 * tebi, 1},
		}
	}
	return nil
}

// ScalarUnit is a number with a unit, such as "4 GiB". The zero ScalarUnit is
// not valid.
//
// Source: TOSCA 1.3 section 3.3.6, TOSCA 2.0 section 9.1.2.2.
type ScalarUnit struct {
	// Kind is what is measured; for a scalar of TOSCA 2.0, ScalarType.Name.
	Kind ScalarKind
	// Unit is the unit in the spelling of the specification.
	Unit string

	number string
	base   *big.Rat
	// scalar is the type of a scalar of TOSCA 2.0; nil for one of 1.x.
	scalar *ScalarType
}

// ParseScalarUnit reads a number and a unit of a kind, with any number of
// spaces between them. Units match whatever their case, as the specification
// wants, except that "b" (bit) and "B" (byte) of a bitrate differ.
//
// Source: TOSCA 1.3 section 3.3.6.
func ParseScalarUnit(kind ScalarKind, s string) (ScalarUnit, error) {
	units := unitsOf(kind)
	if units == nil {
		return ScalarUnit{}, fmt.Errorf("there is no kind of scalar unit %q", kind)
	}
	s = strings.TrimSpace(s)
	end := 0
	for end < len(s) && strings.IndexByte("+-.0123456789", s[end]) >= 0 {
		end++
	}
	number, name := s[:end], strings.TrimSpace(s[end:])
	value, err := parseDecimal(number)
	if err != nil {
		return ScalarUnit{}, fmt.Errorf("%s is no number with a unit of %s, such as \"1 %s\"", show(s), kind, units[0].name)
	}
	if name == "" {
		return ScalarUnit{}, fmt.Errorf("%s has no unit, which is one of %s", show(s), unitNames(units))
	}
	for _, u := range units {
		if u.matches(name, kind) {
			value.Mul(value, big.NewRat(u.num, u.den))
			return ScalarUnit{Kind: kind, Unit: u.name, number: number, base: value}, nil
		}
	}
	return ScalarUnit{}, fmt.Errorf("%s is no unit of %s, which is one of %s", show(name), kind, unitNames(units))
}

func unitNames(units []unit) string {
	names := make([]string, len(units))
	for i, u := range units {
		names[i] = u.name
	}
	return strings.Join(names, ", ")
}

func (u unit) matches(name string, kind ScalarKind) bool {
	if !strings.EqualFold(u.name, name) {
		return false
	}
	if kind != Bitrate {
		return true
	}
	// Both end in "?ps" now, whatever the case.
	at := len(u.name) - len("bps")
	return u.name[at] == name[at]
}

// parseDecimal reads a decimal number without an exponent, of a bounded
// length, so that no text makes a number of absurd size.
func parseDecimal(s string) (*big.Rat, error) {
	const longest = 64
	digits := strings.TrimLeft(s, "+-")
	if len(s) > longest || len(s)-len(digits) > 1 || digits == "" || strings.Trim(digits, "0123456789.") != "" ||
		strings.Count(digits, ".") > 1 || digits == "." {
		return nil, errors.New("no decimal number")
	}
	value, ok := new(big.Rat).SetString(s)
	if !ok {
		return nil, errors.New("no decimal number")
	}
	return value, nil
}

// Compare returns -1, 0 or 1 where u is less than, equal to or greater than
// other; units of different kinds cannot be compared.
func (u ScalarUnit) Compare(other ScalarUnit) (int, error) {
	if u.base == nil || other.base == nil || u.Kind != other.Kind {
		return 0, fmt.Errorf("%s of %s cannot be compared with %s of %s", u, u.Kind, other, other.Kind)
	}
	return u.base.Cmp(other.base), nil
}

// Base returns the amount in the kind's base unit: bytes, seconds, hertz or
// bits per second; for a scalar of TOSCA 2.0 in the unit with the multiplier one.
func (u ScalarUnit) Base() float64 {
	if u.base == nil {
		return 0
	}
	f, _ := u.base.Float64()
	return f
}

// In returns the amount in a unit of the same kind, such as "MB".
func (u ScalarUnit) In(name string) (float64, error) {
	if u.base == nil {
		return 0, errors.New("the zero scalar unit has no amount")
	}
	if u.scalar != nil {
		to := u.scalar.unit(name)
		if to == nil {
			return 0, fmt.Errorf("%s is no unit of %s, which has %s", show(name), u.scalar.Name, shortList(u.scalar.unitNames()))
		}
		f, _ := new(big.Rat).Quo(u.base, to.exact).Float64()
		return f, nil
	}
	for _, to := range unitsOf(u.Kind) {
		if to.matches(name, u.Kind) {
			f, _ := new(big.Rat).Quo(u.base, big.NewRat(to.num, to.den)).Float64()
			return f, nil
		}
	}
	return 0, fmt.Errorf("%s is no unit of %s, which is one of %s", show(name), u.Kind, unitNames(unitsOf(u.Kind)))
}

// String returns the number as it was written and the unit, such as "4 GiB".
func (u ScalarUnit) String() string { return u.number + " " + u.Unit }
