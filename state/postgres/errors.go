package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state/internal/ledger"
)

// failure gives an error a code and says what was being done.
func (s *Store) failure(ctx context.Context, err error, op, subject string) error {
	var coded *errs.Error
	var fromServer *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &coded) && coded.Op != "":
		return err
	case errors.As(err, &coded):
		return &errs.Error{Code: coded.Code, Op: op, Subject: subject, Err: coded.Err, Hint: coded.Hint}
	case s.closed.Load():
		return ledger.Closed(op)
	}
	isFromServer := errors.As(err, &fromServer)
	if ctx.Err() != nil && (!isFromServer || fromServer.Code == canceled) {
		return &errs.Error{Code: errs.CodeOf(ctx.Err()), Op: op, Subject: subject, Err: errors.Join(ctx.Err(), err)}
	}
	if isFromServer {
		code, hint := codeOf(fromServer.Code)
		return &errs.Error{Code: code, Op: op, Subject: subject, Err: err, Hint: hint}
	}
	return &errs.Error{Code: errs.Unavailable, Op: op, Subject: subject, Err: err,
		Hint: "see whether the database can be reached"}
}

// canceled is what the server answers where a statement was canceled.
const canceled = "57014"

// codeOf classifies an SQLSTATE; see appendix A of PostgreSQL's manual.
func codeOf(sqlState string) (code errs.Code, hint string) {
	switch sqlState {
	case "25006":
		return errs.Unavailable, "the server only reads; connect to the primary, such as with target_session_attrs=read-write"
	case "3D000":
		return errs.NotFound, "make the database, or name another"
	case "42501":
		return errs.PermissionDenied, "the user needs CREATE on the database, or all rights on the store's schema"
	case "3F000", "42P01", "42703":
		return errs.FailedPrecondition, "the store's tables were removed or changed; open the store anew"
	}
	switch sqlState[:min(2, len(sqlState))] {
	case "08", "40", "53", "55", "57", "58":
		return errs.Unavailable, "try again; if it stays so, see the server's log"
	case "28":
		return errs.PermissionDenied, "see the user and password, and the server's pg_hba.conf"
	case "54":
		return errs.InvalidArgument, "it is more than the server takes at once"
	}
	return errs.Internal, "see the server's log"
}
