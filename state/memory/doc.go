// Package memory is a state.Store that keeps everything in memory: for tests,
// and for programs whose deployments need not outlive the process. It passes
// the same suite as the stores that last, package statetest.
package memory
