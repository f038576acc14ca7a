package torque_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/drivers/drivertest"
	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/internal/lab/pbs"
)

// TestJobs runs the suite of workload managers with Torque and with OpenPBS, as
// they are imitated.
func TestJobs(t *testing.T) {
	harness := func(flavour pbs.Flavour) drivertest.JobHarness {
		return drivertest.JobHarness{Name: string(flavour), Site: func(t *testing.T) *drivertest.JobSite {
			s := newSite(t, flavour, pbs.Options{Slots: 8, KillDelay: 200 * time.Millisecond})
			return &drivertest.JobSite{
				Manager: s.Manager,
				Cancel: func(t *testing.T, id string) {
					r, err := s.shell.Run(t.Context(), hpc.Command{Args: []string{"qdel", id}})
					require.NoError(t, err)
					require.Zero(t, r.Code, "%s", r.Stderr)
				},
				Down: func(t *testing.T) { s.cluster.Change(t, func(o *pbs.Options) { o.Down = true }) },
				Up:   func(t *testing.T) { s.cluster.Change(t, func(o *pbs.Options) { o.Down = false }) },
				Forget: func(t *testing.T, ids ...string) {
					s.cluster.Change(t, func(o *pbs.Options) { o.KeepCompleted, o.NoHistory = time.Millisecond, true })
					require.Eventually(t, func() bool {
						jobs, err := s.Jobs(t.Context(), ids)
						return err == nil && len(jobs) == 0
					}, 2*time.Minute, 50*time.Millisecond)
				},
			}
		}}
	}
	drivertest.Jobs(t, harness(pbs.Torque), harness(pbs.OpenPBS))
}
