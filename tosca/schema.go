package tosca

import (
	"fmt"
	"strconv"
	"strings"
)

// check reports where a value is not what the schema wants, to any depth. What
// a call stands for is known only later, so calls are skipped. what names the
// value in messages, such as "property port of node web".
//
// It reports wrong-type, unknown-property, missing-property and
// constraint-violated as errors, and lenient-type as a warning: data of
// another type whose meaning is clear, such as a number where a string is
// wanted. An explicit null is a value of every type.
func (sc *Schema) check(v *Value, s *sink, what string) {
	c := valueChecker{sink: s, what: what}
	c.value(sc, v)
}

// checkDefault does the same for the default in a definition, with the code
// default-mismatch. Published types of 1.x have defaults such as "" for a list;
// there it is a warning.
func (sc *Schema) checkDefault(v *Value, s *sink, what string) {
	c := valueChecker{sink: s, what: what, isDefault: true, strict: sc != nil && sc.strict}
	c.value(sc, v)
}

// checkInput does the same for a value from outside of the template, which is
// converted as in 1.x whatever the version: a command line has texts only.
func (sc *Schema) checkInput(v *Value, s *sink, what string, secret bool) {
	c := valueChecker{sink: s, what: what, external: true, secret: secret}
	c.value(sc, v)
}

// hiddenViolation is said of a sensitive value.
const hiddenViolation = "the value, which is not shown, does not satisfy the constraint"

type valueChecker struct {
	sink *sink
	what string
	// path leads from the whole value to the part that is looked at.
	path      []string
	isDefault bool
	// strict makes an error of a default that does not fit.
	strict bool
	// external tells that the value comes from outside of the template.
	external bool
	// secret keeps the value out of what is reported.
	secret bool
}

// value checks one value, and what is in it.
func (c *valueChecker) value(sc *Schema, v *Value) {
	if sc == nil || sc.Type == nil || v == nil || v.Call() != nil {
		return
	}
	if v.isNull() {
		c.null(sc, v)
		return
	}
	p := sc.Type.primitive()
	ok := true
	switch content := v.content.(type) {
	case []*Value:
		ok = c.list(sc, p, v, content)
	case []mapEntry:
		ok = c.mapping(sc, p, v, content)
	case []calledEntry:
		c.called(sc, p, v, content)
		return
	default:
		ok = c.scalar(sc, v)
	}
	if ok {
		c.constraints(sc.Type.Constraints, sc, v)
		c.constraints(sc.Constraints, sc, v)
	}
}

func (c *valueChecker) list(sc *Schema, p primitive, v *Value, items []*Value) bool {
	switch p {
	case listType, anyType:
		entry := sc.entry()
		for i, item := range items {
			c.path = append(c.path, "["+strconv.Itoa(i)+"]")
			c.value(entry, item)
			c.path = c.path[:len(c.path)-1]
		}
		return true
	case rangeType:
		data, static := v.Static()
		if !static {
			return false
		}
		if err := checkRange(data); err != nil {
			c.fault("wrong-type", v, err.Error(), sc)
			return false
		}
		return true
	}
	c.fault("wrong-type", v, notThis(sc.Type.noun(p), v).Error(), sc)
	return false
}

func (c *valueChecker) mapping(sc *Schema, p primitive, v *Value, entries []mapEntry) bool {
	switch p {
	case mapType, anyType:
		entry := sc.entry()
		for _, e := range entries {
			c.path = append(c.path, "."+e.key)
			c.key(sc.key(), e)
			c.value(entry, e.value)
			c.path = c.path[:len(c.path)-1]
		}
		return true
	case complexType:
		c.properties(sc.Type, v, entries)
		return true
	}
	c.fault("wrong-type", v, notThis(sc.Type.noun(p), v).Error(), sc)
	return false
}

// key checks the key of a map against the key schema.
func (c *valueChecker) key(sc *Schema, e mapEntry) {
	if sc == nil {
		return
	}
	c.value(sc, &Value{content: keyData(sc.primitive(), e.key), extent: e.value.extent})
}

// keyData is a map's key as data: keys are kept as text, so a key that must be
// a number is read again.
func keyData(p primitive, key string) any {
	switch p {
	case integerType:
		if i, err := strconv.ParseInt(key, 10, 64); err == nil {
			return i
		}
	case floatType:
		if f, err := strconv.ParseFloat(key, 64); err == nil {
			return f
		}
	case booleanType:
		if b, err := strconv.ParseBool(key); err == nil {
			return b
		}
	}
	return key
}

// properties checks a value of a data type with properties.
func (c *valueChecker) properties(t *DataType, v *Value, entries []mapEntry) {
	if len(t.Properties) == 0 && len(t.Constraints) == 0 {
		return // a root type: any map
	}
	for _, e := range entries {
		def := propertyOf(t.Properties, e.key)
		if def == nil {
			d := c.fault("unknown-property", e.value, fmt.Sprintf("%s has no property %s", t.Name, show(e.key)), nil)
			d.Suggestion = nearest(e.key, propertyNames(t.Properties))
			continue
		}
		c.path = append(c.path, "."+e.key)
		c.value(def.Schema, e.value)
		c.path = c.path[:len(c.path)-1]
	}
	for _, def := range t.Properties {
		if def.Required && def.Default == nil && def.Fixed == nil && v.child(def.Name) == nil {
			d := c.fault("missing-property", v, fmt.Sprintf("the required property %s of %s is missing", def.Name, t.Name), nil)
			d.Related = append(d.Related, RelatedRange{Range: def.Range, Message: "defined here"})
		}
	}
}

func propertyNames(defs []*PropertyDefinition) []string {
	names := make([]string, len(defs))
	for i, def := range defs {
		names[i] = def.Name
	}
	return names
}

// null checks an explicit null: in TOSCA 2.0 it is the value of nil only.
func (c *valueChecker) null(sc *Schema, v *Value) {
	if !sc.strict || c.external {
		return
	}
	if p := sc.Type.primitive(); p != nullType && p != anyType {
		c.fault("wrong-type", v, notA(sc.Type.noun(p), nil).Error(), sc).Section = "TOSCA 2.0 section 9.1.1.6"
	}
}

func (c *valueChecker) scalar(sc *Schema, v *Value) bool {
	if sc.strict && !c.external {
		if err := sc.Type.checkStrict(v.content); err != nil {
			c.fault("wrong-type", v, err.Error(), sc).Section = "TOSCA 2.0 section 9.1"
			return false
		}
		return true
	}
	_, lenient, err := sc.Type.convert(v.content)
	if err == nil {
		err = sc.Type.checkText(v.content)
	}
	if err != nil {
		c.fault("wrong-type", v, err.Error(), nil)
		return false
	}
	if lenient != "" && !c.isDefault {
		if c.secret {
			lenient = "a value of another type stands for one of this"
		}
		d := c.sink.warnf("lenient-type", v.Range(), "%s: %s", c.where(), lenient)
		d.Detail = "The value is passed on as written."
	}
	return true
}

func (c *valueChecker) constraints(constraints []*Constraint, sc *Schema, v *Value) {
	if len(constraints) == 0 {
		return
	}
	data, static := v.Static()
	if !static {
		return
	}
	for _, k := range constraints {
		if err := k.checkStatic(data, sc); err != nil {
			d := c.fault("constraint-violated", v, err.Error(), nil)
			d.Related = append(d.Related, RelatedRange{Range: k.Range, Message: "the constraint"})
		}
	}
}

// fault reports an error, or a warning for a default of 1.x.
func (c *valueChecker) fault(code string, v *Value, message string, sc *Schema) *Diagnostic {
	var d *Diagnostic
	switch {
	case c.secret && code == "wrong-type":
		message = "the value, which is not shown, is not of the type that is expected"
	case c.secret && code == "constraint-violated":
		message = hiddenViolation
	}
	if c.isDefault {
		d = c.sink.warnf("default-mismatch", v.Range(), "the default of %s: %s", c.where(), message)
		if c.strict {
			d.Severity = Error
		}
	} else {
		d = c.sink.errorf(code, v.Range(), "%s: %s", c.where(), message)
	}
	if sc != nil && sc.Description != "" {
		d.Detail = "What is expected: " + strings.TrimSpace(sc.Description)
	}
	return d
}

func (c *valueChecker) where() string { return c.what + strings.Join(c.path, "") }

// entry returns the schema of a list's or map's entries, or nil.
func (sc *Schema) entry() *Schema {
	if sc.Entry != nil {
		return sc.Entry
	}
	return sc.Type.Entry
}

// key returns the schema of a map's keys, or nil.
func (sc *Schema) key() *Schema {
	if sc.Key != nil {
		return sc.Key
	}
	return sc.Type.Key
}

// keyOrString is key for a map that need not say what its keys are.
func (sc *Schema) keyOrString() *Schema {
	if key := sc.key(); key != nil {
		return key
	}
	return schemaNamed("string")
}

// noun names the type for a message.
func (t *DataType) noun(p primitive) string {
	if p == complexType {
		return "map (" + t.Name + ")"
	}
	return t.Name
}

// checkConstraintTypes reports constraints that do not fit a type
// (constraint-type) or whose operands are not of it (constraint-operand). A
// validation clause of TOSCA 2.0 fits every type: it says what it compares.
func checkConstraintTypes(constraints []*Constraint, t *DataType, s *sink) {
	p := t.primitive()
	for _, c := range constraints {
		if c.isValidation() {
			continue
		}
		if fits := constraintFits(c.Op, p); !fits {
			s.errorf("constraint-type", c.Range, "the constraint %s does not fit the type %s", c.Op, t.Name)
			continue
		}
		operand, static := c.Value.Static()
		if !static {
			continue
		}
		for _, o := range comparedOperands(c.Op, operand) {
			if err := operandFits(o, p); err != nil {
				s.errorf("constraint-operand", c.Value.Range(), "the operand of %s does not fit the type %s: %s", c.Op, t.Name, err)
			}
		}
	}
}

func constraintFits(op string, p primitive) bool {
	switch op {
	case "greater_than", "greater_or_equal", "less_than", "less_or_equal":
		return p.ordered() && p != rangeType
	case "in_range":
		return p.ordered()
	case "length", "min_length", "max_length":
		return p.hasLength()
	case "pattern":
		return p == stringType || p == versionType || p == timestampType
	case "schema":
		return p == stringType
	}
	return true
}

// comparedOperands returns what the operator compares values with.
func comparedOperands(op string, operand any) []any {
	switch op {
	case "equal", "greater_than", "greater_or_equal", "less_than", "less_or_equal":
		return []any{operand}
	case "in_range", "valid_values":
		list, _ := operand.([]any)
		return list
	}
	return nil
}

func operandFits(operand any, p primitive) error {
	if operand == unboundedWord || operand == nil {
		return nil
	}
	if p == rangeType {
		if _, ok := operand.([]any); ok {
			return checkRange(operand)
		}
		p = integerType
	}
	_, _, err := p.convert(operand)
	return err
}
