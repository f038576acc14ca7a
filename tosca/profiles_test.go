package tosca

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/tosca/profile"
)

// normative are the types of the specifications' chapters on normative types,
// written by hand from them: by kind, the versions in which a type is, and its
// properties, attributes, capabilities and requirements, inherited ones left
// out. "1.1-" is from 1.1 on, "-1.1" up to 1.1.
const normative = `
data tosca.datatypes.Root -
data tosca.datatypes.json 1.2-
data tosca.datatypes.xml 1.2-
data tosca.datatypes.Credential - protocol token_type token keys user
data tosca.datatypes.TimeInterval 1.1- start_time end_time
data tosca.datatypes.network.NetworkInfo - network_name network_id addresses
data tosca.datatypes.network.PortInfo - port_name port_id network_id mac_address addresses
data tosca.datatypes.network.PortDef -
data tosca.datatypes.network.PortSpec - protocol target target_range source source_range
artifact tosca.artifacts.Root -
artifact tosca.artifacts.File -
artifact tosca.artifacts.Deployment -
artifact tosca.artifacts.Deployment.Image -
artifact tosca.artifacts.Deployment.Image.VM -
artifact tosca.artifacts.Implementation -
artifact tosca.artifacts.Implementation.Bash -
artifact tosca.artifacts.Implementation.Python -
capability tosca.capabilities.Root -
capability tosca.capabilities.Node -
capability tosca.capabilities.Compute 1.1- name num_cpus cpu_frequency disk_size mem_size
capability tosca.capabilities.Network - name
capability tosca.capabilities.Storage - name
capability tosca.capabilities.Container -
capability tosca.capabilities.Endpoint - protocol port secure url_path port_name network_name initiator ports @ip_address
capability tosca.capabilities.Endpoint.Public - network_name floating dns_name
capability tosca.capabilities.Endpoint.Admin - secure
capability tosca.capabilities.Endpoint.Database -
capability tosca.capabilities.Attachment -
capability tosca.capabilities.OperatingSystem - architecture type distribution version
capability tosca.capabilities.Scalable - min_instances max_instances default_instances
capability tosca.capabilities.network.Bindable -
capability tosca.capabilities.network.Linkable -
interface tosca.interfaces.Root -
interface tosca.interfaces.node.lifecycle.Standard - create configure start stop delete
interface tosca.interfaces.relationship.Configure - pre_configure_source pre_configure_target post_configure_source post_configure_target add_target add_source target_changed remove_target
relationship tosca.relationships.Root - @tosca_id @tosca_name @state
relationship tosca.relationships.DependsOn -
relationship tosca.relationships.HostedOn -
relationship tosca.relationships.ConnectsTo - credential
relationship tosca.relationships.AttachesTo - location device
relationship tosca.relationships.RoutesTo -
relationship tosca.relationships.network.LinksTo -
relationship tosca.relationships.network.BindsTo -
node tosca.nodes.Root - @tosca_id @tosca_name @state +feature >dependency
node tosca.nodes.Abstract.Compute 1.2- +host
node tosca.nodes.Compute - @private_address @public_address @networks @ports +host +endpoint +os +scalable +binding >local_storage
node tosca.nodes.SoftwareComponent - component_version admin_credential >host
node tosca.nodes.WebServer - +data_endpoint +admin_endpoint +host
node tosca.nodes.WebApplication - context_root +app_endpoint >host
node tosca.nodes.DBMS - root_password port +host
node tosca.nodes.Database - name port user password +database_endpoint >host
node tosca.nodes.Abstract.Storage 1.2- name size
node tosca.nodes.ObjectStorage -1.0 name size maxsize +storage_endpoint
node tosca.nodes.BlockStorage -1.1 size volume_id snapshot_id +attachment
node tosca.nodes.Storage.ObjectStorage 1.1- maxsize +storage_endpoint
node tosca.nodes.Storage.BlockStorage 1.2- size volume_id snapshot_id +attachment
node tosca.nodes.Container.Runtime - +host +scalable
node tosca.nodes.Container.Application - >host
node tosca.nodes.LoadBalancer - algorithm +client >application
node tosca.nodes.network.Network - ip_version cidr start_ip end_ip gateway_ip network_name network_id segmentation_id network_type physical_network dhcp_enabled @segmentation_id +link
node tosca.nodes.network.Port - ip_address order is_default ip_range_start ip_range_end @ip_address >link >binding
group tosca.groups.Root -
policy tosca.policies.Root -
policy tosca.policies.Placement -
policy tosca.policies.Scaling -
policy tosca.policies.Update -
policy tosca.policies.Performance -
`

// counts are how many types each version has by kind, in order of the kinds:
// data, artifact, capability, interface, relationship, node, group, policy.
var counts = map[string][kinds]int{
	"1.0": {6, 8, 14, 3, 8, 14, 1, 5},
	"1.1": {7, 8, 15, 3, 8, 14, 1, 5},
	"1.2": {9, 8, 15, 3, 8, 16, 1, 5},
	"1.3": {9, 8, 15, 3, 8, 16, 1, 5},
}

func TestNormativeTypes(t *testing.T) {
	t.Parallel()
	for version, want := range counts {
		d := builtinProfile("tosca_simple_yaml_" + strings.ReplaceAll(version, ".", "_"))
		var got [kinds]int
		for line := range strings.Lines(strings.TrimSpace(normative)) {
			words := strings.Fields(line)
			from, to, _ := strings.Cut(words[2], "-")
			if version < from || to != "" && version > to {
				continue
			}
			kind := typeKind(slices.IndexFunc(kindInfo[:], func(k struct{ name, section, prefix string }) bool { return k.name == words[0]+" type" }))
			got[kind]++
			decl := d.decls[kind][words[1]]
			require.NotNil(t, decl, "%s: %s", version, words[1])
			have := membersOf(d, decl)
			for _, member := range words[3:] {
				require.Contains(t, have, member, "%s: %s", version, words[1])
			}
		}
		require.Equal(t, want, got, version)
	}
}

// membersOf lists what a type itself defines: properties and operations,
// @attributes, +capabilities and >requirements.
func membersOf(d *document, t *typeDecl) []string {
	var list []string
	for _, section := range []struct{ key, sign string }{{"properties", ""}, {"attributes", "@"}, {"capabilities", "+"}} {
		for _, f := range d.entries(t.node.Get(section.key), section.key) {
			list = append(list, section.sign+f.Key.Text)
		}
	}
	for _, item := range d.items(t.node.Get("requirements"), "requirements") {
		list = append(list, ">"+item.Fields[0].Key.Text)
	}
	if t.kind == interfaceKind {
		for _, op := range t.typ.(*InterfaceType).Operations {
			list = append(list, op.Name)
		}
	}
	return list
}

// TestSimpleProfileOf20 wants the types that the community publishes as
// org.oasis-open.simple:2.0, by their names there.
func TestSimpleProfileOf20(t *testing.T) {
	t.Parallel()
	published := map[typeKind]string{
		dataKind:         "json xml Credential TimeInterval NetworkInfo PortInfo PortDef PortSpec",
		artifactKind:     "Root File Deployment Deployment.Image Deployment.Image.VM Implementation Implementation.Bash Implementation.Python",
		capabilityKind:   "Node Container Compute Endpoint Endpoint.Public Endpoint.Admin Endpoint.Database Attachment OperatingSystem Scalable Network Bindable Linkable",
		interfaceKind:    "Lifecycle.Standard Relationship.Configure",
		relationshipKind: "Root DependsOn HostedOn ConnectsTo AttachesTo LinksTo BindsTo RoutesTo",
		nodeKind: "Root Abstract.Compute Compute SoftwareComponent WebServer WebApplication DBMS Database Abstract.Storage " +
			"Storage.ObjectStorage Storage.BlockStorage Container.Runtime Container.Application Network Port LoadBalancer",
		groupKind:  "Root",
		policyKind: "Root Placement Scaling Update Performance",
	}
	d := builtinProfile("org.oasis-open.simple:2.0")
	require.Same(t, d, builtinProfile("org.oasis-open.tosca.simple:2.0"))
	old := builtinProfile("tosca_simple_yaml_1_3")
	for kind, names := range published {
		for name := range strings.FieldsSeq(names) {
			decl := d.decls[kind][name]
			require.NotNil(t, decl, "%s %s", kind, name)
			require.Equal(t, "org.oasis-open.simple:2.0", decl.header.Profile)
			require.NotEmpty(t, decl.header.aliases, "%s %s has the URI of its type in 1.3", kind, name)
			require.NotNil(t, old.decls[kind][decl.header.aliases[0]], "%s %s", kind, name)
		}
	}
}

func TestNFVProfile(t *testing.T) {
	t.Parallel()
	d := builtinProfile(profile.NFV)
	got := map[string][]string{}
	for kind := range kinds {
		for _, decl := range d.order[kind] {
			got[kind.String()] = append(got[kind.String()], strings.TrimPrefix(decl.name, kindInfo[kind].prefix+"nfv."))
		}
	}
	require.Equal(t, map[string][]string{
		"data type": {"L2AddressData", "L3AddressData", "AddressData", "VirtualNetworkInterfaceRequirements", "ConnectivityType",
			"RequestedAdditionalCapability", "VirtualMemory", "VirtualCpu", "VirtualCpuPinning", "VnfcConfigurableProperties"},
		"artifact type":     {"SwImage"},
		"capability type":   {"VirtualBindable", "VirtualLinkable", "Metric", "VirtualCompute", "HA", "HA.ActiveActive", "HA.ActivePassive", "Forwarder"},
		"relationship type": {"VirtualBindsTo", "VirtualLinksTo", "Monitor", "HA", "ForwardsTo"},
		"node type": {"VDU.Compute", "VDU.VirtualStorage", "Cpd", "VduCpd", "VnfVirtualLinkDesc",
			"VNF", "VDU", "CP", "VL", "VL.ELine", "VL.ELAN", "VL.ETree", "FP"},
		"group type": {"VNFFG"},
	}, got)
}
