// Package pbs is an imitation of the commands of Torque 6.1.3 and OpenPBS
// 23.06.06 for tests: qsub, qstat, qselect, qdel, qhold, qrls, qsig, qrerun and
// pbsnodes, over a folder, as an operator unless Options say otherwise. It runs the jobs for real, as processes, and answers
// as recordings of the real managers do, word by word where they have it: their
// exit codes, that Torque forgets ended jobs, its transient failure of qdel, its
// bug with "qstat ID[]", and what either refuses or accepts.
//
// There is no daemon: each command, and the supervisor of each job, first does
// what is due. The commands are links to the test's own binary, so TestMain must
// call Main before all else:
//
//	func TestMain(m *testing.M) {
//		pbs.Main()
//		os.Exit(m.Run())
//	}
//
// Where many of them make the tests slow, as with the race detector, the variable
// LAB_PBS_PROGRAM names a program that is the commands instead: the one in the
// folder command.
package pbs
