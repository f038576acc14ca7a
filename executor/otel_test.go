package executor_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// observed is an OpenTelemetry SDK in memory.
type observed struct {
	spans  *tracetest.SpanRecorder
	traces *sdktrace.TracerProvider
	reader *metric.ManualReader
	meters *metric.MeterProvider
}

func newObserved() *observed {
	o := &observed{spans: tracetest.NewSpanRecorder(), reader: metric.NewManualReader()}
	o.traces = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(o.spans))
	o.meters = metric.NewMeterProvider(metric.WithReader(o.reader))
	return o
}

// metrics returns the values of all metrics: the sum, or the count of a
// histogram, by "name{attribute=value,...}".
func (o *observed) metrics(t testing.TB) map[string]int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, o.reader.Collect(context.Background(), &all))
	values := map[string]int64{}
	for _, s := range all.ScopeMetrics {
		for _, m := range s.Metrics {
			key := func(set attribute.Set) string {
				return m.Name + "{" + set.Encoded(attribute.DefaultEncoder()) + "}"
			}
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					values[key(p.Attributes)] = p.Value
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					values[key(p.Attributes)] = int64(p.Count)
				}
			default:
				t.Fatalf("%s is a %T", m.Name, data)
			}
		}
	}
	return values
}

// named returns the ended spans of a name.
func (o *observed) named(name string) (spans []sdktrace.ReadOnlySpan) {
	for _, s := range o.spans.Ended() {
		if s.Name() == name {
			spans = append(spans, s)
		}
	}
	return spans
}

func attributesOf(s sdktrace.ReadOnlySpan) map[string]string {
	m := map[string]string{}
	for _, a := range s.Attributes() {
		m[string(a.Key)] = a.Value.String()
	}
	return m
}

// A run has a span below the caller's, below it each step has one, and below
// that each attempt; what a driver does is below the attempt. A resumed run is
// linked to its begin.
func TestSpans(t *testing.T) {
	t.Parallel()
	o := newObserved()
	var inDriver trace.SpanContext
	broken := true
	driver := &script{do: func(ctx context.Context, op *executor.Operation) (map[string]any, error) {
		inDriver = trace.SpanContextFromContext(ctx)
		switch {
		case op.Instance == "n0_0" && op.Attempt == 1:
			return nil, executor.MarkRetryable(errors.New("busy"))
		case op.Instance == "n1_0" && broken:
			return nil, errors.New("broken")
		}
		return nil, nil
	}}
	e := newEngine(t, executor.Config{Drivers: []executor.Driver{executor.Sync(driver)}, TracerProvider: o.traces, MeterProvider: o.meters,
		Retry: executor.RetryPolicy{Backoff: time.Microsecond}})
	ctx, caller := o.traces.Tracer("test").Start(t.Context(), "caller")
	_, err := e.Deploy(ctx, executor.Request{Deployment: "x", Archive: template(t, things(3, creates, chain))})
	require.Error(t, err)
	caller.End()

	run := o.named("run deploy")[0]
	require.Equal(t, caller.SpanContext().SpanID(), run.Parent().SpanID())
	require.Equal(t, map[string]string{"orchestrator.deployment": "x", "orchestrator.run": "run-1", "orchestrator.run.kind": "deploy",
		"orchestrator.outcome": "failed"}, attributesOf(run))
	require.Contains(t, run.Status().Description, "broken")
	steps, attempts := o.named("step Standard.create"), o.named("operation Standard.create")
	require.Len(t, steps, 2)
	require.Len(t, attempts, 3)
	for i, want := range []struct{ instance, attempt, outcome string }{{"n0_0", "1", "failed"}, {"n0_0", "2", "succeeded"}, {"n1_0", "1", "failed"}} {
		a, step := attributesOf(attempts[i]), steps[i/2]
		require.Equal(t, want.instance, a["orchestrator.instance"])
		require.Equal(t, want.attempt, a["orchestrator.attempt"])
		require.Equal(t, want.outcome, a["orchestrator.outcome"])
		require.Equal(t, "script", a["orchestrator.driver"])
		require.Equal(t, "Standard.create", a["orchestrator.operation"])
		require.Equal(t, step.SpanContext().SpanID(), attempts[i].Parent().SpanID())
		require.Equal(t, run.SpanContext().SpanID(), step.Parent().SpanID())
	}
	require.Equal(t, attempts[2].SpanContext().SpanID(), inDriver.SpanID())
	require.Len(t, attempts[2].Events(), 1, "the error")

	broken = false
	_, err = e.Resume(t.Context(), "x", executor.Options{})
	require.NoError(t, err)
	resumed := o.named("run deploy")[1]
	require.Equal(t, run.SpanContext().SpanID(), resumed.Links()[0].SpanContext.SpanID())
	require.NotEqual(t, run.SpanContext().TraceID(), resumed.SpanContext().TraceID(), "it has another caller")
	require.Equal(t, len(o.spans.Started()), len(o.spans.Ended()), "every span ended")

	m := o.metrics(t)
	for key, want := range map[string]int64{
		"orchestrator.runs.started{orchestrator.run.kind=deploy}":                                    2,
		"orchestrator.runs.ended{orchestrator.outcome=failed,orchestrator.run.kind=deploy}":          1,
		"orchestrator.runs.ended{orchestrator.outcome=succeeded,orchestrator.run.kind=deploy}":       1,
		"orchestrator.run.duration{orchestrator.outcome=succeeded,orchestrator.run.kind=deploy}":     1,
		"orchestrator.operations.started{orchestrator.driver=script}":                                5,
		"orchestrator.operations.ended{orchestrator.driver=script,orchestrator.outcome=failed}":      2,
		"orchestrator.operations.ended{orchestrator.driver=script,orchestrator.outcome=succeeded}":   3,
		"orchestrator.operation.duration{orchestrator.driver=script,orchestrator.outcome=succeeded}": 3,
		"orchestrator.operations.running{orchestrator.driver=script}":                                0,
		"orchestrator.operations.waiting{}":                                                          0,
	} {
		got, ok := m[key]
		require.True(t, ok, "%s in %v", key, m)
		require.Equal(t, want, got, key)
	}
	require.Positive(t, m["orchestrator.commit.duration{orchestrator.outcome=succeeded}"])
}

// While operations run and wait, the metrics say how many; polls are timed, and
// lost leases counted.
func TestMetricsOfRunningOperations(t *testing.T) {
	t.Parallel()
	o, store := newObserved(), newMemory(t)
	driver := newJobs()
	driver.started = make(chan string, 3)
	e := newEngine(t, executor.Config{Store: store, Drivers: []executor.Driver{driver}, MeterProvider: o.meters, PerDriver: map[string]int{"jobs": 2}})
	ended := make(chan error)
	go func() {
		_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, things(3, creates, nil))})
		ended <- err
	}()
	<-driver.started
	<-driver.started
	require.Eventually(t, func() bool { // the third may still be on its way to the others
		m := o.metrics(t)
		return m["orchestrator.operations.running{orchestrator.driver=jobs}"] == 2 && m["orchestrator.operations.waiting{}"] == 1
	}, 2*time.Minute, time.Millisecond)
	driver.endAt(1)
	require.NoError(t, <-ended)
	m := o.metrics(t)
	require.EqualValues(t, 0, m["orchestrator.operations.running{orchestrator.driver=jobs}"])
	require.Positive(t, m["orchestrator.poll.duration{orchestrator.driver=jobs,orchestrator.outcome=succeeded}"])
	require.NotContains(t, fmt.Sprint(m), "orchestrator.leases.lost")
}

// BenchmarkTelemetryOff is what a step costs where nobody wants spans or metrics.
func BenchmarkTelemetryOff(b *testing.B) {
	for _, on := range []bool{false, true} {
		b.Run(fmt.Sprintf("sdk=%v", on), func(b *testing.B) {
			cfg := executor.Config{Drivers: []executor.Driver{executor.Sync(&script{})}}
			if on {
				o := newObserved()
				cfg.TracerProvider, cfg.MeterProvider = sdktrace.NewTracerProvider(), o.meters
			}
			e := newEngine(b, cfg)
			archive := template(b, things(100, creates, nil))
			id := 0
			b.ReportAllocs()
			for b.Loop() {
				id++
				if _, err := e.Deploy(b.Context(), executor.Request{Deployment: fmt.Sprint("x", id), Archive: archive}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
