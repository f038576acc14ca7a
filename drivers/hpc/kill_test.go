package hpc_test

const killedChild = "ORCHESTRATOR_TEST_HPC_KILL"

func runChild(string) int { return 1 }
