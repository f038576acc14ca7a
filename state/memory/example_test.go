package memory_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/memory"
)

func Example() {
	ctx := context.Background()
	store := memory.New(memory.Config{})
	defer store.Close()

	if err := store.CreateDeployment(ctx, &state.Deployment{ID: "shop", Status: state.Initialized}); err != nil {
		log.Fatal(err)
	}
	lease, err := store.AcquireLease(ctx, "shop", "engine-1", time.Minute)
	if err != nil {
		log.Fatal(err)
	}
	revision, err := store.Commit(ctx, "shop", &state.Commit{
		Lease: lease, Revision: 1,
		Put:     []*state.Instance{{ID: "web_0", Kind: state.Node, Template: "web", Type: "tosca.nodes.WebServer", State: "started"}},
		Entries: []*state.Entry{{Kind: "state-changed", Instance: "web_0", Data: json.RawMessage(`{"state":"started"}`)}},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("revision", revision)
	for e, err := range store.Journal(ctx, "shop", 0) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Seq, e.Kind, e.Instance, string(e.Data))
	}
	_, err = store.AcquireLease(ctx, "shop", "engine-2", time.Minute)
	fmt.Println("a second engine:", state.CodeOf(err))
	// Output:
	// revision 2
	// 1 state-changed web_0 {"state":"started"}
	// a second engine: conflict
}
