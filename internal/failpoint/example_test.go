package failpoint_test

import (
	"fmt"

	"github.com/seed-a4fd30b5/orchestrator/internal/failpoint"
)

func Example() {
	failpoint.Arm(failpoint.BeforeCommit, 2, func() { fmt.Println("here the process would end") })
	defer failpoint.Arm(failpoint.BeforeCommit, 1, nil)
	for i := range 3 {
		fmt.Println("commit", i+1)
		failpoint.Pass(failpoint.BeforeCommit)
	}
	// Output:
	// commit 1
	// commit 2
	// here the process would end
	// commit 3
}
