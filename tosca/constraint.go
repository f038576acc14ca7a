package tosca

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"

	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
)

// Constraint is one clause that a value must satisfy, such as
// "greater_or_equal: 1".
//
// Source: TOSCA 1.3 section 3.6.3 (constraint clauses), TOSCA 2.0 section 9
// (validation clauses).
type Constraint struct {
	// Op is the operator: equal, greater_than, greater_or_equal, less_than,
	// less_or_equal, in_range, valid_values, length, min_length, max_length,
	// pattern, schema, or a boolean function of TOSCA 2.0 without its "$".
	Op string
	// Value is what the operator compares with.
	Value *Value
	Range Range

	// regexp is the compiled operand of pattern; nil where it holds a call or
	// cannot be compiled.
	regexp *regexp.Regexp
	// validation tells that the constraint is a validation clause of TOSCA 2.0.
	validation bool
	// asks tells that the clause asks for more than the value.
	asks bool
}

// operators lists the constraint operators of 1.x.
var operators = []string{
	"equal", "greater_than", "greater_or_equal", "less_than", "less_or_equal", "in_range",
	"valid_values", "length", "min_length", "max_length", "pattern", "schema",
}

// unboundedWord is how a template writes a bound that is none.
const unboundedWord = "UNBOUNDED"

// parseConstraints reads a list of constraint clauses, or one clause alone as
// node filters write it. A validation clause of TOSCA 2.0, which is one
// boolean call, becomes one Constraint with that call as its Value.
//
// It reports unknown-constraint, constraint-operand, constraint-shape and
// unsupported-pattern (a warning: the constraint is not enforced).
func parseConstraints(n *yamlx.Node, file string, v *versionTable, s *sink) []*Constraint {
	return (&valueParser{file: file, version: v, sink: s}).constraints(n)
}

func (p *valueParser) constraints(n *yamlx.Node) []*Constraint {
	file, v, s := p.file, p.version, p.sink
	if n.IsNull() {
		return nil
	}
	if v.v2() && n.Kind != yamlx.Sequence {
		if c := p.validation(n); c != nil && p.patterns(c) {
			return []*Constraint{c}
		}
		return nil
	}
	items := n.Items
	if n.Kind == yamlx.Mapping {
		items = []*yamlx.Node{n}
	}
	if n.Kind == yamlx.Scalar {
		s.errorf("constraint-shape", extentOf(n, file).Range(), "constraints are a list, not %s", show(n.Data)).
			Detail = "Write a list with entries such as \"- greater_or_equal: 1\"."
		return nil
	}
	var all []*Constraint
	for _, item := range items {
		if item.Kind != yamlx.Mapping || len(item.Fields) == 0 {
			s.errorf("constraint-shape", extentOf(item, file).Range(), "a constraint is a map of an operator and its operand").
				Detail = "Write an entry such as \"- greater_or_equal: 1\"."
			continue
		}
		for _, f := range item.Fields {
			if c := p.constraint(f); c != nil {
				all = append(all, c)
			}
		}
	}
	return all
}

func (p *valueParser) validation(n *yamlx.Node) *Constraint {
	s := p.sink
	value := p.value(n)
	op := functionOf(n)
	if call := value.Call(); call != nil {
		op = call.Function
		if call.function == nil {
			return nil // unknown, which was reported
		}
		if !call.function.maybeBoolean() {
			d := s.errorf(codeNotBoolean, value.Range(), "a validation clause is a boolean expression, which $%s is not", op)
			d.Section = p.version.at("9.11")
			return nil
		}
	} else if _, failed := value.content.([]mapEntry); failed && n.Kind == yamlx.Mapping && len(n.Fields) == 1 && p.prefixed(n.Fields[0].Key.Text) {
		return nil // a call with a reported fault
	} else if _, ok := value.content.(bool); !ok {
		s.errorf("constraint-shape", value.Range(), "a validation clause is a call of a boolean function").
			Detail = "Write a call such as \"$greater_or_equal: [ $value, 1 ]\"."
		return nil
	}
	c := &Constraint{Op: op, Value: value, Range: value.Range(), validation: true}
	c.asks = c.asksDeployment()
	return c
}

// patterns tells whether the patterns of a clause can be used, as far as they
// are written out. TOSCA 2.0 leaves the grammar of patterns open, so only what
// is malformed in any is an error.
func (p *valueParser) patterns(c *Constraint) bool {
	usable := true
	c.Value.eachCall(func(call *Call) {
		if call.Function != "matches" || len(call.Args) < 2 {
			return
		}
		text, _ := call.Args[1].content.(string)
		if _, err := regexp.Compile(text); err != nil {
			d := p.unusablePattern(call.Args[1].Range(), err)
			if malformed(err) {
				d.Code, d.Severity, d.Detail = "invalid-call", Error, ""
			}
			usable = false
		}
	})
	return usable
}

func (p *valueParser) unusablePattern(at Range, err error) *Diagnostic {
	d := p.sink.warnf("unsupported-pattern", at, "the pattern cannot be used: %s", patternFault(err))
	d.Detail = "The constraint is not enforced. Patterns are written in RE2 syntax, which has no lookaround and no backreferences."
	return d
}

// functionOf names the function of a clause that was folded.
func functionOf(n *yamlx.Node) string {
	for _, f := range n.Fields {
		return strings.TrimPrefix(f.Key.Text, "$")
	}
	return ""
}

func (p *valueParser) constraint(f yamlx.Field) *Constraint {
	file, v, s := p.file, p.version, p.sink
	rng := extentOf(f.Key, file).Range()
	op := f.Key.Text
	known := false
	for _, name := range operators {
		known = known || name == op
	}
	if !known || op == "schema" && v.level < 13 {
		d := s.errorf("unknown-constraint", rng, "there is no constraint %s", show(op))
		d.Suggestion = nearest(op, operators)
		d.Detail = "The constraints are " + strings.Join(operators, ", ") + "."
		d.Section = "TOSCA 1.3 section 3.6.3"
		return nil
	}
	c := &Constraint{Op: op, Value: p.value(f.Value), Range: rng}
	c.Range.End = c.Value.Range().End
	if !c.checkOperand(p) {
		return nil
	}
	return c
}

// checkOperand checks what can be told without the type, and compiles a
// pattern. It returns false for a constraint of no use.
func (c *Constraint) checkOperand(p *valueParser) bool {
	operand, static := c.Value.Static()
	if !static {
		return true
	}
	fail := func(want string) bool {
		p.sink.errorf("constraint-operand", c.Value.Range(), "%s takes %s, not %s", c.Op, want, show(operand))
		return false
	}
	switch c.Op {
	case "in_range":
		if list, ok := operand.([]any); !ok || len(list) != 2 {
			return fail("a list of a lower and an upper bound")
		}
	case "valid_values":
		if _, ok := operand.([]any); !ok {
			return fail("a list")
		}
	case "length", "min_length", "max_length":
		if n, ok := operand.(int64); !ok || n < 0 {
			return fail("a count of 0 or more")
		}
	case "pattern":
		text, ok := operand.(string)
		if !ok {
			return fail("a regular expression")
		}
		var err error
		if c.regexp, err = compilePattern(text); err == nil {
			return true
		}
		if malformed(err) {
			p.sink.errorf("constraint-operand", c.Value.Range(), "pattern takes a regular expression, which %s is not: %s", show(text), patternFault(err))
		} else {
			p.unusablePattern(c.Value.Range(), err)
		}
		return false
	}
	return true
}

// compilePattern compiles an expression that the whole of a text must match. It
// compiles the expression alone first, which is what a fault must be about, and
// which alone shows that "a)|(b" is none.
func compilePattern(text string) (*regexp.Regexp, error) {
	if _, err := syntax.Parse(text, syntax.Perl); err != nil {
		return nil, err
	}
	return regexp.Compile(`\A(?:` + text + `)\z`)
}

// malformed tells an expression that is none in any syntax from one that RE2
// does not have.
func malformed(err error) bool {
	var fault *syntax.Error
	if !errors.As(err, &fault) {
		return false
	}
	switch fault.Code {
	case syntax.ErrMissingBracket, syntax.ErrMissingParen, syntax.ErrUnexpectedParen, syntax.ErrTrailingBackslash, syntax.ErrMissingRepeatArgument:
		return true
	}
	return false
}

// patternFault cuts what package regexp says before the fault.
func patternFault(err error) string {
	return strings.TrimPrefix(err.Error(), "error parsing regexp: ")
}

// Check returns an error where a value does not satisfy the constraint. The
// schema says how the value compares (numbers, versions, scalar units and
// timestamps compare by what they mean); nil infers that from the value. The
// operator schema is not checked, nor is an operand that asks the running
// deployment: see Satisfies.
func (c *Constraint) Check(value any, schema *Schema) error {
	return c.checkStatic(normalize(value), schema)
}

// checkStatic checks data with an operand that does not need a deployment.
func (c *Constraint) checkStatic(data any, sc *Schema) error {
	if c.Op == "schema" {
		return nil
	}
	if operand, static := c.Value.Static(); static {
		if c.isValidation() {
			return c.isTrue(operand, data)
		}
		return c.check(data, operand, sc.primitive())
	}
	if !c.isValidation() || c.asksDeployment() {
		return nil
	}
	e := evaluation{subject: &data, subjectSchema: sc}
	result, err := e.value(c.Value)
	if err != nil {
		return err
	}
	return c.isTrue(result, data)
}

// isValidation tells whether the constraint is a validation clause of TOSCA
// 2.0, whose Value is the whole clause.
func (c *Constraint) isValidation() bool { return c.validation }

// asksDeployment tells whether the operand calls a graph function.
func (c *Constraint) asksDeployment() bool {
	asks := false
	c.Value.eachCall(func(call *Call) {
		asks = asks || call.function == nil || call.function.asks
	})
	return asks
}

// isTrue tells whether the validation clause about a value came out true.
func (c *Constraint) isTrue(result, value any) error {
	if result != true {
		return fmt.Errorf("%s does not satisfy the validation clause $%s", show(value), c.Op)
	}
	return nil
}

// Satisfies returns an error where a value does not satisfy one of the
// constraints. It serves node filters and conditions: eval evaluates operands
// that hold calls. A boolean function of TOSCA 2.0 must evaluate to true.
//
// Source: TOSCA 1.3 section 3.6.3, TOSCA 2.0 section 9.11.
func Satisfies(value any, schema *Schema, constraints []*Constraint, eval func(*Value) (any, error)) error {
	value = normalize(value)
	for _, c := range constraints {
		_, static := c.Value.Static()
		if static || c.isValidation() && !c.asksDeployment() {
			if err := c.checkStatic(value, schema); err != nil {
				return err
			}
			continue
		}
		if c.Op == "schema" {
			continue
		}
		operand, err := eval(c.Value)
		if err != nil {
			return err
		}
		if c.isValidation() {
			err = c.isTrue(operand, value)
		} else {
			err = c.check(value, normalize(operand), schema.primitive())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// primitive returns what a schema's type comes down to; anyType for none.
func (sc *Schema) primitive() primitive {
	if sc == nil || sc.Type == nil {
		return anyType
	}
	return sc.Type.primitive()
}

func (c *Constraint) check(value, operand any, p primitive) error {
	switch c.Op {
	case "equal", "valid_values":
		return checkEqual(c.Op, value, operand, p)
	case "greater_than", "greater_or_equal", "less_than", "less_or_equal":
		order, err := compare(value, operand, p)
		if err != nil {
			return err
		}
		if !holds(c.Op, order) {
			return fmt.Errorf("%s is not %s %s", show(value), words(c.Op), show(operand))
		}
		return nil
	case "in_range":
		return checkInRange(value, operand, p)
	case "length", "min_length", "max_length":
		return checkLength(c.Op, value, operand)
	case "pattern":
		return c.checkPattern(value, operand)
	}
	return fmt.Errorf("there is no constraint %s", show(c.Op))
}

func words(op string) string {
	switch op {
	case "greater_than":
		return "greater than"
	case "greater_or_equal":
		return "greater than or equal to"
	case "less_than":
		return "less than"
	}
	return "less than or equal to"
}

func holds(op string, order int) bool {
	switch op {
	case "greater_than":
		return order > 0
	case "greater_or_equal":
		return order >= 0
	case "less_than":
		return order < 0
	}
	return order <= 0
}

func checkEqual(op string, value, operand any, p primitive) error {
	if op == "equal" {
		if !equal(value, operand, p) {
			return fmt.Errorf("%s is not %s", show(value), show(operand))
		}
		return nil
	}
	list, ok := operand.([]any)
	if !ok {
		return fmt.Errorf("valid_values takes a list, not %s", show(operand))
	}
	for _, candidate := range list {
		if equal(value, candidate, p) {
			return nil
		}
	}
	return fmt.Errorf("%s is none of %s", show(value), show(list))
}

// equal compares by what the values mean, and as data where that fails.
func equal(a, b any, p primitive) bool {
	if order, err := compare(a, b, p); err == nil {
		return order == 0
	}
	return reflect.DeepEqual(a, b)
}

func checkInRange(value, operand any, p primitive) error {
	bounds, ok := operand.([]any)
	if !ok || len(bounds) != 2 {
		return fmt.Errorf("in_range takes a list of two bounds, not %s", show(operand))
	}
	values := []any{value}
	if p == rangeType {
		// Both ends of a range must lie in it, as integers.
		p = integerType
		if values, ok = value.([]any); !ok {
			return fmt.Errorf("%s is no range", show(value))
		}
	}
	for _, v := range values {
		for i, bound := range bounds {
			if bound == unboundedWord {
				continue
			}
			if v == unboundedWord {
				if i == 0 {
					continue
				}
				return fmt.Errorf("%s is not in the range %s", show(value), show(bounds))
			}
			order, err := compare(v, bound, p)
			if err != nil {
				return err
			}
			if i == 0 && order < 0 || i == 1 && order > 0 {
				return fmt.Errorf("%s is not in the range %s", show(value), show(bounds))
			}
		}
	}
	return nil
}

func checkLength(op string, value, operand any) error {
	length, ok := lengthOf(value)
	if !ok {
		return fmt.Errorf("%s has no length", show(value))
	}
	want, ok := operand.(int64)
	if !ok {
		return fmt.Errorf("%s takes a count, not %s", op, show(operand))
	}
	switch {
	case op == "length" && length != want:
		return fmt.Errorf("%s has the length %d, not %d", show(value), length, want)
	case op == "min_length" && length < want:
		return fmt.Errorf("%s has the length %d, less than %d", show(value), length, want)
	case op == "max_length" && length > want:
		return fmt.Errorf("%s has the length %d, more than %d", show(value), length, want)
	}
	return nil
}

// lengthOf counts the characters of a string or the entries of a list or map.
func lengthOf(value any) (int64, bool) {
	switch v := value.(type) {
	case string:
		return int64(utf8.RuneCountInString(v)), true
	case []any:
		return int64(len(v)), true
	case map[string]any:
		return int64(len(v)), true
	}
	return 0, false
}

func (c *Constraint) checkPattern(value, operand any) error {
	s, ok := text(value)
	if !ok {
		return fmt.Errorf("%s is no string", show(value))
	}
	re := c.regexp
	if re == nil {
		expression, ok := operand.(string)
		if !ok {
			return fmt.Errorf("pattern takes a regular expression, not %s", show(operand))
		}
		var err error
		if re, err = compilePattern(expression); err != nil {
			return errors.New("the pattern cannot be used: " + patternFault(err))
		}
	}
	if !re.MatchString(s) {
		return fmt.Errorf("%s does not match the pattern %s", show(value), show(operand))
	}
	return nil
}
