package state

import "github.com/seed-a4fd30b5/orchestrator/internal/errs"

// Error says what was being done to what, what went wrong and what to do.
// Every error of a store that is not that of a caller's own reader is one, or
// wraps one.
type Error = errs.Error

// Code classifies an error. Programs act upon the code, not the message.
type Code = errs.Code

// The codes. A comment tells when a store returns one.
const (
	// CodeInternal: the stored data is damaged, or a defect of the store.
	CodeInternal = errs.Internal
	// CodeInvalidArgument: the call can never succeed as it is.
	CodeInvalidArgument = errs.InvalidArgument
	// CodeNotFound: there is no such deployment, run, blob or file.
	CodeNotFound = errs.NotFound
	// CodeAlreadyExists: the deployment's ID is taken.
	CodeAlreadyExists = errs.AlreadyExists
	// CodeFailedPrecondition: the lease is not held, or the file is not one
	// that this version can use.
	CodeFailedPrecondition = errs.FailedPrecondition
	// CodeConflict: another revision, another lease holder, or another process
	// has the file.
	CodeConflict = errs.Conflict
	// CodePermissionDenied: the file may not be read or written, or the store
	// was opened for reading only.
	CodePermissionDenied = errs.PermissionDenied
	// CodeUnavailable: the disk or server did not do it (trying again may
	// help), or the store is closed.
	CodeUnavailable = errs.Unavailable
	// CodeDeadlineExceeded: the context's deadline passed.
	CodeDeadlineExceeded = errs.DeadlineExceeded
	// CodeCanceled: the context was canceled.
	CodeCanceled = errs.Canceled
)

// CodeOf returns the code of the first *Error in err's chain, that of a
// context's error, or CodeInternal; the empty Code for a nil err.
func CodeOf(err error) Code { return errs.CodeOf(err) }
