package tosca

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNearestVersion(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"tosca_simple_yaml_1_4":            "tosca_simple_yaml_1_3",
		"tosca_simple_yaml_1_10":           "tosca_simple_yaml_1_3",
		"tosca_simple_yaml_1_1_0":          "tosca_simple_yaml_1_1",
		"tosca_simple_yml_1_2":             "tosca_simple_yaml_1_2",
		"TOSCA_simple_yaml_1_3":            "tosca_simple_yaml_1_3",
		"tosca_simple_yaml_2_0":            "tosca_2_0",
		"tosca_1_3":                        "tosca_simple_yaml_1_3",
		"tosca_2_1":                        "tosca_2_0",
		"tosca_3_0":                        "tosca_2_0",
		"tosca_simple_yaml_9999_0":         "tosca_2_0",
		"tosca_simple_profile_for_nfv_1_1": "tosca_simple_profile_for_nfv_1_0",
		"tosca_simple_yaml_1.3":            "tosca_simple_yaml_1_3",
		"kubernetes_1_3":                   "",
		"":                                 "",
	} {
		require.Equal(t, want, nearestVersion(name), name)
	}
}
