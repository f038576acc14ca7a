// Package ssh runs scripts and programs on other hosts over SSH, by the
// protocol that package drivers describes.
//
// Files go up by SFTP into a folder of the operation's own below
// Config.WorkDir. The script runs there in a session of its own, apart from the
// connection: what it prints and how it ends is in files, which the driver
// follows. So an operation survives a broken connection, and Recover finds it again
// after a crash of the orchestrator. When it has ended, its files and inputs
// are removed at once, and the rest (how it ended and what it printed) when its
// outcome is recorded (executor.Forgetter): a few seconds later, or by Close,
// which an engine's owner calls after the engine's. Config.WorkDir itself stays.
// What killed programs have left there, and nobody has asked for within a week,
// goes with the folders that a later one removes.
//
// A host needs an SSH server with SFTP, a POSIX shell, and what the scripts need.
package ssh
