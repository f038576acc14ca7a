package transport_test

import (
	"fmt"

	"github.com/seed-a4fd30b5/orchestrator/drivers/ssh/transport"
)

// Words that are data are quoted before a shell reads them.
func ExampleQuote() {
	fmt.Println("squeue " + transport.Quote("--name", "Ada's job; rm -rf /"))
	// Output:
	// squeue '--name' 'Ada'\''s job; rm -rf /'
}
