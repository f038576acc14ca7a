// Package executor takes plans through: it runs the operations of a
// deployment by its drivers, as many at once as may run at once, and records
// what happened so that nothing is lost or repeated after a crash.
package executor
