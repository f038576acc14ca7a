// Package local runs scripts and programs on this machine: Bash, Python, and
// any executable artifact. The protocol between driver and script, which
// is the same on every host, is described in package drivers.
package local
