// Package slurm starts a real Slurm cluster on the loopback interface for
// tests: munge, MariaDB, slurmdbd, slurmctld, slurmrestd and several compute
// nodes, without systemd and without touching the machine's configuration. Only
// tests import it.
//
// It needs Debian's packages slurmctld, slurmd, slurm-client, slurmdbd,
// slurmrestd, slurm-wlm-jwt-plugin, munge and mariadb-server, and root. A test
// binary shares one cluster:
//
//	func TestMain(m *testing.M) { os.Exit(slurm.Main(m)) }
//
//	func TestSomething(t *testing.T) {
//		cluster := slurm.Shared(t)
//		...
//	}
//
// Jobs run as root. The cluster starts in about ten seconds, when the first
// test asks for it.
package slurm
