package state_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/memory"
)

// An engine that was paused cannot write once another has taken over.
func Example() {
	ctx := context.Background()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	store := memory.New(memory.Config{Now: func() time.Time { return now }})
	defer store.Close()
	if err := store.CreateDeployment(ctx, &state.Deployment{ID: "shop"}); err != nil {
		log.Fatal(err)
	}

	paused, err := store.AcquireLease(ctx, "shop", "engine-1", 30*time.Second)
	if err != nil {
		log.Fatal(err)
	}
	now = now.Add(time.Minute)
	lease, err := store.AcquireLease(ctx, "shop", "engine-2", 30*time.Second)
	if err != nil {
		log.Fatal(err)
	}

	_, err = store.Commit(ctx, "shop", &state.Commit{Lease: paused, Revision: 1})
	fmt.Println("engine-1:", state.CodeOf(err))
	revision, err := store.Commit(ctx, "shop", &state.Commit{Lease: lease, Revision: 1})
	fmt.Println("engine-2:", revision, err)
	// Output:
	// engine-1: failed-precondition
	// engine-2: 2 <nil>
}
