package tosca

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
)

// facts are what the type definitions say that the TOSCA TC publishes for each
// version (oasis-open/tosca-community-contributions, profiles/org.oasis-open/
// simple): the versions, the type, the way to a keyname, and the value there as
// YAML in one line; "-" where the type or keyname is absent.
const facts = `
1.0,1.1,1.2 | tosca.nodes.Root | attributes.state.default | initial
1.0,1.1,1.2 | tosca.nodes.Root | capabilities.feature.type | tosca.capabilities.Node
1.0,1.1,1.2 | tosca.nodes.Root | requirements.dependency.node | tosca.nodes.Root
1.0,1.1,1.2 | tosca.nodes.Root | requirements.dependency.relationship | tosca.relationships.DependsOn
1.0,1.1,1.2 | tosca.nodes.Root | requirements.dependency.occurrences | [0,UNBOUNDED]
1.0,1.1 | tosca.nodes.Abstract.Compute | derived_from | -
1.2 | tosca.nodes.Abstract.Compute | derived_from | tosca.nodes.Root
1.2 | tosca.nodes.Abstract.Compute | capabilities.host.valid_source_types | []
1.0,1.1 | tosca.nodes.Compute | derived_from | tosca.nodes.Root
1.2 | tosca.nodes.Compute | derived_from | tosca.nodes.Abstract.Compute
1.0,1.1 | tosca.nodes.Compute | capabilities.host.type | tosca.capabilities.Container
1.2 | tosca.nodes.Compute | capabilities.host.type | tosca.capabilities.Compute
1.0,1.1,1.2 | tosca.nodes.Compute | capabilities.host.valid_source_types | [tosca.nodes.SoftwareComponent]
1.0,1.1,1.2 | tosca.nodes.Compute | requirements.local_storage.occurrences | [0,UNBOUNDED]
1.0,1.1 | tosca.nodes.Compute | requirements.local_storage.node | tosca.nodes.BlockStorage
1.0,1.1,1.2 | tosca.nodes.Compute | capabilities.endpoint.type | tosca.capabilities.Endpoint.Admin
1.0,1.1,1.2 | tosca.nodes.SoftwareComponent | properties.component_version.type | version
1.0,1.1,1.2 | tosca.nodes.SoftwareComponent | properties.admin_credential.required | false
1.0,1.1,1.2 | tosca.nodes.SoftwareComponent | requirements.host.capability | tosca.capabilities.Container
1.0,1.1,1.2 | tosca.nodes.WebServer | capabilities.host.type | tosca.capabilities.Container
1.0,1.1,1.2 | tosca.nodes.WebServer | capabilities.host.valid_source_types | [tosca.nodes.WebApplication]
1.0,1.1,1.2 | tosca.nodes.WebApplication | properties.context_root.required | false
1.0,1.1,1.2 | tosca.nodes.WebApplication | requirements.host.capability | tosca.capabilities.Container
1.0,1.1,1.2 | tosca.nodes.DBMS | properties.root_password.required | false
1.0,1.1,1.2 | tosca.nodes.DBMS | capabilities.host.type | tosca.capabilities.Container
1.0,1.1,1.2 | tosca.nodes.DBMS | capabilities.host.valid_source_types | [tosca.nodes.Database]
1.0,1.1,1.2 | tosca.nodes.Database | requirements.host.capability | tosca.capabilities.Container
1.0,1.1,1.2 | tosca.nodes.Database | requirements.host.node | tosca.nodes.DBMS
1.0,1.1 | tosca.nodes.Abstract.Storage | derived_from | -
1.2 | tosca.nodes.Abstract.Storage | properties.size.default | 0 MB
1.0 | tosca.nodes.Storage.ObjectStorage | derived_from | -
1.0 | tosca.nodes.ObjectStorage | derived_from | tosca.nodes.Root
1.1 | tosca.nodes.Storage.ObjectStorage | derived_from | tosca.nodes.Root
1.2 | tosca.nodes.Storage.ObjectStorage | derived_from | tosca.nodes.Abstract.Storage
1.0 | tosca.nodes.ObjectStorage | properties.size.constraints | [{greater_or_equal:0 GB}]
1.1,1.2 | tosca.nodes.Storage.ObjectStorage | properties.maxsize.constraints | [{greater_or_equal:0 GB}]
1.1,1.2 | tosca.nodes.Storage.ObjectStorage | capabilities.storage_endpoint.type | tosca.capabilities.Endpoint
1.0,1.1 | tosca.nodes.BlockStorage | properties.size.constraints | [{greater_or_equal:1 MB}]
1.2 | tosca.nodes.Storage.BlockStorage | properties.size.default | 1 MB
1.0,1.1 | tosca.nodes.BlockStorage | capabilities.attachment.type | tosca.capabilities.Attachment
1.0,1.1 | tosca.nodes.Container.Runtime | capabilities.host.valid_source_types | -
1.2 | tosca.nodes.Container.Runtime | capabilities.host.valid_source_types | [tosca.nodes.Container.Application]
1.0,1.1 | tosca.nodes.Container.Runtime | capabilities.host.type | tosca.capabilities.Container
1.2 | tosca.nodes.Container.Runtime | capabilities.host.type | tosca.capabilities.Compute
1.0 | tosca.nodes.Container.Application | requirements.storage | -
1.1,1.2 | tosca.nodes.Container.Application | requirements.storage.capability | tosca.capabilities.Storage
1.1,1.2 | tosca.nodes.Container.Application | requirements.network.capability | tosca.capabilities.Endpoint
1.2 | tosca.nodes.Container.Application | requirements.host.capability | tosca.capabilities.Compute
1.0,1.1,1.2 | tosca.nodes.LoadBalancer | properties.algorithm.status | experimental
1.0,1.1,1.2 | tosca.nodes.LoadBalancer | capabilities.client.occurrences | [0,UNBOUNDED]
1.0,1.1,1.2 | tosca.nodes.LoadBalancer | requirements.application.relationship | tosca.relationships.RoutesTo
1.0 | tosca.capabilities.Container | derived_from | tosca.capabilities.Root
1.1 | tosca.capabilities.Container | derived_from | tosca.capabilities.Compute
1.2 | tosca.capabilities.Container | derived_from | tosca.capabilities.Root
1.0 | tosca.capabilities.Container | properties.cpu_frequency.constraints | [{greater_or_equal:0.1 GHz}]
1.1,1.2 | tosca.capabilities.Container | properties | -
1.1 | tosca.capabilities.Compute | derived_from | tosca.capabilities.Root
1.2 | tosca.capabilities.Compute | derived_from | tosca.capabilities.Container
1.1,1.2 | tosca.capabilities.Compute | properties.num_cpus.constraints | [{greater_or_equal:1}]
1.0,1.1,1.2 | tosca.capabilities.Endpoint | properties.network_name.default | PRIVATE
1.0,1.1,1.2 | tosca.capabilities.Endpoint | properties.initiator.constraints | [{valid_values:[source,target,peer]}]
1.0,1.1,1.2 | tosca.capabilities.Endpoint.Public | properties.network_name.constraints | [{equal:PUBLIC}]
1.0,1.1,1.2 | tosca.capabilities.Endpoint.Admin | properties.secure.default | true
1.0,1.1,1.2 | tosca.capabilities.Scalable | properties.max_instances.default | 1
1.0,1.1,1.2 | tosca.capabilities.network.Bindable | derived_from | tosca.capabilities.Node
1.0,1.1,1.2 | tosca.relationships.HostedOn | valid_target_types | [tosca.capabilities.Container]
1.0,1.1,1.2 | tosca.relationships.AttachesTo | properties.location.constraints | [{min_length:1}]
1.0,1.1,1.2 | tosca.relationships.RoutesTo | derived_from | tosca.relationships.ConnectsTo
1.0 | tosca.datatypes.TimeInterval | derived_from | -
1.1,1.2 | tosca.datatypes.TimeInterval | properties.start_time.type | timestamp
1.0,1.1 | tosca.datatypes.json | derived_from | -
1.2 | tosca.datatypes.json | derived_from | string
1.2 | tosca.datatypes.xml | derived_from | string
1.0,1.1,1.2 | tosca.datatypes.Credential | properties.token_type.default | password
1.0,1.1,1.2 | tosca.datatypes.network.PortDef | constraints | [{in_range:[1,65535]}]
1.0,1.1,1.2 | tosca.datatypes.network.PortSpec | properties.protocol.constraints | [{valid_values:[udp,tcp,igmp]}]
1.2 | tosca.interfaces.relationship.Configure | remove_source | -
`

func TestFactsOfNormativeTypes(t *testing.T) {
	t.Parallel()
	rows := 0
	for line := range strings.Lines(strings.TrimSpace(facts)) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		require.Len(t, cells, 4, line)
		for version := range strings.SplitSeq(cells[0], ",") {
			rows++
			d := builtinProfile("tosca_simple_yaml_" + strings.ReplaceAll(version, ".", "_"))
			require.Equal(t, cells[3], fact(d, cells[1], strings.Split(cells[2], ".")), "%s %s %s", version, cells[1], cells[2])
		}
	}
	require.Greater(t, rows, 150)
}

// fact is what the definition of a type has at the end of a way of keynames.
func fact(d *document, name string, way []string) string {
	var decl *typeDecl
	for kind := range kinds {
		if found := d.decls[kind][name]; found != nil {
			decl = found
		}
	}
	if decl == nil {
		return "-"
	}
	n := decl.node
	for _, key := range way {
		if i := slices.IndexFunc(n.Items, func(item *yamlx.Node) bool { return item.Get(key) != nil }); i >= 0 {
			n = n.Items[i]
		}
		if n = n.Get(key); n == nil {
			return "-"
		}
	}
	return oneLine(n)
}

// oneLine writes a node without its quotes, in flow style.
func oneLine(n *yamlx.Node) string {
	var parts []string
	switch n.Kind {
	case yamlx.Mapping:
		for _, f := range n.Fields {
			parts = append(parts, f.Key.Text+":"+oneLine(f.Value))
		}
		return "{" + strings.Join(parts, ",") + "}"
	case yamlx.Sequence:
		for _, item := range n.Items {
			parts = append(parts, oneLine(item))
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	return n.Text
}
