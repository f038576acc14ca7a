package slurm_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/drivers/drivertest"
	"github.com/seed-a4fd30b5/orchestrator/drivers/slurm"
	lab "github.com/seed-a4fd30b5/orchestrator/internal/lab/slurm"
)

// TestJobs runs the suite of workload managers on the real Slurm, by its commands
// and by slurmrestd.
func TestJobs(t *testing.T) {
	site := func(t *testing.T) *drivertest.JobSite {
		cluster := lab.Shared(t)
		return &drivertest.JobSite{
			Manager:    managerOf(t, cluster),
			Accounting: true,
			Cancel: func(t *testing.T, id string) {
				_, err := cluster.Command(t.Context(), "scancel", id)
				require.NoError(t, err)
			},
			Down: func(*testing.T) { cluster.StopController() },
			Up:   func(t *testing.T) { require.NoError(t, cluster.StartController(t.Context())) },
			Forget: func(t *testing.T, ids ...string) {
				for _, id := range ids {
					forgotten(t, cluster, id)
				}
			},
		}
	}
	slow := []string{"TimeLimit", "Forgotten", "ServerDown"}
	drivertest.Jobs(t, drivertest.JobHarness{Name: "commands", Site: site, Slow: slow},
		drivertest.JobHarness{Name: "rest", Slow: slow, Site: func(t *testing.T) *drivertest.JobSite {
			s := site(t)
			token, err := lab.Shared(t).Token(t.Context())
			require.NoError(t, err)
			m, err := slurm.NewREST(slurm.RESTOptions{URL: lab.Shared(t).REST, User: "root", Commands: managerOf(t, lab.Shared(t)),
				Token: func(context.Context) (string, error) { return token, nil }})
			require.NoError(t, err)
			s.Manager, s.NoRecord = m, true
			return s
		}})
}
