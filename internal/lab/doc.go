// Package lab gives tests the real services they need: it finds the programs
// and starts servers on loopback that end with the test. Only tests import it.
//
// A test says at its start what it cannot do without:
//
//	playbook := lab.Require(t, "ansible-playbook")
//
// On a machine without the program the test is skipped under that name. With
// ORCHESTRATOR_REQUIRE_SERVICES=1 it fails instead, so that a continuous
// integration run cannot pass by skipping.
package lab
