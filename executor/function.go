package executor

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/internal/redact"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
)

// FunctionInterface is Operation.Interface of the artifacts that implement
// custom functions: see Config.Functions.
const FunctionInterface = "Function"

// functionTime is how long the artifact of a custom function may run: what asks
// for its result waits for it.
const functionTime = 30 * time.Second

// functions evaluates the custom functions that a run or query calls.
type functions struct {
	eng *Engine
	ctx context.Context
	// known has the results of artifacts, by the call.
	known map[functionCall]any
}

// functionCall is a call of what implements a signature, with the arguments as JSON.
type functionCall struct {
	signature *tosca.Signature
	arguments string
}

// newFunctions makes the functions of a run or query. The end of ctx does not
// end them: what is evaluated while a run is cancelled must be evaluated too.
func (e *Engine) newFunctions(ctx context.Context) *functions {
	return &functions{eng: e, ctx: context.WithoutCancel(ctx), known: map[functionCall]any{}}
}

// CallFunction has the embedding program evaluate a custom function: one that it
// has under the name as called, else under the name as declared. Else the
// artifact is run that implements the signature.
func (e env) CallFunction(name string, f *tosca.Function, g *tosca.Signature, args []any) (any, error) {
	c := e.live.functions
	call := c.eng.cfg.Functions[name]
	if call == nil && f != nil {
		call = c.eng.cfg.Functions[f.Name]
	}
	var result any
	var err error
	switch {
	case call != nil:
		result, err = call(args)
	case g != nil && g.Implementation != nil && g.Implementation.Primary != nil:
		return c.implemented(e, f, g, args)
	default:
		return nil, &errs.Error{Code: errs.Unimplemented, Op: "call function", Subject: "$" + name,
			Err: errors.New("nothing here evaluates it"), Hint: "give it to the engine in Config.Functions"}
	}
	if err != nil {
		return nil, errs.Wrap(err, "call function", "$"+name)
	}
	return normalize(result)
}

// implemented evaluates a function by its artifact, once for the same arguments.
func (c *functions) implemented(e env, f *tosca.Function, g *tosca.Signature, args []any) (any, error) {
	text, err := json.Marshal(args)
	if err != nil {
		return nil, errs.Wrap(err, "call function", "$"+f.Name)
	}
	key := functionCall{g, string(text)}
	if result, ok := c.known[key]; ok {
		return clone(result), nil
	}
	result, err := c.run(e, f, g, args)
	if err == nil {
		result, err = normalize(typed(g, result))
	}
	if err != nil {
		return nil, errs.Wrap(err, "call function", "$"+f.Name)
	}
	c.known[key] = result
	return clone(result), nil
}

// run runs the artifact of a signature on this machine, as an operation that
// belongs to no node, and returns its output "result".
func (c *functions) run(e env, f *tosca.Function, g *tosca.Signature, args []any) (any, error) {
	op := NewOperation(e.service.files, nil, nil, &tosca.Operation{Interface: FunctionInterface, Name: f.Name, Implementation: g.Implementation})
	op.ID, op.Deployment, op.Attempt, op.Began = functionID(), e.live.id, 1, now()
	op.Outputs = []string{"result"}
	op.Inputs = map[string]any{"arguments": clone(args)}
	for i, arg := range args {
		op.Inputs["argument_"+strconv.Itoa(i)] = clone(arg)
	}
	op.Secrets = e.live.secrets.Texts()
	op.Context = map[string]string{"DEPLOYMENT": e.live.id, "FUNCTION": f.Name, "HOST": "localhost"}
	driver, err := c.eng.driverFor(op)
	if err != nil {
		return nil, err
	}
	limit := op.Timeout
	if limit == 0 {
		limit = c.eng.functionTime
	}
	ctx, cancel := context.WithTimeout(c.ctx, limit)
	defer cancel()
	log := e.live.secrets.NewWriter(func(text string) { c.eng.cfg.Logger.Debug(text, "function", f.Name) })
	defer log.Close()
	op.Log = log
	status, err := driver.Start(ctx, op)
	defer func() {
		if err := driver.forget(op); err != nil {
			c.eng.cfg.Logger.Warn("cannot forget a call of a function", "function", f.Name, "driver", driver.Name(), "error", err)
		}
	}()
	switch {
	case err != nil:
		return nil, err
	case status.State == Running:
		h := status.Handle
		h.Driver, h.Operation = driver.Name(), op.ID
		return nil, errors.Join(errs.New(errs.Unimplemented, "", "", "the driver %s runs it in the background, and a function must end at once", h.Driver),
			driver.Cancel(ctx, h))
	case ctx.Err() != nil && status.State != Succeeded:
		return nil, errs.New(errs.DeadlineExceeded, "", "", "it did not end within %v", limit)
	case status.State != Succeeded:
		return nil, cmp.Or(status.Err, error(errs.New(errs.Failed, "", "", "it ended as %q", status.State)))
	}
	result, ok := status.Outputs["result"]
	if !ok {
		return nil, &errs.Error{Code: errs.Failed, Err: fmt.Errorf("%s returned no output \"result\"", redact.URLs(g.Implementation.Primary.File))}
	}
	return result, nil
}

// typed reads a result that was written as text, where a number or a boolean
// is wanted.
func typed(g *tosca.Signature, result any) any {
	text, ok := result.(string)
	if !ok || g.Result == nil || g.Result.Type == nil {
		return result
	}
	t := g.Result.Type
	if !t.IsA("integer") && !t.IsA("float") && !t.IsA("boolean") {
		return result
	}
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		return result
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && t.IsA("integer") {
		return n
	}
	return value
}

// functionID is the operation ID of one call: nobody asks for it again.
func functionID() string {
	var unique [10]byte
	_, _ = rand.Read(unique[:]) // never fails
	return "function-" + hex.EncodeToString(unique[:])
}
