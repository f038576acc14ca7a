package tosca

import (
	"fmt"
	"slices"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// FunctionEnv is an Env that evaluates custom functions.
//
// Source: TOSCA 2.0 section 10.4.
type FunctionEnv interface {
	Env
	// CallFunction evaluates a custom function. name is the name as called, with
	// its namespace; f and the signature that fits the arguments are nil for a
	// function that no file defines (Options.Functions). The result is data; it
	// is checked against the signature.
	CallFunction(name string, f *Function, g *Signature, args []any) (result any, err error)
}

// customFunction makes the entry for a function that is not the language's.
func customFunction(name string) *function {
	return &function{name: name, from: 20, to: 20, max: Unbounded, asks: true, usage: name + ": [argument, ...]", section: "10.4",
		eval: evalCustom, typeOf: typeOfCustom}
}

// evalCustom has the Env evaluate a custom function.
func evalCustom(e *evaluation, c *Call, args []any) (any, error) {
	var g *Signature
	if c.Custom != nil {
		var err error
		if g, err = c.Custom.signatureFor(args); err != nil {
			return nil, err
		}
	}
	env, ok := e.env.(FunctionEnv)
	if !ok {
		return nil, &errs.Error{Code: errs.FailedPrecondition, Err: fmt.Errorf("nothing here evaluates the function $%s", c.Function)}
	}
	result, err := env.CallFunction(c.Function, c.Custom, g, args)
	if err != nil {
		return nil, err
	}
	result = normalize(result)
	if g != nil && g.Result != nil {
		faults := &sink{}
		g.Result.check(Constant(result), faults, "the result of $"+c.Function)
		for _, f := range faults.list {
			if f.Severity == Error {
				return nil, invalidArgument("%s", f.Summary)
			}
		}
	}
	return result, nil
}

// signatureFor returns the first signature that takes the arguments.
func (f *Function) signatureFor(args []any) (*Signature, error) {
	var first error
	for _, g := range f.Signatures {
		values := make([]*Value, len(args))
		for i := range args {
			values[i] = Constant(args[i])
		}
		err := g.fits(values, typing{})
		if err == nil {
			return g, nil
		}
		if first == nil {
			first = err
		}
	}
	if len(f.Signatures) > 1 {
		return nil, invalidArgument("no signature of $%s takes these arguments; the first: %w", f.Name, first)
	}
	if first == nil {
		first = fmt.Errorf("the function $%s has no signature", f.Name)
	}
	return nil, invalidArgument("%w", first)
}

// argumentFault says which argument of a call a signature does not take.
type argumentFault struct {
	// index is that of the argument; -1 for their number.
	index   int
	message string
}

func (f *argumentFault) Error() string { return f.message }

// fits tells whether a signature takes arguments, as far as they can be told.
func (g *Signature) fits(args []*Value, t typing) error {
	low, high := g.bounds()
	if len(args) < low || high != Unbounded && len(args) > high {
		return &argumentFault{-1, fmt.Sprintf("it takes %s, not %d", argumentCount(low, high), len(args))}
	}
	for i, arg := range args {
		sc, _ := g.argument(i)
		if sc == nil {
			continue
		}
		if message := t.misfit(arg, sc); message != "" {
			return &argumentFault{i, message}
		}
	}
	return nil
}

// misfit says why a value cannot be of a schema; "" where it may be.
func (t typing) misfit(v *Value, want *Schema) string {
	if message := assignable(t.of(v), want); message != "" && v.Call() != nil {
		return message
	}
	faults := &sink{}
	c := valueChecker{sink: faults, what: "the argument"}
	c.value(want, v)
	for _, f := range faults.list {
		if f.Severity == Error || f.Code == "lenient-type" {
			return f.Summary
		}
	}
	return ""
}

// typeOfCustom is the result of the first signature that may take the arguments.
func typeOfCustom(t typing, c *Call) *Schema {
	if c.Custom == nil {
		return nil
	}
	i := slices.IndexFunc(c.Custom.Signatures, func(g *Signature) bool { return g.fits(c.Args, t) == nil })
	if i < 0 {
		return nil
	}
	return c.Custom.Signatures[i].Result
}

// checkCustom checks the arguments of a custom function against its signatures.
func checkCustom(t typing, c *Call) *pathError {
	if c.Custom == nil || len(c.Custom.Signatures) == 0 {
		return nil
	}
	var first *argumentFault
	for _, g := range c.Custom.Signatures {
		err := g.fits(c.Args, t)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err.(*argumentFault)
		}
	}
	message := first.message
	if n := len(c.Custom.Signatures); n > 1 {
		message = fmt.Sprintf("none of the %d signatures takes these arguments; of the first: %s", n, message)
	}
	if first.index < 0 {
		return &pathError{code: "function-arguments", arg: len(c.Args), message: message}
	}
	return &pathError{code: codeArgumentType, arg: first.index, message: message}
}
