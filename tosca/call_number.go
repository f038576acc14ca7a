package tosca

import (
	"errors"
	"math"
	"math/big"
	"strings"
)

// numberFunctions calculate with numbers and with scalars, which are numbers
// with a unit.
//
// Source: TOSCA 2.0 section 10.2.5.
var numberFunctions = []*function{
	{name: "sum", from: 20, to: 20, min: 1, max: Unbounded, pure: true, takes: []kindSet{amountKind}, alike: true, same: true,
		usage: "sum: [number or scalar, ...]", section: "10.2.5.1", eval: evalSum},
	{name: "difference", from: 20, to: 20, min: 2, max: 2, pure: true, takes: []kindSet{amountKind}, alike: true, same: true,
		usage: "difference: [number or scalar, number or scalar]", section: "10.2.5.2", eval: evalSum},
	{name: "product", from: 20, to: 20, min: 1, max: Unbounded, pure: true, takes: []kindSet{amountKind, numberKind}, same: true,
		usage: "product: [number or scalar, number, ...]", section: "10.2.5.3", eval: evalProduct},
	{name: "quotient", from: 20, to: 20, min: 2, max: 2, pure: true, takes: []kindSet{amountKind, numberKind},
		usage: "quotient: [number or scalar, number]", section: "10.2.5.4", eval: evalQuotient},
	{name: "remainder", from: 20, to: 20, min: 2, max: 2, pure: true, takes: []kindSet{integerKind | unitKind, integerKind}, same: true,
		usage: "remainder: [integer or scalar, integer]", section: "10.2.5.5", eval: evalRemainder},
	{name: "round", from: 20, to: 20, min: 1, max: 1, pure: true, takes: []kindSet{numberKind}, gives: "integer",
		usage: "round: [float]", section: "10.2.5.6", eval: evalRound},
	{name: "floor", from: 20, to: 20, min: 1, max: 1, pure: true, takes: []kindSet{numberKind}, gives: "integer",
		usage: "floor: [float]", section: "10.2.5.7", eval: evalRound},
	{name: "ceil", from: 20, to: 20, min: 1, max: 1, pure: true, takes: []kindSet{numberKind}, gives: "integer",
		usage: "ceil: [float]", section: "10.2.5.8", eval: evalRound},
}

var errTooLarge = errors.New("the result is larger than an integer can be")

// numbersOf returns the arguments as int64, or as float64 where one of them is
// a float.
func numbersOf(args []any) (ints []int64, floats []float64, err error) {
	whole := true
	for i, arg := range args {
		switch n := arg.(type) {
		case int64:
			ints, floats = append(ints, n), append(floats, float64(n))
		case float64:
			whole = false
			floats = append(floats, n)
		default:
			return nil, nil, wrongArgument(args, i, "a number")
		}
	}
	if !whole {
		ints = nil
	}
	return ints, floats, nil
}

// integerOf returns a big number as an int64.
func integerOf(n *big.Int) (any, error) {
	if !n.IsInt64() {
		return nil, invalidArgument("%w", errTooLarge)
	}
	return n.Int64(), nil
}

// evalSum adds all arguments, or for "difference" takes the second from the first.
func evalSum(e *evaluation, c *Call, args []any) (any, error) {
	sign := int64(1)
	if c.Function == "difference" {
		sign = -1
	}
	if _, isText := args[0].(string); isText {
		return sumScalars(e, c, args, sign)
	}
	ints, floats, err := numbersOf(args)
	if err != nil {
		return nil, err
	}
	if ints != nil {
		total := big.NewInt(ints[0])
		for _, n := range ints[1:] {
			total.Add(total, new(big.Int).Mul(big.NewInt(sign), big.NewInt(n)))
		}
		return integerOf(total)
	}
	total := floats[0]
	for _, f := range floats[1:] {
		total += float64(sign) * f
	}
	return total, nil
}

// sumScalars gives the result in the canonical unit of the type, and where that
// is not known in the smallest of the units, so that no fraction comes up that
// the arguments did not have.
func sumScalars(e *evaluation, c *Call, args []any, sign int64) (any, error) {
	scalars, err := e.amounts(c, args)
	if err != nil {
		return nil, err
	}
	total, unit := new(big.Rat).Set(scalars[0].base), scalars[0]
	for _, s := range scalars[1:] {
		total.Add(total, new(big.Rat).Mul(big.NewRat(sign, 1), s.base))
		if s.factor.Cmp(unit.factor) < 0 {
			unit = s
		}
	}
	return unit.write(total), nil
}

func evalProduct(e *evaluation, c *Call, args []any) (any, error) {
	if _, isText := args[0].(string); isText {
		return scaled(e, c, args, (*big.Rat).Mul)
	}
	ints, floats, err := numbersOf(args)
	if err != nil {
		return nil, err
	}
	if ints != nil {
		total := big.NewInt(1)
		for _, n := range ints {
			if total.Mul(total, big.NewInt(n)); total.BitLen() > 4096 {
				return nil, invalidArgument("%w", errTooLarge)
			}
		}
		return integerOf(total)
	}
	total := 1.0
	for _, f := range floats {
		total *= f
	}
	return total, nil
}

// scaled multiplies or divides a scalar by a number.
func scaled(e *evaluation, c *Call, args []any, by func(z, x, y *big.Rat) *big.Rat) (any, error) {
	if len(args) != 2 {
		return nil, invalidArgument("a scalar is multiplied by one number, not by %d", len(args)-1)
	}
	_, floats, err := numbersOf(args[1:])
	if err != nil {
		return nil, invalidArgument("argument 2 is a %s, not a number: %s", kindOf(args[1]), show(args[1]))
	}
	number := new(big.Rat)
	if i, ok := args[1].(int64); ok {
		number.SetInt64(i)
	} else if number.SetFloat64(floats[0]) == nil {
		return nil, invalidArgument("%s is no finite number", show(args[1]))
	}
	if c.Function == "quotient" && number.Sign() == 0 {
		return nil, invalidArgument("there is no division by 0")
	}
	scalars, err := e.amounts(c, args[:1])
	if err != nil {
		return nil, err
	}
	return scalars[0].write(by(new(big.Rat), scalars[0].base, number)), nil
}

func evalQuotient(e *evaluation, c *Call, args []any) (any, error) {
	if _, isText := args[0].(string); isText {
		return scaled(e, c, args, (*big.Rat).Quo)
	}
	_, floats, err := numbersOf(args)
	if err != nil {
		return nil, err
	}
	if floats[1] == 0 {
		return nil, invalidArgument("there is no division by 0")
	}
	return floats[0] / floats[1], nil
}

// evalRemainder gives a remainder the sign of the dividend. That of a scalar
// is the remainder of its number, in the canonical unit of its type where that
// is known.
func evalRemainder(e *evaluation, c *Call, args []any) (any, error) {
	divisor, ok := args[1].(int64)
	if !ok {
		return nil, wrongArgument(args, 1, "an integer")
	}
	if divisor == 0 {
		return nil, invalidArgument("there is no division by 0")
	}
	switch dividend := args[0].(type) {
	case int64:
		if divisor == -1 {
			return int64(0), nil
		}
		return dividend % divisor, nil
	case string:
		scalars, err := e.amounts(c, args[:1])
		if err != nil {
			return nil, err
		}
		s := scalars[0]
		number := new(big.Rat).Quo(s.base, s.factor)
		by := new(big.Rat).SetInt64(divisor)
		quotient := new(big.Rat).Quo(number, by)
		whole := new(big.Rat).SetInt(new(big.Int).Quo(quotient.Num(), quotient.Denom()))
		number.Sub(number, whole.Mul(whole, by))
		return s.write(number.Mul(number, s.factor)), nil
	}
	return nil, wrongArgument(args, 0, "an integer or a scalar")
}

// evalRound rounds a half down.
func evalRound(_ *evaluation, c *Call, args []any) (any, error) {
	if i, ok := args[0].(int64); ok {
		return i, nil
	}
	f, ok := args[0].(float64)
	if !ok {
		return nil, wrongArgument(args, 0, "a float")
	}
	low := math.Floor(f)
	switch {
	case c.Function == "ceil":
		f = math.Ceil(f)
	case c.Function == "round" && f-low > 0.5:
		f = low + 1
	default:
		f = low
	}
	if !(math.Abs(f) < 1<<63) {
		return nil, invalidArgument("%s is no integer's value", show(args[0]))
	}
	return int64(f), nil
}

// amount is a scalar that a function calculates with.
type amount struct {
	// base is the amount in the unit whose factor is 1; factor is that of unit,
	// the canonical one of a type of TOSCA 2.0.
	base, factor *big.Rat
	unit         string
	// smallest is the smallest unit of a type whose numbers must be whole; nil
	// for others.
	smallest *ScalarUnitDefinition
}

// write returns an amount in this one's unit. Where it has no finite decimal,
// it is cut after 12 digits behind the point. A number that must be whole, and
// is not in this unit, is cut in the smallest one.
func (a amount) write(base *big.Rat) string {
	number := new(big.Rat).Quo(base, a.factor)
	if a.smallest != nil && !number.IsInt() {
		a.unit = a.smallest.Name
		number.Quo(base, a.smallest.exact)
	}
	if a.smallest != nil || number.IsInt() {
		return new(big.Int).Quo(number.Num(), number.Denom()).String() + " " + a.unit
	}
	const digits = 12
	shift := new(big.Int).Exp(big.NewInt(10), big.NewInt(digits), nil)
	scaled := new(big.Rat).Mul(number, new(big.Rat).SetInt(shift))
	cut := new(big.Rat).SetFrac(new(big.Int).Quo(scaled.Num(), scaled.Denom()), shift)
	return strings.TrimRight(strings.TrimRight(cut.FloatString(digits), "0"), ".") + " " + a.unit
}

// amounts reads the arguments as scalars of one type: the one known of an
// argument, else a kind of scalar unit of 1.x that they all are of, else any
// unit that they share.
func (e *evaluation) amounts(c *Call, args []any) ([]amount, error) {
	texts := make([]string, len(args))
	for i, arg := range args {
		s, ok := arg.(string)
		if !ok {
			return nil, wrongArgument(args, i, "a scalar as argument 1 is")
		}
		texts[i] = s
	}
	if sc := e.comparedSchema(c); sc.isScalar() {
		return readAmounts(texts, func(s string) (amount, error) { return sc.amount(s) })
	}
	for _, kind := range []ScalarKind{Size, Time, Frequency, Bitrate} {
		if all, err := readAmounts(texts, func(s string) (amount, error) { return unitAmount(kind, s) }); err == nil {
			return all, nil
		}
	}
	all, err := readAmounts(texts, anyAmount)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].unit != all[0].unit {
			return nil, invalidArgument("%s and %s have different units of an unknown type", show(texts[0]), show(texts[i]))
		}
	}
	return all, nil
}

func readAmounts(texts []string, read func(string) (amount, error)) ([]amount, error) {
	all := make([]amount, len(texts))
	for i, s := range texts {
		a, err := read(s)
		if err != nil {
			return nil, invalidArgument("%w", err)
		}
		all[i] = a
	}
	return all, nil
}

// unitAmount reads a scalar unit of 1.x.
func unitAmount(kind ScalarKind, s string) (amount, error) {
	u, err := ParseScalarUnit(kind, s)
	if err != nil {
		return amount{}, err
	}
	for _, unit := range unitsOf(kind) {
		if unit.name == u.Unit {
			return amount{base: u.base, factor: big.NewRat(unit.num, unit.den), unit: unit.name}, nil
		}
	}
	return amount{}, errors.New("there is no unit " + show(u.Unit))
}

// anyAmount reads a number and the name of a unit that is not known.
func anyAmount(s string) (amount, error) {
	number, unit, _ := strings.Cut(strings.TrimSpace(s), " ")
	unit = strings.TrimSpace(unit)
	value, err := parseDecimal(number)
	if err != nil || unit == "" {
		return amount{}, invalidArgument("%s is neither a number nor a number with a unit", show(s))
	}
	return amount{base: value, factor: big.NewRat(1, 1), unit: unit}, nil
}

// isScalar tells whether values of the schema are numbers with a unit.
func (sc *Schema) isScalar() bool {
	p := sc.primitive()
	_, unit := p.scalarKind()
	return unit || p == scalarType
}

// amount reads a value of a scalar type.
func (sc *Schema) amount(s string) (amount, error) {
	if kind, ok := sc.primitive().scalarKind(); ok {
		return unitAmount(kind, s)
	}
	if t := sc.Type.Scalar; t != nil {
		u, err := t.Parse(s)
		if err != nil {
			return amount{}, err
		}
		a := amount{base: u.base, factor: t.unit(u.Unit).exact, unit: u.Unit}
		if c := t.unit(t.CanonicalUnit); c != nil {
			a.factor, a.unit = c.exact, c.Name
		}
		for i := range t.Units {
			if unit := &t.Units[i]; t.integer() && (a.smallest == nil || unit.exact.Cmp(a.smallest.exact) < 0) {
				a.smallest = unit
			}
		}
		return a, nil
	}
	return anyAmount(s)
}
