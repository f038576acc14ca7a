// Command embed deploys a service template from a Go program, prints its
// outputs and undeploys it again.
//
//	go run ./examples/embed examples/quickstart/service.yaml
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/seed-a4fd30b5/orchestrator/csar"
	"github.com/seed-a4fd30b5/orchestrator/drivers/local"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/state/memory"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: embed SERVICE_TEMPLATE_OR_CSAR")
	}
	if err := run(context.Background(), os.Args[1], os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, path string, out io.Writer) error {
	archive, err := csar.Open(path, nil)
	if err != nil {
		return err
	}
	defer archive.Close()
	engine, err := executor.New(executor.Config{
		Store:   memory.New(memory.Config{}),
		Drivers: []executor.Driver{local.New(local.Config{})},
	})
	if err != nil {
		return err
	}
	defer engine.Close()
	if _, err := engine.Deploy(ctx, executor.Request{Deployment: "hello", Archive: archive}); err != nil {
		return err
	}
	outputs, err := engine.Outputs(ctx, "hello")
	if err != nil {
		return err
	}
	for _, o := range outputs {
		fmt.Fprintf(out, "%s: %v\n", o.Name, o.Value)
	}
	_, err = engine.Undeploy(ctx, "hello", executor.Options{})
	return err
}
