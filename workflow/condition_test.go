package workflow_test

import (
	"errors"
	"testing"

	"github.com/seed-a4fd30b5/orchestrator/tosca"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
	"github.com/stretchr/testify/require"
)

// assert makes the condition that an attribute satisfies one constraint.
func assert(attribute, op string, operand any) *tosca.Condition {
	return &tosca.Condition{Op: "assert", Attribute: attribute,
		Constraints: []*tosca.Constraint{{Op: op, Value: tosca.Constant(operand)}}}
}

func combine(op string, operands ...*tosca.Condition) *tosca.Condition {
	return &tosca.Condition{Op: op, Operands: operands}
}

func TestHolds(t *testing.T) {
	t.Parallel()
	yes, no := assert("state", "equal", "started"), assert("load", "greater_than", 90)
	fails := assert("broken", "equal", 1)
	tests := []struct {
		name      string
		condition *tosca.Condition
		want      bool
		wantErr   string
	}{
		{name: "assertion", condition: yes, want: true},
		{name: "assertion not met", condition: no},
		{name: "no value", condition: assert("missing", "equal", "x")},
		{name: "and", condition: combine("and", yes, yes), want: true},
		{name: "and, one not", condition: combine("and", yes, no)},
		{name: "and of none", condition: combine("and"), want: true},
		{name: "or", condition: combine("or", no, yes), want: true},
		{name: "or, none", condition: combine("or", no, no)},
		{name: "not", condition: combine("not", no), want: true},
		{name: "not met", condition: combine("not", yes)},
		{name: "not all", condition: combine("not", yes, no), want: true},
		{name: "nested", condition: combine("and", yes, combine("or", no, combine("not", no))), want: true},
		{name: "error in and", condition: combine("and", fails), wantErr: "no such attribute"},
		{name: "error in or", condition: combine("or", fails), wantErr: "no such attribute"},
		{name: "error in not", condition: combine("not", fails), wantErr: "no such attribute"},
		{name: "unknown combination", condition: combine("xor", yes, no), wantErr: `there is no combination "xor"`},
	}
	attribute := func(name string) (any, error) {
		switch name {
		case "state":
			return "started", nil
		case "load":
			return int64(50), nil
		case "broken":
			return nil, errors.New("no such attribute")
		}
		return nil, nil
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := workflow.Holds(tt.condition, attribute, nil)
			if tt.wantErr != "" {
				require.ErrorContains(t, err, tt.wantErr)
				require.False(t, got)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}
