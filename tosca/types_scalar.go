package tosca

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
)

var scalarKeynames = []string{"data_type", "units", "canonical_unit", "prefixes"}

// sectionScalar is where TOSCA 2.0 defines scalar types.
const sectionScalar = "TOSCA 2.0 section 9.1.2.2"

// scalarType reads the keynames of a scalar type, or reports them where the
// type does not derive from scalar. What depends on the data type of the
// numbers is checked by checkScalars, when that type is complete.
//
// Source: TOSCA 2.0 section 9.1.2.2.
func (r *typeResolver) scalarType(t *typeDecl, x *DataType) {
	d, n := t.doc, t.node
	if x.primitive() != scalarType || x.Parent == nil || !d.v.v2() {
		for _, key := range scalarKeynames {
			if f := fieldOf(n, key); f != nil && d.v.v2() {
				d.misplaced(f.Key, "only a data type that derives from scalar has the keyname %q", key).Section = sectionScalar
			}
		}
		return
	}
	s := &ScalarType{Name: x.Name}
	parent := x.Parent.Scalar
	if parent != nil {
		*s = *parent
		s.Units = nil
	}
	x.Scalar = s
	if p := fieldOf(n, "properties"); p != nil {
		d.misplaced(p.Key, "the scalar type %q cannot have properties", x.Name).Section = sectionScalar
	}
	d.scalarDataType(s, parent, n.Get("data_type"))
	s.base = d.scalarUnits(n.Get("units"), "unit", s.base)
	if fieldOf(n, "units") == nil && parent == nil {
		d.errorf(codeMissingKeyname, t.key, "the scalar type %q needs the keyname units", x.Name).Section = sectionScalar
		r.brokenTypes[t.typ] = true
	}
	if p := fieldOf(n, "prefixes"); p != nil && parent != nil && len(parent.prefixes) == 0 {
		d.badScalar(p.Key, "%q derives from %s, which has no prefixes to add to", x.Name, x.Parent.Name)
	} else {
		s.prefixes = d.scalarUnits(n.Get("prefixes"), "prefix", s.prefixes)
	}
	s.expand()
	d.canonicalUnit(s, parent, n.Get("canonical_unit"), t.key)
	r.scalars = append(r.scalars, t)
}

func (d *document) badScalar(n *yamlx.Node, format string, args ...any) *Diagnostic {
	dia := d.errorf(codeBadScalar, n, format, args...)
	dia.Section = sectionScalar
	return dia
}

func (d *document) scalarDataType(s, parent *ScalarType, n *yamlx.Node) {
	var given *DataType
	if !n.IsNull() {
		given = typeNamed[DataType](d, dataKind, n)
	}
	switch {
	case given != nil && parent != nil && given != parent.Data:
		d.badScalar(n, "the data type of the inherited scalar, %s, cannot be changed", parent.Data.Name)
	case given != nil:
		s.Data = given
	case s.Data == nil:
		s.Data = primitives["float"].typ.(*DataType)
	}
}

// scalarUnits reads units or prefixes with their multipliers, after inherited
// ones.
func (d *document) scalarUnits(n *yamlx.Node, what string, inherited []ScalarUnitDefinition) []ScalarUnitDefinition {
	list := inherited[:len(inherited):len(inherited)]
	for _, f := range d.entries(n, what+"s with their multipliers") {
		name := f.Key.Text
		if what == "unit" && name == "" || strings.ContainsAny(name, " \t\n") {
			d.badScalar(f.Key, "%q is no name of a %s: it must be text without white space", name, what)
			continue
		}
		u := ScalarUnitDefinition{Name: name}
		if f.Value.Kind == yamlx.Scalar && (f.Value.Type == yamlx.Int || f.Value.Type == yamlx.Float) {
			u.exact, u.integer, _ = parseNumber(f.Value.Text)
		}
		if u.exact == nil || u.exact.Sign() <= 0 {
			d.badScalar(f.Value, "the multiplier of the %s %q must be a number above 0, such as 1000", what, name)
			continue
		}
		u.Multiplier, _ = u.exact.Float64()
		if i := indexOfUnit(list, name); i >= 0 {
			if list[i].exact.Cmp(u.exact) != 0 {
				d.badScalar(f.Value, "the inherited %s %q cannot be changed", what, name)
			}
			continue
		}
		list = append(list, u)
	}
	return list
}

func indexOfUnit(list []ScalarUnitDefinition, name string) int {
	for i := range list {
		if list[i].Name == name {
			return i
		}
	}
	return -1
}

// expand puts each prefix before each unit.
func (t *ScalarType) expand() {
	if len(t.prefixes) == 0 {
		t.Units = t.base
		return
	}
	for _, u := range t.base {
		for _, p := range t.prefixes {
			exact := new(big.Rat).Mul(u.exact, p.exact)
			f, _ := exact.Float64()
			t.Units = append(t.Units, ScalarUnitDefinition{Name: p.Name + u.Name, Multiplier: f, exact: exact, integer: u.integer && p.integer})
		}
	}
}

var one = big.NewRat(1, 1)

// canonicalUnit settles the unit to compute in, and checks the units together.
func (d *document) canonicalUnit(s, parent *ScalarType, n, key *yamlx.Node) {
	if len(s.base) == 0 {
		return // reported
	}
	var ones []string
	for _, u := range s.Units {
		if u.exact.Cmp(one) == 0 {
			ones = append(ones, u.Name)
		}
	}
	if len(s.prefixes) > 0 && (len(s.base) != 1 || s.base[0].exact.Cmp(one) != 0) {
		d.badScalar(key, "a scalar type with prefixes has exactly one unit, with the multiplier 1")
	} else if len(ones) == 0 {
		dia := d.badScalar(key, "no unit of the scalar type has the multiplier 1")
		if len(s.prefixes) > 0 {
			dia.Detail = "Add the prefix \"\": 1, so that the unit can stand without a prefix."
		}
	}
	switch {
	case !n.IsNull() && parent != nil:
		if name := d.text(n, "canonical_unit"); name != parent.CanonicalUnit || !parent.canonicalGiven {
			d.badScalar(n, "canonical_unit can be neither added nor changed in a derived scalar type")
		}
	case !n.IsNull():
		s.CanonicalUnit, s.canonicalGiven = d.text(n, "canonical_unit"), true
		if s.unit(s.CanonicalUnit) == nil {
			d.badScalar(n, "the canonical unit %q is none of the units", s.CanonicalUnit).Suggestion = nearest(s.CanonicalUnit, s.unitNames())
		}
	case s.canonicalGiven:
	case len(ones) > 1 && parent == nil:
		d.badScalar(key, "canonical_unit is needed, since %s have the multiplier 1", strings.Join(ones, " and "))
		s.CanonicalUnit = ones[0]
	case len(ones) > 0 && s.CanonicalUnit == "":
		s.CanonicalUnit = ones[0]
	}
}

// checkScalars checks what depends on the data type of the numbers.
func (r *typeResolver) checkScalars() {
	for _, t := range r.scalars {
		d, s := t.doc, t.typ.(*DataType).Scalar
		p := s.Data.primitive()
		if p != integerType && p != floatType {
			d.badScalar(t.node.Get("data_type"), "the data type of a scalar must be float, integer or derived from them, not %s", s.Data.Name)
			continue
		}
		for _, key := range []string{"units", "prefixes"} {
			n := t.node.Get(key)
			if n.IsNull() || n.Kind != yamlx.Mapping {
				continue
			}
			for _, f := range n.Fields {
				if err := s.multiplierFits(f.Value.Text); err != nil {
					d.badScalar(f.Value, "the multiplier of %q does not fit the data type %s: %s", f.Key.Text, s.Data.Name, err)
				}
			}
		}
	}
}

func (t *ScalarType) multiplierFits(text string) error {
	value, integer, err := parseNumber(text)
	if err != nil || value.Sign() <= 0 {
		return nil // reported
	}
	if t.integer() && !integer {
		return fmt.Errorf("%s is no integer", text)
	}
	if !t.integer() {
		return nil // integers become floats
	}
	return t.checkNumber(value, integer)
}

// fieldOf returns the field of that name, or nil.
func fieldOf(n *yamlx.Node, key string) *yamlx.Field {
	if n == nil || n.Kind != yamlx.Mapping {
		return nil
	}
	for i := range n.Fields {
		if n.Fields[i].Key.Text == key {
			return &n.Fields[i]
		}
	}
	return nil
}
