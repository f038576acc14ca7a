package executor

import (
	"errors"
	"fmt"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// Error is the module's error: a code, what was being done to what, the cause
// and what to do about it.
type Error = errs.Error

// Code classifies an error. Programs act upon the code, not the message.
type Code = errs.Code

// The codes.
const (
	Internal           = errs.Internal
	InvalidArgument    = errs.InvalidArgument
	NotFound           = errs.NotFound
	AlreadyExists      = errs.AlreadyExists
	FailedPrecondition = errs.FailedPrecondition
	Conflict           = errs.Conflict
	PermissionDenied   = errs.PermissionDenied
	Unavailable        = errs.Unavailable
	DeadlineExceeded   = errs.DeadlineExceeded
	// CodeCanceled and CodeFailed are what a run returns that was cancelled
	// or that failed. (Canceled and Failed are states of an operation.)
	CodeCanceled  = errs.Canceled
	CodeFailed    = errs.Failed
	Unimplemented = errs.Unimplemented
)

// CodeOf returns the code of err: that of the first *Error in its chain, that
// of a context's error, or Internal; empty for nil.
func CodeOf(err error) Code { return errs.CodeOf(err) }

// MarkRetryable returns err, marked as worth another try: the operation failed
// for a reason that may pass by itself (a host that does not answer yet, a
// quota that is used up at the moment) and trying again does no harm. The mark
// is the driver's word; the engine decides by its RetryPolicy. nil stays nil.
func MarkRetryable(err error) error {
	if err == nil {
		return nil
	}
	return retryableError{err, 0}
}

// MarkRetryableAfter is MarkRetryable for a failure that says when it is worth
// another try, such as a quota or a service with a Retry-After header: the
// engine waits for so long instead of its backoff.
func MarkRetryableAfter(err error, wait time.Duration) error {
	if err == nil {
		return nil
	}
	return retryableError{err, wait}
}

// Retryable tells whether MarkRetryable marked err or an error that it wraps.
func Retryable(err error) bool {
	var r retryableError
	return errors.As(err, &r)
}

// RetryAfter is what MarkRetryableAfter said of err or an error that it wraps; 0
// where it did not.
func RetryAfter(err error) time.Duration {
	var r retryableError
	errors.As(err, &r)
	return r.after
}

type retryableError struct {
	error
	after time.Duration
}

func (e retryableError) Unwrap() error { return e.error }

// OperationError is an operation that failed by itself.
type OperationError struct {
	// Step is the plan's step; Instance, Interface and Operation what it calls.
	Step, Instance, Interface, Operation string
	// Host is the address where it ran; empty for this machine.
	Host string
	// Attempts is how often it was tried.
	Attempts int
	// Err is the driver's error with the target's own words.
	Err error
}

// Error prints "web_0: Standard.create on 10.0.0.7: message".
func (e *OperationError) Error() string {
	if e.Instance == "" && e.Operation == "" {
		return fmt.Sprint(e.Err) // a precondition about the service
	}
	on := ""
	if e.Host != "" {
		on = " on " + e.Host
	}
	tries := ""
	if e.Attempts > 1 {
		tries = fmt.Sprintf(" (attempt %d)", e.Attempts)
	}
	what := e.Interface + "." + e.Operation
	if e.Instance != "" {
		what = e.Instance + ": " + what
	}
	return fmt.Sprintf("%s%s%s: %v", what, on, tries, e.Err)
}

// Unwrap returns the driver's error.
func (e *OperationError) Unwrap() error { return e.Err }
