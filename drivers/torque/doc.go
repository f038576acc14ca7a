// Package torque speaks to Torque, and to PBS Pro and OpenPBS, through the
// commands of a login node: it is the hpc.Manager of both families. Which of
// them a cluster runs is asked with "qstat --version".
//
// Written against recordings of Torque 6.1.3 and OpenPBS 23.06.06. What is run:
//
//	            Torque                        PBS
//	jobs        qstat -x -t (XML)             qstat -x -t -f -F json, else -f as text
//	queues      qstat -Q -f, qstat -B -f      the same
//	nodes       pbsnodes -x (XML)             pbsnodes -a -F json, else as text
//	            pbsnodes -o, -c, -N           pbsnodes -o, -r, -C
//	arrays      qsub -t, PBS_ARRAYID          qsub -J, PBS_ARRAY_INDEX
//	resources   nodes=N:ppn=P:gpus=G, mem     select=N:ncpus=C:mpiprocs=T:mem=M:ngpus=G
//
// Both families keep what they call the exit status of a job: the code of its
// script, 128 and a signal for a process that its shell waited for, 256 and a
// signal for the script's shell, and a negative number where the manager itself
// ended the job or could not start it. 271 (256 and SIGTERM) is what qdel leaves.
//
// Torque forgets a job keep_completed seconds after its end, and keeps no
// history: Jobs leaves it out, and of an array that is still known the forgotten
// tasks are Unknown. PBS forgets jobs at their end, unless the site has set
// job_history_enable; until then it answers no question with -x. Whoever needs the
// outcome has the script write it to a file.
//
// An array of PBS may always be run anew: it takes no other.
//
// The job script goes through standard input, so that no name of a file matters.
// Standard output and error are files of the work directory from the start; what
// the manager itself has to say of a job stands in a file beside them, its name
// that of standard output and ".pbs".
package torque
