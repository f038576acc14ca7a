package profile_test

import (
	"fmt"

	"github.com/seed-a4fd30b5/orchestrator/tosca/profile"
)

func ExampleOpen() {
	file, content, ok := profile.Open("tosca_simple_yaml_1_3")
	fmt.Println(file, len(content) > 0, ok)
	// Output: profile/tosca_simple_yaml_1_3.yaml true true
}
