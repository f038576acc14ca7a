package local_test

import (
	"context"
	"fmt"
	"os"
	"testing/fstest"

	"github.com/seed-a4fd30b5/orchestrator/drivers/local"
	"github.com/seed-a4fd30b5/orchestrator/executor"
)

// An operation as the engine hands it to the driver.
func Example() {
	work, err := os.MkdirTemp("", "example-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(work)
	driver := local.New(local.Config{WorkDir: work})
	op := &executor.Operation{
		ID: "web-create", Interface: "Standard", Name: "create", Attempt: 1,
		Files: fstest.MapFS{"scripts/create.sh": {Data: []byte(`#!/bin/sh
echo "creating on $TOSCA_HOST"
echo "url=http://localhost:$port/" >> "$TOSCA_OUTPUTS"
`)}},
		Primary: &executor.File{Path: "scripts/create.sh"},
		Inputs:  map[string]any{"port": int64(8080)},
		Log:     os.Stdout,
	}
	status, err := driver.Start(context.Background(), op)
	fmt.Println(status.State, status.Outputs["url"], err)
	driver.Forget(op) // the outcome is recorded
	// Output:
	// creating on localhost
	// succeeded http://localhost:8080/ <nil>
}
