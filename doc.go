// Package orchestrator is the root of a module that deploys and runs
// applications described in TOSCA: on this machine, on any host reachable
// through SSH, with scripts and with Ansible playbooks.
//
// The root holds no code. Data goes one way through the packages:
//
//	bytes ─▶ csar.Archive ─▶ tosca.ServiceTemplate ─▶ workflow.Plan ─▶ executor.Engine ─▶ drivers
//	                                                                        │   ▲
//	                                                                        ▼   │
//	                                                                    state.Store
//
// The packages, in that order:
//
//   - [github.com/seed-a4fd30b5/orchestrator/csar] opens archives (zip, tar, a
//     folder, a lone YAML file) as read-only file systems, and packs and
//     unpacks them.
//   - [github.com/seed-a4fd30b5/orchestrator/tosca] loads a service template,
//     with all that it imports, into a typed and linked model, and says of
//     every fault where it stands and what to do.
//   - [github.com/seed-a4fd30b5/orchestrator/workflow] makes plans: graphs of
//     steps that can be printed, drawn, compared and run.
//   - [github.com/seed-a4fd30b5/orchestrator/state] keeps what is known of
//     deployments; state/memory and state/bolt are stores.
//   - [github.com/seed-a4fd30b5/orchestrator/executor] takes plans through,
//     journals every step, and resumes after a crash.
//   - drivers/local, drivers/ssh and drivers/ansible take operations to the
//     place where they happen. The embedding program picks them.
//
// A program that deploys a service template on this machine:
//
//	archive, err := csar.Open("service.yaml", nil)
//	if err != nil {
//		return err
//	}
//	defer archive.Close()
//	engine, err := executor.New(executor.Config{
//		Store:   memory.New(memory.Config{}),
//		Drivers: []executor.Driver{local.New(local.Config{})},
//	})
//	if err != nil {
//		return err
//	}
//	defer engine.Close()
//	if _, err := engine.Deploy(ctx, executor.Request{Deployment: "hello", Archive: archive}); err != nil {
//		return err
//	}
//	outputs, err := engine.Outputs(ctx, "hello")
//
// examples/embed is that program; examples/opera is a whole command line.
package orchestrator
