package slurm

import (
	"errors"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// refusals are words of Slurm's commands with the code of the error that they
// mean. The first that is found counts. The texts are those of slurm_errno.c;
// limits are named as in sbatch's first line, "sbatch: error: QOSMaxSubmitJob...".
var refusals = []struct {
	words string
	code  errs.Code
	hint  string
}{
	// The cluster, or its database, does not answer.
	{"Unable to contact slurm controller", errs.Unavailable, "slurmctld does not answer: trying again may help"},
	{"Unable to establish controller machine", errs.Unavailable, ""},
	{"Unable to establish configuration source", errs.Unavailable, ""},
	{"Socket timed out", errs.Unavailable, "slurmctld is busy; what was asked may have been done"},
	{"Connection refused", errs.Unavailable, ""},
	{"Connection timed out", errs.Unavailable, ""},
	{"Zero Bytes were transmitted", errs.Unavailable, ""},
	{"Slurm backup controller in standby", errs.Unavailable, ""},
	{"Unexpected missing socket error", errs.Unavailable, ""},
	{"Transport endpoint", errs.Unavailable, ""},
	{"Protocol authentication error", errs.Unavailable, "see whether munged runs on the login node"},
	{"Munge encode failed", errs.Unavailable, "see whether munged runs on the login node"},
	{"Problem talking to the database", errs.Unavailable, ""},
	// Too many jobs are there already: it will pass.
	{"MaxSubmitJob", errs.Unavailable, "a limit on how many jobs may be submitted is reached: wait until some have ended"},
	{"GrpSubmitJob", errs.Unavailable, "a limit on how many jobs may be submitted is reached: wait until some have ended"},
	{"Slurm temporarily unable to accept job", errs.Unavailable, "the cluster has as many jobs as it takes (MaxJobCount)"},
	{"Resource temporarily unavailable", errs.Unavailable, "the cluster has as many jobs as it takes (MaxJobCount)"},
	{"Job dependency problem", errs.InvalidArgument, ""},
	// A limit on the size of one job, told in the first line.
	{"WallDuration", errs.InvalidArgument, "the job asks for more than a limit allows to one job"},
	{"PerJob", errs.InvalidArgument, "the job asks for more than a limit allows to one job"},
	{"PerNode", errs.InvalidArgument, "the job asks for more than a limit allows to one job"},
	{"QOSMin", errs.InvalidArgument, "the job asks for less than its QOS demands"},
	{"Job violates accounting/QOS policy", errs.Unavailable, "a limit on jobs is reached, or the job asks for more than it allows: see sacctmgr show assoc, and show qos"},
	{"Invalid account or account/partition combination", errs.InvalidArgument, "name an account that may use the partition"},
	{"Unexpected message received", errs.FailedPrecondition, ""},
	{"Invalid job id specified", errs.NotFound, ""},
	{"Invalid node state specified", errs.FailedPrecondition, "the node is not in a state from which it goes there"},
	{"Access/permission denied", errs.PermissionDenied, ""},
	{"not permitted to use this partition", errs.PermissionDenied, ""},
	{"User's group not permitted", errs.PermissionDenied, ""},
	{"Invalid user id", errs.PermissionDenied, ""},
	{"Job is no longer pending execution", errs.FailedPrecondition, ""},
	{"Job/step already completing or completed", errs.FailedPrecondition, ""},
	{"Job is pending execution", errs.FailedPrecondition, ""},
	{"Job is not suspended", errs.FailedPrecondition, ""},
	{"Job is already suspended", errs.FailedPrecondition, ""},
	{"Requested operation is presently disabled", errs.FailedPrecondition, ""},
	{"Requested operation not supported on this system", errs.FailedPrecondition, ""},
	{"Job may not be requeued", errs.FailedPrecondition, "submit it with Requeue, and only then does the manager start it anew"},
}

// refused makes an error of a command that said no.
func refused(op, subject string, a answer) error {
	said := oneLine(a.err)
	if said == "" {
		said = oneLine(a.out)
	}
	e := &errs.Error{Code: errs.InvalidArgument, Op: op, Subject: subject, Err: errors.New(said)}
	if said == "" {
		e.Code, e.Err = errs.Unavailable, errors.New("it failed and did not say why")
	}
	for _, r := range refusals {
		if strings.Contains(said, r.words) {
			e.Code, e.Hint = r.code, r.hint
			break
		}
	}
	if e.Code == errs.Unavailable {
		return executor.MarkRetryable(e)
	}
	return e
}

// noSuchJob tells that a command knows none of the jobs that it was asked about.
func noSuchJob(a answer) bool {
	return a.code != 0 && strings.Contains(a.err+a.out, "Invalid job id specified")
}
