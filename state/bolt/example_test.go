package bolt_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/bolt"
)

func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "state.db")

	store, err := bolt.Open(path, bolt.Config{})
	if err != nil {
		log.Fatal(err)
	}
	if err := store.CreateDeployment(ctx, &state.Deployment{ID: "shop", Status: state.Initialized}); err != nil {
		log.Fatal(err)
	}
	lease, err := store.AcquireLease(ctx, "shop", "engine-1", time.Minute)
	if err != nil {
		log.Fatal(err)
	}
	_, err = store.Commit(ctx, "shop", &state.Commit{
		Lease: lease, Revision: 1,
		Deployment: &state.Deployment{ID: "shop", Status: state.Deployed},
		Put:        []*state.Instance{{ID: "web_0", Kind: state.Node, Template: "web", Type: "tosca.nodes.WebServer", State: "started"}},
	})
	if err != nil {
		log.Fatal(err)
	}

	// Another process may look at the file at any time.
	reader, err := bolt.OpenReadOnly(path, bolt.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer reader.Close()
	d, err := reader.Deployment(ctx, "shop")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(d.ID, d.Status)

	// But only one may write to it.
	_, err = bolt.Open(path, bolt.Config{LockTimeout: -1})
	fmt.Println("open again:", state.CodeOf(err))
	if err := store.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// shop deployed
	// open again: conflict
}
