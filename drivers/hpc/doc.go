// Package hpc is what the workload managers have in common: jobs, queues and
// nodes in one vocabulary, the Manager that drivers/slurm and drivers/torque
// implement, and the executor.Driver that runs the jobs of a blueprint on one.
package hpc
