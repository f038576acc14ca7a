package postgres_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"testing"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/postgres"
	"github.com/stretchr/testify/require"
)

// Two engines share a database, and one has the deployment at a time. The URL
// is such as "postgres://user:secret@localhost:5432/database".
func Example() {
	ctx := context.Background()
	url := os.Getenv("DATABASE_URL")
	first, err := postgres.Open(ctx, url, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer first.Close()
	second, err := postgres.Open(ctx, url, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer second.Close()

	if err := first.CreateDeployment(ctx, &state.Deployment{ID: "shop", Status: state.Initialized}); err != nil {
		log.Fatal(err)
	}
	lease, err := first.AcquireLease(ctx, "shop", "engine-1", time.Minute)
	if err != nil {
		log.Fatal(err)
	}
	_, err = second.AcquireLease(ctx, "shop", "engine-2", time.Minute)
	fmt.Println("engine-2:", state.CodeOf(err))

	// The second sees what the first writes, when it is there.
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	go func() {
		_, err := first.Commit(ctx, "shop", &state.Commit{
			Lease: lease, Revision: 1,
			Deployment: &state.Deployment{ID: "shop", Status: state.Deployed},
			Entries:    []*state.Entry{{Kind: "deployed"}},
		})
		if err != nil {
			log.Fatal(err)
		}
	}()
	for e, err := range second.Watch(ctx, "shop", 0) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Seq, e.Kind)
		break
	}
	// Prints:
	// engine-2: conflict
	// 1 deployed
}

// TestExample runs the example with a server.
func TestExample(t *testing.T) {
	t.Setenv("DATABASE_URL", server.Get(t).URL)
	stdout := os.Stdout
	defer func() { os.Stdout = stdout }()
	read, write, err := os.Pipe()
	require.NoError(t, err)
	os.Stdout = write
	Example()
	require.NoError(t, write.Close())
	printed, err := io.ReadAll(read)
	require.NoError(t, err)
	require.Equal(t, "engine-2: conflict\n1 deployed\n", string(printed))
}
