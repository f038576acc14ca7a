// Package errs is the module's one error model. state and executor re-export
// it under their own names.
package errs

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Code classifies an error. Programs act upon the code, not the message.
type Code string

// The codes.
const (
	// Internal is a defect of this module, or an error that nobody classified.
	Internal Code = "internal"
	// InvalidArgument: the call can never succeed as it is.
	InvalidArgument Code = "invalid-argument"
	// NotFound: what was named does not exist.
	NotFound Code = "not-found"
	// AlreadyExists: what was to be made is there.
	AlreadyExists Code = "already-exists"
	// FailedPrecondition: the state of things does not allow it now.
	FailedPrecondition Code = "failed-precondition"
	// Conflict: somebody else changed it, or holds it.
	Conflict Code = "conflict"
	// PermissionDenied: the credentials do not suffice, or a host key is not trusted.
	PermissionDenied Code = "permission-denied"
	// Unavailable: a service or host did not answer; trying again may help.
	Unavailable Code = "unavailable"
	// DeadlineExceeded: a timeout passed.
	DeadlineExceeded Code = "deadline-exceeded"
	// Canceled: somebody asked to stop.
	Canceled Code = "canceled"
	// Failed: the operation ran and failed by its own word (exit code, failed task).
	Failed Code = "failed"
	// Unimplemented: nothing here can do it.
	Unimplemented Code = "unimplemented"
)

// Error says what was being done to what, what went wrong and what to do.
type Error struct {
	Code Code
	// Op is what was being done, such as "deploy" or "open store".
	Op string
	// Subject is what it was done to, such as a deployment, a host or a file.
	Subject string
	// Err is the cause.
	Err error
	// Hint is what to do about it, a sentence; may be empty.
	Hint string
}

// Error prints "op subject: cause" and the hint behind it.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Subject != "" {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(e.Subject)
	}
	if e.Err != nil {
		if b.Len() > 0 {
			b.WriteString(": ")
		}
		b.WriteString(e.Err.Error())
	}
	if b.Len() == 0 {
		b.WriteString(string(e.Code))
	}
	if e.Hint != "" {
		b.WriteString(" (" + e.Hint + ")")
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// New returns an *Error whose cause is a formatted text.
func New(code Code, op, subject, format string, args ...any) *Error {
	return &Error{Code: code, Op: op, Subject: subject, Err: fmt.Errorf(format, args...)}
}

// Wrap returns err as an *Error with what was being done; nil for a nil err.
// The code is that of err where it has one.
func Wrap(err error, op, subject string) error {
	if err == nil {
		return nil
	}
	return &Error{Code: CodeOf(err), Op: op, Subject: subject, Err: err}
}

// CodeOf returns the code of the first *Error in err's chain, that of a
// context's error, or Internal; the empty Code for a nil err.
func CodeOf(err error) Code {
	var e *Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Code
	case errors.Is(err, context.Canceled):
		return Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return DeadlineExceeded
	}
	return Internal
}
