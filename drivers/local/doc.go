// Package local runs scripts and programs on this machine: Bash, Python, and
// any executable artifact. The protocol between driver and script, which
// is the same on every host, is described in package drivers.
//
// # After a crash
//
// A script goes on when the program that started it is killed, and leaves its
// exit code and its outputs in its folder, where Recover finds them: until the
// outcome is recorded (executor.Forgetter), or for seven days. Where the machine
// was started anew meanwhile, nothing is known: the outcome is lost. So it is on
// systems other than Linux, which do not tell their starts apart.
//
// What is left in the folders of killed programs, such as inputs in clear, is
// removed by Recover, and by the first Start of the next Driver.
//
// That costs a shell around the script and some ten files: 200 scripts that do
// nothing took 5.4 times the processor time of bare processes, and 3.1 times with
// Config.WorkDir in memory (BenchmarkScaleForks in package executor). What is in
// the folder is of no use after a new start of the machine, so a WorkDir that is
// lost then loses nothing; it must allow programs to be executed.
package local
