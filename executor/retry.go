package executor

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// RetryPolicy says when to try a failed operation again.
//
// The metadata of a node template (or of a relationship template, for its
// operations) wins over the engine's policy: "retries: 3" means up to three
// further attempts, whatever it was that failed, and "retry_backoff: 10 s" the
// wait before the first of them, doubled for each further one up to MaxBackoff.
type RetryPolicy struct {
	// Attempts is how often an operation is tried altogether. Default 3; 1 for no retries.
	Attempts int
	// Backoff is the wait before the second attempt, doubled for each further
	// one up to MaxBackoff. Defaults 1 s and 1 min. An error that says itself
	// when it is worth another try is followed: see MarkRetryableAfter.
	Backoff, MaxBackoff time.Duration
	// Always tries again whatever failed, and not only what is Retryable. An
	// operation whose outcome is unknown is never tried again by a RetryPolicy.
	Always bool
	// Causes are policies for errors of a code, such as Unavailable for a target
	// that does not answer: what is zero in them is as above.
	Causes map[Code]RetryPolicy
}

// over completes the policy with a default. Its Causes replace those of the default.
func (p RetryPolicy) over(base RetryPolicy) RetryPolicy {
	p.Attempts = orElse(p.Attempts, base.Attempts)
	p.Backoff = orElse(p.Backoff, base.Backoff)
	p.MaxBackoff = max(p.Backoff, orElse(p.MaxBackoff, base.MaxBackoff))
	p.Always = p.Always || base.Always
	if p.Causes == nil {
		p.Causes = base.Causes
	}
	return p
}

// because is the policy for an error.
func (p RetryPolicy) because(err error) RetryPolicy {
	if special, ok := p.Causes[errs.CodeOf(err)]; ok {
		return special.over(p)
	}
	return p
}

// again tells whether there is another attempt after the given one, counted
// from 1, which failed with err.
func (p RetryPolicy) again(attempt int, err error) bool {
	p = p.because(err)
	return (p.Always || Retryable(err)) && attempt < p.Attempts
}

// wait is how long to wait after the given attempt, counted from 1, which
// failed with err.
func (p RetryPolicy) wait(attempt int, err error) time.Duration {
	if wait := RetryAfter(err); wait > 0 {
		return wait
	}
	p = p.because(err)
	d := p.Backoff
	for i := 1; i < attempt && d < p.MaxBackoff; i++ {
		d *= 2
	}
	return min(d, p.MaxBackoff)
}

// The keys of the metadata of a node or relationship template that say how
// often its operations are tried.
const (
	retriesKey = "retries"
	backoffKey = "retry_backoff"
)

// stated is the policy that a template states for its operations, else p.
func (p RetryPolicy) stated(op *Operation) (RetryPolicy, error) {
	var metadata map[string]any
	switch {
	case op.Relationship != nil:
		metadata = op.Relationship.Metadata
	case op.Node != nil:
		metadata = op.Node.Metadata
	}
	if raw, ok := metadata[retriesKey]; ok {
		n, err := strconv.Atoi(fmt.Sprint(raw))
		if err != nil || n < 0 || n > math.MaxInt32 {
			return p, badMetadata(op, retriesKey, raw, "a number of further attempts")
		}
		p.Attempts, p.Always, p.Causes = n+1, true, nil
	}
	if raw, ok := metadata[backoffKey]; ok {
		d, ok := duration(fmt.Sprint(raw))
		if !ok || d <= 0 {
			return p, badMetadata(op, backoffKey, raw, "a time such as \"10 s\"")
		}
		p.Backoff, p.MaxBackoff, p.Causes = d, max(d, p.MaxBackoff), nil
	}
	return p, nil
}

func badMetadata(op *Operation, key string, value any, want string) error {
	return errs.New(errs.InvalidArgument, "read the metadata of", op.Instance, "%s: %v is not %s", key, value, want)
}

// duration reads seconds, or a number with a unit of time of TOSCA.
//
// Source: TOSCA 1.3 section 3.3.6.6 (scalar-unit.time).
func duration(text string) (time.Duration, bool) {
	units := map[string]time.Duration{"": time.Second, "d": 24 * time.Hour, "h": time.Hour, "m": time.Minute, "s": time.Second,
		"ms": time.Millisecond, "us": time.Microsecond, "ns": time.Nanosecond}
	number := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
	unit, known := units[strings.ToLower(strings.TrimSpace(text[len(number):]))]
	f, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || !known || !(f >= 0) || f*float64(unit) >= math.MaxInt64 {
		return 0, false
	}
	return time.Duration(f * float64(unit)), true
}
