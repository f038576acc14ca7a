// Package executor takes plans through: it deploys service templates and keeps
// the deployments under control. It calls the operations of a deployment by its
// drivers, as many at once as may run at once, and records what happened so
// that nothing is lost or repeated after a crash.
//
// An [Engine] is made of a store and drivers:
//
//	Deploy, Update, Undeploy    take a service template through its life cycle
//	Notify, RunWorkflow         call what its policies and workflows say
//	Resume                      goes on after a crash, a failure or a cancellation
//	Cancel                      ends a run, whichever engine it goes on in
//	PlanDeploy, ...             tell what would be done
//	Prune, Sweep                forget what is not needed any more
//	Outputs, Info, ...          tell what is known
//	Events, Logs                tell what happened and happens
//
// The end of a call's context cancels the run: running operations are stopped
// in the outside world, and what was done is recorded.
//
// # How a run works
//
// One goroutine owns a run. Drivers, timers and commits post to its inbox, so
// that instances, journal and events change in one order. A step begins as soon
// as the steps before it have succeeded; an operation then waits for its node
// (two calls never work on the same one at once), for a worker and for room on
// its host and in its driver.
//
// The intent to run an operation is on disk before [Driver.Start] is called; the
// handle of one that goes on by itself and the outcome are written behind it,
// together with what they change in the instances, and together with what else
// is to be written then. Steps without a side effect cost no commit.
//
// Where a driver is a [Chainer], an operation may begin when the one before it has
// begun: a job that waits for another one in the queue of a workload manager.
//
// After a crash the lease ends and [Engine.Resume] reads the journal: what was
// done stays done, what has a handle is asked after, what may have begun is
// looked for by [Driver.Recover]. Only where even the driver cannot tell, the
// operation fails as "outcome unknown", unless it may be run again: by the
// metadata "rerunnable: true" of its node template, Config.RerunLost,
// Request.RerunLost or Options.RerunLost. Where the driver gets no answer, the
// next Resume asks again.
//
// An engine that was stopped for so long that its lease ended cannot write any
// more: its calls return FailedPrecondition with the name of the engine that has
// the deployment now. A second engine is refused with Conflict and the name of
// the first.
//
// # When something fails
//
// An operation that failed is tried again as [RetryPolicy] and the metadata of
// its node template say ("retries: 3", "retry_backoff: 10 s"), within the timeout
// of its implementation, of the Request or of the Config for each attempt. Then
// the run stops or goes on with the rest ([FailurePolicy]), and a Deploy with
// Request.Rollback takes back what it has made. Resume tries only the steps that
// failed or were not reached.
//
// # How it is proved
//
// What Resume does depends on the last thing that was written before the crash:
//
//	no intent                     the operation is started
//	intent, Start not called      Recover says "not started": it is started
//	intent, in or behind Start    Recover finds it: it is followed, or its outcome recorded
//	the same, not to be found     outcome unknown: fails, unless it may be run again
//	the same, driver unreachable  Resume fails, and the next one asks again
//	handle                        Poll is asked after it; Start is not called again
//	it ended, no outcome          as with the handle: the outcome is recorded once
//	outcome                       it stays as it is
//	waiting for the next attempt  the next attempt is started
//	begun behind one that goes on as with the handle: both wait outside
//	cancel asked for              what runs is stopped, the run ends as canceled
//	told to stop, seen no end     Poll is asked after it; it is begun anew when it has stopped
//	the same, another run begins  it is told to stop again; refused while that is not seen
//	rollback begun                it goes on
//	lease lost, process alive     its writes are refused: nothing of it counts
//
// TestKillAtFailpoints kills processes at every write of the engine to its store
// and at every call of a driver, before and behind it; TestKill and
// TestKillPostgres at random moments. Each takes generated deployments through
// rollback, cancel, deploy, update, undeploy and delete, with jobs of a batch
// system, calls of a service and real scripts, whose deeds are in a witness. The
// tests check that nothing of the plans was lost, nothing repeated after success,
// nothing left running that no record knows of, that the order was kept and that
// the state is that of a run without a crash. TestCrashAtEveryCommit,
// TestCrashInChain, TestRollbackSurvivesCrash, TestCancelIsEndedAfterACrash,
// TestLostOperations, TestUnansweredRecover, TestCancelThatIsNotObeyed,
// TestNothingBeginsBesideWhatDidNotStop and TestPausedEngineIsFenced show the
// lines of the table one by one. A few dozen processes are killed by go test, the
// thousand by
//
//	go test ./executor -v -run 'TestKill$' -kills 1000 -timeout 60m
//	go test ./executor -v -run TestKillPostgres -kills 300 -timeout 60m
//
// The last time, on 2 cores: 150 deployments with 1007 kills on bolt and 27
// with 310 on PostgreSQL; lost 0, repeated after success 0, orphans 0.
//
// # Seeing
//
// [Engine.Events] gives what happened from any point on and goes on with what
// happens, in any process that shares the store; Config.Observe gets it in this
// one. What operations print is stored with the commits that are made anyway, or
// within a second, so a crash loses no more: see [Engine.Logs] and Config.MaxLog.
//
// Spans go to Config.TracerProvider, in the scope of this package's path: "run
// KIND" below the span of the caller, with a link to the span of the run's begin
// when it is resumed (its trace is kept in the journal); below it "step
// INTERFACE.OPERATION" for each call, from when it could begin to its end, waits
// and all attempts included; and below that "operation INTERFACE.OPERATION" for
// each attempt, which the context of the driver carries. Their attributes are
// orchestrator.deployment, .run and .outcome, those of runs .run.kind too, and
// those of the others orchestrator.step, .instance, .operation
// ("Standard.create"), .operation.id, .driver, .host and, of attempts, .attempt.
// Outcomes are the words of the journal, "interrupted" for what its engine had to
// leave, and "not-started" for what Recover did not find. An error is recorded
// without secrets.
//
// Metrics go to Config.MeterProvider:
//
//	orchestrator.runs.started         counter by run.kind
//	orchestrator.runs.ended           counter by run.kind, outcome
//	orchestrator.run.duration         histogram (s) by run.kind, outcome
//	orchestrator.operations.started   counter of attempts by driver
//	orchestrator.operations.ended     counter of attempts by driver, outcome
//	orchestrator.operation.duration   histogram (s) by driver, outcome
//	orchestrator.operations.running   how many run now, by driver
//	orchestrator.operations.waiting   how many wait for a worker or for room
//	orchestrator.poll.duration        histogram (s) by driver, outcome
//	orchestrator.commit.duration      histogram (s) by outcome; its count is that of commits
//	orchestrator.leases.lost          counter
//
// Each attribute has "orchestrator." before its name. The outcome of a poll or a
// commit is "succeeded" or the code of its error.
//
// # Scale
//
// A run has one goroutine, whatever it has of nodes; workers have one each, and
// operations that go on by themselves none: one Poll asks after all of a driver.
// Runs that want a worker take turns, one operation each. Tests hold all this.
//
// Measured on 2 shared cores (AMD EPYC) beside other work, on the bolt store;
// processor time ("cpu") counts all threads:
//
//	1,000 nodes without operations      0.08 s, cpu 0.03 to 0.06 s, 1 commit
//	100,000, with 200,000 relationships 4.0 to 4.7 s (up to 26 s on a busier machine), cpu 5.2 s,
//	                                    19 commits, 90 syncs, peak 1.0 GB
//	loading the template of the same    cpu 3.2 s, not in the above
//	1,000 deployments of 20 nodes       5.1 s, cpu 2.0 s, at most 3,757 goroutines, 387 MB,
//	                                    4,964 commits in 238 syncs
//	10,000 operations waiting           3,069 bytes each with node and plan, 7 goroutines in all
//	200 processes beside 200 bare ones  1.2 to 1.8 times as long, cpu 1.1 to 1.5 times, 131 to
//	                                    156 commits; with drivers/local 2.9 to 5.5 times,
//	                                    cpu 2.8 to 5.4 times
//	the same, all files in memory       1.3 times, cpu 1.3 times; drivers/local 2.9 and 3.1
//
// What is left of the last is the wait for the disk before each operation and,
// with drivers/local, the shell and the files by which a script is found again.
// With GOMEMLIMIT=800MiB the 100,000 nodes peaked at 891 MB, for a third more
// processor time. The command:
//
//	go test ./executor -run '^$' -bench Scale -benchtime 1x -timeout 30m
//
// # Secrets
//
// Sensitive values (metadata "sensitive: true", and types that hold secrets) reach
// the operations that use them, and print as "***" in events, errors, logs, spans
// and [Info]. They are stored encrypted under Config.Key; without a key they are not
// stored.
package executor
