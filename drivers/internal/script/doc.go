// Package script is what the drivers that run scripts share: the protocol
// between them and the scripts. Users read it in package drivers.
//
// Prepare turns an operation into a Job: the files to lay out in a working
// directory, the command, the environment and the inputs. ParseOutputs reads
// back what the script returned, Lines carries what it printed, and Failure
// makes an error of how it ended.
package script
