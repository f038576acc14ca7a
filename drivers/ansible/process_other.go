//go:build !unix

package ansible

import (
	"context"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// preload does not exist: Ansible runs on Unix systems only.
type preload struct{}

func (p *preload) close() {}

func (d *Driver) execute(context.Context, *installation, *workdir, []string, *outcome) (int, error) {
	return 0, errs.New(errs.Unimplemented, "", "", "Ansible does not run on this system")
}
