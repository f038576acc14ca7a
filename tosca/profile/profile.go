package profile

import "embed"

//go:embed *.yaml
var files embed.FS

// Orchestrator is the name of the profile with this module's own types, such
// as the artifact type of Ansible playbooks. Package tosca makes it visible in
// every template of TOSCA 1.x.
const Orchestrator = "orchestrator"

// NFV is the name of the profile of the TOSCA Simple Profile for Network
// Functions Virtualization 1.0. Templates of TOSCA 2.0 import it; those whose
// tosca_definitions_version is tosca_simple_profile_for_nfv_1_0 see it by
// themselves.
const NFV = "org.oasis-open.simple-for-nfv:1.0"

// HPC is the name of the profile with this module's types for clusters and
// jobs: nodes such as hpc.nodes.Cluster and hpc.nodes.Job. Templates of every
// version import it by that name.
const HPC = "hpc"

// names lists the profiles: the value of tosca_definitions_version for TOSCA
// 1.x, whose profile is imported by itself, and the profile's name for TOSCA
// 2.0, whose templates import it. The specification's examples call the Simple
// Profile of 2.0 otherwise than the community that publishes it.
var names = []struct{ name, file string }{
	{"tosca_simple_yaml_1_0", "tosca_simple_yaml_1_0.yaml"},
	{"tosca_simple_yaml_1_1", "tosca_simple_yaml_1_1.yaml"},
	{"tosca_simple_yaml_1_2", "tosca_simple_yaml_1_2.yaml"},
	{"tosca_simple_yaml_1_3", "tosca_simple_yaml_1_3.yaml"},
	{"org.oasis-open.tosca.simple:2.0", "simple_2_0.yaml"},
	{"org.oasis-open.simple:2.0", "simple_2_0.yaml"},
	{NFV, "simple_for_nfv_1_0.yaml"},
	{Orchestrator, "orchestrator.yaml"},
	{HPC, "hpc.yaml"},
}

// Names returns the names of the built-in profiles.
func Names() []string {
	all := make([]string, len(names))
	for i, n := range names {
		all[i] = n.name
	}
	return all
}

// Open returns the text of the profile of that name, and the file name under
// which diagnostics show it. ok is false where there is no such profile.
func Open(name string) (file string, content []byte, ok bool) {
	for _, n := range names {
		if n.name != name {
			continue
		}
		content, err := files.ReadFile(n.file)
		if err != nil {
			return "", nil, false
		}
		return "profile/" + n.file, content, true
	}
	return "", nil, false
}
