package tosca

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
}
