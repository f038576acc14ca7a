// Package drivertest holds what every driver that runs scripts must do, as a
// test suite. A driver's test calls Run with a Harness:
//
//	func TestConformance(t *testing.T) {
//		drivertest.Run(t, drivertest.Harness{
//			New: func(t *testing.T) executor.Driver { return local.New(local.Config{}) },
//		})
//	}
//
// Jobs is the suite of workload managers: what every hpc.Manager must do, by
// itself and in the hands of hpc.Driver, given a JobHarness.
//
// The protocol that the suite checks is described in package drivers.
package drivertest
