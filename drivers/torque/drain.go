package torque

import (
	"context"
	"regexp"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

var (
	// nodeName matches the name of a node, which may be that of a host.
	nodeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	// unknownNode is what both families say of a node that is not theirs, and not
	// of an attribute that a node lacks.
	unknownNode = regexp.MustCompile(`(?im)unknown node\s*($|MSG)`)
)

// Drain marks nodes offline with pbsnodes -o, which takes an operator: they start
// no more jobs, and those that run go on. The reason is the node's note (Torque,
// at most 256 characters) or comment (PBS, cut off after 79).
//
// Errors: InvalidArgument without a reason; NotFound for unknown nodes, of which
// the others are marked nevertheless; PermissionDenied.
func (m *Manager) Drain(ctx context.Context, reason string, nodes ...string) error {
	reason = strings.Join(strings.Fields(reason), " ")
	if reason == "" {
		return errs.New(errs.InvalidArgument, "drain", "node "+strings.Join(nodes, ", "), "say why: others wonder")
	}
	return m.mark(ctx, "drain", "-o", reason, nodes)
}

// Undrain takes the mark and its reason off nodes, with pbsnodes -c of Torque or
// -r of PBS. One that is down stays so.
func (m *Manager) Undrain(ctx context.Context, nodes ...string) error {
	return m.mark(ctx, "undrain", "-c", "", nodes)
}

// mark changes the state of nodes, and what is noted beside it.
func (m *Manager) mark(ctx context.Context, op, change, note string, nodes []string) error {
	if len(nodes) == 0 {
		return nil
	}
	for _, name := range nodes {
		if !nodeName.MatchString(name) {
			return errs.New(errs.NotFound, op, "node "+name, "that is no name of a node")
		}
	}
	kind, err := m.which(ctx)
	if err != nil {
		return err
	}
	option := "-N"
	if kind == kindPBS {
		option = "-C"
		if change == "-c" {
			change = "-r" // its -c takes what is down for up as well
		}
	}
	r, err := m.run(ctx, append([]string{"pbsnodes", change, option, note}, nodes...)...)
	if err != nil {
		return err
	}
	return markFailure(op, "node "+strings.Join(nodes, ", "), r)
}

// markFailure reads what pbsnodes says of a change. Torque's ends with code 0
// whatever comes of it.
func markFailure(op, subject string, r hpc.Result) error {
	said := string(r.Stderr)
	switch {
	case r.Code == 0 && !strings.Contains(said, "Error marking node") && !strings.Contains(said, "Error setting note"):
		return nil
	case unknownNode.MatchString(said):
		return errs.New(errs.NotFound, op, subject, "%s", clip(strings.Join(complaintsOf(said), "; ")))
	}
	return failure(op, subject, r)
}
