package executor

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// scope is the instrumentation scope of all spans and metrics.
const scope = "github.com/seed-a4fd30b5/orchestrator/executor"

// The attributes of spans and metrics; the package comment lists which has which.
const (
	attrDeployment = attribute.Key("orchestrator.deployment")
	attrRun        = attribute.Key("orchestrator.run")
	attrRunKind    = attribute.Key("orchestrator.run.kind")
	attrStep       = attribute.Key("orchestrator.step")
	attrInstance   = attribute.Key("orchestrator.instance")
	attrOperation  = attribute.Key("orchestrator.operation")
	attrID         = attribute.Key("orchestrator.operation.id")
	attrDriver     = attribute.Key("orchestrator.driver")
	attrHost       = attribute.Key("orchestrator.host")
	attrAttempt    = attribute.Key("orchestrator.attempt")
	attrOutcome    = attribute.Key("orchestrator.outcome")
)

// telemetry is what an engine tells OpenTelemetry.
type telemetry struct {
	tracer                                                trace.Tracer
	runsStarted, runsEnded                                metric.Int64Counter
	operationsStarted, operationsEnded, leasesLost        metric.Int64Counter
	runDuration, operationDuration, pollDuration, commits metric.Float64Histogram
	registration                                          metric.Registration
}

func newTelemetry(cfg *Config, l *limits) (*telemetry, error) {
	tracers, meters := cfg.TracerProvider, cfg.MeterProvider
	if tracers == nil {
		tracers = otel.GetTracerProvider()
	}
	if meters == nil {
		meters = otel.GetMeterProvider()
	}
	t, m := &telemetry{tracer: tracers.Tracer(scope)}, meters.Meter(scope)
	var failures []error
	counter := func(name, unit, what string) metric.Int64Counter {
		c, err := m.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(what))
		failures = append(failures, err)
		return c
	}
	seconds := func(name, what string) metric.Float64Histogram {
		h, err := m.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(what),
			metric.WithExplicitBucketBoundaries(.001, .005, .01, .05, .1, .5, 1, 5, 10, 60, 300, 1800, 3600, 14400, 86400))
		failures = append(failures, err)
		return h
	}
	t.runsStarted = counter("orchestrator.runs.started", "{run}", "Runs that were begun or resumed.")
	t.runsEnded = counter("orchestrator.runs.ended", "{run}", "Runs that ended, by outcome.")
	t.runDuration = seconds("orchestrator.run.duration", "Time from the begin of a run, or its resumption, to its end.")
	t.operationsStarted = counter("orchestrator.operations.started", "{operation}", "Attempts at operations that were begun or taken up again.")
	t.operationsEnded = counter("orchestrator.operations.ended", "{operation}", "Attempts at operations that ended, by outcome.")
	t.operationDuration = seconds("orchestrator.operation.duration", "Time from the begin of an attempt at an operation to its outcome.")
	t.pollDuration = seconds("orchestrator.poll.duration", "Time that a driver takes to tell of its running operations.")
	t.commits = seconds("orchestrator.commit.duration", "Time that the store takes to commit.")
	t.leasesLost = counter("orchestrator.leases.lost", "{lease}", "Leases that this engine lost while it ran the deployment.")
	running, err := m.Int64ObservableUpDownCounter("orchestrator.operations.running", metric.WithUnit("{operation}"),
		metric.WithDescription("Operations that run now, whether they hold a worker or not."))
	failures = append(failures, err)
	waiting, err := m.Int64ObservableUpDownCounter("orchestrator.operations.waiting", metric.WithUnit("{operation}"),
		metric.WithDescription("Operations that could begin and wait for a worker, or for room on their host or in their driver."))
	failures = append(failures, err)
	if err := errors.Join(failures...); err != nil {
		return nil, errs.Wrap(err, "make the metrics of", "an engine")
	}
	drivers := make([]string, 0, len(cfg.Drivers))
	for _, d := range cfg.Drivers {
		drivers = append(drivers, d.Name())
	}
	t.registration, err = m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, name := range drivers {
			o.ObserveInt64(running, int64(l.drivers[name]), metric.WithAttributes(attrDriver.String(name)))
		}
		n := 0
		for _, q := range l.lines {
			for _, g := range q.groups {
				n += len(g.requests)
			}
		}
		o.ObserveInt64(waiting, int64(n))
		return nil
	}, running, waiting)
	return t, errs.Wrap(err, "make the metrics of", "an engine")
}

// close ends the observation of the engine.
func (t *telemetry) close() { _ = t.registration.Unregister() }

// add counts one; nothing is made where nobody wants to know.
func add(ctx context.Context, c metric.Int64Counter, attributes ...attribute.KeyValue) {
	if c.Enabled(ctx) {
		c.Add(ctx, 1, metric.WithAttributes(attributes...))
	}
}

// record records the time since began.
func record(ctx context.Context, h metric.Float64Histogram, began time.Time, attributes ...attribute.KeyValue) {
	if h.Enabled(ctx) {
		h.Record(ctx, time.Since(began).Seconds(), metric.WithAttributes(attributes...))
	}
}

// outcomeOf is the outcome of a call that returned err: "succeeded", or a code.
func outcomeOf(err error) attribute.KeyValue {
	if err == nil {
		return attrOutcome.String(string(Succeeded))
	}
	return attrOutcome.String(string(errs.CodeOf(err)))
}

// endSpan ends a span with an outcome and, if there is one, an error without secrets.
func endSpan(span trace.Span, outcome string, err error) {
	if span.IsRecording() {
		span.SetAttributes(attrOutcome.String(outcome))
		if err != nil {
			span.RecordError(err)
			span.SetStatus(codes.Error, err.Error())
		}
	}
	span.End()
}

// startSpan begins the span of a run: below the caller's, and with a link to
// that of the run's begin where it is resumed. first is that one as the journal
// has it, in the form of W3C's traceparent; what it returns is to be kept there.
func (r *run) startSpan(ctx context.Context, first string) string {
	carrier := propagation.MapCarrier{}
	options := []trace.SpanStartOption{trace.WithAttributes(attrDeployment.String(r.live.id),
		attrRun.String(r.record.ID), attrRunKind.String(r.record.Kind))}
	if first != "" {
		carrier.Set("traceparent", first)
		link := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), carrier))
		options = append(options, trace.WithLinks(trace.Link{SpanContext: link}))
	}
	ctx, r.span = r.eng.telemetry.tracer.Start(ctx, "run "+r.record.Kind, options...)
	r.opsCtx = trace.ContextWithSpan(r.opsCtx, r.span)
	r.spanBegan = time.Now()
	add(ctx, r.eng.telemetry.runsStarted, attrRunKind.String(r.record.Kind))
	if first == "" {
		propagation.TraceContext{}.Inject(ctx, carrier)
	}
	return carrier.Get("traceparent")
}

// endSpans ends the span of a run, and those of calls that it was broken off in.
func (r *run) endSpans() {
	for _, c := range r.activeCalls() {
		c.endAttempt(interrupted, r.lost)
		c.endSpan(interrupted, r.lost)
	}
	outcome, err := string(r.record.Status), r.err()
	if r.lost != nil {
		outcome = interrupted
	}
	if err != nil {
		err = r.redacted(err)
	}
	ctx := trace.ContextWithSpan(context.Background(), r.span)
	kind, how := attrRunKind.String(r.record.Kind), attrOutcome.String(outcome)
	add(ctx, r.eng.telemetry.runsEnded, kind, how)
	record(ctx, r.eng.telemetry.runDuration, r.spanBegan, kind, how)
	endSpan(r.span, outcome, err)
}

// interrupted is the outcome of what goes on, as far as anybody knows, when its
// engine may not write any more, or nobody tells what became of it.
const interrupted = "interrupted"

// startSpan begins the span of the step: with the time that it waits and all attempts.
func (c *call) startSpan() {
	_, c.span = c.run.eng.telemetry.tracer.Start(c.run.opsCtx, "step "+c.step.Interface+"."+c.step.Operation,
		trace.WithAttributes(c.attributes()...))
}

func (c *call) attributes() []attribute.KeyValue {
	return []attribute.KeyValue{
		attrDeployment.String(c.run.live.id), attrRun.String(c.run.record.ID), attrStep.String(c.step.ID),
		attrInstance.String(c.inst.ID), attrOperation.String(c.step.Interface + "." + c.step.Operation),
		attrID.String(c.op.ID), attrDriver.String(c.driver.Name()), attrHost.String(c.run.live.secrets.String(c.op.Host.Address)),
	}
}

func (c *call) endSpan(outcome string, err error) {
	if c.span != nil {
		endSpan(c.span, outcome, c.safe(err))
		c.span = nil
	}
}

// startAttempt begins the span of an attempt, below that of the step, and
// returns the context of what the driver does.
func (c *call) startAttempt(ctx context.Context) context.Context {
	c.endAttempt(string(NotStarted), nil) // Recover found nothing
	attributes := slices.Concat(c.attributes(), []attribute.KeyValue{attrAttempt.Int(c.op.Attempt)})
	ctx, c.attempt = c.run.eng.telemetry.tracer.Start(trace.ContextWithSpan(ctx, c.span),
		"operation "+c.step.Interface+"."+c.step.Operation, trace.WithAttributes(attributes...))
	c.attemptBegan = time.Now()
	add(ctx, c.run.eng.telemetry.operationsStarted, attrDriver.String(c.driver.Name()))
	return ctx
}

func (c *call) endAttempt(outcome string, err error) {
	if c.attempt == nil {
		return
	}
	ctx := trace.ContextWithSpan(context.Background(), c.attempt)
	driver, how := attrDriver.String(c.driver.Name()), attrOutcome.String(outcome)
	add(ctx, c.run.eng.telemetry.operationsEnded, driver, how)
	record(ctx, c.run.eng.telemetry.operationDuration, c.attemptBegan, driver, how)
	endSpan(c.attempt, outcome, c.safe(err))
	c.attempt = nil
}

// safe is err without secrets.
func (c *call) safe(err error) error {
	if err == nil {
		return nil
	}
	return c.run.redacted(err)
}
