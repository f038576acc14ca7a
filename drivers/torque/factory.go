package torque

import "github.com/seed-a4fd30b5/orchestrator/drivers/hpc"

// Factory makes Managers of Torque, PBS Pro and OpenPBS for hpc.Open and the
// driver of jobs.
func Factory() hpc.Factory {
	return hpc.Factory{
		Name:    kindTorque,
		Aliases: []string{kindPBS, "pbspro", "pbs-pro", "openpbs"},
		Detect:  Detect,
		New:     func(shell hpc.Shell) (hpc.Manager, error) { return New(shell, nil) },
	}
}
